//! The end of every message: its answers stored and itself acknowledged, or another way out.

use async_nats::jetstream::AckKind;
use tokio::time::Instant;
use tracing::{Instrument, Span, error, warn};
use uuid::Uuid;

use crate::{
    Bus, Handler, Letter, Receipt, connection::Sent, failpoint, metrics::Metrics, pull::Delivery,
    verdict::Verdict,
};

/// A message whose fate is decided.
pub(crate) struct Settled {
    pub(crate) delivery: Delivery,
    /// Its id; absent when it cannot be read.
    pub(crate) cause: Option<Uuid>,
    pub(crate) verdict: Verdict<Option<Sent>>,
    pub(crate) span: Span,
}

/// Takes the messages of one batch to their end; gives where their answers stand.
///
/// One deadline for all of them: a broker that is away costs a batch one time-out, not one for
/// each message.
pub(crate) async fn settle<H: Handler>(
    bus: &Bus,
    handler: &H,
    metrics: &Metrics,
    batch: Vec<Settled>,
) -> Vec<Receipt> {
    let consumer = handler.consumer();
    let deadline = bus.deadline();
    let mut receipts = Vec::with_capacity(batch.len());
    let mut lost = 0_usize;
    for Settled { delivery, cause, verdict, span } in batch {
        let ending = Ending { bus, handler, metrics, delivery: &delivery };
        match ending.end(cause, verdict, deadline).instrument(span).await {
            Ok(receipt) => receipts.extend(receipt),
            Err(error) => {
                if lost == 0 {
                    warn!(consumer, error = format!("{error:#}"), "not settled; it comes back");
                }
                lost += 1;
            }
        }
    }
    if lost > 1 {
        warn!(consumer, messages = lost, "messages of one batch are not settled; they come back");
    }
    receipts
}

struct Ending<'a, H> {
    bus: &'a Bus,
    handler: &'a H,
    metrics: &'a Metrics,
    delivery: &'a Delivery,
}

impl<H: Handler> Ending<'_, H> {
    async fn end(
        &self,
        cause: Option<Uuid>,
        verdict: Verdict<Option<Sent>>,
        deadline: Instant,
    ) -> anyhow::Result<Option<Receipt>> {
        let attempt = self.delivery.attempt;
        match verdict {
            Verdict::Answered(sent) => {
                let receipt = match (cause, sent) {
                    (Some(cause), Some(sent)) => {
                        Some(self.bus.receipt(cause, sent, deadline).await?)
                    }
                    _ => None,
                };
                self.acknowledge("answered", "", AckKind::Ack).await?;
                Ok(receipt)
            }
            Verdict::Redeliver { after, reason } => {
                warn!(error = format!("{reason:#}"), attempt, ?after, "will try again");
                self.acknowledge("redelivered", "", AckKind::Nak(Some(after))).await?;
                Ok(None)
            }
            Verdict::DeadLetter { code, reason } => {
                error!(error = format!("{reason:#}"), attempt, code, "dead letter");
                let message = &self.delivery.message;
                let letter = Letter::of(self.handler.consumer(), message, code, &reason)?;
                self.handler.bury(&letter).await?;
                failpoint("letter.before_publish");
                let place = self.bus.publish_letter(&letter).await?;
                failpoint("letter.before_note");
                self.handler.buried(&letter, place).await;
                self.acknowledge("dead_letter", code, AckKind::Term).await?;
                Ok(None)
            }
            // It never leaves the loop.
            Verdict::Keep { reason } => Err(reason),
        }
    }

    async fn acknowledge(
        &self,
        outcome: &'static str,
        code: &'static str,
        kind: AckKind,
    ) -> anyhow::Result<()> {
        self.metrics.settled(outcome, code);
        failpoint("consume.before_ack");
        self.delivery.message.ack_with(kind).await.map_err(anyhow::Error::from_boxed)
    }
}
