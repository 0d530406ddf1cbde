//! Every order in which a few steps can come, go and end under several limits at once.

use std::collections::{BTreeSet, HashSet};

use super::{
    super::{Limits, Numbers, Taken, Turns, Wanting},
    of,
};
use crate::fixtures::at;

/// Which steps have not come, wait in this order, and run.
#[derive(Clone, PartialEq, Eq, Hash)]
struct World {
    absent: BTreeSet<usize>,
    waiting: Vec<usize>,
    running: BTreeSet<usize>,
}

/// A step: its space, its worker pool and its cloud account.
type Kind = (&'static str, &'static str, &'static str);

const STEPS: [Kind; 5] = [
    ("big", "eu", "prod"),
    ("big", "eu", "test"),
    ("big", "us", "prod"),
    ("small", "eu", "prod"),
    ("small", "us", "test"),
];

fn limits(kept_free: u32) -> Limits {
    let most = |name: &str, most| (name.to_owned(), most);
    Limits {
        account: 3,
        spaces: [most("small", 1)].into(),
        worker_pools: [most("eu", 2), most("us", 1)].into(),
        cloud_accounts: [most("prod", 1)].into(),
        kept_free,
        ..Limits::default()
    }
}

fn taken(limits: &Limits, number: usize) -> Taken {
    let (space, pool, account) = STEPS[number];
    let mut taken = of(limits, u128::try_from(number).unwrap() + 1, space);
    let more = [limits.under("worker pool", pool), limits.under("cloud account", account)];
    taken.limits.extend(more.into_iter().flatten());
    taken
}

impl World {
    fn turns(&self, limits: &Limits) -> Turns {
        let running = self.running.iter().map(|&number| taken(limits, number)).collect();
        let wanting = self.waiting.iter().enumerate().map(|(place, &number)| Wanting {
            it: taken(limits, number),
            rank: 1,
            since: at(i64::try_from(place).unwrap()),
            queues: true,
        });
        Turns::of(&Numbers::new(limits, []), running, wanting.collect())
    }

    /// What must hold of who is let go and of who is not.
    fn check(&self, limits: &Limits) {
        let turns = self.turns(limits);
        let used = |limit: &String| {
            self.running.iter().filter(|&&it| taken(limits, it).limits.contains(limit)).count()
        };
        let goes = |number: &usize| turns.kept_back(&taken(limits, *number)).is_none();
        let going: Vec<usize> = self.waiting.iter().copied().filter(goes).collect();
        let then = |limit: &String| {
            let more = going.iter().filter(|&&it| taken(limits, it).limits.contains(limit));
            used(limit) + more.count()
        };
        for &number in self.running.iter().chain(&self.waiting) {
            for limit in &taken(limits, number).limits {
                assert!(then(limit) <= limits.most(limit), "{limit}: {going:?}");
            }
        }
        for number in self.waiting.iter().filter(|number| !going.contains(number)) {
            let mine = taken(limits, *number);
            // Of its space one runs already: what is kept is not for it.
            let is_first =
                !self.running.iter().chain(&going).any(|it| taken(limits, *it).share == mine.share);
            let full = |limit: &String| {
                let most = limits.most(limit);
                let kept_free = if is_first { 0 } else { limits.kept_free(limit, most) };
                then(limit) >= most - kept_free
            };
            assert!(mine.limits.iter().any(full), "{number} could go");
            let said = turns.kept_back(&mine).unwrap();
            assert!(full(&said.limit) && mine.limits.contains(&said.limit), "{said}");
            assert_eq!(said.taken_by.len(), used(&said.limit), "{said}");
        }
    }

    fn next(&self, limits: &Limits) -> Vec<Self> {
        let mut next = Vec::new();
        for &number in &self.absent {
            let mut world = self.clone();
            world.absent.remove(&number);
            world.waiting.push(number);
            next.push(world);
        }
        for &number in &self.running {
            let mut world = self.clone();
            world.running.remove(&number);
            next.push(world);
        }
        let turns = self.turns(limits);
        // Each of those that may go goes by itself: in between, anything can happen.
        for (place, &number) in self.waiting.iter().enumerate() {
            if turns.kept_back(&taken(limits, number)).is_none() {
                let mut world = self.clone();
                world.waiting.remove(place);
                world.running.insert(number);
                next.push(world);
            }
        }
        next
    }
}

#[test]
fn in_whatever_order_steps_come_and_end_no_limit_is_passed_and_no_place_is_left_that_one_could_have()
 {
    explore(&limits(0));
    explore(&limits(1));
    explore(&Limits { share_by: "team:".to_owned(), ..limits(1) });
}

fn explore(limits: &Limits) {
    let first =
        World { absent: (0..STEPS.len()).collect(), waiting: Vec::new(), running: BTreeSet::new() };
    let (mut known, mut open, mut ends) = (HashSet::new(), vec![first], 0);
    while let Some(world) = open.pop() {
        if !known.insert(world.clone()) {
            continue;
        }
        world.check(limits);
        let next = world.next(limits);
        // Whoever waits is let go in the end.
        assert!(!next.is_empty() || world.waiting.is_empty());
        ends += usize::from(next.is_empty());
        open.extend(next);
    }
    assert_eq!(ends, 1, "in the end all have run");
    assert!(known.len() > 500, "only {} states", known.len());
}
