use tempfile::TempDir;

use super::*;

const DENY: &str = "policy \"a\" {\n  deny { reason = \"x\" }\n}\n";
const WARN: &str = "policy \"a\" {\n  warn { reason = \"x\" }\n}\n";

fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

#[test]
fn every_hcl_file_of_the_folder_is_read_and_nothing_else() {
    let folder = folder(&[
        ("b.hcl", WARN),
        ("a.hcl", &DENY.replace("\"a\"", "\"first\"")),
        (".a.hcl.swp.hcl", "not even HCL"),
        ("README.md", "nor this"),
    ]);
    fs::create_dir(folder.path().join("old.hcl")).unwrap();
    let set = validate(folder.path()).unwrap();
    let names: Vec<_> = set.policies.iter().map(|policy| policy.name.as_str()).collect();
    assert_eq!(names, ["a", "first"]);
    assert!(set.policies[1].file.ends_with("/a.hcl"));
}

#[test]
fn a_folder_that_is_missing_is_a_fault_and_an_empty_one_is_not() {
    let folder = folder(&[]);
    assert_eq!(validate(folder.path()).unwrap().policies, []);
    let faults = validate(&folder.path().join("nowhere")).unwrap_err().to_string();
    assert!(faults.contains("nowhere: this folder of policies cannot be read: No such file"));
    assert!(faults.contains("or name another (the service: policies.folder)"));
}

#[test]
fn what_is_no_text_is_a_fault_of_its_file() {
    let folder = folder(&[("a.hcl", DENY)]);
    fs::write(folder.path().join("b.hcl"), [0xff, 0xfe]).unwrap();
    let faults = validate(folder.path()).unwrap_err();
    assert!(faults.0[0].file.ends_with("b.hcl"));
    assert!(faults.to_string().contains("make it readable UTF-8"));
}

#[test]
fn the_samples_are_good_and_let_the_sample_chain_pass() {
    use contracts::gate::{Moment, Outcome};

    use crate::{
        evaluate::decide,
        fixtures::{noon, prod, request, stack},
    };

    let folder = folder(crate::SAMPLE);
    let set = validate(folder.path()).unwrap();
    assert_eq!(set.warnings, []);
    for moment in [Moment::BeforeChain, Moment::BeforePlan, Moment::BeforeApply] {
        for hours in 0..24 * 8 {
            let now = noon() + chrono::TimeDelta::hours(hours);
            assert_eq!(decide(&set, &prod(moment), &[], now).outcome, Outcome::Pass);
        }
    }
    let frozen = request(Moment::BeforePlan, &[stack("s", &["frozen:true"])]);
    assert_eq!(decide(&set, &frozen, &[], noon()).outcome, Outcome::Deny);
}

#[test]
fn programs_may_lie_below_and_tests_are_for_those_who_run_them() {
    let folder = folder(&[
        ("a.hcl", "rego \"p\" {\n  file = \"programs/p.rego\"\n}\n"),
        ("a.test.hcl", "test \"t\" {}\n"),
    ]);
    fs::create_dir(folder.path().join("programs")).unwrap();
    fs::write(folder.path().join("programs/p.rego"), "package p\nwarn[\"x\"] { true }\n").unwrap();
    fs::write(folder.path().join("programs/p_test.rego"), "not a program").unwrap();
    let set = validate(folder.path()).unwrap();
    assert_eq!(set.policies[0].name, "p");
    assert_eq!(tests(folder.path()).unwrap().len(), 1);
}
