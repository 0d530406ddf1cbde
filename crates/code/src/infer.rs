//! Edges that nobody wrote down: what the code of one stack reads of another, over repositories.
//!
//! Every stack is asked what it reads (`facts`), and where its own state and values lie. Who reads
//! what another one keeps waits for it. Where several could be meant, the one whose folder is the
//! nearest is taken, and if that is not one, none: an edge that is a guess is worse than none.

mod facts;
mod lookup;
mod matching;
mod state;

use std::collections::{BTreeMap, HashMap};

use serde::Serialize;
use serde_json::Value;

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
            let stack: &crate::StackCode = stack;
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
    let facts: Vec<facts::Facts> = subjects.iter().map(facts::of).collect();
    let mut edges = matching::edges(subjects, &facts);
    edges.sort();
    edges.dedup();
    let said: HashMap<&str, &Inferred> =
        subjects.iter().map(|subject| (subject.name, subject.inferred)).collect();
    let (overruled, edges) = edges.into_iter().partition(|edge| {
        said.get(edge.stack.as_str()).is_some_and(|said| is_overruled(said, &edge.on))
    });
    Inference { edges, overruled }
}

fn is_overruled(inferred: &Inferred, on: &str) -> bool {
    let pattern = |text: &String| text.replace('*', &crate::evaluate::UNKNOWN.to_string());
    inferred.enabled == Some(false)
        || inferred.ignore.iter().any(|ignored| crate::evaluate::fits(&pattern(ignored), on))
}

#[cfg(test)]
mod tests;
