//! What gates cost that wait for people: what each takes in Postgres, and what the policy service and
//! its servers spend on all of them while nothing happens.
//!
//! Every gate is asked over the bus and decided by the service, a process with its broker and its
//! database and nothing else. Each waits for an approval and will remind people of it, so that it
//! has a wake-up as well.

use std::collections::BTreeMap;

use serde::Serialize;
use tokio::time::Instant;

use crate::{
    figures::round,
    rest::{Rest, rest},
    store::{self, Size},
    system::{self, Ground, Setting, System},
    wakes,
};

/// How many are asked before they are awaited.
const AT_ONCE: usize = 10_000;
const POLICY: &str = r#"
policy "hold" {
  match { moment = ["before_plan"] }
  approval {
    min_approvers = 1
    remind_after  = "4h"
  }
}
"#;

/// How it is measured.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Options {
    /// How many gates wait.
    #[arg(long, default_value_t = 100_000)]
    gates: usize,
    /// For how many seconds they are looked at.
    #[arg(long, default_value_t = 30)]
    seconds: u64,
}

/// What came out.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    gates: usize,
    /// How many a second were asked, decided and stored meanwhile.
    filled_per_second: f64,
    /// What all tables and their indexes took more, for each gate.
    bytes_each: f64,
    /// The same by table, where it is anything.
    by_table: BTreeMap<String, Grown>,
    /// While there was no gate at all.
    before: Rest,
    /// With all of them.
    with_all: Rest,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    complaints: Vec<String>,
}

/// What a table took more, in bytes for each gate.
#[derive(Debug, Serialize)]
struct Grown {
    rows: f64,
    indexes: f64,
}

/// Measures.
pub(crate) async fn measure(options: Options) -> anyhow::Result<Report> {
    let ground = Ground::start(false).await?;
    let mut setting = Setting::without_policies(system::lines(1, 1), simulator::Pace::zero());
    POLICY.clone_into(&mut setting.policies);
    let system = System::start(ground, setting, &["policy"]).await?;
    let pool = store::policy(&system.installation.database_url).await?;
    let before = rest(&system, options.seconds).await;
    let small = store::sizes(&pool, "policy").await?;
    let began = Instant::now();
    for from in (0..options.gates).step_by(AT_ONCE) {
        let to = (from + AT_ONCE).min(options.gates);
        wakes::ask(&system, from..to).await?;
        let wait = || async {
            matches!(store::waiting(&pool).await, Ok(waiting) if usize::try_from(waiting) == Ok(to))
        };
        system::eventually(&format!("{to} gates to wait, each with its wake-up"), wait).await?;
    }
    let filled_per_second = round(options.gates as f64 / began.elapsed().as_secs_f64());
    let with_all = rest(&system, options.seconds).await;
    let large = store::sizes(&pool, "policy").await?;
    let by_table = grown(&small, &large, options.gates);
    let report = Report {
        gates: options.gates,
        filled_per_second,
        bytes_each: round(by_table.values().map(|it| it.rows + it.indexes).sum()),
        by_table,
        before,
        with_all,
        complaints: system.complaints(),
    };
    pool.close().await;
    system.stop().await;
    Ok(report)
}

fn grown(
    small: &BTreeMap<String, Size>,
    large: &BTreeMap<String, Size>,
    gates: usize,
) -> BTreeMap<String, Grown> {
    let each = |bytes: i64| round(bytes as f64 / gates.max(1) as f64);
    let grown = large.iter().map(|(table, now)| {
        let then = small.get(table).copied().unwrap_or_default();
        let (rows, indexes) = (each(now.rows - then.rows), each(now.indexes - then.indexes));
        (table.clone(), Grown { rows, indexes })
    });
    grown.filter(|(_, it)| it.rows + it.indexes > 0.0).collect()
}
