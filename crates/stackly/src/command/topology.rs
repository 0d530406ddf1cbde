//! `stackly topology show|apply`.

use clap::Subcommand;
use contracts::topology::consumers;
use serde_json::json;

use super::desk::{Desk, SERVICES};
use crate::{failure::Failure, output::topology, print::Terminal};

/// What is done with the streams.
#[derive(Debug, Subcommand)]
pub enum Action {
    /// Show the streams, and where they differ from what this build needs
    Show,
    /// Create or change the streams as this build needs them; shows the difference first
    Apply {
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
}

pub(super) async fn run(
    action: &Action,
    desk: &Desk,
    terminal: &mut Terminal<'_>,
) -> Result<(), Failure> {
    match action {
        Action::Show => show(desk, terminal).await,
        Action::Apply { yes } => apply(desk, *yes, terminal).await,
    }
}

async fn show(desk: &Desk, terminal: &mut Terminal<'_>) -> Result<(), Failure> {
    let streams = desk.bus.streams().await?;
    let wanted = consumers(&SERVICES.map(|card| *card));
    let document = json!({ "streams": topology::document(&streams) });
    terminal.answer(&document, |look| topology::render(&streams, &wanted, look))
}

async fn apply(desk: &Desk, yes: bool, terminal: &mut Terminal<'_>) -> Result<(), Failure> {
    let streams = desk.bus.streams().await?;
    if !streams.iter().any(topology::differs) {
        let document = json!({ "changed": false, "before": topology::document(&streams) });
        return terminal.answer(&document, |_| "all streams are as needed".to_owned());
    }
    if !terminal.look.json {
        let changes = topology::render_changes(&streams, &terminal.look);
        terminal.text(&changes)?;
    }
    if !yes && !agreed(terminal)? {
        return Err(Failure::Usage("nothing was changed; say --yes to change it".to_owned()));
    }
    desk.bus.apply_streams().await.map_err(|error| refused(error.into()))?;
    let document = json!({ "changed": true, "before": topology::document(&streams) });
    terminal.answer(&document, |_| "changed".to_owned())
}

/// JetStream keeps some settings for the life of a stream.
fn refused(failure: Failure) -> Failure {
    Failure::Failed(anyhow::anyhow!(
        "{}; storage and retention cannot be changed in place: delete the stream (`nats stream \
         rm`), and the services make it again and refill its events from Postgres; dead letters \
         would be lost",
        failure.text()
    ))
}

fn agreed(terminal: &mut Terminal<'_>) -> Result<bool, Failure> {
    if !terminal.is_interactive || terminal.look.json {
        return Ok(false);
    }
    terminal.out.write_all("Change it? [y/N] ".as_bytes())?;
    terminal.out.flush()?;
    let mut answer = String::new();
    terminal.input.read_line(&mut answer)?;
    Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
}
