//! Reads who must approve.

use std::ops::Range;

use located::Section;

use super::{Asked, times};
use crate::model::{Approval, Escalation, PolicySet, Rule, Share, person};

/// `None` if the approval is switched off or cannot be read.
pub(super) fn read(section: &Section<'_>) -> Option<Rule> {
    section.only(
        &[
            "required",
            "min_approvers",
            "allowed_users",
            "allowed_groups",
            "all_of",
            "any_of",
            "no_self_approval",
            "known_authors",
            "expires",
            "deny_after",
            "remind_after",
            "escalate_after",
            "escalate_to",
            "reapprove_on_change",
        ],
        &["n_of"],
    );
    let required = section.flag("required").unwrap_or(true);
    let min_approvers = match section.span_of("min_approvers") {
        Some(_) => section.count("min_approvers").map(|(count, _)| count),
        None => Some(1),
    };
    if section.flag("reapprove_on_change") == Some(false) {
        let span = section.span_of("reapprove_on_change").unwrap_or_default();
        section.fault_at(
            span,
            "an approval is always bound to the commit and the plan it was given for",
            "delete it, or write `true`: what people have not seen, they have not approved",
        );
    }
    // Everything is read before it is given up, so that all faults are told at once.
    let approval = Approval {
        min_approvers: min_approvers.unwrap_or_default(),
        users: users(section, "allowed_users"),
        groups: names(section, "allowed_groups"),
        shares: shares(section),
        no_self_approval: section.flag("no_self_approval").unwrap_or(false),
        known_authors: section.flag("known_authors").unwrap_or(false),
        expires: times::duration(section, "expires").map(|(duration, _)| duration),
        deny_after: times::duration(section, "deny_after").map(|(duration, _)| duration),
        remind_after: times::duration(section, "remind_after").map(|(duration, _)| duration),
        escalation: escalation(section),
    };
    if approval.known_authors && !approval.no_self_approval {
        section.fault_at(
            section.span_of("known_authors").unwrap_or_default(),
            "who made the change may approve it, so it matters not who they are",
            "write `no_self_approval = true` beside it, or delete it",
        );
    }
    let anybody = approval.users.is_empty() && approval.groups.is_empty();
    if approval.escalation.is_some() && anybody && approval.shares.is_empty() {
        section.fault_at(
            section.span_of("escalate_to").unwrap_or_default(),
            "everybody may approve already, so there is nobody to escalate to",
            "say who may approve at first: `allowed_groups` or `allowed_users`",
        );
    }
    (required && min_approvers.is_some()).then_some(Rule::Approval(approval))
}

fn escalation(section: &Section<'_>) -> Option<Escalation> {
    let after = times::duration(section, "escalate_after").map(|(duration, _)| duration);
    let groups = names(section, "escalate_to");
    let (says_when, says_who) = (section.span_of("escalate_after"), section.span_of("escalate_to"));
    if let Some(span) = says_when.xor(says_who) {
        section.fault_at(
            span,
            "an escalation needs both `escalate_after` and `escalate_to`",
            "write both, such as `escalate_after = \"8h\"` and `escalate_to = [\"managers\"]`",
        );
    }
    Some(Escalation { after: after?, groups }).filter(|escalation| !escalation.groups.is_empty())
}

/// People, each once.
pub(super) fn users(section: &Section<'_>, key: &str) -> Vec<String> {
    let mut users: Vec<String> = section.texts(key).iter().map(|(user, _)| person(user)).collect();
    users.sort();
    users.dedup();
    users
}

pub(super) fn names(section: &Section<'_>, key: &str) -> Vec<String> {
    section.texts(key).into_iter().map(|(name, _)| name).collect()
}

fn shares(section: &Section<'_>) -> Vec<Share> {
    let mut shares: Vec<Share> = names(section, "all_of")
        .into_iter()
        .map(|group| Share { count: 1, groups: vec![group] })
        .collect();
    let any_of = names(section, "any_of");
    if !any_of.is_empty() {
        shares.push(Share { count: 1, groups: any_of });
    }
    for block in section.blocks("n_of") {
        block.only(&["count", "groups"], &[]);
        if block.span_of("count").is_none() || block.span_of("groups").is_none() {
            block.fault(
                "this `n_of` does not say how many of whom",
                "write `n_of { count = 2, groups = [\"…\"] }`, each on a line of its own",
            );
        }
        let groups = names(&block, "groups");
        if let Some((count, _)) = block.count("count")
            && !groups.is_empty()
        {
            shares.push(Share { count, groups });
        }
    }
    shares
}

/// What must be said if this approval cannot be given.
pub(super) fn asked(policy: &str, approval: &Approval, section: &Section<'_>) -> Asked {
    let in_shares = approval.shares.iter().flat_map(|share| &share.groups);
    let place = |group: &String| -> Range<usize> {
        let escalated = approval.escalation.as_ref();
        let key = if approval.groups.contains(group) {
            "allowed_groups"
        } else if escalated.is_some_and(|it| it.groups.contains(group)) {
            "escalate_to"
        } else if names_group(section, "all_of", group) {
            "all_of"
        } else {
            "any_of"
        };
        section.span_of(key).unwrap_or_else(|| section.head())
    };
    let escalated = approval.escalation.iter().flat_map(|escalation| &escalation.groups);
    let unknown = approval.groups.iter().chain(in_shares).chain(escalated).map(|group| {
        let what = format!("nobody is known to belong to the group \"{group}\"");
        let advice = format!("add `group \"{group}\" {{ members = [\"alice\", \"bob\"] }}`");
        (group.clone(), section.make_fault(place(group), what, advice))
    });
    let span = section.span_of("min_approvers").unwrap_or_else(|| section.head());
    let what = format!("{} people must approve, but fewer are allowed to", approval.min_approvers);
    let advice = "lower `min_approvers`, or allow more people: nothing could ever pass";
    Asked {
        policy: policy.to_owned(),
        unknown: unknown.collect(),
        too_few: section.make_fault(span, what, advice),
    }
}

fn names_group(section: &Section<'_>, key: &str, group: &str) -> bool {
    section.texts(key).iter().any(|(name, _)| name == group)
}

/// Whether the approval of a policy asks for more people than may give it.
pub(super) fn too_few(set: &PolicySet, policy: &str) -> bool {
    let rules = set.policies.iter().filter(|other| other.name == policy).flat_map(|p| &p.rules);
    rules.into_iter().any(|rule| match rule {
        Rule::Approval(approval) => {
            // How many an issuer of identities vouches for, nobody knows.
            let is_closed = |groups: &[String]| set.people.open(groups).next().is_none();
            let few = |share: &Share| {
                let members: std::collections::BTreeSet<&str> =
                    set.people.members(&share.groups).collect();
                members.len() < share.count && is_closed(&share.groups)
            };
            let all_closed = is_closed(&approval.groups)
                && approval.shares.iter().all(|share| is_closed(&share.groups));
            let people = set.approvers(approval).filter(|_| all_closed);
            people.is_some_and(|people| people.len() < approval.min_approvers)
                || approval.shares.iter().any(few)
        }
        _ => false,
    })
}
