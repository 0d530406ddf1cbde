//! The one comment at a pull request that follows its previews, at every host.

use std::collections::BTreeSet;

use contracts::{
    ChainId, Code, Reason,
    chain::{ChainFinished, ChainIgnored, ChainKind, ChainPlanned, ChainRefused},
    change::Change,
    run::Delta,
    step::{StepFinished, StepState},
};
use receivers::{
    Comment, Fault, GITHUB_TOKEN, GITLAB_TOKEN, Github, Gitlab, azure_devops, bitbucket,
    bitbucket_server,
};
use sqlx::Executor;

use crate::desk::{Desk, change, finished, new_chain, planned, seen, summary, until};

const SOON: &str = "[pull_requests]\nupdate_pause = \"50ms\"\n[delivery]\ntimeout = \"700ms\"\n";

async fn desk(channel: &str, token: &str, base: &str) -> Desk {
    let told = format!("[{channel}]\ntoken = \"{token}\"\napi_base = \"{base}\"\n");
    Desk::start(&format!("{told}{SOON}")).await
}

async fn at_github(github: &Github) -> Desk {
    desk("github", GITHUB_TOKEN, &github.api_base).await
}

fn head() -> Change {
    Change { pull_request: Some(7), ..change() }
}

fn preview(chain: ChainId, head: &Change, stacks: &[&str]) -> ChainPlanned {
    ChainPlanned { kind: ChainKind::Preview, ..planned(chain, head, stacks) }
}

fn step(chain: ChainId, stack: &str, deleted: i64) -> StepFinished {
    let mut step = summary(stack, StepState::Finished);
    step.delta = Some(Delta { added: 3, changed: 0, deleted });
    StepFinished { chain, step }
}

/// The end of a preview whose steps had been told of.
fn ended(chain: ChainId, head: &Change) -> ChainFinished {
    finished(chain, head, &[])
}

/// The comments, once the last says this.
async fn commented(github: &Github, says: &str) -> Vec<Comment> {
    until(says, async || {
        seen(github.comments(), |all| all.last().is_some_and(|it| it.body.contains(says)))
    })
    .await
}

#[tokio::test]
async fn one_comment_follows_the_plans_of_a_pull_request_from_head_to_head() {
    let github = Github::start().await;
    let desk = at_github(&github).await;
    let (first, chain) = (head(), new_chain());
    desk.announce(chain.0, &preview(chain, &first, &["net", "app"])).await;
    let all = commented(&github, "2 stacks, not begun").await;
    assert_eq!((all.len(), all[0].number), (1, 7));
    desk.announce(chain.0, &step(chain, "net", 2)).await;
    let all = commented(&github, "1 of 2 stacks planned").await;
    let row = "| ✅ | [net](https://acme.app.spacelift.io/stack/net/run/01RUN) | +3 ~0 **-2** | planned |";
    assert!(all[0].body.contains(row), "{}", all[0].body);
    let sum =
        "In all: 3 to add, 0 to change, **2 to delete**, in 1 stack. Without a plan: 1 stack.";
    assert!(all[0].body.contains(sum), "{}", all[0].body);
    desk.announce(chain.0, &step(chain, "app", 0)).await;
    desk.announce(chain.0, &ended(chain, &first)).await;
    commented(&github, "2 stacks planned").await;

    let (second, next) = (head(), new_chain());
    desk.announce(next.0, &preview(next, &second, &["net"])).await;
    let all = commented(&github, second.commit.short()).await;
    // What an earlier head is told of still is not shown any more.
    desk.announce(chain.0, &step(chain, "late", 9)).await;
    desk.announce(next.0, &step(next, "net", 0)).await;
    desk.announce(next.0, &ended(next, &second)).await;
    let last = commented(&github, "1 stack planned").await;
    assert_eq!((last.len(), last[0].id), (1, all[0].id), "it is the same comment");
    assert!(!last[0].body.contains("late"), "{}", last[0].body);
    let records = desk.deliveries(next).await;
    let kinds: BTreeSet<_> = records.iter().filter_map(|it| it["kind"].as_str()).collect();
    assert_eq!(kinds, BTreeSet::from(["github.overview", "github.status"]), "{records:?}");
}

#[tokio::test]
async fn what_changes_during_a_pause_is_one_change_and_what_does_not_is_none() {
    let github = Github::start().await;
    let options = format!(
        "[github]\ntoken = \"{GITHUB_TOKEN}\"\napi_base = \"{}\"\n\
         [pull_requests]\nupdate_pause = \"2s\"\n",
        github.api_base
    );
    let desk = Desk::start(&options).await;
    let (head, chain) = (head(), new_chain());
    let stacks: Vec<String> = (0..20).map(|number| format!("s{number}")).collect();
    let names: Vec<&str> = stacks.iter().map(String::as_str).collect();
    desk.announce(chain.0, &preview(chain, &head, &names)).await;
    commented(&github, "not begun").await;
    for name in &names {
        desk.announce(chain.0, &step(chain, name, 0)).await;
        desk.announce(chain.0, &step(chain, name, 0)).await;
    }
    let all = commented(&github, "20 of 20 stacks planned").await;
    assert!(all[0].edits <= 2, "{} changes for twenty steps", all[0].edits);
}

#[tokio::test]
async fn a_comment_is_written_once_although_its_answer_is_lost_and_anew_once_it_is_deleted() {
    let github = Github::start().await;
    let desk = at_github(&github).await;
    let (head, chain) = (head(), new_chain());
    github.fail(Fault::AnswerLost);
    github.fail(Fault::AnswerLost);
    desk.announce(chain.0, &preview(chain, &head, &["net"])).await;
    commented(&github, "not begun").await;
    desk.announce(chain.0, &step(chain, "net", 0)).await;
    let all = commented(&github, "1 of 1 stack planned").await;
    assert_eq!(all.len(), 1, "{all:?}");
    github.delete_comments();
    desk.announce(chain.0, &ended(chain, &head)).await;
    let anew = commented(&github, "1 stack planned").await;
    assert_eq!(anew.len(), 1);
    assert_ne!(anew[0].id, all[0].id);
}

#[tokio::test]
async fn a_head_that_leads_to_nothing_is_told_of_only_where_there_is_a_comment_already() {
    let github = Github::start().await;
    let desk = at_github(&github).await;
    let text = "no stack uses these files";
    let ignored = |head: &Change| ChainIgnored {
        change: head.clone(),
        kind: Some(ChainKind::Preview),
        reason: Reason::new(Code::NothingTouched, text),
    };
    let idle = head();
    desk.announce(new_chain().0, &ignored(&idle)).await;
    until("its status", async || seen(github.statuses(), |all| all.len() == 1)).await;

    let refused = ChainRefused {
        change: head(),
        kind: Some(ChainKind::Preview),
        reason: Reason::new(Code::Cycle, "a depends on b, b depends on a"),
    };
    desk.announce(new_chain().0, &refused).await;
    let all = commented(&github, "a depends on b, b depends on a").await;
    assert_eq!(all.len(), 1, "nothing was said of what leads to nothing: {all:?}");
    let mended = head();
    desk.announce(new_chain().0, &ignored(&mended)).await;
    let all = commented(&github, "### Nothing to plan at").await;
    assert!(all.len() == 1 && all[0].body.contains(text), "{all:?}");
}

#[tokio::test]
async fn who_wants_no_comment_gets_statuses_alone() {
    let github = Github::start().await;
    let options = format!(
        "[github]\ntoken = \"{GITHUB_TOKEN}\"\napi_base = \"{}\"\n\
         [pull_requests]\noverview = false\n",
        github.api_base
    );
    let desk = Desk::start(&options).await;
    let (head, chain) = (head(), new_chain());
    desk.announce(chain.0, &preview(chain, &head, &["net"])).await;
    desk.announce(chain.0, &ended(chain, &head)).await;
    until("its status", async || {
        seen(github.statuses(), |all| all.last().is_some_and(|it| it.state == "success"))
    })
    .await;
    assert_eq!(github.comments(), []);
}

#[tokio::test]
async fn a_preview_that_a_former_build_kept_gets_its_comment_when_something_happens_to_it() {
    let github = Github::start().await;
    let mut desk = at_github(&github).await;
    // That build wrote neither comments nor what they are found by.
    desk.reconfigure(|config| config.pull_requests.overview = false).await;
    let (head, chain) = (head(), new_chain());
    desk.announce(chain.0, &preview(chain, &head, &["net"])).await;
    until("its status", async || seen(github.statuses(), |all| all.len() == 1)).await;
    let former =
        "update notifier.stories set pull_request = null, began_at = null, overview = null";
    desk.database().await.execute(former).await.unwrap();
    desk.reconfigure(|config| config.pull_requests.overview = true).await;
    assert_eq!(github.comments(), []);
    desk.announce(chain.0, &step(chain, "net", 0)).await;
    assert_eq!(commented(&github, "1 of 1 stack planned").await.len(), 1);
}

/// A preview from its plan to its end, with an answer lost and a fault on the way.
async fn follows(desk: &Desk, head: Change, texts: impl Fn() -> Vec<String>, fail: impl Fn(Fault)) {
    let chain = new_chain();
    fail(Fault::AnswerLost);
    fail(Fault::AnswerLost);
    desk.announce(chain.0, &preview(chain, &head, &["net", "app"])).await;
    let says = async |text: &str| {
        let told = |all: &Vec<String>| all.last().is_some_and(|it| it.contains(text));
        until(text, async || seen(texts(), told)).await
    };
    says("2 stacks, not begun").await;
    desk.announce(chain.0, &step(chain, "net", 2)).await;
    says("1 of 2 stacks planned").await;
    fail(Fault::Status(502));
    desk.announce(chain.0, &step(chain, "app", 0)).await;
    desk.announce(chain.0, &ended(chain, &head)).await;
    let all = says("2 stacks planned").await;
    assert_eq!(all.len(), 1, "{all:?}");
}

#[tokio::test]
async fn one_note_follows_a_merge_request_at_gitlab() {
    let gitlab = Gitlab::start().await;
    let desk = desk("gitlab", GITLAB_TOKEN, &gitlab.api_base).await;
    let texts = || gitlab.notes().into_iter().map(|note| note.body).collect();
    follows(&desk, head(), texts, |fault| gitlab.fail(fault)).await;
}

#[tokio::test]
async fn one_comment_follows_a_pull_request_at_bitbucket_in_the_cloud_and_in_the_data_center() {
    let hosts = [
        (bitbucket::start().await, "bitbucket", bitbucket::TOKEN),
        (bitbucket_server::start().await, "bitbucket_server", bitbucket_server::TOKEN),
    ];
    for (host, channel, token) in hosts {
        let (desk, head) = (desk(channel, token, &host.api_base).await, head());
        host.push(head.commit.as_str());
        let texts = || host.said().into_iter().map(|said| said.text).collect();
        follows(&desk, head, texts, |fault| host.fail(fault)).await;
        let text = host.said().remove(0).text;
        assert!(text.contains("\n\n[//]: # (stackly:") && !text.contains("<!--"), "{text}");
    }
}

#[tokio::test]
async fn one_thread_that_nobody_has_to_resolve_follows_a_pull_request_at_azure_devops() {
    let host = azure_devops::start().await;
    let desk = desk("azure_devops", azure_devops::TOKEN, &host.api_base).await;
    let head = Change { repository: "Net & Co/infra".to_owned(), ..head() };
    host.push(head.commit.as_str());
    let texts = || host.said().into_iter().map(|said| said.text).collect();
    follows(&desk, head, texts, |fault| host.fail(fault)).await;
    assert_eq!(host.said()[0].standing, "closed");
}
