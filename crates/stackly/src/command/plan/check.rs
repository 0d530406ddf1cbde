//! `stackly plan --check`: whether what is foretold is what was decided.

use chrono::{DateTime, Utc};
use futures::{StreamExt, stream};
use serde_json::json;

use crate::{
    command::{
        deliveries::{
            decisions::{AT_ONCE, is_host, reconsidered},
            that_came,
        },
        desk::Desk,
    },
    failure::Failure,
    output::plan::check::{self, Checked},
    print::Terminal,
};

/// Compares, and fails if too much differs for no known reason.
pub(super) async fn run(
    since: DateTime<Utc>,
    repository: Option<&str>,
    desk: &Desk,
    terminal: &mut Terminal<'_>,
) -> Result<(), Failure> {
    let mut came = that_came(json!({ "since": since, "verdict": "accepted" }), desk).await?;
    let is_of_it = |name: &str| repository.is_none_or(|wanted| wanted.eq_ignore_ascii_case(name));
    came.retain(|delivery| {
        is_host(&delivery.source) && delivery.repository.as_deref().is_some_and(is_of_it)
    });
    let decided: Vec<_> = stream::iter(came)
        .map(|delivery| async move {
            let told = reconsidered(desk, &json!(delivery.id)).await;
            (delivery, told)
        })
        .buffered(AT_ONCE)
        .collect()
        .await;
    let checked = Checked::of(since, decided);
    terminal.answer(&checked, |look| check::render(&checked, look))?;
    match checked.holds() {
        true => Ok(()),
        false => Err(Failure::Problem {
            code: "foretold_otherwise".to_owned(),
            message: "more than one decision in a thousand differs for no known reason".to_owned(),
        }),
    }
}
