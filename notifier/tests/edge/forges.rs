//! Bitbucket, in the cloud and in the data center, and Azure DevOps: statuses, what validation found,
//! and answers.

use contracts::{
    Code, CommitSha, Reason,
    change::{Change, ChangeAnswered, Command},
    validation::ChangeValidated,
};
use receivers::{
    BuildStatus, Fault, Host, Report, Said, azure_devops, bitbucket, bitbucket_server,
};

use crate::{
    checks::validated,
    desk::{Desk, change, finished, new_chain, planned, seen, started, until},
};

const CLOUD: (&str, &str) = ("bitbucket", bitbucket::TOKEN);
const SERVER: (&str, &str) = ("bitbucket_server", bitbucket_server::TOKEN);
const AZURE: (&str, &str) = ("azure_devops", azure_devops::TOKEN);

async fn desk(host: &Host, (channel, token): (&str, &str)) -> Desk {
    let base = &host.api_base;
    let told = format!("[{channel}]\ntoken = \"{token}\"\napi_base = \"{base}\"\n");
    Desk::start(&format!("{told}[delivery]\ntimeout = \"700ms\"\n")).await
}

/// A change that the host knows the commit of.
fn pushed(host: &Host, change: Change) -> Change {
    host.push(change.commit.as_str());
    change
}

/// At Azure, projects may be called anything.
fn at_azure(change: Change) -> Change {
    Change { repository: "Net & Co/infra".to_owned(), ..change }
}

async fn last(host: &Host, state: &str) -> BuildStatus {
    let all = until(state, async || {
        seen(host.statuses(), |all| all.last().is_some_and(|status| status.state == state))
    });
    all.await.pop().unwrap()
}

/// The one report about a commit, once it is as it should be.
async fn report(host: &Host, commit: &CommitSha, result: &str, annotations: usize) -> Report {
    let right = |all: &Vec<Report>| matches!(&all[..], [it] if it.result == result && it.annotations.len() == annotations);
    until(result, async || seen(host.reports(commit.as_str()), right)).await.pop().unwrap()
}

async fn said(host: &Host, text: &str) -> Vec<Said> {
    until(text, async || {
        seen(host.said(), |all| all.last().is_some_and(|said| said.text.contains(text)))
    })
    .await
}

pub(crate) fn answered(repository: &str) -> ChangeAnswered {
    ChangeAnswered {
        repository: repository.to_owned(),
        pull_request: 7,
        command: Command::Apply,
        by: "grace".to_owned(),
        event: "e1".to_owned(),
        chain: None,
        reason: Reason::new(Code::CommandRefused, "it is merged by whoever merges"),
    }
}

/// A chain is told from its plan to its end, whatever goes wrong meanwhile.
async fn tells_of_a_chain(
    host: &Host,
    desk: &Desk,
    channel: &str,
    change: Change,
    states: [&str; 2],
) {
    let (chain, change) = (new_chain(), pushed(host, change));
    let [pending, success] = states;
    host.fail(Fault::AnswerLost);
    desk.announce(chain.0, &planned(chain, &change, &["a", "b"])).await;
    let status = last(host, pending).await;
    assert_eq!((&*status.name, &status.commit), ("stackly", &change.commit.0));
    assert_eq!(status.description, "Planned 2 stacks; asking the policies");
    desk.announce(chain.0, &started(chain, &change, 2)).await;
    host.fail(Fault::Status(502));
    host.fail(Fault::Limited { retry_after: 1 });
    desk.announce(chain.0, &finished(chain, &change, &["a", "b"])).await;
    let status = last(host, success).await;
    assert!(status.description.starts_with("2 stacks finished"), "{status:?}");
    let records = until("the last is recorded", async || {
        let records = desk.deliveries(chain).await;
        seen(records, |all| all.iter().all(|it| it["standing"] == "delivered"))
    })
    .await;
    assert!(records.iter().all(|it| it["channel"] == channel), "{records:?}");
}

#[tokio::test]
async fn bitbucket_is_told_of_a_chain_by_build_statuses_that_all_lead_somewhere() {
    let host = bitbucket::start().await;
    let desk = desk(&host, CLOUD).await;
    tells_of_a_chain(&host, &desk, "bitbucket", change(), ["INPROGRESS", "SUCCESSFUL"]).await;
    let page = "https://bitbucket.org/acme/infra/commits/";
    assert!(host.statuses().iter().all(|status| status.url.starts_with(page)));
}

#[tokio::test]
async fn bitbucket_data_center_is_told_of_a_chain_by_build_statuses_that_all_lead_somewhere() {
    let host = bitbucket_server::start().await;
    let desk = desk(&host, SERVER).await;
    tells_of_a_chain(&host, &desk, "bitbucket_server", change(), ["INPROGRESS", "SUCCESSFUL"])
        .await;
    let page = format!("{}/projects/acme/repos/infra/commits/", host.api_base);
    assert!(host.statuses().iter().all(|status| status.url.starts_with(&page)));
}

#[tokio::test]
async fn azure_devops_is_told_of_a_chain_by_statuses_of_its_commit() {
    let host = azure_devops::start().await;
    let desk = desk(&host, AZURE).await;
    tells_of_a_chain(&host, &desk, "azure_devops", at_azure(change()), ["pending", "succeeded"])
        .await;
    assert!(host.statuses().iter().all(|status| status.iteration.is_none()));
}

/// Findings are a report with annotations that is replaced when the commit is looked at again.
async fn reports(host: &Host, desk: &Desk, results: [&str; 2]) -> Report {
    let [failed, passed] = results;
    let first = validated(120);
    pushed(host, first.change.clone());
    host.fail(Fault::Status(503));
    desk.announce(new_chain().0, &first).await;
    let found = report(host, &first.change.commit, failed, 120).await;
    assert_eq!(found.title, "stackly/validation");
    assert!(found.details.starts_with("Reject: 120 failures found. the first"), "{found:?}");
    let status = last(host, "FAILED").await;
    assert_eq!(status.name, "stackly/validation");
    assert_eq!(status.description, "Rejected: the first: net/main.tf:1");

    // An answer that is lost in the middle leaves nothing out and nothing twice.
    let again = ChangeValidated { change: first.change.clone(), ..validated(3) };
    host.fail(Fault::AnswerLost);
    desk.announce(new_chain().0, &again).await;
    report(host, &first.change.commit, failed, 3).await;
    let mended = ChangeValidated { change: first.change.clone(), ..validated(0) };
    desk.announce(new_chain().0, &mended).await;
    report(host, &first.change.commit, passed, 0).await;
    found
}

#[tokio::test]
async fn what_is_found_is_a_report_at_bitbucket_also_where_it_cuts_commits() {
    let host = bitbucket::start().await;
    let desk = desk(&host, CLOUD).await;
    let found = reports(&host, &desk, ["FAILED", "PASSED"]).await.annotations.remove(0);
    assert_eq!((&found["path"], &found["line"]), (&"net/main.tf".into(), &1.into()));
    assert_eq!(found["summary"], "security.open: line 1 is open to everybody");
    assert_eq!(
        (&found["severity"], &found["annotation_type"]),
        (&"HIGH".into(), &"VULNERABILITY".into())
    );

    let whole = validated(1);
    pushed(&host, whole.change.clone());
    let cut = CommitSha(whole.change.commit.0[..12].to_owned());
    let cut = ChangeValidated { change: Change { commit: cut, ..whole.change.clone() }, ..whole };
    desk.announce(new_chain().0, &cut).await;
    until("the whole commit", async || {
        seen(host.statuses(), |all| {
            all.last().is_some_and(|it| it.commit.starts_with(cut.change.commit.as_str()))
        })
    })
    .await;
}

#[tokio::test]
async fn what_is_found_is_a_report_at_bitbucket_data_center() {
    let host = bitbucket_server::start().await;
    let desk = desk(&host, SERVER).await;
    let found = reports(&host, &desk, ["FAIL", "PASS"]).await.annotations.remove(0);
    assert_eq!((&found["path"], &found["line"]), (&"net/main.tf".into(), &1.into()));
    assert_eq!(found["message"], "security.open: line 1 is open to everybody");
    assert_eq!((&found["severity"], &found["type"]), (&"HIGH".into(), &"VULNERABILITY".into()));
}

#[tokio::test]
async fn what_is_found_is_one_thread_at_azure_devops_that_follows_the_pull_request() {
    let host = azure_devops::start().await;
    let desk = desk(&host, AZURE).await;
    // A stranger who writes our mark does not keep us from ours.
    host.say(7, "<!-- stackly:validation 9999999999999999 -->");
    let at_azure = |event: ChangeValidated| {
        let change = pushed(&host, at_azure(event.change));
        ChangeValidated { change, ..event }
    };
    let first = at_azure(validated(2));
    host.fail(Fault::Status(503));
    desk.announce(new_chain().0, &first).await;
    let all = said(&host, "Reject: 2 failures found").await;
    let row = "| **failure** | `net/main.tf:1` | `security.open`: line 1 is open to everybody |";
    assert!(all[1].text.contains(row) && all[1].standing == "active", "{all:?}");
    let status = last(&host, "failed").await;
    assert_eq!((&*status.name, status.iteration), ("stackly/validation", Some(1)));

    let next = at_azure(validated(0));
    desk.announce(new_chain().0, &next).await;
    until("it is resolved", async || seen(host.said(), |all| all[1].standing == "fixed")).await;
    let all = said(&host, "Deploy: nothing found").await;
    assert_eq!(all.len(), 2, "it is the same thread");
    let status = last(&host, "succeeded").await;
    assert_eq!((&status.commit, status.iteration), (&next.change.commit.0, Some(2)));
}

/// An answer is written once although it is lost on the way.
async fn answers_once(host: &Host, desk: &Desk, repository: &str) -> String {
    host.fail(Fault::AnswerLost);
    desk.announce(new_chain().0, &answered(repository)).await;
    said(host, "it is merged by whoever merges").await;
    until("it looked", async || seen(host.calls(), |calls| *calls >= 2)).await;
    let mut all = host.said();
    assert_eq!(all.len(), 1, "{all:?}");
    all.remove(0).text
}

#[tokio::test]
async fn an_answer_is_written_once_although_it_is_lost_on_the_way() {
    let host = bitbucket::start().await;
    let text = answers_once(&host, &desk(&host, CLOUD).await, "acme/infra").await;
    // Bitbucket shows HTML as it is written.
    assert!(text.contains("\n\n[//]: # (stackly:") && !text.contains("<!--"), "{text}");
    let host = bitbucket_server::start().await;
    answers_once(&host, &desk(&host, SERVER).await, "acme/infra").await;
    let host = azure_devops::start().await;
    answers_once(&host, &desk(&host, AZURE).await, "Net & Co/infra").await;
    assert_eq!(host.said()[0].standing, "closed", "nobody has to resolve it");
}

#[tokio::test]
async fn a_wrong_token_is_recorded_without_the_token() {
    for (host, channel, says) in [
        (bitbucket::start().await, CLOUD.0, "Bitbucket says the token is not valid (HTTP 401); "),
        (
            bitbucket_server::start().await,
            SERVER.0,
            "Bitbucket Data Center says the token is not valid (HTTP 401); ",
        ),
        (azure_devops::start().await, AZURE.0, "Azure DevOps says no reason (HTTP 203); "),
    ] {
        let desk = desk(&host, (channel, "hunter2")).await;
        let record = desk.recorded(&change()).await;
        assert_eq!(record["standing"], "waiting", "a person can mend it");
        let error = record["error"].as_str().unwrap();
        assert!(error.starts_with(says), "{error}");
        assert!(!format!("{record:?}").contains("hunter2"));
    }
}
