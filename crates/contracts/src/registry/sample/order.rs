//! What people tell chains and stacks.

use super::{CHAIN, Sample, after};
use crate::{
    Code, Reason,
    chain::ChainState,
    order::{
        CancelChain, ChainOrdered, LockStack, OrderKind, PauseChain, ResumeChain, RetryChain,
        StackLocked, StackUnlocked, UnlockStack,
    },
};

fn note(text: &str) -> Option<String> {
    Some(text.to_owned())
}

impl Sample for PauseChain {
    fn sample() -> Self {
        let note = note("the provider has an outage");
        Self { chain: CHAIN, stack: None, by: "grace".to_owned(), note }
    }
}

impl Sample for ResumeChain {
    fn sample() -> Self {
        Self { chain: CHAIN, stack: None, by: "grace".to_owned(), note: note("the outage is over") }
    }
}

impl Sample for CancelChain {
    fn sample() -> Self {
        Self {
            chain: CHAIN,
            stack: Some("network-prod".into()),
            force: true,
            by: "grace".to_owned(),
            note: note("the wrong region"),
        }
    }
}

impl Sample for RetryChain {
    fn sample() -> Self {
        Self {
            chain: CHAIN,
            stack: Some("network-prod".into()),
            force: true,
            all: false,
            by: "grace".to_owned(),
            note: note("looked: nothing was applied"),
        }
    }
}

impl Sample for LockStack {
    fn sample() -> Self {
        Self {
            stack: "network-prod".into(),
            by: "grace".to_owned(),
            note: note("moving the state"),
        }
    }
}

impl Sample for UnlockStack {
    fn sample() -> Self {
        Self {
            stack: "network-prod".into(),
            force: true,
            by: "grace".to_owned(),
            note: note("moved"),
        }
    }
}

impl Sample for StackLocked {
    fn sample() -> Self {
        let text = "grace has locked it since 2024-10-10 14:10 UTC (moving the state)";
        Self {
            stack: "network-prod".into(),
            by: "grace".to_owned(),
            reason: Reason::new(Code::StackLocked, text),
            at: after(600),
        }
    }
}

impl Sample for StackUnlocked {
    fn sample() -> Self {
        Self {
            stack: "network-prod".into(),
            by: Some("grace".to_owned()),
            reason: Reason::new(Code::Allowed, "unlocked by grace: moved"),
            at: after(4_200),
        }
    }
}

impl Sample for ChainOrdered {
    fn sample() -> Self {
        let text = "paused by grace: the provider has an outage";
        Self {
            chain: CHAIN,
            order: OrderKind::Pause,
            stack: None,
            by: "grace".to_owned(),
            state: ChainState::Paused,
            reason: Reason::new(Code::ChainPaused, text),
            again: Vec::new(),
        }
    }
}
