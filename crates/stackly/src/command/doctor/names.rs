//! Whether somebody vouches for the names in commands: found out by giving some, which nobody could
//! carry out, under a name that is nobody's.

use bus::BusError;
use contracts::{Message, gate::ReviewGate, order::CancelChain, subject};
use serde_json::json;

use crate::{
    command::desk::Desk,
    output::doctor::{Link, Names, names},
};

/// Whose name it is; nobody's.
const NOBODY: &str = "stackly-doctor";

/// What whoever runs this may say, to each service that asks who people are.
pub(in crate::command) async fn link(desk: &Desk) -> Option<Link> {
    let mut said = Names::default();
    for kind in [ReviewGate::TYPE, CancelChain::TYPE] {
        let plain = heard(desk, &subject::command(kind)).await;
        said.at_their_word |= plain == Some(true);
        said.are_asked_for |= plain == Some(false);
        for other in [subject::command_by(NOBODY, kind), subject::command_vouched(kind)] {
            said.of_anybody |= heard(desk, &other).await == Some(true);
        }
    }
    names(&said)
}

/// Whether the name counts there; nothing if nobody tells.
async fn heard(desk: &Desk, subject: &str) -> Option<bool> {
    match desk.bus.request(subject, &json!({ "by": NOBODY })).await {
        Ok(Ok(_)) => Some(true),
        Ok(Err(problem)) => Some(problem.code != "name_not_vouched"),
        Err(BusError::NotPermitted { .. }) => Some(false),
        Err(_) => None,
    }
}
