//! Calls of blocking hooks: asked, answered in time, or not.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{
    evaluate::Ask,
    model::{Cost, Silence},
};

/// One hook that was asked about a gate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Call {
    /// The hook.
    pub hook: String,
    /// When it was asked.
    pub asked_at: DateTime<Utc>,
    /// From when on silence counts.
    pub deadline: DateTime<Utc>,
    /// What it counts as.
    pub on_silence: Silence,
    /// What it said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<Answer>,
}

/// What a hook said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// Whether the gate may pass.
    pub pass: bool,
    /// Who said so.
    pub by: String,
    /// Why, in their words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// What it would add to the costs of a month, if they know.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost_delta: Option<Cost>,
    /// When it was taken down.
    pub at: DateTime<Utc>,
}

impl Call {
    /// A call that is made now.
    pub fn new(ask: Ask, now: DateTime<Utc>) -> Self {
        let Ask { hook, deadline, on_silence } = ask;
        Self { hook, asked_at: now, deadline, on_silence, answer: None }
    }

    /// What it would add to the costs of a month, as far as anybody who was asked knows. Of several
    /// who say something else, whoever fears most.
    pub fn cost_delta(calls: &[Self]) -> Option<Cost> {
        calls.iter().filter_map(|call| call.answer.as_ref()?.cost_delta).max()
    }
}
