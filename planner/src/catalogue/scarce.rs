//! How many runs the code of a stack lets be at once, and who answers for it.

use contracts::{
    List, Text,
    chain::{LimitedBy, SaidLimit},
};

use super::Catalogue;
use crate::label;

impl Catalogue {
    /// What the code of a stack says of how many runs may be at once. Labels that tell Stackly
    /// something make no group.
    pub fn limits(&self, position: usize) -> List<SaidLimit> {
        let Some(blueprint) = self.blueprint(position) else { return List::default() };
        let groups = |label: &&str| {
            !label.starts_with(contracts::label::OURS) && label::dependencies(label).is_none()
        };
        let mut limits = blueprint.limits.clone();
        if let Some(most) = blueprint.parallel {
            let labels = self.labels(position).iter().map(|label| label.as_str()).filter(groups);
            limits.extend(labels.map(|name| SaidLimit {
                of: LimitedBy::Label,
                name: name.to_owned(),
                most,
            }));
        }
        limits.into()
    }

    /// Who answers for a stack, as its code says.
    pub fn owners(&self, position: usize) -> List<Text> {
        let owners = self.blueprint(position).map_or(&[][..], |blueprint| &blueprint.owners);
        owners.iter().map(|owner| owner.as_str().into()).collect()
    }
}
