//! `stackLock` and `stackUnlock`: ours is the lock that carries our mark, and no other is touched.

use contracts::{Code, Reason, StackId};
use spacelift::Error;
use store::Claim;

use super::{Called, Calls, PAUSE, unsettled};
use crate::{
    input::Input,
    lock::{LockCall, LockInput, LockKind, LockResult, LockWord, Whose, theirs},
};

impl Calls {
    pub(super) async fn about_lock(&self, claim: &Claim) -> Result<Called<Input>, Error> {
        let call: LockCall = match claim.read() {
            Ok(call) => call,
            Err(why) => return Ok(Called::Waits { after: PAUSE, why }),
        };
        let called = match call.call {
            LockKind::Lock => self.lock(claim, &call).await,
            LockKind::Unlock => self.unlock(claim, &call).await,
        };
        let called = match called {
            Err(Error::NotFound) => Called::Over(LockResult::Gone(gone(&call.stack))),
            called => called?,
        };
        Ok(called.map(|result| {
            let LockCall { call: kind, stack, said, .. } = call;
            Input::Lock(LockInput { stack, kind, what: LockWord::Concluded { result, said } })
        }))
    }

    /// An earlier call may have taken effect, or somebody was quicker; and Spacelift refuses to lock
    /// what is locked, whoever asks.
    async fn lock(&self, claim: &Claim, call: &LockCall) -> Result<Called<LockResult>, Error> {
        match self.whose(call).await? {
            Whose::Ours => return Ok(Called::Over(LockResult::Done)),
            Whose::Theirs(lock) => return Ok(Called::Over(LockResult::Refused(theirs(&lock)))),
            Whose::Nobodys => {}
        }
        if let Some(waits) = unsettled(claim) {
            return Ok(waits);
        }
        let locked = self.while_ours(claim)?.lock(&call.stack, &call.note).await;
        bus::failpoint("spacelift.after_act");
        let Err(Error::Refused { reason }) = locked else {
            return locked.map(|()| Called::Over(LockResult::Done));
        };
        Ok(Called::Over(match self.whose(call).await? {
            Whose::Ours => LockResult::Done,
            Whose::Theirs(lock) => LockResult::Refused(theirs(&lock)),
            Whose::Nobodys => LockResult::Refused(refused(call, &reason)),
        }))
    }

    /// An administrator's key takes off anybody's lock, so whose it is is looked at each time.
    async fn unlock(&self, claim: &Claim, call: &LockCall) -> Result<Called<LockResult>, Error> {
        match self.whose(call).await? {
            Whose::Ours => {}
            Whose::Nobodys => return Ok(Called::Over(LockResult::Done)),
            Whose::Theirs(lock) => return Ok(Called::Over(LockResult::Gone(theirs(&lock)))),
        }
        if let Some(waits) = unsettled(claim) {
            return Ok(waits);
        }
        let unlocked = self.while_ours(claim)?.unlock(&call.stack).await;
        bus::failpoint("spacelift.after_act");
        let Err(Error::Refused { reason }) = unlocked else {
            return unlocked.map(|()| Called::Over(LockResult::Done));
        };
        Ok(Called::Over(match self.whose(call).await? {
            Whose::Nobodys => LockResult::Done,
            Whose::Theirs(lock) => LockResult::Gone(theirs(&lock)),
            Whose::Ours => LockResult::Refused(refused(call, &reason)),
        }))
    }

    async fn whose(&self, call: &LockCall) -> Result<Whose, Error> {
        Ok(Whose::is(self.spacelift.hold(&call.stack).await?.lock, &call.mark))
    }
}

fn gone(stack: &StackId) -> Reason {
    let text = format!("Spacelift knows no stack {stack}, or our API key may not see it");
    Reason::new(Code::StackGone, text)
}

fn refused(call: &LockCall, reason: &str) -> Reason {
    let text = format!("Spacelift refused {} on {}: {reason}", call.call.as_str(), call.stack);
    Reason::new(Code::SpaceliftRefused, text)
}
