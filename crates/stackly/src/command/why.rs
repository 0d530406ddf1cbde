//! `stackly why ABOUT`.

use chrono::Utc;
use clap::Args;
use futures::future::join_all;
use serde_json::json;
use store::Chapter;

use super::desk::{Desk, SERVICES, read};
use crate::{
    failure::Failure,
    output::why::{self, Followed, Why},
    print::Terminal,
};

/// What is asked about.
#[derive(Debug, Args)]
pub struct Options {
    /// A delivery (its id, or the one its sender gave it), an event, or a commit or its beginning
    about: String,
}

pub(super) async fn run(
    options: &Options,
    desk: &Desk,
    terminal: &mut Terminal<'_>,
) -> Result<(), Failure> {
    let answer = desk.ask("ingest", "why", json!({ "about": options.about })).await?;
    let mut found: Why = read("ingest", answer)?;
    if found.deliveries.is_empty() {
        return Err(Failure::NotFound(format!(
            "no delivery spoke of `{}`: its sender has not sent it, or it was refused before it \
             was known to be signed (`stackly deliveries sources` shows when each secret was last \
             of use)",
            options.about.trim()
        )));
    }
    for told in &mut found.deliveries {
        for event in &told.events {
            told.followed.extend(followed(desk, event.id).await);
        }
    }
    terminal.answer(&found, |look| why::render(&found, Utc::now(), look))
}

/// What the other services made of an event.
async fn followed(desk: &Desk, event: uuid::Uuid) -> Vec<Followed> {
    let question = json!({ "correlation": event });
    let asked = SERVICES.iter().skip(1).map(|card| {
        let question = question.clone();
        async move { (card.service, desk.ask(card.service, "trace", question).await) }
    });
    let mut followed = Vec::new();
    for (service, answer) in join_all(asked).await {
        match answer.and_then(|value| read::<Vec<Chapter>>(service, value)) {
            Ok(chapters) => followed.extend(chapters.into_iter().map(|chapter| Followed {
                service: service.to_owned(),
                what: chapter.what,
                key: chapter.key,
                answers: chapter.answers,
                note: chapter.note,
            })),
            Err(failure) => followed.push(Followed {
                service: service.to_owned(),
                what: "does not answer".to_owned(),
                key: String::new(),
                answers: Vec::new(),
                note: Some(failure.text()),
            }),
        }
    }
    followed
}
