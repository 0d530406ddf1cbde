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
    all: bool,
    desk: &Desk,
    terminal: &mut Terminal<'_>,
) -> Result<(), Failure> {
    let Some(found) = find(about, desk).await? else {
        return Err(Failure::NotFound(format!(
            "no delivery spoke of `{about}`: its sender has not sent it, or it was refused before it \
             was known to be signed (`stackly deliveries sources` shows when each secret was last \
             of use)"
        )));
    };
    tell(found, all, desk, terminal).await
}

/// What is called so, or spoke of it; nothing if nobody did.
pub(super) async fn find(about: &str, desk: &Desk) -> Result<Option<Why>, Failure> {
    let answer = desk.ask("ingest", "why", json!({ "about": about })).await?;
    let found: Why = read("ingest", answer)?;
    Ok((!found.deliveries.is_empty()).then_some(found))
}

/// Follows what was found through the other services; shows all of that, or what matters.
pub(super) async fn tell(
    mut found: Why,
    all: bool,
    desk: &Desk,
    terminal: &mut Terminal<'_>,
) -> Result<(), Failure> {
    for became in &mut found.deliveries {
        for event in &became.told.events {
            became.followed.extend(followed(desk, event.id).await);
        }
    }
    for chain in became::chains(found.deliveries.iter().flat_map(|told| &told.followed)) {
        let answer = desk.ask("executor", "chain", json!({ "chain": chain })).await;
        // That the executor does not answer is told already.
        found.chains.extend(answer.and_then(|answer| read("executor", answer)));
    }
    terminal.answer(&found, |look| became::render(&found, all, Utc::now(), look))
}

/// What the other services made of an event.
pub(in crate::command) async fn followed(desk: &Desk, event: uuid::Uuid) -> Vec<Followed> {
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
