//! Why a run failed, off the end of its log. Only the line that decides leaves this room: a log may
//! say what nobody else should read.
//!
//! It changes nothing, so it may be repeated. What cannot be read after a few attempts is not read:
//! the step fails without it. While Spacelift answers nothing at all, the step waits: what would be
//! tried again must not end because nobody could ask.

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
            Err(error) => {
                let is_refused = matches!(error, Error::Refused { .. });
                let is_last = claim.attempt >= ATTEMPTS_MAX;
                if !is_refused && (!is_last || self.is_away(call, run, &error).await) {
                    return Err(error);
                }
                tracing::warn!(%error, stack.id = %call.stack, run.id = %run, "cannot read the log");
                None
            }
        };
        Ok(Called::Over(CallResult::Log(finding)))
    }
}
