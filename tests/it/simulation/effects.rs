//! Calls to the outside as rows: claimed under a fence, postponed, claimed anew when they expire.

use chrono::{DateTime, TimeDelta, Utc};
use contracts::Reason;
use store::{Claim, Effect, Performed};
use uuid::Uuid;

use super::{
    node::{Node, Rig},
    violation::Violation,
};

/// How long a claim on a call lasts.
pub const LEASE: TimeDelta = TimeDelta::seconds(6);

/// A call to the outside, as it is kept.
pub struct Call {
    pub effect: Effect,
    pub open: bool,
    pub claimed: bool,
    uncertain: bool,
    attempt: i32,
    pub fence: i64,
    pub due_at: DateTime<Utc>,
    pub reason: Option<Reason>,
    created_at: DateTime<Utc>,
}

impl<R: Rig> Node<R> {
    /// The state whose call is open in a lane.
    pub fn open_lane(&self, lane: &str) -> Option<Uuid> {
        let open = self.calls.values().find(|call| call.open && call.effect.lane == lane);
        open.map(|call| call.effect.key)
    }

    pub(super) fn write_call(&mut self, effect: Effect, now: DateTime<Utc>) {
        if self.calls.contains_key(&effect.id) {
            return;
        }
        let call = Call {
            effect,
            open: true,
            claimed: true,
            uncertain: false,
            attempt: 1,
            fence: 1,
            due_at: now + LEASE,
            reason: None,
            created_at: now,
        };
        self.claims.push(call.claim());
        self.calls.insert(call.effect.id, call);
    }

    /// Claims what is due: retries, and claims whose holder died.
    pub fn sweep(&mut self, now: DateTime<Utc>) {
        for call in self.calls.values_mut().filter(|call| call.open && call.due_at <= now) {
            call.fence += 1;
            call.attempt += 1;
            call.uncertain |= call.claimed;
            call.claimed = true;
            call.due_at = now + LEASE;
            self.claims.push(call.claim());
        }
    }

    /// Notes that a call must be made again.
    pub fn postpone(&mut self, claim: &Claim, performed: Performed<R::Input>, now: DateTime<Utc>) {
        let Performed::Later { after, why, uncertain } = performed else { return };
        let Some(call) = self.calls.get_mut(&claim.id) else { return };
        if !call.open || call.fence != claim.fence {
            return;
        }
        if why.text.is_empty() {
            self.violations.push(Violation::NoReason { what: format!("call {}", claim.kind) });
        }
        call.claimed = false;
        call.due_at = now + TimeDelta::from_std(after).expect("pauses are short");
        call.reason = Some(why);
        call.uncertain = uncertain;
    }
}

impl Call {
    fn claim(&self) -> Claim {
        Claim {
            id: self.effect.id,
            key: self.effect.key,
            lane: self.effect.lane.clone(),
            kind: self.effect.kind.to_owned(),
            body: self.effect.body.clone(),
            correlation: self.effect.correlation,
            trace: self.effect.trace.clone(),
            attempt: self.attempt,
            fence: self.fence,
            uncertain: self.uncertain,
            created_at: self.created_at,
            expires_at: self.due_at,
            unsettled_until: None,
            holder: None,
        }
    }
}
