//! Who reads what another one keeps.

use std::collections::{BTreeSet, HashMap};

use super::{
    facts::{Facts, Key, Read},
    state,
};
use crate::{
    edge::{Edge, Origin},
    evaluate::{UNKNOWN, fits},
    path,
    settings::Inferred,
};

/// A stack and what its code says, wherever that was read.
#[derive(Debug, Clone, Copy)]
pub struct Party<'a> {
    /// The name by which edges call it; unique among all.
    pub name: &'a str,
    /// What its code calls it.
    pub called: &'a str,
    /// Its id (slug) in Spacelift.
    pub spacelift_id: &'a str,
    /// Its repository: equal for those of one.
    pub home: usize,
    /// The branch it is made from.
    pub branch: &'a str,
    /// The folder its code runs in.
    pub root: &'a str,
    /// What its code reads and keeps.
    pub facts: &'a Facts,
    /// What its stackly.hcl says of inferred edges.
    pub inferred: &'a Inferred,
}

impl Party<'_> {
    /// Whether its stackly.hcl says that it does not wait for the other.
    pub(super) fn overrules(&self, on: &Party<'_>) -> bool {
        let pattern = |text: &String| text.replace('*', &UNKNOWN.to_string());
        self.inferred.enabled == Some(false)
            || self.inferred.ignore.iter().map(pattern).any(|ignored| {
                [on.name, on.called, on.spacelift_id].iter().any(|name| fits(&ignored, name))
            })
    }
}

/// An edge, and whose code says it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Said {
    /// The edge. Its line is in the repository of whoever says it.
    pub edge: Edge,
    /// Who waits.
    pub stack: usize,
    /// Who is waited for.
    pub on: usize,
    /// Whose code says so: for most edges who waits, and for some a stack that manages both.
    pub by: usize,
}

pub(super) fn edges(parties: &[Party<'_>]) -> Vec<Said> {
    let own: Vec<BTreeSet<Key>> = parties
        .iter()
        .map(|party| BTreeSet::from([state::of_spacelift(party.spacelift_id)]))
        .collect();
    let states = parties.iter().zip(&own).map(|(party, own)| party.facts.states.iter().chain(own));
    let states = Keys::new(states);
    let kept = Keys::new(parties.iter().map(|party| party.facts.keeps.iter()));
    let by_id: HashMap<&str, usize> =
        parties.iter().enumerate().map(|(at, party)| (party.spacelift_id, at)).collect();
    let mut by_root: HashMap<Root<'_>, Vec<usize>> = HashMap::new();
    for (at, party) in parties.iter().enumerate() {
        by_root.entry(root(party)).or_default().push(at);
    }
    let facts = parties.iter().map(|party| party.facts);
    let mut edges = Vec::new();
    for (at, facts) in facts.enumerate() {
        let edge = |on: usize, origin, read: &Read, reason| Said {
            edge: Edge {
                stack: parties[at].name.to_owned(),
                on: parties[on].name.to_owned(),
                origin,
                spot: read.spot.clone(),
                reason,
                references: read.references.clone(),
            },
            stack: at,
            on,
            by: at,
        };
        for read in &facts.reads {
            for on in states.of(parties, at, &read.key) {
                let reason = format!(
                    "{} reads the state of {} ({})",
                    parties[at].name, parties[on].name, read.address
                );
                edges.push(edge(on, Origin::RemoteState, read, reason));
            }
        }
        for read in &facts.looks_up {
            for on in kept.of(parties, at, &read.key) {
                let reason = format!(
                    "{} looks up \"{}\", which {} makes ({})",
                    parties[at].name, read.key.parts[0], parties[on].name, read.address
                );
                edges.push(edge(on, Origin::LookUp, read, reason));
            }
        }
        edges.extend(units(parties, &by_root, at));
        for managed in &facts.managed {
            let ends = [&managed.stack, &managed.on].map(|id| by_id.get(id.as_str()));
            if let [Some(&stack), Some(&on)] = ends {
                let (waits, first) = (parties[stack].name, parties[on].name);
                let reason =
                    format!("{waits} depends on {first} in Spacelift ({})", managed.address);
                let edge = Edge {
                    stack: waits.to_owned(),
                    on: first.to_owned(),
                    origin: Origin::SpaceliftDependency,
                    spot: managed.spot.clone(),
                    reason,
                    references: managed.references.clone(),
                };
                edges.push(Said { edge, stack, on, by: at });
            }
        }
    }
    edges
}

/// A folder of a branch of a repository.
type Root<'a> = (usize, &'a str, &'a str);

fn root<'a>(party: &Party<'a>) -> Root<'a> {
    (party.home, party.branch, party.root)
}

/// The units that a unit of Terragrunt waits for.
fn units(parties: &[Party<'_>], by_root: &HashMap<Root<'_>, Vec<usize>>, at: usize) -> Vec<Said> {
    let own = &parties[at];
    let mut edges = Vec::new();
    for (folder, spot, references) in &own.facts.units {
        let there = by_root.get(&(own.home, own.branch, folder.as_str()));
        for &on in there.into_iter().flatten().filter(|on| **on != at) {
            let edge = Edge {
                stack: own.name.to_owned(),
                on: parties[on].name.to_owned(),
                origin: Origin::Terragrunt,
                spot: spot.clone(),
                reason: format!(
                    "{} waits for {} as its Terragrunt unit says",
                    own.name, parties[on].name
                ),
                references: references.clone(),
            };
            edges.push(Said { edge, stack: at, on, by: at });
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
    fn new(keys: impl Iterator<Item = impl Iterator<Item = &'a Key>>) -> Self {
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
    fn of(&self, parties: &[Party<'_>], reader: usize, key: &Key) -> Vec<usize> {
        let kind = key.kind.as_str();
        if !has_gaps(key)
            && let Some(owners) = self.exact.get(key)
        {
            let is_near = |owner: &usize| is_home(parties, reader, *owner) || goes_far(key, key);
            let owners: Vec<usize> = owners.iter().copied().filter(is_near).collect();
            if !owners.is_empty() {
                // Several stacks of one folder, or one state that several claim.
                return nearest(parties, reader, owners);
            }
        }
        let others = if has_gaps(key) { &self.all } else { &self.partly };
        let fit = |other: &Key| {
            other.parts.len() == key.parts.len()
                && other.parts.iter().zip(&key.parts).all(|(one, other)| fits(one, other))
        };
        let is_near = |at: usize, other: &Key| is_home(parties, reader, at) || goes_far(key, other);
        let mut owners: Vec<usize> = others
            .get(kind)
            .into_iter()
            .flatten()
            .filter(|(other, at)| *at != reader && fit(other) && is_near(*at, other))
            .map(|(_, at)| *at)
            .collect();
        owners.dedup();
        nearest(parties, reader, owners)
    }
}

fn has_gaps(key: &Key) -> bool {
    key.parts.iter().any(|part| part.contains(UNKNOWN))
}

fn is_home(parties: &[Party<'_>], reader: usize, owner: usize) -> bool {
    parties[reader].home == parties[owner].home
}

/// Whether two keys that fit mean the same thing also where they come from two repositories. Within
/// one, people agree on names; over several, `default` and `terraform.tfstate` are everybody's.
fn goes_far(key: &Key, other: &Key) -> bool {
    match key.kind.as_str() {
        // A path on a disk is one of its own repository.
        "local" => return false,
        "spacelift" | "remote" => return !has_gaps(key) && !has_gaps(other),
        _ => {}
    }
    let (Some(last), Some(its)) = (key.parts.last(), other.parts.last()) else { return false };
    let is_telling = |text: &str| text.contains(['/', '-', '_', ':']);
    // A bucket that is known on both sides leaves less to guess than a name alone.
    let mut before = key.parts.iter().zip(&other.parts).take(key.parts.len() - 1).peekable();
    let is_placed = before.peek().is_some()
        && before.all(|(one, other)| !one.contains(UNKNOWN) && !other.contains(UNKNOWN));
    is_placed || (is_telling(last) && is_telling(its) && !has_gap(last) && !has_gap(its))
}

fn has_gap(text: &str) -> bool {
    text.contains(UNKNOWN)
}

/// Of several, the one whose folder has the most in common with the reader's; else the one that is
/// made from a branch of the same name; none if that is not one folder alone.
fn nearest(parties: &[Party<'_>], reader: usize, mut owners: Vec<usize>) -> Vec<usize> {
    owners.retain(|owner| *owner != reader);
    if owners.len() < 2 {
        return owners;
    }
    let own = &parties[reader];
    let common = |at: &usize| {
        let other = &parties[*at];
        let same_branch = usize::from(other.branch == own.branch);
        if other.home != own.home || same_branch == 0 {
            return same_branch;
        }
        let pairs = path::ancestors(own.root).zip(path::ancestors(other.root));
        same_branch + pairs.filter(|(one, other)| one == other).count()
    };
    let most = owners.iter().map(common).max().unwrap_or_default();
    owners.retain(|owner| common(owner) == most);
    let folder = |at: &usize| root(&parties[*at]);
    let first = owners.first().map(folder);
    if owners.iter().all(|owner| Some(folder(owner)) == first) { owners } else { Vec::new() }
}
