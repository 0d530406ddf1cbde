//! Hooks that are asked, and hooks that are called.

use super::{GATE, Sample, after, change};
use crate::{
    gate::{AnswerHook, GateRequested, HookAsked},
    hook::{After, HookCalled},
    step::StepFinished,
};

impl Sample for HookAsked {
    fn sample() -> Self {
        Self {
            hook: "change_management".to_owned(),
            gate: GATE,
            deadline: after(91),
            on_silence: "deny".to_owned(),
            request: GateRequested::sample(),
        }
    }
}

impl Sample for AnswerHook {
    fn sample() -> Self {
        Self {
            hook: "change_management".to_owned(),
            gate: GATE,
            pass: true,
            by: "servicedesk".to_owned(),
            text: Some("CHG0042 is approved".to_owned()),
            cost_delta: Some(42.5),
        }
    }
}

impl Sample for HookCalled {
    fn sample() -> Self {
        let StepFinished { chain, step } = StepFinished::sample();
        let after = After::PostApply;
        Self { hook: "notify_slack".to_owned(), after, chain, change: change(), step }
    }
}
