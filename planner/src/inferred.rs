//! Edges that nobody wrote down: what the code of one stack reads of another, over everything that
//! is known, whatever the repository.

use std::{collections::HashMap, sync::Arc};

use code::{
    Facts, Party,
    infer::{self, Said},
    settings::Inferred,
};

use crate::{
    blueprint::{Blueprint, CodeEdge, NO_BLUEPRINT, outputs_of},
    catalogue::{Stack, is_same_repository, repository_key},
};

/// Edges by the position of the stack that waits; whom they lead to is named by id.
pub(crate) type ByStack = HashMap<usize, Vec<CodeEdge>>;

/// What follows from code, and what a `stackly.hcl` overrules of it.
#[derive(Debug, Default)]
pub(crate) struct Inference {
    pub(crate) edges: ByStack,
    pub(crate) overruled: ByStack,
}

/// The edges between these stacks that follow from their code.
pub(crate) fn infer(
    stacks: &[Stack],
    blueprints: &[Arc<Blueprint>],
    made_from: &[u32],
) -> Inference {
    // Most accounts of tests and all without mirrors; the rest takes a while.
    if blueprints.iter().all(|blueprint| blueprint.facts.is_none()) {
        return Inference::default();
    }
    let (no_facts, nothing_said) = (Facts::default(), Inferred::default());
    let mut homes: HashMap<String, usize> = HashMap::new();
    let mut parties: Vec<Party<'_>> = Vec::with_capacity(stacks.len());
    for (stack, &number) in stacks.iter().zip(made_from) {
        let blueprint = (number != NO_BLUEPRINT).then(|| &blueprints[number as usize]);
        let next = homes.len();
        let home = *homes.entry(repository_key(&stack.repository)).or_insert(next);
        let facts = blueprint.and_then(|blueprint| blueprint.facts.as_deref());
        parties.push(Party {
            name: stack.id.as_str(),
            called: blueprint.map_or(&stack.name, |blueprint| &blueprint.name),
            spacelift_id: stack.id.as_str(),
            home,
            branch: &stack.branch,
            root: blueprint.map_or(&stack.project_root, |blueprint| &blueprint.path),
            facts: facts.unwrap_or(&no_facts),
            inferred: blueprint.map_or(&nothing_said, |blueprint| &blueprint.inferred),
        });
    }
    let (edges, overruled) = infer::between(&parties);
    let by_stack = |said: Vec<Said>| {
        let mut all = ByStack::new();
        for said in said {
            let from = (&stacks[said.by], &stacks[said.stack]);
            all.entry(said.stack).or_default().push(code_edge(&said, from));
        }
        all
    };
    Inference { edges: by_stack(edges), overruled: by_stack(overruled) }
}

/// The edge as chains record it. A line of another repository than that of the stack that waits is
/// named with it.
fn code_edge(said: &Said, (by, waits): (&Stack, &Stack)) -> CodeEdge {
    let spot = &said.edge.spot;
    let is_own = is_same_repository(&by.repository, &waits.repository);
    let file = match is_own {
        true => spot.file.clone(),
        false => format!("{}:{}", by.repository, spot.file),
    };
    CodeEdge {
        on: said.edge.on.clone(),
        declared: false,
        file,
        line: u32::try_from(spot.line).unwrap_or(u32::MAX),
        why: said.edge.reason.clone(),
        outputs: outputs_of(&said.edge),
    }
}

#[cfg(test)]
pub(crate) mod tests;
