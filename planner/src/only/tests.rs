use super::Only;
use crate::catalogue::tests::stack;

fn only<'a>(labels: &'a [&'a str]) -> Only<'a> {
    Only::of(labels.iter().copied())
}

#[test]
fn what_names_a_stack_stands_above_what_names_none_and_several_widen_each_other() {
    let said = only(&[
        "env:prod",
        "stackly:only=branch:main",
        "stackly:only=branch:release/*:dns",
        "stackly:only=branch: hotfix : dns ",
    ]);
    assert_eq!(said.branches(&stack("dns")), ["release/*", "hotfix"]);
    assert_eq!(said.branches(&stack("network")), ["main"]);
    assert!(only(&["env:prod"]).branches(&stack("dns")).is_empty(), "everywhere");
}

#[test]
fn an_edge_of_other_environments_says_which_they_are() {
    let labels = |environment| [environment, "stackly:only=env:prod*:dns"];
    let dns = stack("dns");
    assert_eq!(only(&labels("env:prod-eu")).elsewhere(&dns), None);
    assert_eq!(only(&labels("environment:prod")).elsewhere(&dns), None);
    assert_eq!(only(&labels("env:test")).elsewhere(&stack("network")), None);
    let told = only(&labels("env:test")).elsewhere(&dns).unwrap();
    assert_eq!(told, "it counts only in prod*, and the stack is of test");
    let told = only(&labels("team:net")).elsewhere(&dns).unwrap();
    assert!(told.ends_with("no label says of which the stack is"), "{told}");
}

#[test]
fn what_cannot_be_read_is_told_and_narrows_nothing() {
    let labels = ["stackly:only=main", "stackly:only=space:root", "stackly:only=branch:"];
    let said = only(&labels);
    assert_eq!(said.unread, labels);
    assert!(said.branches(&stack("dns")).is_empty() && said.elsewhere(&stack("dns")).is_none());
}
