use located::Source;
use serde_json::json;

use super::*;
use crate::syntax;

fn module(files: &[(&str, &str)]) -> Module {
    let names: Vec<&str> = files.iter().map(|(name, _)| *name).collect();
    let bodies: Vec<(&str, Body)> = precedence(&names)
        .into_iter()
        .map(|name| {
            let text = files.iter().find(|(other, _)| *other == name).unwrap().1;
            let body = syntax::parse(Source { file: name, text });
            (name, body.unwrap_or_else(|fault| panic!("{fault}")))
        })
        .collect();
    let parts: Vec<Part<'_>> = bodies.iter().map(|(file, body)| Part { file, body }).collect();
    Module::new("stacks/app", &parts)
}

#[test]
fn a_module_is_what_all_its_files_say() {
    let found = module(&[
        (
            "main.tf",
            "terraform {\n  required_version = \">= 1.6\"\n  required_providers {\n    aws = {\n      \
             source  = \"hashicorp/aws\"\n      version = \"~> 5.0\"\n      \
             configuration_aliases = [aws.west]\n    }\n    random = \"3.1\"\n  }\n  \
             backend \"s3\" {\n    key = \"app\"\n  }\n}\n\
             resource \"aws_vpc\" \"main\" {\n  provider = aws.west\n}\n\
             data \"external\" \"x\" {}\nresource \"null_resource\" \"n\" {}\n",
        ),
        (
            "variables.tf",
            "variable \"region\" {\n  type        = string\n  description = \"Where\"\n}\n\
             variable \"zones\" {\n  type    = list(string)\n  default = [\"a\", \"b\"]\n}\n\
             variable \"old\" {\n  type = \"map\"\n  default = {}\n  sensitive = true\n}\n",
        ),
        (
            "outputs.tf.json",
            "{ \"output\": {\n  \"vpc_id\": { \"value\": \"${aws_vpc.main.id}\", \"sensitive\": true }\n} }",
        ),
        (
            "calls.tf",
            "module \"net\" {\n  source = \"../../modules/net\"\n}\n\
             module \"far\" {\n  source  = \"acme/vpc/aws\"\n  version = \"1.0\"\n}\n\
             module \"out\" {\n  source = \"../../../elsewhere\"\n}\n",
        ),
    ]);
    assert_eq!(found.required_version, [">= 1.6"]);
    assert_eq!(found.providers["aws"].source.as_deref(), Some("hashicorp/aws"));
    assert_eq!(found.providers["aws"].versions, ["~> 5.0"]);
    assert_eq!(found.providers["aws"].aliases, ["aws.west"]);
    assert_eq!(found.providers["random"].versions, ["3.1"]);
    assert_eq!(found.providers["external"], Requirement::default());
    assert_eq!(found.providers["null"], Requirement::default());
    assert_eq!(found.backend.as_ref().unwrap().kind, "s3");
    assert!(found.variables["region"].required);
    assert_eq!(found.variables["region"].kind.as_deref(), Some("string"));
    assert_eq!(found.variables["zones"].kind.as_deref(), Some("list(string)"));
    assert_eq!(found.variables["zones"].default, Some(json!(["a", "b"])));
    assert_eq!(found.variables["old"].kind.as_deref(), Some("map"));
    assert!(found.variables["old"].sensitive);
    assert!(found.outputs["vpc_id"].sensitive);
    assert_eq!(found.outputs["vpc_id"].spot.to_string(), "outputs.tf.json:2");
    assert_eq!(found.managed["aws_vpc.main"].provider, "aws.west");
    assert_eq!(found.managed["null_resource.n"].provider, "null");
    assert!(found.data.contains_key("data.external.x"));
    assert_eq!(found.calls["net"].folder.as_deref(), Some("modules/net"));
    assert_eq!(found.calls["far"].version.as_deref(), Some("1.0"));
    assert_eq!(
        (found.calls["far"].folder.as_ref(), found.calls["out"].folder.as_ref()),
        (None, None)
    );
}

#[test]
fn an_override_replaces_what_it_names_and_keeps_the_rest() {
    let found = module(&[
        (
            "a_override.tf",
            "module \"net\" {\n  version = \"2\"\n}\nvariable \"v\" {\n  default = 2\n}\n",
        ),
        (
            "main.tf",
            "module \"net\" {\n  source  = \"acme/net/aws\"\n  version = \"1\"\n}\n\
             variable \"v\" {\n  type = number\n}\n\
             resource \"aws_vpc\" \"a\" {\n  cidr = \"10.0.0.0/8\"\n  provider = aws.west\n}\n",
        ),
        ("override.tf", "resource \"aws_vpc\" \"a\" {\n  name = \"x\"\n}\n"),
    ]);
    assert_eq!(found.files, ["main.tf", "a_override.tf", "override.tf"]);
    let net = &found.calls["net"];
    assert_eq!((net.source.as_deref(), net.version.as_deref()), (Some("acme/net/aws"), Some("2")));
    assert_eq!(net.spot.to_string(), "a_override.tf:1");
    let variable = &found.variables["v"];
    assert_eq!((variable.kind.as_deref(), variable.required), (Some("number"), false));
    assert_eq!(variable.default, Some(json!(2)));
    assert_eq!(found.managed["aws_vpc.a"].provider, "aws.west");
    assert!(found.managed["aws_vpc.a"].body.value("cidr").is_some());
}

#[test]
fn a_tofu_file_takes_the_place_of_its_namesake() {
    assert_eq!(precedence(&["a.tf", "a.tofu", "b.tf", "c.tofu"]), ["a.tofu", "b.tf", "c.tofu"]);
    assert_eq!(precedence(&["a.tf.json", "a.tofu.json"]), ["a.tofu.json"]);
}

#[test]
fn labels_without_quotes_are_labels_too() {
    let found = module(&[(
        "a.tf",
        "variable foo {\n  default = \"x\"\n}\nprovider aws {\n  version = \"1\"\n}\n",
    )]);
    assert_eq!(found.variables["foo"].default, Some(json!("x")));
    assert_eq!(found.providers["aws"].versions, ["1"]);
}

#[test]
fn of_two_sources_of_a_provider_the_first_counts_unless_the_other_overrides_it() {
    let asks = |source: &str| {
        format!(
            "terraform {{\n  required_providers {{\n    net = {{\n      source = \"{source}\"\n    }}\n    \
             odd = [\"1.0\"]\n  }}\n}}\n"
        )
    };
    let (a, b) = (asks("acme/net"), asks("other/net"));
    for (other, wanted) in [("b.tf", "acme/net"), ("b_override.tf", "other/net")] {
        let found = module(&[("a.tf", &a), (other, &b)]);
        assert_eq!(found.providers["net"].source.as_deref(), Some(wanted));
        assert!(!found.providers.contains_key("odd"), "it asks for nothing");
    }
}
