//! Reads the outputs that a run is to be given, one request for each stack that has some.

use std::collections::BTreeMap;

use contracts::{Reason, StackId};
use spacelift::{Error, Output, Override};
use store::Claim;

use super::{Called, Calls};
use crate::{call::Call, carried::Missing, input::CallResult};

/// How often an output that is not there is looked for: an apply that has just ended may not show
/// it yet.
const ATTEMPTS_MAX: i32 = 3;

impl Calls {
    /// The variables for a run, or what to say instead of asking for it. A plan that applies nothing
    /// gets what there is.
    pub(super) async fn carry(
        &self,
        claim: &Claim,
        call: &Call,
    ) -> Result<Result<Vec<Override>, Called>, Error> {
        let mut stacks: BTreeMap<&StackId, Vec<Output>> = BTreeMap::new();
        let mut found = Vec::with_capacity(call.carried.len());
        for carried in &call.carried {
            if !stacks.contains_key(&carried.stack) {
                let outputs = match self.spacelift.outputs(&carried.stack).await {
                    Err(Error::NotFound) => Vec::new(),
                    outputs => outputs?,
                };
                stacks.insert(&carried.stack, outputs);
            }
            match carried.found(&stacks[&carried.stack]) {
                Ok(value) => found.push(value),
                Err(_) if call.preview => {}
                Err(missing @ Missing::NotYet(_)) if claim.attempt < ATTEMPTS_MAX => {
                    let (after, why) = (self.runs.settle, missing.reason());
                    return Ok(Err(Called::Waits { after, why }));
                }
                Err(missing) => return Ok(Err(refused(missing.reason()))),
            }
        }
        Ok(Ok(found))
    }
}

fn refused(reason: Reason) -> Called {
    Called::Over(CallResult::Refused(reason))
}
