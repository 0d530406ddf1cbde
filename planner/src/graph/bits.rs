//! Some positions out of many, a bit each.

/// Some positions: quick to ask.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Bits(Vec<u64>);

impl Bits {
    /// None out of `len`.
    pub(crate) fn new(len: usize) -> Self {
        Self(vec![0; len.div_ceil(64)])
    }

    /// Takes it in; false if it was in already.
    pub(crate) fn insert(&mut self, position: usize) -> bool {
        let (word, bit) = (&mut self.0[position / 64], 1 << (position % 64));
        let is_new = *word & bit == 0;
        *word |= bit;
        is_new
    }

    /// Whether it is one of them.
    pub fn contains(&self, position: usize) -> bool {
        self.0.get(position / 64).is_some_and(|word| word & (1 << (position % 64)) != 0)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|word| *word == 0)
    }

    /// All of them, in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        let of_word = |(place, &word): (usize, &u64)| {
            let left = |word: u64| (word != 0).then_some(word);
            // Without its lowest bit, until there is none.
            let rest = std::iter::successors(left(word), move |word| left(word & (word - 1)));
            rest.map(move |word| place * 64 + word.trailing_zeros() as usize)
        };
        self.0.iter().enumerate().flat_map(of_word)
    }

    /// Whether any of them is one of the others.
    pub(super) fn meets(&self, others: &Self) -> bool {
        self.0.iter().zip(&others.0).any(|(word, other)| word & other != 0)
    }

    /// How many words they take.
    pub(super) fn words(&self) -> usize {
        self.0.len()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::Bits;

    proptest! {
        #[test]
        fn what_was_taken_in_is_there_in_order_and_nothing_else(
            wanted in prop::collection::btree_set(0..300_usize, 0..40),
        ) {
            let mut bits = Bits::new(300);
            for &one in &wanted {
                prop_assert!(bits.insert(one) && !bits.insert(one));
            }
            prop_assert_eq!(bits.is_empty(), wanted.is_empty());
            let asked: BTreeSet<usize> = (0..400).filter(|&one| bits.contains(one)).collect();
            prop_assert_eq!(&asked, &wanted);
            let meets = |at: usize| {
                let mut one = Bits::new(300);
                one.insert(at);
                bits.meets(&one) && one.meets(&bits)
            };
            prop_assert!((0..300).all(|at| meets(at) == wanted.contains(&at)));
            prop_assert_eq!(bits.iter().collect::<Vec<_>>(), Vec::from_iter(wanted));
        }
    }
}
