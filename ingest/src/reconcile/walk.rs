//! How far a host's list of deliveries has been looked at: a pure account of it.
//!
//! A list is read from the newest on, page by page, down to what was looked at before. That a page
//! has nothing missing says nothing of the pages below it: what was too young to be missed, could not
//! be fetched or came in too great a number lies there. So the account remembers down to where
//! everything is in, and a walk that is too long for one round goes on in the next.

/// Where to begin or to go on.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// With the newest page, unless it is still as it was.
    Newest { unless: Option<String> },
    /// With this page of a walk that was begun.
    On(String),
}

/// The account of one list, in which a delivery is placed by `K`, the newest highest.
#[derive(Debug)]
pub(super) struct Walk<K> {
    /// Everything below is in.
    settled: Option<K>,
    /// What the newest page is known by, if all that it led to is in.
    etag: Option<String>,
    begun: Option<Begun<K>>,
}

#[derive(Debug)]
struct Begun<K> {
    /// The page that comes next.
    next: String,
    trace: Trace<K>,
    etag: Option<String>,
}

/// What a walk has seen.
#[derive(Debug, Clone, Copy)]
struct Trace<K> {
    newest: Option<K>,
    /// The lowest that is not in.
    missing: Option<K>,
}

/// One page, after what was missing of it has been taken in.
#[derive(Debug)]
pub(super) struct Seen<K> {
    /// The place of each delivery, and whether it is in.
    pub(super) deliveries: Vec<(K, bool)>,
    pub(super) next: Option<String>,
    pub(super) etag: Option<String>,
}

impl<K> Default for Walk<K> {
    fn default() -> Self {
        Self { settled: None, etag: None, begun: None }
    }
}

impl<K: Copy + Ord> Walk<K> {
    /// What to read first in this round.
    pub(super) fn step(&self) -> Step {
        match &self.begun {
            Some(begun) => Step::On(begun.next.clone()),
            None => Step::Newest { unless: self.etag.clone() },
        }
    }

    /// Notes a page; gives the next one, if there is more to look at. Nothing below `floor` is
    /// looked for.
    pub(super) fn note(&mut self, seen: Seen<K>, floor: Option<K>) -> Option<String> {
        let lowest = self.settled.max(floor);
        let (mut trace, etag) = match self.begun.take() {
            Some(begun) => (begun.trace, begun.etag),
            None => (Trace { newest: None, missing: None }, seen.etag),
        };
        for (place, is_in) in &seen.deliveries {
            trace.newest = trace.newest.max(Some(*place));
            if !is_in {
                trace.missing = Some(trace.missing.map_or(*place, |lowest| lowest.min(*place)));
            }
        }
        let is_down = seen.deliveries.iter().any(|(place, _)| Some(*place) < lowest);
        match seen.next.filter(|_| !is_down) {
            Some(next) => {
                self.begun = Some(Begun { next: next.clone(), trace, etag });
                Some(next)
            }
            None => {
                self.etag = etag.filter(|_| trace.missing.is_none());
                self.settled = trace.missing.or(trace.newest).or(self.settled);
                None
            }
        }
    }

    /// Forgets a walk that cannot go on: the next round begins anew.
    pub(super) fn give_up(&mut self) {
        self.begun = None;
    }
}

#[cfg(test)]
mod tests;
