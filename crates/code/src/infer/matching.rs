//! Who reads what another one keeps.

use std::collections::{BTreeSet, HashMap};

use super::{
    Subject,
    facts::{Facts, Key, Read},
};
use crate::{
    edge::{Edge, Origin},
    evaluate::{UNKNOWN, fits},
    path,
    repository::Repository,
};

pub(super) fn edges(subjects: &[Subject<'_>], facts: &[Facts]) -> Vec<Edge> {
    let states = Keys::new(facts.iter().map(|facts| &facts.states));
    let kept = Keys::new(facts.iter().map(|facts| &facts.keeps));
    let by_id: HashMap<&str, usize> =
        subjects.iter().enumerate().map(|(at, subject)| (subject.spacelift_id, at)).collect();
    let mut by_root: HashMap<Root<'_>, Vec<usize>> = HashMap::new();
    for (at, subject) in subjects.iter().enumerate() {
        by_root.entry(root(subject)).or_default().push(at);
    }
    let mut edges = Vec::new();
    for (at, facts) in facts.iter().enumerate() {
        let edge = |on: usize, origin, read: &Read, reason| Edge {
            stack: subjects[at].name.to_owned(),
            on: subjects[on].name.to_owned(),
            origin,
            spot: read.spot.clone(),
            reason,
            references: read.references.clone(),
        };
        for read in &facts.reads {
            for on in states.of(subjects, at, &read.key) {
                let reason = format!(
                    "{} reads the state of {} ({})",
                    subjects[at].name, subjects[on].name, read.address
                );
                edges.push(edge(on, Origin::RemoteState, read, reason));
            }
        }
        for read in &facts.looks_up {
            for on in kept.of(subjects, at, &read.key) {
                let reason = format!(
                    "{} looks up \"{}\", which {} makes ({})",
                    subjects[at].name, read.key.parts[0], subjects[on].name, read.address
                );
                edges.push(edge(on, Origin::LookUp, read, reason));
            }
        }
        edges.extend(units(subjects, &by_root, at, facts));
        for managed in &facts.managed {
            let ends = [&managed.stack, &managed.on].map(|id| by_id.get(id.as_str()));
            if let [Some(stack), Some(on)] = ends {
                let (stack, on) = (subjects[*stack].name, subjects[*on].name);
                edges.push(Edge {
                    stack: stack.to_owned(),
                    on: on.to_owned(),
                    origin: Origin::SpaceliftDependency,
                    spot: managed.spot.clone(),
                    reason: format!("{stack} depends on {on} in Spacelift ({})", managed.address),
                    references: managed.references.clone(),
                });
            }
        }
    }
    edges
}

/// A folder of a repository.
type Root<'a> = (*const Repository, &'a str);

fn root<'a>(subject: &Subject<'a>) -> Root<'a> {
    (std::ptr::from_ref(subject.repository), subject.root)
}

/// The units that a unit of Terragrunt waits for.
fn units(
    subjects: &[Subject<'_>],
    by_root: &HashMap<Root<'_>, Vec<usize>>,
    at: usize,
    facts: &Facts,
) -> Vec<Edge> {
    let own = &subjects[at];
    let mut edges = Vec::new();
    for (folder, spot, references) in &facts.units {
        let there = by_root.get(&(root(own).0, folder.as_str()));
        for on in there.into_iter().flatten().filter(|on| **on != at).map(|on| &subjects[*on]) {
            edges.push(Edge {
                stack: own.name.to_owned(),
                on: on.name.to_owned(),
                origin: Origin::Terragrunt,
                spot: spot.clone(),
                reason: format!("{} waits for {} as its Terragrunt unit says", own.name, on.name),
                references: references.clone(),
            });
        }
    }
    edges
}

/// Keys, and who has them.
struct Keys<'a> {
    exact: HashMap<&'a Key, Vec<usize>>,
    /// Those with gaps, by kind.
    partly: HashMap<&'a str, Vec<(&'a Key, usize)>>,
    /// All of them, by kind.
    all: HashMap<&'a str, Vec<(&'a Key, usize)>>,
}

impl<'a> Keys<'a> {
    fn new(keys: impl Iterator<Item = &'a BTreeSet<Key>>) -> Self {
        let mut found = Self { exact: HashMap::new(), partly: HashMap::new(), all: HashMap::new() };
        for (at, keys) in keys.enumerate() {
            for key in keys {
                found.all.entry(&key.kind).or_default().push((key, at));
                if has_gaps(key) {
                    found.partly.entry(&key.kind).or_default().push((key, at));
                } else {
                    found.exact.entry(key).or_default().push(at);
                }
            }
        }
        found
    }

    /// Whose key this is, as seen by the stack that reads it.
    fn of(&self, subjects: &[Subject<'_>], reader: usize, key: &Key) -> Vec<usize> {
        let kind = key.kind.as_str();
        if !has_gaps(key)
            && let Some(owners) = self.exact.get(key)
        {
            // Several stacks of one folder, or one state that several claim.
            return nearest(subjects, reader, owners.clone());
        }
        let others = if has_gaps(key) { &self.all } else { &self.partly };
        let fit = |other: &Key| {
            other.parts.len() == key.parts.len()
                && other.parts.iter().zip(&key.parts).all(|(one, other)| fits(one, other))
        };
        let mut owners: Vec<usize> = others
            .get(kind)
            .into_iter()
            .flatten()
            .filter(|(other, at)| *at != reader && fit(other))
            .map(|(_, at)| *at)
            .collect();
        owners.dedup();
        nearest(subjects, reader, owners)
    }
}

fn has_gaps(key: &Key) -> bool {
    key.parts.iter().any(|part| part.contains(UNKNOWN))
}

/// Of several, the one whose folder has the most in common with the reader's; none if that is not
/// one folder alone.
fn nearest(subjects: &[Subject<'_>], reader: usize, mut owners: Vec<usize>) -> Vec<usize> {
    owners.retain(|owner| *owner != reader);
    if owners.len() < 2 {
        return owners;
    }
    let own = &subjects[reader];
    let common = |at: &usize| {
        let other = &subjects[*at];
        if !std::ptr::eq(other.repository, own.repository) {
            return 0;
        }
        let pairs = path::ancestors(own.root).zip(path::ancestors(other.root));
        pairs.filter(|(one, other)| one == other).count()
    };
    let most = owners.iter().map(common).max().unwrap_or_default();
    owners.retain(|owner| common(owner) == most);
    let folder = |at: &usize| root(&subjects[*at]);
    let first = owners.first().map(folder);
    if owners.iter().all(|owner| Some(folder(owner)) == first) { owners } else { Vec::new() }
}
