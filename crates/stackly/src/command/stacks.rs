//! `stackly stacks`.

use chrono::Utc;
use serde_json::json;

use super::desk::{Desk, read};
use crate::{
    failure::Failure,
    output::stacks::{self, StackPage},
    print::Terminal,
};

pub(super) async fn run(desk: &Desk, terminal: &mut Terminal<'_>) -> Result<(), Failure> {
    let mut whole = page(desk, None).await?;
    while let Some(after) = whole.next.take() {
        let next = page(desk, Some(after)).await?;
        whole = StackPage { stacks: [whole.stacks, next.stacks].concat(), ..next };
    }
    let document =
        json!({ "version": whole.version, "as_of": whole.as_of, "stacks": whole.stacks });
    terminal.answer(&document, |look| stacks::render(&whole, Utc::now(), look))
}

async fn page(desk: &Desk, after: Option<String>) -> Result<StackPage, Failure> {
    let answer = desk.ask("planner", "stacks", json!({ "after": after })).await?;
    read("planner", answer)
}
