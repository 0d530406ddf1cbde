//! `stackly doctor`.

pub(super) mod names;
mod ping;
mod reach;

use std::path::Path;

use chrono::Utc;
use futures::future::join_all;
use ingest::page::{Ambiguous, Sources};
use policy::page::{InForce, OnTrial, Stops};
use serde_json::{Value, json};

use super::desk::{Desk, SERVICES, read};
use crate::{
    failure::Failure,
    output::{
        deliveries,
        doctor::{self, Link},
        status,
    },
    print::Terminal,
};

pub(super) async fn run(desk: &Desk, terminal: &mut Terminal<'_>) -> Result<(), Failure> {
    let mut links = vec![Link::sound("nats-server", format!("answers at {}", desk.target))];
    links.push(ping::around(desk).await);
    links.extend(services(desk).await);
    links.extend(names::link(desk).await);
    links.extend(sources(desk).await);
    links.extend(reach::links(desk).await);
    links.extend(stacks(desk).await);
    links.extend(calls(desk).await);
    links.extend(rivals(desk).await);
    links.extend(triggers(desk).await);
    links.push(policies(desk).await);
    links.extend(line(desk).await);
    links.extend(trial(desk).await);
    terminal.answer(&json!({ "links": links }), |look| doctor::render(&links, look))?;
    let broken = links.iter().filter(|link| link.is_broken()).count();
    match broken {
        0 => Ok(()),
        _ => Err(Failure::Problem {
            code: "links_broken".to_owned(),
            message: format!("{broken} of {} links are broken", links.len()),
        }),
    }
}

async fn services(desk: &Desk) -> Vec<Link> {
    let streams = match desk.bus.streams().await {
        Ok(streams) => streams,
        Err(error) => return vec![Link::broken("JetStream", Failure::from(error).text())],
    };
    let streams = &streams;
    let asked = SERVICES.map(|card| async move {
        let answer = desk.ask(card.service, "ready", Value::Null).await;
        match answer.and_then(|answer| read(card.service, answer)) {
            Ok(readiness) => doctor::service(card, &readiness, streams),
            Err(failure) => Link::broken(card.service, failure.text()),
        }
    });
    let mut links = vec![doctor::streams(streams)];
    links.extend(doctor::dead_letters(streams));
    links.extend(join_all(asked).await);
    links
}

/// Stacks that Spacelift drives, too, and those with labels that are not heeded.
async fn rivals(desk: &Desk) -> Vec<Link> {
    // Whether the catalogue is known at all is told already.
    match super::stacks::all(desk, "").await {
        Ok(page) => {
            let mut links = doctor::rivals(&page.stacks);
            links.extend(doctor::labels(&page.stacks));
            links.extend(doctor::unknown_labels(&page.stacks));
            links
        }
        Err(_) => Vec::new(),
    }
}

/// Policies of Spacelift's that start runs beside Stackly.
async fn triggers(desk: &Desk) -> Option<Link> {
    let answer = desk.ask("executor", "triggers", Value::Null).await;
    match answer.and_then(|answer| read("executor", answer)) {
        Ok(found) => doctor::triggers(&found),
        Err(failure) => {
            Some(Link::broken("trigger policies", format!("not looked at: {}", failure.text())))
        }
    }
}

/// Webhooks that come in: those that are configured, and those without which nothing begins.
async fn sources(desk: &Desk) -> Vec<Link> {
    let answer = desk.ask("ingest", "sources", Value::Null).await;
    let found: Sources = match answer.and_then(|answer| read("ingest", answer)) {
        Ok(found) => found,
        Err(failure) => return vec![Link::broken("webhooks", failure.text())],
    };
    let troubles = found.searches().map(|(host, search)| {
        let name = format!("missed deliveries of {host}");
        Some(Link::broken(name, search.as_ref()?.trouble.clone()?))
    });
    let Sources { sources, webhooks, ambiguous, .. } = &found;
    let mut links = doctor::sources(sources, Utc::now());
    let told = |one: &Ambiguous| Link::broken(one.repository.clone(), deliveries::ambiguous(one));
    links.extend(ambiguous.iter().map(told));
    links.extend(webhooks.as_ref().and_then(doctor::webhooks));
    links.extend(troubles.into_iter().flatten());
    links
}

/// Whether the account is known, and what was read of its code.
async fn stacks(desk: &Desk) -> Vec<Link> {
    let answer = desk.ask("planner", "status", Value::Null).await;
    match answer.and_then(|answer| read("planner", answer)) {
        Ok(status) => doctor::catalogue(&status),
        Err(failure) => vec![Link::broken("Spacelift", failure.text())],
    }
}

/// Whether runs are driven, or calls rest.
async fn calls(desk: &Desk) -> Option<Link> {
    // Whether the executor answers at all is told already.
    let answer = desk.ask("executor", "spacelift", Value::Null).await.ok()?;
    Some(doctor::calls(&read("executor", answer).ok()?))
}

/// For what people stopped the line.
async fn line(desk: &Desk) -> Vec<Link> {
    // Whether the policy service answers at all is told already.
    let answer = desk.ask("policy", "line", Value::Null).await;
    let stops = answer.and_then(|answer| read::<Stops>("policy", answer));
    stops.map(|stops| doctor::stops(&stops)).unwrap_or_default()
}

/// Whether policies on trial are refused.
async fn trial(desk: &Desk) -> Option<Link> {
    // Where there are none, it is no answer.
    let answer = desk.ask("policy", "shadow", Value::Null).await.ok()?;
    let OnTrial { folder, refused, .. } = read("policy", answer).ok()?;
    let why = status::refused_policies(&refused?, Some(Path::new(&folder)));
    Some(Link::broken("policies on trial", format!("what is in {folder} is not tried: {why}")))
}

/// Whether the policies in force are those that are there, and can be fetched.
async fn policies(desk: &Desk) -> Link {
    let answer = desk.ask("policy", "policies", Value::Null).await;
    match answer.and_then(|answer| read::<InForce>("policy", answer)) {
        Ok(InForce { refused: Some(refused), title, folder, .. }) => {
            let why = status::refused_policies(&refused.text, folder.as_deref());
            Link::broken("policies", format!("what is in {title} is not in force: {why}"))
        }
        Ok(InForce { away: Some(away), title, .. }) => {
            let why = format!("those in force stay, but {title} cannot be fetched: {}", away.text);
            Link::broken("policies", why)
        }
        Ok(InForce { policies, .. }) => {
            Link::sound("policies", format!("{} in force", status::in_force(&policies)))
        }
        Err(failure) => Link::broken("policies", failure.text()),
    }
}
