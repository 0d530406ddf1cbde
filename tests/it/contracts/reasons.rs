//! `docs/runbook/REASONS.md`: a generated table, and a paragraph by hand for each code.

use std::fmt::Write;

use contracts::Code;

use super::published;

const PATH: &str = "docs/runbook/REASONS.md";
const BEGIN: &str = "<!-- generated from crates/contracts/src/reason.rs: begin -->\n";
const END: &str = "<!-- generated: end -->\n";

#[test]
fn the_table_of_codes_is_current() {
    let page = published::read(PATH);
    let (before, rest) = page.split_once(BEGIN).expect("the page has a place for the table");
    let (_, after) = rest.split_once(END).expect("the place for the table ends");
    published::assert_current(PATH, &format!("{before}{BEGIN}{}{END}{after}", table()));
}

fn table() -> String {
    let mut text = String::from("| Code | Meaning |\n|---|---|\n");
    for code in Code::ALL {
        writeln!(text, "| [`{code}`](#{code}) | {} |", code.meaning()).unwrap();
    }
    text
}

#[test]
fn each_code_has_a_paragraph_and_each_paragraph_a_code() {
    let page = published::read(PATH);
    let sections: Vec<_> = page
        .split("\n### ")
        .skip(1)
        .map(|section| section.split_once('\n').expect("a heading and what is below it"))
        .collect();
    let mut headings: Vec<_> = sections.iter().map(|(heading, _)| *heading).collect();
    let mut codes: Vec<_> = Code::ALL.iter().map(|code| code.as_str()).collect();
    headings.sort_unstable();
    codes.sort_unstable();
    assert_eq!(headings, codes, "one section for each code");
    for (code, text) in sections {
        let text = text.split("\n## ").next().unwrap().trim();
        assert!(
            text.len() >= 60 && text.ends_with(['.', '`']),
            "{code} is not explained: {text:?}"
        );
    }
}
