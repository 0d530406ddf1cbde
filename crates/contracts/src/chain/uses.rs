//! What the runs of a stack use that there is only so much of.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{List, Text};

/// What the runs of a stack use that there is only so much of, as far as that is known.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Uses {
    /// The worker pool they run in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub worker_pool: Option<WorkerPool>,
    /// The providers that the code of the stack needs, such as `aws`.
    #[serde(skip_serializing_if = "<[Text]>::is_empty")]
    pub providers: List<Text>,
    /// The accounts, projects and subscriptions at clouds that they touch.
    #[serde(skip_serializing_if = "<[Text]>::is_empty")]
    pub cloud_accounts: List<Text>,
}

impl Uses {
    /// Whether nothing is known.
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

/// How many runs may be at once of all stacks that count under one name, as the code of a stack says.
#[derive(
    Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub struct SaidLimit {
    /// What the name is of.
    pub of: LimitedBy,
    /// The label, the provider, the account.
    pub name: String,
    /// The most runs at once.
    pub most: u32,
}

/// What the code of a stack can limit runs by.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum LimitedBy {
    /// A label of stacks.
    Label,
    /// A provider that their code needs.
    Provider,
    /// An account, project or subscription at a cloud that they touch.
    CloudAccount,
}

/// A worker pool of Spacelift.
#[derive(
    Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub struct WorkerPool {
    /// Its id; `public` of the one that belongs to Spacelift.
    pub id: Text,
    /// Its name, for people.
    pub name: Text,
}

impl WorkerPool {
    /// The pool of those that have none of their own.
    pub fn public() -> Self {
        Self { id: "public".into(), name: "public".into() }
    }

    /// Whether it belongs to Spacelift.
    pub fn is_public(&self) -> bool {
        self.id == "public"
    }
}
