//! What is well, and what is not and how it is mended: a line for each link.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;

use crate::{
    output::deliveries::Source,
    print::{Look, Tone, age, clean},
};

/// One link of the way.
#[derive(Debug, Serialize)]
pub(crate) struct Link {
    name: String,
    sound: bool,
    text: String,
}

impl Link {
    pub(crate) fn sound(name: impl Into<String>, text: impl Into<String>) -> Self {
        Self { name: name.into(), sound: true, text: text.into() }
    }

    pub(crate) fn broken(name: impl Into<String>, text: impl Into<String>) -> Self {
        Self { name: name.into(), sound: false, text: text.into() }
    }

    pub(crate) fn is_broken(&self) -> bool {
        !self.sound
    }
}

/// Without these nothing begins, and nothing is heard of what runs.
const NEEDED: [&str; 2] = ["github", "spacelift"];

/// How a source stands; nothing of those nobody has configured.
pub(crate) fn source(source: &Source, now: DateTime<Utc>) -> Option<Link> {
    let name = format!("webhooks of {}", source.source);
    if source.secrets.is_empty() {
        let table = source.source.replace('-', "_");
        let text = format!("no secret is configured, so all are refused; set {table}.secrets");
        return NEEDED.contains(&&*source.source).then(|| Link::broken(name, text));
    }
    let last = source.secrets.iter().filter_map(|secret| secret.last_used_at).max();
    Some(match last {
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
    })
}

/// How the catalogue stands.
pub(crate) fn catalogue(status: &Value) -> Link {
    if let Some(trouble) = status["trouble"].as_str() {
        return Link::broken("Spacelift", trouble);
    }
    if status["as_of"].is_null() {
        return Link::broken("Spacelift", "the account has not been read yet; is its key right?");
    }
    let (stacks, faults) = (&status["stacks"], &status["faults"]);
    Link::sound("Spacelift", format!("{stacks} stacks are known, of which {faults} do not fit"))
}

/// A line for each.
pub(crate) fn render(links: &[Link], look: &Look) -> String {
    let width = links.iter().map(|link| link.name.chars().count()).max().unwrap_or(0);
    let line = |link: &Link| {
        let (symbol, tone) = if link.sound { ("✓", Tone::Good) } else { ("✗", Tone::Bad) };
        format!("{} {:width$}  {}", look.paint(tone, symbol), link.name, clean(&link.text))
    };
    links.iter().map(line).collect::<Vec<_>>().join("\n")
}
