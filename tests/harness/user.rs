//! What people and programs outside can do to a system, and ask of it.

use std::time::Duration;

use bus::{Bus, DeadLetter, Problem};
use chrono::Utc;
use contracts::{
    ChainId, Envelope, GateId, Message,
    chain::{ChainPlanned, ChainState},
    gate::ReviewGate,
    subject,
};
use executor::{ChainLine, ChainPage};
use serde_json::{Value, json};
use simulator::Control;
use stackly::system::Installation;
use uuid::Uuid;

use crate::{
    checker::{self, Violation},
    github,
    patience::{PATIENCE, eventually},
};

/// Somebody outside of the services. Clones speak to the same system.
#[derive(Clone)]
pub struct User {
    /// Its Spacelift.
    pub spacelift: Control,
    /// A connection to its broker.
    pub bus: Bus,
    /// Where everything is.
    pub installation: Installation,
    /// Speaks HTTP.
    pub client: reqwest::Client,
}

impl User {
    /// Pushes a commit that modifies these files; it must be accepted. Gives the commit.
    pub async fn push(&self, paths: &[&str]) -> String {
        let commit = github::commit();
        let (status, answer) = self.deliver("push", &github::push(&commit, paths)).await;
        assert!((200..300).contains(&status), "the push was answered {status}: {answer}");
        commit
    }

    /// What `stackly approve` and `stackly reject` send.
    pub async fn review(&self, gate: GateId, approve: bool, by: &str) -> Result<Value, Problem> {
        let review = ReviewGate {
            gate,
            approve,
            by: by.to_owned(),
            groups: Vec::new(),
            note: Some("looked".to_owned()),
            withdraw: false,
            said_at: None,
        };
        let subject = subject::command(ReviewGate::TYPE);
        self.bus.request(&subject, &json!(review)).await.expect("the policies answer")
    }

    /// Sends what no build of the executor can read.
    pub async fn send_unreadable(&self) {
        let (named, body) = ((ChainPlanned::TYPE, "chain"), json!({ "chain": "no id" }));
        let first = Envelope::first("planner", Uuid::new_v4(), named, Utc::now(), body);
        let unreadable = Envelope { version: ChainPlanned::VERSION, ..first };
        let sent = self.bus.send(&[unreadable]).await;
        self.bus.stored(sent).await.expect("the broker is there");
    }

    /// What the executor gave up; nothing while the broker is away.
    pub async fn letters_of_the_executor(&self) -> Vec<DeadLetter> {
        let mut letters = self.bus.dead_letters(100).await.unwrap_or_default();
        letters.retain(|letter| letter.consumer == executor::CARD.consumer);
        letters
    }

    /// Delivers a GitHub event until ingest answers: a sender that tries again.
    pub async fn deliver(&self, event: &str, payload: &Value) -> (u16, Value) {
        let secret = &self.installation.github_secret;
        let tried = eventually(
            "ingest to answer",
            PATIENCE,
            || async {
                github::deliver(&self.client, &self.installation.ingest, secret, event, payload)
                    .await
                    .ok()
            },
            |answer| matches!(answer, Some((status, _)) if *status != 503),
        );
        tried.await.expect("it was waited for")
    }

    /// The chain of a commit, once it has ended.
    pub async fn ended(&self, commit: &str) -> ChainPage {
        self.chain_when(commit, PATIENCE, |page| page.line.state.is_terminal()).await
    }

    /// The chain of a commit, once it is as wanted.
    pub async fn chain_when(
        &self,
        commit: &str,
        patience: Duration,
        wanted: impl Fn(&ChainPage) -> bool,
    ) -> ChainPage {
        let page = eventually(
            &format!("the chain of {commit}"),
            patience,
            || self.chain_of(commit),
            |page: &Option<ChainPage>| page.as_ref().is_some_and(&wanted),
        )
        .await;
        page.expect("it was waited for")
    }

    /// The chain of a commit as it stands, if it is known and the executor answers.
    pub async fn chain_of(&self, commit: &str) -> Option<ChainPage> {
        let line =
            self.chains().await?.into_iter().find(|line| line.change.commit.as_str() == commit)?;
        self.chain(line.chain).await
    }

    /// Every chain, if the executor answers.
    pub async fn chains(&self) -> Option<Vec<ChainLine>> {
        let subject = subject::question("executor", "chains");
        let answer = self.bus.request(&subject, &json!({ "limit": 500 })).await.ok()?.ok()?;
        serde_json::from_value(answer).ok()
    }

    /// One chain, if the executor answers.
    pub async fn chain(&self, chain: ChainId) -> Option<ChainPage> {
        let subject = subject::question("executor", "chain");
        let answer = self.bus.request(&subject, &json!({ "chain": chain })).await.ok()?.ok()?;
        serde_json::from_value(answer).ok()
    }

    /// Waits until every commit has a chain that has ended; gives them.
    pub async fn all_ended(&self, commits: &[String], patience: Duration) -> Vec<ChainPage> {
        eventually(
            "every accepted change to end",
            patience,
            || self.open(commits),
            |open: &Vec<String>| open.is_empty(),
        )
        .await;
        let mut pages = Vec::new();
        for commit in commits {
            pages.push(self.chain_when(commit, PATIENCE, |_| true).await);
        }
        pages
    }

    /// Which of these commits have no chain that is known to have ended, and how it stands.
    pub async fn open(&self, commits: &[String]) -> Vec<String> {
        let Some(lines) = self.chains().await else {
            return vec!["the executor does not answer".to_owned()];
        };
        let stands = |commit: &String| {
            let line = lines.iter().find(|line| line.change.commit.as_str() == commit.as_str());
            match line {
                Some(line) if line.state.is_terminal() => None,
                Some(line) => Some(format!("{commit}: {} {}", line.chain, line.reason.text)),
                None => Some(format!("{commit}: no chain")),
            }
        };
        commits.iter().filter_map(stands).collect()
    }

    /// Which of these commits have no chain that is known to have ended, if the executor answers.
    pub async fn still_open(&self, commits: &[String]) -> Option<Vec<String>> {
        let lines = self.chains().await?;
        let ended = |commit: &String| {
            let of = |line: &ChainLine| line.change.commit.as_str() == commit.as_str();
            lines.iter().any(|line| of(line) && line.state.is_terminal())
        };
        Some(commits.iter().filter(|commit| !ended(commit)).cloned().collect())
    }

    /// What must never happen, held against Spacelift's journal.
    pub fn violations(&self, chains: &[ChainPage]) -> Vec<Violation> {
        checker::check(&self.spacelift.journal(0), chains)
    }

    /// Asserts that the chains ended well and nothing happened that must not.
    pub fn assert_all_well(&self, chains: &[ChainPage]) {
        for page in chains {
            assert_eq!(page.line.state, ChainState::Finished, "{page:#?}");
        }
        let violations = self.violations(chains);
        assert!(violations.is_empty(), "{violations:#?}");
    }
}
