//! Chains that ended long ago.

use super::*;
use crate::store::forget;

#[tokio::test]
async fn what_ended_long_ago_is_forgotten_whole_and_what_is_open_or_unknown_stays() {
    let database = Database::new().await;
    let single = |id, stack| ChainFixture::planned_as(planned(id, &[(stack, &[])])).running();
    let ended = [
        single(1, "a").with("a", S::Finished),
        single(2, "b").with("b", S::Failed),
        single(3, "c").with("c", S::Unknown),
    ];
    let open = single(4, "d").with("d", S::Planning);
    let all: Vec<&ChainFixture> = ended.iter().chain([&open]).collect();
    database.save(&all).await.unwrap();
    let pool = database.pool();
    let rows = async |table: &str| -> i64 {
        let count = format!("select count(*) from {table}");
        sqlx::query_scalar(sqlx::AssertSqlSafe(count)).fetch_one(pool).await.unwrap()
    };

    assert_eq!(forget(pool, at(-1), 9).await.unwrap(), 0, "they have just ended");
    let later = at(1_000_000);
    assert_eq!(forget(pool, later, 1).await.unwrap(), 1, "a page at a time");
    assert_eq!(forget(pool, later, 9).await.unwrap(), 1);
    assert_eq!(forget(pool, later, 9).await.unwrap(), 0);
    assert!(page(pool, ChainId(Uuid::from_u128(1))).await.unwrap().is_none());
    for chain in [3, 4] {
        assert!(page(pool, ChainId(Uuid::from_u128(chain))).await.unwrap().is_some(), "{chain}");
    }
    for table in ["chains", "steps", "versions"] {
        assert_eq!(rows(table).await, 2, "{table}");
    }
    let strangers = "(select from operations where chain_id not in (select id from chains)) as it";
    assert_eq!(rows(strangers).await, 0);
}
