//! In whose name commands are given, on a server that knows who is who.

use serde_json::json;

use super::*;
use crate::{
    command::{desk::Desk, doctor::names},
    output::{
        doctor,
        sample::{self, GATE},
    },
    target::Target,
};

const USERS: &str = r#"
authorization {
  users: [
    { user: "stackly", password: "secret" }
    {
      user: "bob"
      password: "secret"
      permissions: {
        publish: ["stackly.ask.>", "stackly.by.bob.>"]
        subscribe: ["_INBOX.bob.>"]
      }
    }
  ]
}
"#;

/// A server with users, and who takes approvals there.
struct Known {
    nats: embedded::Nats,
    stop: CancellationToken,
}

impl Known {
    async fn start(vouched_names_only: bool) -> Self {
        let options = embedded::NatsOptions { more: USERS.to_owned(), ..Default::default() };
        let known = Self {
            nats: embedded::Nats::start(options).await.unwrap(),
            stop: CancellationToken::new(),
        };
        let options =
            bus::Options { vouched_names_only, ..bus::Options::at(known.url("stackly"), "") };
        let bus = Bus::connect(&options, "test").await.unwrap();
        let (answering, stop) = (bus.clone(), known.stop.clone());
        tokio::spawn(async move {
            let answer = |body: Value| {
                std::future::ready(match body["gate"].as_str() {
                    Some(gate) => Ok(sample::passed(gate, "cluster")),
                    None => Err(Problem::malformed("no review")),
                })
            };
            answering.respond_command("gate.review", answer, stop).await.unwrap();
        });
        let mut ticks = tokio::time::interval(std::time::Duration::from_millis(5));
        let subject = contracts::subject::command_vouched("gate.review");
        while bus.request(&subject, &json!({ "by": "test" })).await.is_err() {
            ticks.tick().await;
        }
        known
    }

    fn url(&self, user: &str) -> String {
        format!("nats://{user}:secret@127.0.0.1:{}", self.nats.port())
    }

    async fn approve(&self, user: &str, by: &str) -> Done {
        run(vec!["approve", GATE, "--as", by, "--nats", &self.url(user)], None).await
    }

    /// What the doctor says of names.
    async fn names(&self, user: &str) -> (bool, String) {
        let url = self.url(user);
        let cli = Cli::try_parse_from(["stackly", "doctor", "--nats", &url]).unwrap();
        let target = Target::find(&cli.global, Path::new("/")).unwrap();
        let desk = Desk::connect(target).await.unwrap();
        let link = names::link(&desk).await.unwrap();
        let look = Look { json: false, colour: false, width: None };
        (link.is_broken(), doctor::render(&[link], &look))
    }
}

impl Drop for Known {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_is_given_in_the_own_name_and_whoever_may_not_is_told_at_once() {
    for vouched_names_only in [false, true] {
        let at = Known::start(vouched_names_only).await;
        at.approve("bob", "bob").await.ok();
        let text = at.approve("bob", "alice").await.failed(4);
        assert!(text.contains("does not let this user send stackly.by.alice."), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_doctor_says_whether_names_are_taken_at_their_word() {
    let at = Known::start(false).await;
    let (broken, text) = at.names("stackly").await;
    assert!(!broken && text.contains("are taken at their word"), "{text}");
    let (broken, text) = at.names("bob").await;
    assert!(!broken && text.contains("nobody is taken at their word here"), "{text}");
    let at = Known::start(true).await;
    let (broken, text) = at.names("stackly").await;
    assert!(broken && text.contains("give each person a user"), "{text}");
    let (broken, text) = at.names("bob").await;
    assert!(!broken && text.contains("nobody is taken at their word here"), "{text}");
}
