//! What every consumer measures, under the same names in every service.

use std::time::Duration;

use opentelemetry::{
    KeyValue,
    metrics::{Counter, Gauge, Histogram},
};

/// The instruments of one consumer. Made once: looking an instrument up costs more than using it.
#[derive(Debug)]
pub(crate) struct Metrics {
    consumer: KeyValue,
    messages: Counter<u64>,
    dead_letters: Counter<u64>,
    handle: Histogram<f64>,
    pending: Gauge<u64>,
}

impl Metrics {
    pub(crate) fn of(consumer: &'static str) -> Self {
        let meter = opentelemetry::global::meter("bus");
        Self {
            consumer: KeyValue::new("consumer", consumer),
            // The Prometheus page adds `_total` to counters and the unit to histograms.
            messages: meter
                .u64_counter("stackly_messages")
                .with_description("Messages settled, by what became of them.")
                .build(),
            dead_letters: meter
                .u64_counter("stackly_dead_letters")
                .with_description("Messages given up, by reason code.")
                .build(),
            handle: meter
                .f64_histogram("stackly_handle_duration")
                .with_description("From taking a batch to handing its answers over.")
                .with_unit("s")
                .with_boundaries(vec![0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0])
                .build(),
            pending: meter
                .u64_gauge("stackly_consumer_pending")
                .with_description("Messages that wait for this consumer, as last heard.")
                .build(),
        }
    }

    pub(crate) fn settled(&self, outcome: &'static str, code: &'static str) {
        self.messages.add(1, &[self.consumer.clone(), KeyValue::new("outcome", outcome)]);
        if !code.is_empty() {
            self.dead_letters.add(1, &[self.consumer.clone(), KeyValue::new("code", code)]);
        }
    }

    pub(crate) fn handled(&self, elapsed: Duration) {
        self.handle.record(elapsed.as_secs_f64(), std::slice::from_ref(&self.consumer));
    }

    pub(crate) fn pending(&self, waiting: u64) {
        self.pending.record(waiting, std::slice::from_ref(&self.consumer));
    }
}
