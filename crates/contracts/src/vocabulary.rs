//! Our event types in the words of others: the life cycle the project began with, and CDEvents.

/// One stage of the life cycle, and the events that tell of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stage {
    /// Its name.
    pub name: &'static str,
    /// The event types, and when they mean this stage.
    pub events: &'static [(&'static str, &'static str)],
}

/// The life cycle of a change.
pub const LIFE_CYCLE: &[Stage] = &[
    Stage {
        name: "module registered",
        events: &[
            ("change.pushed", "new code is known"),
            ("chain.planned", "the stacks it concerns are known, and in which order they follow"),
        ],
    },
    Stage {
        name: "policy check",
        events: &[
            ("gate.requested", "before the chain, before each plan, before each apply"),
            ("gate.decided", "the answer"),
        ],
    },
    Stage {
        name: "plan started",
        events: &[("step.started", "the run of a stack exists and will plan")],
    },
    Stage {
        name: "plan finished",
        events: &[
            ("step.planned", "the plan has changes"),
            ("step.finished", "the plan has none: reason `no_changes`"),
        ],
    },
    Stage {
        name: "approval required",
        events: &[("gate.decided", "outcome `hold_for_approvals`")],
    },
    Stage {
        name: "deploy started",
        events: &[("chain.started", "of the whole change"), ("step.applying", "of one stack")],
    },
    Stage {
        name: "activity started",
        events: &[("run.reported", "the run entered a phase, such as `APPLYING`")],
    },
    Stage {
        name: "activity finished",
        events: &[("run.reported", "the run entered the next phase, or a last one")],
    },
    Stage {
        name: "deploy finished",
        events: &[("step.finished", "of one stack"), ("chain.finished", "of the whole change")],
    },
];

/// The nearest CDEvent of one of our event types.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CdEvent {
    /// Our type.
    pub kind: &'static str,
    /// `<subject>.<predicate>`; its type is `dev.cdevents.` and this in lower case.
    pub cdevent: &'static str,
    /// When they mean the same.
    pub when: &'static str,
}

const fn cdevent(kind: &'static str, cdevent: &'static str, when: &'static str) -> CdEvent {
    CdEvent { kind, cdevent, when }
}

/// The CDEvents (0.6) there are for our event types; a type that is not named has none.
pub const CDEVENTS: &[CdEvent] = &[
    cdevent("change.pushed", "change.merged", "the branch is one that stacks track"),
    cdevent("change.proposed", "change.created", "first of its pull request"),
    cdevent("change.proposed", "change.updated", "later ones"),
    cdevent("chain.planned", "pipelineRun.queued", "always"),
    cdevent("gate.decided", "approval.created", "the first `hold_for_approvals` of a gate"),
    cdevent("gate.decided", "approval.updated", "further ones"),
    cdevent("gate.decided", "approval.closed", "`pass` or `deny` after approvals were asked for"),
    cdevent("chain.started", "pipelineRun.started", "always"),
    cdevent("step.started", "taskRun.started", "always"),
    cdevent("step.applying", "deployment.started", "always"),
    cdevent("step.finished", "taskRun.finished", "the step had a run"),
    cdevent("step.finished", "deployment.finished", "the step had been applying"),
    cdevent("chain.finished", "pipelineRun.finished", "always"),
    cdevent("account.alerted", "incident.detected", "severity `ERROR`"),
];
