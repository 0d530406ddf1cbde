//! Deaths at the labelled places beside the way of a chain: where a message is given up, an order of
//! a person is carried out, and a change of the account is told.

use std::collections::{BTreeMap, BTreeSet};

use bus::DeadLetter;
use executor::ChainPage;
use futures::StreamExt;
use harness::{
    Pipeline, Setup, accounts,
    fleet::FAILPOINT,
    github,
    patience::{PATIENCE, eventually},
};
use receivers::{Comment, GITHUB_TOKEN, Github};
use simulator::StackPatch;

use super::{points::has_died, setup};

/// The labels that are tried here.
pub(super) const PLACES: &[&str] =
    &["letter.before_publish", "letter.before_note", "order.before_finish", "news.before_forget"];

/// Somebody must approve before anything of a pull request is planned.
const ASKED: &str = r#"
policy "asked" {
  match {
    kind   = "preview"
    moment = ["before_chain"]
  }
  approval { min_approvers = 1 }
}
"#;

/// Starts a service that dies at the first time it comes to a place; gives what it had written.
async fn armed(pipeline: &mut Pipeline, service: &'static str, label: &str) -> usize {
    pipeline.fleet.kill(service).await;
    let written = pipeline.fleet.log(service).len();
    pipeline.fleet.start(service, &[(FAILPOINT, label)]);
    written
}

/// Waits for the death, and starts the service again as it should be.
async fn revived(pipeline: &mut Pipeline, service: &'static str, label: &str, written: usize) {
    has_died(pipeline, service, label, written).await;
    pipeline.fleet.start(service, &[]);
}

fn impatient() -> Setup {
    let environment = vec![("STACKLY__BUS__ACK_WAIT".to_owned(), "1s".to_owned())];
    Setup { environment, ..setup() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_letter_is_there_once_wherever_its_writer_dies() {
    let mut pipeline = Pipeline::with(impatient()).await;
    let labels = ["letter.before_publish", "letter.before_note", "consume.before_ack"];
    for (before, label) in labels.into_iter().enumerate() {
        let written = armed(&mut pipeline, "executor", label).await;
        pipeline.send_unreadable().await;
        revived(&mut pipeline, "executor", label, written).await;
        let letters = || pipeline.letters_of_the_executor();
        let one_more = |letters: &Vec<DeadLetter>| letters.len() == before + 1;
        eventually("the letter", PATIENCE, letters, one_more).await;
        pipeline.settled().await;
    }
    let letters = pipeline.letters_of_the_executor().await;
    let places: BTreeSet<_> = letters.iter().map(|letter| letter.sequence).collect();
    assert_eq!((letters.len(), places.len()), (labels.len(), labels.len()), "{letters:#?}");
    pipeline.stop_undone().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_is_carried_out_and_answered_once_though_ingest_dies_of_it() {
    let host = Github::start().await;
    let account = accounts::account(&[("a", &[])]);
    let mut setup =
        Setup { account, policies: vec![("asked.hcl", ASKED.to_owned())], ..impatient() };
    for (name, value) in
        [("NOTIFIER__GITHUB__TOKEN", GITHUB_TOKEN), ("NOTIFIER__GITHUB__API_BASE", &host.api_base)]
    {
        setup.environment.push((name.to_owned(), value.to_owned()));
    }
    let mut pipeline = Pipeline::with(setup).await;
    let commit = github::commit();
    pipeline.deliver("pull_request", &github::pull_request(7, &commit)).await;
    let waits = |page: &ChainPage| page.line.reason.text.contains("asked");
    pipeline.chain_when(&commit, PATIENCE, waits).await;

    let label = "order.before_finish";
    let written = armed(&mut pipeline, "ingest", label).await;
    let user = pipeline.user.clone();
    let word = github::comment(7, "stackly approve");
    let saying = tokio::spawn(async move { user.deliver("issue_comment", &word).await });
    revived(&mut pipeline, "ingest", label, written).await;
    let (status, answer) = saying.await.unwrap();
    assert!((200..300).contains(&status), "the comment was answered {status}: {answer}");

    pipeline.ended(&commit).await;
    let answers = || async { host.comments() };
    let is_answer = |it: &&Comment| it.body.contains("`stackly approve`, asked for by");
    let told = |comments: &Vec<Comment>| comments.iter().any(|it| is_answer(&it));
    eventually("an answer", PATIENCE, answers, told).await;
    pipeline.settled().await;
    let answers = host.comments();
    assert_eq!(answers.iter().filter(is_answer).count(), 1, "{answers:#?}");
    assert_eq!(pipeline.spacelift.runs("a").len(), 1);
    pipeline.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_the_account_is_told_once_though_the_planner_dies_of_it() {
    let mut setup = impatient();
    setup.account = accounts::account(&[("a", &[]), ("b", &[])]);
    for period in ["PLANNER__CATALOGUE__REFRESH", "PLANNER__CATALOGUE__WHOLE"] {
        setup.environment.push((period.to_owned(), "1s".to_owned()));
    }
    let mut pipeline = Pipeline::with(setup).await;
    pipeline.settled().await;
    let mut told = pipeline.bus.tail("stackly.evt.stack.updated.>").await.unwrap();
    pipeline.bus.flush().await.unwrap();

    let label = "news.before_forget";
    let written = armed(&mut pipeline, "planner", label).await;
    let labels = Some(vec!["team:net".to_owned()]);
    pipeline.spacelift.patch_stack("b", StackPatch { labels, ..StackPatch::default() }).unwrap();
    revived(&mut pipeline, "planner", label, written).await;

    let labels = Some(vec!["team:edge".to_owned()]);
    pipeline.spacelift.patch_stack("b", StackPatch { labels, ..StackPatch::default() }).unwrap();
    let mut seen = BTreeMap::new();
    while !seen.contains_key("team:edge") {
        let event = tokio::time::timeout(PATIENCE, told.next()).await.unwrap().unwrap();
        let label = event.body["changes"][0]["to"][0].as_str().unwrap().to_owned();
        // What is published again has the id it had, by which the broker knows it.
        assert_eq!(*seen.entry(label).or_insert(event.id), event.id);
    }
    assert!(seen.contains_key("team:net"), "{seen:?}");
    pipeline.stop().await;
}
