//! The part of the story that gates tell.

use super::{CHAIN, GATE, NETWORK_RUN, Sample, after, change};
use crate::{
    Action, Code, Reason, RunId,
    chain::ChainKind,
    gate::{
        GateDecided, GateOverridden, GateReminded, GateRequested, GateStack, Moment, Outcome,
        OverrideGate, ReviewCommit, ReviewGate,
    },
    run::Delta,
};

impl Sample for GateRequested {
    fn sample() -> Self {
        let stack = GateStack {
            stack: "network-prod".into(),
            space: "production-01J8ZK4M7N2P5Q8R1S4T7V0W3X".into(),
            labels: vec!["env:production".to_owned()],
            code_labels: Vec::new(),
            autodeploy: false,
            path: None,
            follows: false,
            worker_pool: None,
        };
        Self {
            gate: GATE,
            chain: CHAIN,
            kind: ChainKind::Deploy,
            moment: Moment::BeforeApply,
            stacks: vec![stack],
            change: change(),
            run: Some(RunId::from(NETWORK_RUN)),
            delta: Some(Delta { added: 2, changed: 1, deleted: 0 }),
            changes: None,
            changes_more: 0,
            unread: None,
            files: None,
            steps: None,
            plans: Vec::new(),
            differs: None,
            action: Action::default(),
            planned_at: None,
            failures: Vec::new(),
            again: 0,
        }
    }
}

impl Sample for GateDecided {
    fn sample() -> Self {
        let text = "policy production wants 2 approvals and has 1";
        Self {
            gate: GATE,
            chain: CHAIN,
            moment: Moment::BeforeApply,
            stack: Some("network-prod".into()),
            revision: 2,
            outcome: Outcome::HoldForApprovals { given: 1, needed: 2 },
            reasons: vec![Reason::new(Code::ApprovalNeeded, text)],
            policy_digest: "a3f5c0d9e8b71264".to_owned(),
            policy_commit: None,
            clearance: None,
        }
    }
}

impl Sample for ReviewGate {
    fn sample() -> Self {
        let note = "looked at the plan with Ada".to_owned();
        Self {
            gate: GATE,
            approve: true,
            by: "grace".to_owned(),
            groups: Vec::new(),
            note: Some(note),
            withdraw: false,
            said_at: None,
        }
    }
}

impl Sample for ReviewCommit {
    fn sample() -> Self {
        Self {
            repository: "acme/infra".to_owned(),
            pull_request: 42,
            commit: "9f2c1e0d7b6a5948372615f4e3d2c1b0a9f8e7d6".into(),
            approve: true,
            withdraw: false,
            by: "grace".to_owned(),
            note: Some("a review at the pull request".to_owned()),
            said_at: None,
        }
    }
}

impl Sample for OverrideGate {
    fn sample() -> Self {
        Self {
            gate: GATE,
            by: "grace".to_owned(),
            reason: "the network is down; incident 4711".to_owned(),
            seconds: Some(3_600),
            chain: true,
            done: false,
        }
    }
}

impl Sample for GateOverridden {
    fn sample() -> Self {
        let text = "policy office_hours holds network-prod until Mon 2026-09-21 09:00 CEST";
        Self {
            gate: GATE,
            chain: CHAIN,
            moment: Moment::BeforeApply,
            stack: Some("network-prod".into()),
            by: "grace".to_owned(),
            reason: "the network is down; incident 4711".to_owned(),
            until: after(3_661),
            whole_chain: true,
            wants_second: false,
            over: vec![Reason::new(Code::WindowClosed, text)],
        }
    }
}

impl Sample for GateReminded {
    fn sample() -> Self {
        let text =
            "policy production has waited for 1 more approval since Mon 2026-09-21 09:00 UTC";
        Self {
            gate: GATE,
            chain: CHAIN,
            moment: Moment::BeforeApply,
            stack: Some("network-prod".into()),
            repository: change().repository,
            policy: Some("production".to_owned()),
            reason: Reason::new(Code::ApprovalOverdue, text),
        }
    }
}
