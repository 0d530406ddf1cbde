use std::time::Instant;

use serde_json::json;

use super::*;

fn host(body: &str) -> Host {
    let text = format!("package p\nimport rego.v1\n\n{body}\n");
    Host::read("p.rego", &text, None).unwrap_or_else(|error| panic!("{error:?}: {text}"))
}

fn ask(body: &str, input: serde_json::Value) -> Result<Value, String> {
    let answer = host(body).ask(&Value::from(input), &["x"])?;
    Ok(answer.into_iter().next().map(|(_, value)| value).unwrap())
}

#[test]
fn a_program_that_does_not_end_is_stopped_and_one_that_does_answers() {
    let host = host(
        "slow := count([1 | some a in numbers.range(1, 100000); some b in \
         numbers.range(1, 100000); a + b < 0])\nfast := input.x + 1",
    );
    let input = Value::from(json!({ "x": 1 }));
    assert!(host.ask(&input, &["slow"]).is_err());
    let answer = host.ask(&input, &["fast"]).unwrap();
    assert_eq!(answer, [("fast".to_owned(), Value::from(2u64))]);
    assert!(host.declares("slow") && !host.declares("deny"));
    assert_eq!(host.package(), "data.p");
}

/// So many numbers that going through them takes some of the time of a question, and not all of it.
fn some_time() -> (u32, Duration) {
    let mut numbers = 50;
    loop {
        let host = host("x := count([1 | some a in numbers.range(1, input.n); a < 0])");
        let before = Instant::now();
        host.ask(&Value::from(json!({ "n": numbers })), &["x"]).unwrap();
        if before.elapsed() > TIME_MAX / 10 {
            return (numbers, before.elapsed());
        }
        numbers += numbers / 2;
    }
}

#[test]
fn all_rules_of_a_question_have_one_time_together() {
    let (numbers, _) = some_time();
    let rule =
        |n: usize| format!("x{n} := count([1 | some a in numbers.range(1, input.n); a < 0 - {n}])");
    let rules: Vec<String> = (0..40).map(rule).collect();
    let host = host(&rules.join("\n"));
    let names: Vec<String> = (0..40).map(|n| format!("x{n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let input = Value::from(json!({ "n": numbers }));
    assert!(host.ask(&input, &names[..1]).is_ok(), "one of them is quick enough");
    let before = Instant::now();
    let error = host.ask(&input, &names).unwrap_err();
    assert!(error.contains("time limit"), "{error}");
    assert!(before.elapsed() < TIME_MAX * 3, "{:?}", before.elapsed());
}

#[test]
fn questions_may_have_one_time_together() {
    let (numbers, took) = some_time();
    let host = host("x := count([1 | some a in numbers.range(1, input.n); a < 0])");
    let input = Value::from(json!({ "n": numbers }));
    let mut left = took * 4;
    let answered = (0..40).take_while(|_| host.ask_within(&input, &["x"], &mut left).is_ok());
    assert!(answered.count() < 40);
    assert!(left.is_zero(), "{left:?}");
}

/// Whatever the text looks like, there is no such function.
#[test]
fn nothing_that_is_banned_answers_however_it_is_called() {
    for body in [
        "x := time.now_ns()",
        "x := time.now_ns\n()",
        "x := time.now_ns\t()",
        "x := time[\"now_ns\"]()",
        "x := time[`now_ns`]()",
        "x := y if { y := input.f with input.f as time.now_ns() }",
        "x := y if { y := g with g as time.now_ns }\ng := 1",
        "x := rand.intn(\"a\", 1000000)",
        "x if trace(\"look\")",
        "x if not time.now_ns()",
    ] {
        let Ok(host) = Host::read("p.rego", &format!("package p\nimport rego.v1\n{body}\n"), None)
        else {
            continue;
        };
        let answer = host.ask(&Value::new_object(), &["x"]);
        assert!(
            answer.as_ref().is_err() || answer == Ok(vec![("x".to_owned(), Value::Undefined)]),
            "{body}: {answer:?}"
        );
    }
    let error = ask("x := time[\"now_ns\"]()", json!({})).unwrap_err();
    assert!(error.contains("`time.now_ns` may not be called"), "{error}");
}

#[test]
fn what_functions_would_make_is_bounded_before_they_make_it() {
    let kilobytes = "a".repeat(2048);
    let double = |last: usize, what: &str| {
        let line =
            |n: usize| what.replace("NEW", &format!("v{n}")).replace("OLD", &format!("v{}", n - 1));
        let lines: Vec<String> = (1..=last).map(line).collect();
        format!("v0 := input.s\n{}\nx := v{last}", lines.join("\n"))
    };
    let cases = [
        "x := replace(replace(replace(input.s, \"\", input.s), \"\", input.s), \"\", input.s)"
            .to_owned(),
        "x := strings.replace_n({\"a\": input.s, \"aa\": input.s}, input.s)".to_owned(),
        "y := regex.replace(input.s, \"a\", input.s)\nx := regex.replace(y, \"a\", y)".to_owned(),
        "x := regex.replace(y, \"a+\", z)\ny := replace(input.s, \"a\", input.s)\n\
         z := replace(input.s, \"a\", \"$0\")"
            .to_owned(),
        "x := concat(input.s, [input.s | some _ in numbers.range(1, 20000)])".to_owned(),
        "x := sprintf(\"%2000000000d\", [1])".to_owned(),
        "x := sprintf(\"%.2000000000f\", [1.5])".to_owned(),
        "x := sprintf(\"%²d\", [1])".to_owned(),
        "x := numbers.range(1, 4000000000)".to_owned(),
        "x := numbers.range_step(1, 400000000000, 2)".to_owned(),
        "x := net.cidr_expand(\"0.0.0.0/0\")".to_owned(),
        "x := net.cidr_expand(\"::/0\")".to_owned(),
        "x := bits.lsh(1, 4000000000)".to_owned(),
        "x := bits.lsh(1, 9007199254740993)".to_owned(),
        "x := numbers.range(1152921504606846977, 1152921504616846977)".to_owned(),
        "x := to_number(\"1e1000000000\")".to_owned(),
        "x := json.unmarshal(\"[1e1000000000]\")".to_owned(),
        "x := units.parse(\"1e1000000000Ki\")".to_owned(),
        "x := units.parse(\"1.e1000000000Ki\")".to_owned(),
        "x := units.parse(\"1e1_000_000_000Ki\")".to_owned(),
        "x := units.parse_bytes(\"1_.e1000000000Ki\")".to_owned(),
        "x := units.parse_bytes(\"1_e_+1_000_000_000Ki\")".to_owned(),
        "x := product([n | some m in numbers.range(1, 9000); n := bits.lsh(1, 60000) + m])".to_owned(),
        double(40, "NEW := OLD * OLD").replace("input.s", "9223372036854775807"),
        double(12, "NEW := OLD * OLD").replace("input.s", "9223372036854775807"),
        double(12, "NEW := OLD * OLD")
            .replace("input.s", "9223372036854775807")
            .replace("x := v12", "x := sprintf(\"%d\", [v12])"),
        double(40, "NEW := [OLD, OLD]"),
        double(40, "NEW := [OLD, OLD]").replace("x := v40", "x := json.marshal(v40)"),
        double(40, "NEW := [OLD, OLD]").replace("x := v40", "x := sprintf(\"%v\", [v40])"),
        double(40, "NEW := [OLD, OLD]").replace("x := v40", "x if walk(v40, [_, 7])"),
        double(40, "NEW := concat(\"\", [OLD, OLD])"),
        double(40, "NEW := array.concat(OLD, OLD)").replace("input.s", "[1, 2, 3]"),
        "g := {sprintf(\"%d\", [n]): [sprintf(\"%d\", [m]) | some m in numbers.range(n + 1, 40)] | \
         some n in numbers.range(1, 40)}\nx := graph.reachable_paths(g, {\"1\"})"
            .to_owned(),
    ];
    for body in cases {
        let before = Instant::now();
        let error = ask(&body, json!({ "s": kilobytes })).unwrap_err();
        let knows = ["of memory", "more than anybody", "cannot be computed", "time limit"];
        assert!(knows.iter().any(|word| error.contains(word)), "{body}: {error}");
        assert!(before.elapsed() < TIME_MAX * 30, "{body}: {:?}", before.elapsed());
    }
}

#[test]
fn a_program_that_is_too_large_is_told_so_with_its_place_and_asked_again() {
    let host = host("x := numbers.range(1, input.n)");
    let asked = |n: u64| host.ask(&Value::from(json!({ "n": n })), &["x"]);
    let error = asked(1 << 40).unwrap_err();
    assert!(error.contains("p.rego:4:"), "{error}");
    assert_eq!(
        first_line(&error),
        "`numbers.range` would make the program take more than 32 MiB of memory"
    );
    assert!(asked(10).is_ok());
}

#[test]
fn functions_answer_as_they_do_without_a_meter() {
    let body = "x := [replace(\"aba\", \"a\", \"cc\"), sprintf(\"%s-%d-%v\", [\"a\", 3, {\"b\": 1}]), \
                concat(\",\", [\"a\", \"b\"]), numbers.range(1, 3), json.marshal([1]), \
                [p | walk({\"a\": 1}, [p, 1])], count(split(\"a.b\", \".\")), \
                to_number(\"3\"), regex.match(\"^a+$\", \"aa\"), lower(\"AB\") == \"ab\", \
                object.get({\"a\": 1}, \"b\", 2), time.weekday(0), upper(\"x\") ]";
    let wanted = json!([
        "ccbcc",
        "a-3-{\"b\": 1}",
        "a,b",
        [1, 2, 3],
        "[1]",
        [["a"]],
        2,
        3,
        true,
        true,
        2,
        "Thursday",
        "X"
    ]);
    assert_eq!(ask(body, json!({})).unwrap(), Value::from(wanted));
    let mocked = "x := y if { y := f(1) with f as g }\nf(a) := a\ng(a) := a + 1";
    assert_eq!(ask(mocked, json!({})).unwrap(), Value::from(2u64));
    let printed = "x := 1 if { print(\"a\", input, [1,\n2]); print() }";
    assert_eq!(ask(printed, json!({})).unwrap(), Value::from(1u64));
    let hidden = ask("x := sanitized(\"a\") != sanitized(\"b\")", json!({})).unwrap();
    assert_eq!(hidden, Value::from(true));
    let error = ask("x := to_number(\"a\")", json!({})).unwrap_err();
    assert!(error.contains("could not parse string as number"), "{error}");
}

/// The engine's own conversion takes such an object for a number.
#[test]
fn an_object_is_an_object_whatever_its_fields_are_called() {
    for text in ["x", "7", "1e2000000000"] {
        let tags = json!({ "$serde_json::private::Number": text, "z": 1.5 });
        let before = Instant::now();
        let input = json!([{ "tags": tags }]);
        assert_eq!(value(&input).to_string(), input.to_string());
        let read = |text: &str| ask("x := json.unmarshal(input.text)", json!({ "text": text }));
        // As JSON may write it as well.
        let tags = tags.to_string().replace("$", "\\u0024").replace("1e2", "1\\u00652");
        assert_eq!(read(&tags).unwrap()["z"], Value::from(1.5));
        let number = ask("x := to_number(input.text)", json!({ "text": tags }));
        assert!(number.unwrap_err().contains("could not parse string as number"));
        let valid = ask("x := json.is_valid(input.text)", json!({ "text": tags })).unwrap();
        assert_eq!(valid, Value::from(true));
        assert!(before.elapsed() < TIME_MAX * 30, "{:?}", before.elapsed());
    }
    let all = json!([null, true, -3, 18446744073709551615_u64, 0.5, "a", [], { "b": {} }]);
    assert_eq!(value(&all), Value::from(all));
}

#[test]
fn what_is_too_much_whatever_the_input_is_found_when_the_program_is_tried_out() {
    for body in
        ["x := numbers.range(1, 1000000000)", "x := y { y := 1 with input as trace(\"a\") }"]
    {
        let Ok(host) = Host::read("p.rego", &format!("package p\n\n{body}\n"), Some(0)) else {
            panic!("{body}");
        };
        let refused = host.try_out(&["x"]).unwrap_err();
        assert_eq!(refused.at.map(|(line, _)| line), Some(3), "{refused:?}");
    }
}

/// Each rule is evaluated inside the one that needs it.
#[test]
fn a_long_chain_of_rules_answers_and_a_longer_one_is_refused() {
    let chain = |length: usize| {
        let rules: Vec<String> = (1..=length).map(|n| format!("r{n} := r{}", n - 1)).collect();
        format!("package p\nimport rego.v1\nr0 := 1\n{}\nx := r{length}\n", rules.join("\n"))
    };
    let host = Host::read("p.rego", &chain(900), None).unwrap();
    // In so deep a call a debug build may run out of time, and of nothing else.
    let answer = host.ask(&Value::new_object(), &["x"]);
    assert!(answer.as_ref().map_or_else(|error| error.contains("time"), |_| true), "{answer:?}");
    let refused = Host::read("p.rego", &chain(1000), None).unwrap_err();
    assert!(refused.what.contains("1002 rules"), "{refused:?}");
}

#[test]
fn rules_that_need_each_other_in_a_circle_are_an_error() {
    assert!(ask("a := b\nb := a\nx := a", json!({})).is_err());
    assert!(ask("g(n) := a + n\na := g(1)\nx := a", json!({})).is_err());
    let refused = Host::read("p.rego", "package p\nimport rego.v1\nf(n) := f(n)\n", None);
    assert!(refused.unwrap_err().what.contains("call itself"));
}
