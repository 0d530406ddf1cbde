//! Whom the account tells, and what came of it.

use super::{Control, ControlError};
use crate::{
    options::WebhookTarget,
    run::Refusal,
    states::RunState,
    webhook::{DeliveryRecord, Route, Webhook, WebhookView},
};

impl Control {
    /// All webhooks.
    pub fn webhooks(&self) -> Vec<WebhookView> {
        self.shared.read(|world| world.webhooks.all.values().map(WebhookView::from).collect())
    }

    /// Adds a webhook that hears of every run, and gives its id.
    pub fn add_webhook(&self, name: &str, target: &WebhookTarget) -> String {
        self.add_webhook_but_for(name, target, &[])
    }

    /// Adds a webhook that hears of every run, but not of these states, and gives its id: what a
    /// notification policy that leaves them out comes to, without the cost of asking it.
    pub fn add_webhook_but_for(
        &self,
        name: &str,
        target: &WebhookTarget,
        states: &[RunState],
    ) -> String {
        self.shared.act(|world| {
            let id = world.webhooks.slug(name);
            let route = Route::AllBut(states.to_vec());
            world.webhooks.insert(Webhook::new(&id, target, route));
            id
        })
    }

    /// Switches a webhook on, its failures forgotten, or off.
    pub fn enable_webhook(&self, id: &str, enabled: bool) -> Result<(), ControlError> {
        self.act(|world| {
            let missing = || Refusal::new(format!("webhook {id} not found"));
            world.webhooks.all.get_mut(id).ok_or_else(missing)?.enable(enabled);
            Ok(())
        })
    }

    /// The newest deliveries of a webhook, oldest first.
    pub fn deliveries(&self, id: &str) -> Vec<DeliveryRecord> {
        self.shared.read(|world| {
            let webhook = world.webhooks.all.get(id);
            webhook.map(|webhook| webhook.deliveries.iter().cloned().collect()).unwrap_or_default()
        })
    }
}
