//! What becomes of a push, live: one line for each thing that happens.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use bus::Bus;
use chrono::Local;
use contracts::{
    ChainId, CommitSha, Envelope, Message, StackId,
    chain::{ChainFinished, ChainIgnored, ChainPlanned, ChainRefused, ChainState},
    change::{ChangeProposed, ChangePushed},
    gate::{GateDecided, Outcome},
    phrase::count,
    step::{
        StepApplying, StepFinished, StepPlanned, StepRetrying, StepStarted, StepState, StepSummary,
    },
    subject,
};
use futures::{Stream, StreamExt};
use receivers::Slack;
use tokio::time::Instant;

use super::say;

/// For how long Slack is waited for after a chain has ended.
const LAST_WORD_PATIENCE: Duration = Duration::from_secs(10);

/// How far a chain is.
#[derive(Default)]
struct Progress {
    steps: usize,
    ended: HashSet<StackId>,
}

/// What is waited for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Until {
    /// A person ends it.
    Ever,
    /// The first chain of any change ends.
    AnyChain,
    /// The chain of this commit ends; there may be others, which prove nothing about it.
    ChainOf(CommitSha),
}

impl Until {
    /// How the chain that is waited for ended, if this event says so.
    fn is_met_by(&self, event: &Envelope) -> Option<ChainState> {
        let (change, state) = match event.kind.as_str() {
            ChainFinished::TYPE => {
                let chain = body::<ChainFinished>(event)?;
                (chain.change, chain.state)
            }
            ChainIgnored::TYPE => (body::<ChainIgnored>(event)?.change, ChainState::Denied),
            ChainRefused::TYPE => (body::<ChainRefused>(event)?.change, ChainState::Denied),
            _ => return None,
        };
        let meant = match self {
            Self::Ever => false,
            Self::AnyChain => true,
            Self::ChainOf(commit) => change.commit == *commit,
        };
        meant.then_some(state)
    }
}

/// Follows the events of a running pipeline, and what people are told in Slack.
pub(super) struct Watch<S> {
    events: S,
    chains: HashMap<ChainId, Progress>,
    slack: Slack,
    told: Vec<String>,
}

impl Watch<()> {
    /// Starts to listen.
    pub(super) async fn start(
        bus: &Bus,
        slack: Slack,
    ) -> anyhow::Result<Watch<impl Stream<Item = Envelope> + Unpin + use<>>> {
        let events = bus.tail(subject::EVENTS).await?;
        bus.flush().await?;
        Ok(Watch { events, chains: HashMap::new(), slack, told: Vec::new() })
    }
}

impl<S: Stream<Item = Envelope> + Unpin> Watch<S> {
    /// Prints what happens. Ends when the chain of the change that is waited for has ended and Slack
    /// says so.
    pub(super) async fn follow(&mut self, until: &Until) -> Option<ChainState> {
        let mut changes = self.slack.changes();
        let mut ended = None;
        let mut last_word = None;
        loop {
            tokio::select! {
                event = self.events.next() => {
                    let event = event?;
                    if let Some(line) = self.line(&event) {
                        say_now(&line);
                    }
                    if let Some(state) = until.is_met_by(&event).filter(|_| ended.is_none()) {
                        ended = Some(state);
                        last_word = Some(Instant::now() + LAST_WORD_PATIENCE);
                    }
                }
                _ = changes.changed() => self.tell(),
                () = passed(last_word) => return ended,
            }
            if let Some(state) = ended
                && is_told(&self.told, state)
            {
                return ended;
            }
        }
    }

    /// Prints what Slack's channel shows, where that is new.
    fn tell(&mut self) {
        for message in self.slack.messages() {
            if !self.told.contains(&message.text) {
                let how = if message.edits == 0 { "posted" } else { "updated" };
                say_now(&format!("{:<15} {how} in #deploys: {}", "slack", message.text));
                self.told.push(message.text);
            }
        }
    }

    fn line(&mut self, event: &Envelope) -> Option<String> {
        let kind = event.kind.as_str();
        self.text(kind, event).map(|text| format!("{kind:<15} {text}"))
    }

    fn text(&mut self, kind: &str, event: &Envelope) -> Option<String> {
        match kind {
            ChangePushed::TYPE => {
                let change = body::<ChangePushed>(event)?.change;
                Some(format!(
                    "{} {} {} “{}” by {}",
                    change.repository,
                    change.branch,
                    change.commit.short(),
                    change.title,
                    change.author
                ))
            }
            ChangeProposed::TYPE => {
                let change = body::<ChangeProposed>(event)?.change;
                let number = change.pull_request.unwrap_or_default();
                Some(format!("{} #{number} “{}”", change.repository, change.title))
            }
            ChainPlanned::TYPE => self.planned(&body(event)?),
            ChainIgnored::TYPE => Some(body::<ChainIgnored>(event)?.reason.to_string()),
            ChainRefused::TYPE => Some(body::<ChainRefused>(event)?.reason.to_string()),
            GateDecided::TYPE => held(&body(event)?),
            StepStarted::TYPE => Some(self.step(&body::<StepStarted>(event)?.step, None)),
            StepPlanned::TYPE => Some(self.step(&body::<StepPlanned>(event)?.step, None)),
            StepApplying::TYPE => Some(self.step(&body::<StepApplying>(event)?.step, None)),
            StepRetrying::TYPE => Some(self.step(&body::<StepRetrying>(event)?.step, None)),
            StepFinished::TYPE => {
                let StepFinished { chain, step } = body(event)?;
                Some(self.step(&step, Some(chain)))
            }
            ChainFinished::TYPE => {
                let chain: ChainFinished = body(event)?;
                let took = (chain.ended_at - chain.began_at).as_seconds_f64();
                Some(format!("{} after {took:.1} s: {}", chain.state, chain.reason.text))
            }
            _ => None,
        }
    }

    fn planned(&mut self, chain: &ChainPlanned) -> Option<String> {
        let progress = self.chains.entry(chain.chain).or_default();
        progress.steps = chain.steps.len();
        let mut text = format!("{} with {}", chain.chain, count(chain.steps.len(), "step"));
        for step in &chain.steps {
            text.push_str(&format!("\n{:31}{:<18} {}", "", step.stack, step.why.text));
        }
        Some(text)
    }

    fn step(&mut self, step: &StepSummary, ended: Option<ChainId>) -> String {
        let mark = match (ended, step.state) {
            (Some(_), StepState::Finished) => "✓",
            (Some(_), _) => "✗",
            (None, _) => "●",
        };
        let progress = ended.map_or_else(String::new, |chain| {
            let progress = self.chains.entry(chain).or_default();
            progress.ended.insert(step.stack.clone());
            format!("  [{}/{}]", progress.ended.len(), progress.steps)
        });
        format!("{mark} {:<16} {}{progress}", step.stack, step.reason.text)
    }
}

/// Whether Slack says how a chain ended, in whichever of its messages, and in its own spelling.
fn is_told(told: &[String], state: ChainState) -> bool {
    let word = match state {
        ChainState::Canceled => "cancelled",
        other => other.as_str(),
    };
    told.iter().any(|text| text.contains(&format!(": {word}")))
}

/// A gate that is simply open is no news.
fn held(gate: &GateDecided) -> Option<String> {
    let about = gate.stack.as_ref().map_or("the chain", StackId::as_str);
    let reasons: Vec<_> = gate.reasons.iter().map(|reason| reason.text.as_str()).collect();
    match gate.outcome {
        Outcome::Pass if gate.revision <= 1 => None,
        Outcome::Pass => Some(format!("{about} may go on: {}", reasons.join("; "))),
        _ => Some(format!("{about} {}: {}", gate.moment, reasons.join("; "))),
    }
}

fn say_now(line: &str) {
    say(&format!("{}  {line}", Local::now().format("%H:%M:%S%.3f")));
}

async fn passed(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => {
            // The first tick of an interval that begins then.
            tokio::time::interval_at(deadline, LAST_WORD_PATIENCE).tick().await;
        }
        None => std::future::pending().await,
    }
}

fn body<M: Message>(event: &Envelope) -> Option<M> {
    M::upgrade(event.version, event.body.clone()).ok()
}

#[cfg(test)]
mod tests;
