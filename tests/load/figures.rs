//! Numbers as they are printed: quantiles, and the spread of several rounds.

use std::time::Duration;

use serde::Serialize;

/// How long something took, over many times.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Latency {
    pub(crate) p50_ms: f64,
    pub(crate) p90_ms: f64,
    pub(crate) p95_ms: f64,
    pub(crate) p99_ms: f64,
    /// The slowest thousandth: the slowest of all, if there are fewer than a thousand.
    pub(crate) p999_ms: f64,
    pub(crate) max_ms: f64,
    pub(crate) count: usize,
}

impl Latency {
    pub(crate) fn of(mut times: Vec<Duration>) -> Self {
        times.sort_unstable();
        let at = |share: f64| {
            let place = (times.len() as f64 * share) as usize;
            let time = times.get(place.min(times.len().saturating_sub(1)));
            round(time.copied().unwrap_or_default().as_secs_f64() * 1000.0)
        };
        Self {
            p50_ms: at(0.5),
            p90_ms: at(0.9),
            p95_ms: at(0.95),
            p99_ms: at(0.99),
            p999_ms: at(0.999),
            max_ms: at(1.0),
            count: times.len(),
        }
    }
}

/// What several rounds of one measurement came to.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Spread {
    pub(crate) min: f64,
    pub(crate) median: f64,
    pub(crate) max: f64,
    pub(crate) rounds: usize,
}

impl Spread {
    pub(crate) fn of(values: impl IntoIterator<Item = f64>) -> Self {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        let at = |place: usize| round(values.get(place).copied().unwrap_or_default());
        let last = values.len().saturating_sub(1);
        Self { min: at(0), median: at(last / 2), max: at(last), rounds: values.len() }
    }
}

/// Three figures are all that such a measurement has.
pub(crate) fn round(value: f64) -> f64 {
    let scale = if value.abs() >= 100.0 { 1.0 } else { 1000.0 };
    (value * scale).round() / scale
}
