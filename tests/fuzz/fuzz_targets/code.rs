//! A small repository: stack code, Terraform, JSON, Terragrunt and variables in one tree.

#![no_main]

use std::collections::BTreeMap;

use code::{Index, MemoryTree, Repository};

/// The names of the files; the first byte of each part chooses one.
const NAMES: [&str; 12] = [
    "stackly.hcl",
    "stacks/a/stackly.hcl",
    "stacks/a/main.tf",
    "stacks/a/more_override.tf",
    "stacks/a/main.tf.json",
    "stacks/a/terraform.tfvars",
    "stacks/a/terraform.tfvars.json",
    "stacks/b/stackly.hcl",
    "stacks/b/main.tofu",
    "stacks/b/terragrunt.hcl",
    "terragrunt.hcl",
    "modules/m/main.tf",
];

// Parts are divided by a byte that no UTF-8 has.
libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let mut files = BTreeMap::new();
    for part in data.split(|byte| *byte == 0xff) {
        let Some((name, text)) = part.split_first() else { continue };
        files.insert(NAMES[usize::from(*name) % NAMES.len()], text.to_vec());
    }
    let names: Vec<_> = files.keys().copied().collect();
    let repository = Repository::read(&MemoryTree::new(files));
    // Whatever is in them, a file that changed must not break the question of what it touches.
    let touched = Index::of(&repository).touched(names);
    assert!(touched.len() <= repository.stacks().len());
});
