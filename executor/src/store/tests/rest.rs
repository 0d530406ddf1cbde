//! What is told of the account as a whole.

use bus::Answers;
use contracts::{Outgoing, catalogue::AccountAlerted, envelope::Cause};
use spacelift::Rest;

use super::*;
use crate::store::{Telling, tell_end_of_rest, tell_rest, told_rest};

fn telling() -> Telling {
    let (id, now) = (Uuid::new_v4(), at(0));
    let alert = AccountAlerted {
        account: "acme".to_owned(),
        severity: "INFO".to_owned(),
        title: "title".to_owned(),
        text: "text".to_owned(),
    };
    let consumer = "executor-account";
    let cause = Cause { id, correlation: id, trace: None, consumer, now };
    Telling {
        consumer,
        id,
        answers: Answers::new(vec![Outgoing::new(&alert).answer(&cause, 0)]),
        now,
    }
}

#[tokio::test]
async fn that_calls_rest_and_go_on_is_told_once_each_whoever_finds_it_and_after_a_restart() {
    let database = Database::new().await;
    let pool = database.pool();
    let told = async || -> i64 {
        let count = "select count(*) from remembered where event_type = 'account.rest'";
        sqlx::query_scalar(count).fetch_one(pool).await.unwrap()
    };
    let rest = Rest { since: at(0), until: at(10), why: "spacelift answered 502".to_owned() };
    let later = Rest { until: at(30), ..rest.clone() };
    let known = async || told_rest(pool, "acme").await.unwrap();
    assert!(known().await.is_none());
    assert!(tell_rest(pool, "acme", &rest, telling()).await.unwrap());
    assert_eq!(known().await.unwrap().rest, Some(rest));
    let news = tell_rest(pool, "acme", &later, telling()).await.unwrap();
    assert!(!news, "another executor finds the same");
    let told_last = known().await.unwrap();
    assert_eq!((told_last.rest, told_last.is_past), (Some(later), false), "one of them still does");
    assert!(!tell_end_of_rest(pool, "acme", telling()).await.unwrap());
    assert_eq!(told().await, 1);

    let passes = "update rests set seen_at = seen_at - interval '10 seconds'";
    sqlx::query(passes).execute(pool).await.unwrap();
    assert!(known().await.unwrap().is_past);
    assert!(tell_end_of_rest(pool, "acme", telling()).await.unwrap());
    assert!(!tell_end_of_rest(pool, "acme", telling()).await.unwrap());
    assert_eq!(told().await, 2);
}
