//! Chains that nobody wants any more.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{ChainId, Message, Reason, change::Change};

/// What a chain was planned for is gone: what of it has not ended is to end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ChainWithdrawn {
    /// The chain.
    pub chain: ChainId,
    /// What it was planned for, as it was told of last.
    pub change: Change,
    /// Why nobody wants it.
    pub reason: Reason,
}

impl Message for ChainWithdrawn {
    const TYPE: &'static str = "chain.withdrawn";
    const MEANING: &'static str = "The reason for a chain no longer exists, so the chain must end.";

    fn key(&self) -> String {
        self.chain.to_string()
    }
}
