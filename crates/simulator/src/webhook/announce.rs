//! From a step of a run, or a mutation, to the webhooks that hear of it.

use std::{collections::BTreeSet, sync::Arc};

use axum::body::Bytes;
use ulid::Ulid;

use crate::{
    faults::FaultKind,
    policy::{self, Policy, PolicyType},
    record::Run,
    stack::Stack,
    webhook::{Delivery, Route, audit, payload},
    world::World,
};

impl World {
    /// Tells the webhooks concerned what state the run has entered.
    pub(crate) fn announce(&mut self, id: Ulid, note: Option<Arc<str>>) {
        if !self.webhooks.all.values().any(|webhook| webhook.enabled) {
            return;
        }
        let Some(run) = self.runs.get(&id).cloned() else { return };
        let Some(stack) = self.stacks.get(&run.stack).cloned() else { return };
        let routed = self.routed(&run, &stack, note.as_deref());
        let hearing: Vec<Delivery> = self
            .webhooks
            .all
            .values()
            .filter(|webhook| webhook.enabled)
            .filter(|webhook| match &webhook.route {
                Route::AllBut(passing) => !passing.contains(&run.state),
                Route::Stack(own) => *own == stack.id,
                Route::Audit { include_runs } => *include_runs,
                Route::Policies => routed.contains(&*webhook.id),
            })
            .map(Delivery::to)
            .collect();
        if hearing.is_empty() {
            return;
        }
        let body = Bytes::from(payload::run_event(self, &run, &stack, note.as_deref()));
        for mut delivery in hearing {
            delivery.body = body.clone();
            delivery.run = Some(run.id);
            delivery.state = Some(run.state);
            delivery.state_version = Some(run.version);
            self.dispatch(delivery, run.state.as_str());
        }
    }

    /// Tells the audit webhook of a mutation that took effect.
    pub(crate) fn announce_mutation(&mut self, number: u64, remote_ip: &str) {
        let Some(webhook) = self.webhooks.all.get(super::AUDIT).filter(|w| w.enabled) else {
            return;
        };
        let mut delivery = Delivery::to(webhook);
        let (account, now) = (self.account.clone(), self.now);
        let Some(record) = self.journal.mutation_mut(number) else { return };
        delivery.body = Bytes::from(audit::event(&account, record, now, remote_ip));
        self.dispatch(delivery, "AUDIT");
    }

    /// The named webhooks to which the notification policies of the stack's space send this.
    fn routed(&self, run: &Run, stack: &Stack, note: Option<&str>) -> BTreeSet<String> {
        let speaks = |policy: &&Policy| {
            policy.kind == PolicyType::Notification
                && self.space_within(&stack.seed.space, &policy.space)
        };
        let mut speaking = self.policies.values().filter(speaks).peekable();
        if speaking.peek().is_none() {
            return BTreeSet::new();
        }
        let input = policy::notification(self, run, stack, note);
        speaking.flat_map(|policy| policy.program.endpoints(&input)).collect()
    }

    fn dispatch(&mut self, mut delivery: Delivery, state: &str) {
        let mut copies = 1;
        for fault in self.faults.hit_webhook(state, &mut self.ids) {
            match fault {
                FaultKind::WebhookLost => copies = 0,
                FaultKind::WebhookDoubled => copies *= 2,
                FaultKind::WebhookDelayed { delay_ms } => delivery.delay_ms += delay_ms,
                FaultKind::WebhookReordered => delivery.held_back = true,
                _ => {}
            }
        }
        for _ in 0..copies {
            self.webhooks.put_out(delivery.clone());
        }
    }
}
