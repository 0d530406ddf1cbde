use super::*;

fn roles() -> Roles {
    let list = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
    Roles {
        groups: [("sre".to_owned(), list(&["jane"])), ("leads".to_owned(), list(&["bob"]))].into(),
        cancel: list(&["sre", "leads"]),
        force: list(&["leads"]),
        ..Roles::default()
    }
}

#[test]
fn everybody_may_give_an_order_nobody_is_named_for() {
    assert_eq!(Roles::default().refuse("eve", "cancel", true), None);
    assert_eq!(roles().refuse("eve", "pause", false), None);
}

#[test]
fn who_is_in_none_of_the_groups_may_not_and_is_told_who_may() {
    assert_eq!(roles().refuse("jane", "cancel", false), None);
    assert_eq!(
        roles().refuse("eve", "cancel", false).as_deref(),
        Some("eve may not cancel: that is for sre, leads, as [roles] of the executor says")
    );
}

#[test]
fn force_is_allowed_besides_the_order_itself() {
    assert_eq!(roles().refuse("bob", "cancel", true), None);
    let refused = roles().refuse("jane", "cancel", true).unwrap();
    assert!(
        refused.starts_with("jane may not cancel with `--force`: that is for leads"),
        "{refused}"
    );
    assert!(roles().refuse("jane", "retry", true).is_some());
}

#[test]
fn a_person_is_known_as_policies_know_them() {
    let groups = [("sre".to_owned(), vec!["@Jane".to_owned()])].into();
    let roles = Roles { groups, answer: vec!["sre".to_owned()], ..roles() };
    for by in ["jane", "@jane", "Jane "] {
        assert_eq!(roles.refuse(by, "cancel", false), None, "{by}");
        assert_eq!(roles.refuse_answer(by, None), None, "{by}");
    }
    assert!(roles.refuse("janet", "cancel", false).is_some());
}

#[test]
fn a_group_that_is_not_there_is_told_before_the_service_starts() {
    let typo = || vec!["typo".to_owned()];
    let claims = [("issued".to_owned(), vec!["eng".to_owned()])].into();
    let cancel = vec!["sre".to_owned(), "issued".to_owned()];
    let roles = Roles { claims, cancel, retry: typo(), answer: typo(), ..roles() };
    assert_eq!(
        roles.faults(),
        [
            "roles.cancel names `issued`, which is only in roles.claims, and those count for \
             `answer` alone",
            "roles.retry names `typo`, which is not in roles.groups",
            "roles.answer names `typo`, which is neither in roles.groups nor in roles.claims",
        ]
    );
}

#[test]
fn a_check_is_answered_by_the_groups_that_may_and_with_a_token_by_nobody_else() {
    let claims = ["eng-sre".to_owned()];
    let (token, none) = (Some(&claims[..]), Some(&[][..]));
    let open = Roles::default();
    assert_eq!(open.refuse_answer("eve", None), None, "NATS itself says who may");
    let refused = open.refuse_answer("eve", token).unwrap();
    assert!(refused.contains("nobody may with an ID token before a group is named"), "{refused}");

    let claims = [("sre".to_owned(), claims.to_vec())].into();
    let roles = Roles { claims, answer: vec!["sre".to_owned()], ..roles() };
    assert_eq!(roles.refuse_answer("jane", none), None, "by name");
    assert_eq!(roles.refuse_answer("jane", None), None);
    assert_eq!(roles.refuse_answer("eve", token), None, "by what the issuer says");
    let refused =
        "eve may not answer checks: that is for sre, as `answer` in [roles] of the executor says";
    for claims in [none, None] {
        assert_eq!(roles.refuse_answer("eve", claims).as_deref(), Some(refused));
    }
    assert!(roles.refuse("eve", "cancel", false).is_some(), "no token, no claim");
    assert!(roles.faults().is_empty());
}
