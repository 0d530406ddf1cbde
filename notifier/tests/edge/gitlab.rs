//! GitLab: a status per commit, and one note at a merge request that lists what validation found.

use contracts::{change::Change, validation::ChangeValidated};
use receivers::{CommitStatus, Fault, GITHUB_TOKEN, GITLAB_TOKEN, Github, Gitlab, Note};

use crate::{
    checks::validated,
    desk::{Desk, change, finished, new_chain, planned, seen, started, until},
    forges::answered,
};

fn config(gitlab: &Gitlab, token: &str) -> String {
    format!(
        "[gitlab]\ntoken = \"{token}\"\napi_base = \"{}\"\n[delivery]\ntimeout = \"700ms\"\n",
        gitlab.api_base
    )
}

async fn desk(gitlab: &Gitlab) -> Desk {
    Desk::start(&config(gitlab, GITLAB_TOKEN)).await
}

async fn last(gitlab: &Gitlab, state: &str) -> Vec<CommitStatus> {
    until(state, async || {
        seen(gitlab.statuses(), |all| all.last().is_some_and(|status| status.state == state))
    })
    .await
}

/// The notes, once the last says this.
async fn noted(gitlab: &Gitlab, says: &str) -> Vec<Note> {
    until(says, async || {
        seen(gitlab.notes(), |all| all.last().is_some_and(|note| note.body.contains(says)))
    })
    .await
}

#[tokio::test]
async fn a_commit_is_pending_runs_and_ends_and_what_stands_already_is_no_trouble() {
    let gitlab = Gitlab::start().await;
    let desk = desk(&gitlab).await;
    let (chain, change) = (new_chain(), change());
    // Set, and the answer lost: GitLab refuses it the second time.
    gitlab.fail(Fault::AnswerLost);
    desk.announce(chain.0, &planned(chain, &change, &["a", "b"])).await;
    let pending = last(&gitlab, "pending").await;
    assert_eq!((&*pending[0].name, &pending[0].commit), ("stackly", &change.commit.0));
    assert_eq!(pending[0].description, "Planned 2 stacks; asking the policies");
    desk.announce(chain.0, &started(chain, &change, 2)).await;
    last(&gitlab, "running").await;
    gitlab.fail(Fault::Status(502));
    gitlab.fail(Fault::Limited { retry_after: 1 });
    desk.announce(chain.0, &finished(chain, &change, &["a", "b"])).await;
    let all = last(&gitlab, "success").await;
    assert!(all.last().unwrap().description.starts_with("2 stacks finished"));
    assert_eq!(all.len(), 3, "{all:?}");
    let records = until("all are recorded", async || {
        let records = desk.deliveries(chain).await;
        seen(records, |all| all.iter().filter(|it| it["standing"] == "delivered").count() == 3)
    })
    .await;
    assert!(records.iter().all(|it| it["channel"] == "gitlab"), "{records:?}");
}

#[tokio::test]
async fn findings_are_one_note_that_follows_the_merge_request() {
    let gitlab = Gitlab::start().await;
    let desk = desk(&gitlab).await;
    // A stranger who writes our mark does not keep us from ours.
    gitlab.say(7, "<!-- stackly:validation 9999999999999999 -->");
    let first = validated(120);
    gitlab.fail(Fault::Status(503));
    desk.announce(new_chain().0, &first).await;
    let notes = noted(&gitlab, "Reject: 120 failures found").await;
    let row = "| **failure** | `net/main.tf:1` | `security.open`: line 1 is open to everybody |";
    assert!(notes[1].body.contains(row), "{}", notes[1].body);
    assert!(notes[1].body.contains("20 more findings not listed here"), "{}", notes[1].body);
    let statuses = last(&gitlab, "failed").await;
    assert_eq!(statuses[0].name, "stackly/validation");
    assert_eq!(statuses[0].description, "Rejected: the first: net/main.tf:1");

    let head = |number| Change { pull_request: Some(number), ..change() };
    let next = ChangeValidated { change: head(7), ..validated(0) };
    desk.announce(new_chain().0, &next).await;
    let notes = noted(&gitlab, "Deploy: nothing found").await;
    assert_eq!(notes.len(), 2, "the note is the same one");

    let sound = ChangeValidated { change: head(8), ..validated(0) };
    desk.announce(new_chain().0, &sound).await;
    until("its status", async || {
        seen(gitlab.statuses(), |all| all.last().unwrap().commit == sound.change.commit.0)
    })
    .await;
    assert_eq!(gitlab.notes().len(), 2, "nothing found is nothing to say");
}

#[tokio::test]
async fn at_a_fork_there_is_no_status_and_the_note_all_the_same() {
    let gitlab = Gitlab::start().await;
    let desk = desk(&gitlab).await;
    let found = validated(1);
    gitlab.fork(&found.change.commit.0);
    desk.announce(new_chain().0, &found).await;
    noted(&gitlab, "Reject: 1 failure found").await;
    assert_eq!(gitlab.statuses(), []);
}

#[tokio::test]
async fn an_answer_is_written_once_although_it_is_lost_on_the_way() {
    let gitlab = Gitlab::start().await;
    let desk = desk(&gitlab).await;
    gitlab.fail(Fault::AnswerLost);
    desk.announce(new_chain().0, &answered("acme/infra")).await;
    noted(&gitlab, "it is merged by whoever merges").await;
    until("it looked", async || seen(gitlab.calls(), |calls| *calls >= 2)).await;
    assert_eq!(gitlab.notes().len(), 1);
}

#[tokio::test]
async fn a_wrong_token_is_recorded_without_the_token() {
    let gitlab = Gitlab::start().await;
    let desk = Desk::start(&config(&gitlab, "glpat-hunter2")).await;
    let record = desk.recorded(&change()).await;
    assert_eq!(record["standing"], "waiting", "a person can mend it");
    let error = record["error"].as_str().unwrap();
    assert!(error.starts_with("GitLab says 401 Unauthorized (HTTP 401); "), "{error}");
    assert!(!format!("{record:?}").contains("hunter2"));
}

#[tokio::test]
async fn each_repository_is_told_of_at_its_own_host() {
    let (github, gitlab) = (Github::start().await, Gitlab::start().await);
    let both = format!(
        "[github]\ntoken = \"{GITHUB_TOKEN}\"\napi_base = \"{}\"\n\
         [gitlab]\ntoken = \"{GITLAB_TOKEN}\"\napi_base = \"{}\"\nrepositories = [\"platform/*\"]\n",
        github.api_base, gitlab.api_base
    );
    let desk = Desk::start(&both).await;
    let (here, there) = (new_chain(), new_chain());
    let elsewhere = Change { repository: "platform/net/infra".to_owned(), ..change() };
    desk.announce(there.0, &planned(there, &elsewhere, &["a"])).await;
    // The double knows no such project; what counts is who was asked.
    let records =
        until("it is recorded", async || seen(desk.deliveries(there).await, |all| all.len() == 1))
            .await;
    assert_eq!(records[0]["error"], "GitLab says 404 Not found (HTTP 404)");
    assert_eq!(records[0]["standing"], "given_up");
    desk.announce(here.0, &planned(here, &change(), &["a"])).await;
    until("GitHub is told", async || seen(github.statuses(), |all| all.len() == 1)).await;
    assert_eq!((gitlab.calls(), github.calls()), (1, 1));
}
