//! `stackly tail`.

use std::future::pending;

use clap::Args;
use contracts::{
    registry::{EVENTS, MessageDescription},
    subject,
};
use futures::StreamExt;

use super::{desk::Desk, names, value::limit};
use crate::{
    failure::Failure,
    output,
    print::{Terminal, Tone},
};

/// Which events are printed.
#[derive(Debug, Args)]
pub struct Options {
    /// A type or the beginning of one (`step.finished`, `gate`), a chain (`chain_…`, or the beginning
    /// of its id), or a subject with wildcards (`stackly.evt.run.*.network-prod`)
    filter: Option<String>,
    /// Exit after this many events
    #[arg(long, value_name = "N", value_parser = limit::<{ u64::MAX }>)]
    count: Option<u64>,
}

pub(super) async fn run(
    options: &Options,
    desk: &Desk,
    terminal: &mut Terminal<'_>,
) -> Result<(), Failure> {
    let filter = match options.filter.as_deref() {
        None => subject::EVENTS.to_owned(),
        Some(chain) if chain.to_ascii_lowercase().starts_with("chain_") => {
            subject::event("*.*", &names::chain(desk, chain).await?.to_string())
        }
        Some(filter) => subject_of(filter)?,
    };
    let mut events = desk.bus.tail(&filter).await?;
    desk.bus.flush().await?;
    if !terminal.look.json {
        let line = format!("listening to {filter} at {}; Ctrl-C ends", desk.target);
        let line = terminal.look.paint(Tone::Faint, &line);
        terminal.text(&line)?;
    }
    let mut left = options.count;
    while left != Some(0) {
        let event = tokio::select! {
            event = events.next() => event,
            () = interrupted() => return Ok(()),
        };
        let Some(event) = event else {
            return Err(Failure::unavailable("the connection to nats-server ended"));
        };
        let line = match terminal.look.json {
            true => serde_json::to_string(&event).expect("events are plain data"),
            false => output::event::line(&event, &terminal.look),
        };
        terminal.text(&line)?;
        left = left.map(|left| left - 1);
    }
    Ok(())
}

/// Ctrl-C. Where no signal can be caught, the default does the same.
async fn interrupted() {
    if tokio::signal::ctrl_c().await.is_err() {
        pending().await
    }
}

/// The subject that a type, its beginning or a subject means.
fn subject_of(filter: &str) -> Result<String, Failure> {
    let is_token = |token: &str| {
        !token.is_empty()
            && (matches!(token, "*" | ">")
                || token
                    .chars()
                    .all(|c| !c.is_whitespace() && !c.is_control() && !"*>".contains(c)))
    };
    let tokens: Vec<&str> = filter.split('.').collect();
    let is_last_only = tokens.iter().rev().skip(1).all(|token| *token != ">");
    if !tokens.iter().all(|token| is_token(token)) || !is_last_only {
        return Err(Failure::Usage(format!(
            "`{}` is not a filter; try `step.finished`, `gate`, `*.finished` or a chain's id",
            crate::print::clean(filter)
        )));
    }
    is_known(&tokens)?;
    Ok(match tokens.as_slice() {
        ["stackly", ..] => filter.to_owned(),
        [.., ">"] | [_, _, _, ..] => format!("stackly.evt.{filter}"),
        _ => format!("stackly.evt.{filter}.>"),
    })
}

/// What no event is of would be listened to for ever.
fn is_known(tokens: &[&str]) -> Result<(), Failure> {
    let fits = |kind: &str| {
        let mut pairs = kind.split('.').zip(tokens);
        pairs.all(|(word, token)| matches!(*token, "*" | ">") || word == *token)
    };
    if tokens[0] == "stackly" || EVENTS.iter().any(|event| fits(event.kind)) {
        return Ok(());
    }
    let noun = |event: &MessageDescription| event.kind.split('.').next().unwrap_or_default();
    let of_noun = EVENTS.iter().filter(|event| noun(event) == tokens[0]);
    let mut known: Vec<&str> = of_noun.map(|event| event.kind).collect();
    if known.is_empty() {
        known = EVENTS.iter().map(noun).collect();
        known.sort_unstable();
        known.dedup();
    }
    let (filter, known) = (tokens.join("."), known.join(", "));
    Err(Failure::Usage(format!("no event is called `{filter}`; there are {known}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_is_a_type_or_its_beginning_or_a_subject() {
        for (filter, expected) in [
            ("gate", "stackly.evt.gate.>"),
            ("step.finished", "stackly.evt.step.finished.>"),
            ("*.finished", "stackly.evt.*.finished.>"),
            (">", "stackly.evt.>"),
            ("run.reported.network-prod", "stackly.evt.run.reported.network-prod"),
            ("stackly.dlq.>", "stackly.dlq.>"),
        ] {
            assert_eq!(subject_of(filter).unwrap(), expected);
        }
    }

    #[test]
    fn what_is_no_subject_is_a_usage_error() {
        for filter in ["", "a..b", "a b", "step.", ">.a", "st*p"] {
            assert_eq!(subject_of(filter).unwrap_err().status(), 2, "{filter}");
        }
    }

    #[test]
    fn what_no_event_is_called_is_a_usage_error_that_lists_what_there_is() {
        for (filter, known) in [
            ("nosuch.type", "account, chain, change, check, gate, history, hook,"),
            (
                "step.nosuch",
                "step.started, step.planned, step.applying, step.retrying, step.stuck,",
            ),
            ("*.nosuch", "account, chain"),
        ] {
            let failure = subject_of(filter).unwrap_err();
            assert_eq!(failure.status(), 2, "{filter}");
            assert!(failure.text().contains(known), "{}", failure.text());
        }
    }
}
