use std::collections::BTreeSet;

use contracts::change::Paths;
use proptest::prelude::*;

use super::{Watch, known};
use crate::{
    catalogue::{Stack, ordered, tests::stack},
    graph::number,
};

/// The ids touched by these paths, each with its reason.
fn touched(stacks: Vec<Stack>, paths: &[&str]) -> Vec<(String, String)> {
    let stacks = ordered(stacks);
    let (watch, faults) = Watch::new(&stacks, |_| &[], (0..stacks.len()).map(number).collect());
    assert!(faults.is_empty(), "{faults:?}");
    let paths = Paths::All(paths.iter().map(|&path| path.to_owned()).collect());
    let touched = watch.touched(&stacks, &known(&paths).unwrap());
    touched
        .into_iter()
        .map(|(stack, touch)| (stacks[stack].id.to_string(), touch.reason().text))
        .collect()
}

fn ids(stacks: Vec<Stack>, paths: &[&str]) -> Vec<String> {
    touched(stacks, paths).into_iter().map(|(id, _)| id).collect()
}

#[test]
fn a_path_touches_the_stacks_whose_folder_it_lies_in() {
    let stacks = || vec![stack("network"), stack("net"), stack("deep").at("net/work")];
    assert_eq!(ids(stacks(), &["network/main.tf"]), ["network"]);
    assert_eq!(ids(stacks(), &["net/work/main.tf"]), ["deep", "net"]);
    assert_eq!(ids(stacks(), &["net/worker.tf"]), ["net"]);
    assert!(ids(stacks(), &["netz/main.tf", "main.tf", "a/net/main.tf"]).is_empty());
}

#[test]
fn an_empty_root_is_the_whole_repository() {
    for root in ["", "/", "."] {
        assert_eq!(ids(vec![stack("all").at(root)], &["x"]), ["all"], "{root}");
    }
}

#[test]
fn a_submodule_at_the_root_itself_touches_the_stack() {
    assert_eq!(ids(vec![stack("a").at("vendor/a")], &["vendor/a"]), ["a"]);
}

#[test]
fn globs_stay_within_a_segment_unless_they_say_otherwise() {
    let check = |glob: &str, path: &str, expect: bool| {
        let hit = !ids(vec![stack("a").glob(glob)], &[path]).is_empty();
        assert_eq!(hit, expect, "{glob} on {path}");
    };
    check("modules/*.tf", "modules/vpc.tf", true);
    check("modules/*.tf", "modules/vpc/main.tf", false);
    check("modules/**", "modules/vpc/main.tf", true);
    check("modules/**/*.tf", "modules/main.tf", true);
    check("**/common.tfvars", "x/y/common.tfvars", true);
    check("**/common.tfvars", "common.tfvars", true);
    check("env/?.tf", "env/a.tf", true);
    check("env/?.tf", "env/ab.tf", false);
    check("{shared,common}/*", "common/x", true);
    check("/modules/**", "modules/x", true);
    check("./modules/**", "modules/x", true);
    check("modules/*/", "modules/vpc/main.tf", true);
}

#[test]
fn a_glob_without_wildcards_is_a_file_or_a_folder() {
    let stacks = || vec![stack("a").glob("modules/vpc"), stack("b").glob("modules/dns/")];
    assert_eq!(ids(stacks(), &["modules/vpc"]), ["a"]);
    assert_eq!(ids(stacks(), &["modules/vpc/main.tf"]), ["a"]);
    assert_eq!(ids(stacks(), &["modules/dns/main.tf"]), ["b"]);
    assert!(ids(stacks(), &["modules/vpc2/main.tf", "modules/dnsx"]).is_empty());
}

#[test]
fn the_reason_names_the_first_file_and_how_many_more() {
    let reason = |stack: Stack, paths: &[&str]| touched(vec![stack], paths)[0].1.clone();
    assert_eq!(
        reason(stack("net"), &["net/z.tf", "net/a.tf", "net/b.tf", "net/a.tf", "x"]),
        "net/a.tf and 2 more files changed, below its project root net"
    );
    assert_eq!(
        reason(stack("net").glob("m/**"), &["m/z.tf"]),
        "m/z.tf changed, matched by its glob m/**"
    );
    // A path within root and globs at once counts once, for the root.
    assert_eq!(
        reason(stack("net").glob("net/**").glob("**/a.tf"), &["net/a.tf", "net/b.tf"]),
        "net/a.tf and 1 more file changed, below its project root net"
    );
    assert_eq!(
        reason(stack("all").at(""), &["x"]),
        "x changed; the whole repository is its project root"
    );
}

#[test]
fn unknown_paths_are_not_the_same_as_none() {
    assert_eq!(known(&Paths::Unknown), None);
    assert_eq!(known(&Paths::All(vec![String::new()])), Some(BTreeSet::new()));
}

fn path() -> impl Strategy<Value = String> {
    prop::collection::vec("[abc]{1,2}", 1..4).prop_map(|segments| segments.join("/"))
}

proptest! {
    #[test]
    fn what_is_touched_is_what_lies_below_a_root(
        roots in prop::collection::vec(prop_oneof![path(), Just(String::new())], 1..8),
        paths in prop::collection::vec(path(), 0..8),
    ) {
        let stacks: Vec<Stack> = roots
            .iter()
            .enumerate()
            .map(|(n, root)| stack(&format!("s{n}")).at(root))
            .collect();
        let below = |root: &str, path: &str| {
            root.is_empty() || path == root || path.starts_with(&format!("{root}/"))
        };
        let expect: Vec<String> = stacks
            .iter()
            .filter(|stack| paths.iter().any(|path| below(&stack.project_root, path)))
            .map(|stack| stack.id.to_string())
            .collect();
        let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
        prop_assert_eq!(ids(stacks, &paths), expect);
    }
}
