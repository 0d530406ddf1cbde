//! Runs that do the work of several chains.
//!
//! A run that is asked for after everything before a step has ended reads all that was made there,
//! whichever chain asks for it: one that came later would find nothing to do. That everything had
//! ended is read in the transaction that asks for the run, so it holds by whatever clock.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use contracts::{ChainId, RunId, StackId, Text};
use serde::Deserialize;
use uuid::Uuid;

/// What the chains beside one have to do with its steps.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Shares {
    /// Steps of others that wait for a stack.
    pub waiting: HashMap<StackId, Vec<Waiting>>,
    /// Runs of others that have done the work of a step.
    pub done: HashMap<StackId, Shared>,
}

/// Whose work a run does: chains, each with those steps before the one it is about whose work other
/// runs of the same chain have done; everything else before it had ended by itself.
pub(crate) type Serves = BTreeMap<Uuid, BTreeSet<StackId>>;

/// A step of another chain that waits for a stack.
#[derive(Debug, Clone, PartialEq)]
pub struct Waiting {
    /// The other chain.
    pub chain: ChainId,
    /// The steps before it that have not ended.
    pub open: BTreeSet<StackId>,
}

/// A run of another chain that has done the work of a step, and ended well.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Shared {
    /// The other chain.
    #[serde(skip, default = "nobody")]
    pub chain: ChainId,
    /// The run.
    pub run: RunId,
    /// The steps before this one that must have ended because of runs of that chain, too.
    pub through: BTreeSet<StackId>,
    /// With which labels it was planned: they say what a run is given.
    pub labels: Vec<Text>,
}

fn nobody() -> ChainId {
    ChainId(Uuid::nil())
}
