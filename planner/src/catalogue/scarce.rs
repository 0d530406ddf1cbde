//! What the runs of a stack use that there is only so much of, and how many its code lets be at once.

use std::collections::BTreeSet;

use contracts::chain::{LimitedBy, SaidLimit, Uses};

use super::{Catalogue, Stack};
use crate::label;

/// A label that names a provider that the code of a stack needs.
const PROVIDER: &str = "stackly:provider=";
/// A label that names an account, project or subscription at a cloud that a stack touches.
const CLOUD_ACCOUNT: &str = "stackly:cloud-account=";

impl Catalogue {
    /// What the runs of a stack use that there is only so much of: as Spacelift tells, as its code
    /// says and needs, and as its labels add.
    pub fn uses(&self, position: usize) -> Uses {
        let Stack { worker_pool, cloud_accounts, .. } = &self.stacks[position];
        let labels = self.labels(position);
        let labelled = |prefix: &str| {
            let named = labels.iter().filter_map(|label| label.strip_prefix(prefix));
            named.map(|name| name.trim().to_owned()).collect::<Vec<_>>()
        };
        let (providers, accounts) = self
            .blueprint(position)
            .map_or((&[][..], &[][..]), |it| (&it.providers, &it.cloud_accounts));
        let merged = |lists: &[&[String]]| {
            let all: BTreeSet<&String> = lists.iter().copied().flatten().collect();
            all.into_iter().filter(|name| !name.is_empty()).cloned().collect()
        };
        Uses {
            worker_pool: worker_pool.clone(),
            providers: merged(&[providers, &labelled(PROVIDER)]),
            cloud_accounts: merged(&[cloud_accounts, accounts, &labelled(CLOUD_ACCOUNT)]),
        }
    }

    /// What the code of a stack says of how many runs may be at once. Labels that tell Stackly
    /// something make no group.
    pub fn limits(&self, position: usize) -> Vec<SaidLimit> {
        let Some(blueprint) = self.blueprint(position) else { return Vec::new() };
        let groups =
            |label: &String| !label.starts_with("stackly:") && label::dependencies(label).is_none();
        let mut limits = blueprint.limits.clone();
        if let Some(most) = blueprint.parallel {
            let labels = self.labels(position).into_iter().filter(groups);
            limits.extend(labels.map(|name| SaidLimit { of: LimitedBy::Label, name, most }));
        }
        limits
    }
}
