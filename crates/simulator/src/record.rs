//! What is kept of one run.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use async_graphql::Enum;
use serde::{Deserialize, Serialize};
use ulid::Ulid;

use crate::{
    account::{PlanResult, ResourceChange},
    states::{RunState, RunType},
};

/// A commit as it is shown with runs and stacks.
#[derive(Clone, Debug, Default)]
pub(crate) struct Commit {
    pub(crate) author_login: Option<String>,
    pub(crate) author_name: String,
    pub(crate) hash: String,
    pub(crate) message: String,
    pub(crate) tag: Option<String>,
    pub(crate) timestamp: i64,
    pub(crate) url: String,
}

/// What a plan adds, changes and deletes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Delta {
    pub(crate) add: u32,
    pub(crate) change: u32,
    pub(crate) delete: u32,
    /// Resources there will be.
    pub(crate) resources: u32,
}

/// One entry into a state.
#[derive(Clone, Debug)]
pub(crate) struct Transition {
    pub(crate) state: RunState,
    pub(crate) version: i32,
    pub(crate) at_ms: i64,
    pub(crate) note: Option<Arc<str>>,
    pub(crate) username: Option<Arc<str>>,
}

/// What a reviewer said.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[graphql(rename_items = "SCREAMING_SNAKE_CASE")]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum RunReviewDecision {
    /// One approval.
    Approve,
    /// Ends the run.
    Reject,
}

#[derive(Clone, Debug)]
pub(crate) struct Review {
    pub(crate) id: Ulid,
    pub(crate) author: Arc<str>,
    pub(crate) decision: RunReviewDecision,
    pub(crate) note: Option<String>,
    pub(crate) state: RunState,
    pub(crate) version: i32,
    pub(crate) at_ms: i64,
}

#[derive(Clone, Debug)]
pub(crate) struct Comment {
    pub(crate) body: String,
    pub(crate) at_ms: i64,
    pub(crate) username: Arc<str>,
}

/// One run.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    pub(crate) id: Ulid,
    pub(crate) stack: Arc<str>,
    pub(crate) kind: RunType,
    pub(crate) state: RunState,
    pub(crate) version: i32,
    pub(crate) branch: Arc<str>,
    pub(crate) command: Option<String>,
    pub(crate) commit: Arc<Commit>,
    pub(crate) created_ms: i64,
    pub(crate) updated_ms: i64,
    /// Nobody means: a push.
    pub(crate) triggered_by: Option<Arc<str>>,
    pub(crate) history: Vec<Transition>,
    pub(crate) delta: Option<Delta>,
    /// Known once planning (or the work of a task) has ended.
    pub(crate) outcome: Option<PlanResult>,
    /// What the plan changes, resource by resource, where somebody said so.
    pub(crate) changes: Vec<ResourceChange>,
    /// What its log says if it fails.
    pub(crate) failure_log: Vec<String>,
    pub(crate) force_apply: bool,
    pub(crate) skip_initialization: bool,
    pub(crate) targets: Vec<String>,
    /// What callers gave as user-provided metadata; no GraphQL field shows it.
    pub(crate) metadata: Vec<Arc<str>>,
    pub(crate) reviews: Vec<Review>,
    pub(crate) comments: Vec<Comment>,
    /// The ordered walk down the dependency graph it belongs to.
    pub(crate) pass: Option<u64>,
    pub(crate) awaits_parents: bool,
    /// External dependencies it still waits for, by name.
    pub(crate) external: BTreeSet<String>,
    /// Environment variables from the parents' outputs and from the caller.
    pub(crate) inputs: BTreeMap<String, String>,
    /// Whether missing inputs are left out instead of failing the run.
    pub(crate) lenient_inputs: bool,
    /// Outputs that this run created or changed.
    pub(crate) changed_outputs: BTreeSet<String>,
    /// Whether a stop was asked for, which a kill needs.
    pub(crate) stop_asked: bool,
}

impl Run {
    pub(crate) fn finished(&self) -> bool {
        self.state.terminal()
    }

    pub(crate) fn title(&self) -> String {
        match &self.command {
            Some(command) => command.clone(),
            None => self.commit.message.lines().next().unwrap_or_default().into(),
        }
    }

    /// Approvals that count in the current visit to the current state: every author's newest.
    pub(crate) fn approvals(&self) -> u32 {
        let mut newest: BTreeMap<&str, RunReviewDecision> = BTreeMap::new();
        for review in self.reviews.iter().filter(|review| review.version == self.version) {
            newest.insert(&review.author, review.decision);
        }
        let approvals = newest.values().filter(|d| **d == RunReviewDecision::Approve).count();
        u32::try_from(approvals).unwrap_or(u32::MAX)
    }

    /// Whether the run ended in a way that breaks its chain.
    pub(crate) fn broke(state: RunState) -> bool {
        matches!(
            state,
            RunState::Failed | RunState::Discarded | RunState::Canceled | RunState::Stopped
        )
    }
}
