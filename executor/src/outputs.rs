//! Outputs of a step that others read: which they are, and whether its apply left them as they were.
//!
//! No value is kept: only digests, salted with the chain, and none of an output that is a secret.

use std::collections::{BTreeMap, BTreeSet};

use contracts::{ChainId, chain::EdgeOrigin, label};
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use spacelift::Output;
use uuid::Uuid;

use crate::Chain;

/// All outputs of a stack.
pub(crate) const EVERY: &str = "*";

/// Outputs as they were at some moment, each by its name, all of them together by [`EVERY`]. What is
/// absent is not known.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Digests(BTreeMap<String, Uuid>);

/// What is known of the outputs of a step that others read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outputs {
    /// They are being read, right before its apply is confirmed.
    Asked,
    /// So they were before its apply; once it has ended, they are read again.
    Before(Digests),
    /// These are after its apply as they were before.
    Kept(BTreeSet<String>),
}

impl Digests {
    /// Of those that are wanted. What Spacelift hides may have any value.
    pub(crate) fn of(chain: ChainId, wanted: &BTreeSet<String>, outputs: &[Output]) -> Self {
        let shown: BTreeMap<&str, &str> = outputs
            .iter()
            .filter(|output| !output.sensitive)
            .filter_map(|output| Some((&*output.name, output.value.as_ref()?.expose_secret())))
            .collect();
        let digest = |name: &String| {
            let text = match name.as_str() {
                EVERY if shown.is_empty() || shown.len() < outputs.len() => return None,
                EVERY => serde_json::to_vec(&shown),
                name => serde_json::to_vec(&(name, shown.get(name)?)),
            };
            let text = text.expect("texts can be written");
            Some((name.clone(), Uuid::new_v5(&chain.0, &text)))
        };
        Self(wanted.iter().filter_map(digest).collect())
    }

    /// Those that are known of both, and the same.
    pub(crate) fn kept(&self, later: &Self) -> BTreeSet<String> {
        let is_same = |(name, digest): &(&String, &Uuid)| later.0.get(*name) == Some(*digest);
        self.0.iter().filter(is_same).map(|(name, _)| name.clone()).collect()
    }

    /// Which are known.
    pub(crate) fn names(&self) -> BTreeSet<String> {
        self.0.keys().cloned().collect()
    }

    /// Nothing is known.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Chain {
    /// The outputs that a step reads of one of its parents, if it reads nothing else of it. An edge
    /// that only says that there is one may be about anything.
    pub(crate) fn reads(&self, at: usize, parent: usize) -> Option<BTreeSet<String>> {
        let (child, parent) = (self.stack(at), self.stack(parent));
        let edge = self.edges.iter().find(|it| it.child == *child && it.parent == *parent)?;
        let labels = &self.steps[at].planned.labels;
        let only_outputs = labels.iter().any(|label| *label == label::READS_OUTPUTS);
        let mut read = BTreeSet::new();
        for origin in edge.origins.iter() {
            match origin {
                EdgeOrigin::Declared { outputs, .. } | EdgeOrigin::Inferred { outputs, .. }
                    if !outputs.is_empty() =>
                {
                    read.extend(outputs.iter().cloned());
                }
                _ if only_outputs => _ = read.insert(EVERY.to_owned()),
                _ => return None,
            }
        }
        if read.contains(EVERY) {
            read.retain(|name| name == EVERY);
        }
        (!read.is_empty()).then_some(read)
    }
}

#[cfg(test)]
mod tests;
