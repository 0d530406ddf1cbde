//! Who approved, who still may, and what is missing.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use contracts::{
    Code, GateId, Reason,
    gate::{GateRequested, Moment},
};

use super::{
    Case, clock,
    facts::Facts,
    may_break_glass,
    scope::{Asked, speaking},
    span,
};
use crate::{
    model::{Approval, PolicySet, Rule, Share},
    people::{People, authors},
    review::{Review, Word, apart, newest},
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
    /// Whose approval is too old to count.
    pub expired: Vec<&'a str>,
    /// Whose approval does not count, because they may be somebody else who has a part in it.
    pub doubtful: Vec<&'a str>,
    /// Who may; `None`: everybody.
    pub approvers: Option<BTreeSet<&'a str>>,
    /// Who may not, having made the change: who pushed it, and who wrote its commits.
    pub authors: Vec<&'a str>,
    /// Those of them who may be anybody, also whoever approves.
    pub strangers: Vec<&'a str>,
    /// Of which groups approvals are missing, and how many.
    pub missing: Vec<(usize, &'a [String])>,
    /// When the first of the approvals given stops counting.
    pub expires_at: Option<DateTime<Utc>>,
    /// When it is denied for want of approvals.
    pub overdue_at: Option<DateTime<Utc>>,
    /// When people are reminded, and when others may approve as well.
    pub urged_at: [Option<DateTime<Utc>>; 2],
    /// The groups whose members may approve as well from the second of these times on.
    pub escalates_to: &'a [String],
    /// The groups whose members may approve.
    groups: Vec<&'a [String]>,
    /// The groups whose members may approve as well by now.
    escalated_to: &'a [String],
    asked_at: DateTime<Utc>,
    /// Nothing counts as long as somebody is a stranger.
    wants_known: bool,
    /// Whom whoever approves must be known to be somebody else than; empty, if it matters not who does.
    other_than: Vec<&'a str>,
    people: &'a People,
    gate: GateId,
    now: DateTime<Utc>,
}

/// Why somebody's approval does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ineligible {
    /// They made the change.
    Author,
    /// They are not among those who may.
    NotListed,
    /// Nobody knows whether they are somebody else than others who have a part in it.
    Unknown,
    /// Nobody knows who made the change, and the policy wants that known.
    NoAuthor,
}

/// How every demand for approvals at this gate stands.
pub fn standings<'a>(set: &'a PolicySet, case: &Case<'a>) -> Vec<Standing<'a>> {
    let facts = Facts::of(case);
    let demands = speaking(set, &facts).filter_map(|asked| standing(set, case, &asked));
    demands.collect()
}

/// Whether somebody may say no to what asks nobody: whoever made the change, may break its glass, or
/// may approve at any gate of it.
pub fn may_reject(set: &PolicySet, case: &Case<'_>, review: &Review) -> bool {
    let is_own = || authors(&case.request.change).iter().any(|it| set.people.same(it, &review.by));
    let may_approve_at = |moment: &Moment| {
        let request = GateRequested { moment: *moment, ..case.request.clone() };
        let standings = standings(set, &Case { request: &request, ..*case });
        standings.iter().any(|standing| standing.eligible(review) != Err(Ineligible::NotListed))
    };
    is_own()
        || may_break_glass(set, case, &review.by).is_some()
        || Moment::ALL.iter().any(may_approve_at)
}

/// The program to which the word of `by` says nothing, because it counts people and nobody can tell
/// who this is.
pub fn unknown_to<'a>(set: &'a PolicySet, case: &Case<'a>, by: &str) -> Option<&'a str> {
    if !set.people.may_be_anybody(by, &authors(&case.request.change)) {
        return None;
    }
    let facts = Facts::of(case);
    let mut programs = speaking(set, &facts).filter(|it| matches!(it.rule, Rule::Rego(_)));
    programs.next().map(|asked| asked.policy.name.as_str())
}

/// How the demand of a rule stands, if it is one for approvals.
pub(super) fn standing<'a>(
    set: &'a PolicySet,
    case: &Case<'a>,
    asked: &Asked<'a>,
) -> Option<Standing<'a>> {
    let Rule::Approval(approval) = asked.rule else { return None };
    let mut standing = Standing::new(set, case, &asked.policy.name, approval);
    standing.count(approval, case);
    Some(standing)
}

impl<'a> Standing<'a> {
    fn new(set: &'a PolicySet, case: &Case<'a>, policy: &'a str, approval: &'a Approval) -> Self {
        // People have their time again if it is asked again, and who may approve by then may still.
        let asked_at = case.asked_again_at.unwrap_or(case.asked_at);
        let overdue = |after| asked_at.checked_add_signed(span(after));
        let escalation = approval.escalation.as_ref();
        let remind_at = approval.remind_after.and_then(overdue);
        let escalate_at =
            escalation.and_then(|it| case.asked_at.checked_add_signed(span(it.after)));
        let mut approvers = set.approvers(approval);
        let is_past = |at: DateTime<Utc>| at <= case.now;
        let escalated = escalation.filter(|_| escalate_at.is_some_and(is_past));
        let escalated_to = escalated.map_or(&[][..], |it| it.groups.as_slice());
        if let Some(approvers) = &mut approvers {
            approvers.extend(set.people.members(escalated_to));
        }
        let authors = match approval.no_self_approval {
            true => authors(&case.request.change),
            false => Vec::new(),
        };
        // Where its authors may approve, too, whoever pushed it is enough to go by.
        let other_than = match approval.tells_apart() {
            true if authors.is_empty() => vec![case.request.change.author.as_str()],
            true => authors.clone(),
            false => Vec::new(),
        };
        let wants_known = approval.known_authors;
        let mut strangers = authors.clone();
        strangers.retain(|author| {
            let is_listed =
                approvers.as_ref().is_some_and(|them| them.contains(&*set.people.known_as(author)));
            !is_listed && set.people.is_stranger(author, wants_known)
        });
        Self {
            policy,
            needed: approval.min_approvers,
            given: Vec::new(),
            expired: Vec::new(),
            doubtful: Vec::new(),
            other_than,
            approvers,
            urged_at: [remind_at, escalate_at],
            groups: [approval.groups.as_slice(), escalated_to]
                .into_iter()
                .chain(approval.shares.iter().map(|share| share.groups.as_slice()))
                .collect(),
            escalated_to,
            escalates_to: escalation.map_or(&[][..], |it| it.groups.as_slice()),
            asked_at,
            authors,
            strangers,
            wants_known,
            missing: Vec::new(),
            expires_at: None,
            overdue_at: approval.deny_after.and_then(overdue),
            people: &set.people,
            gate: case.request.gate,
            now: case.now,
        }
    }

    /// Counts what was said.
    fn count(&mut self, approval: &'a Approval, case: &Case<'a>) {
        let mut counted: Vec<&Review> = Vec::new();
        for review in newest(self.people, case.reviews) {
            if review.word != Word::Approve {
                continue;
            }
            match self.eligible(review) {
                Ok(()) => {}
                Err(Ineligible::Unknown) => {
                    self.doubtful.push(&review.by);
                    continue;
                }
                Err(Ineligible::Author | Ineligible::NotListed | Ineligible::NoAuthor) => continue,
            }
            let end =
                approval.expires.and_then(|expires| review.at.checked_add_signed(span(expires)));
            if end.is_some_and(|end| end <= case.now) {
                self.expired.push(&review.by);
                continue;
            }
            self.expires_at = [self.expires_at, end].into_iter().flatten().min();
            counted.push(review);
        }
        if !self.other_than.is_empty() {
            // Whom a policy lists by an id or an address, it means.
            let is_listed = |review: &Review| {
                self.approvers.is_some() && self.may(&review.by, review.at).is_ok()
            };
            let (most, rest) = apart(self.people, &self.other_than, counted, is_listed);
            self.doubtful.extend(rest.iter().map(|review| review.by.as_str()));
            counted = most;
        }
        self.given = counted.iter().map(|review| review.by.as_str()).collect();
        for Share { count, groups } in &approval.shares {
            let members: BTreeSet<&str> = self.people.members(groups).collect();
            let is_of_them = |review: &&&Review| {
                self.acts_for(&members, review) || self.people.vouched(groups, &review.groups)
            };
            let of_them = counted.iter().filter(is_of_them).count();
            if of_them < *count {
                self.missing.push((count - of_them, groups));
            }
        }
    }

    /// Whether an approval is one of a member, or of who stands in for one.
    fn acts_for(&self, members: &BTreeSet<&str>, review: &Review) -> bool {
        let names = self.people.acting_as(&review.by, review.at);
        names.iter().any(|name| members.contains(name.as_str()) && !self.is_author(name))
    }

    fn is_author(&self, name: &str) -> bool {
        self.authors.iter().any(|author| self.people.same(author, name))
    }

    /// Whether anybody can tell who this is, where that matters.
    fn known(&self, name: &str) -> Result<(), Ineligible> {
        match self.people.may_be_anybody(name, &self.other_than) {
            true => Err(Ineligible::Unknown),
            false => Ok(()),
        }
    }

    /// Whether enough people approved.
    pub fn is_met(&self) -> bool {
        self.given.len() >= self.needed && self.missing.is_empty()
    }

    /// How many approvals there must be at least, with those there are.
    pub fn wanted(&self) -> usize {
        let of_groups = self.missing.iter().map(|(count, _)| *count).max().unwrap_or(0);
        self.needed.max(self.given.len() + of_groups)
    }

    /// Whether what somebody says counts here.
    pub fn eligible(&self, review: &Review) -> Result<(), Ineligible> {
        let own = self.may(&review.by, review.at);
        let vouched = || self.groups.iter().any(|of| self.people.vouched(of, &review.groups));
        match own {
            // The issuer says that they belong to a group, and not whether they made the change.
            Err(Ineligible::NotListed) if vouched() => self.known(&review.by)?,
            own => own?,
        }
        match self.wants_known && !self.strangers.is_empty() {
            true => Err(Ineligible::NoAuthor),
            false => Ok(()),
        }
    }

    /// Whether the approval of `name` counts here if it is given at `at`, by their name alone.
    fn may(&self, name: &str, at: DateTime<Utc>) -> Result<(), Ineligible> {
        if self.is_author(name) {
            return Err(Ineligible::Author);
        }
        let Some(approvers) = &self.approvers else { return self.known(name) };
        // Nobody stands in for anybody, nearly always.
        if self.people.delegations.is_empty() {
            let is_listed = approvers.contains(&*self.people.known_as(name));
            return if is_listed { Ok(()) } else { Err(Ineligible::NotListed) };
        }
        let names = self.people.acting_as(name, at);
        // Nobody approves in the author's stead, either.
        let may = |name: &String| approvers.contains(name.as_str()) && !self.is_author(name);
        if names.iter().any(may) { Ok(()) } else { Err(Ineligible::NotListed) }
    }

    /// Who may still approve; `None`: everybody who has not. Of groups that take an issuer's word,
    /// nobody knows the members: they are named themselves.
    pub fn left(&self) -> Option<Vec<&'a str>> {
        let approved = |name: &str| self.given.iter().any(|given| self.people.same(given, name));
        let may = |name: &&str| self.may(name, self.now).is_ok() && !approved(name);
        let approvers = self.approvers.as_ref()?;
        let stand_ins = self.people.delegations.iter().flat_map(|of| &of.to).map(String::as_str);
        let everybody: BTreeSet<&str> = approvers.iter().copied().chain(stand_ins).collect();
        let open = self.groups.iter().flat_map(|groups| self.people.open(groups));
        let open: BTreeSet<&str> = open.collect();
        Some(everybody.into_iter().filter(may).chain(open).collect())
    }

    /// In whose stead somebody may approve who may not for themselves.
    pub fn instead_of(&self, name: &str) -> Vec<String> {
        let Some(approvers) = &self.approvers else { return Vec::new() };
        let own = self.people.who(name);
        if approvers.contains(own.as_str()) {
            return Vec::new();
        }
        let may = |of: &String| approvers.contains(of.as_str()) && !self.is_author(of);
        self.people.acting_as(name, self.now).into_iter().filter(may).collect()
    }

    pub(super) fn reason(&self) -> Reason {
        let Self { policy, needed, gate, .. } = self;
        let approvals = if *needed == 1 { "approval" } else { "approvals" };
        let given = match self.given.as_slice() {
            [] => String::new(),
            names => format!(" ({})", names.join(", ")),
        };
        let strange = self.strange().map(|of| format!(", {of}")).unwrap_or_default();
        if self.is_met() {
            let text = format!("policy {policy} has its {needed} {approvals}{given}{strange}");
            return Reason::new(Code::Approved, text);
        }
        let text = format!(
            "policy {policy} wants {needed} {approvals}, {} given{given}{}{strange}; {}",
            self.given.len(),
            self.lack(),
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

    /// That it waits for long, if its policy wants that said: the last word first.
    pub fn urge(&self) -> Option<Reason> {
        let [remind_at, _] = self.urged_at;
        let is_late = remind_at.is_some_and(|at| at <= self.now);
        if self.is_met() || (!is_late && self.escalated_to.is_empty()) {
            return None;
        }
        let missing = self.wanted().saturating_sub(self.given.len());
        let approvals = if missing == 1 { "approval" } else { "approvals" };
        let since = clock(self.asked_at, chrono_tz::Tz::UTC);
        let who = self.who(self.left());
        let (policy, gate) = (self.policy, self.gate);
        let text = format!(
            "policy {policy} has waited for {missing} more {approvals} since {since}; approve with: \
             stackly approve {gate}{who}"
        );
        if self.escalated_to.is_empty() {
            return Some(Reason::new(Code::ApprovalOverdue, text));
        }
        let groups = self.escalated_to.join(", ");
        let text = format!("{text}; by now also members of {groups} may approve");
        Some(Reason::new(Code::ApprovalEscalated, text))
    }

    /// What is lacking besides the number.
    fn lack(&self) -> String {
        let mut text = String::new();
        for (count, groups) in &self.missing {
            text.push_str(&format!(", {count} more of {}", groups.join(" or ")));
        }
        if !self.expired.is_empty() {
            text.push_str(&format!(", expired: {}", self.expired.join(", ")));
        }
        if !self.doubtful.is_empty() {
            let names = self.doubtful.join(", ");
            text.push_str(&format!(", perhaps the same person under another name: {names}"));
        }
        text
    }

    /// That somebody may approve their own change under another name.
    pub fn strange(&self) -> Option<String> {
        let names = self.strangers.join(", ");
        let says = match self.wants_known {
            true => "no approval counts before a `person` of the policies says who made the change",
            false => "and no `person` of the policies says who else made the change",
        };
        (!names.is_empty()).then(|| format!("{says}: {names}"))
    }

    fn who(&self, left: Option<Vec<&str>>) -> String {
        match (left, self.authors.as_slice()) {
            (Some(left), _) => format!(" ({} may)", left.join(", ")),
            (None, []) => String::new(),
            (None, authors) => format!(" (not from {}, whose change it is)", authors.join(", ")),
        }
    }
}
