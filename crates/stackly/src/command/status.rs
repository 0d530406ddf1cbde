//! `stackly status`.

use contracts::topology::DEAD_LETTERS;
use futures::future::join_all;
use serde_json::{Value, json};
use uuid::Uuid;

use super::desk::{Desk, SERVICES};
use crate::{
    failure::Failure,
    output::status::{self, Service, Status},
    print::Terminal,
};

/// The executor lists no more at once.
const CHAINS_MAX: usize = 500;

pub(super) async fn run(desk: &Desk, terminal: &mut Terminal<'_>) -> Result<(), Failure> {
    let asked = SERVICES.map(|card| async move {
        // Every service answers this one; that nobody has such a story does not matter.
        let question = json!({ "correlation": Uuid::nil() });
        let answer = desk.ask(card.service, "trace", question).await;
        Service { service: card.service, trouble: answer.err().map(|failure| failure.text()) }
    });
    let (services, streams, chains, catalogue, policies, line) = tokio::join!(
        join_all(asked),
        desk.bus.streams(),
        desk.ask("executor", "chains", json!({ "open": true, "limit": CHAINS_MAX })),
        desk.ask("planner", "status", Value::Null),
        desk.ask("policy", "policies", Value::Null),
        desk.ask("policy", "line", Value::Null),
    );
    let letters = streams?
        .into_iter()
        .find(|stream| stream.exists && stream.name.ends_with(DEAD_LETTERS.name))
        .map(|stream| stream.messages);
    let status = Status {
        nats: desk.target.to_string(),
        services,
        open_chains: chains.ok().and_then(|chains| chains.as_array().map(Vec::len)),
        dead_letters: letters,
        catalogue: catalogue.ok(),
        policies: policies.ok(),
        line: line.ok(),
    };
    terminal.answer(&status, |look| status::render(&status, look))?;
    let silent = status.services.iter().filter(|service| service.trouble.is_some()).count();
    match silent {
        0 => Ok(()),
        _ => {
            let all = status.services.len();
            Err(Failure::unavailable(format!("{silent} of {all} services do not answer")))
        }
    }
}
