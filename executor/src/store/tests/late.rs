//! Which chains are looked at because people may have to be told of them.

use chrono::{DateTime, TimeDelta, Utc};
use contracts::Code;

use super::*;
use crate::{
    fixtures::reminders,
    input::Overdue,
    store::may_be_late,
    why::{Late, why},
};

/// The chains that are looked at so many minutes after they were planned, by their numbers.
async fn late(database: &Database, minutes: i64) -> Vec<u128> {
    let from = (planned_at() + TimeDelta::minutes(minutes), ChainId(Uuid::nil()));
    let found = may_be_late(database.pool(), &Late::all(&reminders()), from, 100).await.unwrap();
    found.into_iter().map(|chain| chain.0.as_u128()).collect()
}

fn planned_at() -> DateTime<Utc> {
    at(60)
}

fn planned_as(id: u128) -> ChainFixture {
    let stack = format!("s{id}");
    ChainFixture::planned_as(planned(id, &[(stack.as_str(), &[]), ("after", &[stack.as_str()])]))
}

/// People are told what is too late of the first step of a chain.
async fn tell(database: &Database, chain: &mut ChainFixture, minutes: i64) {
    let page = page(database.pool(), chain.chain().id).await.unwrap().unwrap();
    let step = &page.steps_in_order[0];
    let now = planned_at() + TimeDelta::minutes(minutes);
    let wait = why(&page, step, &reminders(), now).unwrap();
    assert!(wait.stuck, "{wait:?}");
    chain.tell(Input::Overdue(Overdue {
        chain: page.line.chain,
        stack: step.summary.stack.clone(),
        since: step.since,
        reason: wait.reason,
        mend: wait.mend,
    }));
    database.save(&[chain]).await.unwrap();
}

#[tokio::test]
async fn only_what_may_be_too_late_and_was_not_told_is_looked_at() {
    let database = Database::new().await;
    let mut asked = planned_as(1).gating();
    let gate = asked.chain().gate.id;
    asked.tell(asked.decided(gate, 1, Outcome::HoldForApprovals { given: 0, needed: 1 }));
    let mut silent = planned_as(2).gating();
    let mut queued = planned_as(3).running().with("s3", S::Planning);
    queued.tell(queued.reported("s3", RunState::Queued, 1));
    let labelled = planned_as(4).labelled("s4", "stackly:timeout=1m").running();
    let mut labelled = labelled.with("s4", S::Planning);
    labelled.tell(labelled.reported("s4", RunState::Applying, 6));
    database.save(&[&asked, &silent, &queued, &labelled]).await.unwrap();

    assert_eq!(late(&database, 0).await, [4], "what a label says is not known here");
    assert_eq!(late(&database, 5).await, [2, 4], "the policies are silent");
    assert_eq!(late(&database, 20).await, [2, 3, 4], "it is queued");
    assert_eq!(late(&database, 70).await, [1, 2, 3, 4], "somebody is to approve");
    tell(&database, &mut silent, 5).await;
    tell(&database, &mut queued, 20).await;
    tell(&database, &mut labelled, 70).await;
    tell(&database, &mut asked, 70).await;
    assert_eq!(late(&database, 70).await, [0_u128; 0]);
    assert_eq!(late(&database, 300).await, [3], "it would be told of something else");
    assert_eq!(queued.step("s3").course.reminded, Some(Code::QueuedOverdue));
}

/// How many rows of steps were read in this transaction.
async fn steps_read(connection: &mut sqlx::PgConnection) -> i64 {
    let counted = "select seq_tup_read + coalesce(idx_tup_fetch, 0) from pg_stat_xact_user_tables
         where relname = 'steps'";
    sqlx::query_scalar(counted).fetch_one(connection).await.unwrap()
}

#[tokio::test]
async fn what_waits_for_the_gate_of_its_chain_is_read_once_and_not_before_that_may_be_late() {
    let database = Database::new().await;
    let stacks: Vec<String> = (0..400).map(|number| format!("s{number}")).collect();
    let steps: Vec<(&str, &[&str])> = stacks.iter().map(|it| (it.as_str(), &[][..])).collect();
    let waits = ChainFixture::planned_as(planned(1, &steps)).gating();
    database.save(&[&waits]).await.unwrap();
    for (minutes, found, most) in [(0, 0, 50), (5, 1, 1_000)] {
        let mut transaction = database.pool().begin().await.unwrap();
        let from = (planned_at() + TimeDelta::minutes(minutes), ChainId(Uuid::nil()));
        let late = Late::all(&reminders());
        let late = may_be_late(&mut *transaction, &late, from, 100).await.unwrap();
        let read = steps_read(&mut transaction).await;
        assert!(late.len() == found && read < most, "{} found, {read} read", late.len());
    }
}
