//! What is well, and what is not and how it is mended: a line for each link.

use bus::StreamStatus;
use chrono::{DateTime, Utc};
use contracts::{Card, Code, StackId, Text, label, phrase::count, topology::DEAD_LETTERS};
use executor::{Calls, Resting, Trigger, Triggers};
use ingest::page::{Source, Watching};
use planner::question::{StackLine, Status};
use policy::page::Stops;
use serde::Serialize;
use service::health::Readiness;

use super::line;
use crate::print::{Look, Tone, age, clean, moment};

/// One link of the way.
#[derive(Debug, Serialize)]
pub(crate) struct Link {
    name: String,
    sound: bool,
    /// Nothing is broken, but somebody holds things up on purpose.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    held: bool,
    text: String,
}

impl Link {
    pub(crate) fn sound(name: impl Into<String>, text: impl Into<String>) -> Self {
        Self { name: name.into(), sound: true, held: false, text: text.into() }
    }

    pub(crate) fn broken(name: impl Into<String>, text: impl Into<String>) -> Self {
        Self { name: name.into(), sound: false, held: false, text: text.into() }
    }

    fn held(name: impl Into<String>, text: impl Into<String>) -> Self {
        Self { held: true, ..Self::sound(name, text) }
    }

    pub(crate) fn is_broken(&self) -> bool {
        !self.sound
    }
}

/// Without one of these nothing begins.
const HOSTS: [&str; 5] = ["github", "gitlab", "bitbucket", "bitbucket-server", "azure-devops"];
/// Without this nothing is heard of what runs.
const SPACELIFT: &str = "spacelift";

/// How the sources stand; nothing of those that nobody has configured, if nobody needs them.
pub(crate) fn sources(all: &[Source], now: DateTime<Utc>) -> Vec<Link> {
    let (known, silent): (Vec<_>, Vec<_>) = all.iter().partition(|one| !one.secrets.is_empty());
    let mut links: Vec<_> = known.iter().map(|source| heard_of(source, now)).collect();
    if !known.iter().any(|one| HOSTS.contains(&&*one.source)) {
        let text = "no host of repositories has a secret, so all pushes are refused; set \
                    github.secrets, or those of the host you use";
        links.push(Link::broken("webhooks of repositories", text));
    }
    if silent.iter().any(|one| one.source == SPACELIFT) {
        let text = "no secret is configured, so all are refused; set spacelift.secrets";
        links.push(Link::broken(format!("webhooks of {SPACELIFT}"), text));
    }
    links
}

/// When a source was last heard of.
fn heard_of(source: &Source, now: DateTime<Utc>) -> Link {
    let name = format!("webhooks of {}", source.source);
    let last = source.secrets.iter().filter_map(|secret| secret.last_used_at).max();
    match last {
        Some(at) => {
            Link::sound(name, format!("the last that was signed came {} ago", age(at, now)))
        }
        None => Link::broken(
            name,
            format!(
                "none that was signed has come yet; send them to {} with the secret that is \
                 configured",
                source.path
            ),
        ),
    }
}

/// How the watch over Spacelift's webhooks stands; nothing where nobody is told to keep one.
pub(crate) fn webhooks(Watching { looked_at, restored, trouble }: &Watching) -> Option<Link> {
    let name = "webhook at Spacelift";
    if let Some(trouble) = trouble {
        return Some(Link::broken(name, trouble));
    }
    looked_at.as_ref()?;
    Some(match restored {
        0 => Link::sound(name, "on"),
        times => Link::sound(
            name,
            format!("on; it was found switched off and switched on again {times} times"),
        ),
    })
}

/// How the streams stand.
pub(crate) fn streams(streams: &[StreamStatus]) -> Link {
    let name = "JetStream";
    let odd = streams.iter().find(|stream| !stream.exists || !stream.differences.is_empty());
    if let Some(odd) = odd {
        let what = if odd.exists { "differs from what this build needs" } else { "is not there" };
        let text = format!("{} {what}; `stackly topology show` tells, `apply` mends it", odd.name);
        return Link::broken(name, text);
    }
    let messages: u64 = streams.iter().map(|stream| stream.messages).sum();
    Link::sound(name, format!("{} streams hold {messages} messages", streams.len()))
}

/// Whether there are messages that no service could handle; nothing where their stream is missing,
/// which is told already.
pub(crate) fn dead_letters(streams: &[StreamStatus]) -> Option<Link> {
    let name = "dead letters";
    let own = streams.iter().find(|stream| stream.name.ends_with(DEAD_LETTERS.name))?;
    own.exists.then(|| match own.messages {
        0 => Link::sound(name, "none"),
        letters => Link::broken(name, format!("{letters}; `stackly dead list` shows them")),
    })
}

/// In whose names whoever looks may give commands.
#[derive(Debug, Default)]
pub(crate) struct Names {
    /// In any, which is believed though nobody vouches for it.
    pub(crate) at_their_word: bool,
    /// A service or the server asks for more than a word.
    pub(crate) are_asked_for: bool,
    /// In any, for which the server is thought to vouch.
    pub(crate) of_anybody: bool,
}

/// Whether somebody vouches for the names in commands; nothing if that is not known.
pub(crate) fn names(said: &Names) -> Option<Link> {
    let name = "names of people";
    if said.at_their_word {
        let text = "are taken at their word: whoever gives commands here may say any name; \
                    docs/POLICIES.md, \"Permissions in NATS\", tells how nats-server vouches for them";
        return Some(Link::sound(name, text));
    }
    if said.of_anybody {
        let text = "count only if somebody vouches for them, but this NATS user may give commands \
                    under any name, as only the services should; give each person a user of their \
                    own (deploy/nats.users.conf)";
        return Some(Link::broken(name, text));
    }
    let text = "nobody is taken at their word here";
    said.are_asked_for.then(|| Link::sound(name, text))
}

/// So many events that wait for one service are worth a look.
const MANY: u64 = 1_000;

/// A service that answers: what keeps it from its work, whether it has its place in the stream, and
/// what waits there.
pub(crate) fn service(card: &Card, readiness: &Readiness, streams: &[StreamStatus]) -> Link {
    if !readiness.store {
        let text = "answers, but its database does not take what is written; see its log";
        return Link::broken(card.service, text);
    }
    if !readiness.troubles.is_empty() {
        let named = readiness.troubles.iter().map(|(with, why)| format!("{with}: {why}"));
        let text = format!("answers, but {}", named.collect::<Vec<_>>().join("; "));
        return Link::broken(card.service, text);
    }
    let answers = "answers, and so does its database";
    if card.takes.is_empty() {
        return Link::sound(card.service, answers);
    }
    let own = format!("{}-", card.service);
    let places: Vec<_> = streams
        .iter()
        .flat_map(|stream| &stream.consumers)
        .filter(|(name, ..)| name.starts_with(&own))
        .collect();
    if places.is_empty() {
        return Link::broken(
            card.service,
            format!("{answers}, but it has no consumer at JetStream; restart it"),
        );
    }
    let waiting: u64 = places.iter().map(|(_, waiting, _)| waiting).sum();
    match waiting {
        0 => Link::sound(card.service, format!("{answers}; no event waits for it")),
        MANY.. => Link::broken(
            card.service,
            format!("{answers}, but {waiting} events wait for it; run more of it, or see its log"),
        ),
        _ => Link::sound(card.service, format!("{answers}; {waiting} events wait for it")),
    }
}

/// Stacks that Spacelift drives beside Stackly, as far as the catalogue tells.
pub(crate) fn rivals(stacks: &[StackLine]) -> Vec<Link> {
    let native = |line: &&StackLine| !line.stack.depends_on.is_empty();
    let named = |lines: &[&StackLine]| {
        first_of(&lines.iter().map(|line| line.stack.id.as_str()).collect::<Vec<_>>())
    };
    let (hasty, other): (Vec<_>, Vec<_>) =
        stacks.iter().filter(native).partition(|line| line.stack.autodeploy);
    let mut links = Vec::new();
    if !hasty.is_empty() {
        let text = format!(
            "start after others by Spacelift's own dependencies and apply by themselves, past the \
             gates: {}; take autodeploy off them, or put their native dependencies into labels \
             (`stackly:depends-on:<stack>`)",
            named(&hasty)
        );
        links.push(Link::broken("stacks with two drivers", text));
    }
    if !other.is_empty() {
        let text = format!(
            "start after others by Spacelift's own dependencies as well: {}; Stackly adopts those \
             runs and gates their apply",
            named(&other)
        );
        links.push(Link::sound("stacks with two drivers", text));
    }
    links.extend(denied(stacks));
    links
}

/// Stacks of which every chain is denied: what applies by itself cannot be held to a plan.
fn denied(stacks: &[StackLine]) -> Option<Link> {
    let is_planned_first = |line: &&StackLine| {
        let mut labels = line.stack.labels.iter().chain(&line.code_labels);
        labels.any(|it| *it == label::PLAN_ALL)
    };
    let hasty = stacks.iter().filter(|line| line.stack.autodeploy).filter(is_planned_first);
    let hasty: Vec<&str> = hasty.map(|line| line.stack.id.as_str()).collect();
    let text = format!(
        "apply by themselves, so that they cannot be held to a plan, and every chain with one of them \
         is denied ({}): {}; take autodeploy off them, or `{}`",
        Code::AutodeployConflict,
        first_of(&hasty),
        label::PLAN_ALL,
    );
    (!hasty.is_empty()).then(|| Link::broken("stacks planned first", text))
}

/// Policies of Spacelift's that start runs after those of Stackly's.
pub(crate) fn triggers(Triggers { triggers }: &Triggers) -> Option<Link> {
    let named = |Trigger { policy, stacks }: &Trigger| {
        let names: Vec<&str> = stacks.iter().map(StackId::as_str).collect();
        format!("{policy} on {}", first_of(&names))
    };
    let policies: Vec<String> = triggers.iter().map(named).collect();
    let text = format!(
        "start runs that no gate was asked about, and before which those of Stackly wait: {}; \
         detach them, and say the order by labels (`stackly:depends-on:<stack>`)",
        policies.join("; ")
    );
    (!policies.is_empty()).then(|| Link::broken("trigger policies", text))
}

/// Labels that say nothing anybody can follow.
pub(crate) fn labels(stacks: &[StackLine]) -> Option<Link> {
    let times = labelled(stacks, |label| {
        let times = [executor::soak_of(label), executor::timeout_of(label)];
        times.into_iter().flatten().any(|time| time.is_err())
    });
    let times = times.map(|unread| {
        format!("name no time, so they are not heeded: {unread}; write such as `stackly:soak=30m`")
    });
    let ends = labelled(stacks, |label| executor::is_unread_condition(label));
    let ends = ends.map(|unread| {
        format!(
            "say neither `failure`, `always` nor `success`, so their stacks do not run: {unread}; \
             write such as `stackly:on=failure:dns`"
        )
    });
    let unread: Vec<String> = times.into_iter().chain(ends).collect();
    (!unread.is_empty()).then(|| Link::broken("labels of stacks", unread.join("; ")))
}

/// The labels of which something is true, each with its stack; nothing if there are none.
fn labelled(stacks: &[StackLine], is_meant: impl Fn(&Text) -> bool) -> Option<String> {
    let labels = |line: &StackLine| -> Vec<String> {
        let labels = line.stack.labels.iter().chain(&line.code_labels);
        let meant = labels.filter(|label| is_meant(label));
        meant.map(|label| format!("`{label}` of {}", line.stack.id)).collect()
    };
    let found: Vec<String> = stacks.iter().flat_map(labels).collect();
    (!found.is_empty()).then(|| first_of(&found))
}

/// Labels that are for Stackly, and that it does not know.
pub(crate) fn unknown_labels(stacks: &[StackLine]) -> Option<Link> {
    let unknown = labelled(stacks, |it| label::is_unknown(it))?;
    let text = format!(
        "say nothing that Stackly knows, so they are not heeded: {unknown}; docs/CHAINS.md lists all \
         that it heeds"
    );
    Some(Link::broken("labels for Stackly", text))
}

/// How many are named.
const NAMED: usize = 8;

/// The first of them, and how many more there are.
fn first_of<T: AsRef<str>>(names: &[T]) -> String {
    let named = names.iter().take(NAMED).map(AsRef::as_ref).collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(NAMED) {
        0 => named,
        more => format!("{named} and {more} more"),
    }
}

/// How the catalogue stands, and what is wrong with the code that was read.
pub(crate) fn catalogue(status: &Status) -> Vec<Link> {
    let mut links = vec![account(status)];
    let circle = status.circle.as_ref();
    links.extend(circle.map(|circle| Link::broken("circle of dependencies", circle)));
    if let Some(first) = status.code_faults.first() {
        let count = count(status.code_faults.len(), "fault");
        let first = first.lines().next().unwrap_or(first);
        let text = format!(
            "{count}, so what the file said before counts: {first}; `stackly status` lists all"
        );
        links.push(Link::broken("code of stacks", text));
    }
    links
}

fn account(Status { trouble, as_of, stacks, faults, .. }: &Status) -> Link {
    match (trouble, as_of) {
        (Some(trouble), _) => Link::broken("Spacelift", trouble),
        (None, None) => {
            Link::broken("Spacelift", "the account has not been read yet; is its key right?")
        }
        (None, Some(_)) => {
            let text = format!("{stacks} stacks are known, of which {faults} do not fit");
            Link::sound("Spacelift", text)
        }
    }
}

/// Whether the executor may call Spacelift, or rests.
pub(crate) fn calls(calls: &Calls) -> Link {
    let name = "calls to Spacelift";
    match &calls.rest {
        Some(Resting { since, until, why, .. }) => Link::broken(
            name,
            format!(
                "rest since {}, because too many failed; the next is tried at {}; the last met: \
                 {why}",
                moment(*since),
                moment(*until)
            ),
        ),
        // A newer executor may say why in words that this build does not know.
        None if calls.resting => Link::broken(
            name,
            "rest, because too many failed; this build of stackly cannot read why, so upgrade it",
        ),
        None => Link::sound(name, "go through"),
    }
}

/// For what people stopped the line.
pub(crate) fn stops(stops: &Stops) -> Vec<Link> {
    let told = stops.stopped.iter().map(|stop| {
        let text = format!("{}; `{}` ends it", line::sentence(stop), stop.ended_by());
        Link::held("line", text)
    });
    told.collect()
}

/// A line for each.
pub(crate) fn render(links: &[Link], look: &Look) -> String {
    let width = links.iter().map(|link| link.name.chars().count()).max().unwrap_or(0);
    let line = |link: &Link| {
        let (symbol, tone) = match (link.sound, link.held) {
            (false, _) => ("✗", Tone::Bad),
            (true, true) => ("…", Tone::Waits),
            (true, false) => ("✓", Tone::Good),
        };
        format!("{} {:width$}  {}", look.paint(tone, symbol), link.name, clean(&link.text))
    };
    links.iter().map(line).collect::<Vec<_>>().join("\n")
}
