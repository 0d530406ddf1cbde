//! `docs/STATES.md`: the tables of states and transitions, drawn from the code.

use std::fmt::{Display, Write};

use contracts::{chain::ChainState, step::StepState};
use executor::{
    LockState,
    machine::{CHAIN, ChainEvent, LOCK, Line, LockEvent, STEP, StepEvent},
};

use super::published;

const PATH: &str = "docs/STATES.md";

#[test]
fn the_page_of_states_is_current() {
    published::assert_current(PATH, &page());
}

fn page() -> String {
    let mut text = String::from(
        "# States\n\n\
         This page is drawn from the tables in `executor/src/machine.rs`; `cargo test -p tests contracts` says how to renew it when it is stale.\n\
         What is not on it does not happen: the input that would lead to it is refused as a whole and kept as a dead letter with the code `illegal_transition`.\n\
         Every transition is in the history of its chain (`stackly chain ID --history`) with the word of the event, who set it off, when, and why.\n\n\
         ## A chain\n\n",
    );
    diagram(
        &mut text,
        CHAIN,
        ChainState::Gating.as_str(),
        |state| state.as_str(),
        |event| event.as_str(),
    );
    events(&mut text, ChainEvent::ALL, |event| event.meaning());
    text.push_str("\n## A step\n\n");
    diagram(
        &mut text,
        STEP,
        StepState::Waiting.as_str(),
        |state| state.as_str(),
        |event| event.as_str(),
    );
    events(&mut text, StepEvent::ALL, |event| event.meaning());
    text.push_str("\n| In | When | Then |\n|---|---|---|\n");
    for (from, event, to) in STEP {
        writeln!(text, "| `{from}` | `{event}` | `{to}` |").unwrap();
    }
    text.push_str("\n## The lock on a stack\n\n");
    diagram(
        &mut text,
        LOCK,
        LockState::Free.as_str(),
        |state| state.as_str(),
        |event| event.as_str(),
    );
    events(&mut text, LockEvent::ALL, |event| event.meaning());
    text
}

fn events<E: Display>(text: &mut String, all: &[E], meaning: impl Fn(&E) -> &'static str) {
    text.push_str("\n| Event | What happened |\n|---|---|\n");
    for event in all {
        writeln!(text, "| `{event}` | {} |", meaning(event)).unwrap();
    }
}

fn diagram<S: Copy, E: Copy>(
    text: &mut String,
    table: &[Line<S, E>],
    first: &str,
    state: impl Fn(&S) -> &'static str,
    event: impl Fn(&E) -> &'static str,
) {
    text.push_str("```mermaid\nstateDiagram-v2\n");
    writeln!(text, "    [*] --> {first}").unwrap();
    for (from, by, to) in table {
        writeln!(text, "    {} --> {}: {}", state(from), state(to), event(by)).unwrap();
    }
    text.push_str("```\n");
}
