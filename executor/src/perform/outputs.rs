//! Reads the outputs of a stack before and after an apply, for those who need not run if they are the
//! same.

use chrono::Utc;
use contracts::{Code, Reason};
use spacelift::Error;
use store::Claim;

use super::{Called, Calls};
use crate::{call::Call, input::CallResult, outputs::Digests};

/// How often they are looked for before whoever reads them runs.
const ATTEMPTS_MAX: i32 = 5;

impl Calls {
    /// How the outputs that decide whether others run are now. What cannot be read is not known; the
    /// apply does not wait for it.
    pub(super) async fn outputs_before(&self, call: &Call) -> Digests {
        if call.outputs.is_empty() {
            return Digests::default();
        }
        match self.spacelift.outputs(&call.stack).await {
            Ok(outputs) => Digests::of(call.chain, &call.outputs, &outputs),
            Err(error) => {
                tracing::warn!(stack.id = %call.stack, %error, "outputs cannot be read");
                Digests::default()
            }
        }
    }

    /// Which outputs are as they were. Spacelift may show for a while what was there before the
    /// apply, so what seems to be the same is looked at again.
    pub(super) async fn read_outputs(&self, claim: &Claim, call: &Call) -> Result<Called, Error> {
        let outputs = match self.spacelift.outputs(&call.stack).await {
            Ok(outputs) => outputs,
            Err(Error::NotFound | Error::Refused { .. }) => Vec::new(),
            Err(_) if claim.attempt >= ATTEMPTS_MAX => Vec::new(),
            Err(error) => return Err(error),
        };
        let now = Digests::of(call.chain, &call.outputs, &outputs);
        let kept = call.outputs_before.kept(&now);
        let settled_at = claim.created_at + self.runs.settle;
        match (settled_at - Utc::now()).to_std() {
            Ok(after) if !after.is_zero() && !kept.is_empty() => {
                let text = "what seems to be unchanged may not be shown yet; it is looked at again";
                Ok(Called::Waits { after, why: Reason::new(Code::ReadingOutputs, text) })
            }
            _ => Ok(Called::Over(CallResult::Outputs(kept))),
        }
    }
}
