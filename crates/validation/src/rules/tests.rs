use std::collections::BTreeSet;

use code::MemoryTree;
use contracts::change::Paths;

use super::*;
use crate::subjects;

const STACK: &str = "stack \"net\" {\n  labels = [\"env:prod\"]\n  variables {\n    acl = \
                     \"public-read\"\n  }\n}\n";
const CODE: &str = r#"variable "acl" {}
variable "encrypted" {}
resource "aws_security_group" "bastion" {
  name = "bastion"
  ingress {
    from_port   = 22
    cidr_blocks = ["0.0.0.0/0"]
  }
  ingress {
    from_port   = 443
    cidr_blocks = ["0.0.0.0/0"]
  }
}
resource "aws_s3_bucket" "logs" {
  acl = var.acl
}
resource "aws_db_instance" "open" {
  name = "open"
}
resource "aws_db_instance" "unknown" {
  storage_encrypted = var.encrypted
}
module "vpc" {
  source = "git::https://example.com/vpc.git"
}
"#;

fn judged(rules: &Rules) -> Vec<Annotation> {
    judged_of(rules, CODE)
}

fn judged_of(rules: &Rules, code: &str) -> Vec<Annotation> {
    let tree = MemoryTree::new([("net/stackly.hcl", STACK), ("net/main.tf", code)]);
    let repository = code::Repository::read(&tree);
    let subjects = subjects(&repository, &[], &Paths::Unknown);
    let configuration = Configuration::read(&tree, &BTreeSet::from(["net".to_owned()]));
    rules.judge(&configuration, &subjects[0])
}

fn rules(text: &str) -> Result<Rules, Vec<Fault>> {
    Rules::read(&[File { name: "r.rego".to_owned(), text: text.to_owned() }])
}

#[test]
fn the_example_finds_what_it_should_at_its_lines_and_judges_no_unknown_value() {
    let files: Vec<File> = EXAMPLE
        .iter()
        .map(|(name, text)| File { name: (*name).to_owned(), text: (*text).to_owned() })
        .collect();
    let found = judged(&Rules::read(&files).unwrap());
    let mut told: Vec<_> =
        found.iter().map(|it| (it.line, it.level.as_str(), it.rule.as_str())).collect();
    told.sort_unstable();
    let expected = [
        (5, "failure", "security.aws.open_to_the_world"),
        (15, "failure", "security.aws.public_bucket"),
        (17, "failure", "security.aws.unencrypted_database"),
        (24, "warning", "security.aws.module_without_version"),
    ];
    assert_eq!(told, expected);
    assert!(found.iter().all(|it| it.file == "net/main.tf" && it.stack.as_deref() == Some("net")));
    assert!(
        found
            .iter()
            .any(|it| it.message == "aws_security_group.bastion lets everybody in on port 22")
    );
}

#[test]
fn a_text_is_a_finding_at_the_stack_and_a_rule_without_an_end_rejects() {
    let text = "package p\nimport rego.v1\nwarn contains \"look\" if input.stack.name == \"net\"\n";
    let found = judged(&rules(text).unwrap());
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].file.as_str(), found[0].line), ("net/stackly.hcl", 1));
    assert_eq!((found[0].rule.as_str(), found[0].message.as_str()), ("p", "look"));

    let endless = "package slow\nimport rego.v1\ndeny contains x if {\n\tsome a in \
                   numbers.range(1, 100000)\n\tsome b in numbers.range(1, 100000)\n\ta * b < 0\n\tx := \
                   \"never\"\n}\n";
    let found = judged(&rules(endless).unwrap());
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!((found[0].level, found[0].rule.as_str()), (Level::Failure, "slow"));
    assert!(found[0].message.contains("cannot be evaluated"), "{}", found[0].message);
}

/// Whoever writes the code must not be able to hide it from the rules.
#[test]
fn what_a_field_is_called_hides_nothing() {
    let text =
        "package p\nimport rego.v1\ndeny contains one.address if some one in input.resources\n";
    for number in ["x", "1e2000000000"] {
        let tags = format!("tags = {{ \"$serde_json::private::Number\" = \"{number}\" }}");
        let code = CODE.replace("name = \"open\"", &tags);
        assert_eq!(judged_of(&rules(text).unwrap(), &code).len(), 4, "{code}");
    }
}

#[test]
fn whatever_a_rule_gives_besides_nothing_and_false_is_a_finding() {
    for (rule, messages) in [
        ("deny[x] if x := input.stack.name", &["net"][..]),
        ("deny[x] := false if x := input.stack.name", &[]),
        ("deny[x] if x := {\"message\": \"no\"}", &["no"]),
        ("deny := {\"message\": \"no\", \"rule\": \"r\"} if input.stack", &["no"]),
        ("deny := {\"found\": [\"no\"]} if input.stack", &["{\"found\":[\"no\"]}"]),
        ("deny := 1", &["1"]),
        ("deny := null", &[]),
    ] {
        let found = judged(&rules(&format!("package p\nimport rego.v1\n{rule}\n")).unwrap());
        let told: Vec<&str> = found.iter().map(|it| it.message.as_str()).collect();
        assert_eq!(told, messages, "{rule}");
        assert!(found.iter().all(|it| it.level == Level::Failure), "{rule}");
    }
}

#[test]
fn rules_that_cannot_be_read_reach_outside_or_say_nothing_are_refused_with_their_place() {
    let broken = rules("package p\nimport rego.v1\ndeny contains x if {\n").unwrap_err();
    assert!(broken[0].line().is_some_and(|line| line >= 3), "{broken:?}");
    let outside = "package p\nimport rego.v1\ndeny contains x if {\n\tx := http.send({})\n}\n";
    let outside = rules(outside).unwrap_err();
    assert_eq!(outside[0].line(), Some(4));
    assert!(outside[0].what.contains("do not reach the network"), "{outside:?}");
    let silent = rules("package p\nimport rego.v1\nallow := true\n").unwrap_err();
    assert!(silent[0].what.contains("`deny`"), "{silent:?}");
}

#[test]
fn a_folder_is_read_without_tests_and_hidden_files() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    write("a.rego", "package a\nimport rego.v1\ndeny contains \"no\" if false\n");
    write("a_test.rego", "not even rego");
    write(".b.rego", "not even rego");
    let rules = Rules::open(folder.path()).unwrap();
    assert_eq!((rules.len(), rules.digest.starts_with("sha256:")), (1, true));
    let gone = Rules::open(&folder.path().join("gone")).unwrap_err();
    assert!(gone[0].what.contains("cannot be read"), "{gone:?}");
}
