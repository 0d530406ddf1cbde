//! The further heads that deliveries speak of.

use sqlx::PgConnection;

use super::Delivery;

/// Writes those of new deliveries.
pub(super) async fn insert(
    connection: &mut PgConnection,
    deliveries: impl Iterator<Item = &Delivery>,
) -> Result<(), sqlx::Error> {
    let of = |delivery: &'_ Delivery| delivery.id;
    let pairs =
        deliveries.flat_map(|one| one.further_heads.iter().map(move |head| (of(one), head)));
    let (ids, heads): (Vec<_>, Vec<_>) = pairs.map(|(id, head)| (id, head.as_str())).unzip();
    if ids.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "insert into spoken_heads (delivery, head)
         select * from unnest($1::uuid[], $2::text[]) on conflict do nothing",
    )
    .bind(ids)
    .bind(heads)
    .execute(connection)
    .await?;
    Ok(())
}
