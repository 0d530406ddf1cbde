//! What each process cost: CPU and memory, out of `/proc`.

use std::{collections::BTreeMap, fs, time::Duration};

use anyhow::Context;
use serde::Serialize;

/// The kernel's clock ticks per second, the same on every Linux that runs this.
const TICKS_PER_SECOND: u64 = 100;

/// Processes by name; a server counts with its children.
pub(crate) type Named = Vec<(&'static str, u32)>;

/// The CPU time of processes up to a moment.
#[derive(Debug, Clone)]
pub(crate) struct Account(BTreeMap<&'static str, Duration>);

/// The memory of one process.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Memory {
    /// Resident now.
    pub(crate) rss_mib: f64,
    /// The most that was ever resident.
    pub(crate) peak_mib: f64,
}

impl Account {
    /// As it stands now.
    pub(crate) fn now(processes: &Named) -> Self {
        let time = |(name, pid): &(&'static str, u32)| {
            // The servers and services are children of this very process: it counts alone.
            let ticks = match *pid == std::process::id() {
                true => own_ticks(*pid),
                false => family(*pid).into_iter().map(|pid| own_ticks(pid) + ended(pid)).sum(),
            };
            (*name, Duration::from_millis(ticks * 1000 / TICKS_PER_SECOND))
        };
        Self(processes.iter().map(time).collect())
    }

    /// CPU milliseconds by process since an earlier moment.
    pub(crate) fn since(&self, earlier: &Self) -> BTreeMap<&'static str, f64> {
        let spent = |(name, time): (&&'static str, &Duration)| {
            let before = earlier.0.get(*name).copied().unwrap_or_default();
            (*name, time.saturating_sub(before).as_secs_f64() * 1000.0)
        };
        self.0.iter().map(spent).collect()
    }
}

/// How much of the CPU time spent each process spent, in per cent.
pub(crate) fn shares(spent: &BTreeMap<&'static str, f64>) -> BTreeMap<&'static str, f64> {
    let total: f64 = spent.values().sum();
    spent.iter().map(|(name, time)| (*name, (time / total.max(1.0) * 100.0).round())).collect()
}

/// What this process holds in memory, in bytes.
pub(crate) fn resident() -> anyhow::Result<usize> {
    let statm = fs::read_to_string("/proc/self/statm").context("/proc/self/statm")?;
    let pages: usize = statm.split(' ').nth(1).context("its second field")?.parse()?;
    Ok(pages * 4096)
}

/// How much memory each process holds.
pub(crate) fn memory(processes: &Named) -> BTreeMap<&'static str, Memory> {
    processes.iter().map(|(name, pid)| (*name, memory_of(*pid))).collect()
}

fn memory_of(pid: u32) -> Memory {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
        let kibibytes: f64 = line.trim().trim_end_matches(" kB").parse().unwrap_or_default();
        (kibibytes / 102.4).round() / 10.0
    };
    Memory { rss_mib: field("VmRSS:"), peak_mib: field("VmHWM:") }
}

/// A process and its children: Postgres works in them.
fn family(pid: u32) -> Vec<u32> {
    let tasks = format!("/proc/{pid}/task/{pid}/children");
    let children = fs::read_to_string(tasks).unwrap_or_default();
    let children = children.split_whitespace().filter_map(|child| child.parse().ok());
    std::iter::once(pid).chain(children).collect()
}

/// User and system time of a process itself.
fn own_ticks(pid: u32) -> u64 {
    stat(pid, 11)
}

/// User and system time of its children that have ended.
fn ended(pid: u32) -> u64 {
    stat(pid, 13)
}

/// The sum of two neighbouring fields after the name.
fn stat(pid: u32, field: usize) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The name may hold anything, blanks and brackets included; what follows its end does not.
    let Some((_, rest)) = stat.rsplit_once(')') else { return 0 };
    let fields = rest.split_whitespace().skip(field).take(2);
    fields.filter_map(|field| field.parse::<u64>().ok()).sum()
}
