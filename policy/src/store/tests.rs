use ::store::{Options, Store};
use contracts::gate::{Moment, RecentFailure};
use sqlx::{AssertSqlSafe, Executor};

use super::*;
use crate::{
    fixtures::{at, noon, policies, prod, review},
    model::PolicySet,
};

/// A database of its own, with the service's tables.
async fn pool() -> PgPool {
    let postgres = embedded::shared_postgres().await;
    let database = format!("policy-{}", Uuid::new_v4());
    postgres.create_database(&database).await.unwrap();
    let options = Options::at(postgres.url(&database));
    let store = Store::connect(&options, crate::CARD.service).await.unwrap();
    store.migrate(&crate::MIGRATIONS).await.unwrap();
    store.pool().clone()
}

fn guarded() -> PolicySet {
    policies(
        "policy \"night\" {\n schedule { allowed_hours = [\"22-6\"] }\n}\n\
         policy \"people\" {\n approval { min_approvers = 2 }\n}",
    )
}

fn kept(set: &PolicySet, number: u128, moment: Moment) -> StoredGate {
    let mut request = prod(moment);
    request.gate = GateId(Uuid::from_u128(number));
    let trace = Trace("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned());
    let gate = Gate::open(set, request, noon());
    StoredGate {
        is_stored: false,
        ..StoredGate::stored(gate, Uuid::from_u128(number + 100), Some(trace))
    }
}

async fn all(pool: &PgPool, filter: &Filter) -> Vec<u128> {
    let found = find(pool, filter).await.unwrap();
    found.iter().map(|kept| kept.gate.request.gate.0.as_u128()).collect()
}

#[tokio::test]
async fn a_gate_and_its_reviews_come_back_as_they_were() {
    let pool = pool().await;
    let mut connection = pool.acquire().await.unwrap();
    let set = guarded();
    let (mut one, mut other) =
        (kept(&set, 1, Moment::BeforeApply), kept(&policies(""), 2, Moment::BeforeChain));
    save(&mut connection, &[&one, &other]).await.unwrap();
    (one.is_stored, other.is_stored) = (true, true);
    for (number, by) in [(9, "bob"), (3, "alice"), (5, "bob")] {
        let mut given = review(number, by, true);
        given.note = (number == 3).then(|| "looks fine".to_owned());
        one.gate.review(&set, given, noon()).unwrap();
        save(&mut connection, &[&one]).await.unwrap();
    }
    let ids = [1, 2, 3].map(Uuid::from_u128);
    let mut loaded = load(&mut connection, &ids).await.unwrap();
    loaded.sort_by_key(|kept| kept.gate.request.gate);
    assert_eq!(loaded, [one, other]);
    assert_eq!(load(&mut connection, &[]).await.unwrap(), []);
    save(&mut connection, &[]).await.unwrap();
}

#[tokio::test]
async fn what_a_gate_is_asked_again_with_is_kept() {
    let pool = pool().await;
    let mut connection = pool.acquire().await.unwrap();
    let set = policies("policy \"calm\" {\n budget { max_failures = 0 }\n}");
    let mut one = kept(&set, 1, Moment::BeforePlan);
    save(&mut connection, &[&one]).await.unwrap();
    assert_eq!(one.gate.outcome, Outcome::Pass);
    one.is_stored = true;

    let failure = RecentFailure {
        chain: ChainId(Uuid::from_u128(55)),
        stack: "net-prod".into(),
        space: "platform".into(),
        labels: Vec::new(),
        path: None,
        at: noon(),
    };
    let again = GateRequested { again: 1, failures: vec![failure], ..one.gate.request.clone() };
    assert!(one.gate.notes_asked_again(&again, noon()));
    one.gate.decide_again(&set, Vec::new(), noon());
    save(&mut connection, &[&one]).await.unwrap();
    let loaded = load(&mut connection, &[Uuid::from_u128(1)]).await.unwrap();
    assert_eq!(loaded, [one]);
    let mut woken = loaded.into_iter().next().unwrap();
    woken.gate.reconsider(&set, noon());
    assert!(matches!(woken.gate.outcome, Outcome::HoldUntil { .. }), "it failed all the same");
}

#[tokio::test]
async fn gates_are_found_by_what_people_know_of_them() {
    let pool = pool().await;
    let mut connection = pool.acquire().await.unwrap();
    let set = guarded();
    let mut later = kept(&set, 1, Moment::BeforeApply);
    later.gate.requested_at = at("2026-11-20T12:00:00Z");
    let earlier = kept(&set, 2, Moment::BeforePlan);
    let mut elsewhere = kept(&set, 3, Moment::BeforeChain);
    elsewhere.gate.request.chain = ChainId(Uuid::from_u128(55));
    save(&mut connection, &[&later, &earlier, &elsewhere]).await.unwrap();

    let filter = Filter { limit: 10, ..Filter::default() };
    assert_eq!(all(&pool, &filter).await, [1, 3, 2]);
    assert_eq!(all(&pool, &Filter { open_only: true, ..filter.clone() }).await, [1]);
    assert_eq!(all(&pool, &Filter { limit: 2, ..filter.clone() }).await, [1, 3]);
    let after = Some((noon(), Uuid::from_u128(3)));
    assert_eq!(all(&pool, &Filter { after, ..filter.clone() }).await, [2], "the next page");
    let stack = Some("net-prod".to_owned());
    assert_eq!(all(&pool, &Filter { stack, ..filter.clone() }).await, [1, 2]);
    let chain = Some(ChainId(Uuid::from_u128(55)));
    assert_eq!(all(&pool, &Filter { chain, ..filter.clone() }).await, [3]);
    let gate = Some(GateId(Uuid::from_u128(2)));
    assert_eq!(all(&pool, &Filter { gate, ..filter.clone() }).await, [2]);
    let all_but_two_bits = GateId(Uuid::from_u128(2)).to_string();
    let begins = Begins::of(&all_but_two_bits[..30]);
    assert_eq!(all(&pool, &Filter { begins, ..filter.clone() }).await, [1, 2, 3]);
    let begins = Begins::of(&all_but_two_bits);
    assert_eq!(all(&pool, &Filter { begins, ..filter.clone() }).await, [2]);
    let begins = Begins::of(&ChainId(Uuid::from_u128(55)).to_string()[..31]);
    assert_eq!(all(&pool, &Filter { begins, ..filter.clone() }).await, [3]);
    for (commit, open_only, found) in
        [("c0f", true, &[1][..]), ("c0f", false, &[1, 3, 2]), ("c0d", true, &[])]
    {
        let commit = Some(CommitSha::from(commit));
        assert_eq!(all(&pool, &Filter { commit, open_only, ..filter.clone() }).await, found);
    }
}

/// What is asked on every word of a person must never read all gates of the years: of each statement,
/// the plan that the pool keeps for all values.
#[tokio::test]
async fn what_is_asked_on_every_message_is_answered_by_an_index() {
    let pool = pool().await;
    let mut connection = pool.acquire().await.unwrap();
    let of = |filter: Filter| Filter { limit: 501, ..filter };
    let open = of(Filter { open_only: true, ..Filter::default() });
    let chain = Some(ChainId(Uuid::nil()));
    let commit = Some(CommitSha::from("c0ffee"));
    for (filter, condition) in [
        (of(Filter { gate: Some(GateId(Uuid::nil())), ..Filter::default() }), "(id = $2)"),
        (of(Filter { chain, ..Filter::default() }), "(chain = $1)"),
        (of(Filter { stack: Some("net".to_owned()), ..Filter::default() }), "(stack = $3)"),
        (of(Filter { begins: Begins::of("gate_01"), ..Filter::default() }), "(id >= $9)"),
        (of(Filter { begins: Begins::of("chain_01"), ..Filter::default() }), "(chain >= $9)"),
        (Filter { begins: Begins::of("gate_01"), ..open.clone() }, "(id >= $9)"),
        (Filter { begins: Begins::of("chain_01"), ..open.clone() }, "(chain >= $9)"),
        (Filter { chain, ..open.clone() }, "(chain = $1)"),
        (Filter { commit, ..open.clone() }, "~>=~ $4)"),
    ] {
        let plan = plan(&mut connection, &filter).await;
        let is_narrow = |line: &String| line.contains("Index Cond:") && line.contains(condition);
        assert!(plan.iter().any(is_narrow), "{filter:?}: {plan:#?}");
    }
    let plan = plan(&mut connection, &open).await;
    assert!(plan.iter().any(|line| line.contains("Scan on gates_open")), "{plan:#?}");
}

/// How the statement of a filter is answered, whatever its values.
async fn plan(connection: &mut PgConnection, filter: &Filter) -> Vec<String> {
    let statement = AssertSqlSafe(format!("prepare asked as {}", filter.statement()));
    sqlx::raw_sql(statement).execute(&mut *connection).await.unwrap();
    let explain =
        "explain execute asked (null, null, null, null, true, null, null, 501, null, null)";
    let plan = sqlx::raw_sql(explain).fetch_all(&mut *connection).await.unwrap();
    sqlx::raw_sql("deallocate asked").execute(&mut *connection).await.unwrap();
    plan.iter().map(|row| row.get(0)).collect()
}

#[tokio::test]
async fn what_waits_of_a_commit_is_woken_also_by_a_word_about_its_beginning() {
    let pool = pool().await;
    let mut connection = pool.acquire().await.unwrap();
    let set = guarded();
    let [mut whole, mut other] = [1, 2].map(|number| kept(&set, number, Moment::BeforeApply));
    whole.gate.request.change.commit = "c0ffee0123456789c0ffee0123456789c0ffee01".into();
    other.gate.request.change.commit = "c0ffee0123450000c0ffee0123456789c0ffee01".into();
    save(&mut connection, &[&whole, &other]).await.unwrap();
    let woken = async |commit: &str| {
        let mut woken = concerned(&pool, &[News::Word(commit.into())]).await.unwrap();
        woken.sort_unstable();
        woken.iter().map(Uuid::as_u128).collect::<Vec<_>>()
    };
    assert_eq!(woken("c0ffee012345").await, [1, 2]);
    assert_eq!(woken("c0ffee0123456789c0ffee0123456789c0ffee01").await, [1]);
    assert_eq!(woken("c0ffee012346").await, [0; 0]);
}

#[tokio::test]
async fn only_what_is_held_and_not_yet_put_to_the_policies_is_woken() {
    let pool = pool().await;
    let mut connection = pool.acquire().await.unwrap();
    let set = guarded();
    let mut considered = kept(&set, 1, Moment::BeforeApply);
    considered.gate.considered_digest = "new".to_owned();
    let (held, passed) = (kept(&set, 2, Moment::BeforeApply), kept(&set, 3, Moment::BeforePlan));
    let last = kept(&set, 4, Moment::BeforeApply);
    save(&mut connection, &[&considered, &held, &passed, &last]).await.unwrap();

    let now = noon();
    let mut clears = kept(&set, 5, Moment::BeforeChain);
    assert!(clears.gate.clear(&[&set], now, true));
    let mut past = kept(&set, 6, Moment::BeforeChain);
    assert!(past.gate.clear(&[&set], now - chrono::TimeDelta::days(2), true));
    save(&mut connection, &[&clears, &past]).await.unwrap();

    let ids = |numbers: &[u128]| numbers.iter().map(|n| Uuid::from_u128(*n)).collect::<Vec<_>>();
    let begin = (String::new(), Uuid::nil());
    let found = async |digest: &str, after: &PutTo, limit| {
        let page = unconsidered(&pool, digest, after, limit, now).await.unwrap();
        (page.iter().map(|(_, gate)| *gate).collect::<Vec<_>>(), page.last().cloned())
    };
    let (first, after) = found("new", &begin, 1).await;
    assert_eq!(first, ids(&[2]));
    assert_eq!(found("new", &after.unwrap(), 9).await.0, ids(&[4, 5]));
    assert_eq!(found(&set.digest, &begin, 9).await.0, ids(&[1]));
}

#[tokio::test]
async fn gates_that_have_nothing_to_hear_are_not_even_looked_at() {
    fn touched(plan: &serde_json::Value) -> f64 {
        let own = ["Actual Rows", "Rows Removed by Filter", "Rows Removed by Index Recheck"];
        let own: f64 = own.iter().filter_map(|key| plan[*key].as_f64()).sum();
        own + plan["Plans"].as_array().into_iter().flatten().map(touched).sum::<f64>()
    }
    let pool = pool().await;
    let mut connection = pool.acquire().await.unwrap();
    let set = guarded();
    let open: Vec<StoredGate> =
        (1..=1_000).map(|number| kept(&set, number, Moment::BeforeApply)).collect();
    save(&mut connection, &open.iter().collect::<Vec<_>>()).await.unwrap();
    connection.execute("analyze gates").await.unwrap();
    let explained = async |digest: &str| {
        let explain = AssertSqlSafe(format!("explain (analyze, format json) {UNCONSIDERED}"));
        let Json(plan): Json<serde_json::Value> = sqlx::query_scalar(explain)
            .bind(digest)
            .bind("")
            .bind(Uuid::nil())
            .bind(10_i64)
            .bind(noon())
            .fetch_one(&pool)
            .await
            .unwrap();
        plan[0]["Plan"].clone()
    };
    let plan = explained(&set.digest).await;
    assert!(touched(&plan) < 1.0, "{plan:#}");
    let plan = explained("other").await;
    assert!((10.0..100.0).contains(&touched(&plan)), "a page, and no more: {plan:#}");
}

/// A gate of a chain of its own that passed long ago.
fn passed(chain: u128) -> StoredGate {
    let mut passed = kept(&policies(""), chain, Moment::BeforeChain);
    passed.gate.request.chain = ChainId(Uuid::from_u128(chain));
    passed
}

#[tokio::test]
async fn what_is_over_is_forgotten_and_what_waits_or_was_not_followed_up_stays() {
    let pool = pool().await;
    let mut connection = pool.acquire().await.unwrap();
    let later = at("2027-12-31T00:00:00Z");
    let [over, mut again, mut under_way, mut broken] = [1, 2, 3, 4].map(passed);
    again.gate.decided_at = later;
    under_way.gate.place = Some(Place::Taken);
    let until = noon() + chrono::TimeDelta::hours(1);
    let word = Word::Override { until, whole_chain: false };
    broken.gate.reviews.push(Review { word, ..review(44, "olga", true) });
    let mut waits = kept(&guarded(), 5, Moment::BeforeApply);
    waits.gate.request.chain = over.gate.request.chain;
    save(&mut connection, &[&over, &again, &under_way, &broken, &waits]).await.unwrap();
    let filter = Filter { limit: 10, ..Filter::default() };
    assert_eq!(oldest(&pool).await.unwrap(), Some(noon()));

    assert_eq!(forget_gates(&pool, later, 9).await.unwrap(), 0, "each is needed still");
    let mut waits = StoredGate { is_stored: true, ..waits };
    for (number, by) in [(9, "alice"), (10, "bob")] {
        waits.gate.review(&guarded(), review(number, by, true), noon()).unwrap();
    }
    waits.gate.outcome = Outcome::Pass;
    save(&mut connection, &[&waits]).await.unwrap();
    assert_eq!(forget_gates(&pool, noon(), 9).await.unwrap(), 0, "it is not long ago");
    assert_eq!(forget_gates(&pool, later, 1).await.unwrap(), 2, "the whole chain");
    assert_eq!(all(&pool, &filter).await, [4, 3, 2]);

    let said =
        crate::page::FollowUp { by: "eve".into(), note: "the disk was full".into(), at: noon() };
    assert!(follow_up(&pool, GateId(Uuid::from_u128(4)), &said).await.unwrap());
    assert_eq!(forget_gates(&pool, later, 9).await.unwrap(), 1);
    assert_eq!(all(&pool, &filter).await, [3, 2]);
    for table in ["reviews", "override_follow_ups"] {
        let count = sqlx::AssertSqlSafe(format!("select count(*) from {table}"));
        let left: i64 = sqlx::query_scalar(count).fetch_one(&pool).await.unwrap();
        assert_eq!(left, 0, "{table}");
    }
}

#[tokio::test]
async fn a_set_is_kept_while_it_is_in_force_or_a_kept_decision_names_it() {
    let pool = pool().await;
    let later = noon() + chrono::TimeDelta::days(400);
    let named = kept(&guarded(), 1, Moment::BeforeApply);
    save(&mut pool.acquire().await.unwrap(), &[&named]).await.unwrap();
    for digest in ["gone", "again", "in force", &named.gate.policy_digest] {
        keep_set(&pool, digest, &[], noon()).await.unwrap();
    }
    keep_set(&pool, "again", &[], later).await.unwrap();
    let standing = Standing {
        source: "policies".to_owned(),
        head: None,
        commit: None,
        digest: "in force".to_owned(),
        refused: None,
    };
    note(&pool, &standing, |_| Vec::new(), noon()).await.unwrap();

    assert_eq!(forget_sets(&pool, later).await.unwrap(), 1);
    assert_eq!(kept_set(&pool, "gone").await.unwrap(), None);
    for digest in ["again", "in force", &named.gate.policy_digest] {
        assert!(kept_set(&pool, digest).await.unwrap().is_some(), "{digest}");
    }
}

#[tokio::test]
async fn words_and_stops_that_are_over_are_forgotten() {
    let pool = pool().await;
    let word = |number| crate::commit_words::CommitWord {
        repository: "acme/infra".to_owned(),
        pull_request: 7,
        commit: CommitSha::from("c0ffee"),
        review: review(number, "alice", true),
        kept_at: noon(),
    };
    keep_word(&pool, &word(1)).await.unwrap();
    let stop = |number, labels: &[&str]| crate::line::Stop {
        id: Uuid::from_u128(number),
        labels: labels.iter().map(|label| (*label).to_owned()).collect(),
        reason: "a flood".to_owned(),
        by: "olga".to_owned(),
        at: noon(),
        ended: None,
    };
    for (number, labels) in [(1, ["env:prod"]), (2, ["env:test"])] {
        stop_line(&pool, &stop(number, &labels)).await.unwrap();
    }
    let end = crate::line::End { by: "olga".into(), at: noon(), reason: Some("dry".into()) };
    let_go(&pool, &["env:test".to_owned()], &end).await.unwrap();

    assert_eq!(forget_words(&pool, noon()).await.unwrap(), 0);
    let later = noon() + chrono::TimeDelta::days(400);
    assert_eq!(forget_words(&pool, later).await.unwrap(), 2);
    assert!(words_since(&pool, noon()).await.unwrap().is_empty());
    assert_eq!(line(&pool, noon()).await.unwrap().len(), 1, "what is stopped stays");
}

/// A gate at which the glass of its chain is broken, as far as whoever opened it knew.
fn behind_glass(number: u128, glass: &Review) -> StoredGate {
    let mut kept = kept(&guarded(), number, Moment::BeforeApply);
    let id = Uuid::new_v5(&kept.gate.request.gate.0, glass.id.as_bytes());
    kept.gate.reviews.push(Review { id, ..glass.clone() });
    kept
}

/// Olga breaks the glass of the whole chain for an hour.
fn olga_breaks_it() -> Review {
    let until = noon() + chrono::TimeDelta::hours(1);
    Review { word: Word::Override { until, whole_chain: true }, ..review(4, "olga", true) }
}

/// She takes it back at this gate.
fn take_back(kept: StoredGate) -> StoredGate {
    let mut kept = StoredGate { is_stored: true, ..kept };
    let at = noon() + chrono::TimeDelta::minutes(5);
    let back = Review { word: Word::Withdraw, at, ..review(5, "olga", false) };
    assert!(kept.gate.mend(&guarded().people, &back));
    kept
}

/// What a decision writes, and whom it wakes.
async fn decided(connection: &mut PgConnection, kept: &StoredGate) -> Vec<u128> {
    let folder = tempfile::tempdir().unwrap();
    let library = crate::library::Library::open(folder.path(), noon()).unwrap();
    let decider = crate::decider::GateDecider::new(std::sync::Arc::new(library));
    let states = [(kept.gate.request.gate.0, &Some(kept.clone()))];
    let woken = ::store::Decider::save(&decider, connection, &states).await.unwrap();
    woken.iter().map(Uuid::as_u128).collect()
}

/// Until when the glass is broken, by what is written at this gate.
async fn broken_until(connection: &mut PgConnection, gate: u128) -> DateTime<Utc> {
    let loaded = load(connection, &[Uuid::from_u128(gate)]).await.unwrap();
    let untils = loaded[0].gate.reviews.iter().filter_map(|review| match review.word {
        Word::Override { until, .. } => Some(until),
        _ => None,
    });
    let untils: Vec<_> = untils.collect();
    assert_eq!(untils.len(), 1, "{untils:?}");
    untils[0]
}

#[tokio::test]
async fn broken_glass_that_was_taken_back_is_not_carried_on_by_whoever_has_not_heard_of_it() {
    let pool = pool().await;
    let mut connection = pool.acquire().await.unwrap();
    let soon = noon() + chrono::TimeDelta::minutes(1);
    let later = noon() + chrono::TimeDelta::minutes(6);
    let mut first = kept(&guarded(), 1, Moment::BeforeApply);
    first.gate.reviews.push(olga_breaks_it());
    decided(&mut connection, &first).await;
    let known = broken_chains(&pool, soon).await.unwrap();
    let [glass] = known.as_slice() else { panic!("{known:?}") };
    decided(&mut connection, &behind_glass(2, &glass.review)).await;
    assert_eq!(broken_chains(&pool, soon).await.unwrap(), known, "it is one, however often kept");

    assert_eq!(decided(&mut connection, &take_back(first)).await, [2]);
    assert_eq!(broken_chains(&pool, later).await.unwrap(), []);
    let woken = decided(&mut connection, &behind_glass(3, &glass.review)).await;
    assert_eq!(woken, [3], "it hears that nothing is broken");
    let taken_back_at = noon() + chrono::TimeDelta::minutes(5);
    assert_eq!(broken_until(&mut connection, 3).await, taken_back_at);
    assert_eq!(broken_chains(&pool, later).await.unwrap(), []);

    // As one wrote it that does not know of this yet.
    let as_ever = "update reviews set until = $1 where gate = $2 and word = 'override'";
    let until = noon() + chrono::TimeDelta::hours(1);
    let as_ever = sqlx::query(as_ever).bind(until).bind(Uuid::from_u128(3));
    as_ever.execute(&mut *connection).await.unwrap();
    assert_eq!(broken_chains(&pool, later).await.unwrap(), []);
}

#[tokio::test]
async fn broken_glass_that_is_taken_back_while_a_gate_is_decided_is_taken_back_there_too() {
    let pool = pool().await;
    let mut first = kept(&guarded(), 1, Moment::BeforeApply);
    first.gate.reviews.push(olga_breaks_it());
    decided(&mut pool.acquire().await.unwrap(), &first).await;
    let glass = broken_chains(&pool, noon()).await.unwrap().remove(0);

    let mut opening = pool.begin().await.unwrap();
    decided(&mut opening, &behind_glass(2, &glass.review)).await;
    let other = pool.clone();
    let taking_back = tokio::spawn(async move {
        let mut transaction = other.begin().await.unwrap();
        let woken = decided(&mut transaction, &take_back(first)).await;
        transaction.commit().await.unwrap();
        woken
    });
    let waits = "select exists (select from pg_locks where not granted and database = \
                 (select oid from pg_database where datname = current_database()))";
    while !sqlx::query_scalar::<_, bool>(waits).fetch_one(&pool).await.unwrap() {
        assert!(!taking_back.is_finished(), "it waits for the other");
        tokio::task::yield_now().await;
    }
    opening.commit().await.unwrap();
    assert_eq!(taking_back.await.unwrap(), [2]);
    let at = broken_until(&mut pool.acquire().await.unwrap(), 2).await;
    assert_eq!(at, noon() + chrono::TimeDelta::minutes(5));
}
