use std::cell::Cell;

use super::*;
use crate::tree::{Entry, Kind, MemoryTree};

#[test]
fn local_modules_are_followed_over_any_depth() {
    let tree = MemoryTree::new([
        ("stacks/app/main.tf", "module \"a\" {\n  source = \"../../modules/a\"\n}\n"),
        ("modules/a/main.tf", "module \"b\" {\n  source = \"./b\"\n}\n"),
        ("modules/a/b/main.tf", "module \"c\" {\n  source = \"../../c\"\n}\n"),
        ("modules/c/main.tf", "module \"a\" {\n  source = \"../a\"\n}\n"),
        ("modules/unused/main.tf", ""),
    ]);
    let found = Reader::default().read(&tree, Some(&["stacks/app"]));
    let folders: Vec<&str> = found.modules().map(|module| module.folder.as_str()).collect();
    assert_eq!(folders, ["modules/a", "modules/a/b", "modules/c", "stacks/app"]);
    assert_eq!(Repository::read(&tree).modules().count(), 5);
}

#[test]
fn a_broken_file_is_left_out_and_told_and_the_rest_of_its_module_counts() {
    let tree = MemoryTree::new([
        ("a/good.tf", "variable \"x\" {}\n"),
        ("a/bad.tf", "variable \"y\" {\n"),
        ("a/call.tf", "module \"m\" {\n  source = \"../none\"\n}\n"),
    ]);
    let found = Repository::read(&tree);
    assert!(found.module("a").unwrap().variables.contains_key("x"));
    let told: Vec<String> = found.warnings().iter().map(ToString::to_string).collect();
    assert!(told.iter().any(|one| one.starts_with("a/bad.tf:1:15: this is not HCL")), "{told:?}");
    assert!(told.iter().any(|one| one.contains("comes from none, where there is no code")));
    assert_eq!(found.faults(), []);
}

/// Counts how often files are read.
struct Counting<'a> {
    inner: &'a MemoryTree,
    reads: Cell<usize>,
}

impl Tree for Counting<'_> {
    fn entries(&self) -> Vec<Entry> {
        let mut entries = self.inner.entries();
        for entry in &mut entries {
            if let Kind::File { .. } = entry.kind {
                let text = self.inner.read(&entry.path).unwrap();
                // Good enough for a test: no two texts here have the same length.
                entry.content = Some(text.len() as u128);
            }
        }
        entries
    }

    fn read(&self, path: &str) -> Result<Vec<u8>, String> {
        self.reads.set(self.reads.get() + 1);
        self.inner.read(path)
    }
}

#[test]
fn what_did_not_change_is_read_once() {
    let mut reader = Reader::default();
    let before = MemoryTree::new([("a.tf", "locals {}"), ("b.tf", "variable \"b\" {}")]);
    let tree = Counting { inner: &before, reads: Cell::new(0) };
    reader.read(&tree, None);
    assert_eq!(tree.reads.get(), 2);
    let after = MemoryTree::new([("a.tf", "locals {}"), ("b.tf", "variable \"bb\" {}")]);
    let tree = Counting { inner: &after, reads: Cell::new(0) };
    let found = reader.read(&tree, None);
    assert_eq!(tree.reads.get(), 1);
    assert!(found.module("").unwrap().variables.contains_key("bb"));
}

#[test]
fn a_module_that_is_linked_in_is_part_of_the_folder() {
    let tree = MemoryTree::new([
        ("shared/common.tf", "variable \"env\" {}\n"),
        ("app/main.tf", ""),
        ("lib/net/main.tf", "variable \"cidr\" {}\n"),
        ("app/use.tf", "module \"net\" {\n  source = \"./mods/net\"\n}\n"),
    ])
    .with_link("app/common.tf", "../shared/common.tf")
    .with_link("app/mods", "../lib");
    let found = Repository::read(&tree);
    let app = found.module("app").unwrap();
    assert!(app.variables.contains_key("env"));
    assert!(app.files.contains(&"shared/common.tf".to_owned()), "{:?}", app.files);
    assert!(found.module("app/mods/net").unwrap().variables.contains_key("cidr"));
    assert_eq!(found.warnings(), []);
}
