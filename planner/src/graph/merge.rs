//! Bringing together what everybody says: Spacelift, labels, `stackly.hcl` and the code itself.
//!
//! What somebody wrote down as a dependency (a native one, a label, `depends_on`) stands above what
//! was merely read from code: an inferred edge beside an explicit one is dropped as saying nothing
//! new, and one *against* an explicit one is dropped because it would close a circle that nobody
//! asked for. Both are kept in a list for people.

use std::{
    borrow::Cow,
    cell::OnceCell,
    collections::{HashMap, HashSet},
};

use contracts::{List, chain::EdgeOrigin};

use super::{
    Graph, LooseEdge,
    adjacency::{Adjacency, number},
    source::{Kind, Source},
};
use crate::{
    blueprint::Blueprint,
    catalogue::{Catalogue, Stack},
    label,
    only::Only,
};

/// One saying: parent, child, who.
type Saying = (u32, u32, Source);

pub(super) fn graph(catalogue: &Catalogue) -> Graph {
    let stacks = catalogue.stacks();
    let names = Names::of(catalogue);
    let native = stacks.iter().map(|stack| stack.depends_on.len()).sum();
    let mut sayings: Vec<Saying> = Vec::with_capacity(native);
    let (mut loose, mut elsewhere, mut onlys) = (Vec::new(), Vec::new(), HashMap::new());
    for (child, stack) in stacks.iter().enumerate() {
        let only = Only::of(catalogue.labels_of(child));
        for (wanted, source) in said(catalogue, child, stack) {
            let told = |text| LooseEdge {
                child: stack.id.clone(),
                parent: wanted.name.to_owned(),
                origin: source.origin(catalogue, child),
                text,
            };
            match names.find(&wanted) {
                Ok(parent) => match only.elsewhere(&stacks[parent]) {
                    // Spacelift makes runs along its own dependencies everywhere.
                    Some(text) if source.kind() != Kind::Native => elsewhere.push(told(text)),
                    _ => sayings.push((number(parent), number(child), source)),
                },
                Err(text) => loose.push(told(text)),
            }
        }
        loose.extend(only.unread.iter().map(|label| unread(stack, label)));
        if only.narrows() {
            onlys.insert(child, only);
        }
    }
    sayings.sort_unstable();
    sayings.dedup();
    loose.extend(of_no_parent(&names, &sayings));
    let (mut overruled, read_beside) = overrule(catalogue, &mut sayings);
    overruled.extend(ignored(catalogue));
    overruled.extend(elsewhere);
    loose.sort();
    loose.dedup();
    let mut graph = Graph { loose, overruled, ..assemble(catalogue, &sayings, &read_beside) };
    graph.narrow = narrow(&graph, stacks, &onlys);
    graph
}

/// The edges that count on some branches alone. Those of Spacelift's own count everywhere.
fn narrow(
    graph: &Graph,
    stacks: &[Stack],
    onlys: &HashMap<usize, Only<'_>>,
) -> Vec<(u32, Vec<String>)> {
    if onlys.is_empty() {
        return Vec::new();
    }
    let native = |origin: &EdgeOrigin| matches!(origin, EdgeOrigin::Native { .. });
    let is_native = |edge| graph.origins(edge).iter().any(native);
    let edges = graph.edges().filter_map(|edge| {
        let on = onlys.get(&edge.child)?.branches(&stacks[edge.parent]);
        let counts_everywhere = on.is_empty() || is_native(edge);
        let on = on.into_iter().map(str::to_owned).collect();
        (!counts_everywhere).then(|| (number(edge.place), on))
    });
    edges.collect()
}

fn unread(stack: &Stack, label: &str) -> LooseEdge {
    let text = "it says neither `branch:` nor `env:` with a name behind, so it narrows nothing";
    of_label(stack, label, text.to_owned())
}

fn of_label(stack: &Stack, label: &str, text: String) -> LooseEdge {
    let origin = EdgeOrigin::Label { label: label.to_owned() };
    LooseEdge { child: stack.id.clone(), parent: String::new(), origin, text }
}

/// Labels that say how a stack must end for which theirs does not wait.
fn of_no_parent(names: &Names<'_>, sayings: &[Saying]) -> Vec<LooseEdge> {
    let (catalogue, mut loose) = (names.catalogue, Vec::new());
    let is_said = |pair| sayings.binary_search_by_key(&pair, |it| (it.0, it.1)).is_ok();
    for (child, stack) in catalogue.stacks().iter().enumerate() {
        for label in catalogue.labels_of(child) {
            let Some(parent) = label::on_end_of(label) else { continue };
            let text = match names.find(&Wanted::named(parent, None)) {
                Ok(found) if is_said((number(found), number(child))) => continue,
                Ok(_) => "no dependency waits for its end; add it to `depends_on`".to_owned(),
                Err(text) => text,
            };
            loose.push(LooseEdge { parent: parent.to_owned(), ..of_label(stack, label, text) });
        }
    }
    loose
}

/// The edges of sayings that are in order. What is said of many of them is kept once.
fn assemble(catalogue: &Catalogue, sayings: &[Saying], read_beside: &HashSet<(u32, u32)>) -> Graph {
    let edges = || sayings.chunk_by(|a, b| (a.0, a.1) == (b.0, b.1));
    let pairs = edges().map(|said| (said[0].0, said[0].1));
    let adjacency = Adjacency::new(catalogue.stacks().len(), sayings.len(), pairs);
    let mut places: HashMap<List<EdgeOrigin>, u32> = HashMap::new();
    let mut origins = Vec::new();
    let mut origins_of = Vec::with_capacity(adjacency.edges());
    for said in edges() {
        let reads_more = read_beside.contains(&(said[0].0, said[0].1));
        let said = said.iter().map(|&(_, child, source)| {
            let origin = source.origin(catalogue, child as usize);
            if reads_more { without_outputs(origin) } else { origin }
        });
        let place = places.entry(said.collect()).or_insert_with_key(|said| {
            origins.push(said.clone());
            number(origins.len() - 1)
        });
        origins_of.push(*place);
    }
    origins.shrink_to_fit();
    Graph { parents: adjacency.turned(), adjacency, origins_of, origins, ..Graph::default() }
}

/// The child reads something else besides.
fn without_outputs(origin: EdgeOrigin) -> EdgeOrigin {
    match origin {
        EdgeOrigin::Declared { file, line, .. } => {
            EdgeOrigin::Declared { file, line, outputs: Vec::new() }
        }
        other => other,
    }
}

/// Takes out the inferred edges that an explicit one stands beside or against; gives those, and
/// where one stands beside.
fn overrule(
    catalogue: &Catalogue,
    sayings: &mut Vec<Saying>,
) -> (Vec<LooseEdge>, HashSet<(u32, u32)>) {
    let is_inferred = |saying: &Saying| saying.2.kind() == Kind::Inferred;
    if !sayings.iter().any(is_inferred) {
        return (Vec::new(), HashSet::new());
    }
    // They are in order, and stay so.
    let explicit: Vec<(u32, u32)> =
        sayings.iter().filter(|s| !is_inferred(s)).map(|&(p, c, _)| (p, c)).collect();
    let says = |pair: (u32, u32)| explicit.binary_search(&pair).is_ok();
    let (mut overruled, mut beside) = (Vec::new(), HashSet::new());
    sayings.retain(|&(parent, child, source)| {
        if source.kind() != Kind::Inferred {
            return true;
        }
        let text = if says((parent, child)) {
            beside.insert((parent, child));
            "the dependency is written down, which says more"
        } else if says((child, parent)) {
            "the opposite is written down, which stands above what code seems to say"
        } else {
            return true;
        };
        let stacks = catalogue.stacks();
        overruled.push(LooseEdge {
            child: stacks[child as usize].id.clone(),
            parent: stacks[parent as usize].id.to_string(),
            origin: source.origin(catalogue, child as usize),
            text: text.to_owned(),
        });
        false
    });
    (overruled, beside)
}

/// The inferred edges that the `stackly.hcl` of the stack that would wait takes out.
fn ignored(catalogue: &Catalogue) -> impl Iterator<Item = LooseEdge> + '_ {
    catalogue.stacks().iter().enumerate().flat_map(|(child, stack)| {
        catalogue.overruled(child).iter().map(move |edge| LooseEdge {
            child: stack.id.clone(),
            parent: edge.on.clone(),
            origin: edge.origin(),
            text: "its stackly.hcl says that it does not wait for it".to_owned(),
        })
    })
}

/// A parent as somebody names it.
struct Wanted<'a> {
    name: &'a str,
    by_name: bool,
    condition: Option<&'a str>,
    /// The code that names it, which means its own neighbours first.
    by: Option<&'a Blueprint>,
}

fn said<'a>(
    catalogue: &'a Catalogue,
    child: usize,
    stack: &'a Stack,
) -> impl Iterator<Item = (Wanted<'a>, Source)> {
    let native = stack.depends_on.iter().enumerate().map(|(which, dependency)| {
        let name = dependency.on.as_str();
        (
            Wanted { name, by_name: false, condition: None, by: None },
            Source::new(Kind::Native, which),
        )
    });
    let labelled = stack.labels.iter().enumerate().flat_map(|(which, label)| {
        let mentions = label::dependencies(label).unwrap_or_default();
        mentions.into_iter().map(move |mention| {
            let (name, condition) = (mention.stack, mention.condition);
            let wanted = Wanted { name, by_name: true, condition, by: None };
            (wanted, Source::new(Kind::Label, which))
        })
    });
    let coded = catalogue.code_edges(child).enumerate().map(move |(which, edge)| {
        let kind = if edge.declared { Kind::Declared } else { Kind::Inferred };
        // Whom an inferred edge leads to is named by id.
        let by = catalogue.blueprint(child).filter(|_| edge.declared);
        (Wanted::named(&edge.on, by), Source::new(kind, which))
    });
    native.chain(labelled).chain(coded)
}

impl<'a> Wanted<'a> {
    fn named(name: &'a str, by: Option<&'a Blueprint>) -> Self {
        Self { name, by_name: true, condition: None, by }
    }
}

/// Where names lead. Most accounts name stacks by their ids alone.
pub(crate) struct Names<'a> {
    catalogue: &'a Catalogue,
    /// Nowhere if two stacks share the name.
    found: OnceCell<HashMap<&'a str, Option<usize>>>,
    /// What is called like this in code.
    in_code: OnceCell<HashMap<&'a str, Vec<usize>>>,
}

impl<'a> Names<'a> {
    pub(crate) fn of(catalogue: &'a Catalogue) -> Self {
        Self { catalogue, found: OnceCell::new(), in_code: OnceCell::new() }
    }

    /// A label as it is if it names the stack it is about by its id.
    pub(crate) fn with_id<'l>(&self, label: &'l str, by: Option<&Blueprint>) -> Cow<'l, str> {
        let Some((before, name, behind)) = label::about(label) else { return label.into() };
        match self.find(&Wanted::named(name, by)) {
            Ok(found) => match self.catalogue.stacks()[found].id.as_str() {
                id if id == name => label.into(),
                id => format!("{before}{id}{behind}").into(),
            },
            Err(_) => label.into(),
        }
    }

    fn find(&self, wanted: &Wanted<'_>) -> Result<usize, String> {
        let name = wanted.name;
        if let Some(condition) = wanted.condition {
            return Err(format!("`{condition}` is no order; only `state:FINISHED` is"));
        }
        if name.is_empty() {
            return Err("it names no stack".to_owned());
        }
        if let Some(position) = wanted.by.and_then(|by| self.beside(by, name)) {
            return Ok(position);
        }
        if let Some(position) = self.catalogue.find(name) {
            return Ok(position);
        }
        if !wanted.by_name {
            return Err(format!("no stack has the id {name}"));
        }
        match self.found.get_or_init(|| unique_names(self.catalogue)).get(name) {
            Some(Some(position)) => Ok(*position),
            Some(None) => Err(format!("several stacks have the name {name}; use the id")),
            None => Err(format!("no stack has the id or name {name}")),
        }
    }

    /// The stack that the code of the same repository and branch calls so, if it is one.
    fn beside(&self, by: &Blueprint, name: &str) -> Option<usize> {
        let in_code = self.in_code.get_or_init(|| called_in_code(self.catalogue));
        let is_beside = |position: &&usize| {
            let blueprint = self.catalogue.blueprint(**position);
            blueprint.is_some_and(|it| it.is_of(&by.repository, &by.branch))
        };
        let mut there = in_code.get(name)?.iter().filter(is_beside);
        there.next().copied().filter(|_| there.next().is_none())
    }
}

/// The stacks by what code calls them.
fn called_in_code(catalogue: &Catalogue) -> HashMap<&str, Vec<usize>> {
    let mut called: HashMap<&str, Vec<usize>> = HashMap::new();
    for position in 0..catalogue.stacks().len() {
        if let Some(blueprint) = catalogue.blueprint(position) {
            called.entry(&blueprint.name).or_default().push(position);
        }
    }
    called
}

/// Where each name leads; nowhere if two stacks share it. What code calls a stack stands above what
/// Spacelift calls one.
fn unique_names(catalogue: &Catalogue) -> HashMap<&str, Option<usize>> {
    let stacks = catalogue.stacks();
    let mut names: HashMap<&str, Option<usize>> = HashMap::with_capacity(stacks.len());
    for (position, stack) in stacks.iter().enumerate() {
        names.entry(&stack.name).and_modify(|found| *found = None).or_insert(Some(position));
    }
    let mut in_code: HashMap<&str, Option<usize>> = HashMap::new();
    for position in 0..stacks.len() {
        let Some(blueprint) = catalogue.blueprint(position) else { continue };
        in_code.entry(&blueprint.name).and_modify(|found| *found = None).or_insert(Some(position));
    }
    names.extend(in_code);
    names
}
