//! `stackly trace ID`.

use clap::Args;
use executor::ChainPage;
use futures::future::join_all;
use serde_json::json;
use store::Chapter;
use uuid::Uuid;

use super::{
    desk::{Desk, SERVICES, read},
    names,
};
use crate::{
    failure::Failure,
    output::trace::{self, Missing, Story, Told},
    print::Terminal,
};

/// Whose path is shown.
#[derive(Debug, Args)]
pub struct Options {
    /// A chain's id or a prefix of it, or a correlation id (a UUID, as in logs and events)
    id: String,
}

pub(super) async fn run(
    options: &Options,
    desk: &Desk,
    terminal: &mut Terminal<'_>,
) -> Result<(), Failure> {
    let correlation = correlation(desk, options.id.trim()).await?;
    let question = json!({ "correlation": correlation });
    let asked = SERVICES.map(|card| {
        let question = question.clone();
        async move { (card.service, desk.ask(card.service, "trace", question).await) }
    });
    let (mut chapters, mut missing) = (Vec::new(), Vec::new());
    for (service, answer) in join_all(asked).await {
        let told = answer.and_then(|value| read::<Vec<Chapter>>(service, value));
        match told {
            Ok(told) => {
                chapters.extend(told.into_iter().map(|chapter| Told { service, chapter }));
            }
            Err(failure) => missing.push(Missing { service, why: failure.text() }),
        }
    }
    if chapters.is_empty() {
        return Err(nothing_told(correlation, &missing));
    }
    let story = Story::new(correlation, chapters, missing);
    terminal.answer(&story, |look| trace::render(&story, look))
}

async fn correlation(desk: &Desk, id: &str) -> Result<Uuid, Failure> {
    if let Ok(correlation) = Uuid::parse_str(id) {
        return Ok(correlation);
    }
    let chain = names::chain(desk, id).await?;
    let page = desk.ask("executor", "chain", json!({ "chain": chain })).await?;
    Ok(read::<ChainPage>("executor", page)?.correlation)
}

fn nothing_told(correlation: Uuid, missing: &[Missing]) -> Failure {
    let why: Vec<String> =
        missing.iter().map(|missing| format!("\n  {}: {}", missing.service, missing.why)).collect();
    if missing.is_empty() {
        return Failure::NotFound(format!("no service knows the correlation id {correlation}"));
    }
    Failure::unavailable(format!(
        "nobody who answers knows {correlation}, and these do not answer:{}",
        why.concat()
    ))
}
