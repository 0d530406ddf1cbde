use std::collections::BTreeSet;

use contracts::{Code, chain::ChainState, gate::Outcome, step::StepState};
use store::Refusal;
use uuid::Uuid;

use super::*;
use crate::fixtures::{ChainFixture, at, envelope};

#[test]
fn a_table_says_one_thing_for_each_state_and_event() {
    let steps: BTreeSet<_> = STEP.iter().map(|(from, event, _)| (from, event)).collect();
    assert_eq!(steps.len(), STEP.len());
    let mut chains = BTreeSet::new();
    for (from, event, _) in CHAIN {
        assert!(chains.insert((from.as_str(), event)), "{from} {event} is there twice");
    }
}

#[test]
fn every_state_can_be_reached_and_everything_that_may_happen_does() {
    for state in StepState::ALL.into_iter().filter(|state| *state != StepState::Waiting) {
        assert!(STEP.iter().any(|(_, _, to)| *to == state), "{state} is never entered");
    }
    for state in ChainState::ALL.into_iter().filter(|state| *state != ChainState::Gating) {
        assert!(CHAIN.iter().any(|(_, _, to)| *to == state), "{state} is never entered");
    }
    for event in StepEvent::ALL {
        assert!(STEP.iter().any(|(_, by, _)| by == event), "{event} leads nowhere");
    }
    for event in ChainEvent::ALL {
        assert!(CHAIN.iter().any(|(_, by, _)| by == event), "{event} leads nowhere");
    }
}

#[test]
fn only_a_person_leads_a_step_or_a_chain_out_of_an_end() {
    for (from, event, _) in STEP.iter().filter(|(from, _, _)| from.is_terminal()) {
        assert_eq!(*event, StepEvent::Retried, "{from}");
    }
    for (from, event, _) in CHAIN.iter().filter(|(from, _, _)| from.is_terminal()) {
        assert!(matches!(event, ChainEvent::Retried | ChainEvent::Replanned), "{from}");
    }
}

#[test]
fn from_every_state_an_end_can_be_reached() {
    for start in StepState::ALL {
        let mut reached = vec![start];
        let mut open = vec![start];
        while let Some(state) = open.pop() {
            for (_, _, to) in STEP.iter().filter(|(from, _, _)| *from == state) {
                if !reached.contains(to) {
                    reached.push(*to);
                    open.push(*to);
                }
            }
        }
        assert!(reached.iter().any(|state| state.is_terminal()), "{start} is a trap");
    }
}

#[test]
fn what_is_not_in_the_table_is_refused_and_says_so() {
    // As if a build with a fault had written it: no series of inputs leads there.
    let mut chain = ChainFixture::single().gating();
    chain.state.as_mut().unwrap().steps[0].state = StepState::Applying;
    let deny = chain.decided(chain.chain().gate.id, 1, Outcome::Deny);

    let refusal = crate::decide_chain(&mut chain.state, &envelope(1, Uuid::nil(), deny), at(0));

    let Err(Refusal::Never { code: Code::IllegalTransition, text }) = refusal else {
        panic!("{refusal:?}")
    };
    assert!(text.starts_with("a of chain_"), "{text}");
    assert!(text.ends_with("is applying, where `chain_denied` must not happen"), "{text}");
}
