//! `stackly dead list|show|requeue`.

use std::time::Duration;

use bus::DeadLetter;
use chrono::Utc;
use clap::{Args, Subcommand};
use contracts::{phrase::count, topology::DEAD_LETTERS};
use serde_json::json;
use tokio::time::timeout;

use super::{
    desk::Desk,
    value::{letter, limit},
};
use crate::{failure::Failure, output, print::Terminal};

/// For how long to read: a letter that is taken away meanwhile would be waited for.
const PATIENCE: Duration = Duration::from_secs(20);

/// What is done with messages that no service could handle.
#[derive(Debug, Subcommand)]
pub enum Action {
    /// List them, oldest first
    List {
        /// The most that are listed
        #[arg(long, default_value_t = 50, value_parser = limit::<65_535>)]
        limit: u64,
    },
    /// Show one with its body
    Show {
        /// Its number in the list
        #[arg(value_parser = letter)]
        seq: u64,
    },
    /// Requeue them to the service that gave them up
    Requeue(Requeue),
}

/// Which ones are given back.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub struct Requeue {
    /// Its number in the list
    #[arg(value_parser = letter)]
    seq: Option<u64>,
    /// All of them
    #[arg(long)]
    all: bool,
}

pub(super) async fn run(
    action: &Action,
    desk: &Desk,
    terminal: &mut Terminal<'_>,
) -> Result<(), Failure> {
    is_there(desk).await?;
    match action {
        Action::List { limit } => {
            let letters = list(desk, usize::try_from(*limit).unwrap_or(usize::MAX)).await?;
            let document = json!({ "letters": letters });
            terminal.answer(&document, |look| output::dead::render(&letters, Utc::now(), look))
        }
        Action::Show { seq } => {
            let letter = desk.bus.dead_letter(*seq).await?.ok_or_else(|| unknown(*seq))?;
            terminal.answer(&letter, |look| output::dead::render_one(&letter, look))
        }
        Action::Requeue(Requeue { seq: Some(seq), .. }) => {
            if !desk.bus.requeue(*seq).await? {
                return Err(unknown(*seq));
            }
            said(&[*seq], terminal)
        }
        Action::Requeue(Requeue { seq: None, .. }) => {
            let mut done = Vec::new();
            for letter in list(desk, usize::MAX).await? {
                // Somebody else may have given it back meanwhile.
                if desk.bus.requeue(letter.sequence).await? {
                    done.push(letter.sequence);
                }
            }
            said(&done, terminal)
        }
    }
}

async fn list(desk: &Desk, limit: usize) -> Result<Vec<DeadLetter>, Failure> {
    match timeout(PATIENCE, desk.bus.dead_letters(limit)).await {
        Ok(letters) => Ok(letters?),
        Err(_) => Err(Failure::unavailable(
            "the dead letters could not be read in time: they are many, or somebody takes them \
             away meanwhile; try again",
        )),
    }
}

/// Without its stream there are no letters; and nothing but an error of JetStream would be read.
async fn is_there(desk: &Desk) -> Result<(), Failure> {
    let streams = desk.bus.streams().await?;
    let missing =
        streams.iter().find(|stream| !stream.exists && stream.name.ends_with(DEAD_LETTERS.name));
    match missing {
        None => Ok(()),
        Some(stream) => Err(Failure::NotFound(format!(
            "there is no stream {} at {}; services make it when they start, and so does \
             `stackly topology apply`",
            stream.name, desk.target
        ))),
    }
}

fn said(done: &[u64], terminal: &mut Terminal<'_>) -> Result<(), Failure> {
    terminal.answer(&json!({ "requeued": done }), |_| {
        format!("gave back {}", count(done.len(), "dead letter"))
    })
}

fn unknown(sequence: u64) -> Failure {
    Failure::NotFound(format!(
        "there is no dead letter {sequence}; `stackly dead list` shows what there is"
    ))
}
