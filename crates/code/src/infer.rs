//! Edges that nobody wrote down: what the code of one stack reads of another, over repositories.
//!
//! Every stack is asked what it reads (`facts`), and where its own state and values lie. Who reads
//! what another one keeps waits for it. Where several could be meant, the one whose folder is the
//! nearest is taken, and if that is not one, none: an edge that is a guess is worse than none.

mod facts;
mod lookup;
mod matching;
mod state;

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

pub use facts::{Facts, of as facts_of};
pub use matching::{Party, Said};

use crate::{edge::Edge, repository::Repository, settings::Inferred};

/// A stack of which edges are inferred.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// The name by which edges call it; unique among all subjects.
    pub name: &'a str,
    /// Its id (slug) in Spacelift.
    pub spacelift_id: &'a str,
    /// The folder its code runs in.
    pub root: &'a str,
    /// The code of its repository.
    pub repository: &'a Repository,
    /// What its variables are given.
    pub variables: &'a BTreeMap<String, Value>,
    /// What its stackly.hcl says of inferred edges.
    pub inferred: &'a Inferred,
}

/// What was inferred.
#[derive(Debug, Default, PartialEq, Serialize)]
pub struct Inference {
    /// The edges, each pair of stacks once for each line, in order.
    pub edges: Vec<Edge>,
    /// Edges that a stackly.hcl overrules.
    pub overruled: Vec<Edge>,
}

impl Repository {
    /// The stacks that the repository says it has, as subjects.
    pub fn subjects(&self) -> Vec<Subject<'_>> {
        let subject = |stack| {
            let stack: &std::sync::Arc<crate::StackCode> = stack;
            Subject {
                name: &stack.name,
                spacelift_id: stack.spacelift_id(),
                root: stack.root(),
                repository: self,
                variables: &stack.settings.variables,
                inferred: &stack.settings.inferred,
            }
        };
        self.stacks().iter().map(subject).collect()
    }

    /// A folder as a subject that is called by its path.
    pub fn subject_of<'a>(&'a self, folder: &'a str) -> Subject<'a> {
        static NO_VARIABLES: BTreeMap<String, Value> = BTreeMap::new();
        static NOTHING_SAID: Inferred = Inferred { enabled: None, ignore: Vec::new() };
        Subject {
            name: folder,
            spacelift_id: folder,
            root: folder,
            repository: self,
            variables: &NO_VARIABLES,
            inferred: &NOTHING_SAID,
        }
    }
}

/// The edges between these stacks that follow from their code.
pub fn infer(subjects: &[Subject<'_>]) -> Inference {
    let facts: Vec<Facts> = subjects.iter().map(facts::of).collect();
    let mut seen: Vec<*const Repository> = Vec::new();
    let mut home = |subject: &Subject<'_>| {
        let at = std::ptr::from_ref(subject.repository);
        seen.iter().position(|known| *known == at).unwrap_or_else(|| {
            seen.push(at);
            seen.len() - 1
        })
    };
    let mut parties: Vec<Party<'_>> = Vec::with_capacity(subjects.len());
    for (subject, facts) in subjects.iter().zip(&facts) {
        parties.push(Party {
            name: subject.name,
            called: subject.name,
            spacelift_id: subject.spacelift_id,
            home: home(subject),
            branch: "",
            root: subject.root,
            facts,
            inferred: subject.inferred,
        });
    }
    let (edges, overruled) = between(&parties);
    let plain = |said: Vec<Said>| {
        let mut edges: Vec<Edge> = said.into_iter().map(|said| said.edge).collect();
        edges.dedup();
        edges
    };
    Inference { edges: plain(edges), overruled: plain(overruled) }
}

/// The edges between these stacks, in order, and those that a stackly.hcl overrules.
pub fn between(parties: &[Party<'_>]) -> (Vec<Said>, Vec<Said>) {
    let mut edges = matching::edges(parties);
    edges.sort();
    edges.dedup();
    edges.into_iter().partition(|said| !parties[said.stack].overrules(&parties[said.on]))
}

#[cfg(test)]
mod tests;
