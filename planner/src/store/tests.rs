use std::collections::HashMap;

use chrono::{DateTime, TimeDelta, Utc};
use contracts::{
    CommitSha,
    chain::WorkerPool,
    change::{Change, ChangePushed, Paths},
};
use store::{Options, Store};
use uuid::Uuid;

use super::{
    Head, Read, claim, forget_news, head, load, load_memories, news, save_memories, waiting,
};
use crate::{
    MIGRATIONS,
    account::Told,
    catalogue::{Stack, ordered, tests::stack},
    memory::{self, Memory, Waiting, Wish},
};

mod order;

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
async fn read(store: &Store, stacks: Vec<Stack>, as_of: i64) -> bool {
    let reading = claim(store.pool(), at(as_of)).await.unwrap().expect("nobody else reads");
    reading.succeeded(Read::Whole { stacks, as_of: at(as_of) }, at(as_of), false).await.unwrap()
}

/// Stores what some stacks are; whether it changed anything.
async fn read_some(store: &Store, asked: &[&str], found: Vec<Stack>, now: i64) -> bool {
    let reading = claim(store.pool(), at(now)).await.unwrap().expect("nobody else reads");
    let asked = asked.iter().map(|&id| id.into()).collect();
    reading.succeeded(Read::Some { asked, found }, at(now), false).await.unwrap()
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
    let none = Head { version: 0, as_of: None, trouble: None, digest: None };
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
async fn one_replica_reads_at_a_time_and_one_that_dies_loses_the_right() {
    let store = database().await;
    let first = claim(store.pool(), at(10)).await.unwrap();
    assert!(first.is_some());
    assert!(claim(store.pool(), at(10)).await.unwrap().is_none());
    assert_eq!(head(store.pool()).await.unwrap().version, 0, "others can look meanwhile");
    drop(first);
    let again = async {
        loop {
            if let Some(reading) = claim(store.pool(), at(10)).await.unwrap() {
                return reading;
            }
            tokio::task::yield_now().await;
        }
    };
    let again = tokio::time::timeout(std::time::Duration::from_secs(10), again).await.unwrap();

    again.failed("spacelift cannot be reached", at(15)).await.unwrap();
    assert!(claim(store.pool(), at(14)).await.unwrap().is_none(), "too soon");
    let stored = head(store.pool()).await.unwrap();
    assert_eq!(stored.trouble.as_deref(), Some("spacelift cannot be reached"));

    assert!(read(&store, account(), 15).await);
    assert_eq!(head(store.pool()).await.unwrap().trouble, None);
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
