//! How many of its parents a step waits for: all of them, any of them, or some number.

use contracts::{Text, label};

/// How many parents must have ended well before a step starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Join {
    All,
    /// So many; all, where there are fewer in the chain.
    Some(usize),
}

impl Join {
    /// What the labels of a stack say. What cannot be read asks for all: that is never too early.
    pub(crate) fn of(labels: &[Text]) -> Self {
        let said = labels.iter().find_map(|label| label.strip_prefix(label::JOIN));
        match said.map(str::trim) {
            Some("any") => Self::Some(1),
            Some(number) => number.parse().map_or(Self::All, |number| Self::Some(1.max(number))),
            None => Self::All,
        }
    }

    /// How many of so many parents.
    pub(crate) fn needed(self, parents: usize) -> usize {
        match self {
            Self::All => parents,
            Self::Some(number) => number.min(parents),
        }
    }
}

/// How the parents of a step stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// How many there are in its chain.
    pub parents: usize,
    /// How many of them ended well.
    pub well: usize,
    /// How many of them have not ended.
    pub open: usize,
    /// How many must end well.
    pub needed: usize,
}

impl Standing {
    /// Whether the step may start.
    pub fn is_met(self) -> bool {
        self.well >= self.needed
    }

    /// Whether it may ever start.
    pub fn can_be_met(self) -> bool {
        self.well + self.open >= self.needed
    }

    /// `1 of 3 ended well, and 2 must`; nothing where all must, which goes without saying.
    pub(crate) fn phrase(self) -> Option<String> {
        let Self { parents, well, needed, .. } = self;
        (needed < parents).then(|| format!("{well} of {parents} ended well, and {needed} must"))
    }
}

#[cfg(test)]
mod tests;
