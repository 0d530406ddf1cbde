use contracts::{
    Action, Code, Envelope, Reason,
    stack::{CodePlace, StackReassociated},
};
use store::Decider;

use super::*;
use crate::fixtures::envelope;

fn errand(id: u128, action: Action) -> ChainFixture {
    let mut planned = planned(id, &[("a", &[])]);
    planned.action = action;
    ChainFixture::planned_as(planned).running()
}

/// The code of `a` is back, as told at that time.
fn back(seconds: i64) -> Envelope<Input> {
    let code = CodePlace {
        repository: "acme/infra".to_owned(),
        branch: "main".to_owned(),
        path: "a".to_owned(),
        name: "a".to_owned(),
        commit: "c0ffee".into(),
    };
    let reason = Reason::new(Code::CodeFound, format!("back at {seconds}"));
    let body = Input::Reassociated(StackReassociated { stack: "a".into(), code, reason });
    Envelope { time: at(seconds), ..envelope(1, Uuid::nil(), body) }
}

impl Database {
    /// Decides upon it as the engine does; gives who is to be woken.
    async fn hears(&self, input: &Envelope<Input>) -> Vec<u128> {
        let mut connection = self.pool().acquire().await.unwrap();
        let keys = self.0.keys(&mut connection, &[&input.body]).await.unwrap();
        let key = keys[0].unwrap();
        let mut states = self.0.load(&mut connection, &[key], Utc::now()).await.unwrap();
        let mut state = states.remove(&key).unwrap_or_default();
        self.0.decide(&mut state, input, at(200)).unwrap();
        let mut woken = numbers(self.0.save(&mut connection, &[(key, &state)]).await.unwrap());
        woken.sort_unstable();
        woken
    }

    async fn knows_of_code(&self, chain: u128) -> Option<String> {
        let told = self.load(chain).await.code_back.remove(&StackId::from("a"));
        told.map(|reason| reason.text)
    }
}

#[tokio::test]
async fn code_that_comes_back_is_known_to_every_chain_that_would_destroy_what_it_made() {
    let database = Database::new().await;
    let held = errand(1, Action::Deregister);
    let asked_for = errand(2, Action::Destroy).with("a", S::Triggering);
    let delivers = errand(3, Action::Deliver);
    let mut newer = errand(4, Action::Deregister);
    newer.state.as_mut().unwrap().began_at = at(100);
    let mut at_once = errand(6, Action::Destroy);
    at_once.state.as_mut().unwrap().began_at = at(50);
    database.save(&[&held, &asked_for, &delivers, &newer, &at_once]).await.unwrap();

    assert_eq!(database.hears(&back(50)).await, [1, 2, 6]);
    for (chain, knows) in [(1, true), (2, true), (3, false), (4, false), (6, true)] {
        assert_eq!(database.knows_of_code(chain).await.is_some(), knows, "{chain}");
    }
    // Told late, it is no newer for that.
    database.hears(&back(20)).await;
    assert_eq!(database.knows_of_code(1).await.as_deref(), Some("back at 50"));

    // One that had not come here yet when it was told.
    database.save(&[&errand(5, Action::Deregister)]).await.unwrap();
    assert!(database.knows_of_code(5).await.is_some());
}
