//! What a step on a stack carries with it besides the stack itself: its labels and what its runs
//! use, as everybody who has a say in it says together. Made once for each version, because chains
//! of thousands of steps ask for it thousands of times.

use std::{
    borrow::Cow,
    collections::{BTreeSet, HashMap},
};

use contracts::{List, Text, chain::Uses, label};

use super::{Catalogue, Stack};
use crate::{
    blueprint::Blueprint,
    graph::{Bits, Names, number},
    plan::ForAll,
    texts::Texts,
};

/// The labels of every stack, and what its runs use.
#[derive(Debug, Default)]
pub(super) struct Marks {
    labels: Vec<List<Text>>,
    /// Those of them that its code adds to those in Spacelift.
    added: Vec<List<Text>>,
    /// Who has each of the labels that say something of all of a chain, in their order.
    for_all: [Bits; ForAll::ALL.len()],
    /// Which of `uses` are each stack's: most of an account use the same.
    uses_of: Vec<u32>,
    uses: Vec<Uses>,
}

impl Marks {
    pub(super) fn new(catalogue: &Catalogue) -> Self {
        let (stacks, names) = (catalogue.stacks(), Names::of(catalogue));
        let mut texts = Texts::default();
        let mut places: HashMap<Uses, u32> = HashMap::new();
        let mut marks = Self {
            labels: Vec::with_capacity(stacks.len()),
            added: Vec::with_capacity(stacks.len()),
            for_all: ForAll::ALL.map(|_| Bits::new(stacks.len())),
            uses_of: Vec::with_capacity(stacks.len()),
            uses: Vec::new(),
        };
        for (position, stack) in stacks.iter().enumerate() {
            let blueprint = catalogue.blueprint(position);
            let (labels, added) = labels(stack, blueprint, &names, &mut texts);
            let uses = uses(stack, blueprint, &labels);
            let place = *places.entry(uses).or_insert_with_key(|uses| {
                marks.uses.push(uses.clone());
                number(marks.uses.len() - 1)
            });
            for (label, having) in ForAll::ALL.into_iter().zip(&mut marks.for_all) {
                if labels.iter().any(|own| *own == label.label()) {
                    having.insert(position);
                }
            }
            marks.labels.push(labels);
            marks.added.push(added);
            marks.uses_of.push(place);
        }
        marks
    }

    pub(super) fn labels(&self, position: usize) -> &List<Text> {
        &self.labels[position]
    }

    pub(super) fn added(&self, position: usize) -> &List<Text> {
        &self.added[position]
    }

    pub(super) fn having(&self, label: ForAll) -> &Bits {
        &self.for_all[label as usize]
    }

    pub(super) fn uses(&self, position: usize) -> &Uses {
        &self.uses[self.uses_of[position] as usize]
    }
}

/// Those in Spacelift with those its code adds, and the latter alone. Stacks that they are about are
/// named by their ids, because nobody but us knows what code calls them.
fn labels(
    stack: &Stack,
    blueprint: Option<&Blueprint>,
    names: &Names<'_>,
    texts: &mut Texts,
) -> (List<Text>, List<Text>) {
    let own: BTreeSet<_> = stack.labels.iter().map(|label| names.with_id(label, None)).collect();
    let said = blueprint.map_or(&[][..], |it| &it.labels).iter();
    let said = said.map(|label| names.with_id(label, blueprint));
    let added: BTreeSet<_> = said.filter(|label| !own.contains(label)).collect();
    let is_as_written = own.iter().all(|label| matches!(label, Cow::Borrowed(_)));
    if added.is_empty() && is_as_written {
        return (stack.labels.clone(), List::default());
    }
    (texts.list(&own | &added), texts.list(added))
}

/// As Spacelift tells, as its code says and needs, and as its labels add.
fn uses(stack: &Stack, blueprint: Option<&Blueprint>, labels: &[Text]) -> Uses {
    let labelled =
        |prefix| labels.iter().filter_map(move |it| it.strip_prefix(prefix)).map(str::trim);
    let (providers, accounts) =
        blueprint.map_or((&[][..], &[][..]), |it| (&it.providers, &it.cloud_accounts));
    let providers = providers.iter().map(String::as_str).chain(labelled(label::PROVIDER));
    let accounts = accounts.iter().map(String::as_str).chain(labelled(label::CLOUD_ACCOUNT));
    let accounts = accounts.chain(stack.cloud_accounts.iter().map(Text::as_str));
    Uses {
        worker_pool: stack.worker_pool.clone(),
        providers: named(providers),
        cloud_accounts: named(accounts),
    }
}

fn named<'a>(names: impl Iterator<Item = &'a str>) -> List<Text> {
    let names: BTreeSet<&str> = names.filter(|name| !name.is_empty()).collect();
    names.into_iter().map(Text::from).collect()
}
