use super::*;

fn table() -> Table {
    let mut table = Table::new(&["STACK", "FOR", "WHY"]).right(&[1]);
    table.row([
        Cell::new(Tone::Good, "network"),
        "3s".into(),
        "the run finished and nothing else is to be said about it".into(),
    ]);
    table.note("run 01J");
    table.row([Cell::new(Tone::Bad, "日本"), "12m 05s".into(), "no".into()]);
    table
}

#[test]
fn without_a_width_nothing_is_wrapped() {
    let text = table().render(&Look::default());
    assert_eq!(
        text,
        "STACK        FOR  WHY\n\
         network       3s  the run finished and nothing else is to be said about it\n    run 01J\n\
         日本     12m 05s  no\n"
    );
}

#[test]
fn the_last_column_wraps_to_the_width() {
    let look = Look { width: Some(44), ..Look::default() };
    let text = table().render(&look);
    assert!(text.lines().all(|line| console::measure_text_width(line) <= 44), "{text}");
    assert!(text.contains("network       3s  the run finished and\n"), "{text}");
    assert!(text.contains("\n                  nothing else is to be said\n"), "{text}");
}

#[test]
fn a_last_column_without_room_stands_below_its_row() {
    let look = Look { width: Some(40), ..Look::default() };
    let text = table().render(&look);
    assert!(text.starts_with("STACK        FOR\nnetwork       3s\n    the run finished"), "{text}");
}

#[test]
fn a_column_that_may_be_cut_makes_room_for_the_last() {
    let mut table = Table::new(&["KEY", "WHY"]).cut(0);
    table.row([Cell::from("github/acme/infra/0123456789/abcdef"), Cell::from("it was so")]);
    table.row([Cell::from("short"), Cell::from("it was so")]);
    let narrow = Look { width: Some(40), ..Look::default() };
    assert_eq!(
        table.render(&narrow),
        "KEY                            WHY\n\
         github/acme/infra/0123456789…  it was so\n\
         short                          it was so\n"
    );
    assert!(table.render(&Look::default()).contains("github/acme/infra/0123456789/abcdef  it"));
}

#[test]
fn colours_do_not_count_as_width() {
    let look = Look { colour: true, ..Look::default() };
    let text = table().render(&look);
    assert_eq!(
        console::strip_ansi_codes(&text),
        table().render(&Look::default()),
        "only colours differ"
    );
    assert!(text.contains("\u{1b}[32mnetwork\u{1b}[0m"), "{text:?}");
}

#[test]
fn a_commit_message_cannot_move_the_cursor() {
    let mut table = Table::new(&["TITLE"]);
    table.row([Cell::from("\u{1b}[2Jgone\r\nthere")]);
    assert_eq!(table.render(&Look::default()), "TITLE\n [2Jgone  there\n");
}

#[test]
fn times_have_two_units_at_most() {
    let said: Vec<String> =
        [0, 59, 60, 3_599, 3_600, 86_399, 90_000, -5].map(|s| span(TimeDelta::seconds(s))).into();
    assert_eq!(said, ["0s", "59s", "1m 00s", "59m 59s", "1h 00m", "23h 59m", "1d 01h", "0s"]);
    let fine: Vec<String> =
        [0, 999, 1_001, 59_999, 60_000].map(|ms| fine_span(TimeDelta::milliseconds(ms))).into();
    assert_eq!(fine, ["0ms", "999ms", "1.001s", "59.999s", "1m 00s"]);
}
