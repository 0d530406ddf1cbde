//! The commands against a real nats-server, with services that answer as the real ones do.

use std::{io::Cursor, path::Path};

use bus::{Bus, Problem, ProblemKind};
use clap::{CommandFactory, Parser};
use serde_json::Value;
use tokio_util::sync::{CancellationToken, DropGuard};
use uuid::Uuid;

use crate::{
    cli::Cli,
    failure::Failure,
    print::{Look, Terminal},
};

mod asking;
mod broker;
mod code;
mod connecting;
mod named;
mod notices;
mod offline;
mod reviewing;
mod whole;

/// An installation of its own on the server all tests share.
struct Installation {
    url: String,
    prefix: String,
    bus: Bus,
    stop: CancellationToken,
    _stopped: DropGuard,
}

/// What a command did.
struct Done {
    text: String,
    result: Result<(), Failure>,
}

impl Installation {
    async fn new() -> Self {
        let url = embedded::shared_nats().await.url();
        let prefix = format!("t{}", Uuid::new_v4().simple());
        let bus = Bus::connect(&bus::Options::at(&url, &prefix), "test").await.unwrap();
        let stop = CancellationToken::new();
        Self { url, prefix, bus, _stopped: stop.clone().drop_guard(), stop }
    }

    /// Answers a subject as a service would.
    async fn service<F>(&self, subject: &str, answer: F)
    where
        F: Fn(Value) -> Result<Value, Problem> + Send + Sync + 'static,
    {
        let (bus, stop, subject) = (self.bus.clone(), self.stop.clone(), subject.to_owned());
        let before = subject.clone();
        tokio::spawn(async move {
            let answer = move |body| std::future::ready(answer(body));
            bus.respond(&subject, answer, stop).await.unwrap();
        });
        // The subscription is there as soon as somebody answers.
        let mut ticks = tokio::time::interval(std::time::Duration::from_millis(5));
        loop {
            ticks.tick().await;
            match self.bus.request(&before, &Value::Null).await {
                Err(bus::BusError::NobodyAnswers { .. }) => {}
                answered => return drop(answered.unwrap()),
            }
        }
    }

    async fn run(&self, arguments: &[&str]) -> Done {
        self.typed(arguments, None).await
    }

    /// Runs a command; with a person at the terminal who types.
    async fn typed(&self, arguments: &[&str], typed: Option<&str>) -> Done {
        let place = ["--nats", &self.url, "--prefix", &self.prefix];
        run([arguments, &place].concat(), typed).await
    }
}

async fn run(arguments: Vec<&str>, typed: Option<&str>) -> Done {
    let arguments = [vec!["stackly", "--no-color"], arguments].concat();
    let cli = Cli::try_parse_from(arguments).unwrap();
    let mut out = Vec::new();
    let mut terminal = Terminal {
        look: Look { json: cli.global.json, colour: false, width: None },
        is_interactive: typed.is_some(),
        out: &mut out,
        input: &mut Cursor::new(typed.unwrap_or_default()),
    };
    let result = super::execute(cli, Path::new("/"), &mut terminal).await;
    Done { text: String::from_utf8(out).unwrap(), result }
}

impl Done {
    #[track_caller]
    fn ok(self) -> String {
        match self.result {
            Ok(()) => self.text,
            Err(failure) => panic!("{}\n{}", failure.text(), self.text),
        }
    }

    #[track_caller]
    fn json(self) -> Value {
        let text = self.ok();
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
    }

    #[track_caller]
    fn failed(self, status: u8) -> String {
        let failure = self.result.expect_err(&self.text);
        assert_eq!(failure.status(), status, "{}", failure.text());
        failure.text()
    }
}

#[test]
fn the_command_line_is_consistent() {
    Cli::command().debug_assert();
}
