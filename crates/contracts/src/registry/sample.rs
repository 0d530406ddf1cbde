//! One story, told by one message of each type: Ada pushes to `acme/infrastructure`, the network
//! and what depends on it follow.
//!
//! The bodies are frozen in `snapshots/`. An optional field that is added later stays `None` here,
//! so that what was promised is still what is compared.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::{
    ChainId, Code, CommitSha, GateId, List, Reason, RunId,
    chain::{
        ChainFinished, ChainIgnored, ChainKind, ChainOptions, ChainPlanned, ChainRefused,
        ChainStarted, ChainState, ChainWithdrawn, CodeLabels, EdgeOrigin, PlannedEdge, PlannedStep,
        Uses,
    },
    change::{Change, ChangeProposed, ChangePushed, Paths},
    check::{AnswerCheck, CheckAsked},
    run::{Delta, RunReported, RunState, RunType},
    stack::{
        AdoptStack, CodePlace, DestroyStacks, FixDrift, HistoryRewritten, StackLoosened,
        StackReassociated, StackRegistered, StackRetired, StackUpdated,
    },
    step::{
        StepApplying, StepFinished, StepPlanned, StepRetrying, StepStarted, StepState, StepStuck,
        StepSummary,
    },
};

mod gate;
mod hook;
mod inbound;
mod order;
mod policies;

/// A message type that can tell its part of the story.
pub(super) trait Sample {
    fn sample() -> Self;
}

const CHAIN: ChainId = ChainId(Uuid::from_u128(0x0192_75a6_3b0f_7c41_8a5e_2d94_f03b_6c17));
const GATE: GateId = GateId(Uuid::from_u128(0x0192_75a6_41d2_7e88_b6f0_93c1_5a27_d4e8));
const COMMIT: &str = "9f2c1a7be04d5638c1f0a2b49d7e6653801fca42";
const BASE: &str = "3d0b8e6671f94c2aa5d817e09b34f26c5e7a1d90";
const NETWORK_RUN: &str = "01JB4T8Z6M3Q9W5E2R7Y1X0KCV";

/// So many seconds after the push.
fn after(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_728_568_800 + seconds, 0).expect("a time of our days")
}

fn change() -> Change {
    Change {
        repository: "acme/infrastructure".to_owned(),
        branch: "main".to_owned(),
        commit: CommitSha::from(COMMIT),
        previous: Some(CommitSha::from(BASE)),
        author: "ada".to_owned(),
        authors: Vec::new(),
        title: "Give the private subnets room to grow".to_owned(),
        url: Some(format!("https://github.com/acme/infrastructure/commit/{COMMIT}")),
        pull_request: None,
    }
}

fn proposal() -> Change {
    Change {
        url: Some("https://github.com/acme/infrastructure/pull/42".to_owned()),
        pull_request: Some(42),
        ..change()
    }
}

fn network(state: StepState, code: Code, text: &str) -> StepSummary {
    StepSummary {
        stack: "network-prod".into(),
        state,
        reason: Reason::new(code, text),
        run: Some(RunId::from(NETWORK_RUN)),
        run_url: Some(format!(
            "https://acme.app.spacelift.io/stack/network-prod/run/{NETWORK_RUN}"
        )),
        delta: Some(Delta { added: 2, changed: 1, deleted: 0 }),
        attempt: 1,
    }
}

impl Sample for ChangePushed {
    fn sample() -> Self {
        let paths = vec!["network/subnets.tf".to_owned(), "network/variables.tf".to_owned()];
        Self {
            change: change(),
            paths: Paths::All(paths),
            deleted: false,
            tag: false,
            forced: false,
        }
    }
}

impl Sample for ChangeProposed {
    fn sample() -> Self {
        let updated_at = Some(after(0));
        Self { change: proposal(), paths: Paths::Unknown, fork: false, updated_at }
    }
}

impl Sample for CheckAsked {
    fn sample() -> Self {
        Self {
            hook: "smoke-tests".to_owned(),
            check: "shop".to_owned(),
            chain: CHAIN,
            look: 1,
            wave: "wave 1".to_owned(),
            stacks: vec!["network-prod".into()],
            change: change(),
            deadline: after(91),
        }
    }
}

impl Sample for AnswerCheck {
    fn sample() -> Self {
        Self {
            chain: CHAIN,
            check: "shop".to_owned(),
            look: Some(1),
            pass: false,
            by: "smoke-tests".to_owned(),
            text: Some("12 of 200 orders fail".to_owned()),
            groups: None,
        }
    }
}

impl Sample for ChainPlanned {
    fn sample() -> Self {
        let network = PlannedStep {
            stack: "network-prod".into(),
            name: "Network (production)".into(),
            space: "production-01J8ZK4M7N2P5Q8R1S4T7V0W3X".into(),
            labels: vec!["env:production".into()].into(),
            by_code: CodeLabels::default(),
            autodeploy: false,
            on_commit: true,
            why: Reason::new(Code::Touched, "network/subnets.tf is below its project root network"),
            path: None,
            uses: Uses::default(),
            limits: List::default(),
            owners: List::default(),
        };
        let cluster = PlannedStep {
            stack: "cluster-prod".into(),
            name: "Cluster (production)".into(),
            labels: vec!["env:production".into(), "depends-on:network-prod".into()].into(),
            on_commit: false,
            why: Reason::new(Code::DependsOn, "depends on network-prod"),
            ..network.clone()
        };
        let origins = vec![
            EdgeOrigin::Native { references: vec!["VPC_ID -> TF_VAR_vpc_id".to_owned()] },
            EdgeOrigin::Label { label: "depends-on:network-prod".to_owned() },
        ]
        .into();
        let edge =
            PlannedEdge { parent: "network-prod".into(), child: "cluster-prod".into(), origins };
        Self {
            chain: CHAIN,
            kind: ChainKind::Deploy,
            change: change(),
            steps: vec![network, cluster],
            edges: vec![edge].into(),
            graph_version: 17,
            options: ChainOptions::default(),
            action: crate::Action::default(),
            files: None,
        }
    }
}

fn code(path: &str) -> CodePlace {
    CodePlace {
        repository: "acme/infrastructure".to_owned(),
        branch: "main".to_owned(),
        path: path.to_owned(),
        name: "network-prod".to_owned(),
        commit: CommitSha::from(COMMIT),
    }
}

macro_rules! catalogue_samples {
    ($($name:ident($path:literal, $code:ident, $text:literal) $({ $field:ident })?;)*) => {$(
        impl Sample for $name {
            fn sample() -> Self {
                let reason = Reason::new(Code::$code, $text);
                let code = code($path).into();
                Self { stack: "network-prod".into(), code, $($field: Vec::new(),)? reason }
            }
        }
    )*};
}

catalogue_samples! {
    StackRegistered("network", CodeFound, "network/stackly.hcl:1 says that it is a stack");
    StackUpdated("network", CodeChanged, "its labels and what it waits for have changed") { changes };
    StackLoosened("network", CodeGone, "network/stackly.hcl was deleted");
    StackReassociated("platform/network", CodeMoved, "network was renamed to platform/network");
    StackRetired("network", StackGone, "the account has no such stack any more");
}

impl Sample for FixDrift {
    fn sample() -> Self {
        Self { stacks: vec!["network-prod".into()], by: "grace".to_owned(), note: None }
    }
}

impl Sample for DestroyStacks {
    fn sample() -> Self {
        let note = Some("the experiment is over".to_owned());
        Self { stacks: vec!["network-lab".into()], by: "grace".to_owned(), note }
    }
}

impl Sample for AdoptStack {
    fn sample() -> Self {
        Self {
            stack: "network-old".into(),
            path: "stacks/network".to_owned(),
            name: Some("network".to_owned()),
            by: "grace".to_owned(),
            note: Some("it was renamed while the mirror was away".to_owned()),
        }
    }
}

impl Sample for HistoryRewritten {
    fn sample() -> Self {
        let text = "the old head is not an ancestor of the new one";
        Self {
            change: change(),
            stacks: vec!["network-prod".into()],
            reason: Reason::new(Code::HistoryRewritten, text),
        }
    }
}

impl Sample for ChainIgnored {
    fn sample() -> Self {
        let text = "none of the 3 changed files is below the project root of a stack";
        Self { change: change(), kind: None, reason: Reason::new(Code::NothingTouched, text) }
    }
}

impl Sample for ChainRefused {
    fn sample() -> Self {
        let text = "the dependencies form a circle: network-prod -> cluster-prod -> network-prod";
        Self { change: change(), kind: None, reason: Reason::new(Code::Cycle, text) }
    }
}

impl Sample for ChainWithdrawn {
    fn sample() -> Self {
        let text = "pull request 7 of acme/infrastructure was closed, so nothing of it is planned";
        let change = Change { pull_request: Some(7), ..change() };
        Self { chain: CHAIN, change, reason: Reason::new(Code::PullRequestClosed, text) }
    }
}

impl Sample for ChainStarted {
    fn sample() -> Self {
        Self { chain: CHAIN, change: change(), steps: 2 }
    }
}

impl Sample for ChainFinished {
    fn sample() -> Self {
        let cluster = StepSummary {
            stack: "cluster-prod".into(),
            state: StepState::Skipped,
            reason: Reason::new(Code::ParentFailed, "network-prod failed"),
            run: None,
            run_url: None,
            delta: None,
            attempt: 1,
        };
        Self {
            chain: CHAIN,
            change: change(),
            state: ChainState::Failed,
            reason: Reason::new(Code::RunFailed, "1 of 2 steps failed: network-prod"),
            steps: vec![network(StepState::Failed, Code::RunFailed, "the apply failed"), cluster],
            began_at: after(1),
            ended_at: after(341),
        }
    }
}

impl Sample for StepStarted {
    fn sample() -> Self {
        let text = "the run is queued";
        let step = network(StepState::Planning, Code::RunInFlight, text);
        Self { chain: CHAIN, step: StepSummary { delta: None, ..step } }
    }
}

impl Sample for StepPlanned {
    fn sample() -> Self {
        let text = "the plan has changes; the policies are asked";
        Self { chain: CHAIN, step: network(StepState::GatingApply, Code::WaitingForGate, text) }
    }
}

impl Sample for StepApplying {
    fn sample() -> Self {
        let text = "the run applies";
        Self { chain: CHAIN, step: network(StepState::Applying, Code::RunInFlight, text) }
    }
}

impl Sample for StepRetrying {
    fn sample() -> Self {
        let text = "the run failed: the network failed; attempt 2 of 3 begins at 10:00:30 UTC";
        Self { chain: CHAIN, step: network(StepState::Retrying, Code::RetryPending, text) }
    }
}

impl Sample for StepFinished {
    fn sample() -> Self {
        let text = "the run finished";
        Self { chain: CHAIN, step: network(StepState::Finished, Code::RunFinished, text) }
    }
}

impl Sample for RunReported {
    fn sample() -> Self {
        Self {
            stack: "network-prod".into(),
            run: RunId::from(NETWORK_RUN),
            run_type: RunType::Tracked,
            state: RunState::Unconfirmed,
            state_version: 6,
            at: after(48),
            commit: CommitSha::from(COMMIT),
            triggered_by: Some("api::01J8ZM2F6V9C3B7N1M5K8J4H0G".to_owned()),
            delta: Some(Delta { added: 2, changed: 1, deleted: 0 }),
            note: Some("changes have been planned".to_owned()),
            url: Some(format!(
                "https://acme.app.spacelift.io/stack/network-prod/run/{NETWORK_RUN}"
            )),
        }
    }
}

impl Sample for StepStuck {
    fn sample() -> Self {
        let text = "run 01JB4T8Z6M3Q9W5E2R7Y1X0KCV is READY in Spacelift: it waits for a worker; \
                    that is 12 min already";
        let mend = format!("stackly cancel {CHAIN}/network-prod");
        let step = network(StepState::Planning, Code::NoWorker, text);
        Self { chain: CHAIN, step: StepSummary { delta: None, ..step }, mend: Some(mend) }
    }
}
