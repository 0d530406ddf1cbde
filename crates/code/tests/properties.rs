//! Whatever is written into files, reading them ends with values and never with a panic.

use std::collections::BTreeSet;

use code::{Index, MemoryTree, Repository, infer, path, stack_file};
use proptest::prelude::*;

/// Pieces that files of code are made from, and some that break them.
const PIECES: &[&str] = &[
    "stack \"a\" {\n",
    "defaults {\n",
    "}\n",
    "{",
    "}",
    "\n",
    " = ",
    "\"",
    "${",
    "%{ if",
    "[",
    "]",
    "(",
    ")",
    "labels = [\"x\"]\n",
    "wave = 18446744073709551616\n",
    "input \"v\" {\n",
    "stack = \"b\"\n",
    "watch = [\"../../..\"]\n",
    "variables {\n",
    "x = var.y\n",
    "locals {\n",
    "a = local.b\n",
    "b = local.a\n",
    "for_each = local.a\n",
    "module \"m\" {\n",
    "source = \"./\"\n",
    "source = \"../a\"\n",
    "source = \".\"\n",
    "data \"terraform_remote_state\" \"s\" {\n",
    "backend = \"s3\"\n",
    "config = { key = \"${local.a}${local.a}\", bucket = local.b }\n",
    "terraform {\n",
    "backend \"s3\" {\n",
    "key = format(\"%s%\", var.x...)\n",
    "dependency \"d\" {\n",
    "config_path = \"../a\"\n",
    "include {\n",
    "path = find_in_parent_folders()\n",
    "read_terragrunt_config(\"x.hcl\")",
    "<<EOT\n",
    "EOT\n",
    "{\"module\":{\"m\":{\"source\":\"./\"}}}",
    "null",
    "-1",
    "1e999",
    "ä",
    "\u{0}",
    "\u{feff}",
    "\r\n",
    "\t",
    "resource \"spacelift_stack_dependency\" \"d\" {\n",
    "stack_id = spacelift_stack.a[each.key].id\n",
];

const FILES: &[&str] = &[
    "stackly.hcl",
    "a/stackly.hcl",
    "a/main.tf",
    "a/main.tf.json",
    "a/b/override.tf",
    "a/terragrunt.hcl",
    "terragrunt.hcl",
    "a/terraform.tfvars",
    "a/terraform.tfvars.json",
    "a/x.tofu",
    "a/s3.tfbackend",
    "x.hcl",
];

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => prop::collection::vec(prop::sample::select(PIECES), 0..25).prop_map(|all| all.concat()),
        1 => any::<String>(),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..Default::default() })]

    #[test]
    fn no_text_makes_a_panic(texts in prop::collection::vec((prop::sample::select(FILES), text()), 1..8),
        links in prop::collection::vec((prop::sample::select(FILES), "[./a-b]{0,12}"), 0..3),
        changed in prop::collection::vec("[./a-b]{0,12}", 0..4)) {
        let mut tree = MemoryTree::new(texts);
        for (link, target) in links {
            tree = tree.with_link(format!("{link}.tf"), target);
        }
        let repository = Repository::read(&tree);
        let mut subjects = repository.subjects();
        subjects.extend(repository.loose_roots().into_iter().map(|root| repository.subject_of(root)));
        infer(&subjects);
        Index::of(&repository).touched(changed.iter().map(String::as_str));
        for fault in repository.faults().iter().chain(repository.warnings()) {
            prop_assert!(!fault.to_string().is_empty() && !fault.advice.is_empty());
        }
    }

    #[test]
    fn a_fault_never_hides_a_good_stack(bad in text()) {
        let tree = MemoryTree::new([
            ("bad/stackly.hcl", bad),
            ("good/stackly.hcl", "stack \"the-good-one\" {}\n".to_owned()),
        ]);
        prop_assert!(Repository::read(&tree).stack("the-good-one").is_some());
    }

    #[test]
    fn a_path_never_leads_out(folder in "[ab/]{0,6}", written in "[ab./]{0,14}") {
        if let Ok(joined) = path::join(&folder, &written) {
            prop_assert!(!joined.split('/').any(|segment| matches!(segment, ".." | ".")), "{joined}");
            prop_assert!(!joined.starts_with('/') && !joined.ends_with('/'));
            prop_assert_eq!(path::join(&folder, &path::relative(&folder, &joined)), Ok(joined));
        }
    }

    #[test]
    fn what_lies_below_a_root_touches_its_stack_and_order_does_not_matter(
        roots in prop::collection::btree_set("[abc](/[abc]){0,2}", 1..6),
        paths in prop::collection::vec("[abc](/[abcd]){0,3}", 1..6),
    ) {
        let files: Vec<(String, String)> = roots
            .iter()
            .enumerate()
            .map(|(at, root)| (format!("{root}/stackly.hcl"), format!("stack \"s{at}\" {{}}\n")))
            .collect();
        let repository = Repository::read(&MemoryTree::new(files));
        let index = Index::of(&repository);
        let names = |paths: &[String]| -> BTreeSet<usize> {
            index.touched(paths.iter().map(String::as_str)).into_iter().map(|touch| touch.stack).collect()
        };
        let expected: BTreeSet<usize> = repository
            .stacks()
            .iter()
            .enumerate()
            .filter(|(_, stack)| paths.iter().any(|one| path::is_within(one, &stack.folder)))
            .map(|(at, _)| at)
            .collect();
        let reversed: Vec<String> = paths.iter().rev().cloned().collect();
        prop_assert_eq!(&names(&paths), &expected);
        prop_assert_eq!(names(&reversed), expected);
    }

    #[test]
    fn any_text_is_a_file_or_a_fault(text in any::<String>()) {
        let read = stack_file::read("stackly.hcl", &text);
        prop_assert!(!read.is_unclear || !read.faults.is_empty());
    }
}
