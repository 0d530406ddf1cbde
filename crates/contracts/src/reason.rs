//! Why something waits, was skipped or was refused: a code for machines, a sentence for people.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A reason that a person can read and a program can match on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Reason {
    /// One of a closed list.
    pub code: Code,
    /// One sentence: what, where, and if it helps, what to do.
    pub text: String,
}

impl Reason {
    /// A reason with its sentence.
    pub fn new(code: Code, text: impl Into<String>) -> Self {
        Self { code, text: text.into() }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.text)
    }
}

macro_rules! codes {
    ($($(#[doc = $doc:literal])+ $variant:ident = $code:literal,)*) => {
        /// Every reason code there is. Each has a paragraph in `docs/runbook/REASONS.md`.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
            JsonSchema)]
        pub enum Code {
            $($(#[doc = $doc])+ #[serde(rename = $code)] $variant,)*
        }

        impl Code {
            /// All codes, for documents and tests.
            pub const ALL: &'static [Code] = &[$(Code::$variant),*];

            /// The code as written in messages, logs and metrics.
            pub const fn as_str(self) -> &'static str {
                match self { $(Code::$variant => $code,)* }
            }

            /// What the code means.
            pub const fn meaning(self) -> &'static str {
                match self { $(Code::$variant => concat!($($doc),+).trim_ascii(),)* }
            }
        }
    };
}

codes! {
    /// The push changed files below this stack's project root or its additional globs.
    Touched = "touched",
    /// A stack that this one depends on is part of the chain.
    DependsOn = "depends_on",
    /// The change touches no known stack.
    NothingTouched = "nothing_touched",
    /// No stack tracks the branch that was pushed.
    BranchNotTracked = "branch_not_tracked",
    /// The repository belongs to no known stack.
    RepositoryUnknown = "repository_unknown",
    /// Repositories of one name are at several hosts, and count as one.
    RepositoryAmbiguous = "repository_ambiguous",
    /// A branch or tag was deleted: there is no commit to deliver.
    RefDeleted = "ref_deleted",
    /// A tag was pushed; stacks track branches.
    TagPushed = "tag_pushed",
    /// The dependencies of the stacks concerned form a circle.
    Cycle = "cycle",
    /// A chain for this very commit exists already.
    AlreadyPlanned = "already_planned",
    /// A newer push of the same branch is planned in its place, with the changes of both.
    Joined = "joined",
    /// The pull request was merged, or closed without.
    PullRequestClosed = "pull_request_closed",
    /// What follows from it cannot be stored, or is larger than one message may be.
    Undecidable = "undecidable",
    /// The mirror of the repository cannot be fetched or read.
    GitUnavailable = "git_unavailable",
    /// The history of a branch was rewritten.
    HistoryRewritten = "history_rewritten",
    /// The code of the stack was found.
    CodeFound = "code_found",
    /// What the code says of the stack has changed.
    CodeChanged = "code_changed",
    /// The code of the stack is in another place now.
    CodeMoved = "code_moved",
    /// The code of the stack is gone, or says no more that it is a stack.
    CodeGone = "code_gone",
    /// The account has a stack that it did not have before.
    StackFound = "stack_found",
    /// What the account says of the stack has changed.
    AccountChanged = "account_changed",
    /// No policy speaks against it.
    Allowed = "allowed",
    /// A policy denies it.
    PolicyDenied = "policy_denied",
    /// The deployment window is closed now.
    WindowClosed = "window_closed",
    /// A freeze is in force.
    Frozen = "frozen",
    /// The line is stopped until people start it again.
    LineStopped = "line_stopped",
    /// It is larger than a policy allows.
    LimitExceeded = "limit_exceeded",
    /// As many chains as a policy lets be under way at once come before it.
    ChainsAhead = "chains_ahead",
    /// More ended badly of late than a policy bears.
    BudgetSpent = "budget_spent",
    /// The plan is older than a policy allows; it is made anew.
    PlanStale = "plan_stale",
    /// The code of the stack is gone, and no policy says that what it made is destroyed.
    StaysLoose = "stays_loose",
    /// Its code is gone, but other stacks depend on it still.
    StillNeeded = "still_needed",
    /// A person asked for it.
    AskedFor = "asked_for",
    /// Somebody broke the glass: what the policies say was passed over.
    Overridden = "overridden",
    /// A blocking hook has been asked and has not answered yet.
    WaitingForHook = "waiting_for_hook",
    /// The resources that the plan changes are not known, or not all of them.
    PlanUnread = "plan_unread",
    /// A policy could not be evaluated; nothing passes what nobody can judge.
    PolicyFailed = "policy_failed",
    /// Too few people approved in the time a policy gives.
    ApprovalLapsed = "approval_lapsed",
    /// People have to approve first.
    ApprovalNeeded = "approval_needed",
    /// Enough people approved.
    Approved = "approved",
    /// A person rejected it.
    Rejected = "rejected",
    /// A policy wants this to be known, but lets it pass.
    PolicyWarning = "policy_warning",
    /// Another set of policies is in force.
    PoliciesReplaced = "policies_replaced",
    /// A set of policies has a fault; the old one stays in force.
    PoliciesRefused = "policies_refused",
    /// Steps it depends on have not finished.
    WaitingForParents = "waiting_for_parents",
    /// The policies have been asked and have not answered yet.
    WaitingForGate = "waiting_for_gate",
    /// Another chain has a run on this stack.
    StackBusy = "stack_busy",
    /// The run has been asked for; its outcome is not known yet.
    Triggering = "triggering",
    /// The run is queued or at work in Spacelift.
    RunInFlight = "run_in_flight",
    /// Spacelift limits our requests or cannot be reached; it is tried again.
    SpaceliftUnavailable = "spacelift_unavailable",
    /// So many calls to Spacelift failed in a row that no more are made for a while.
    CircuitOpen = "circuit_open",
    /// Spacelift's credentials are refused.
    SpaceliftUnauthorized = "spacelift_unauthorized",
    /// Spacelift refused the request.
    SpaceliftRefused = "spacelift_refused",
    /// An output that the stack takes of another one is not there, or must not be handed on.
    OutputMissing = "output_missing",
    /// The stack exists no more.
    StackGone = "stack_gone",
    /// The run exists no more.
    RunGone = "run_gone",
    /// The run ended well.
    RunFinished = "run_finished",
    /// The run failed.
    RunFailed = "run_failed",
    /// The run was discarded, by a person or by a denied gate.
    RunDiscarded = "run_discarded",
    /// The run was cancelled or stopped.
    RunCanceled = "run_canceled",
    /// Spacelift's own dependencies ran it before everything that it waits for had ended.
    RanTooEarly = "ran_too_early",
    /// Spacelift skipped the run.
    RunSkipped = "run_skipped",
    /// The plan has no changes, so nothing was applied.
    NoChanges = "no_changes",
    /// Nothing that it reads of the steps before it has changed, so it need not run.
    InputsUnchanged = "inputs_unchanged",
    /// A run of another chain, asked for after everything before it had ended, has done its work.
    RunShared = "run_shared",
    /// Whether what it reads of a step before it has changed is being read, because otherwise it need
    /// not run.
    ReadingOutputs = "reading_outputs",
    /// It runs only if steps before it end in a certain way, and they did not, so it need not run.
    ConditionUnmet = "condition_unmet",
    /// A label says how steps before it must end, and cannot be read, so it must not run.
    ConditionUnread = "condition_unread",
    /// As many runs as may be at once are under way; a place will become free.
    WaitingForPlace = "waiting_for_place",
    /// Every step of the chain is planned before any is applied.
    PlannedFirst = "planned_first",
    /// The plan is not the one that was allowed with the whole chain, so it is asked about anew.
    PlanDiffers = "plan_differs_from_approved",
    /// The wave before has steps that have not ended.
    WaitingForWave = "waiting_for_wave",
    /// Every step of the wave before ended; the next waits for a while, so that what is wrong shows.
    Soaking = "soaking",
    /// The health checks after the wave before have not answered yet.
    CheckingHealth = "checking_health",
    /// A health check after the wave before does not hold; a person must look.
    Unhealthy = "unhealthy",
    /// Too many steps of the wave before ended badly, so this one must not run.
    WaveFailed = "wave_failed",
    /// A step it depends on failed, so this one must not run.
    ParentFailed = "parent_failed",
    /// It cannot be told whether the call took effect; a person must look.
    OutcomeUnknown = "outcome_unknown",
    /// The stack applies by itself, which a gate before the apply would have to prevent.
    AutodeployConflict = "autodeploy_conflict",
    /// The stack is locked by a person.
    StackLocked = "stack_locked",
    /// A person paused the step.
    StepPaused = "step_paused",
    /// A person cancelled the chain.
    ChainCanceled = "chain_canceled",
    /// A person cancelled the step.
    StepCanceled = "step_canceled",
    /// A person paused the chain.
    ChainPaused = "chain_paused",
    /// A person asked for another attempt.
    Retried = "retried",
    /// The run failed in a way that may pass; it is tried again by itself.
    RetryPending = "retry_pending",
    /// A step failed, and the chain is to stop at its first failure.
    ChainStopped = "chain_stopped",
    /// A newer change of the same branch took its place.
    Superseded = "superseded",
    /// The network between the run and what it talks to failed.
    NetworkFailed = "network_failed",
    /// The provider's API limits the rate of requests.
    ProviderThrottled = "provider_throttled",
    /// A quota or a limit of the provider is used up.
    QuotaExceeded = "quota_exceeded",
    /// Somebody else holds the lock on the state.
    StateLocked = "state_locked",
    /// A policy in Spacelift denied the run.
    RunDenied = "run_denied",
    /// The policies have been asked long ago and have not answered.
    GateSilent = "gate_silent",
    /// People should have approved or rejected it by now.
    ApprovalOverdue = "approval_overdue",
    /// Too few people approved for so long that others may approve as well.
    ApprovalEscalated = "approval_escalated",
    /// A call to Spacelift is not through for long.
    CallOverdue = "call_overdue",
    /// The run is queued in Spacelift for long.
    QueuedOverdue = "queued_overdue",
    /// No worker takes the run.
    NoWorker = "no_worker",
    /// The run is at work for longer than it should.
    RunOverdue = "run_overdue",
    /// Who gave the order is in none of the groups that may.
    NotAllowed = "not_allowed",
    /// The order does not fit how the chain or the step stands.
    OrderRefused = "order_refused",
    /// A step or a chain was to go from one state to another in a way that is not in the table.
    IllegalTransition = "illegal_transition",
    /// What a person asked for in a comment follows.
    CommandTaken = "command_taken",
    /// What a person asked for in a comment does not follow.
    CommandRefused = "command_refused",
    /// Nothing that was found in the stack code speaks against the change.
    ValidationPassed = "validation_passed",
    /// Something in the stack code must not be delivered: its syntax, a policy, a security rule or a
    /// scanner says so.
    ValidationRejected = "validation_rejected",
    /// A report on the code that is handed in from outside is not there yet.
    ReportAwaited = "report_awaited",
    /// The message cannot be read by this build.
    Unreadable = "unreadable",
    /// The message was tried as often as is allowed and could not be handled.
    AttemptsExhausted = "attempts_exhausted",
    /// An answer to the message is larger than the broker takes.
    AnswerTooLarge = "answer_too_large",
    /// A channel refuses our credential, or a place in it; a person must mend it, and the call is
    /// tried again until then.
    AccessRefused = "access_refused",
    /// A channel is away, or asks us to wait; the call is tried again.
    ChannelUnavailable = "channel_unavailable",
    /// Everything was done.
    Done = "done",
    /// Spacelift had switched a named webhook off; it is being switched on again.
    WebhookSwitchedOff = "webhook_switched_off",
    /// A named webhook is switched off, and could not be switched on.
    WebhookStaysOff = "webhook_stays_off",
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests;
