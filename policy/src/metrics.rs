//! How policies on trial compare with those in force, and whether what is there is refused.

use opentelemetry::{
    KeyValue,
    metrics::{Counter, Gauge},
};

/// Counts what policies on trial would have decided.
#[derive(Debug)]
pub(crate) struct Trials(Counter<u64>);

impl Default for Trials {
    fn default() -> Self {
        let meter = opentelemetry::global::meter("policy");
        Self(
            meter
                .u64_counter("stackly_shadow_decisions")
                .with_description(
                    "Decisions put to the policies on trial, too, by whether they agree.",
                )
                .build(),
        )
    }
}

impl Trials {
    pub(crate) fn decided(&self, agrees: bool) {
        self.0.add(1, &[KeyValue::new("agrees", agrees)]);
    }
}

/// Says whether policies are refused.
#[derive(Debug)]
pub(crate) struct Refusals(Gauge<u64>);

impl Default for Refusals {
    fn default() -> Self {
        let meter = opentelemetry::global::meter("policy");
        Self(
            meter
                .u64_gauge("stackly_policies_refused")
                .with_description("1 while what is there now is refused, in force or on trial.")
                .build(),
        )
    }
}

impl Refusals {
    pub(crate) fn are(&self, is_trial: bool, refused: bool) {
        let set = if is_trial { "on_trial" } else { "in_force" };
        self.0.record(u64::from(refused), &[KeyValue::new("set", set)]);
    }
}
