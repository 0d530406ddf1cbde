//! Whatever the order in which account and code are read, and however often, the same follows.

use std::{collections::BTreeSet, sync::Arc};

use contracts::{CommitSha, List};
use store::Store;

use super::{database, load, read, read_some};
use crate::{
    blueprint::Blueprint,
    catalogue::{Stack, tests::stack},
    known::Known,
    register::{Found, Registered, register},
    store::{save_registration, states},
    what_if::tests::corpus::{Dice, account, answers},
};

/// How many orders are tried.
const ORDERS: u64 = 6;
/// How many stacks are read at once.
const AT_ONCE: usize = 7;

/// Something that is read.
#[derive(Debug, Clone)]
enum Event {
    /// Some stacks, by their ids.
    Stacks(Vec<Stack>),
    /// A stack that is gone.
    Gone(&'static str),
    /// The code of a repository.
    Code(&'static str),
}

/// Stores what the code of a repository says, as a look at its mirror does.
async fn read_code(store: &Store, repository: &str, code: &[Blueprint]) {
    let (pool, branch) = (store.pool(), (repository, "main"));
    let stored = load(pool).await.unwrap().unwrap();
    let tracking = stored.stacks.iter().filter(|stack| stack.tracks(repository, "main"));
    let ids: Vec<&str> = tracking.map(|stack| stack.id.as_str()).collect();
    let here = stored.blueprints.iter().filter(|said| said.is_of(repository, "main"));
    let before = Registered {
        states: Arc::new(states(pool, branch, &ids).await.unwrap()),
        blueprints: here.cloned().collect(),
        broken: stored.read.broken(repository, "main").cloned(),
    };
    let own: Vec<Arc<Blueprint>> =
        code.iter().filter(|said| said.is_of(repository, "main")).cloned().map(Arc::new).collect();
    let others = stored.blueprints.iter().filter(|said| !said.is_of(repository, "main")).cloned();
    let all: Vec<Arc<Blueprint>> = others.chain(own.iter().cloned()).collect();
    let read = stored.read.with(branch, &BTreeSet::new());
    let known = Known::with_read(stored.version + 1, stored.stacks, all, Vec::new(), read);
    let commit = Some(CommitSha::from("c0ffee"));
    let found = Found { commit, blueprints: own, ..Found::default() };
    let registration = register(branch, &before, &found, &known);
    let mut connection = pool.acquire().await.unwrap();
    save_registration(&mut connection, &registration).await.unwrap();
}

#[tokio::test]
async fn the_same_follows_whatever_the_order_in_which_account_and_code_are_read() {
    for seed in 1..=ORDERS {
        let mut dice = Dice::new(seed);
        let (stacks, code) = account(&mut dice);
        let wanted = answers(Known::with_code(1, stacks.clone(), code.clone()));
        let bare = |stack: &Stack| Stack {
            labels: List::default(),
            depends_on: Vec::new(),
            branch: "elsewhere".into(),
            ..stack.clone()
        };
        let mut before: Vec<Stack> = stacks.iter().skip(AT_ONCE).map(bare).collect();
        before.push(stack("old").label("depends-on:s1"));
        let mut events: Vec<Event> =
            stacks.chunks(AT_ONCE).map(|some| Event::Stacks(some.to_vec())).collect();
        events.extend([Event::Gone("old"), Event::Code("acme/infra"), Event::Code("acme/apps")]);
        // Each of them may be read twice.
        events.extend(events.clone());
        dice.shuffle(&mut events);

        let store = database().await;
        read(&store, before, 10).await;
        for (now, event) in (20..).zip(&events) {
            match event {
                Event::Stacks(some) => {
                    let asked: Vec<&str> = some.iter().map(|stack| stack.id.as_str()).collect();
                    read_some(&store, &asked, some.clone(), now).await;
                }
                Event::Gone(id) => drop(read_some(&store, &[id], Vec::new(), now).await),
                Event::Code(repository) => read_code(&store, repository, &code).await,
            }
        }

        let stored = load(store.pool()).await.unwrap().unwrap();
        let known = Known::with_code(stored.version, stored.stacks, stored.blueprints);
        assert_eq!(answers(known), wanted, "{events:?}");
    }
}
