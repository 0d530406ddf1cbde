//! Runs: when a step gets one, and what the reports about it lead to.

use contracts::{
    Code, Reason,
    chain::ChainKind,
    gate::Moment,
    run::RunReported,
    step::{StepApplying, StepStarted, StepState},
};

use super::Moves;
use crate::{
    call::{Call, CallKind},
    chain::{Hold, Holder},
    follow::{Follow, described, follow, leaves_open},
    input::{Found, Polled, Seen},
    machine::StepEvent,
    step::Run,
};

/// From this many looks in vain on, people are told that the run is gone. Fewer may be a list that
/// is behind.
const MISSES_TOLD: u32 = 3;
/// After so many looks in vain a run will not come back, though its stack is there.
const MISSES_MAX: u32 = 60;

impl Moves<'_> {
    /// Tries every step that queues for its stack.
    pub(super) fn start_queued(&mut self) {
        for at in self.chain.places() {
            if self.chain.steps[at].state == StepState::Queued {
                self.start_run(at);
            }
        }
    }

    /// Triggers the run, or queues behind whoever has the stack or the place it needs.
    pub(super) fn start_run(&mut self, at: usize) {
        if self.ends_as_it_has_code(at) || self.ends_as_shared(at) {
            return;
        }
        let stack = self.chain.stack(at).clone();
        let by = self.chain.overtaken.get(&stack).copied();
        let by = by.filter(|_| !self.chain.steps[at].course.insisted);
        // Its own commit would take back what the newer one has brought; what those above it give may
        // be news to its stack all the same.
        self.chain.steps[at].course.on_head |= by.is_some();
        // Of a preview, the stack is nobody's.
        let keeps = |holder: &&Holder| {
            self.chain.runs_as() == ChainKind::Deploy || matches!(holder.hold, Hold::Places(_))
        };
        let holder = self.chain.busy.get(&stack).and_then(Option::as_ref).filter(keeps);
        if let Some(holder) = holder {
            let (code, event, what) = match holder.hold {
                Hold::Places(_) => {
                    (Code::WaitingForPlace, StepEvent::PlacesTaken, "a place".to_owned())
                }
                Hold::Unknown => {
                    (Code::OutcomeUnknown, StepEvent::StackTaken, format!("stack {stack}"))
                }
                Hold::Locked(_) => {
                    (Code::StackLocked, StepEvent::StackTaken, format!("stack {stack}"))
                }
                _ => (Code::StackBusy, StepEvent::StackTaken, format!("stack {stack}")),
            };
            let mends = holder.mends(&stack);
            let text = format!("waits for {what}: {holder}{mends}; this step follows by itself");
            let reason = Reason::new(code, text);
            return match self.chain.steps[at].state {
                // Its place in the queue is since when it queues.
                StepState::Queued if self.chain.steps[at].reason == reason => {}
                StepState::Queued => self.explain(at, reason),
                _ => {
                    self.enter(at, event, reason.clone());
                    self.waits_though_passed(at);
                    // What came with the run of a parent would be in the way of whoever has the stack,
                    // and nobody's to confirm: each would wait for the other. What came with it below
                    // would go on without it.
                    if code == Code::StackBusy && !self.chain.native_parents(at).is_empty() {
                        self.withdraw(at, &reason);
                        self.end_natives_below(at, true);
                    }
                }
            };
        }
        if self.chain.steps[at].state == StepState::Queued
            && self.asks_again(at, Moment::BeforePlan)
        {
            return;
        }
        let text = match by {
            Some(by) => format!(
                "Spacelift is asked to run {stack} on the head of its branch, because {by}, of a \
                 newer change, has run it already"
            ),
            None => format!("Spacelift is asked to run {stack}"),
        };
        self.trigger(at, StepEvent::RunAskedFor, Reason::new(Code::Triggering, text));
    }

    fn trigger(&mut self, at: usize, event: StepEvent, reason: Reason) {
        self.enter(at, event, reason);
        self.waits_on(at);
        self.share_run(at);
        let note = format!("{} for {}", self.chain.id, self.chain.change.title);
        let instead_of = self.chain.steps[at].run.as_ref().map(|run| run.id.clone());
        let call = self.new_call(at, CallKind::Trigger, note);
        self.make(at, &Call { instead_of, ..call });
    }

    /// A run of ours takes the place of one that Spacelift skipped. While that was there, the step may
    /// have been paused, and the answer of the policies have become too old.
    fn trigger_instead(&mut self, at: usize, reason: Reason) {
        if let Some(stopped) = self.stopped(at) {
            return self.end(at, StepEvent::ChainStopped, stopped);
        }
        self.stays_as_old(at);
        let waits = self.paused_reason(at).is_some() || self.is_too_old(at, Moment::BeforePlan);
        if !waits {
            self.trigger(at, StepEvent::NativeRunSkipped, reason);
            self.chain.steps[at].run = None;
            return;
        }
        self.chain.steps[at].run = None;
        self.is_another_call(at);
        self.enter(at, StepEvent::SetAside, reason.clone());
        self.chain.steps[at].course.allowed = Some(reason);
        self.go_on(at);
    }

    pub(super) fn discard(&mut self, at: usize, why: Reason) {
        let note = format!("Discarded by Stackly, {}: {}", self.chain.id, why.text);
        let shown_at = Some(self.chain.steps[at].since);
        self.enter(at, StepEvent::ApplyDenied, why);
        let call = self.new_call(at, CallKind::Discard, note);
        self.make(at, &Call { shown_at, ..call });
    }

    /// Our run is known by its id: what was heard about it before counts now.
    pub(super) fn run_exists(&mut self, at: usize, seen: &Seen) {
        let early = std::mem::take(&mut self.chain.steps[at].early);
        self.has_run(at, &seen.report);
        self.withdraw_stray_below(at, &seen.report);
        self.hear(at, seen);
        for report in early.into_iter().filter(|early| early.run == seen.report.run) {
            self.hear(at, &Seen::from(report));
        }
    }

    fn has_run(&mut self, at: usize, report: &RunReported) {
        self.chain.steps[at].run = Some(Run {
            id: report.run.clone(),
            url: report.url.clone(),
            state: report.state.clone(),
            version: -1,
            delta: report.delta,
        });
        self.enter(at, StepEvent::RunKnown, described(report));
        if !self.drafts() {
            let summary = self.chain.steps[at].summary();
            self.send(&StepStarted { chain: self.chain.id, step: summary });
        }
    }

    /// Spacelift's own dependencies made the run of this step, and it has applied before its turn came.
    /// To run it again unasked would apply twice; to go on would build on what may be of yesterday.
    pub(super) fn ran_too_early(&mut self, at: usize, seen: &Seen) {
        let report = &seen.report;
        self.has_run(at, report);
        let step = &mut self.chain.steps[at];
        if let Some(run) = &mut step.run {
            run.version = report.state_version;
        }
        step.course.ended_at = Some(report.at);
        let stack = &step.planned.stack;
        let text = format!(
            "Spacelift's own dependencies ran {stack} by themselves: run {} began before everything \
             that {stack} waits for had ended, and has applied ({}), so what it applied may be out of \
             date; `stackly retry {}/{stack}` runs it again",
            report.run, report.state, self.chain.id
        );
        self.end(at, StepEvent::RunFailed, Reason::new(Code::RanTooEarly, text));
    }

    /// A webhook told about a run of one of our stacks.
    pub(super) fn run_reported(&mut self, seen: &Seen) {
        let report = &seen.report;
        let Some(at) = self.chain.place(&report.stack) else { return };
        let ours = self.chain.run_type();
        let step = &mut self.chain.steps[at];
        match &step.run {
            Some(run) if run.id == report.run => self.hear(at, seen),
            // Ours is not known yet, and this may be it: kept until the call is concluded.
            None if step.state == StepState::Triggering && report.run_type == ours => {
                step.keep_early(report);
                self.touch(at);
            }
            _ => {}
        }
    }

    /// Spacelift was asked about a run nothing was heard of.
    pub(super) fn run_polled(&mut self, polled: &Polled) {
        let Some(at) = self.chain.place(&polled.stack) else { return };
        let step = &mut self.chain.steps[at];
        let about_ours = step.run.as_ref().is_some_and(|run| run.id == polled.run);
        if !about_ours || !(step.state.holds_stack() || step.keeps_stack()) {
            return;
        }
        let is_unknown = step.state == StepState::Unknown;
        let was_heard = step.heard_at.is_some_and(|heard_at| heard_at >= polled.asked_at);
        let stack_gone = match &polled.found {
            Found::Run(seen) => return self.found(at, seen),
            // So it ended; or another executor that asked at the same time has told so.
            Found::NoRun | Found::NoStack if is_unknown || was_heard => return,
            Found::NoRun => false,
            Found::NoStack => true,
        };
        step.misses += 1;
        // It was an answer: others are asked about before this one is again.
        step.heard_at = Some(self.now);
        let misses = step.misses;
        self.touch(at);
        if misses < MISSES_TOLD {
            return;
        }
        let (stack, run) = (&polled.stack, &polled.run);
        let (code, what) = match stack_gone {
            true => (Code::StackGone, format!("stack {stack}")),
            false => (Code::RunGone, format!("run {run} of {stack}")),
        };
        let text = format!("Spacelift knows no {what}, or our API key may not see it");
        if stack_gone || misses >= MISSES_MAX {
            return self.lose(at, Reason::new(code, text));
        }
        let text = format!("{text}; if it does not come back soon, this step ends");
        self.explain(at, Reason::new(code, text));
    }

    fn found(&mut self, at: usize, seen: &Seen) {
        if std::mem::take(&mut self.chain.steps[at].misses) > 0 {
            self.explain(at, described(&seen.report));
        }
        self.hear(at, seen);
    }

    /// Follows what is seen of the step's own run.
    pub(super) fn hear(&mut self, at: usize, seen: &Seen) {
        if self.is_known_after_all(at, seen) {
            return;
        }
        let kind = self.chain.runs_as();
        let spares = |&child: &usize| self.is_settled_follower(child);
        if kind == ChainKind::Deploy
            && leaves_open(&self.chain.steps[at], seen)
            && self.chain.shape.children(at).iter().any(spares)
        {
            return self.ask_whether_applied(at, seen);
        }
        let followed = follow(&mut self.chain.steps[at], seen, kind, self.now);
        if followed == Follow::OldNews {
            return;
        }
        self.touch(at);
        match followed {
            Follow::OldNews | Follow::Noted => {}
            Follow::Goes(reason) => self.explain(at, reason),
            Follow::PlansAgain(reason) => {
                self.chain.steps[at].gate = None;
                self.enter(at, StepEvent::PlansAgain, reason);
            }
            Follow::Planned(reason) => self.gate_apply(at, reason),
            Follow::Applies(reason) => {
                self.enter(at, StepEvent::ApplyBegun, reason);
                let summary = self.chain.steps[at].summary();
                self.send(&StepApplying { chain: self.chain.id, step: summary });
            }
            Follow::Ends(StepState::Skipped, reason) => self.not_skipped(at, seen, reason),
            Follow::Ends(StepState::Failed, reason) => {
                let words = seen.report.note.as_deref().unwrap_or_default();
                self.fail(at, StepEvent::RunFailed, reason, words);
            }
            Follow::Ends(StepState::Finished, _) if self.drafts() => self.drafted(at),
            Follow::Ends(StepState::Denied, reason) if self.is_to_be_planned_anew(at, &reason) => {
                self.plan_anew(at, &reason);
            }
            Follow::Ends(state, reason) => {
                let event = match state {
                    StepState::Denied => StepEvent::RunDiscarded,
                    StepState::Canceled => StepEvent::RunCanceled,
                    _ => StepEvent::RunSucceeded,
                };
                self.end(at, event, reason);
            }
        }
        self.settle_cancel(at);
    }

    /// Others need not run if this run has changed nothing: whether it has is asked at once.
    fn ask_whether_applied(&mut self, at: usize, seen: &Seen) {
        let run = &seen.report.run;
        let text = format!(
            "run {run} ended well with nothing to change; Spacelift is asked whether it applied, \
             because what depends on it need not run if it did not"
        );
        self.chain.steps[at].heard_at = None;
        self.explain(at, Reason::new(Code::RunInFlight, text));
    }

    /// Spacelift's own dependency engine need not run what it made; the chain says it must, unless
    /// nothing that the step reads has changed. A run of ours that is skipped has failed.
    fn not_skipped(&mut self, at: usize, seen: &Seen, reason: Reason) {
        let by = seen.report.triggered_by.as_deref();
        let native = self.chain.native_parents(at);
        let is_native = native.iter().any(|parent| by == Some(parent.as_str()));
        if !is_native || self.chain.steps[at].state != StepState::Planning {
            return self.end(at, StepEvent::RunFailed, reason);
        }
        let is_unchanged = seen.report.note.as_deref().is_some_and(says_unchanged);
        if is_unchanged && self.is_spared_by_spacelift(at) {
            let text = format!("{}, so {} need not run", reason.text, self.chain.stack(at));
            self.chain.steps[at].course.unchanged = true;
            let reason = Reason::new(Code::InputsUnchanged, text);
            return self.end(at, StepEvent::NothingChanged, reason);
        }
        let text = format!("{}; a run of our own is asked for", reason.text);
        self.trigger_instead(at, Reason::new(Code::Triggering, text));
    }
}

/// Spacelift skips a run of its own dependencies also where a parent did not end well. Of outputs
/// that are handed over it says in words that they are as they were.
pub(crate) fn says_unchanged(note: &str) -> bool {
    note.contains("have not changed")
}
