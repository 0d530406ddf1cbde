use serde_json::Value;

use super::*;
use crate::testing::House;

#[tokio::test]
async fn one_process_looks_until_another_begins_or_it_is_gone() {
    let house = House::open().await;
    let [one, other] =
        [(); 2].map(|()| Candidate::new(&house.pool, GITHUB, Duration::from_secs(60)));
    assert!(one.leads().await.unwrap());
    assert!(other.leads().await.unwrap(), "who has just begun takes over");
    assert!(!one.leads().await.unwrap());
    assert!(other.leads().await.unwrap());
    let told = serde_json::json!({ "found": 3 });
    lookouts::tell(&house.pool, GITHUB, one.me, &1).await.unwrap();
    lookouts::tell(&house.pool, GITHUB, other.me, &told).await.unwrap();
    let known: Option<Value> = lookouts::standing(&house.pool, GITHUB).await.unwrap();
    assert_eq!(known, Some(told), "only who has the turn tells");
    assert_eq!(lookouts::standing::<Value>(&house.pool, GITLAB).await.unwrap(), None);

    // It is gone: nobody keeps its turn.
    let gone = "update lookouts set until = now() - interval '1 second'";
    sqlx::query(gone).execute(&house.pool).await.unwrap();
    assert!(one.leads().await.unwrap());
    assert!(!other.leads().await.unwrap());
}
