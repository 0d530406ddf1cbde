//! What is touched, as it is and as it is told.

use std::collections::{BTreeSet, HashMap};

/// How many names a mismatch holds.
const NAMES: usize = 5;

/// The projects that are told, and their order.
pub(crate) struct Answer {
    pub(crate) projects: Vec<String>,
    pub(crate) order: Order,
}

/// How an order is told.
pub(crate) enum Order {
    /// By the places in the list.
    Listed,
    /// By pairs: a project, and one that comes before it.
    Pairs(BTreeSet<(String, String)>),
}

/// What should be told.
pub(crate) struct Expected {
    pub(crate) projects: BTreeSet<String>,
    /// A project, and one that comes before it.
    pub(crate) pairs: BTreeSet<(String, String)>,
}

impl Expected {
    /// How an answer differs, if it does.
    pub(crate) fn mismatch(&self, answer: &Answer) -> Option<String> {
        let told: BTreeSet<_> = answer.projects.iter().cloned().collect();
        let faults = [
            some("missing", self.projects.difference(&told)),
            some("too many", told.difference(&self.projects)),
            some("out of order", self.disordered(answer).iter()),
            (told.len() < answer.projects.len()).then(|| "some are told twice".to_owned()),
        ];
        let faults: Vec<_> = faults.into_iter().flatten().collect();
        (!faults.is_empty()).then(|| faults.join("; "))
    }

    /// Projects whose place does not follow from what comes before them.
    fn disordered(&self, answer: &Answer) -> BTreeSet<String> {
        match &answer.order {
            Order::Pairs(told) => {
                self.pairs.symmetric_difference(told).map(|(project, _)| project.clone()).collect()
            }
            Order::Listed => {
                let places: HashMap<_, _> = answer.projects.iter().zip(0..).collect();
                let wrong = |(project, before): &&(String, String)| {
                    // Who is not told at all is missing, and has no place.
                    let places = places.get(project).zip(places.get(before));
                    places.is_some_and(|(place, before)| place < before)
                };
                self.pairs.iter().filter(wrong).map(|(project, _)| project.clone()).collect()
            }
        }
    }
}

/// How many, and the first of them.
fn some<'a>(what: &str, names: impl Iterator<Item = &'a String>) -> Option<String> {
    let names: Vec<_> = names.map(String::as_str).collect();
    let first = names.get(..NAMES).unwrap_or(&names).join(", ");
    (!names.is_empty()).then(|| format!("{} {what} ({first})", names.len()))
}
