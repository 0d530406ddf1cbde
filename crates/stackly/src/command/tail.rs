//! `stackly tail`.

use std::future::pending;

use clap::Args;
use contracts::{ChainId, subject};
use futures::StreamExt;

use super::desk::Desk;
use crate::{
    failure::Failure,
    output,
    print::{Terminal, Tone},
};

/// Which events are printed.
#[derive(Debug, Args)]
pub struct Options {
    /// A type or the beginning of one (`step.finished`, `gate`), a chain's whole id, or a subject
    /// with wildcards (`stackly.evt.run.*.network-prod`)
    filter: Option<String>,
    /// End after so many events
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
}

pub(super) async fn run(
    options: &Options,
    desk: &Desk,
    terminal: &mut Terminal<'_>,
) -> Result<(), Failure> {
    let filter = subject_of(options.filter.as_deref())?;
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

/// The subject that a filter means.
fn subject_of(filter: Option<&str>) -> Result<String, Failure> {
    let Some(filter) = filter else { return Ok(subject::EVENTS.to_owned()) };
    if let Ok(chain) = filter.parse::<ChainId>() {
        return Ok(subject::event("*.*", &chain.to_string()));
    }
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
            "`{}` is no filter; try `step.finished`, `gate`, `*.finished` or a chain's id",
            crate::print::clean(filter)
        )));
    }
    Ok(match tokens.as_slice() {
        ["stackly", ..] => filter.to_owned(),
        [.., ">"] | [_, _, _, ..] => format!("stackly.evt.{filter}"),
        _ => format!("stackly.evt.{filter}.>"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_is_a_type_or_its_beginning_or_a_chain_or_a_subject() {
        let chain = "chain_01j9zt3m6f0qv8x2c4r7n5k1dw";
        for (filter, expected) in [
            (None, "stackly.evt.>"),
            (Some("gate"), "stackly.evt.gate.>"),
            (Some("step.finished"), "stackly.evt.step.finished.>"),
            (Some("*.finished"), "stackly.evt.*.finished.>"),
            (Some(">"), "stackly.evt.>"),
            (Some("run.reported.network-prod"), "stackly.evt.run.reported.network-prod"),
            (Some(chain), &format!("stackly.evt.*.*.{chain}")),
            (Some("stackly.dlq.>"), "stackly.dlq.>"),
        ] {
            assert_eq!(subject_of(filter).unwrap(), expected);
        }
    }

    #[test]
    fn what_is_no_subject_is_a_usage_error() {
        for filter in ["", "a..b", "a b", "step.", ">.a", "st*p"] {
            assert_eq!(subject_of(Some(filter)).unwrap_err().status(), 2, "{filter}");
        }
    }
}
