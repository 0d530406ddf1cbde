use contracts::{Code, Reason, chain::ChainWithdrawn};
use store::Decider;

use super::*;
use crate::{fixtures::envelope, store::withdrawn};

#[tokio::test]
async fn a_chain_that_is_called_off_before_it_comes_is_not_wanted_when_it_does() {
    let database = Database::new().await;
    let chain = chain(1, &["a"]);
    let id = chain.chain().id;
    let reason = Reason::new(Code::PullRequestClosed, "pull request 7 was closed");
    let change = chain.chain().change.clone();
    let off = ChainWithdrawn { chain: id, change, reason: reason.clone() };
    // It was told long ago, and in line since then.
    let input = envelope(1, Uuid::nil(), Input::Withdrawn(off));
    let mut state = State::default();
    database.0.decide(&mut state, &input, at(86_400)).unwrap();
    let mut connection = database.pool().acquire().await.unwrap();
    database.0.save(&mut connection, &[(id.0, &state)]).await.unwrap();
    assert!(withdrawn(database.pool()).await.unwrap().is_empty(), "it has not come");

    database.save(&[&chain]).await.unwrap();

    let found = withdrawn(database.pool()).await.unwrap();
    let found: Vec<_> = found.into_iter().map(|(it, story)| (it.reason, story)).collect();
    assert_eq!(found, [(reason, chain.chain().correlation)]);
}
