//! Starts a nats-server and a Postgres, prints where they are as one line of JSON, and runs until its
//! input ends or until Ctrl-C.

use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;

use embedded::{Nats, NatsOptions, Postgres, PostgresOptions};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let causes = std::iter::successors(error.source(), |cause| cause.source());
            let text = causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"));
            tell(&text);
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), Box<dyn std::error::Error>> {
    let say: embedded::Say = Arc::new(tell);
    let nats = Nats::start(NatsOptions { say: Arc::clone(&say), ..NatsOptions::default() }).await?;
    let postgres = Postgres::start(PostgresOptions { say, ..PostgresOptions::default() }).await?;
    let places = serde_json::json!({
        "nats": { "url": nats.url(), "pid": nats.pid(), "store": nats.store_folder() },
        "postgres": {
            "url": postgres.url("postgres"),
            "pid": postgres.pid(),
            "data": postgres.data_folder(),
            "version": postgres.version(),
        },
    });
    // Listening before the line is out: whoever has read it may interrupt us at once.
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    writeln!(std::io::stdout(), "{places}")?;
    tokio::select! {
        _ = end_of_input() => {}
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    nats.stop().await;
    postgres.stop().await;
    Ok(())
}

/// On a thread of its own, which does not hold up the end of the program.
fn end_of_input() -> oneshot::Receiver<()> {
    let (sender, receiver) = oneshot::channel();
    std::thread::spawn(move || {
        drop(std::io::copy(&mut std::io::stdin(), &mut std::io::sink()));
        sender.send(())
    });
    receiver
}

/// To the standard error, and not by `eprintln`, which panics when nobody reads.
fn tell(sentence: &str) {
    drop(writeln!(std::io::stderr(), "{sentence}"));
}
