//! Small Spacelift accounts whose shape a test can say in a line.

use std::collections::BTreeSet;

use rand::Rng;
use simulator::{Account, SpaceSeed, StackSeed};

/// The repository all of them are of.
pub const REPOSITORY: &str = "acme/infra";

/// Stacks with their parents (over labels), each in `stacks/<id>`, all applying by themselves.
pub fn account(stacks: &[(&str, &[&str])]) -> Account {
    Account {
        name: "acme".into(),
        spaces: vec![SpaceSeed { id: "root".into(), ..SpaceSeed::default() }],
        stacks: stacks.iter().map(|(id, parents)| stack(id, parents)).collect(),
        ..Account::default()
    }
}

/// `a` before `b` and `c`, both before `d`.
pub fn diamond() -> Account {
    account(&[("a", &[]), ("b", &["a"]), ("c", &["a"]), ("d", &["b", "c"])])
}

/// Separate diamonds: `a<n>` before `b<n>` and `c<n>`, both before `d<n>`.
pub fn diamonds(count: usize) -> Account {
    let mut all = account(&[]);
    for n in 0..count {
        let [a, b, c, d] = ["a", "b", "c", "d"].map(|place| format!("{place}{n}"));
        all.stacks.push(stack(&a, &[]));
        all.stacks.push(stack(&b, &[&a]));
        all.stacks.push(stack(&c, &[&a]));
        all.stacks.push(stack(&d, &[&b, &c]));
    }
    all
}

/// `chains` separate lines of `length` stacks: `s<chain>-<place>`.
pub fn lines(chains: usize, length: usize) -> Account {
    lines_named("s", chains, length)
}

/// The same under another name than `s`.
pub fn lines_named(name: &str, chains: usize, length: usize) -> Account {
    let mut all = account(&[]);
    for chain in 0..chains {
        for place in 0..length {
            let parent = place.checked_sub(1).map(|before| format!("{name}{chain}-{before}"));
            let parents: Vec<&str> = parent.iter().map(String::as_str).collect();
            all.stacks.push(stack(&format!("{name}{chain}-{place}"), &parents));
        }
    }
    all
}

/// Separate random graphs, each with as many stacks as `sizes` says: `g<graph>-<place>`. All of a graph
/// follow, over any number of others, from its first.
pub fn graphs(sizes: &[usize], rng: &mut impl Rng) -> Account {
    let mut all = account(&[]);
    for (graph, size) in sizes.iter().enumerate() {
        // How far back parents may stand: a graph may be deep, or wide.
        let reach = rng.random_range(1..=*size);
        for place in 0..*size {
            let nearest = place.saturating_sub(reach);
            let wanted = rng.random_range(1..=3);
            let parents: BTreeSet<usize> = (0..wanted)
                .filter(|_| place > 0)
                .map(|_| rng.random_range(nearest..place))
                .collect();
            let parents: Vec<String> =
                parents.into_iter().map(|parent| format!("g{graph}-{parent}")).collect();
            let parents: Vec<&str> = parents.iter().map(String::as_str).collect();
            all.stacks.push(stack(&format!("g{graph}-{place}"), &parents));
        }
    }
    all
}

fn stack(id: &str, parents: &[&str]) -> StackSeed {
    let mut labels = vec!["env:test".to_owned()];
    labels.extend(parents.iter().map(|parent| format!("depends-on:{parent}")));
    StackSeed {
        namespace: "acme".into(),
        repository: "infra".into(),
        space: "root".into(),
        project_root: Some(format!("stacks/{id}")),
        labels,
        autodeploy: true,
        ..StackSeed::new(id)
    }
}
