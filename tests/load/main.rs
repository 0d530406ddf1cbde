//! The figures of docs/PERFORMANCE.md: `cargo run --release --bin load -- <what> --json`.
//!
//! Each figure is taken on servers of its own (a durable Postgres, a nats-server), beside its floor
//! and beside an fsync yardstick of the same minute: on a shared machine only ratios mean anything.
//! This program is also what it measures: called as `serve <service>` it is that service, and as
//! `load floor …` the floor under ingest, so that every part has a process and a CPU account of
//! its own.

mod beside;
mod chains;
mod client;
mod door;
mod fair;
mod figures;
mod floor;
mod gates;
mod health;
mod history;
mod hop;
mod ingest;
mod monorepo;
mod npm;
mod plan;
mod policy;
mod processes;
mod proof;
mod push;
mod recovery;
mod rest;
mod step_floor;
mod store;
mod system;
mod touch;
mod wakes;
mod yardstick;

use std::{io::Write, path::Path, process::ExitCode};

use clap::{Parser, Subcommand};
use serde_json::{Value, json};

/// Under this name the program is one of the services.
pub(crate) const SERVE: &str = "serve";

/// Measures Stackly beside its floors.
#[derive(Debug, Parser)]
#[command(name = "load")]
struct Arguments {
    /// What is measured.
    #[command(subcommand)]
    what: What,
    /// Print JSON instead of a table.
    #[arg(long, global = true)]
    json: bool,
    /// Also print which SQL statements Postgres spent its time on; costs a few per cent.
    #[arg(long, global = true)]
    statements: bool,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Signed GitHub pushes per second, durably accepted.
    Ingest(ingest::Options),
    /// Ingest beside FastAPI, at twice what it can take, and with connections that say nothing.
    Door(door::Options),
    /// From an event to the trigger that follows from it.
    Hop(hop::Options),
    /// Steps per second over many chains at once.
    Chains(chains::Options),
    /// The same chains driven by ours, by DBOS and by Restate, in one run.
    Peers(beside::Options),
    /// How soon work goes on after an executor is killed.
    Recovery(recovery::Options),
    /// What chains cost that wait at gates, or whose runs take hours.
    Rest(rest::Options),
    /// Whether a small tenant waits longer beside a big one.
    Fair(fair::Options),
    /// Deaths at every step of trigger, confirm and record, against answers that get lost.
    Kills(proof::Kills),
    /// Random graphs of stacks under random failures, losses and restarts of everything.
    Storm(proof::Storm),
    /// Deliveries lost, doubled and out of order, while everything that takes part is killed.
    Deliveries(proof::Deliveries),
    /// From a change to its chain, in memory, for large accounts.
    Plan(plan::Options),
    /// Decisions per second, and the load of a large set.
    Policy(policy::Options),
    /// What gates cost that wait for people.
    Gates(gates::Options),
    /// How late gates are woken when very many wait for the same second.
    Wakes(wakes::Options),
    /// One graph of `plan`.
    #[command(hide = true)]
    PlanOne(plan::One),
    /// What a changed file touches, in a monorepo in memory.
    Touch(touch::Options),
    /// From a push to its chain, in a monorepo that is mirrored.
    Push(push::Options),
    /// Ingest, hop and chains, one after the other.
    All,
    /// The floor under ingest: a bare handler that keeps the same rows.
    #[command(hide = true)]
    Floor(floor::Options),
}

fn main() -> ExitCode {
    let mut arguments = std::env::args();
    let program = arguments.next().unwrap_or_default();
    if Path::new(&program).file_name().is_some_and(|name| name == SERVE) {
        let service = arguments.next().unwrap_or_default();
        if service == harness::deliveries::SEND {
            return harness::deliveries::send(arguments);
        }
        return harness::fleet::serve(&service);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .expect("the operating system grants threads");
    match runtime.block_on(run(Arguments::parse())) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "load: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let statements = arguments.statements;
    let report = match arguments.what {
        What::Floor(options) => return floor::serve(options).await,
        What::Ingest(options) => json!({ "ingest": ingest::measure(options, statements).await? }),
        What::Door(options) => json!({ "door": door::measure(options).await? }),
        What::Hop(options) => json!({ "hop": hop::measure(options, statements).await? }),
        What::Chains(options) => json!({ "chains": chains::measure(options, statements).await? }),
        What::Peers(options) => json!({ "peers": Box::pin(beside::measure(options)).await? }),
        What::Recovery(options) => {
            json!({ "recovery": Box::pin(recovery::measure(options)).await? })
        }
        What::Rest(options) => json!({ "rest": Box::pin(rest::measure(options)).await? }),
        What::Fair(options) => {
            json!({ "fair": Box::pin(fair::measure(options, statements)).await? })
        }
        What::Kills(options) => json!({ "kills": Box::pin(proof::kills(options)).await? }),
        What::Storm(options) => json!({ "storm": Box::pin(proof::storm(options)).await? }),
        What::Deliveries(options) => {
            json!({ "deliveries": Box::pin(proof::deliveries(options)).await? })
        }
        What::Policy(options) => json!({ "policy": policy::measure(&options)? }),
        What::Gates(options) => json!({ "gates": Box::pin(gates::measure(options)).await? }),
        What::Wakes(options) => {
            json!({ "wakes": Box::pin(wakes::measure(options, statements)).await? })
        }
        What::PlanOne(one) => plan::measure_one(&one)?,
        What::Push(options) => json!({ "push": push::measure(&options).await? }),
        What::Touch(options) => json!({ "touch": touch::measure(&options)? }),
        What::Plan(options) => json!({ "plan": plan::measure(&options)? }),
        What::All => json!({
            "ingest": ingest::measure(ingest::Options::default(), statements).await?,
            "hop": hop::measure(hop::Options::default(), statements).await?,
            "chains": chains::measure(chains::Options::default(), statements).await?,
        }),
    };
    let mut out = std::io::stdout().lock();
    if arguments.json {
        serde_json::to_writer_pretty(&mut out, &report)?;
        writeln!(out)?;
    } else {
        table(&mut out, "", &report)?;
    }
    Ok(())
}

/// One line for each figure: where it stands in the report, and what it is.
fn table(out: &mut impl Write, path: &str, value: &Value) -> std::io::Result<()> {
    match value {
        Value::Object(fields)
            if fields.values().any(|value| value.is_object() || value.is_array()) =>
        {
            for (name, value) in fields {
                let dot = if path.is_empty() { "" } else { "." };
                table(out, &format!("{path}{dot}{name}"), value)?;
            }
            Ok(())
        }
        Value::Object(fields) => {
            let cells: Vec<_> =
                fields.iter().map(|(name, value)| format!("{name} {value}")).collect();
            writeln!(out, "{path:<44} {}", cells.join("  "))
        }
        Value::Array(items) => {
            for (number, item) in items.iter().enumerate() {
                table(out, &format!("{path}[{number}]"), item)?;
            }
            Ok(())
        }
        value => writeln!(out, "{path:<44} {value}"),
    }
}
