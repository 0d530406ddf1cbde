//! What Spacelift answers, as the same report its webhooks give.

use contracts::run::RunReported;
use spacelift::RunFacts;

/// A run as it stands now, as a report that it entered its state.
pub(crate) fn report(facts: RunFacts) -> RunReported {
    RunReported {
        stack: facts.stack,
        run: facts.run,
        run_type: facts.run_type,
        state: facts.state,
        state_version: facts.state_version,
        at: facts.updated_at,
        commit: facts.commit,
        triggered_by: facts.triggered_by,
        delta: facts.delta,
        note: facts.note,
        url: Some(facts.url),
    }
}
