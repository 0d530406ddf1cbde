//! Answers to health checks over HTTP: `POST /checks` with an ID token says whether all is well after
//! a wave, by the same way as `stackly answer`.

use axum::{
    Router,
    extract::{Request, State},
    http::StatusCode,
    response::Response,
    routing::post,
};
use bus::Bus;
use contracts::{ChainId, check::AnswerCheck};
use serde::Deserialize;
use tracing::{info, warn};

use crate::vouched::{Entrance, Heard, says, status};

/// What somebody says.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Said {
    /// The chain that asked.
    chain: ChainId,
    /// The name of the check.
    check: String,
    /// The look it belongs to; the one under way if absent.
    #[serde(default)]
    look: Option<u32>,
    /// Whether all is well.
    pass: bool,
    /// Why, in their words.
    #[serde(default)]
    text: Option<String>,
}

/// Everything this path needs.
#[derive(Clone)]
struct Desk {
    entrance: Entrance,
    bus: Bus,
}

/// The path, for people and programs that are let in.
pub(crate) fn router(entrance: Entrance, bus: Bus) -> Router {
    Router::new().route("/checks", post(take)).with_state(Desk { entrance, bus })
}

async fn take(State(desk): State<Desk>, request: Request) -> Response {
    *desk.taken(request).await.unwrap_or_else(|refused| refused)
}

impl Desk {
    async fn taken(&self, request: Request) -> Result<Box<Response>, Box<Response>> {
        let Heard { person, id, said } = self.entrance.hear::<Said>(request).await?;
        let Said { chain, check, look, pass, text } = said;
        let word = if pass { "yes" } else { "no" };
        let done = format!("{} says {word} to the check {check} of {chain}", person.name);
        let by = person.name;
        let groups = Some(person.groups);
        let answer = AnswerCheck { chain, check, look, pass, by, text, groups };
        let (status, code, message) = match self.bus.command(id, &answer).await {
            Ok(Ok(_)) => (StatusCode::OK, "answered".to_owned(), done),
            Ok(Err(problem)) => (status(problem.kind), problem.code, problem.message),
            Err(error) => {
                warn!(%error, "an answer to a health check could not be carried on");
                let text = "the executor does not answer; it may be lost, try again";
                (StatusCode::SERVICE_UNAVAILABLE, "unavailable".to_owned(), text.to_owned())
            }
        };
        info!(code, "an answer to a health check over HTTP");
        Ok(says(status, &code, &message))
    }
}
