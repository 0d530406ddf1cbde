//! Who or what keeps a step from its stack, or from the place it needs.

use std::fmt;

use contracts::{ChainId, StackId};

use crate::{course::Said, lock};

/// Another chain that has a stack, or has it first, or has the place it would need.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// The other chain.
    pub chain: ChainId,
    /// What it has to do with the stack.
    pub hold: Hold,
}

/// What another chain has to do with a stack; what holds longest comes first.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Hold {
    /// Nobody knows what became of a run of it there, and nobody has looked.
    Unknown,
    /// A person has locked it through us; of no other chain.
    Locked(Said),
    /// A step of it has a run there.
    Runs,
    /// A call about the stack is not concluded.
    Calls,
    /// It queues for the stack, and goes first.
    Queues,
    /// As many runs as may be at once are under way.
    Places(Places),
}

/// A limit whose places are all taken, or promised to those who come first.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Places {
    /// `the account`, `space prod`, `label team:net`.
    pub limit: String,
    /// How many there are.
    pub most: usize,
    /// How many of them are free and kept for spaces, or teams, that have no run.
    pub kept_free: usize,
    /// The stack whose code says that there are no more; if none, the configuration does.
    pub said_by: Option<StackId>,
    /// Whose runs have them.
    pub taken_by: Vec<(ChainId, StackId)>,
}

/// How many of those who have a place are named.
const NAMED: usize = 3;

impl Holder {
    /// What a person can do so that a stack becomes free, to be added to a sentence.
    pub(crate) fn mends(&self, stack: &StackId) -> String {
        match self.hold {
            Hold::Locked(_) => format!("; `stackly unlock {stack}` takes that off"),
            Hold::Unknown => {
                let here = format!("{}/{stack}", self.chain);
                format!(
                    "; look at what {stack} manages, then `stackly retry {here} --force` runs it \
                     again, and `stackly cancel {here}` leaves it as it is"
                )
            }
            _ => String::new(),
        }
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let chain = self.chain;
        match &self.hold {
            Hold::Unknown => {
                write!(f, "nobody knows what became of the run of {chain} there")
            }
            Hold::Locked(said) => f.write_str(&lock::phrase(said)),
            Hold::Runs => write!(f, "{chain} has a run there"),
            Hold::Calls => write!(f, "a call of {chain} is not concluded yet"),
            Hold::Queues => write!(f, "{chain} goes first"),
            Hold::Places(places) => places.fmt(f),
        }
    }
}

impl fmt::Display for Places {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { limit, most, kept_free, said_by, taken_by } = self;
        write!(f, "{} of {most} runs at once of {limit}", taken_by.len())?;
        if let Some(stack) = said_by {
            write!(f, ", as the stackly.hcl of {stack} says,")?;
        }
        f.write_str(" are under way")?;
        let named = taken_by.iter().take(NAMED);
        let named: Vec<_> = named.map(|(chain, stack)| format!("{stack} of {chain}")).collect();
        if !named.is_empty() {
            write!(f, ": {}", named.join(", "))?;
        }
        match taken_by.len() {
            under if under < *most && *kept_free > 0 => {
                write!(f, ", and {kept_free} kept for those that have none")
            }
            under if under < *most => f.write_str(", and others come first"),
            under if under > NAMED => write!(f, " and {} more", under - NAMED),
            _ => Ok(()),
        }
    }
}
