//! Who says an edge, as one number.

use contracts::chain::EdgeOrigin;

use super::adjacency::number;
use crate::catalogue::Catalogue;

/// Who says an edge: in two bits what kind of saying, in the others which of the child's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Source(u32);

/// What kind of saying it is. Explicit ones are written down as dependencies by somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// The n-th of the child's native dependencies.
    Native,
    /// The n-th of the child's labels.
    Label,
    /// The n-th of the edges that code says of it, declared in its stackly.hcl.
    Declared,
    /// The n-th of the edges that code says of it, inferred.
    Inferred,
}

/// Where the kind stands; sayings sort by it first.
const KIND_AT: u32 = 30;

const KINDS: [Kind; 4] = [Kind::Native, Kind::Label, Kind::Declared, Kind::Inferred];

impl Source {
    pub(super) fn new(kind: Kind, which: usize) -> Self {
        let kind = KINDS.iter().position(|&one| one == kind).expect("all kinds are listed");
        Self(number(kind) << KIND_AT | number(which))
    }

    pub(super) fn kind(self) -> Kind {
        KINDS[(self.0 >> KIND_AT) as usize]
    }

    fn which(self) -> usize {
        (self.0 & ((1 << KIND_AT) - 1)) as usize
    }

    /// The saying in words.
    pub(super) fn origin(self, catalogue: &Catalogue, child: usize) -> EdgeOrigin {
        let stack = &catalogue.stacks()[child];
        match self.kind() {
            Kind::Native => {
                let references = stack.depends_on[self.which()].references.strings();
                EdgeOrigin::Native { references }
            }
            Kind::Label => EdgeOrigin::Label { label: stack.labels[self.which()].to_string() },
            Kind::Declared | Kind::Inferred => {
                let mut edges = catalogue.code_edges(child);
                edges.nth(self.which()).expect("code says the edge").origin()
            }
        }
    }
}
