use super::{Mention, about, dependencies, on_end_of};

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

#[test]
fn a_label_says_more_about_a_stack_that_is_depended_on() {
    let named = |label| about(label).map(|(before, name, behind)| [before, name, behind].join("|"));
    for (label, expect) in [
        ("stackly:on=failure:dns", "stackly:on=failure:|dns|"),
        ("stackly:on=always: my dns ", "stackly:on=always:|my dns|"),
        ("stackly:only=branch:main:dns", "stackly:only=branch:main:|dns|"),
        ("stackly:input=vpc_id:net/prod/vpc", "stackly:input=vpc_id:|net/prod|/vpc"),
        ("stackly:sensitive-input=key:vault/key", "stackly:sensitive-input=key:|vault|/key"),
    ] {
        assert_eq!(named(label).as_deref(), Some(expect));
    }
    for label in ["stackly:on=failure", "stackly:only=branch:main", "stackly:input=a/b:c", "on=a:b"]
    {
        assert_eq!(named(label), None, "{label}");
    }
    assert_eq!(on_end_of("stackly:on=failure: dns"), Some("dns"));
    assert_eq!(on_end_of("stackly:only=branch:main:dns"), None);
}
