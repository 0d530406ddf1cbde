use super::*;

fn body(file: &str, text: &str) -> Body {
    parse(Source { file, text }).unwrap_or_else(|fault| panic!("{fault}"))
}

#[test]
fn hcl_and_json_say_the_same() {
    let hcl = body(
        "a.tf",
        "module \"net\" {\n  source = \"../net\"\n  name   = \"${var.env}-net\"\n  list   = [1, true]\n}\n\
         terraform {\n  backend \"s3\" {\n    bucket = \"b\"\n  }\n}\n",
    );
    let json = body(
        "a.tf.json",
        r#"{ "module": { "net": { "source": "../net", "name": "${var.env}-net",
             "list": [1, true] } }, "terraform": [{ "backend": { "s3": { "bucket": "b" } } }] }"#,
    );
    let (one, other) = (&hcl.blocks[0], &json.blocks[0]);
    assert_eq!((&one.kind, &one.labels), (&other.kind, &other.labels));
    for key in ["source", "name", "list"] {
        assert_eq!(one.body.value(key), other.body.value(key), "{key}");
    }
    assert_eq!(hcl.blocks[1].body.blocks[0].labels, json.blocks[1].body.blocks[0].labels);
}

#[test]
fn lines_are_those_of_the_file_also_in_json() {
    let json = body(
        "a.tf.json",
        "{\n  \"variable\": {\n    \"a\": {},\n    \"b\":\n      { \"default\": 1 }\n  }\n}\n",
    );
    let lines: Vec<usize> = json.blocks.iter().map(|block| block.line).collect();
    assert_eq!(lines, [3, 5]);
}

#[test]
fn broken_json_is_shown_where_it_breaks() {
    for (text, expected) in [
        ("{\n  \"a\": [1, }", "a.tf.json:2:12: this is not JSON: expected a value"),
        ("{ \"a", "this string does not end"),
        ("{} x", "expected the end of the file"),
        ("{ 'a': 1 }", "expected a key in double quotes"),
        ("", "expected a value"),
        ("{ \"a\": \"\\u12\" }", "this string cannot be read"),
    ] {
        let fault = parse(Source { file: "a.tf.json", text }).unwrap_err().to_string();
        assert!(fault.contains(expected), "{fault}");
    }
    let deep = "[".repeat(100_000);
    let fault = parse(Source { file: "a.tf.json", text: &deep }).unwrap_err();
    assert!(fault.what.contains("too deep"));
}

#[test]
fn every_path_of_an_expression_is_seen() {
    let body = body(
        "a.tf",
        "x = [for s in var.a : upper(\"${local.b}-${s}\") if s != data.c.d.e][0]\n\
         y = var.f ? { (var.g) = aws.h[var.i].j } : -k.l\n",
    );
    let mut seen = Vec::new();
    for attribute in &body.attributes {
        attribute.value.paths(&mut |root, steps| seen.push(format!("{root}/{}", steps.len())));
    }
    for expected in ["var/1", "local/1", "aws/3", "k/1"] {
        assert!(seen.contains(&expected.to_owned()), "{expected} is not in {seen:?}");
    }
}
