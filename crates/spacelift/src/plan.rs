//! What a plan changes, resource by resource.

use contracts::{RunId, StackId};

use crate::{
    Client, Error, RunFacts,
    answer::Nature,
    run::{GetPlan, Shown, get_plan},
};

/// What a plan does to one resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResourceChange {
    /// Its address, `module.net.aws_subnet.a`.
    pub address: String,
    /// In Spacelift's word; empty if it says none.
    pub kind: String,
}

/// A run together with what its plan changes, where Spacelift shows that.
pub type PlanFacts = (RunFacts, Option<Vec<ResourceChange>>);

impl Client {
    /// A run as it is now and what its plan changes, seen at one moment; none if there is no such
    /// run or stack.
    pub async fn plan(&self, stack: &StackId, run: &RunId) -> Result<Option<PlanFacts>, Error> {
        let variables = get_plan::Variables { stack: stack.to_string(), run: run.to_string() };
        let data = match self.ask::<GetPlan>(variables, Nature::Questions).await {
            Err(Error::NotFound) => return Ok(None),
            answer => answer?,
        };
        let Some(run) = data.stack.and_then(|it| it.run) else { return Ok(None) };
        let sources = run.changes_v3;
        // One without a list says nothing; that is another thing than that nothing changes.
        let listed = |sources: Vec<get_plan::GetPlanStackRunChangesV3>| {
            let lists: Vec<_> = sources.into_iter().filter_map(|source| source.resources).collect();
            (!lists.is_empty()).then_some(lists)
        };
        let resources = sources.and_then(listed).map(|lists| {
            let all = lists.into_iter().flatten();
            let change = |it: get_plan::GetPlanStackRunChangesV3Resources| ResourceChange {
                address: it.address,
                kind: it.metadata.and_then(|metadata| metadata.type_).unwrap_or_default(),
            };
            all.map(change).collect()
        });
        let facts = run.run_fields.facts(&self.inner.base, stack);
        Ok(Some((facts.map_err(|error| Nature::Question.garbled(error))?, resources)))
    }
}
