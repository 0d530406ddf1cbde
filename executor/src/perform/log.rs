//! Why a run failed, off the end of its log. Only the line that decides leaves this room: a log may
//! say what nobody else should read.
//!
//! It changes nothing, so it may be repeated. What cannot be read after a few attempts is not read:
//! the step fails without it.

use spacelift::Error;
use store::Claim;

use super::{Called, Calls};
use crate::{call::Call, input::CallResult, retry::Finding};

/// How often it is tried.
const ATTEMPTS_MAX: i32 = 3;

impl Calls {
    pub(super) async fn read_log(&self, claim: &Claim, call: &Call) -> Result<Called, Error> {
        let Some(run) = &call.run else { return Ok(Called::Over(CallResult::Log(None))) };
        let finding = match self.spacelift.end_of_log(&call.stack, run).await {
            Ok(log) => log.as_deref().and_then(Finding::of),
            Err(error)
                if matches!(error, Error::Refused { .. }) || claim.attempt >= ATTEMPTS_MAX =>
            {
                tracing::warn!(%error, stack.id = %call.stack, run.id = %run, "cannot read the log");
                None
            }
            Err(error) => return Err(error),
        };
        Ok(Called::Over(CallResult::Log(finding)))
    }
}
