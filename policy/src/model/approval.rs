//! Who must approve, and who else may after a while.

use std::time::Duration;

use serde::Serialize;

/// Who must approve.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Approval {
    /// How many people.
    pub min_approvers: usize,
    /// Who may; with no users, groups and shares, everybody.
    pub users: Vec<String>,
    /// Whose members may.
    pub groups: Vec<String>,
    /// How many of them must be of which groups.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub shares: Vec<Share>,
    /// Whether the author of the change is left out.
    pub no_self_approval: bool,
    /// Whether nothing counts as long as nobody knows who that is.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub known_authors: bool,
    /// How long an approval counts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires: Option<Duration>,
    /// After how long without enough approvals it is denied.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deny_after: Option<Duration>,
    /// After how long without enough approvals people are reminded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remind_after: Option<Duration>,
    /// Who else may approve after a while.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub escalation: Option<Escalation>,
}

impl Approval {
    /// Whether it matters who approves: somebody else than made the change, or than approved already.
    pub fn tells_apart(&self) -> bool {
        self.no_self_approval
            || self.min_approvers > 1
            || self.shares.iter().any(|share| share.count > 1)
    }
}

/// Others who may approve when those who should have not done so for long.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Escalation {
    /// After how long.
    pub after: Duration,
    /// Members of which groups.
    pub groups: Vec<String>,
}

/// So many of the members of these groups must approve.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Share {
    /// How many.
    pub count: usize,
    /// Of which groups; any of them.
    pub groups: Vec<String>,
}
