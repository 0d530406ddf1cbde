use proptest::prelude::*;

use super::*;

proptest! {
    #[test]
    fn any_key_is_one_token_without_wildcards(key: String) {
        let token = token(&key);
        prop_assert!((1..=128).contains(&token.len()));
        prop_assert!(token.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-".contains(&b)));
    }

    #[test]
    fn any_key_leaves_the_shape_of_the_subject_alone(key: String) {
        let subject = event("chain.planned", &key);
        prop_assert_eq!(subject.split('.').count(), 5);
        prop_assert!(subject.starts_with("stackly.evt.chain.planned."));
    }

    #[test]
    fn the_subject_of_a_person_holds_the_whole_name(name: String) {
        let subject = command_by(&name, "gate.review");
        prop_assert_eq!(subject.split('.').count(), 5);
        prop_assert!(subject.bytes().all(|b| b.is_ascii_alphanumeric() || b".%_-".contains(&b)));
        let told = person_of(&format!("acme.eu.{subject}")).unwrap_or_default();
        prop_assert_eq!(told, name.trim());
    }

    #[test]
    fn any_subject_is_read(token: String) {
        person_of(&format!("stackly.by.{token}.gate.review"));
    }

    #[test]
    fn a_key_that_is_a_token_stays_as_it_is(key in "[A-Za-z0-9_-]{1,128}") {
        prop_assert_eq!(token(&key), key);
    }
}

#[test]
fn what_would_change_a_subject_becomes_a_dash() {
    assert_eq!(token("acme/infra.live *>"), "acme-infra-live---");
    assert_eq!(token("größe"), "gr--e");
    assert_eq!(token(""), "-");
    assert_eq!(token(&"x".repeat(1000)).len(), 128);
}

#[test]
fn only_the_subject_of_a_person_holds_a_name() {
    let of = |subject: &str| person_of(subject);
    assert_eq!(of("stackly.by.jane%2Edoe.gate.review").as_deref(), Some("jane.doe"));
    assert_eq!(of("stackly.by.J%c3%B6.gate.review").as_deref(), Some("Jö"));
    for none in ["stackly.cmd.gate.review", "stackly.vouched.gate.review", "by.ann", ""] {
        assert_eq!(of(none), None, "{none}");
    }
    for garbled in ["%", "a%2", "%G0", "%FF", "%+1"] {
        assert_eq!(of(&format!("stackly.by.{garbled}.gate.review")), None, "{garbled}");
    }
}

#[test]
fn subjects_are_these_for_ever() {
    assert_eq!(event("chain.planned", "chain_1"), "stackly.evt.chain.planned.chain_1");
    assert_eq!(events_of("chain.planned"), "stackly.evt.chain.planned.*");
    assert_eq!(command("gate.review"), "stackly.cmd.gate.review");
    assert_eq!(command_for("hook.answer", "desk.1"), "stackly.cmd.hook.answer.desk-1");
    assert_eq!(commands_of("hook.answer"), "stackly.cmd.hook.answer.*");
    assert_eq!(command_by("ann", "gate.review"), "stackly.by.ann.gate.review");
    assert_eq!(command_by("a.n@b", "gate.review"), "stackly.by.a%2En%40b.gate.review");
    assert_eq!(commands_by_all("gate.review"), "stackly.by.*.gate.review");
    assert_eq!(command_vouched("gate.review"), "stackly.vouched.gate.review");
    assert_eq!(question("executor", "chains"), "stackly.ask.executor.chains");
    assert_eq!(dead_letter("planner-changes"), "stackly.dlq.planner-changes");
    assert_eq!((EVENTS, DEAD_LETTERS), ("stackly.evt.>", "stackly.dlq.>"));
}
