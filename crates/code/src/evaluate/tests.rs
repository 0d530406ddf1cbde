use std::collections::BTreeMap;

use located::Source;
use serde_json::json;

use super::*;
use crate::{module::Part, syntax};

/// What `x` is in a module of this text.
fn worked_out(text: &str) -> Value {
    let body =
        syntax::parse(Source { file: "a.tf", text }).unwrap_or_else(|fault| panic!("{fault}"));
    let module = Module::new("", &[Part { file: "a.tf", body: &body }]);
    let scope = Scope::new(&module, BTreeMap::from([("env".to_owned(), json!("prod"))]));
    scope.value(&module.locals["x"])
}

#[test]
fn names_are_put_together_from_what_is_known() {
    for (expression, expected) in [
        ("\"${var.env}/net/${local.file}\"", json!("prod/net/terraform.tfstate")),
        ("format(\"%s-%s\", upper(var.env), \"x\")", json!("PROD-x")),
        ("join(\"/\", [var.env, \"a\"])", json!("prod/a")),
        ("var.env == \"prod\" ? \"a\" : \"b\"", json!("\0")),
        ("var.none == 1 ? \"a\" : \"a\"", json!("a")),
        ("\"${var.none}/net\"", json!("\0/net")),
        ("local.map[var.env].region", json!("eu")),
        ("lookup(local.map, \"dev\", \"none\")", json!("none")),
        ("merge(local.map, { b = 1 })[\"b\"]", json!(1)),
        ("replace(\"a_b\", \"_\", \"-\")", json!("a-b")),
        ("local.x", json!("\0")),
        ("data.aws_vpc.a.id", json!("\0")),
        ("format(\"%03d-%s\", 7, \"a\")", json!("\0-a")),
    ] {
        let text = format!(
            "variable \"none\" {{}}\nlocals {{\n  file = \"terraform.tfstate\"\n  \
             map = {{ prod = {{ region = \"eu\" }} }}\n  x = {expression}\n}}\n"
        );
        assert_eq!(worked_out(&text), expected, "{expression}");
    }
}

#[test]
fn texts_with_gaps_fit_what_they_could_be() {
    for (one, other, expected) in [
        ("a", "a", true),
        ("a", "b", false),
        ("\0/net", "prod/net", true),
        ("\0/net", "prod/dns", false),
        ("a-\0-b-\0-c", "a-1-b-2-c", true),
        ("a-\0-b-\0-c", "a-1-2-c", false),
        ("\0/net", "prod/\0", true),
        ("\0/net", "\0/dns", false),
        ("a\0", "a", true),
        ("ab\0ba", "aba", false),
    ] {
        assert_eq!(fits(one, other), expected, "{one:?} {other:?}");
        assert_eq!(fits(other, one), expected, "{other:?} {one:?}");
    }
}

#[test]
fn a_few_lines_cannot_ask_for_more_than_there_is_time() {
    let lines: Vec<String> = (0..60)
        .map(|at| format!("  l{at} = \"${{local.l{0}}}${{local.l{0}}}\"\n", at + 1))
        .collect();
    let text = format!("locals {{\n{}  l60 = \"a\"\n  x = local.l0\n}}\n", lines.concat());
    assert!(is_unknown(&worked_out(&text)) || spelt(&worked_out(&text)).len() <= TEXT_MAX);
}

#[test]
fn no_function_gives_much_more_than_it_was_given() {
    let long = "x".repeat(200_000);
    for expression in [
        format!("replace(\"{long}\", \"x\", \"{long}\")"),
        format!("join(\"{long}\", [{}])", "1, ".repeat(10_000)),
        format!("split(\"x\", replace(\"{long}\", \"x\", \"xx\"))"),
    ] {
        let text = format!("locals {{\n  x = {expression}\n}}\n");
        assert_eq!(worked_out(&text), unknown(), "{}", &expression[..10]);
    }
}

#[test]
fn a_long_text_is_not_copied_again_and_again() {
    let (long, list) = ("x".repeat(1_000_000), "local.long, ".repeat(10_000));
    let text = format!("locals {{\n  long = \"{long}\"\n  x = [{list}]\n}}\n");
    let Value::Array(list) = worked_out(&text) else { panic!("it is a list") };
    let copies = list.iter().filter(|one| !is_unknown(one)).count();
    assert!(copies <= 1, "{copies} copies");
}

#[test]
fn values_do_not_grow_without_end_from_module_to_module() {
    let text = format!("a = [{}]\n", "var.a, ".repeat(1_000));
    let arguments = syntax::parse(Source { file: "a.tf", text: &text }).unwrap();
    let module = Module::default();
    let mut scope = Scope::new(&module, BTreeMap::from([("a".to_owned(), json!("a"))]));
    for _ in 0..5 {
        scope = scope.of_call(&module, &arguments, ".".to_owned());
    }
    let read = syntax::parse(Source { file: "a.tf", text: "a = var.a\n" }).unwrap();
    let grown = weight(&scope.value(&read.attributes[0].value));
    assert!(grown <= WORK_MAX, "{grown}");

    for _ in 0..1_000 {
        scope = scope.of_call(&module, &arguments, ".".to_owned());
    }
    assert!(scope.is_spent(), "and all modules together have an end, too");
}

#[test]
fn a_part_of_a_large_value_is_no_large_value() {
    let entries: String = (0..2_000).map(|at| format!("k{at} = {at}, ")).collect();
    let parts: String = (0..100).map(|at| format!("local.all.k{at}, ")).collect();
    let default = format!("variable \"all\" {{\n  default = {{ {entries} }}\n}}\n");
    let text = format!("{default}locals {{\n  x = [{}]\n}}\n", parts.replace("local.", "var."));
    let Value::Array(list) = worked_out(&text) else { panic!("it is a list") };
    assert_eq!(list[99], json!(99));
}
