//! Which of several processes looks outside, and how that stands.

use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use sqlx::{PgPool, types::Json};
use uuid::Uuid;

use crate::lookout::Turn;

/// Takes or keeps the turn; whether it is this process's now. By the clock of the database, which all
/// of them have in common.
pub(crate) async fn take(pool: &PgPool, what: &str, turn: Turn) -> Result<bool, sqlx::Error> {
    let Turn { me, lease, is_new } = turn;
    let taken = sqlx::query(
        "insert into lookouts (what, holder, until)
         values ($1, $2, now() + make_interval(secs => $3))
         on conflict on constraint lookouts_once do update
             set holder = excluded.holder, until = excluded.until
             where lookouts.holder = excluded.holder or lookouts.until < now() or $4",
    )
    .bind(what)
    .bind(me)
    .bind(lease.as_secs_f64())
    .bind(is_new)
    .execute(pool)
    .await?;
    Ok(taken.rows_affected() == 1)
}

/// Says how it stands, if it is still this process's turn.
pub(crate) async fn tell(
    pool: &PgPool,
    what: &str,
    me: Uuid,
    standing: &impl Serialize,
) -> Result<(), sqlx::Error> {
    sqlx::query("update lookouts set standing = $3::text::json where what = $1 and holder = $2")
        .bind(what)
        .bind(me)
        .bind(::store::as_json(standing))
        .execute(pool)
        .await?;
    Ok(())
}

/// How it stands, whoever looks.
pub(crate) async fn standing<T: DeserializeOwned>(
    pool: &PgPool,
    what: &str,
) -> Result<Option<T>, sqlx::Error> {
    let found: Option<Option<Json<Value>>> =
        sqlx::query_scalar("select standing from lookouts where what = $1")
            .bind(what)
            .fetch_optional(pool)
            .await?;
    // What a build of another time told is not known here.
    Ok(found.flatten().and_then(|Json(standing)| serde_json::from_value(standing).ok()))
}
