//! Webhooks that came in.

pub(crate) mod decision;

use chrono::{DateTime, Utc};
use contracts::ChainId;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use self::decision::Decision;
use crate::print::{Cell, Look, Table, Tone, age, clean, moment};

/// One entry of the answer of `stackly.ask.ingest.deliveries`.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Delivery {
    pub(crate) id: Uuid,
    pub(crate) source: String,
    pub(crate) kind: String,
    pub(crate) received_at: DateTime<Utc>,
    pub(crate) verdict: String,
    pub(crate) code: String,
    pub(crate) message: String,
    bytes: i64,
    pub(crate) event: Option<Uuid>,
    #[serde(default)]
    sender_id: Option<String>,
    #[serde(default)]
    pub(crate) repository: Option<String>,
    #[serde(default)]
    pub(crate) head: Option<String>,
    /// Nobody delivered it: it was looked for and found.
    #[serde(default)]
    pub(crate) found: bool,
    /// Who sent it.
    #[serde(default)]
    address: Option<String>,
}

/// The answer of `stackly.ask.ingest.delivery`.
#[derive(Debug, Deserialize)]
pub(crate) struct Told {
    delivery: Delivery,
    #[serde(default)]
    repeats: Vec<Repeat>,
    #[serde(default)]
    orders: Vec<Ordered>,
    #[serde(default)]
    events: Vec<Event>,
    /// The chains that came of it.
    #[serde(default)]
    chains: Vec<ChainId>,
    #[serde(default)]
    headers: Option<Value>,
    #[serde(default)]
    body: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Event {
    id: Uuid,
}

impl Told {
    /// The events that followed from it.
    pub(crate) fn events(&self) -> impl Iterator<Item = Uuid> + '_ {
        self.events.iter().map(|event| event.id)
    }
}

/// The same fact, told again.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Repeat {
    pub(crate) sender_id: String,
    #[serde(default)]
    address: Option<String>,
    pub(crate) times: i64,
}

/// What a person ordered in it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Ordered {
    order: Order,
    attempts: i64,
    done_at: Option<DateTime<Utc>>,
    code: Option<String>,
    message: Option<String>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Order {
    act: String,
    by: String,
}

impl Ordered {
    /// What was ordered, and what came of it.
    pub(crate) fn sentence(&self) -> String {
        let verb = &self.order.act;
        let what = match (self.done_at, &self.code, &self.message) {
            (Some(_), Some(code), Some(message)) => format!("{code}: {message}"),
            _ => format!("not done yet, tried {}×", self.attempts),
        };
        clean(&format!("{} ordered {verb}; {what}", self.order.by))
    }
}

/// The answer of `stackly.cmd.delivery.replay`.
#[derive(Debug, Deserialize)]
pub(crate) struct Replayed {
    dry_run: bool,
    deliveries: Vec<Again>,
}

#[derive(Debug, Deserialize)]
struct Again {
    delivery: Delivery,
    code: String,
    message: String,
    #[serde(default)]
    difference: Vec<String>,
    /// Why the events are not compared, if they are not.
    #[serde(default)]
    uncompared: Option<String>,
    /// What the planner decides, in a dry run.
    #[serde(default)]
    decisions: Vec<Decision>,
    #[serde(default)]
    event: Option<Uuid>,
}

/// The answer of `stackly.ask.ingest.sources`.
#[derive(Debug, Deserialize)]
pub(crate) struct Sources {
    pub(crate) sources: Vec<Source>,
    /// Who looks for what GitHub could not deliver.
    #[serde(default)]
    reconciler: Option<Search>,
    /// And GitLab.
    #[serde(default)]
    gitlab: Option<Search>,
    /// And whose pushes Bitbucket,
    #[serde(default)]
    bitbucket: Option<Search>,
    /// and Azure DevOps could not.
    #[serde(default)]
    azure_devops: Option<Search>,
    /// Repositories of which several hosts tell.
    #[serde(default)]
    pub(crate) ambiguous: Vec<Ambiguous>,
}

/// A repository of which several hosts tell.
#[derive(Debug, Deserialize)]
pub(crate) struct Ambiguous {
    code: String,
    pub(crate) repository: String,
    sources: Vec<String>,
}

impl Ambiguous {
    /// What is wrong, and how to mend it.
    pub(crate) fn sentence(&self) -> String {
        let Self { code, repository, sources } = self;
        format!(
            "{} tell of {repository}, and a repository is known by its name alone, so what is pushed \
             at either touches the stacks of both ({code}); say with `repositories` of the sources \
             which of them speaks of it",
            sources.join(" and ")
        )
    }
}

/// How a search for what never arrived stands.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Search {
    looked_at: Option<DateTime<Utc>>,
    found: u64,
    held_until: Option<DateTime<Utc>>,
    code: Option<String>,
    trouble: Option<String>,
}

impl Search {
    /// In a line.
    fn sentence(&self, host: &str, now: DateTime<Utc>) -> String {
        let looked = self.looked_at.map_or_else(
            || "not looked for yet".to_owned(),
            |at| format!("looked for {} ago, {} found", age(at, now), self.found),
        );
        let held = self.held_until.filter(|until| now < *until).map(|until| {
            let code = self.code.as_deref().unwrap_or("held");
            format!("; waits until {} ({code})", moment(until))
        });
        let trouble = self.trouble.as_ref().map(|trouble| format!(": {trouble}"));
        let (held, trouble) = (held.unwrap_or_default(), trouble.unwrap_or_default());
        clean(&format!("missed deliveries of {host}: {looked}{held}{trouble}"))
    }
}

/// Who may send.
#[derive(Debug, Deserialize)]
pub(crate) struct Source {
    pub(crate) source: String,
    pub(crate) path: String,
    pub(crate) secrets: Vec<Secret>,
}

/// A secret, without the secret.
#[derive(Debug, Deserialize)]
pub(crate) struct Secret {
    fingerprint: String,
    scope: Option<String>,
    pub(crate) last_used_at: Option<DateTime<Utc>>,
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

/// The deliveries as a table.
pub(crate) fn render(found: &[Delivery], now: DateTime<Utc>, look: &Look) -> String {
    if found.is_empty() {
        return "no webhooks yet; deliver them to /webhooks/github and /webhooks/spacelift"
            .to_owned();
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
pub(crate) fn show(told: &Told, now: DateTime<Utc>, look: &Look) -> String {
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
    for chain in &told.chains {
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
    for ordered in &told.orders {
        lines.push(format!("order       {}", ordered.sentence()));
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
    for again in &replayed.deliveries {
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
        lines.extend(again.decisions.iter().flat_map(|decision| decision.lines(look)));
    }
    let count = replayed.deliveries.len();
    let published = replayed.deliveries.iter().filter(|again| again.event.is_some()).count();
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
    for (host, search) in [
        ("GitHub", &found.reconciler),
        ("GitLab", &found.gitlab),
        ("Bitbucket", &found.bitbucket),
        ("Azure DevOps", &found.azure_devops),
    ] {
        if let Some(search) = search {
            text.push_str(&format!("\n{}", search.sentence(host, now)));
        }
    }
    for one in &found.ambiguous {
        text.push_str(&format!("\n{}", look.paint(Tone::Waits, &clean(&one.sentence()))));
    }
    text
}
