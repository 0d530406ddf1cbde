//! Who approved, who still may, and what is missing.

use std::collections::BTreeSet;

use contracts::{Code, GateId, Reason, gate::GateRequested};

use super::scope::speaking;
use crate::{
    model::{Approval, PolicySet, Rule, person},
    review::{Review, newest},
};

/// How one demand for approvals stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing<'a> {
    /// The policy that asks.
    pub policy: &'a str,
    /// How many people must approve.
    pub needed: usize,
    /// Who did, among those who may.
    pub given: Vec<&'a str>,
    /// Who may; `None`: everybody.
    pub approvers: Option<BTreeSet<&'a str>>,
    /// Who may not, having made the change.
    pub author: Option<&'a str>,
    gate: GateId,
}

/// Why somebody's approval does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ineligible {
    /// They made the change.
    Author,
    /// They are not among those who may.
    NotListed,
}

/// How every demand for approvals at this gate stands.
pub fn standings<'a>(
    set: &'a PolicySet,
    request: &'a GateRequested,
    reviews: &'a [Review],
) -> Vec<Standing<'a>> {
    let yes: Vec<&Review> = newest(reviews).into_iter().filter(|review| review.approve).collect();
    speaking(set, request)
        .filter_map(|asked| match asked.rule {
            Rule::Approval(approval) => Some((asked.policy.name.as_str(), approval)),
            _ => None,
        })
        .map(|(policy, approval)| {
            let mut standing = Standing::new(set, request, policy, approval);
            let counts = |review: &&&Review| standing.eligible(&review.by).is_ok();
            standing.given = yes.iter().filter(counts).map(|review| review.by.as_str()).collect();
            standing
        })
        .collect()
}

impl<'a> Standing<'a> {
    fn new(
        set: &'a PolicySet,
        request: &'a GateRequested,
        policy: &'a str,
        approval: &'a Approval,
    ) -> Self {
        Self {
            policy,
            needed: approval.min_approvers,
            given: Vec::new(),
            approvers: set.approvers(approval),
            author: approval.no_self_approval.then_some(request.change.author.as_str()),
            gate: request.gate,
        }
    }

    /// Whether enough people approved.
    pub fn is_met(&self) -> bool {
        self.given.len() >= self.needed
    }

    /// Whether the approval of `name` counts here.
    pub fn eligible(&self, name: &str) -> Result<(), Ineligible> {
        let name = person(name);
        if self.author.is_some_and(|author| person(author) == name) {
            return Err(Ineligible::Author);
        }
        match &self.approvers {
            Some(approvers) if !approvers.contains(name.as_str()) => Err(Ineligible::NotListed),
            _ => Ok(()),
        }
    }

    /// Who may still approve; `None`: everybody who has not.
    pub fn left(&self) -> Option<Vec<&'a str>> {
        let approved = |name: &str| self.given.iter().any(|given| person(given) == name);
        let may = |name: &&str| self.eligible(name).is_ok() && !approved(name);
        self.approvers.as_ref().map(|approvers| approvers.iter().copied().filter(may).collect())
    }

    pub(super) fn reason(&self) -> Reason {
        let Self { policy, needed, gate, .. } = self;
        let approvals = if *needed == 1 { "approval" } else { "approvals" };
        let given = match self.given.as_slice() {
            [] => String::new(),
            names => format!(" ({})", names.join(", ")),
        };
        if self.is_met() {
            let text = format!("policy {policy} has its {needed} {approvals}{given}");
            return Reason::new(Code::Approved, text);
        }
        let text = format!(
            "policy {policy} wants {needed} {approvals}, {} given{given}; {}",
            self.given.len(),
            match self.left() {
                Some(left) if left.is_empty() => format!(
                    "nobody is left who may: allow more people in the policy, or reject with: \
                     stackly reject {gate}"
                ),
                left => format!("approve with: stackly approve {gate}{}", self.who(left)),
            }
        );
        Reason::new(Code::ApprovalNeeded, text)
    }

    fn who(&self, left: Option<Vec<&str>>) -> String {
        match (left, self.author) {
            (Some(left), _) => format!(" (from: {})", left.join(", ")),
            (None, Some(author)) => format!(" (not from {author}, whose change it is)"),
            (None, None) => String::new(),
        }
    }
}
