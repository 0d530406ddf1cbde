//! Events of one small chain, for tests.

use chrono::{DateTime, TimeDelta, Utc};
use contracts::{
    ChainId, Code, CommitSha, Envelope, GateId, List, Reason, RunId, StackId,
    catalogue::AccountAlerted,
    chain::{
        ChainFinished, ChainIgnored, ChainKind, ChainPlanned, ChainRefused, ChainStarted,
        ChainState, PlannedEdges, PlannedStep,
    },
    change::Change,
    gate::{GateDecided, GateOverridden, Moment, Outcome},
    order::{ChainOrdered, OrderKind},
    run::Delta,
    step::{
        StepApplying, StepFinished, StepPlanned, StepStarted, StepState, StepStuck, StepSummary,
    },
};
use uuid::Uuid;

use crate::{input::Input, routes::Routes};

pub(crate) fn at(second: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_790_000_000, 0).unwrap() + TimeDelta::seconds(second)
}

pub(crate) fn chain() -> ChainId {
    ChainId(Uuid::from_u128(0x0192_5b3c_0000_7000_8000_0000_0000_0001))
}

pub(crate) fn gate(number: u128) -> GateId {
    GateId(Uuid::from_u128(0x0192_5b3c_0000_7000_8000_0000_0001_0000 + number))
}

pub(crate) fn change() -> Change {
    Change {
        repository: "acme/infra".to_owned(),
        branch: "main".to_owned(),
        commit: CommitSha("0123456789abcdef0123456789abcdef01234567".to_owned()),
        previous: None,
        author: "ada".to_owned(),
        authors: Vec::new(),
        title: "Widen the <prod> network & its routes".to_owned(),
        url: Some("https://github.com/acme/infra/commit/0123456".to_owned()),
        pull_request: None,
    }
}

pub(crate) fn reason(code: Code, text: &str) -> Reason {
    Reason::new(code, text)
}

pub(crate) fn planned(stacks: &[&str]) -> ChainPlanned {
    let step = |stack: &&str| PlannedStep {
        stack: StackId::from(*stack),
        name: stack.replace('-', " ").into(),
        space: "root".into(),
        labels: List::default(),
        by_code: contracts::chain::CodeLabels::default(),
        autodeploy: false,
        on_commit: true,
        why: reason(Code::Touched, "its files changed"),
        path: None,
        uses: contracts::chain::Uses::default(),
        limits: List::default(),
        owners: List::default(),
    };
    ChainPlanned {
        chain: chain(),
        kind: ChainKind::Deploy,
        change: change(),
        steps: stacks.iter().map(step).collect(),
        edges: PlannedEdges::default(),
        graph_version: 1,
        options: contracts::chain::ChainOptions::default(),
        action: contracts::Action::default(),
        files: None,
    }
}

pub(crate) fn started(steps: usize) -> ChainStarted {
    ChainStarted { chain: chain(), change: change(), steps }
}

pub(crate) fn summary(stack: &str, state: StepState, code: Code, text: &str) -> StepSummary {
    StepSummary {
        stack: stack.into(),
        state,
        reason: reason(code, text),
        run: Some(RunId::from(format!("01RUN-{stack}"))),
        run_url: Some(format!("https://acme.app.spacelift.io/stack/{stack}/run/1")),
        delta: None,
        attempt: 1,
    }
}

pub(crate) fn with_delta(mut summary: StepSummary, added: i64) -> StepSummary {
    summary.delta = Some(Delta { added, changed: 1, deleted: 0 });
    summary
}

pub(crate) fn decided(
    number: u128,
    stack: Option<&str>,
    revision: i64,
    outcome: Outcome,
) -> GateDecided {
    let moment = if stack.is_some() { Moment::BeforeApply } else { Moment::BeforeChain };
    GateDecided {
        gate: gate(number),
        chain: chain(),
        moment,
        stack: stack.map(StackId::from),
        revision,
        outcome,
        reasons: vec![reason(Code::ApprovalNeeded, "two of the platform team must approve")],
        policy_digest: "d1".to_owned(),
        policy_commit: None,
        clearance: None,
    }
}

pub(crate) fn finished(state: ChainState, steps: Vec<StepSummary>) -> ChainFinished {
    ChainFinished {
        chain: chain(),
        change: change(),
        state,
        reason: match state {
            ChainState::Finished => reason(Code::Done, "every step ended well"),
            _ => reason(Code::RunFailed, "app-prod failed"),
        },
        steps,
        began_at: at(0),
        ended_at: at(200),
    }
}

pub(crate) fn ignored(code: Code, text: &str) -> ChainIgnored {
    ChainIgnored { change: change(), kind: None, reason: reason(code, text) }
}

pub(crate) fn refused(text: &str) -> ChainRefused {
    ChainRefused { change: change(), kind: None, reason: reason(Code::Cycle, text) }
}

pub(crate) fn alerted(title: &str) -> AccountAlerted {
    AccountAlerted {
        account: "acme".to_owned(),
        severity: "ERROR".to_owned(),
        title: title.to_owned(),
        text: "The worker pool has no workers.".to_owned(),
    }
}

/// The envelope of an event or a result, decided `second` seconds after the beginning.
pub(crate) fn envelope(body: Input, second: i64) -> Envelope<Input> {
    let (kind, key) = match body.event() {
        Some((kind, _)) => (kind.to_owned(), body.key(&Routes::default()).to_string()),
        None => ("local".to_owned(), String::new()),
    };
    let story = body.key(&Routes::default());
    let id = Uuid::new_v5(&story, format!("{kind}/{second}").as_bytes());
    Envelope::first("test", id, (&kind, key), at(second), body).within(story, None)
}

/// A chain of two stacks: the first applies, the second is held for approvals and fails.
pub(crate) fn history() -> Vec<Envelope<Input>> {
    let net = |state| summary("net-prod", state, Code::RunInFlight, "the run is at work");
    let app = |state| summary("app-prod", state, Code::RunInFlight, "the run is at work");
    let hold = |given| Outcome::HoldForApprovals { given, needed: 2 };
    let ended = |stack, state, code, text| summary(stack, state, code, text);
    let net_end = with_delta(
        ended("net-prod", StepState::Finished, Code::RunFinished, "the run finished"),
        4,
    );
    let app_end = ended("app-prod", StepState::Failed, Code::RunFailed, "the apply failed");
    let bodies = vec![
        Input::Planned(planned(&["net-prod", "app-prod"])),
        Input::Gate(decided(1, None, 1, Outcome::HoldUntil { until: at(30) })),
        Input::Gate(decided(1, None, 2, Outcome::Pass)),
        Input::Started(started(2)),
        Input::StepStarted(StepStarted { chain: chain(), step: net(StepState::Planning) }),
        Input::StepPlanned(StepPlanned {
            chain: chain(),
            step: with_delta(net(StepState::GatingApply), 3),
        }),
        Input::StepApplying(StepApplying { chain: chain(), step: net(StepState::Applying) }),
        Input::StepFinished(StepFinished { chain: chain(), step: net_end.clone() }),
        Input::StepStarted(StepStarted { chain: chain(), step: app(StepState::Planning) }),
        Input::StepPlanned(StepPlanned {
            chain: chain(),
            step: with_delta(app(StepState::GatingApply), 1),
        }),
        Input::Gate(decided(2, Some("app-prod"), 1, hold(0))),
        Input::Gate(decided(2, Some("app-prod"), 2, hold(1))),
        Input::Gate(decided(2, Some("app-prod"), 3, Outcome::Pass)),
        Input::StepApplying(StepApplying { chain: chain(), step: app(StepState::Applying) }),
        Input::StepFinished(StepFinished { chain: chain(), step: app_end.clone() }),
        Input::Finished(finished(ChainState::Failed, vec![net_end, app_end])),
    ];
    (0..).step_by(10).zip(bodies).map(|(second, body)| envelope(body, second)).collect()
}

/// A person pauses it.
pub(crate) fn paused() -> ChainOrdered {
    ChainOrdered {
        chain: chain(),
        order: OrderKind::Pause,
        stack: None,
        by: "bob".to_owned(),
        state: ChainState::Paused,
        reason: reason(Code::ChainPaused, "paused by bob"),
        again: Vec::new(),
    }
}

/// Somebody breaks the glass before an apply.
pub(crate) fn overridden(by: &str) -> GateOverridden {
    GateOverridden {
        gate: gate(2),
        chain: chain(),
        moment: Moment::BeforeApply,
        stack: Some("app-prod".into()),
        by: by.to_owned(),
        reason: "the shop is <down>".to_owned(),
        until: at(3_600),
        whole_chain: false,
        wants_second: true,
        over: vec![reason(Code::Frozen, "the freeze *winter* holds it")],
    }
}

/// A step has waited for a worker for too long.
pub(crate) fn stuck(stack: &str) -> StepStuck {
    let step = summary(stack, StepState::Planning, Code::NoWorker, "nobody takes it");
    let mend = format!("stackly cancel {}/{stack}", chain());
    StepStuck { chain: chain(), step, mend: Some(mend) }
}

/// GitHub as it is told by default.
pub(crate) fn github_route() -> crate::routes::HostRoute {
    crate::routes::HostRoute {
        context: "stackly".to_owned(),
        default_branches: vec!["main".to_owned(), "master".to_owned()],
        checks: true,
    }
}
