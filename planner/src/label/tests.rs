use super::{Mention, dependencies};

fn check(label: &str, expect: &[(&str, Option<&str>)]) {
    let expect: Vec<Mention<'_>> =
        expect.iter().map(|&(stack, condition)| Mention { stack, condition }).collect();
    assert_eq!(dependencies(label).unwrap(), expect, "{label}");
}

#[test]
fn a_label_names_one_or_several_stacks() {
    check("depends-on:a", &[("a", None)]);
    check("depends-on:a,b", &[("a", None), ("b", None)]);
    check("depends-on: a , b ", &[("a", None), ("b", None)]);
    check("dependsOn:a", &[("a", None)]);
    check("Depends-On:a", &[("a", None)]);
    check("depends-on:ns:a", &[("ns:a", None)]);
    check("stackly:depends-on:a,b", &[("a", None), ("b", None)]);
    check("Stackly:dependsOn: a", &[("a", None)]);
}

#[test]
fn waiting_for_finished_is_the_plain_order_and_other_states_are_not() {
    check("depends-on:a|state:FINISHED", &[("a", None)]);
    check("depends-on:a|state:finished,b", &[("a", None), ("b", None)]);
    check("depends-on:a,b|state:FAILED", &[("a", None), ("b", Some("state:FAILED"))]);
    check("depends-on:a|", &[("a", Some(""))]);
}

#[test]
fn a_label_without_a_stack_names_an_empty_one_so_that_it_can_be_reported() {
    check("depends-on:", &[("", None)]);
    check("depends-on:a,,b", &[("a", None), ("", None), ("b", None)]);
}

#[test]
fn other_labels_are_about_something_else() {
    for label in [
        "depends-on",
        "stackly:depends-on",
        "stackly:wave:2",
        "deps:modules/**",
        "folder:a/b",
        "autoattach:depends-on:a",
        "",
    ] {
        assert_eq!(dependencies(label), None, "{label}");
    }
}
