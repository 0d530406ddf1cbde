use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use chrono::{DateTime, TimeDelta, Utc};
use contracts::{
    Code, CommitSha, Reason, StackId,
    chain::WorkerPool,
    change::{Change, ChangePushed, Paths},
};
use store::{Decider, Options, Store};
use uuid::Uuid;

use super::{
    Head, Read, changed_since, claim, forget_news, head, is_adopted_twice, is_not_loose,
    keep_loose, load, load_adoptions, load_memories, news, next_version, save_adopted,
    save_memories, save_registration, waiting,
};
use crate::{
    MIGRATIONS,
    account::Told,
    adopt::Adopted,
    blueprint::{Adoption, tests::blueprint},
    catalogue::{Stack, ordered, tests::stack},
    decider::Planner,
    known::Known,
    memory::{self, Memory, Waiting, Wish},
    register::{Found, Registered, Registration, State, Status, What, place, retire},
};

mod order;

/// Long enough for a loaded machine; nothing waits for it when all is well.
const SOON: std::time::Duration = std::time::Duration::from_secs(10);

/// A migrated database of its own.
pub(crate) async fn database() -> Store {
    let postgres = embedded::shared_postgres().await;
    let name = format!("planner_{}", Uuid::new_v4().simple());
    postgres.create_database(&name).await.unwrap();
    let options = Options { connections_max: 4, ..Options::at(postgres.url(&name)) };
    let store = Store::connect(&options, "planner").await.unwrap();
    store.migrate(&MIGRATIONS).await.unwrap();
    store
}

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds)
}

/// Stores a reading made at a time; whether it changed anything.
pub(crate) async fn read(store: &Store, stacks: Vec<Stack>, as_of: i64) -> bool {
    let reading = claim(store.pool(), at(as_of)).await.unwrap().expect("nobody else reads");
    let read = Read::Whole { stacks, as_of: at(as_of) };
    reading.succeeded((read, None), at(as_of), false).await.unwrap().expect("nobody else reads")
}

/// Stores what some stacks are; whether it changed anything.
async fn read_some(store: &Store, asked: &[&str], found: Vec<Stack>, now: i64) -> bool {
    let reading = claim(store.pool(), at(now)).await.unwrap().expect("nobody else reads");
    let asked = asked.iter().map(|&id| id.into()).collect();
    let read = Read::Some { asked, found };
    reading.succeeded((read, None), at(now), false).await.unwrap().expect("nobody else reads")
}

fn account() -> Vec<Stack> {
    vec![
        Stack {
            space: "net-01H".into(),
            labels: vec!["depends-on:a".into(), "it's \"quoted\", {odd}".into()].into(),
            globs: vec!["modules/**".into()].into(),
            autodeploy: true,
            worker_pool: Some(WorkerPool { id: "01K".into(), name: "EU".into() }),
            cloud_accounts: vec!["production".into()].into(),
            settings: Some(Box::new(crate::catalogue::Settings {
                tool: Some("opentofu".to_owned()),
                administrative: Some(false),
                ..crate::catalogue::Settings::default()
            })),
            ..stack("b").after("a", &["VPC -> TF_VAR_vpc", "A -> B"]).after("unseen", &[])
        },
        stack("a").at("").made_from("Acme/Infra", "release/1").off(),
    ]
}

#[tokio::test]
async fn what_was_read_is_found_again_as_it_was() {
    let store = database().await;
    assert!(load(store.pool()).await.unwrap().is_none());
    let none = Head {
        version: 0,
        as_of: None,
        trouble: None,
        digest: None,
        changes: 0,
        trail: None,
        trail_at: None,
    };
    assert_eq!(head(store.pool()).await.unwrap(), none);

    assert!(read(&store, account(), 10).await);

    let stored = load(store.pool()).await.unwrap().unwrap();
    assert_eq!((stored.version, stored.as_of), (1, at(10)));
    assert_eq!(ordered(stored.stacks), ordered(account()));
}

#[tokio::test]
async fn the_version_rises_only_when_a_stack_changes() {
    let store = database().await;
    let mut same = account();
    same.reverse();
    assert!(read(&store, account(), 10).await);
    assert!(!read(&store, same, 20).await);
    let stored = head(store.pool()).await.unwrap();
    assert_eq!((stored.version, stored.as_of), (1, Some(at(20))));

    let changed = vec![stack("a"), stack("c").after("a", &[])];
    assert!(read(&store, changed.clone(), 30).await);
    let stored = load(store.pool()).await.unwrap().unwrap();
    assert_eq!((stored.version, ordered(stored.stacks)), (2, ordered(changed)));

    assert!(read(&store, Vec::new(), 40).await, "an account may become empty");
    let stored = load(store.pool()).await.unwrap().unwrap();
    assert_eq!((stored.version, stored.stacks), (3, Vec::new()));

    let before = head(store.pool()).await.unwrap();
    assert!(read(&store, account(), 50).await && read(&store, Vec::new(), 60).await);
    let after = head(store.pool()).await.unwrap();
    assert_eq!(after.digest, before.digest, "it says again what it said");
    assert_eq!((before.changes, after.changes), (3, 5));
}

/// What is still to be told, as `event stack`.
async fn untold(store: &Store) -> Vec<String> {
    let news = news(store.pool()).await.unwrap();
    let events = news.iter().flat_map(|news| news.told.iter().map(Told::event));
    events.map(|event| format!("{} {}", event.kind, event.key)).collect()
}

#[tokio::test]
async fn stacks_are_read_by_themselves_and_what_changed_is_to_be_told_until_it_is() {
    let store = database().await;
    assert!(read(&store, account(), 10).await);
    assert_eq!(untold(&store).await, [""; 0], "what is there at first is no news");

    let [b, a]: [Stack; 2] = account().try_into().unwrap();
    let renamed = Stack { name: "B".into(), ..b };
    let asked = ["b", "c", "never"];
    assert!(read_some(&store, &asked, vec![stack("c"), renamed.clone()], 20).await);
    assert!(!read_some(&store, &["a"], vec![a.clone()], 30).await);

    let told = ["stack.updated b", "stack.registered c"];
    assert_eq!(untold(&store).await, told);
    let stored = load(store.pool()).await.unwrap().unwrap();
    assert_eq!((stored.version, stored.as_of), (2, at(10)), "the others are as old as before");
    let wanted = vec![a.clone(), renamed.clone(), stack("c")];
    assert_eq!(ordered(stored.stacks), ordered(wanted.clone()));
    // The whole account says the same.
    assert!(!read(&store, wanted, 40).await);
    assert!(read_some(&store, &["c", "b"], vec![renamed], 50).await);
    assert_eq!(untold(&store).await, [&told[..], &["stack.retired c"]].concat());

    for news in news(store.pool()).await.unwrap() {
        forget_news(store.pool(), news.id).await.unwrap();
    }
    assert_eq!(untold(&store).await, [""; 0]);
}

#[tokio::test]
async fn one_replica_reads_at_a_time_and_nobody_again_too_soon() {
    let store = database().await;
    let first = claim(store.pool(), at(10)).await.unwrap().unwrap();
    assert!(claim(store.pool(), at(10)).await.unwrap().is_none());
    assert_eq!(head(store.pool()).await.unwrap().version, 0, "others can look meanwhile");
    first.give_up().await.unwrap();

    let again = claim(store.pool(), at(10)).await.unwrap().unwrap();
    again.failed("spacelift cannot be reached", false, at(15)).await.unwrap();
    assert!(claim(store.pool(), at(14)).await.unwrap().is_none(), "too soon");
    let stored = head(store.pool()).await.unwrap();
    assert_eq!(stored.trouble.as_deref(), Some("spacelift cannot be reached"));

    assert!(read(&store, account(), 15).await);
    assert_eq!(head(store.pool()).await.unwrap().trouble, None);
}

#[tokio::test]
async fn whoever_does_not_keep_the_right_to_read_loses_it_and_does_no_harm_when_late() {
    let store = database().await;
    let reading = async |now| claim(store.pool(), at(now)).await.unwrap();
    let whole = |stacks, as_of| Read::Whole { stacks, as_of: at(as_of) };
    let slow = reading(10).await.unwrap();
    assert!(slow.keep(at(20)).await.unwrap());
    assert!(reading(34).await.is_none(), "it is kept");
    let second = reading(35).await.expect("it is kept no more");
    assert!(!slow.keep(at(36)).await.unwrap());
    assert!(reading(36).await.is_none(), "who is late takes nothing from who is not");
    let stored = slow.succeeded((whole(Vec::new(), 10), None), at(10), false).await.unwrap();
    assert_eq!(stored, None);

    let third = reading(50).await.unwrap();
    second.failed("too late", false, at(1_000)).await.unwrap();
    let stored = third.succeeded((whole(account(), 50), None), at(60), false).await.unwrap();
    assert_eq!(stored, Some(true));
    let stored = head(store.pool()).await.unwrap();
    assert_eq!((stored.version, stored.as_of, stored.trouble), (1, Some(at(50)), None));
    assert!(reading(60).await.is_some(), "and its pause is nobody's");
}

#[tokio::test]
async fn the_graph_changes_while_the_account_is_read() {
    let store = database().await;
    let reading = claim(store.pool(), at(10)).await.unwrap().unwrap();
    let folders = [("network".to_owned(), Vec::new())].into();
    let version = next_version(store.pool()).await.unwrap();
    let registration = Registration { folders, versions: (0, version), ..Registration::default() };
    let mut transaction = store.pool().begin().await.unwrap();
    let saved = save_registration(&mut transaction, &registration);
    tokio::time::timeout(SOON, saved).await.expect("nothing to wait for").unwrap();
    transaction.commit().await.unwrap();
    assert_eq!(head(store.pool()).await.unwrap().version, version);

    let read = Read::Whole { stacks: account(), as_of: at(10) };
    assert_eq!(reading.succeeded((read, None), at(10), false).await.unwrap(), Some(true));
    assert!(head(store.pool()).await.unwrap().version > version);
}

#[tokio::test]
async fn trouble_is_over_when_what_could_not_be_read_is_read() {
    let store = database().await;
    let fail = async |with_some, now| {
        let reading = claim(store.pool(), at(now)).await.unwrap().unwrap();
        reading.failed("away", with_some, at(now)).await.unwrap();
    };
    let trouble = async || head(store.pool()).await.unwrap().trouble;
    read(&store, account(), 10).await;
    fail(true, 20).await;
    assert_eq!(trouble().await.as_deref(), Some("away"));
    read_some(&store, &["b"], vec![stack("b")], 30).await;
    assert_eq!(trouble().await, None, "what some stacks are is known now");

    fail(false, 40).await;
    fail(true, 41).await;
    read_some(&store, &["b"], vec![stack("b")], 50).await;
    assert_eq!(trouble().await.as_deref(), Some("away"), "the whole is not read yet");
    read(&store, vec![stack("b")], 60).await;
    assert_eq!(trouble().await, None);
}

#[tokio::test]
async fn what_is_remembered_of_a_repository_is_found_again() {
    let store = database().await;
    let mut connection = store.pool().acquire().await.unwrap();
    let change = Change {
        repository: "Acme/Infra".to_owned(),
        branch: "main".to_owned(),
        commit: CommitSha::from("c0ffee"),
        previous: None,
        author: "ada".to_owned(),
        authors: Vec::new(),
        title: "a \u{0} in a title".to_owned(),
        url: None,
        pull_request: None,
    };
    let named = |name: &str| {
        let mut memory = Memory::default();
        memory.repository = name.to_owned();
        memory
    };
    let mut busy = named("Acme/Infra");
    let pushed =
        ChangePushed { change, paths: Paths::Unknown, deleted: false, tag: false, forced: false };
    let event = Waiting {
        event: Uuid::from_u128(1),
        correlation: Uuid::from_u128(2),
        trace: None,
        since: at(5),
        looks: 0,
        missing: 0,
        wish: Wish::Pushed(pushed),
    };
    busy.wait(event, at(5));
    let idle = named("acme/idle");
    let (busy_key, idle_key) = (memory::key("acme/infra"), memory::key("acme/idle"));

    save_memories(&mut connection, &[(busy_key, &busy), (idle_key, &idle)]).await.unwrap();

    let keys = [busy_key, idle_key, memory::key("acme/never-seen")];
    let loaded = load_memories(&mut connection, &keys).await.unwrap();
    assert_eq!(loaded, HashMap::from([(busy_key, busy.clone()), (idle_key, idle)]));
    let found = waiting(store.pool()).await.unwrap();
    let [found] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!((found.key, found.name.as_str(), found.waiting), (busy_key, "Acme/Infra", 1));

    busy.take_waiting();
    save_memories(&mut connection, &[(busy_key, &busy)]).await.unwrap();
    assert!(waiting(store.pool()).await.unwrap().is_empty());
}

/// How a stack stands whose code is the block of that name.
fn state(stack: &str, block: &str, status: Status) -> State {
    let reason = Reason::new(Code::CodeFound, "so");
    State { stack: stack.into(), code: place(&blueprint(block)), status, reason }
}

/// Code that says these blocks, each in a folder of its name.
fn registration(blocks: &[&str], changes: Vec<(What, State)>) -> Registration {
    let folder = |&block: &&str| (block.to_owned(), vec![Arc::new(blueprint(block))]);
    Registration {
        repository: "acme/infra".to_owned(),
        branch: "main".to_owned(),
        commit: Some(CommitSha::from("c0ffee")),
        folders: blocks.iter().map(folder).collect::<BTreeMap<_, _>>(),
        changes,
        ..Registration::default()
    }
}

#[tokio::test]
async fn a_block_stays_that_of_one_stack_until_this_is_of_other_code() {
    let store = database().await;
    let mut connection = store.pool().acquire().await.unwrap();
    save_registration(&mut connection, &registration(&["x", "y"], Vec::new())).await.unwrap();
    let adoption = |stack: &str, block: &str| Adoption {
        stack: stack.into(),
        repository: "acme/infra".to_owned(),
        branch: "main".to_owned(),
        path: block.to_owned(),
        name: block.to_owned(),
    };
    let adopted = |stack: &str| Adopted {
        adoption: adoption(stack, "x"),
        state: state(stack, "x", Status::Active),
    };
    save_adopted(&mut connection, &adopted("a")).await.unwrap();

    let twice = save_adopted(&mut connection, &adopted("b")).await.unwrap_err();
    assert!(is_adopted_twice(&twice.into()));
    // What a reading finds gives way to what a person said.
    let found = Registration { adoptions: vec![adoption("c", "x")], ..registration(&[], vec![]) };
    save_registration(&mut connection, &found).await.unwrap();
    assert_eq!(load_adoptions(&mut connection).await.unwrap(), [adoption("a", "x")]);

    let moved = vec![(What::Reassociated, state("a", "y", Status::Active))];
    save_registration(&mut connection, &registration(&[], moved)).await.unwrap();
    save_adopted(&mut connection, &adopted("b")).await.unwrap();
    assert_eq!(load_adoptions(&mut connection).await.unwrap(), [adoption("b", "x")]);
}

#[tokio::test]
async fn what_is_destroyed_on_request_must_be_loose_when_that_is_written() {
    let store = database().await;
    let mut connection = store.pool().acquire().await.unwrap();
    let loose = ["a", "b"].map(|name| (What::Loosened, state(name, "x", Status::Loose)));
    save_registration(&mut connection, &registration(&["x"], loose.into())).await.unwrap();
    let both = ["a", "b"].map(StackId::from);
    keep_loose(&mut connection, &both).await.unwrap();

    let back = vec![(What::Reassociated, state("b", "x", Status::Active))];
    save_registration(&mut connection, &registration(&["x"], back)).await.unwrap();
    let refused = keep_loose(&mut connection, &both).await.unwrap_err();
    assert!(is_not_loose(&refused), "{refused}");

    // Nor may it be found to have code again by what is written with it.
    let loose = vec![(What::Loosened, state("b", "x", Status::Loose))];
    save_registration(&mut connection, &registration(&["x"], loose)).await.unwrap();
    let back = vec![(What::Reassociated, state("b", "x", Status::Active))];
    let registered = Some(Arc::new(registration(&["x"], back)));
    let mut memory = Memory::default();
    (memory.registered, memory.to_destroy) = (registered, both.to_vec());
    let planner = Planner {
        shelf: Arc::default(),
        previews_from_forks: false,
        reads_code: true,
        validates: false,
        reports: Arc::default(),
    };
    let refused = planner.save(&mut connection, &[(Uuid::nil(), &memory)]).await.unwrap_err();
    assert!(is_not_loose(&refused), "{refused}");
}

#[tokio::test]
async fn what_account_or_code_say_otherwise_since_a_decision_is_known_but_for_its_own_commit() {
    let store = database().await;
    assert!(read(&store, ["a", "b", "c"].map(stack).into(), 10).await);
    let since = Utc::now();
    let changed = async |commit: &str| {
        let asked = (since, commit);
        let mut all = changed_since(store.pool(), &["a", "b", "c"], asked).await.unwrap();
        all.sort();
        all.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert!(changed("c0ffee").await.is_empty());
    assert!(read(&store, vec![stack("a"), stack("b").label("new")], 20).await);
    assert_eq!(changed("c0ffee").await, ["b", "c"]);
    let mut connection = store.pool().acquire().await.unwrap();
    let registered = vec![(What::Registered, state("a", "a", Status::Active))];
    save_registration(&mut connection, &registration(&["a"], registered)).await.unwrap();
    assert_eq!(changed("c0ffee").await, ["b", "c"]);
    assert_eq!(changed("d00d").await, ["a", "b", "c"]);
}

#[tokio::test]
async fn a_branch_is_known_once_its_code_was_taken_and_not_by_what_else_is_noted_of_it() {
    let store = database().await;
    read(&store, account(), 10).await;
    let branch = ("acme/infra", "main");
    let refused = || Registration::refused(branch, &Found::default(), "a → b → a");
    let retired = retire(branch, &Registered::default(), &Known::new(1, Vec::new()));
    let broken = BTreeSet::from(["a".to_owned()]);
    let taken = Registration { broken: Some(broken.clone()), ..refused() };
    let read = [(refused(), None), (retired, None), (taken, Some(&broken))];
    for (registration, known) in read.into_iter().chain([(refused(), Some(&broken))]) {
        let mut connection = store.pool().acquire().await.unwrap();
        save_registration(&mut connection, &registration).await.unwrap();
        let stored = load(store.pool()).await.unwrap().unwrap();
        assert_eq!(stored.read.broken(branch.0, branch.1), known, "after {registration:?}");
    }
}
