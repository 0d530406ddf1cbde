//! How the system stands, at a glance.

use std::path::Path;

use contracts::phrase::count;
use planner::question;
use policy::page::{Block, InForce, Stops};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::line;
use crate::print::{Cell, Look, Table, Tone, clean, span};

/// What is known about the system.
#[derive(Debug, Serialize)]
pub(crate) struct Status {
    /// The address asked.
    pub(crate) nats: String,
    /// The services, and whether they answer.
    pub(crate) services: Vec<Service>,
    /// Chains that have not ended; absent if the executor does not answer.
    pub(crate) open_chains: Option<usize>,
    /// Messages that no service could handle; absent if there is no such stream.
    pub(crate) dead_letters: Option<u64>,
    /// What the planner says about the catalogue.
    pub(crate) catalogue: Option<Value>,
    /// What the policy service says about its policies.
    pub(crate) policies: Option<Value>,
    /// What it says about the line: for what people stopped it.
    pub(crate) line: Option<Value>,
}

/// One service.
#[derive(Debug, Serialize)]
pub(crate) struct Service {
    /// Its name.
    pub(crate) service: &'static str,
    /// Why it does not answer; absent if it does.
    pub(crate) trouble: Option<String>,
}

/// The status as a table.
pub(crate) fn render(status: &Status, look: &Look) -> String {
    let mut table = Table::new(&["WHAT", "STATUS"]);
    table.row(["nats-server".into(), good(&status.nats)]);
    for service in &status.services {
        let stands = match &service.trouble {
            None => good("answers"),
            Some(trouble) => bad(trouble),
        };
        table.row([service.service.into(), stands]);
    }
    if let Some(open) = status.open_chains {
        table.row(["chains".into(), format!("{open} open").into()]);
    }
    table.row(["dead letters".into(), dead(status.dead_letters)]);
    if let Some(value) = &status.catalogue {
        for (place, cell) in catalogue(value).into_iter().enumerate() {
            let name = if place == 0 { "catalogue" } else { "" };
            table.row([name.into(), cell]);
        }
    }
    if let Some(value) = &status.policies {
        table.row(["policies".into(), policies(value)]);
    }
    if let Some(value) = &status.line {
        for (place, cell) in stops(value).into_iter().enumerate() {
            let name = if place == 0 { "line" } else { "" };
            table.row([name.into(), cell]);
        }
    }
    table.render(look)
}

fn good(text: &str) -> Cell {
    Cell::new(Tone::Good, format!("✓ {text}"))
}

fn bad(text: &str) -> Cell {
    Cell::new(Tone::Bad, format!("✗ {}", clean(text)))
}

fn dead(letters: Option<u64>) -> Cell {
    match letters {
        None => bad("the stream is not there yet"),
        Some(0) => good("none"),
        Some(number) => bad(&format!("{number}; `stackly dead list` shows them")),
    }
}

fn catalogue(value: &Value) -> Vec<Cell> {
    let Ok(known) = question::Status::deserialize(value) else {
        return vec![bad(&value.to_string())];
    };
    let mut cells = Vec::new();
    match (known.as_of, known.age_seconds) {
        (Some(_), Some(age)) => cells.push(good(&format!(
            "{}, {}, read {} ago",
            count(known.stacks, "stack"),
            count(known.edges, "edge"),
            span(chrono::TimeDelta::seconds(age))
        ))),
        _ => cells.push(bad("the Spacelift account was not read yet")),
    }
    cells.extend(known.trouble.map(|trouble| bad(&trouble)));
    cells.extend(known.circle.map(|circle| bad(&circle)));
    let odd = [
        ("dependencies that lead nowhere", known.loose_edges),
        ("dependencies between spaces", known.crossing_edges),
        ("stacks that do not fit", known.faults),
        ("code of stacks that the account does not have", known.unmade.len()),
        ("repositories whose changes wait for the account", known.waiting.len()),
    ];
    let odd = odd.into_iter().filter(|(_, number)| *number > 0);
    let odd: Vec<String> = odd.map(|(what, number)| format!("{what}: {number}")).collect();
    if !odd.is_empty() {
        cells.push(Cell::new(Tone::Waits, format!("… {} (see --json)", odd.join(", "))));
    }
    cells.push(match &known.mirrors {
        Some(folder) => good(&format!(
            "{} with code that is known, mirrored in {folder}",
            count(known.with_code, "stack")
        )),
        None => Cell::new(Tone::Faint, "repositories are not mirrored (`git.folder`)"),
    });
    cells.extend(known.code_faults.iter().map(|fault| bad(first_line(fault))));
    cells.extend(known.away.values().map(|why| bad(&why.text)));
    cells
}

fn policies(value: &Value) -> Cell {
    match InForce::deserialize(value) {
        Ok(InForce { refused: Some(refused), policies, folder, .. }) => bad(&format!(
            "{} in force; what is there now is refused: {}",
            in_force(&policies),
            refused_policies(&refused.text, folder.as_deref())
        )),
        Ok(InForce { policies, .. }) => good(&format!("{} in force", in_force(&policies))),
        Err(_) => bad(&value.to_string()),
    }
}

/// How many policies hold that somebody wrote. What people stopped by hand counts as a policy
/// when gates are decided, and is told in a line of its own.
pub(crate) fn in_force(policies: &[Block]) -> usize {
    policies.iter().filter(|block| block.file != policy::line::FILE).count()
}

fn stops(value: &Value) -> Vec<Cell> {
    match Stops::deserialize(value) {
        Ok(Stops { stopped, .. }) if stopped.is_empty() => vec![good("nothing is stopped by hand")],
        Ok(Stops { stopped, .. }) => {
            stopped.iter().map(|stop| bad(&line::sentence(stop))).collect()
        }
        Err(_) => vec![bad(&value.to_string())],
    }
}

/// Why policies are refused, in one line: how many faults, the first, and where all are shown.
pub(crate) fn refused_policies(faults: &str, folder: Option<&Path>) -> String {
    let lines: Vec<&str> = faults.lines().filter(|line| !line.is_empty()).take(2).collect();
    let folder = folder.unwrap_or_else(|| Path::new("FOLDER")).display();
    format!("{}; `stackly policy check {folder}` shows all of it", lines.join(": "))
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}
