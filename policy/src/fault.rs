//! What is wrong with a set of policies.

use std::fmt;

use located::Fault;
use serde::Serialize;

/// Everything that is wrong with a set of policies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(transparent)]
pub struct Faults(pub Vec<Fault>);

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let many = if self.0.len() == 1 { "fault" } else { "faults" };
        write!(f, "{} {many} in the policies", self.0.len())?;
        self.0.iter().try_for_each(|fault| write!(f, "\n\n{fault}"))
    }
}
