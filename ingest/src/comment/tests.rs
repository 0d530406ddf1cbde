use super::*;

fn written(text: &str) -> Option<(Command, Vec<String>)> {
    match read(text) {
        Comment::Command(Written { command, arguments }) => Some((command, arguments)),
        _ => None,
    }
}

#[test]
fn a_line_that_begins_with_stackly_commands() {
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    assert_eq!(written("stackly plan"), Some((Command::Plan, vec![])));
    assert_eq!(written("  /stackly Retry "), Some((Command::Retry, vec![])));
    assert_eq!(
        written("Thanks!\r\nstackly approve gate_1 at last\r\nstackly reject"),
        Some((Command::Approve, words(&["gate_1", "at", "last"])))
    );
}

#[test]
fn talk_code_and_quotations_command_nothing() {
    for text in [
        "",
        "please run stackly apply",
        "> stackly apply",
        "`stackly apply`",
        "```\nstackly apply\n```",
        "~~~\nstackly apply\n~~~\nbye",
        "stacklyapply",
        "stackly-apply",
    ] {
        assert_eq!(read(text), Comment::Talk, "{text:?}");
    }
    assert_eq!(read("stackly destroy"), Comment::Unknown("destroy".to_owned()));
    assert_eq!(read("stackly"), Comment::Unknown(String::new()));
}

#[test]
fn a_command_has_no_more_words_than_a_command_needs() {
    let (_, arguments) = written(&format!("stackly approve {}", "word ".repeat(1_000))).unwrap();
    assert_eq!(arguments.len(), WORDS_MAX);
    let (_, arguments) = written(&format!("stackly approve {}", "x".repeat(100_000))).unwrap();
    assert_eq!(arguments[0].len(), 1_000);
}

#[test]
fn what_a_comment_orders_is_known_to_have_been_said_in_its_repository() {
    let source = crate::testing::source(crate::source::Kind::Github);
    let gate = contracts::GateId(uuid::Uuid::nil());
    for pull_request in [Some(42), None] {
        let place = Place {
            repository: "acme/sandbox".to_owned(),
            pull_request,
            commit: None,
            by: "ann".to_owned(),
            url: None,
            at: None,
            vouched: true,
        };
        let (_, order) = follow(&source, &format!("stackly approve {gate}"), place);
        let order = order.unwrap();
        assert_eq!(
            (order.target, order.said_in),
            (Target::Gate(gate), Some("acme/sandbox".into()))
        );
    }
}
