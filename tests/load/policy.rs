//! What the policies cost: decisions per second of one core, and the load of a large set.
//!
//! The decisions are those of the service, called as the service calls them, without the bus and
//! the database; `load hop` and `load chains` measure those, and `load gates` what waiting costs.

use std::{
    fmt::Write,
    fs,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::Context;
use chrono::{DateTime, TimeDelta, Utc};
use contracts::{
    Action, ChainId, CommitSha, GateId,
    chain::ChainKind,
    change::Change,
    gate::{GateRequested, GateStack, Moment},
    run::Delta,
};
use policy::{
    PolicySet,
    evaluate::{Case, judge},
    library::Library,
};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::figures::{Latency, round};

/// How large everything is.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Policies in HCL that every decision goes through.
    #[arg(long, default_value_t = 100)]
    policies: usize,
    /// Programs in Rego, which are measured by themselves.
    #[arg(long, default_value_t = 20)]
    programs: usize,
    /// Policies in the set whose load is measured.
    #[arg(long, default_value_t = 1_000)]
    large: usize,
    /// For how long decisions are made, in seconds.
    #[arg(long, default_value_t = 3)]
    seconds: u64,
}

/// Measures, one after the other.
pub(crate) fn measure(options: &Options) -> anyhow::Result<Value> {
    let folder = tempfile::tempdir().context("a folder for policies")?;
    let seconds = Duration::from_secs(options.seconds);
    let hcl = set_of(folder.path(), options.policies, 0)?;
    let rego = set_of(folder.path(), 0, options.programs)?;
    Ok(json!({
        "hcl": decisions(&hcl, seconds),
        "rego": decisions(&rego, seconds),
        "load": load(folder.path(), options.large)?,
    }))
}

fn set_of(folder: &Path, policies: usize, programs: usize) -> anyhow::Result<PolicySet> {
    write(folder, policies, programs)?;
    policy::validate(folder).map_err(|faults| anyhow::anyhow!("{faults}"))
}

/// Writes a set as a large installation has it: most policies are about other stacks.
fn write(folder: &Path, policies: usize, programs: usize) -> anyhow::Result<()> {
    let mut text = String::from("group \"admins\" {\n  members = [\"ann\", \"ben\", \"cem\"]\n}\n");
    for number in 0..policies {
        let rule = match number % 4 {
            0 => {
                "schedule {\n    allowed_hours = [\"6-22\"]\n    allowed_days = [\"MON-SUN\"]\n    \
                 timezone = \"Europe/Berlin\"\n  }"
            }
            1 => {
                "approval {\n    min_approvers = 1\n    allowed_groups = [\"admins\"]\n    \
                 no_self_approval = true\n  }"
            }
            2 => "limits {\n    max_deleted = 5\n    max_added = 500\n  }",
            _ => "warn {\n    reason = \"look twice\"\n  }",
        };
        let scope = match number % 5 {
            0 => format!("stacks = [\"net-{number}-*\"]"),
            1 => format!("labels = [\"team:{number}\", \"tier:{number}\"]"),
            2 => format!("repositories = [\"acme/repository-{number}\"]"),
            3 => format!("spaces = [\"space-{number}\"]\n    environment = \"prod\""),
            _ if number < 25 => "environment = \"prod\"".to_owned(),
            _ => format!("branches = [\"release/{number}/*\"]"),
        };
        writeln!(
            text,
            "policy \"policy_{number:04}\" {{\n  match {{\n    {scope}\n  }}\n  {rule}\n}}"
        )?;
    }
    for number in 0..programs {
        let name = format!("program_{number}.rego");
        let program = format!(
            "package spacelift\nimport rego.v1\n\
             deny contains sprintf(\"%s needs a label\", [input.stack.id]) if {{\n\
             \tnot \"env:prod\" in input.stack.labels\n}}\n\
             warn contains \"many\" if input.stackly.delta.added > 1{number}\n\
             default approve := false\n\
             approve if count([r | some r in input.reviews.current.approvals; \
             r.author != input.run.commit.author]) >= 0\n",
        );
        fs::write(folder.join(&name), program)?;
        writeln!(text, "rego \"program_{number}\" {{\n  file = \"{name}\"\n}}")?;
    }
    Ok(fs::write(folder.join("policies.hcl"), text)?)
}

/// A question as a large installation asks it.
pub(crate) fn request(number: u128) -> GateRequested {
    GateRequested {
        gate: GateId(Uuid::from_u128(number)),
        chain: ChainId(Uuid::from_u128(number / 10)),
        kind: ChainKind::Deploy,
        moment: if number.is_multiple_of(2) { Moment::BeforeApply } else { Moment::BeforePlan },
        stacks: vec![GateStack {
            stack: format!("stack-{}", number % 1000).as_str().into(),
            space: "platform-01J8ZK4M7N2P5Q8R1S4T7V0W3X".into(),
            labels: vec!["env:prod".to_owned(), "team:net".to_owned(), "region:eu".to_owned()],
            code_labels: Vec::new(),
            autodeploy: false,
            path: Some("stacks/net".to_owned()),
            follows: false,
            worker_pool: None,
        }],
        change: Change {
            repository: "acme/infrastructure".to_owned(),
            branch: "main".to_owned(),
            commit: CommitSha("9f2c1a7be04d5638c1f0a2b49d7e6653801fca42".to_owned()),
            previous: None,
            author: "dora".to_owned(),
            authors: Vec::new(),
            title: "Widen the network".to_owned(),
            url: None,
            pull_request: None,
        },
        run: None,
        delta: Some(Delta { added: 2, changed: 1, deleted: 0 }),
        changes: None,
        changes_more: 0,
        unread: None,
        files: None,
        steps: Some(10),
        plans: Vec::new(),
        differs: None,
        action: Action::default(),
        planned_at: None,
        failures: Vec::new(),
        again: 0,
    }
}

fn noon() -> DateTime<Utc> {
    DateTime::from_timestamp(1_795_000_000, 0).expect("a time of our days")
}

/// Decides on one core for a while.
fn decisions(set: &PolicySet, seconds: Duration) -> Value {
    let requests: Vec<GateRequested> = (0..1_000).map(request).collect();
    let begin = Instant::now();
    let (mut decided, mut times, mut held) = (0_u64, Vec::new(), 0_u64);
    while begin.elapsed() < seconds {
        for request in &requests {
            let now = noon() + TimeDelta::seconds(i64::try_from(decided % 86_400).unwrap_or(0));
            let case = Case::new(request, now);
            let before = Instant::now();
            let verdict = judge(set, &case);
            times.push(before.elapsed());
            decided += 1;
            held += u64::from(!verdict.outcome.is_final());
        }
    }
    let per_second = decided as f64 / begin.elapsed().as_secs_f64();
    json!({
        "policies": set.len(),
        "decisions_per_second": round(per_second),
        "held": round(held as f64 / decided as f64),
        "latency": Latency::of(times),
    })
}

/// Loads a large set as the service does: the first time, and when it changes.
fn load(folder: &Path, policies: usize) -> anyhow::Result<Value> {
    write(folder, policies, 0)?;
    let mut times = Vec::new();
    for _ in 0..5 {
        let before = Instant::now();
        let library =
            Library::open(folder, noon()).map_err(|faults| anyhow::anyhow!("{faults}"))?;
        times.push(before.elapsed());
        anyhow::ensure!(library.current().len() == policies, "the whole set is in force");
    }
    Ok(json!({ "policies": policies, "latency": Latency::of(times) }))
}
