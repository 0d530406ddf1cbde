//! What is connected: what is there, what is made and changed, and what is left to do.

use contracts::phrase::count;
use std::path::PathBuf;

use serde::Serialize;

use crate::{
    command::connect::{Line, Step},
    print::{Look, Tone, clean},
};

/// What became of a fresh secret.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(crate) enum Given {
    /// It is shown, this once.
    Shown {
        /// The secret itself.
        secret: String,
    },
    /// It is in a file.
    Written {
        /// Which.
        file: PathBuf,
    },
}

/// A space of an account, and what connects it.
#[derive(Debug, Serialize)]
pub(crate) struct Connected {
    pub(crate) account: String,
    pub(crate) space: String,
    pub(crate) label: String,
    /// The stacks that carry the label.
    pub(crate) stacks: Vec<String>,
    pub(crate) lines: Vec<Line>,
    pub(crate) applied: bool,
    /// The webhook's id, if it is there.
    pub(crate) webhook: Option<String>,
    pub(crate) secret: Option<Given>,
}

/// A line for each thing, then what is left to do.
pub(crate) fn render(connected: &Connected, look: &Look) -> String {
    let Connected { account, space, applied, .. } = connected;
    let mut text = format!("Space `{}` of {}\n", clean(space), clean(account));
    text.push_str(&lines(&connected.lines, *applied, look));
    text.push_str(&stacks(connected));
    if !applied {
        let is_whole = connected.lines.iter().all(|line| line.step == Step::Keep);
        text.push_str(match is_whole {
            true => "Everything is as it should be.\n",
            false => "Nothing was changed; --apply makes it so.\n",
        });
        return text;
    }
    if let Some(given) = &connected.secret {
        text.push_str(&secret("spacelift", given));
    }
    if let Some(webhook) = &connected.webhook {
        text.push_str(&format!(
            "\nIf Spacelift switches the webhook off, ingest switches it on again once it knows \
             the account:\n  INGEST__RECONCILE__SPACELIFT_WEBHOOKS='[\"{webhook}\"]'\n"
        ));
    }
    text
}

/// A line for each thing.
pub(crate) fn lines(lines: &[Line], applied: bool, look: &Look) -> String {
    let mut text = String::new();
    for line in lines {
        let (symbol, tone, done) = match (&line.step, applied) {
            (Step::Keep, _) => ("=", Tone::Plain, "is as it should be".to_owned()),
            (Step::Make, false) => ("+", Tone::Good, "would be made".to_owned()),
            (Step::Make, true) => ("+", Tone::Good, "was made".to_owned()),
            (Step::Change { differs }, false) => {
                ("~", Tone::Waits, format!("would be changed: {}", differs.join(", ")))
            }
            (Step::Change { differs }, true) => {
                ("~", Tone::Waits, format!("was changed: {}", differs.join(", ")))
            }
        };
        text.push_str(&format!(
            "  {} {} `{}` {}\n      {}\n",
            look.paint(tone, symbol),
            line.what,
            clean(&line.name),
            clean(&done),
            look.paint(Tone::Faint, &clean(&line.why))
        ));
    }
    text
}

fn stacks(connected: &Connected) -> String {
    let Connected { label, stacks, .. } = connected;
    match stacks.len() {
        0 => format!(
            "No stack carries the label `{label}` yet; give it to those that Stackly is to run.\n"
        ),
        many => format!(
            "{} with the label `{label}`: {}\n",
            count(many, "stack"),
            clean(&stacks.join(", "))
        ),
    }
}

/// The fresh secret, and the lines that give it to ingest.
pub(crate) fn secret(source: &str, given: &Given) -> String {
    let variable = format!("INGEST__{}__SECRETS", source.to_ascii_uppercase());
    match given {
        Given::Shown { secret } => format!(
            "\nThe secret is shown this once. Ingest takes it from its configuration:\n  \
             [{source}]\n  secrets = [\"{secret}\"]\nor from its environment:\n  \
             {variable}='[\"{secret}\"]'\n"
        ),
        Given::Written { file } => {
            let file = file.display();
            format!(
                "\nThe secret is in {file}. Ingest takes it from its environment:\n  \
                 {variable}=\"[\\\"$(cat {file})\\\"]\"\n"
            )
        }
    }
}
