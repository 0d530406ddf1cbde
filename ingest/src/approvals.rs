//! Approvals over HTTP: `POST /approvals` with an ID token says yes or no to what a gate holds, by
//! the same way as `stackly approve`.

use axum::{
    Router,
    extract::{Request, State},
    http::StatusCode,
    response::Response,
    routing::post,
};
use serde::Deserialize;
use tracing::{info, warn};

use crate::{
    carry::{Carrier, Outcome},
    oidc::Person,
    order::{Act, Order, Target, Word},
    vouched::{Entrance, Heard, malformed, says, status},
};

/// What somebody says.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Said {
    /// `gate_…`, `chain_…` or `chain_…/STACK`.
    target: String,
    /// `approve`, `reject` or `withdraw`.
    word: Word,
    /// Why, in their words.
    #[serde(default)]
    note: Option<String>,
}

/// Everything this path needs.
#[derive(Clone)]
struct Desk {
    entrance: Entrance,
    carrier: Carrier,
}

/// The path, for people who are let in.
pub(crate) fn router(entrance: Entrance, carrier: Carrier) -> Router {
    Router::new().route("/approvals", post(take)).with_state(Desk { entrance, carrier })
}

async fn take(State(desk): State<Desk>, request: Request) -> Response {
    match desk.taken(request).await {
        Ok(outcome) => answer(&outcome),
        Err(refused) => *refused,
    }
}

impl Desk {
    async fn taken(&self, request: Request) -> Result<Outcome, Box<Response>> {
        let Heard { person, id, said } = self.entrance.hear::<Said>(request).await?;
        let target = Target::read(said.target.trim())
            .ok_or_else(|| malformed("`target` is `gate_…`, `chain_…` or `chain_…/STACK`"))?;
        let order = order(person, said, target);
        let by = order.by.clone();
        match self.carrier.say(id, order).await {
            Ok(outcome) => {
                info!(by, code = outcome.code, "an approval over HTTP");
                Ok(outcome)
            }
            Err(error) => {
                warn!(%error, "an approval over HTTP could not be carried out");
                let text = "the policy service does not answer; it may be lost, try again";
                Err(says(StatusCode::SERVICE_UNAVAILABLE, "unavailable", text))
            }
        }
    }
}

fn order(person: Person, said: Said, target: Target) -> Order {
    Order {
        act: Act::Review(said.word),
        target,
        by: person.name,
        groups: person.groups,
        note: said.note.filter(|note| !note.trim().is_empty()),
        answer_to: None,
        pull_request: None,
        said_in: None,
        spoken_at: None,
        is_review: false,
    }
}

/// What came of it, with the status that programs look at first.
fn answer(outcome: &Outcome) -> Response {
    let status = outcome.problem.map_or(StatusCode::OK, status);
    *says(status, &outcome.code, &outcome.message)
}
