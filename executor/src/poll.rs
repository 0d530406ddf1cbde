//! Polling: what the webhooks have not told. Either alone is enough.

use std::time::Duration;

use chrono::{TimeDelta, Utc};
use contracts::{Envelope, RunId, StackId};
use spacelift::Client;
use store::Engine;
use uuid::Uuid;

use crate::{
    ChainDecider,
    input::Input,
    report::report,
    store::{InFlight, in_flight, queued_on_free_stacks},
};

/// The most runs asked for in one round.
const ROUND_MAX: i64 = 400;

/// Asks about every run nothing was heard of for `silence`, and decides what it hears.
pub(crate) async fn poll(
    engine: &Engine<ChainDecider>,
    spacelift: &Client,
    silence: Duration,
) -> anyhow::Result<()> {
    let pool = &engine.decider().pool;
    let before = Utc::now() - TimeDelta::from_std(silence)?;
    let silent = in_flight(pool, before, ROUND_MAX).await?;
    if !silent.is_empty() {
        let ids: Vec<(StackId, RunId)> =
            silent.iter().map(|step| (step.stack.clone(), step.run.clone())).collect();
        let runs = spacelift.runs(&ids).await?;
        let heard = silent.into_iter().zip(runs).filter_map(|(step, facts)| {
            // A run that vanished is for a person; its step keeps saying how it stood last.
            facts.map(|facts| submission(step, facts))
        });
        for result in futures::future::join_all(heard.map(|it| engine.submit(it))).await {
            result?;
        }
    }
    // A chain that was to be woken when its stack became free, and was not.
    let waiting = queued_on_free_stacks(pool).await?;
    if !waiting.is_empty() {
        engine.nudge(&waiting).await?;
    }
    Ok(())
}

fn submission(step: InFlight, facts: spacelift::RunFacts) -> Envelope<Input> {
    let report = report(facts);
    // Asked again, it is another observation, even of the same state.
    let name = format!("polled/{}/{}", report.state_version, Utc::now().timestamp_millis());
    Envelope {
        id: Uuid::new_v5(&step.chain, format!("{}/{name}", report.run).as_bytes()),
        kind: "run.polled".to_owned(),
        version: 1,
        key: report.stack.to_string(),
        source: "/stackly/executor".to_owned(),
        time: report.at,
        correlation: step.correlation,
        causation: None,
        trace: step.trace,
        body: Input::Reported(report),
    }
}
