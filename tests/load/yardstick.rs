//! What the disk gives just now: every durable figure moves with it.

use std::{
    io::Write,
    time::{Duration, Instant},
};

use anyhow::Context;
use serde::Serialize;

use crate::figures::{Latency, round};

/// For how long the disk is asked.
const WINDOW: Duration = Duration::from_millis(700);
/// As long as a row of a delivery.
const APPEND: usize = 1_100;

/// Raw appends, each followed by `fsync`.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Fsync {
    pub(crate) per_second: f64,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
}

/// Appends and flushes for a moment, where the servers keep their files.
pub(crate) async fn fsync() -> anyhow::Result<Fsync> {
    tokio::task::spawn_blocking(append).await?
}

fn append() -> anyhow::Result<Fsync> {
    let mut file = tempfile::tempfile().context("a file to flush")?;
    let block = [b'x'; APPEND];
    let began = Instant::now();
    let mut times = Vec::new();
    while began.elapsed() < WINDOW {
        let before = Instant::now();
        file.write_all(&block)?;
        file.sync_all()?;
        times.push(before.elapsed());
    }
    let per_second = round(times.len() as f64 / began.elapsed().as_secs_f64());
    let Latency { p50_ms, p99_ms, .. } = Latency::of(times);
    Ok(Fsync { per_second, p50_ms, p99_ms })
}
