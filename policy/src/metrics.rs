//! How policies on trial compare with those in force.

use opentelemetry::{KeyValue, metrics::Counter};

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
