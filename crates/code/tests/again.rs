//! Who reads a repository again and again finds what a first reading would.

use std::{
    collections::BTreeMap,
    hash::{DefaultHasher, Hash, Hasher},
    sync::Arc,
};

use code::{Entry, Index, MemoryTree, Reader, Repository, StackCode, Tree, infer::facts_of};
use proptest::prelude::*;

/// Files with what may be in them; all lead to each other somehow.
const FILES: &[(&str, &[&str])] = &[
    (
        "stackly.hcl",
        &[
            "defaults {\n  labels = [\"top\"]\n}\n",
            "defaults {\n  depends_on = [\"net\"]\n}\n",
            "defaults {",
        ],
    ),
    (
        "app/stackly.hcl",
        &[
            "stack \"app\" {\n  input \"id\" {\n    stack = \"net\"\n  }\n}\n",
            "stack \"app\" {\n  inherit = false\n  variables {\n    id = \"x\"\n  }\n}\n",
            "stack \"app\" {\n  wave = \"one\"\n}\nstack \"app-two\" {}\n",
        ],
    ),
    (
        "net/stackly.hcl",
        &[
            "stack \"net\" {}\n",
            "stack \"app\" {}\n",
            "stack \"net\" {\n  watch = [\"lib/**\"]\n}\n",
        ],
    ),
    (
        "app/main.tf",
        &[
            "variable \"id\" {}\nmodule \"lib\" {\n  source = \"../lib\"\n  key = var.id\n}\n",
            "module \"gone\" {\n  source = \"../gone\"\n}\nmodule \"mods\" {\n  source = \"./mods\"\n}\n",
            "data \"terraform_remote_state\" \"net\" {\n  backend = \"s3\"\n  config = { bucket = \"b\", key = \"net\" }\n}\n",
            "broken {",
        ],
    ),
    (
        "lib/main.tf",
        &[
            "variable \"key\" {}\nmodule \"deep\" {\n  source = \"./deep\"\n}\ndata \"terraform_remote_state\" \"s\" {\n  backend = \"s3\"\n  config = { bucket = \"b\", key = var.key }\n}\n",
            "terraform {\n  required_providers {\n    aws = { source = \"hashicorp/aws\" }\n  }\n}\n",
        ],
    ),
    (
        "lib/deep/main.tf",
        &["resource \"google_x\" \"x\" {}\n", "locals {\n  a = file(\"../../app/a.txt\")\n}\n"],
    ),
    ("gone/main.tf", &["variable \"late\" {}\n"]),
    (
        "net/main.tf",
        &[
            "terraform {\n  backend \"s3\" {\n    bucket = \"b\"\n  }\n}\n",
            "output \"id\" {\n  value = 1\n}\n",
        ],
    ),
    ("net/s3.tfbackend", &["key = \"net\"\n", "key = \"other\"\n"]),
    ("app/terraform.tfvars", &["id = \"net\"\n", "id = \"other\"\n", "id ="]),
    ("app/x.auto.tfvars.json", &["{\"id\": \"net\"}", "{"]),
    (
        "live/one/terragrunt.hcl",
        &[
            "include \"root\" {\n  path = find_in_parent_folders(\"root.hcl\")\n}\n",
            "terraform {\n  source = \"../../lib\"\n}\ndependency \"two\" {\n  config_path = \"../two\"\n}\ninputs = { key = \"net\" }\n",
            "locals {\n  all = read_terragrunt_config(find_in_parent_folders(\"root.hcl\", \"none.hcl\"))\n}\nterraform {\n  source = local.all.locals.module\n}\n",
        ],
    ),
    (
        "live/root.hcl",
        &[
            "locals {\n  module = \"../../net\"\n}\n",
            "terraform {\n  source = \"../../gone\"\n}\ninputs = { late = 1 }\n",
            "locals {",
        ],
    ),
    ("root.hcl", &["locals {\n  module = \"../../app\"\n}\n"]),
    ("shared/common.tf", &["variable \"env\" {}\n", "provider \"azurerm\" {}\n"]),
];

/// Links that are there now and then.
const LINKS: &[(&str, &str)] =
    &[("app/common.tf", "../shared/common.tf"), ("app/mods", "../lib"), ("net/loop.tf", "loop.tf")];

/// Where stacks run of which no file speaks.
const ROOTS: &[&str] = &["app", "live/one", "net", "lib/deep"];

/// A tree whose contents have names, as those of Git have.
struct Named(MemoryTree);

impl Tree for Named {
    fn entries(&self) -> Vec<Entry> {
        let named = |mut entry: Entry| {
            let mut hasher = DefaultHasher::new();
            self.0.read(&entry.path).hash(&mut hasher);
            entry.content = Some(u128::from(hasher.finish()));
            entry
        };
        self.0.entries().into_iter().map(named).collect()
    }

    fn read(&self, path: &str) -> Result<Vec<u8>, String> {
        self.0.read(path)
    }
}

/// One step: some files get another text or go, some links come or go.
type Step = (Vec<(usize, usize)>, Vec<(usize, bool)>);

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let files = prop::collection::vec((0..FILES.len(), 0..5_usize), 1..4);
    // Links come and go rarely: with each, everything is read anew.
    let links = prop::collection::vec((0..LINKS.len(), any::<bool>()), 0..2);
    let links = prop_oneof![4 => Just(Vec::new()), 1 => links];
    prop::collection::vec((files, links), 2..12)
}

/// Everything that can be seen of a repository.
fn seen(repository: &Repository) -> String {
    let subjects = repository
        .subjects()
        .into_iter()
        .chain(ROOTS.iter().map(|root| repository.subject_of(root)));
    let facts: Vec<String> = subjects.map(|subject| format!("{:?}", facts_of(&subject))).collect();
    let roots: Vec<_> = ROOTS.iter().map(|root| repository.root(root)).collect();
    let paths = FILES.iter().map(|(path, _)| *path);
    format!(
        "{:#?}\n{:#?}\n{:#?}\n{:#?}\n{:#?}\n{:#?}\n{:#?}\n{:#?}",
        repository.stacks(),
        repository.broken(),
        repository.faults(),
        repository.warnings(),
        repository.modules().collect::<Vec<_>>(),
        facts,
        roots,
        Index::of(repository).touched(paths),
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..Default::default() })]

    #[test]
    fn a_later_reading_finds_what_a_first_one_would(steps in steps(), told in any::<bool>()) {
        let roots = told.then_some(ROOTS);
        let mut texts: BTreeMap<&str, &str> = FILES.iter().map(|(path, all)| (*path, all[0])).collect();
        let mut links: BTreeMap<&str, &str> = BTreeMap::new();
        let mut reader = Reader::default();
        for (files, linked) in steps {
            for (file, text) in files {
                let (path, all) = FILES[file];
                match all.get(text) {
                    Some(text) => texts.insert(path, text),
                    None => texts.remove(path),
                };
            }
            for (link, there) in linked {
                let (path, target) = LINKS[link];
                match there {
                    true => links.insert(path, target),
                    false => links.remove(path),
                };
            }
            let mut tree = MemoryTree::new(texts.clone());
            for (link, target) in &links {
                tree = tree.with_link(*link, *target);
            }
            let tree = Named(tree);
            let again = reader.read(&tree, roots);
            let first = Reader::default().read(&tree, roots);
            let (again, first) = (seen(&again), seen(&first));
            let differs = again.lines().zip(first.lines()).find(|(again, first)| again != first);
            prop_assert!(again == first, "{differs:?}");
        }
    }
}

#[test]
fn what_nothing_changed_is_the_same_value() {
    let texts: BTreeMap<&str, &str> = FILES.iter().map(|(path, all)| (*path, all[0])).collect();
    let mut reader = Reader::default();
    let before = reader.read(&Named(MemoryTree::new(texts.clone())), None);
    let changed =
        texts.into_iter().chain([("net/main.tf", "output \"other\" {\n  value = 1\n}\n")]);
    let after = reader.read(&Named(MemoryTree::new(changed)), None);
    let stack = |of: &Repository, name: &str| -> Arc<StackCode> {
        of.stacks().iter().find(|stack| stack.name == name).unwrap().clone()
    };
    assert!(Arc::ptr_eq(&stack(&before, "app"), &stack(&after, "app")));
    assert!(Arc::ptr_eq(&before.root("app"), &after.root("app")));
    assert!(!Arc::ptr_eq(&before.root("net"), &after.root("net")));
}
