//! The states of steps, chains and locks, what may happen to them, and what follows: the whole table.
//!
//! Every transition is looked up here. What is not in the table does not happen: the input that
//! would lead to it is refused and reported. `docs/STATES.md` is drawn from it.

use std::fmt;

use contracts::{chain::ChainState, step::StepState};

use crate::lock::LockState;

/// One line of a table: from a state, by what happened, to a state.
pub type Line<S, E> = (S, E, S);

macro_rules! events {
    ($(#[$meta:meta])* $name:ident { $($(#[doc = $doc:literal])+ $variant:ident = $text:literal,)* }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $name { $($(#[doc = $doc])+ $variant,)* }

        impl $name {
            /// Every one of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The word for it in the history and in documents.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }

            /// What it means.
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$variant => concat!($($doc),+).trim_ascii(),)* }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

events! {
    /// What may happen to a step.
    StepEvent {
        /// Enough of its parents ended well; the policies are asked about its plan.
        ParentsDone = "parents_done",
        /// Nothing that it reads of its parents has changed, so it need not run.
        NothingChanged = "nothing_changed",
        /// It runs only if its parents end in a certain way, and they did not, so it need not run.
        ConditionUnmet = "condition_unmet",
        /// How its parents must end is said by a label that cannot be read, so it must not run.
        ConditionUnread = "condition_unread",
        /// A run of another chain has done its work, so it need not run.
        RunShared = "run_shared",
        /// Too few of its parents can still end well, so it must not run.
        ParentEndedBadly = "parent_ended_badly",
        /// Too many steps of a wave that it waits for ended badly, so it must not run.
        WaveStopped = "wave_stopped",
        /// Another step ended badly, and the chain stops at its first failure.
        ChainStopped = "chain_stopped",
        /// The policies deny the whole chain.
        ChainDenied = "chain_denied",
        /// The policies deny its plan.
        PlanDenied = "plan_denied",
        /// Its plan is allowed, but another chain has the stack, or a person has locked it.
        StackTaken = "stack_taken",
        /// Its plan is allowed, but as many runs as may be at once are under way.
        PlacesTaken = "places_taken",
        /// It goes back to its gate because it is paused, or its chain, or the policies are asked again
        /// or hold it.
        SetAside = "set_aside",
        /// Its plan is allowed and the stack is free: a run is asked for.
        RunAskedFor = "run_asked_for",
        /// The run exists.
        RunKnown = "run_known",
        /// Spacelift will not do what it was asked.
        CallRefused = "call_refused",
        /// What was asked for was not done, because it is not wanted any more.
        CallForgone = "call_forgone",
        /// What was asked for could not be done for so long that the policies are asked again.
        CallHeldUp = "call_held_up",
        /// Everything is planned before anything is applied; the policies are asked about its plan.
        DraftDue = "draft_due",
        /// Its plan is known before anything is applied.
        DraftKnown = "draft_known",
        /// It could not be planned before what it depends on is applied.
        DraftFailed = "draft_failed",
        /// The plan is known and has changes; the policies are asked about the apply.
        PlanShown = "plan_shown",
        /// Another plan is being made: what was decided about the old one is void.
        PlansAgain = "plans_again",
        /// The policies allow the apply.
        ApplyAllowed = "apply_allowed",
        /// The policies deny the apply.
        ApplyDenied = "apply_denied",
        /// The plan is being applied.
        ApplyBegun = "apply_begun",
        /// The run ended well.
        RunSucceeded = "run_succeeded",
        /// The run ended badly.
        RunFailed = "run_failed",
        /// The run that was denied is discarded.
        RunDiscarded = "run_discarded",
        /// Spacelift skipped the run of its own dependency: one of ours is asked for.
        NativeRunSkipped = "native_run_skipped",
        /// The run or the stack is gone, and nothing can have been applied.
        Lost = "lost",
        /// The run or the stack is gone while it may have applied.
        LostApplying = "lost_applying",
        /// The run failed in a way that may pass, or its plan was too old to be applied.
        RetryPlanned = "retry_planned",
        /// The time of the next attempt has come.
        RetryDue = "retry_due",
        /// A person asked for another attempt.
        Retried = "retried",
        /// A person cancelled it before it had a run.
        Canceled = "canceled",
        /// A person cancelled it, and its run is being ended.
        CancelAsked = "cancel_asked",
        /// The run that was cancelled has ended.
        RunCanceled = "run_canceled",
        /// A person paused it: it begins nothing new.
        Paused = "paused",
        /// A person let it go on.
        Resumed = "resumed",
    }
}

events! {
    /// What may happen to a chain.
    ChainEvent {
        /// The policies let it begin.
        Admitted = "admitted",
        /// The policies let it begin, but a person has paused it.
        AdmittedPaused = "admitted_paused",
        /// The policies let it begin, and every step is planned before any is applied.
        PlansAskedFor = "plans_asked_for",
        /// Every plan is known; the policies are asked about all of them together.
        PlansKnown = "plans_known",
        /// The policies deny it.
        Denied = "denied",
        /// A person paused it.
        Paused = "paused",
        /// A person let it go on.
        Resumed = "resumed",
        /// Every step of a wave ended; the next one waits until it has soaked.
        WaveSoaks = "wave_soaks",
        /// A wave has soaked; the health checks after it are made.
        WaveChecked = "wave_checked",
        /// A health check does not hold; the later waves wait for a person.
        WaveHeld = "wave_held",
        /// A wave is through; the next one begins.
        WavePassed = "wave_passed",
        /// Every step ended well.
        AllWell = "all_well",
        /// Every step ended, at least one of them badly.
        SomeBad = "some_bad",
        /// Every step ended, and what did not end well was cancelled.
        Canceled = "canceled",
        /// A person asked for another attempt.
        Retried = "retried",
        /// A person asked for another attempt, and everything is planned anew.
        Replanned = "replanned",
    }
}

events! {
    /// What may happen to the lock on a stack.
    LockEvent {
        /// A person wants the stack locked; Spacelift is asked to.
        LockAsked = "lock_asked",
        /// Spacelift has it locked for us.
        Locked = "locked",
        /// Spacelift will not, or somebody else has it locked.
        LockRefused = "lock_refused",
        /// A person wants the lock taken off; Spacelift is asked to.
        UnlockAsked = "unlock_asked",
        /// Spacelift has it locked for us no more.
        Unlocked = "unlocked",
        /// Spacelift will not take the lock off.
        UnlockRefused = "unlock_refused",
        /// Somebody took the lock off in Spacelift.
        TakenOff = "taken_off",
    }
}

/// The table of a step.
pub const STEP: &[Line<StepState, StepEvent>] = {
    use StepEvent as E;
    use StepState as S;
    &[
        (S::Waiting, E::Paused, S::Waiting),
        (S::Waiting, E::Resumed, S::Waiting),
        (S::Waiting, E::ParentsDone, S::GatingPlan),
        (S::Waiting, E::DraftDue, S::GatingPlan),
        (S::Waiting, E::NothingChanged, S::Finished),
        (S::Waiting, E::ConditionUnmet, S::Finished),
        (S::Waiting, E::ConditionUnread, S::Skipped),
        (S::Waiting, E::ParentEndedBadly, S::Skipped),
        (S::Waiting, E::WaveStopped, S::Skipped),
        (S::Waiting, E::ChainStopped, S::Skipped),
        (S::Waiting, E::ChainDenied, S::Denied),
        (S::Waiting, E::Canceled, S::Canceled),
        (S::GatingPlan, E::Paused, S::GatingPlan),
        (S::GatingPlan, E::Resumed, S::GatingPlan),
        (S::GatingPlan, E::PlanDenied, S::Denied),
        (S::GatingPlan, E::StackTaken, S::Queued),
        (S::GatingPlan, E::PlacesTaken, S::Queued),
        (S::GatingPlan, E::RunAskedFor, S::Triggering),
        (S::GatingPlan, E::RunShared, S::Finished),
        (S::GatingPlan, E::ChainStopped, S::Skipped),
        (S::GatingPlan, E::Canceled, S::Canceled),
        (S::Queued, E::Paused, S::Queued),
        (S::Queued, E::Resumed, S::Queued),
        (S::Queued, E::PlanDenied, S::Denied),
        (S::Queued, E::RunAskedFor, S::Triggering),
        (S::Queued, E::RunShared, S::Finished),
        (S::Queued, E::SetAside, S::GatingPlan),
        (S::Queued, E::ChainStopped, S::Skipped),
        (S::Queued, E::Canceled, S::Canceled),
        (S::Triggering, E::Paused, S::Triggering),
        (S::Triggering, E::Resumed, S::Triggering),
        (S::Triggering, E::RunKnown, S::Planning),
        (S::Triggering, E::CallRefused, S::Failed),
        (S::Triggering, E::CallForgone, S::Canceled),
        (S::Triggering, E::CallHeldUp, S::GatingPlan),
        (S::Triggering, E::ChainStopped, S::Skipped),
        (S::Triggering, E::Lost, S::Failed),
        (S::Triggering, E::LostApplying, S::Unknown),
        (S::Triggering, E::RetryPlanned, S::Retrying),
        (S::Planning, E::Paused, S::Planning),
        (S::Planning, E::Resumed, S::Planning),
        (S::Planning, E::DraftKnown, S::Waiting),
        (S::Planning, E::DraftFailed, S::Waiting),
        (S::Planning, E::PlanShown, S::GatingApply),
        (S::Planning, E::ApplyBegun, S::Applying),
        (S::Planning, E::NativeRunSkipped, S::Triggering),
        (S::Planning, E::SetAside, S::GatingPlan),
        (S::Planning, E::ChainStopped, S::Skipped),
        (S::Planning, E::NothingChanged, S::Finished),
        (S::Planning, E::RunSucceeded, S::Finished),
        (S::Planning, E::RunFailed, S::Failed),
        (S::Planning, E::RetryPlanned, S::Retrying),
        (S::Planning, E::Lost, S::Failed),
        (S::Planning, E::LostApplying, S::Unknown),
        (S::Planning, E::CancelAsked, S::Canceling),
        (S::GatingApply, E::Paused, S::GatingApply),
        (S::GatingApply, E::Resumed, S::GatingApply),
        (S::GatingApply, E::PlanShown, S::GatingApply),
        (S::GatingApply, E::PlansAgain, S::Planning),
        (S::GatingApply, E::ApplyAllowed, S::Confirming),
        (S::GatingApply, E::ApplyDenied, S::Discarding),
        (S::GatingApply, E::ApplyBegun, S::Applying),
        (S::GatingApply, E::RunSucceeded, S::Finished),
        (S::GatingApply, E::RunFailed, S::Failed),
        (S::GatingApply, E::RetryPlanned, S::Retrying),
        (S::GatingApply, E::Lost, S::Failed),
        (S::GatingApply, E::CancelAsked, S::Canceling),
        (S::Confirming, E::PlanShown, S::GatingApply),
        (S::Confirming, E::PlansAgain, S::Planning),
        (S::Confirming, E::ApplyBegun, S::Applying),
        (S::Confirming, E::RunSucceeded, S::Finished),
        (S::Confirming, E::RunFailed, S::Failed),
        (S::Confirming, E::RetryPlanned, S::Retrying),
        (S::Confirming, E::CallRefused, S::Failed),
        (S::Confirming, E::CallHeldUp, S::GatingApply),
        (S::Confirming, E::LostApplying, S::Unknown),
        (S::Confirming, E::CancelAsked, S::Canceling),
        (S::Applying, E::RunSucceeded, S::Finished),
        (S::Applying, E::RunFailed, S::Failed),
        (S::Applying, E::RetryPlanned, S::Retrying),
        (S::Applying, E::LostApplying, S::Unknown),
        (S::Applying, E::CancelAsked, S::Canceling),
        (S::Discarding, E::PlanShown, S::GatingApply),
        (S::Discarding, E::PlansAgain, S::Planning),
        (S::Discarding, E::ApplyBegun, S::Applying),
        (S::Discarding, E::RunDiscarded, S::Denied),
        (S::Discarding, E::RunCanceled, S::Canceled),
        (S::Discarding, E::RetryPlanned, S::Retrying),
        (S::Discarding, E::RunSucceeded, S::Finished),
        (S::Discarding, E::RunFailed, S::Failed),
        (S::Discarding, E::CallRefused, S::Failed),
        (S::Discarding, E::Lost, S::Failed),
        (S::Canceling, E::ApplyBegun, S::Applying),
        (S::Canceling, E::RunCanceled, S::Canceled),
        (S::Canceling, E::RunSucceeded, S::Finished),
        (S::Canceling, E::Lost, S::Canceled),
        (S::Canceling, E::LostApplying, S::Unknown),
        (S::Retrying, E::Paused, S::Retrying),
        (S::Retrying, E::Resumed, S::Retrying),
        (S::Retrying, E::RetryDue, S::GatingPlan),
        (S::Retrying, E::Retried, S::Waiting),
        (S::Retrying, E::ChainStopped, S::Skipped),
        (S::Retrying, E::Canceled, S::Canceled),
        (S::Finished, E::Retried, S::Waiting),
        (S::Failed, E::Retried, S::Waiting),
        (S::Denied, E::Retried, S::Waiting),
        (S::Skipped, E::Retried, S::Waiting),
        (S::Canceled, E::Retried, S::Waiting),
        (S::Unknown, E::Retried, S::Waiting),
    ]
};

/// The table of a chain.
pub const CHAIN: &[Line<ChainState, ChainEvent>] = {
    use ChainEvent as E;
    use ChainState as S;
    &[
        (S::Gating, E::Admitted, S::Running),
        (S::Gating, E::AdmittedPaused, S::Paused),
        (S::Gating, E::PlansAskedFor, S::Planning),
        (S::Gating, E::Denied, S::Denied),
        (S::Gating, E::Paused, S::Gating),
        (S::Gating, E::Resumed, S::Gating),
        (S::Gating, E::Canceled, S::Canceled),
        (S::Planning, E::PlansKnown, S::Gating),
        (S::Planning, E::Paused, S::Planning),
        (S::Planning, E::Resumed, S::Planning),
        (S::Planning, E::SomeBad, S::Failed),
        (S::Planning, E::Canceled, S::Canceled),
        (S::Running, E::Paused, S::Paused),
        (S::Running, E::WaveSoaks, S::Running),
        (S::Running, E::WaveChecked, S::Running),
        (S::Running, E::WaveHeld, S::Running),
        (S::Running, E::WavePassed, S::Running),
        (S::Running, E::Resumed, S::Running),
        (S::Running, E::AllWell, S::Finished),
        (S::Running, E::SomeBad, S::Failed),
        (S::Running, E::Canceled, S::Canceled),
        (S::Paused, E::Resumed, S::Running),
        (S::Paused, E::WaveSoaks, S::Paused),
        (S::Paused, E::WaveHeld, S::Paused),
        (S::Paused, E::WavePassed, S::Paused),
        (S::Paused, E::AllWell, S::Finished),
        (S::Paused, E::SomeBad, S::Failed),
        (S::Paused, E::Canceled, S::Canceled),
        (S::Finished, E::Retried, S::Running),
        (S::Failed, E::Retried, S::Running),
        (S::Canceled, E::Retried, S::Running),
        (S::Failed, E::Replanned, S::Planning),
        (S::Canceled, E::Replanned, S::Planning),
    ]
};

/// The table of the lock that people take on a stack through us.
pub const LOCK: &[Line<LockState, LockEvent>] = {
    use LockEvent as E;
    use LockState as S;
    &[
        (S::Free, E::LockAsked, S::Locking),
        (S::Locking, E::Locked, S::Locked),
        (S::Locking, E::LockRefused, S::Free),
        (S::Locked, E::UnlockAsked, S::Unlocking),
        (S::Locked, E::TakenOff, S::Free),
        (S::Unlocking, E::Unlocked, S::Free),
        (S::Unlocking, E::UnlockRefused, S::Locked),
    ]
};

/// The state that follows; none if this must not happen in this state.
pub(crate) fn next<S: Copy + PartialEq, E: Copy + PartialEq>(
    table: &[Line<S, E>],
    from: S,
    event: E,
) -> Option<S> {
    table.iter().find(|(at, by, _)| *at == from && *by == event).map(|(_, _, to)| *to)
}

#[cfg(test)]
mod tests;
