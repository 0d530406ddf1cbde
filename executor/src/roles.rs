//! Who may give which order: the same for the CLI, Slack and whoever else asks.

use std::collections::BTreeMap;

use contracts::order::OrderKind;
use serde::Deserialize;

use crate::input::Order;

/// Who may give which order. An order nobody is named for may be given by everybody.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Roles {
    /// The members of groups, by the group.
    pub groups: BTreeMap<String, Vec<String>>,
    /// The groups that may pause chains.
    pub pause: Vec<String>,
    /// The groups that may let chains go on, also after a wave that is not healthy.
    pub resume: Vec<String>,
    /// The groups that may cancel chains and steps.
    pub cancel: Vec<String>,
    /// The groups that may try again what ended badly.
    pub retry: Vec<String>,
    /// The groups that may say `--force`, besides being allowed the order itself.
    pub force: Vec<String>,
}

impl Roles {
    /// Why an order must not be given by this person, if so.
    pub(crate) fn refuse(&self, order: &Order) -> Option<String> {
        let wanted = match order.kind {
            OrderKind::Pause => &self.pause,
            OrderKind::Resume => &self.resume,
            OrderKind::Cancel => &self.cancel,
            OrderKind::Retry => &self.retry,
        };
        let what = order.kind.as_str();
        let forced = order.force.then(|| (format!("{what} with `--force`"), &self.force));
        let asked = [(what.to_owned(), wanted)].into_iter().chain(forced);
        let by = &order.said.by;
        let refused = asked.into_iter().find(|(_, groups)| !self.allows(by, groups))?;
        let (what, groups) = refused;
        Some(format!(
            "{by} may not {what}: that is for {}, as [roles] of the executor says",
            groups.join(", ")
        ))
    }

    fn allows(&self, by: &str, groups: &[String]) -> bool {
        let is_member = |group: &String| {
            let members = self.groups.get(group);
            members.is_some_and(|members| members.iter().any(|member| member == by))
        };
        groups.is_empty() || groups.iter().any(is_member)
    }

    /// Groups that are named and not there: nobody would be in them.
    pub(crate) fn faults(&self) -> Vec<String> {
        let named = [
            ("pause", &self.pause),
            ("resume", &self.resume),
            ("cancel", &self.cancel),
            ("retry", &self.retry),
            ("force", &self.force),
        ];
        let all =
            named.into_iter().flat_map(|(key, groups)| groups.iter().map(move |it| (key, it)));
        all.filter(|(_, group)| !self.groups.contains_key(*group))
            .map(|(key, group)| {
                format!("roles.{key} names `{group}`, which is not in roles.groups")
            })
            .collect()
    }
}

#[cfg(test)]
mod tests;
