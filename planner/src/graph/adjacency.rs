//! Which position leads to which, as three arrays of numbers: what every question walks over.
//!
//! A walk keeps what it knows in arrays as long as the catalogue, which the operating system hands
//! out zeroed and page by page: only the pages that are touched cost anything.

use std::{cmp::Reverse, collections::BinaryHeap, ops::Range};

use super::Bits;

/// The edges among `len` positions, by parent.
#[derive(Debug, Default)]
pub(crate) struct Adjacency {
    /// `children[starts[p]..starts[p + 1]]` are those of parent `p`, in order.
    starts: Vec<u32>,
    children: Vec<u32>,
}

/// Some positions: quick to ask, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Members {
    sorted: Vec<u32>,
    bits: Bits,
}

impl Members {
    /// Whether it is one of them.
    pub fn contains(&self, position: usize) -> bool {
        self.bits.contains(position)
    }

    /// Whether any of them is one of these.
    pub(crate) fn meet(&self, others: &Bits) -> bool {
        self.bits.meets(others)
    }

    /// All of them, in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = usize> + '_ {
        self.sorted.iter().map(|&position| position as usize)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.sorted.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.sorted.is_empty()
    }
}

impl Adjacency {
    /// From pairs of parent and child that are in order and come once each, at most `most` of them.
    pub(crate) fn new(len: usize, most: usize, pairs: impl Iterator<Item = (u32, u32)>) -> Self {
        let mut starts = vec![0; len + 1];
        let mut children = Vec::with_capacity(most);
        for (parent, child) in pairs {
            starts[parent as usize + 1] += 1;
            children.push(child);
        }
        for parent in 0..len {
            starts[parent + 1] += starts[parent];
        }
        children.shrink_to_fit();
        Self { starts, children }
    }

    /// The same edges by child: whom each position is reached from, in order.
    pub(crate) fn turned(&self) -> Self {
        let mut starts = vec![0; self.starts.len()];
        for &child in &self.children {
            starts[child as usize + 1] += 1;
        }
        for child in 0..self.len() {
            starts[child + 1] += starts[child];
        }
        let mut next = starts.clone();
        let mut parents = vec![0; self.children.len()];
        for parent in 0..self.len() {
            for &child in self.children(number(parent)) {
                let place = &mut next[child as usize];
                parents[*place as usize] = number(parent);
                *place += 1;
            }
        }
        Self { starts, children: parents }
    }

    /// How many positions there are.
    pub(crate) fn len(&self) -> usize {
        self.starts.len().saturating_sub(1)
    }

    /// How many edges there are.
    pub(crate) fn edges(&self) -> usize {
        self.children.len()
    }

    /// The edges of a parent, as places in the list of all.
    pub(crate) fn places(&self, parent: usize) -> Range<usize> {
        match (self.starts.get(parent), self.starts.get(parent + 1)) {
            (Some(&from), Some(&to)) => from as usize..to as usize,
            _ => 0..0,
        }
    }

    /// Where the edge at this place leads.
    pub(crate) fn child(&self, place: usize) -> usize {
        self.children[place] as usize
    }

    /// Where the edge at this place comes from.
    pub(crate) fn parent(&self, place: usize) -> usize {
        self.starts.partition_point(|&start| start as usize <= place).saturating_sub(1)
    }

    fn children(&self, parent: u32) -> &[u32] {
        &self.children[self.places(parent as usize)]
    }

    /// `from` and all that can be reached, going only through what `passes` lets through.
    pub(crate) fn reach(
        &self,
        from: impl IntoIterator<Item = usize>,
        passes: impl Fn(usize) -> bool,
    ) -> Members {
        let (mut bits, mut reached) = (Bits::new(self.len()), Vec::new());
        for start in from {
            if start < self.len() && passes(start) && bits.insert(start) {
                reached.push(number(start));
            }
        }
        let mut next = 0;
        while let Some(&position) = reached.get(next) {
            next += 1;
            for &child in self.children(position) {
                let child = child as usize;
                if !bits.contains(child) && passes(child) {
                    bits.insert(child);
                    reached.push(number(child));
                }
            }
        }
        // Many are quicker read off their bits, in order, than sorted.
        match reached.len() < bits.words() {
            true => reached.sort_unstable(),
            false => bits.iter().zip(&mut reached).for_each(|(it, place)| *place = number(it)),
        }
        Members { sorted: reached, bits }
    }

    /// The members, parents before children, the smallest of those that could be next first; or,
    /// if some wait for each other, those that are stuck because of it.
    pub(crate) fn order(&self, members: &Members) -> Result<Vec<usize>, Vec<usize>> {
        let mut parents_left = vec![0_u32; self.len()];
        for &parent in &members.sorted {
            for &child in self.children(parent) {
                parents_left[child as usize] += 1;
            }
        }
        let free = |position: &&u32| parents_left[**position as usize] == 0;
        let mut ready: BinaryHeap<Reverse<u32>> =
            members.sorted.iter().filter(free).map(|&position| Reverse(position)).collect();
        let mut order = Vec::with_capacity(members.len());
        while let Some(Reverse(position)) = ready.pop() {
            order.push(position as usize);
            for &child in self.children(position) {
                let left = &mut parents_left[child as usize];
                *left -= 1;
                if *left == 0 && members.contains(child as usize) {
                    ready.push(Reverse(child));
                }
            }
        }
        if order.len() == members.len() {
            return Ok(order);
        }
        Err(members.iter().filter(|&position| parents_left[position] > 0).collect())
    }
}

/// Catalogues have far less than four thousand million stacks.
pub(crate) fn number(position: usize) -> u32 {
    u32::try_from(position).expect("a catalogue has less than four thousand million stacks")
}
