//! Taking reports on code that were made elsewhere.

use chrono::{DateTime, Utc};
use contracts::{Code, hook::HookReceived};
use store::Refusal;

use super::Planner;
use crate::memory::Memory;

impl Planner {
    /// Takes a report on code that is handed in.
    pub(super) fn hand_in(
        &self,
        memory: &mut Memory,
        hook: &HookReceived,
        now: DateTime<Utc>,
    ) -> Result<(), Refusal> {
        let never = |text| Refusal::Never { code: Code::Unreadable, text };
        let handed = self.reports.heard(hook, now).map_err(never)?;
        if let (true, Some(repository)) = (memory.repository.is_empty(), self.reports.about(hook)) {
            repository.clone_into(&mut memory.repository);
        }
        memory.handed_in.push(handed);
        Ok(())
    }
}
