mod again;
mod calls;
mod cleared;
mod drafts;
mod errands;
mod gates;
mod hooks;
mod logs;
mod model;
mod order;
mod orders;
mod outputs;
mod overtaken;
mod passed;
mod paused;
mod runs;
mod share;
mod starts;
mod unknown;
mod walk;
mod waves;

use contracts::{Code, gate::Outcome, step::StepState};
use store::Refusal;

use super::decide_chain;
use crate::{
    fixtures::{ChainFixture, at, edge, envelope, planned},
    history::Actor,
    input::Input,
};

#[test]
fn what_cannot_be_followed_to_its_end_is_refused_and_leaves_no_chain() {
    let mut circle = planned(1, &[("a", &[]), ("b", &["a"])]);
    circle.edges = vec![edge("a", "b"), edge("b", "a")].into();
    let mut chain = None;
    let input = envelope(1, uuid::Uuid::nil(), Input::Planned(circle));

    let refusal = decide_chain(&mut chain, &input, at(0)).unwrap_err();

    assert!(chain.is_none());
    let Refusal::Never { code: Code::Unreadable, text } = refusal else { panic!("{refusal:?}") };
    assert!(text.ends_with("cannot be followed to its end: a comes before its parent b"), "{text}");
}

#[test]
fn planned_twice_is_planned_once() {
    let mut chain = ChainFixture::single();
    let planned = planned(1, &[("a", &[])]);
    assert_eq!(chain.tell(Input::Planned(planned.clone())), ["gate.requested before_chain a"]);
    let before = chain.chain().clone();
    assert!(chain.tell(Input::Planned(planned)).is_empty());
    assert_eq!(chain.chain().state, before.state);
}

#[test]
fn whatever_happens_to_a_chain_nobody_planned_concerns_nobody() {
    let known = ChainFixture::single().running().with("a", StepState::GatingApply);
    let mut nothing = ChainFixture::single();
    for input in [
        known.gate_says("a", Outcome::Pass),
        known.reported("a", contracts::run::RunState::Finished, 9),
        known.triggered("a"),
        known.polled("a", crate::Found::NoStack),
        Input::Woken(known.chain().id),
    ] {
        assert!(nothing.tell(input).is_empty());
        assert!(nothing.state.is_none());
    }
}

#[test]
fn a_chain_that_has_ended_never_changes_again() {
    for end in [StepState::Finished, StepState::Failed, StepState::Denied, StepState::Unknown] {
        let chain = ChainFixture::single().running().with("a", end);
        assert!(chain.chain().state.is_terminal());
        let gate = chain.chain().gate.id;
        for input in [
            Input::Planned(planned(1, &[("a", &[])])),
            chain.decided(gate, 9, Outcome::Deny),
            chain.gate_says("a", Outcome::Pass),
            // What became of one of which nobody knows may be seen later.
            match end {
                StepState::Unknown => chain.polled("a", crate::Found::NoRun),
                _ => chain.reported("a", contracts::run::RunState::Failed, 99),
            },
            chain.triggered("a"),
            chain.polled("a", crate::Found::NoStack),
            Input::Woken(chain.chain().id),
        ] {
            let mut after = chain.clone();
            assert!(after.tell(input).is_empty());
            let mut state = after.state.unwrap();
            assert!(state.changes.operations.is_empty() && state.changes.steps.is_empty());
            state.changes = chain.chain().changes.clone();
            assert_eq!(&state, chain.chain());
        }
    }
}

#[test]
fn the_same_state_input_and_time_give_the_same_decision() {
    let chain = ChainFixture::diamond().native().running().with("a", StepState::Applying);
    for input in [
        chain.reported("a", contracts::run::RunState::Finished, 9),
        chain.reported("a", contracts::run::RunState::Failed, 9),
        chain.polled("a", crate::Found::NoStack),
    ] {
        let (mut one, mut other) = (chain.clone(), chain.clone());
        let (first, second) = (one.decide(input.clone()), other.decide(input));
        assert_eq!(first.answers, second.answers);
        assert_eq!(first.effects, second.effects);
        assert_eq!(one.chain(), other.chain());
    }
}

#[test]
fn every_transition_is_in_the_history_with_its_cause_and_who_set_it_off() {
    let mut chain = ChainFixture::single().running();
    let mut said = Vec::new();
    let mut tell = |chain: &mut ChainFixture, input| {
        chain.tell(input);
        for operation in &chain.chain().changes.operations {
            assert_eq!(operation.cause, uuid::Uuid::from_u64_pair(7, chain.inputs));
            assert!(!operation.reason.text.is_empty());
            let stack = operation.stack.as_ref().map_or("chain", |stack| stack.as_str());
            let actor = operation.actor.as_str();
            said.push(format!("{stack} {} to {} by {actor}", operation.from, operation.to));
        }
    };
    let pass = chain.gate_says("a", Outcome::Pass);
    tell(&mut chain, pass);
    let input = chain.triggered("a");
    tell(&mut chain, input);
    let input = chain.reported("a", contracts::run::RunState::Failed, 4);
    tell(&mut chain, input);
    assert_eq!(
        said,
        [
            "a gating_plan to triggering by policy",
            "a triggering to planning by spacelift",
            "a planning to failed by spacelift",
            "chain running to failed by spacelift",
        ]
    );
    assert_eq!(Actor::Stackly.as_str(), "stackly");
}

#[test]
fn what_a_webhook_sets_off_belongs_to_the_story_of_the_chain() {
    let mut chain = ChainFixture::single().running().with("a", StepState::Applying);
    let story = chain.chain().correlation;
    let input = chain.reported("a", contracts::run::RunState::Finished, 9);
    let foreign = envelope(77, uuid::Uuid::from_u128(5), input);
    let decision = decide_chain(&mut chain.state, &foreign, at(1)).unwrap();
    assert_eq!(decision.answers.len(), 2);
    assert!(decision.answers.iter().all(|answer| answer.correlation == Some(story)));
}
