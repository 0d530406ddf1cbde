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
    /// The push changed files below this stack's project root or matched by its additional globs.
    Touched = "touched",
    /// A stack that this one depends on is part of the chain.
    DependsOn = "depends_on",
    /// The change touches no known stack.
    NothingTouched = "nothing_touched",
    /// No stack tracks the branch that was pushed.
    BranchNotTracked = "branch_not_tracked",
    /// No known stack belongs to the repository.
    RepositoryUnknown = "repository_unknown",
    /// Repositories at several hosts have the same name and count as one.
    RepositoryAmbiguous = "repository_ambiguous",
    /// A branch or tag was deleted, so there is no commit to deliver.
    RefDeleted = "ref_deleted",
    /// The pushed tag delivers no stack.
    TagPushed = "tag_pushed",
    /// The dependencies of the affected stacks form a cycle.
    Cycle = "cycle",
    /// There is already a chain for this commit.
    AlreadyPlanned = "already_planned",
    /// A newer push to the same branch is planned instead, with the changes of both.
    Joined = "joined",
    /// The pull request was merged or closed.
    PullRequestClosed = "pull_request_closed",
    /// The pull request goes to another branch now.
    Retargeted = "retargeted",
    /// The outcome of the change cannot be stored, or is too large for one message.
    Undecidable = "undecidable",
    /// The mirror of the repository cannot be fetched or read.
    GitUnavailable = "git_unavailable",
    /// The history of a branch was rewritten.
    HistoryRewritten = "history_rewritten",
    /// The code of the stack was found.
    CodeFound = "code_found",
    /// The code declares something different about the stack.
    CodeChanged = "code_changed",
    /// The code of the stack has moved.
    CodeMoved = "code_moved",
    /// The code of the stack is gone, or no longer says that it is a stack.
    CodeGone = "code_gone",
    /// The account has a stack that it did not have before.
    StackFound = "stack_found",
    /// The stack was changed in the account.
    AccountChanged = "account_changed",
    /// No policy objects.
    Allowed = "allowed",
    /// A policy denies it.
    PolicyDenied = "policy_denied",
    /// The deployment window is closed.
    WindowClosed = "window_closed",
    /// A freeze is in force.
    Frozen = "frozen",
    /// The line is stopped until somebody releases it.
    LineStopped = "line_stopped",
    /// It is larger than a policy allows.
    LimitExceeded = "limit_exceeded",
    /// A policy limits the number of concurrent chains, and others come first.
    ChainsAhead = "chains_ahead",
    /// More steps ended badly recently than a policy allows.
    BudgetSpent = "budget_spent",
    /// The plan is older than a policy allows, and is made again.
    PlanStale = "plan_stale",
    /// The code of the stack is gone, and no policy has its resources destroyed.
    StaysLoose = "stays_loose",
    /// The code of the stack is gone, but other stacks still depend on it.
    StillNeeded = "still_needed",
    /// A person requested it.
    AskedFor = "asked_for",
    /// Somebody used break-glass to override the policies.
    Overridden = "overridden",
    /// A blocking hook was asked and has not answered yet.
    WaitingForHook = "waiting_for_hook",
    /// The resources that the plan changes are unknown, at least in part.
    PlanUnread = "plan_unread",
    /// A policy could not be evaluated, so nothing passes it.
    PolicyFailed = "policy_failed",
    /// Too few people approved within the time that a policy allows.
    ApprovalLapsed = "approval_lapsed",
    /// People must approve first.
    ApprovalNeeded = "approval_needed",
    /// Enough people approved.
    Approved = "approved",
    /// A person rejected it.
    Rejected = "rejected",
    /// A policy warns about it but lets it pass.
    PolicyWarning = "policy_warning",
    /// A different set of policies is in force.
    PoliciesReplaced = "policies_replaced",
    /// A set of policies has an error; the previous one stays in force.
    PoliciesRefused = "policies_refused",
    /// Steps that this one depends on have not finished.
    WaitingForParents = "waiting_for_parents",
    /// The policies were asked and have not answered yet.
    WaitingForGate = "waiting_for_gate",
    /// Another chain has a run on this stack.
    StackBusy = "stack_busy",
    /// The run was requested; the outcome of the request is not known yet.
    Triggering = "triggering",
    /// The run is queued or in progress in Spacelift.
    RunInFlight = "run_in_flight",
    /// Spacelift limits our requests or cannot be reached; the call is retried.
    SpaceliftUnavailable = "spacelift_unavailable",
    /// So many calls to Spacelift failed in a row that no more are made for a while.
    CircuitOpen = "circuit_open",
    /// Spacelift rejects our credentials.
    SpaceliftUnauthorized = "spacelift_unauthorized",
    /// Spacelift refused the request.
    SpaceliftRefused = "spacelift_refused",
    /// An output that the stack takes from another stack is missing, or must not be passed on.
    OutputMissing = "output_missing",
    /// The stack no longer exists.
    StackGone = "stack_gone",
    /// The run no longer exists.
    RunGone = "run_gone",
    /// The run succeeded.
    RunFinished = "run_finished",
    /// The run failed.
    RunFailed = "run_failed",
    /// The run was discarded, by a person or because a gate was denied.
    RunDiscarded = "run_discarded",
    /// The run was cancelled or stopped.
    RunCanceled = "run_canceled",
    /// Spacelift's own dependencies ran the step before everything that it waits for had ended.
    RanTooEarly = "ran_too_early",
    /// Spacelift skipped the run.
    RunSkipped = "run_skipped",
    /// The plan has no changes, so nothing was applied.
    NoChanges = "no_changes",
    /// Nothing that the step reads from the steps before it has changed, so it need not run.
    InputsUnchanged = "inputs_unchanged",
    /// A run in another chain, requested after everything before this step had ended, covers it.
    RunShared = "run_shared",
    /// The outputs of a step before it are being read, to see whether it needs to run.
    ReadingOutputs = "reading_outputs",
    /// It runs only if steps before it end in a certain way; they did not, so it need not run.
    ConditionUnmet = "condition_unmet",
    /// A label about how steps before it must end cannot be read, so it must not run.
    ConditionUnread = "condition_unread",
    /// As many runs are in progress as a limit allows; it starts when a place becomes free.
    WaitingForPlace = "waiting_for_place",
    /// Every step of the chain is planned before any is applied.
    PlannedFirst = "planned_first",
    /// The plan differs from the one that was allowed with the whole chain, so it needs a new
    /// decision.
    PlanDiffers = "plan_differs_from_approved",
    /// The previous wave has steps that have not ended.
    WaitingForWave = "waiting_for_wave",
    /// Every step of the previous wave has ended; the next wave waits in case problems show.
    Soaking = "soaking",
    /// The health checks after the previous wave have not answered yet.
    CheckingHealth = "checking_health",
    /// A health check after the previous wave failed; a person must look.
    Unhealthy = "unhealthy",
    /// Too many steps of an earlier wave ended badly, so this one must not run.
    WaveFailed = "wave_failed",
    /// A step that this one depends on failed, so this one must not run.
    ParentFailed = "parent_failed",
    /// It is unknown whether the call took effect; a person must look.
    OutcomeUnknown = "outcome_unknown",
    /// The stack deploys by itself, so no gate can hold its plan before the apply.
    AutodeployConflict = "autodeploy_conflict",
    /// A person locked the stack.
    StackLocked = "stack_locked",
    /// A person paused the step.
    StepPaused = "step_paused",
    /// A person cancelled the chain.
    ChainCanceled = "chain_canceled",
    /// A person cancelled the step.
    StepCanceled = "step_canceled",
    /// A person paused the chain.
    ChainPaused = "chain_paused",
    /// A person requested another attempt.
    Retried = "retried",
    /// The run failed in a way that may pass; it is retried automatically.
    RetryPending = "retry_pending",
    /// A step failed, and the chain stops at its first failure.
    ChainStopped = "chain_stopped",
    /// A newer change of the same branch replaced it.
    Superseded = "superseded",
    /// The network between the run and a service it uses failed.
    NetworkFailed = "network_failed",
    /// The provider's API limits the rate of requests.
    ProviderThrottled = "provider_throttled",
    /// A quota or limit of the provider is exhausted.
    QuotaExceeded = "quota_exceeded",
    /// Somebody else holds the lock on the state.
    StateLocked = "state_locked",
    /// A policy in Spacelift denied the run.
    RunDenied = "run_denied",
    /// The policies were asked long ago and have not answered.
    GateSilent = "gate_silent",
    /// A decision by people is overdue.
    ApprovalOverdue = "approval_overdue",
    /// Approvals have been missing for so long that other people may approve as well.
    ApprovalEscalated = "approval_escalated",
    /// A call to Spacelift has been pending for too long.
    CallOverdue = "call_overdue",
    /// The run has been queued in Spacelift for too long.
    QueuedOverdue = "queued_overdue",
    /// No worker picks up the run.
    NoWorker = "no_worker",
    /// The run is taking longer than it should.
    RunOverdue = "run_overdue",
    /// The person who gave the order is in none of the groups that may give it.
    NotAllowed = "not_allowed",
    /// The order does not fit the current state of the chain or step.
    OrderRefused = "order_refused",
    /// A step or chain would have changed state in a way that the table of states does not allow.
    IllegalTransition = "illegal_transition",
    /// A request made in a comment is being carried out.
    CommandTaken = "command_taken",
    /// A request made in a comment or a review was refused.
    CommandRefused = "command_refused",
    /// Nothing found in the stack code rejects the change.
    ValidationPassed = "validation_passed",
    /// Stack code must not be delivered, because of its syntax, a policy, a security rule or a
    /// scanner.
    ValidationRejected = "validation_rejected",
    /// A report on the code that an outside job delivers has not arrived yet.
    ReportAwaited = "report_awaited",
    /// This build cannot read the message.
    Unreadable = "unreadable",
    /// The message was retried as often as allowed and could not be handled.
    AttemptsExhausted = "attempts_exhausted",
    /// An answer to the message is larger than the broker accepts.
    AnswerTooLarge = "answer_too_large",
    /// A channel rejects our credential or denies access to a place in it; a person must fix it,
    /// and the call is retried until then.
    AccessRefused = "access_refused",
    /// A channel is unavailable or asks us to wait; the call is retried.
    ChannelUnavailable = "channel_unavailable",
    /// Every step ended well.
    Done = "done",
    /// Spacelift disabled a named webhook; it is being enabled again.
    WebhookSwitchedOff = "webhook_switched_off",
    /// A named webhook is disabled and could not be enabled.
    WebhookStaysOff = "webhook_stays_off",
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests;
