//! Logs: what the end of the log of a failed run says about why it failed, where Spacelift's own words
//! do not say it.

use contracts::{Code, Reason, RunId, step::StepState};

use super::Moves;
use crate::{
    call::CallKind,
    machine::StepEvent,
    retry::{Class, Finding},
};

impl Moves<'_> {
    /// Whether the log of a run that failed is worth a look: it may say that another attempt helps.
    /// Of what is to end anyway nobody needs to know.
    pub(super) fn reads_log(&self, at: usize, event: StepEvent) -> bool {
        let step = &self.chain.steps[at];
        let is_at_work =
            matches!(step.state, StepState::Planning | StepState::Confirming | StepState::Applying);
        self.chain.retries.read_logs
            && event == StepEvent::RunFailed
            && is_at_work
            && step.run.is_some()
            && self.may_begin_again(at)
    }

    /// The step stays where it is, and has its stack, until the log is read. What Spacelift made
    /// below it must not begin meanwhile.
    pub(super) fn read_log(&mut self, at: usize, failed: Reason) {
        let text = format!("{}; the end of its log is read to see why", failed.text);
        self.chain.steps[at].course.failed = Some(failed);
        self.explain(at, Reason::new(Code::RunInFlight, text));
        self.call(at, CallKind::ReadLog, String::new());
        self.end_natives_below(at, true);
    }

    /// The log of a run was read: now the step fails, for a reason that is known better. A step that
    /// is being ended by people ends by what becomes of that.
    pub(super) fn log_read(&mut self, at: usize, run: Option<&RunId>, finding: Option<&Finding>) {
        let step = &mut self.chain.steps[at];
        if step.run.as_ref().map(|run| &run.id) != run {
            return;
        }
        let Some(failed) = step.course.failed.take() else { return };
        let (class, text) = match finding {
            Some(Finding { class, line }) => {
                (*class, format!("{}; its log says: {line}", failed.text))
            }
            None => (Class::Code, failed.text),
        };
        self.fail_by(at, StepEvent::RunFailed, class, Reason::new(failed.code, text));
    }
}
