//! How right the inferred edges are: precision and recall on a labelled set.
//!
//! Each file of `labelled/` is a few repositories, written out, and the edges that a person who
//! knows them would draw. Files are parted by `-- repository:path --`; the edges come at the end,
//! below `== edges`, as `stack -> stack it waits for`. Some edges cannot be seen in code, and some
//! code only looks like an edge: both are in the set, so that the figures mean something.
//! See them with `cargo test -p code --test labelled -- --nocapture`.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::Write,
};

use code::{MemoryTree, Repository, infer};

const SET: &[(&str, &str)] = &[
    ("remote_state", include_str!("labelled/remote_state.txt")),
    ("templates", include_str!("labelled/templates.txt")),
    ("modules", include_str!("labelled/modules.txt")),
    ("repositories", include_str!("labelled/repositories.txt")),
    ("far", include_str!("labelled/far.txt")),
    ("environments", include_str!("labelled/environments.txt")),
    ("spacelift", include_str!("labelled/spacelift.txt")),
    ("terragrunt", include_str!("labelled/terragrunt.txt")),
    ("look_ups", include_str!("labelled/look_ups.txt")),
    ("unseen", include_str!("labelled/unseen.txt")),
];

/// What the set must at least give; raise these when inference gets better.
const PRECISION_MIN: f64 = 0.95;
const RECALL_MIN: f64 = 0.85;

type Pairs = BTreeSet<(String, String)>;

struct Case {
    repositories: BTreeMap<String, Vec<(String, String)>>,
    edges: Pairs,
}

fn case(text: &str) -> Case {
    let (files, edges) = text.split_once("\n== edges\n").expect("a case ends with its edges");
    let mut repositories: BTreeMap<String, Vec<(String, String)>> = BTreeMap::new();
    for file in files.split("\n-- ").map(|file| file.trim_start_matches("-- ")) {
        let (head, body) = file.split_once(" --\n").unwrap_or_else(|| panic!("no head: {file}"));
        let (repository, path) = head.split_once(':').expect("`repository:path`");
        let files = repositories.entry(repository.to_owned()).or_default();
        files.push((path.to_owned(), format!("{body}\n")));
    }
    let lines = edges.lines().map(|line| line.split('#').next().unwrap_or_default().trim());
    let pair = |line: &str| {
        let (stack, on) = line.split_once(" -> ").expect("`stack -> stack`");
        (stack.to_owned(), on.to_owned())
    };
    Case { repositories, edges: lines.filter(|line| !line.is_empty()).map(pair).collect() }
}

fn found(case: &Case) -> Pairs {
    let read = |files: &Vec<(String, String)>| {
        let repository = Repository::read(&MemoryTree::new(files.clone()));
        let told: Vec<_> = repository.faults().iter().chain(repository.warnings()).collect();
        assert!(told.is_empty(), "{told:?}");
        repository
    };
    let repositories: Vec<Repository> = case.repositories.values().map(read).collect();
    let subjects: Vec<_> = repositories.iter().flat_map(Repository::subjects).collect();
    let names: BTreeSet<&str> = subjects.iter().map(|subject| subject.name).collect();
    for (stack, on) in &case.edges {
        assert!(names.contains(&**stack) && names.contains(&**on), "no such edge: {stack} -> {on}");
    }
    infer(&subjects).edges.into_iter().map(|edge| (edge.stack, edge.on)).collect()
}

#[test]
fn inferred_edges_are_right_and_few_are_missed() {
    let (mut right, mut drawn, mut labelled) = (0, 0, 0);
    let mut report = String::new();
    for (name, text) in SET {
        let case = case(text);
        let found = found(&case);
        let both = found.intersection(&case.edges).count();
        let wrong = found.difference(&case.edges).map(|(a, b)| format!("+{a}->{b}"));
        let missed = case.edges.difference(&found).map(|(a, b)| format!("-{a}->{b}"));
        let told: Vec<String> = wrong.chain(missed).collect();
        let (labels, draws) = (case.edges.len(), found.len());
        let told = told.join(" ");
        report += &format!("{name}: {labels} labelled, {draws} drawn, {both} right {told}\n");
        (right, drawn, labelled) = (right + both, drawn + draws, labelled + labels);
    }
    let (precision, recall) = (ratio(right, drawn), ratio(right, labelled));
    report += &format!("{labelled} labelled, {drawn} drawn, {right} right\n");
    assert!(precision >= PRECISION_MIN, "precision fell to {precision:.3}:\n{report}");
    assert!(recall >= RECALL_MIN, "recall fell to {recall:.3}:\n{report}");
    // Shown by `--nocapture`.
    let _ = std::io::stderr().write_all(report.as_bytes());
    let stated = format!(
        "{right} of the {drawn} edges that are drawn are right (a precision of {:.1} %), and {right} of \
         the {labelled} that people would draw are drawn (a recall of {:.1} %).",
        precision * 100.0,
        recall * 100.0
    );
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/CATALOGUE.md");
    let page = std::fs::read_to_string(page).unwrap();
    assert!(page.contains(&stated), "docs/CATALOGUE.md should say: {stated}");
}

fn ratio(part: usize, whole: usize) -> f64 {
    let exact = |count: usize| f64::from(u32::try_from(count).expect("the set is small"));
    exact(part) / exact(whole.max(1))
}
