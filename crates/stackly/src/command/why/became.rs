//! What became of a delivery, or of everything that spoke of a commit.

use chrono::Utc;
use futures::future::join_all;
use serde_json::json;
use store::Chapter;

use crate::{
    command::desk::{Desk, SERVICES, read},
    failure::Failure,
    output::why::became::{self, Followed, Why},
    print::Terminal,
};

pub(super) async fn run(
    about: &str,
    desk: &Desk,
    terminal: &mut Terminal<'_>,
) -> Result<(), Failure> {
    let answer = desk.ask("ingest", "why", json!({ "about": about })).await?;
    let mut found: Why = read("ingest", answer)?;
    if found.deliveries.is_empty() {
        return Err(Failure::NotFound(format!(
            "no delivery spoke of `{about}`: its sender has not sent it, or it was refused before it \
             was known to be signed (`stackly deliveries sources` shows when each secret was last \
             of use)"
        )));
    }
    for told in &mut found.deliveries {
        for event in &told.events {
            told.followed.extend(followed(desk, event.id).await);
        }
    }
    terminal.answer(&found, |look| became::render(&found, Utc::now(), look))
}

/// Whether a delivery is called so.
pub(super) async fn is_known(about: &str, desk: &Desk) -> Result<bool, Failure> {
    let answer = desk.ask("ingest", "why", json!({ "about": about })).await?;
    Ok(!read::<Why>("ingest", answer)?.deliveries.is_empty())
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
