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
