//! Webhooks that came in.

pub(crate) mod decision;

use chrono::{DateTime, Utc};
use contracts::ChainId;
use ingest::page::{Ambiguous, Listed, Ordered, Reread, Search, Sources, Told};
use serde::Deserialize;
use serde_json::Value;

use self::decision::Decision;
use crate::print::{Cell, Look, Table, Tone, age, clean, moment};

/// What was read again, with what the planner decides in a dry run.
#[derive(Debug, Deserialize)]
pub(crate) struct Replayed {
    dry_run: bool,
    deliveries: Vec<Again>,
}

#[derive(Debug, Deserialize)]
struct Again {
    #[serde(flatten)]
    reread: Reread,
    #[serde(default)]
    decisions: Vec<Decision>,
}

/// What a person ordered in a delivery, and what came of it.
pub(crate) fn ordered(ordered: &Ordered) -> String {
    let Ordered { order, attempts, done_at, code, message } = ordered;
    let told = |field: &str| order[field].as_str().unwrap_or("?");
    let what = match (done_at, code, message) {
        (Some(_), Some(code), Some(message)) => format!("{code}: {message}"),
        _ => format!("not done yet, tried {attempts}×"),
    };
    clean(&format!("{} ordered {}; {what}", told("by"), told("act")))
}

/// What is wrong where several hosts tell of one repository, and how to mend it.
pub(crate) fn ambiguous(Ambiguous { code, repository, sources }: &Ambiguous) -> String {
    format!(
        "{} tell of {repository}, and a repository is known by its name alone, so what is pushed at \
         either touches the stacks of both ({code}); say with `repositories` of the sources which of \
         them speaks of it",
        sources.join(" and ")
    )
}

/// How a search for what never arrived stands, in a line.
fn search(search: &Search, host: &str, now: DateTime<Utc>) -> String {
    let Search { looked_at, found, held_until, code, trouble } = search;
    let looked = looked_at.map_or_else(
        || "not looked for yet".to_owned(),
        |at| format!("looked for {} ago, {found} found", age(at, now)),
    );
    let held = held_until.filter(|until| now < *until).map(|until| {
        let code = code.as_deref().unwrap_or("held");
        format!("; waits until {} ({code})", moment(until))
    });
    let trouble = trouble.as_ref().map(|trouble| format!(": {trouble}"));
    let (held, trouble) = (held.unwrap_or_default(), trouble.unwrap_or_default());
    clean(&format!("missed deliveries of {host}: {looked}{held}{trouble}"))
}

/// How a verdict looks.
pub(crate) fn verdict_cell(verdict: &str) -> (Tone, String) {
    let (symbol, tone) = match verdict {
        "accepted" => ("✓", Tone::Good),
        "kept" => ("–", Tone::Faint),
        _ => ("✗", Tone::Bad),
    };
    (tone, format!("{symbol} {verdict}"))
}

/// The deliveries as a table; whoever asked may have narrowed them down.
pub(crate) fn render(
    found: &[Listed],
    is_narrowed: bool,
    now: DateTime<Utc>,
    look: &Look,
) -> String {
    if found.is_empty() {
        let text = match is_narrowed {
            true => "no webhook matches; `stackly deliveries` lists the newest of all",
            false => "no webhooks yet; deliver them to /webhooks/github and /webhooks/spacelift",
        };
        return text.to_owned();
    }
    let mut table =
        Table::new(&["AGE", "SOURCE", "KIND", "BYTES", "VERDICT", "WHY"]).right(&[0, 3]);
    for delivery in found {
        let (tone, verdict) = verdict_cell(&delivery.verdict);
        table.row([
            age(delivery.received_at, now).into(),
            Cell::from(&delivery.source),
            Cell::from(&delivery.kind),
            delivery.bytes.to_string().into(),
            Cell::new(tone, verdict),
            format!("{}: {}", delivery.code, delivery.message).into(),
        ]);
        let event = delivery.event.map(|event| format!(", event {event}")).unwrap_or_default();
        let found = if delivery.found { ", found" } else { "" };
        table.note(Cell::new(Tone::Faint, format!("delivery {}{event}{found}", delivery.id)));
    }
    table.render(look)
}

/// One delivery, with what came.
pub(crate) fn show((told, chains): (&Told, &[ChainId]), now: DateTime<Utc>, look: &Look) -> String {
    let delivery = &told.delivery;
    let text = |value: &Option<String>| value.as_deref().map_or_else(|| "–".to_owned(), clean);
    let (tone, verdict) = verdict_cell(&delivery.verdict);
    let mut lines = vec![
        format!("delivery    {}", delivery.id),
        format!("from        {}, known there as {}", delivery.source, text(&delivery.sender_id)),
        format!("address     {}", text(&delivery.address)),
        format!(
            "came        {}, {} ago",
            moment(delivery.received_at),
            age(delivery.received_at, now)
        ),
        format!("says        {}, {} bytes", clean(&delivery.kind), delivery.bytes),
        format!("about       {} at {}", text(&delivery.repository), text(&delivery.head)),
        format!("became      {}", look.paint(tone, &verdict)),
        format!("why         {}: {}", delivery.code, clean(&delivery.message)),
    ];
    if let Some(event) = delivery.event {
        lines.push(format!("event       {event}"));
    }
    for chain in chains {
        lines.push(format!("chain       {chain}"));
    }
    for repeat in &told.repeats {
        let from = repeat.address.as_ref().map(|address| format!(", last from {}", clean(address)));
        lines.push(format!(
            "told again  {}×, as {}{}",
            repeat.times,
            clean(&repeat.sender_id),
            from.unwrap_or_default()
        ));
    }
    for order in &told.orders {
        lines.push(format!("order       {}", ordered(order)));
    }
    if let Some(Value::Object(headers)) = &told.headers {
        for (name, value) in headers {
            lines.push(clean(&format!(
                "header      {name}: {}",
                value.as_str().unwrap_or_default()
            )));
        }
    }
    match &told.body {
        Some(body) => lines.push(format!("\n{}", pretty(body))),
        None => {
            lines.push("\nits body was kept for as long as is configured and is gone".to_owned())
        }
    }
    lines.join("\n")
}

fn pretty(body: &str) -> String {
    match serde_json::from_str::<Value>(body) {
        Ok(value) => format!("{value:#}"),
        Err(_) => body.lines().map(clean).collect::<Vec<_>>().join("\n"),
    }
}

/// What was read again.
pub(crate) fn replayed(replayed: &Replayed, look: &Look) -> String {
    let mut lines = Vec::new();
    let mut differ = 0;
    for Again { reread: again, decisions } in &replayed.deliveries {
        let delivery = &again.delivery;
        let event = again.event.map(|event| format!(", event {event}")).unwrap_or_default();
        lines.push(format!(
            "{} {} from {}: {}: {}{event}",
            look.paint(Tone::Strong, &clean(&delivery.kind)),
            delivery.id,
            delivery.source,
            again.code,
            clean(&again.message),
        ));
        differ += usize::from(!again.difference.is_empty());
        lines.extend(
            again
                .difference
                .iter()
                .map(|line| format!("  {}", look.paint(Tone::Waits, &clean(line)))),
        );
        lines.extend(again.uncompared.iter().map(|why| format!("  {}", clean(why))));
        lines.extend(decisions.iter().flat_map(|decision| decision.lines(look)));
    }
    let count = replayed.deliveries.len();
    let published = replayed.deliveries.iter().filter(|again| again.reread.event.is_some()).count();
    let decided = replayed.deliveries.iter();
    let decided = decided.filter(|again| again.decisions.iter().any(Decision::differs)).count();
    lines.push(match replayed.dry_run {
        true => format!(
            "{count} read again, {differ} differently, {decided} decided differently; nothing was \
             published"
        ),
        false => format!("{count} read again, {differ} differently; {published} published"),
    });
    lines.join("\n")
}

/// Who may send.
pub(crate) fn sources(found: &Sources, now: DateTime<Utc>, look: &Look) -> String {
    let mut table = Table::new(&["SOURCE", "PATH", "SECRET", "FOR", "LAST USED"]);
    for source in &found.sources {
        if source.secrets.is_empty() {
            table.row([
                Cell::from(&source.source),
                Cell::from(&source.path),
                Cell::new(Tone::Faint, "none: refused"),
                Cell::from(""),
                Cell::from(""),
            ]);
        }
        for secret in &source.secrets {
            let used = secret.last_used_at.map(|at| format!("{} ago", age(at, now)));
            table.row([
                Cell::from(&source.source),
                Cell::from(&source.path),
                Cell::from(&secret.fingerprint),
                Cell::from(secret.scope.as_deref().unwrap_or("everything")),
                Cell::from(used.unwrap_or_else(|| "never".to_owned())),
            ]);
        }
    }
    let mut text = table.render(look);
    for (host, found) in found.searches() {
        if let Some(one) = found {
            text.push_str(&format!("\n{}", search(one, host, now)));
        }
    }
    for one in &found.ambiguous {
        text.push_str(&format!("\n{}", look.paint(Tone::Waits, &clean(&ambiguous(one)))));
    }
    text
}
