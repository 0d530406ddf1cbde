use std::collections::HashMap;

use chrono::{TimeDelta, Utc};
use contracts::{
    ChainId, Message, RunId, StackId, Trace,
    gate::{Moment, Outcome},
    order::OrderKind,
    run::{RunReported, RunState, RunType},
    step::StepState as S,
};
use sqlx::PgPool;
use store::{Decider, Options, Store};
use uuid::Uuid;

use super::{
    Meanwhile, in_flight, known_runs, lines, meanwhile, nothing_new, page, queued_on_free_stacks,
};
use crate::{
    chain::{Chain, Hold},
    decider::{ChainDecider, State},
    fixtures::{ChainFixture, at, planned},
    history::Changes,
    input::Input,
    limits::Limits,
    retry::Retries,
    waves::Rules,
};

mod forget;
mod late;
mod line;
mod locks;
mod loose;
mod order;
mod rank;
mod rest;
mod share;
mod unknown;
mod withdrawn;

/// As if another executor had said that it is there, and had died.
pub(crate) async fn leave_a_dead_executor(options: &Options) {
    let store = Store::connect(options, crate::CARD.service).await.unwrap();
    let said = "insert into present (number) values (7)";
    sqlx::query(said).execute(store.pool()).await.unwrap();
}

/// Writes a chain, as if the executor had brought it there.
pub(crate) async fn keep(pool: &PgPool, chain: &ChainFixture) {
    let (limits, rules, retries) = (Limits::default(), Rules::default(), Retries::default());
    let database = Database(ChainDecider::new(pool.clone(), limits, rules, retries));
    database.save(&[chain]).await.unwrap();
}

/// The same of one that no build can read.
pub(crate) async fn keep_unreadable(pool: &PgPool, chain: &ChainFixture) {
    keep(pool, chain).await;
    let breaks = "update steps set planned = '{}' where chain_id = $1";
    sqlx::query(breaks).bind(chain.chain().id.0).execute(pool).await.unwrap();
}

/// A database of its own, with the executor's tables.
struct Database(ChainDecider);

impl Database {
    async fn new() -> Self {
        Self::limited(Limits::default()).await
    }

    async fn limited(limits: Limits) -> Self {
        let postgres = embedded::shared_postgres().await;
        let name = format!("executor_{}", Uuid::new_v4().simple());
        postgres.create_database(&name).await.unwrap();
        let options = Options { connections_max: 4, ..Options::at(postgres.url(&name)) };
        let store = Store::connect(&options, crate::CARD.service).await.unwrap();
        store.migrate(&crate::MIGRATIONS).await.unwrap();
        Self(ChainDecider::new(store.pool().clone(), limits, Rules::default(), Retries::default()))
    }

    fn pool(&self) -> &PgPool {
        &self.0.pool
    }

    /// Writes everything about these chains; gives who is to be woken.
    async fn save(&self, chains: &[&ChainFixture]) -> Result<Vec<Uuid>, sqlx::Error> {
        let mut connection = self.pool().acquire().await?;
        let mut whole: Vec<State> = Vec::new();
        for fixture in chains {
            let mut chain = fixture.chain().clone();
            chain.changes.is_new =
                self.0.load(&mut connection, &[chain.id.0], Utc::now()).await?.is_empty();
            chain.changes.chain = true;
            chain.changes.steps = chain.places().collect();
            whole.push(chain.into());
        }
        let states: Vec<_> = whole.iter().map(|it| (it.chain.as_ref().unwrap().id.0, it)).collect();
        self.0.save(&mut connection, &states).await
    }

    async fn load(&self, chain: u128) -> Chain {
        let mut connection = self.pool().acquire().await.unwrap();
        let key = Uuid::from_u128(chain);
        let mut loaded = self.0.load(&mut connection, &[key], Utc::now()).await.unwrap();
        loaded.remove(&key).unwrap().chain.unwrap()
    }

    async fn owner(&self, report: RunReported) -> Option<u128> {
        let mut connection = self.pool().acquire().await.unwrap();
        let input = Input::Reported(report);
        let keys = self.0.keys(&mut connection, &[&input]).await.unwrap();
        keys[0].map(|key| key.as_u128())
    }

    async fn holders(&self, chain: u128) -> HashMap<String, (u128, Hold)> {
        let busy = self.load(chain).await.busy;
        let said = |(stack, holder): (StackId, Option<crate::Holder>)| {
            holder.map(|holder| (stack.to_string(), (holder.chain.0.as_u128(), holder.hold)))
        };
        busy.into_iter().filter_map(said).collect()
    }
}

/// A chain of its own over these stacks, all without parents.
fn chain(id: u128, stacks: &[&str]) -> ChainFixture {
    let stacks: Vec<(&str, &[&str])> = stacks.iter().map(|stack| (*stack, &[][..])).collect();
    ChainFixture::planned_as(planned(id, &stacks)).running()
}

fn numbers(keys: Vec<Uuid>) -> Vec<u128> {
    keys.into_iter().map(|key| key.as_u128()).collect()
}

#[tokio::test]
async fn a_chain_comes_back_as_it_was_in_every_state_of_its_steps() {
    let database = Database::new().await;
    let mut number = 0;
    for state in S::ALL {
        number += 1;
        let stack: &str = &format!("s-{state}");
        let stacks: &[(&str, &[&str])] = &[(stack, &[]), ("below", &[stack])];
        let fixture = ChainFixture::planned_as(planned(number, stacks)).native();
        let mut fixture = match state {
            S::Waiting => fixture.gating(),
            S::Skipped => fixture.running().with(stack, S::Failed),
            state => fixture.running().with(stack, state),
        };
        if state == S::Triggering {
            fixture.tell(fixture.reported(stack, RunState::Planning, 3));
        }
        let chain = fixture.state.as_mut().unwrap();
        chain.trace = Some(Trace("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".into()));
        chain.steps[0].misses = 2;
        database.save(&[&fixture]).await.unwrap();

        let mut loaded = database.load(number).await;

        loaded.busy.clear();
        let mut expected = fixture.chain().clone();
        (expected.changes, expected.busy) = (Changes::default(), HashMap::new());
        expected.version = 1;
        assert_eq!(loaded, expected, "{state}");
    }
}

#[tokio::test]
async fn what_has_become_of_a_step_is_known_to_the_call_that_waited() {
    let pause = |chain: &mut ChainFixture, stack| {
        chain.tell(chain.order(OrderKind::Pause, stack, false));
    };
    let confirming = |id| chain(id, &["a"]).with("a", S::Confirming);
    let plain = confirming(1);
    let mut canceled = confirming(1);
    canceled.tell(canceled.order(OrderKind::Cancel, None, false));
    let (mut paused, mut one_paused) = (confirming(1), chain(1, &["a"]).with("a", S::Triggering));
    pause(&mut paused, None);
    pause(&mut one_paused, Some("a"));
    let mut withheld = confirming(1);
    withheld.tell(withheld.gate_says("a", Outcome::Deny));
    let drafts = ChainFixture::planned_as(planned(1, &[("a", &[])])).planning_all().running();
    let mut drafts = drafts.with("a", S::Triggering);
    pause(&mut drafts, Some("a"));
    for (what, chain, expected) in [
        ("nothing", plain, (false, false)),
        ("canceled", canceled, (true, false)),
        ("its chain is paused", paused, (false, true)),
        ("it is paused", one_paused, (false, true)),
        ("the policies hold it", withheld, (false, true)),
        ("it is paused, and only planned", drafts, (false, false)),
    ] {
        let database = Database::new().await;
        database.save(&[&chain]).await.unwrap();
        let id = ChainId(Uuid::from_u128(1));
        let Meanwhile { is_canceled, is_held, locked } =
            meanwhile(database.pool(), id, &"a".into()).await.unwrap();
        assert_eq!(((is_canceled, is_held), locked), (expected, None), "{what}");
    }
}

#[tokio::test]
async fn only_what_changed_is_written_and_every_transition_is_kept() {
    let database = Database::new().await;
    let mut fixture = ChainFixture::diamond().running().with("a", S::Applying);
    database.save(&[&fixture]).await.unwrap();
    fixture.tell(fixture.reported("a", RunState::Finished, 9));
    let changes = fixture.chain().changes.clone();
    assert!(!changes.chain);
    assert_eq!(changes.steps.into_iter().collect::<Vec<_>>(), [0, 1, 2]);
    let state = State::from(fixture.chain().clone());
    let mut connection = database.pool().acquire().await.unwrap();
    let states = [(fixture.chain().id.0, &state)];
    database.0.save(&mut connection, &states).await.unwrap();

    assert_eq!(database.load(1).await.steps, fixture.chain().steps);
    let kept: Vec<(String, String, String)> = sqlx::query_as(
        "select stack, to_state, actor from operations where from_state <> 'gating'
         order by position desc limit 3",
    )
    .fetch_all(database.pool())
    .await
    .unwrap();
    let kept: Vec<_> = kept.iter().map(|(a, b, c)| format!("{a} {b} {c}")).collect();
    let expected = ["c gating_plan spacelift", "b gating_plan spacelift", "a finished spacelift"];
    assert_eq!(kept, expected);
}

#[tokio::test]
async fn two_deploying_chains_never_hold_one_stack_whatever_the_code_does() {
    let database = Database::new().await;
    for state in S::ALL.into_iter().filter(|state| state.holds_stack()) {
        let stack: &str = &format!("s-{state}");
        let number = |n: u128| n + 10 * S::ALL.iter().position(|it| *it == state).unwrap() as u128;
        let first = chain(number(101), &[stack]).with(stack, state);
        let second = chain(number(102), &[stack]).with(stack, S::Triggering);
        database.save(&[&first]).await.unwrap();

        let refused = database.save(&[&second]).await.unwrap_err();

        let refused = refused.into_database_error().unwrap();
        assert_eq!(refused.constraint(), Some("steps_hold_stack"), "{state}");
        let preview = planned(number(103), &[(stack, &[])]);
        let preview =
            ChainFixture::planned_as(preview).preview().running().with(stack, state_of(state));
        database.save(&[&preview]).await.unwrap();
    }
}

/// A preview never comes to a gate before an apply.
fn state_of(state: S) -> S {
    if state == S::Triggering { S::Triggering } else { S::Planning }
}

#[tokio::test]
async fn in_one_batch_a_stack_goes_from_one_chain_to_the_next() {
    let database = Database::new().await;
    let mut first = chain(1, &["a"]).with("a", S::Applying);
    let second = chain(2, &["a"]).with("a", S::GatingPlan);
    database.save(&[&first, &second]).await.unwrap();
    first.tell(first.reported("a", RunState::Finished, 9));
    let second = second.with("a", S::Triggering);
    // In the order in which the index would object, if steps were written as they come.
    database.save(&[&second, &first]).await.unwrap();
    assert_eq!(database.load(2).await.steps[0].state, S::Triggering);
}

#[tokio::test]
async fn a_report_goes_to_the_chain_whose_run_it_is() {
    let database = Database::new().await;
    let deploy = chain(1, &["a"]).with("a", S::Triggering);
    let mut other = planned(2, &[("a", &[])]);
    other.change.commit = "0ddba11".into();
    let one_preview = ChainFixture::planned_as(planned(3, &[("a", &[])]))
        .preview()
        .running()
        .with("a", S::Triggering);
    let other_preview =
        ChainFixture::planned_as(other).preview().running().with("a", S::Triggering);
    let flying = chain(4, &["b"]).with("b", S::Planning);
    let ended = chain(5, &["c"]).with("c", S::Finished);
    let asking_again = chain(6, &["c"]).with("c", S::Triggering);
    let all = [&deploy, &one_preview, &other_preview, &flying, &ended, &asking_again];
    database.save(&all).await.unwrap();
    let report = |chain: &ChainFixture, stack: &str, run: &str| RunReported {
        run: RunId(run.to_owned()),
        ..chain.report(stack, RunState::Planning, 3)
    };

    let tracked = report(&deploy, "a", "new");
    let proposed = report(&one_preview, "a", "new");
    let of_other = RunReported { commit: "0ddba11".into(), ..proposed.clone() };
    assert_eq!(database.owner(tracked.clone()).await, Some(1));
    assert_eq!(database.owner(proposed).await, Some(3));
    assert_eq!(database.owner(of_other).await, Some(2));
    let task = RunReported { run_type: RunType::Task, ..tracked };
    assert_eq!(database.owner(task).await, None);

    assert_eq!(database.owner(report(&flying, "b", "run-b")).await, Some(4));
    assert_eq!(database.owner(report(&flying, "b", "somebody-elses")).await, None);
    let of_the_ended = report(&ended, "c", "run-c");
    assert_eq!(database.owner(of_the_ended).await, None, "it is known, so nobody else keeps it");
    assert_eq!(database.owner(report(&ended, "c", "new")).await, Some(6));
    assert_eq!(database.owner(report(&ended, "nowhere", "new")).await, None);
}

#[tokio::test]
async fn whoever_could_start_sees_who_has_the_stack_and_who_came_first() {
    let database = Database::new().await;
    let runs = chain(1, &["held", "free"]).with("held", S::Planning);
    let first = chain(2, &["held"]).with("held", S::Queued);
    let mut second = chain(3, &["held"]).with("held", S::Queued);
    second.state.as_mut().unwrap().steps[0].since += TimeDelta::seconds(60);
    let newcomer = chain(4, &["held", "free"]);
    let calls = chain(5, &["called"]);
    database.save(&[&runs, &first, &second, &newcomer, &calls]).await.unwrap();
    sqlx::query(
        "insert into effects (id, key, lane, kind, body, correlation, claimed, due_at, created_at)
         values ($1, $2, 'stack/called', 'run.confirm', '{}', $1, true, now(), now())",
    )
    .bind(Uuid::new_v4())
    .bind(Uuid::from_u128(9))
    .execute(database.pool())
    .await
    .unwrap();
    let one =
        |stack: &str, owner: u128, hold: Hold| HashMap::from([(stack.to_owned(), (owner, hold))]);

    assert_eq!(database.holders(2).await, one("held", 1, Hold::Runs));
    assert_eq!(database.holders(4).await, one("held", 1, Hold::Runs));
    assert_eq!(database.holders(5).await, one("called", 9, Hold::Calls));
    assert!(queued_on_free_stacks(database.pool()).await.unwrap().is_empty());

    let mut runs = runs;
    runs.tell(runs.reported("held", RunState::Finished, 9));
    let woken = database.save(&[&runs]).await.unwrap();
    assert_eq!(numbers(woken), [2], "the oldest is woken");
    assert_eq!(numbers(queued_on_free_stacks(database.pool()).await.unwrap()), [2]);
    assert_eq!(database.holders(2).await, HashMap::new());
    assert_eq!(database.holders(3).await, one("held", 2, Hold::Queues));
    let owner = database.holders(4).await["held"].clone();
    assert!(
        owner == (2, Hold::Queues) || owner == (3, Hold::Queues),
        "nobody overtakes: {owner:?}"
    );
}

#[tokio::test]
async fn only_runs_that_may_be_meant_are_accounted_for() {
    let database = Database::new().await;
    let old = chain(1, &["a"]).with("a", S::Finished);
    let ended_at = old.step("a").since;
    database.save(&[&old, &chain(2, &["a"]).with("a", S::Queued)]).await.unwrap();
    let known = |since| {
        let pool = database.pool().clone();
        async move { known_runs(&pool, &"a".into(), since).await.unwrap() }
    };
    assert_eq!(known(ended_at).await, [RunId("run-a".to_owned())]);
    assert!(known(ended_at + TimeDelta::seconds(1)).await.is_empty());
}

#[tokio::test]
async fn silent_runs_are_asked_about_the_most_silent_first() {
    let database = Database::new().await;
    let heard = |number: u128, stack: &str, state, seconds: Option<i64>| {
        let mut fixture = chain(number, &[stack]).with(stack, state);
        fixture.state.as_mut().unwrap().steps[0].heard_at = seconds.map(at);
        fixture
    };
    let mut blind = heard(5, "never", S::GatingApply, None);
    blind.state.as_mut().unwrap().steps[0].state = S::Planning;
    database
        .save(&[
            &heard(1, "long", S::Applying, Some(10)),
            &heard(2, "longer", S::GatingApply, Some(5)),
            &heard(3, "lately", S::Planning, Some(100)),
            &heard(4, "ended", S::Failed, Some(1)),
            &blind,
        ])
        .await
        .unwrap();

    let found = in_flight(database.pool(), at(50), 10).await.unwrap();

    let names: Vec<_> = found.iter().map(|it| (it.stack.as_str(), it.plan_is_missing)).collect();
    assert_eq!(names, [("never", true), ("longer", false), ("long", false)]);
}

#[tokio::test]
async fn a_look_that_brought_nothing_new_is_noted_without_a_decision() {
    let database = Database::new().await;
    let mut fixture = chain(1, &["a"]).with("a", S::Applying);
    fixture.state.as_mut().unwrap().steps[0].heard_at = Some(at(5));
    database.save(&[&fixture]).await.unwrap();
    let pool = database.pool();
    let found = in_flight(pool, at(50), 10).await.unwrap();
    assert_eq!((found[0].version, found[0].misses), (6, 0));

    nothing_new(pool, &found, at(60)).await.unwrap();

    assert!(in_flight(pool, at(50), 10).await.unwrap().is_empty());
    assert_eq!(database.load(1).await.steps[0].heard_at, Some(at(60)));
}

#[tokio::test]
async fn what_people_ask_is_there_in_full() {
    let database = Database::new().await;
    let open = chain(1, &["a", "b"]).with("a", S::Finished);
    let mut ended = chain(2, &["c"]);
    ended.tell(ended.gate_says("c", Outcome::Deny));
    let held = chain(3, &["d", "e"]).with("d", S::Applying).with("e", S::GatingApply);
    database.save(&[&open, &ended, &held]).await.unwrap();
    let pool = database.pool();

    let all = lines(pool, false, 10).await.unwrap();
    assert_eq!(all.len(), 3);
    let first = |number: u128| {
        let line = all.iter().find(|line| line.chain == ChainId(Uuid::from_u128(number)));
        line.unwrap().first_open.as_ref().map(|step| step.stack.as_str())
    };
    assert_eq!([first(1), first(2), first(3)], [Some("b"), None, Some("e")], "what is held first");
    let still_open = lines(pool, true, 10).await.unwrap();
    assert_eq!(still_open.len(), 2);
    let line = still_open.iter().find(|line| line.chain == ChainId(Uuid::from_u128(1))).unwrap();
    assert_eq!((line.steps, line.ended), (2, 1));

    let page = page(pool, ChainId(Uuid::from_u128(1))).await.unwrap().unwrap();
    assert_eq!((page.line.steps, page.line.ended), (2, 1));
    assert_eq!(page.steps_in_order[0].summary, open.step("a").summary());
    assert_eq!(page.steps_in_order[1].gate, Some(open.gate("b")));
    assert!(super::page(pool, ChainId(Uuid::nil())).await.unwrap().is_none());
    assert_eq!(
        crate::CARD.takes,
        [
            contracts::chain::ChainPlanned::TYPE,
            contracts::gate::GateDecided::TYPE,
            RunReported::TYPE,
            contracts::stack::StackReassociated::TYPE,
            contracts::chain::ChainWithdrawn::TYPE,
        ]
    );
}

/// A table that grows for years must never be read as a whole on the way of a message. Postgres
/// uses an index whose predicate it can prove, whatever the parameters are; with sequential scans
/// forbidden it still has to use one where it can prove none.
#[tokio::test]
async fn what_is_asked_on_every_message_is_answered_by_an_index() {
    let database = Database::new().await;
    let mut connection = database.pool().acquire().await.unwrap();
    for setting in ["set plan_cache_mode = force_generic_plan", "set enable_seqscan = off"] {
        sqlx::query(setting).execute(&mut *connection).await.unwrap();
    }
    let newest = [true, false].map(|open| super::pages::newest(open).replace("$1", "50"));
    for (asked, index) in [
        (
            "select run from steps where stack = 'a' and since >= now() and run is not null",
            "steps_accounted",
        ),
        (
            "select 1 from steps where stack = any(array['a']) and state = 'triggering'",
            "steps_triggering",
        ),
        (
            "select 1 from steps other where other.stack = 'a' and other.kind = 'deploy'
              and other.state in ('triggering', 'planning', 'gating_apply', 'confirming',
                  'applying', 'discarding')",
            "steps_hold_stack",
        ),
        ("select 1 from steps where stack = 'a' and state = 'queued'", "steps_queued"),
        ("select 1 from steps where limits <> '{}' and state = 'queued'", "steps_queue"),
        ("select 1 from steps where limits <> '{}'", "steps_limited"),
        (
            "select 1 from steps where state = 'queued' and limits <> '{}' and space = 'a'
                 and limits = array['b'] order by rank, since, chain_id, stack limit 32",
            "steps_queue",
        ),
        (
            "select 1 from steps where state = 'queued' and limits <> '{}'
                 and (space, limits) > ('a', array['b']) order by space, limits limit 1",
            "steps_queue",
        ),
        (
            "select 1 from steps where state in ('planning', 'gating_apply', 'confirming',
                 'applying', 'discarding', 'canceling')",
            "steps_in_flight",
        ),
        ("select 1 from steps where state = 'triggering'", "steps_triggering"),
        (
            "select 1 from steps where stack = 'a' and kind = 'deploy' and run is null
                 and since >= now() and state in ('denied', 'skipped', 'canceled')",
            "steps_owed",
        ),
        (
            "select 1 from steps where state in ('failed', 'unknown') and since > now()
                 order by since desc limit 200",
            "steps_failed",
        ),
        (
            "select 1 from chains where ended_at is null
                 and course->>'action' in ('destroy', 'deregister')
                 order by began_at desc limit 1",
            "chains_destroying",
        ),
        (super::work::SUPERSEDED, "chains_of_branch"),
        (&newest[0], "chains_open_newest"),
        (&newest[1], "chains_newest"),
    ] {
        let plan: Vec<String> = sqlx::query_scalar(sqlx::AssertSqlSafe(format!("explain {asked}")))
            .fetch_all(&mut *connection)
            .await
            .unwrap();
        assert!(plan.iter().any(|line| line.contains(index)), "{asked}: {plan:#?}");
    }
}

#[tokio::test]
async fn who_need_not_ask_knows_whether_its_stack_is_free_before_its_turn_comes() {
    let database = Database::new().await;
    let elsewhere = chain(1, &["b"]).with("b", S::Planning);
    let asked = [("a", Moment::BeforePlan), ("a", Moment::BeforeApply)];
    let stacks: &[(&str, &[&str])] = &[("a", &[]), ("b", &["a"]), ("c", &["b"])];
    let cleared = ChainFixture::planned_as(planned(2, stacks)).cleared_but(&asked);
    let soon = cleared.clone().with("a", S::Applying);
    database.save(&[&elsewhere, &soon]).await.unwrap();

    let busy = database.load(2).await.busy;
    let held = busy.get(&StackId::from("b")).cloned().flatten().unwrap();
    assert_eq!((held.chain.0.as_u128(), held.hold), (1, Hold::Runs));
    assert!(!busy.contains_key(&StackId::from("c")), "its turn is not near");
}
