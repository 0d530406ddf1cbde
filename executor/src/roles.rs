//! Who may give which order: the same for the CLI, Slack and whoever else asks.

use std::collections::BTreeMap;

use contracts::person::plain;
use serde::Deserialize;

/// Who may give which order. An order nobody is named for may be given by everybody.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Roles {
    /// The members of groups, by the group.
    pub groups: BTreeMap<String, Vec<String>>,
    /// What an issuer of ID tokens calls those who are members besides, by the group.
    pub claims: BTreeMap<String, Vec<String>>,
    /// The groups that may pause chains.
    pub pause: Vec<String>,
    /// The groups that may let chains go on, also after a wave that is not healthy.
    pub resume: Vec<String>,
    /// The groups that may cancel chains and steps.
    pub cancel: Vec<String>,
    /// The groups that may try again what ended badly.
    pub retry: Vec<String>,
    /// The groups that may lock stacks.
    pub lock: Vec<String>,
    /// The groups that may unlock them.
    pub unlock: Vec<String>,
    /// The groups that may say `--force`, besides being allowed the order itself.
    pub force: Vec<String>,
    /// The groups that may answer health checks; with an ID token, nobody else may.
    pub answer: Vec<String>,
}

impl Roles {
    /// Why an order must not be given by this person, if so.
    pub(crate) fn refuse(&self, by: &str, order: &str, force: bool) -> Option<String> {
        let named = self.named();
        let (_, wanted) = named.iter().find(|(key, _)| *key == order).expect("it has a key");
        let forced = force.then(|| (format!("{order} with `--force`"), &self.force));
        let asked = [(order.to_owned(), *wanted)].into_iter().chain(forced);
        let allows = |groups: &[String]| groups.is_empty() || self.is_in(by, &[], groups);
        let (what, groups) = asked.into_iter().find(|(_, groups)| !allows(groups))?;
        Some(format!(
            "{by} may not {what}: that is for {}, as [roles] of the executor says",
            groups.join(", ")
        ))
    }

    /// Why a health check must not be answered by this person, if so. The door for ID tokens is open
    /// to whomever the issuer knows, so there nobody may who is not named.
    pub(crate) fn refuse_answer(&self, by: &str, claims: Option<&[String]>) -> Option<String> {
        let is_open = self.answer.is_empty() && claims.is_none();
        if is_open || self.is_in(by, claims.unwrap_or_default(), &self.answer) {
            return None;
        }
        let who = match self.answer.as_slice() {
            [] => "nobody may with an ID token before a group is named".to_owned(),
            groups => format!("that is for {}", groups.join(", ")),
        };
        Some(format!(
            "{by} may not answer checks: {who}, as `answer` in [roles] of the executor says"
        ))
    }

    /// Whether somebody is in one of these groups, by name or by what an issuer says of them.
    fn is_in(&self, by: &str, claims: &[String], groups: &[String]) -> bool {
        let by = plain(by);
        groups.iter().any(|group| {
            let mut members = self.groups.get(group).into_iter().flatten();
            let mut named = self.claims.get(group).into_iter().flatten();
            members.any(|member| plain(member) == by) || named.any(|claim| claims.contains(claim))
        })
    }

    /// The groups that are named for each of these.
    fn named(&self) -> [(&'static str, &Vec<String>); 8] {
        [
            ("pause", &self.pause),
            ("resume", &self.resume),
            ("cancel", &self.cancel),
            ("retry", &self.retry),
            ("lock", &self.lock),
            ("unlock", &self.unlock),
            ("force", &self.force),
            ("answer", &self.answer),
        ]
    }

    /// Groups that are named and not there: nobody would be in them. Only who answers a check shows a
    /// token, so what an issuer says makes nobody a member for anything else.
    pub(crate) fn faults(&self) -> Vec<String> {
        let all = self
            .named()
            .into_iter()
            .flat_map(|(key, groups)| groups.iter().map(move |it| (key, it)));
        let fault = |(key, group): (&str, &String)| {
            let is_named = self.groups.contains_key(group);
            let is = match (self.claims.contains_key(group), key) {
                _ if is_named => return None,
                (true, "answer") => return None,
                (true, _) => "only in roles.claims, and those count for `answer` alone",
                (false, "answer") => "neither in roles.groups nor in roles.claims",
                (false, _) => "not in roles.groups",
            };
            Some(format!("roles.{key} names `{group}`, which is {is}"))
        };
        all.filter_map(fault).collect()
    }
}

#[cfg(test)]
mod tests;
