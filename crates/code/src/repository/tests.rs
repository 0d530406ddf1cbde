use super::*;
use crate::tree::MemoryTree;

fn repository(files: &[(&str, &str)]) -> Repository {
    Repository::read(&MemoryTree::new(files.iter().copied()))
}

fn told(faults: &[Fault]) -> String {
    faults.iter().map(|fault| format!("{fault}\n")).collect()
}

#[test]
fn defaults_are_inherited_from_the_folders_above() {
    let found = repository(&[
        (
            "stackly.hcl",
            "defaults {\n  labels = [\"all\"]\n  owners = [\"@acme/platform\"]\n  policies = [\"window\"]\n  \
             variables {\n    region = \"eu\"\n    tier = 1\n  }\n  spacelift { space = \"root\" }\n}\n",
        ),
        ("prod/stackly.hcl", "defaults {\n  labels = [\"env:prod\"]\n  wave = 3\n}\n"),
        (
            "prod/net/stackly.hcl",
            "stack \"net\" {\n  owners = [\"alice\"]\n  variables { region = \"us\" }\n}\n",
        ),
        ("other/stackly.hcl", "stack \"alone\" { inherit = false }\n"),
    ]);
    assert_eq!(told(found.faults()), "");
    let net = found.stack("net").unwrap();
    assert_eq!(net.settings.labels, ["all", "env:prod"]);
    assert_eq!(net.settings.owners, ["alice"]);
    assert_eq!(net.settings.wave, Some(3));
    assert_eq!(net.settings.variables["region"], "us");
    assert_eq!(net.settings.variables["tier"], 1);
    assert_eq!(net.settings.spacelift.space.as_deref(), Some("root"));
    assert_eq!(net.inherits, ["stackly.hcl", "prod/stackly.hcl"]);
    let alone = found.stack("alone").unwrap();
    assert_eq!(alone.settings, Settings { inherit: Some(false), ..Settings::default() });
    assert_eq!(alone.inherits, Vec::<String>::new());
}

#[test]
fn defaults_that_take_nothing_from_above_hide_it_from_those_below() {
    let found = repository(&[
        ("stackly.hcl", "defaults { labels = [\"all\"] }\n"),
        ("lab/stackly.hcl", "defaults {\n  inherit = false\n  wave = 1\n}\n"),
        ("lab/x/stackly.hcl", "stack \"x\" {}\n"),
    ]);
    let x = found.stack("x").unwrap();
    assert_eq!((x.settings.labels.len(), x.settings.wave), (0, Some(1)));
    assert_eq!(x.inherits, ["lab/stackly.hcl"]);
}

#[test]
fn an_edge_names_the_line_it_is_declared_at_also_when_it_is_inherited() {
    let found = repository(&[
        ("stackly.hcl", "defaults {\n  depends_on = [\"base\"]\n}\n"),
        ("base/stackly.hcl", "stack \"base\" { inherit = false }\n"),
        (
            "app/stackly.hcl",
            "stack \"app\" {\n  depends_on = [\n    \"net\",\n  ]\n  input \"id\" {\n    \
             stack  = \"net\"\n    output = \"vpc_id\"\n  }\n}\n",
        ),
        ("net/stackly.hcl", "stack \"net\" {}\n"),
    ]);
    assert_eq!(told(found.faults()) + &told(found.warnings()), "");
    let edges: Vec<String> = found
        .stack("app")
        .unwrap()
        .declared
        .iter()
        .map(|edge| format!("{} -> {} {:?} {}", edge.stack, edge.on, edge.origin, edge.spot))
        .collect();
    assert_eq!(
        edges,
        [
            "app -> base DependsOn stackly.hcl:2",
            "app -> net DependsOn app/stackly.hcl:3",
            "app -> net Input app/stackly.hcl:6",
        ]
    );
}

#[test]
fn a_broken_file_hides_no_other_and_its_stacks_are_not_gone() {
    let found = repository(&[
        ("a/stackly.hcl", "stack \"a\" {"),
        ("b/stackly.hcl", "stack \"b\" { wavee = 1 }\n"),
        ("c/stackly.hcl", "stack \"c\" {}\n"),
        ("d/stackly.hcl", "defaults { labels = 1 }\n"),
        ("d/e/stackly.hcl", "stack \"e\" {}\n"),
        ("d/f/stackly.hcl", "stack \"f\" { inherit = false }\n"),
    ]);
    let names: Vec<&str> = found.stacks().iter().map(|stack| stack.name.as_str()).collect();
    assert_eq!(names, ["c", "f"]);
    let broken: Vec<(&str, Option<&str>)> = found
        .broken()
        .iter()
        .map(|broken| (broken.file.as_str(), broken.stack.as_deref()))
        .collect();
    assert_eq!(
        broken,
        [
            ("a/stackly.hcl", None),
            ("b/stackly.hcl", Some("b")),
            ("d/e/stackly.hcl", Some("e")),
            ("d/stackly.hcl", None),
        ]
    );
    assert_eq!(found.faults().len(), 3, "{}", told(found.faults()));
}

#[test]
fn a_name_stands_for_one_stack() {
    let found =
        repository(&[("a/stackly.hcl", "stack \"x\" {}\n"), ("b/stackly.hcl", "stack \"x\" {}\n")]);
    assert_eq!(found.stacks().len(), 0);
    assert_eq!(found.broken().len(), 2);
    assert!(
        told(found.faults())
            .starts_with("b/stackly.hcl:1:1: there is a stack \"x\" already, at a/stackly.hcl:1")
    );
}

#[test]
fn a_circle_is_told_in_full_with_every_line() {
    let found = repository(&[
        ("a/stackly.hcl", "stack \"a\" {\n  depends_on = [\"b\"]\n}\n"),
        ("b/stackly.hcl", "stack \"b\" {\n  input \"v\" { stack = \"c\" }\n}\n"),
        ("c/stackly.hcl", "stack \"c\" {\n\n  depends_on = [\"a\", \"c\"]\n}\n"),
    ]);
    let told = told(found.faults());
    assert!(
        told.contains(
            "a/stackly.hcl:2:17: these stacks wait for each other in a circle: \
             a waits for b (a/stackly.hcl:2), b waits for c (b/stackly.hcl:2), \
             c waits for a (c/stackly.hcl:3)"
        ),
        "{told}"
    );
    assert!(told.contains("c/stackly.hcl:3:22: the stack \"c\" cannot wait for itself"), "{told}");
}

#[test]
fn a_circle_that_only_the_code_closes_is_told_with_every_line() {
    let state = |key: &str| {
        format!(
            "terraform {{\n  backend \"s3\" {{\n    bucket = \"b\"\n    key = \"k/{key}\"\n  }}\n}}\n"
        )
    };
    let reads = |key: &str| {
        format!(
            "data \"terraform_remote_state\" \"it\" {{\n  backend = \"s3\"\n  config = {{\n    bucket = \
             \"b\"\n    key = \"k/{key}\"\n  }}\n}}\n"
        )
    };
    let (a, b) = (state("a") + &reads("c"), state("b"));
    let files = |c: &str| {
        repository(&[
            ("a/stackly.hcl", "stack \"a\" {}\n"),
            ("a/main.tf", &a),
            ("b/stackly.hcl", "stack \"b\" {\n  depends_on = [\"a\"]\n}\n"),
            ("b/main.tf", &b),
            ("c/stackly.hcl", c),
            ("c/main.tf", &(state("c") + &reads("b"))),
        ])
    };
    let found = files("stack \"c\" {}\n");
    assert!(found.faults().is_empty());
    let told = told(&found.inferred_circles());
    assert!(
        told.contains(
            "these stacks wait for each other in a circle: a waits for c (a/main.tf:7), c waits for b \
             (c/main.tf:7), b waits for a (b/stackly.hcl:2)"
        ) && told.contains("inferred { ignore"),
        "{told}"
    );
    // What a stackly.hcl overrules, or says the opposite of, closes none.
    for said in ["inferred { ignore = [\"b\"] }", "inferred { enabled = false }"] {
        assert!(files(&format!("stack \"c\" {{ {said} }}\n")).inferred_circles().is_empty());
    }
    let against = files("stack \"c\" { depends_on = [\"a\"] }\n");
    assert!(against.inferred_circles().is_empty());
}

#[test]
fn a_stack_that_is_not_there_is_a_warning_with_the_nearest_name() {
    let found = repository(&[
        ("a/stackly.hcl", "stack \"network-prod\" {}\n"),
        ("b/stackly.hcl", "stack \"app\" { depends_on = [\"netwrk-prod\"] }\n"),
    ]);
    let told = told(found.warnings());
    assert!(told.contains("there is no stack \"netwrk-prod\" in this repository"), "{told}");
    assert!(told.contains("did you mean \"network-prod\"?"), "{told}");
}

#[test]
fn files_that_cannot_be_read_are_told_by_name() {
    let large = format!("# {}\n", "x".repeat(300_000));
    let found = repository(&[
        ("large/stackly.hcl", large.as_str()),
        ("lfs/stackly.hcl", "version https://git-lfs.github.com/spec/v1\noid sha256:1\n"),
    ]);
    let told = told(found.faults());
    assert!(told.contains("large/stackly.hcl: this file has 300003 bytes"), "{told}");
    assert!(told.contains("lfs/stackly.hcl: this is a pointer of Git LFS"), "{told}");
    let tree = MemoryTree::new([("x/stackly.hcl", b"stack \xff".to_vec())]);
    assert!(Repository::read(&tree).faults()[0].what.contains("byte 6"));
}

#[test]
fn links_in_circles_and_out_of_the_repository_are_warnings() {
    let tree = MemoryTree::new([("a/stackly.hcl", "stack \"a\" {}\n")])
        .with_link("x", "y")
        .with_link("y", "x")
        .with_link("a/self", "self/deeper")
        .with_link("out", "../../etc/passwd")
        .with_link("machine", "/etc/passwd")
        .with_link("fine", "a");
    let found = Repository::read(&tree);
    assert_eq!(found.stacks().len(), 1);
    let told = told(found.warnings());
    for expected in [
        "x: this symbolic link leads in a circle",
        "y: this symbolic link leads in a circle",
        "a/self: this symbolic link leads in a circle",
        "out: this symbolic link leads out of the repository",
        "machine: this symbolic link leads out of the repository",
    ] {
        assert!(told.contains(expected), "{expected} is not in\n{told}");
    }
    assert_eq!(found.warnings().len(), 5);
}

#[test]
fn variables_and_outputs_that_code_does_not_have_are_warnings() {
    let found = repository(&[
        ("stackly.hcl", "defaults {\n  variables { everywhere = 1 }\n}\n"),
        ("net/stackly.hcl", "stack \"net\" {}\n"),
        ("net/main.tf", "output \"vpc_id\" {}\n"),
        (
            "app/stackly.hcl",
            "stack \"app\" {\n  variables { regoin = \"eu\" }\n  input \"vpc\" {\n    \
             stack  = \"net\"\n    output = \"vpcid\"\n  }\n}\n",
        ),
        ("app/main.tf", "variable \"region\" {}\nvariable \"vpc\" {}\n"),
    ]);
    let told = told(found.warnings());
    assert!(
        told.contains("app/stackly.hcl:2:24: the code of \"app\" has no variable `regoin`"),
        "{told}"
    );
    assert!(told.contains("did you mean `region`?"), "{told}");
    assert!(told.contains("the code of \"net\" has no output `vpcid`"), "{told}");
    assert!(told.contains("did you mean `output = \"vpc_id\"`?"), "{told}");
    assert_eq!(found.warnings().len(), 2, "{told}");
}

#[test]
fn the_providers_of_a_stack_are_those_of_all_modules_it_calls() {
    let found = repository(&[
        ("net/stackly.hcl", "stack \"net\" {}\n"),
        (
            "net/main.tf",
            "terraform {\n  required_providers {\n    cloud = {\n      source = \"hashicorp/aws\"\n    }\n  }\n}\n\
             module \"dns\" {\n  source = \"../modules/dns\"\n}\n\
             data \"terraform_remote_state\" \"x\" {\n  backend = \"local\"\n}\n",
        ),
        ("modules/dns/main.tf", "resource \"cloudflare_record\" \"a\" {}\n"),
        ("modules/other/main.tf", "resource \"google_project\" \"a\" {}\n"),
    ]);
    assert_eq!(found.root("net").providers, ["aws", "cloudflare"]);
    assert!(found.root("nowhere").providers.is_empty());
}
