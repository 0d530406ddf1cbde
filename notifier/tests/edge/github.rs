//! GitHub: one status per commit, and never an older one over a newer.

use contracts::{
    Code, Reason,
    chain::{ChainFinished, ChainIgnored, ChainKind, ChainPlanned, ChainRefused, ChainState},
    change::Change,
};

use receivers::{Fault, Github, Status};

use crate::desk::{Desk, change, finished, new_chain, planned, seen, started, until};

fn config(github: &Github, token: &str) -> String {
    format!(
        "[github]\ntoken = \"{token}\"\napi_base = \"{}\"\n[delivery]\ntimeout = \"700ms\"\n",
        github.api_base
    )
}

async fn last(github: &Github, state: &str) -> Vec<Status> {
    until(state, async || {
        seen(github.statuses(), |all| all.last().is_some_and(|status| status.state == state))
    })
    .await
}

const TOKEN: &str = "ghp_the_right_one";

#[tokio::test]
async fn a_commit_is_pending_until_its_chain_ends() {
    let github = Github::start().await;
    let desk = Desk::start(&config(&github, TOKEN)).await;
    let (chain, change) = (new_chain(), change());
    desk.announce(chain.0, &planned(chain, &change, &["a", "b"])).await;
    let pending = last(&github, "pending").await;
    assert_eq!(pending[0].context, "stackly");
    assert_eq!(pending[0].commit, change.commit.0);
    assert_eq!(pending[0].description, "Planned 2 stacks; asking the policies");
    desk.announce(chain.0, &finished(chain, &change, &["a", "b"])).await;
    let statuses = last(&github, "success").await;
    assert!(statuses.last().unwrap().description.starts_with("2 stacks finished"));
}

#[tokio::test]
async fn limits_faults_and_lost_answers_end_in_the_final_status() {
    let github = Github::start().await;
    let desk = Desk::start(&config(&github, TOKEN)).await;
    let (chain, change) = (new_chain(), change());
    github.fail(Fault::Status(502));
    github.fail(Fault::AnswerLost);
    github.fail(Fault::Limited { retry_after: 1 });
    desk.announce(chain.0, &planned(chain, &change, &["a"])).await;
    desk.announce(chain.0, &finished(chain, &change, &["a"])).await;
    let statuses = last(&github, "success").await;
    let states: Vec<&str> = statuses.iter().map(|status| status.state.as_str()).collect();
    let first_final = states.iter().position(|state| *state == "success").unwrap();
    assert!(states[first_final..].iter().all(|state| *state == "success"), "{states:?}");
    assert!(github.calls() >= 4);
}

#[tokio::test]
async fn only_calls_that_were_made_make_the_next_wait_longer() {
    let github = Github::start().await;
    let mut desk = Desk::start(&config(&github, TOKEN)).await;
    let (chain, change) = (new_chain(), change());
    github.fail(Fault::Limited { retry_after: 600 });
    desk.announce(chain.0, &planned(chain, &change, &["a"])).await;
    desk.waits_because().await;
    // As if it had been claimed again and again, and found no room.
    let mut database = desk.database().await;
    let claimed = "update notifier.effects set attempt = 20 where open";
    sqlx::Executor::execute(&mut database, claimed).await.unwrap();
    desk.reconfigure(|_| {}).await;
    github.fail(Fault::Status(502));
    desk.hurry().await;
    let record = until("the second attempt", async || {
        seen(desk.deliveries(chain).await.remove(0), |record| record["attempts"] == 2)
    })
    .await;
    let at = |field: &str| {
        let text = record[field].as_str().unwrap();
        text.parse::<chrono::DateTime<chrono::Utc>>().unwrap()
    };
    let wait = at("next_attempt_at") - at("last_attempt_at");
    assert_eq!(wait.num_seconds(), 2, "{record:?}");
}

#[tokio::test]
async fn a_repository_the_token_may_not_see_is_given_up_with_a_record() {
    let github = Github::start().await;
    let desk = Desk::start(&config(&github, TOKEN)).await;
    let secret = Change { repository: "acme/secret".to_owned(), ..change() };
    let record = desk.recorded(&secret).await;
    assert_eq!(record["standing"], "given_up");
    assert_eq!(record["last_status"], 404);
    assert_eq!(record["error"], "GitHub says Not Found (HTTP 404)");
    assert_eq!(github.calls(), 1);
}

#[tokio::test]
async fn a_wrong_token_is_recorded_without_the_token() {
    let github = Github::start().await;
    let desk = Desk::start(&config(&github, "ghp_hunter2")).await;
    let record = desk.recorded(&change()).await;
    assert_eq!(record["standing"], "waiting", "a person can mend it");
    let error = record["error"].as_str().unwrap();
    assert!(error.starts_with("GitHub says Bad credentials (HTTP 401); "), "{error}");
    assert!(!format!("{record:?}").contains("hunter2"));
}

#[tokio::test]
async fn a_change_that_leads_to_nothing_says_so_unless_a_chain_says_more() {
    let github = Github::start().await;
    let desk = Desk::start(&config(&github, TOKEN)).await;
    let (chain, delivered, idle) = (new_chain(), change(), change());
    let ignored = |change: &Change| ChainIgnored {
        change: change.clone(),
        kind: None,
        reason: Reason::new(Code::NothingTouched, "no stack uses these files"),
    };
    desk.announce(chain.0, &planned(chain, &delivered, &["a"])).await;
    last(&github, "pending").await;
    desk.announce(new_chain().0, &ignored(&delivered)).await;
    desk.announce(new_chain().0, &ignored(&idle)).await;
    let statuses = last(&github, "success").await;
    assert_eq!(statuses.len(), 2, "{statuses:?}");
    assert_eq!(statuses[1].commit, idle.commit.0);
    assert_eq!(statuses[1].description, "Nothing to do: no stack uses these files");
}

#[tokio::test]
async fn a_notice_that_was_held_up_does_not_cover_the_status_of_a_later_chain() {
    let github = Github::start().await;
    let desk = Desk::start(&config(&github, TOKEN)).await;
    let (chain, change) = (new_chain(), change());
    let reason = Reason::new(Code::BranchNotTracked, "no stack tracks this branch");
    github.fail(Fault::Limited { retry_after: 8 });
    desk.announce(new_chain().0, &ChainIgnored { change: change.clone(), kind: None, reason })
        .await;
    until("the notice was held up", async || seen(github.calls(), |calls| *calls == 1)).await;
    desk.announce(chain.0, &planned(chain, &change, &["a"])).await;
    let asked = serde_json::json!({ "repository": change.repository, "commit": change.commit });
    let error = until("the notice is given up", async || {
        let answer = desk.ask(&asked).await?;
        let record = answer["deliveries"][0].clone();
        seen(record, |record| record["standing"] == "given_up")
    })
    .await["error"]
        .clone();
    assert_eq!(error, "a chain of the same commit has the status of that name");
    let statuses = last(&github, "pending").await;
    assert_eq!(statuses.len(), 1, "{statuses:?}");
}

#[tokio::test]
async fn a_chain_that_is_called_off_does_not_cover_the_status_of_the_one_that_took_its_place() {
    let github = Github::start().await;
    let desk = Desk::start(&config(&github, TOKEN)).await;
    let (old, new, change) = (new_chain(), new_chain(), change());
    desk.announce(old.0, &planned(old, &change, &["a", "b"])).await;
    last(&github, "pending").await;
    desk.announce(new.0, &planned(new, &change, &["a"])).await;
    until("the newer chain is told", async || seen(github.calls(), |calls| *calls == 2)).await;
    let called_off = ChainFinished {
        state: ChainState::Canceled,
        reason: Reason::new(Code::Superseded, "a newer chain has all of its stacks"),
        ..finished(old, &change, &["a", "b"])
    };
    desk.announce(old.0, &called_off).await;
    let given_up = async || {
        seen(desk.deliveries(old).await, |all| all.len() == 2 && all[1]["standing"] == "given_up")
    };
    let records = until("the older chain yields", given_up).await;
    assert_eq!(records[1]["error"], "a chain of the same commit has the status of that name");
    desk.announce(new.0, &finished(new, &change, &["a"])).await;
    let statuses = last(&github, "success").await;
    let told: Vec<_> = statuses.iter().map(|status| &*status.state).collect();
    assert_eq!(told, ["pending", "pending", "success"]);
}

#[tokio::test]
async fn a_chain_that_goes_on_is_told_of_although_a_newer_one_came_to_nothing() {
    let github = Github::start().await;
    let desk = Desk::start(&config(&github, TOKEN)).await;
    let (old, new, change) = (new_chain(), new_chain(), change());
    desk.announce(old.0, &planned(old, &change, &["a"])).await;
    last(&github, "pending").await;
    let denied = ChainFinished {
        state: ChainState::Denied,
        reason: Reason::new(Code::PolicyDenied, "not on a Friday"),
        ..finished(new, &change, &[])
    };
    desk.announce(new.0, &planned(new, &change, &["b"])).await;
    desk.announce(new.0, &denied).await;
    last(&github, "failure").await;
    desk.announce(old.0, &finished(old, &change, &["a"])).await;
    last(&github, "success").await;
}

#[tokio::test]
async fn a_chain_that_went_on_over_a_newer_one_is_not_left_running_when_it_is_called_off() {
    let github = Github::start().await;
    let desk = Desk::start(&config(&github, TOKEN)).await;
    let (old, new, change) = (new_chain(), new_chain(), change());
    desk.announce(old.0, &planned(old, &change, &["a"])).await;
    last(&github, "pending").await;
    desk.announce(new.0, &planned(new, &change, &["b"])).await;
    let called_off = |chain, stack| ChainFinished {
        state: ChainState::Canceled,
        reason: Reason::new(Code::ChainCanceled, "cancelled by jane"),
        ..finished(chain, &change, &[stack])
    };
    desk.announce(new.0, &called_off(new, "b")).await;
    let is_noted = async || seen(desk.deliveries(new).await, |all| all.len() == 2);
    until("the newer chain is told of", is_noted).await;
    desk.announce(old.0, &started(old, &change, 1)).await;
    last(&github, "pending").await;
    desk.announce(old.0, &called_off(old, "a")).await;
    last(&github, "failure").await;
}

#[tokio::test]
async fn a_preview_that_is_called_off_yields_to_those_of_its_own_pull_request_alone() {
    let github = Github::start().await;
    let desk = Desk::start(&config(&github, TOKEN)).await;
    let (old, new, head) = (new_chain(), new_chain(), change());
    let of = |number| Change { pull_request: Some(number), ..head.clone() };
    let previewed = |chain, number| ChainPlanned {
        kind: ChainKind::Preview,
        ..planned(chain, &of(number), &["a"])
    };
    desk.announce(old.0, &previewed(old, 1)).await;
    last(&github, "pending").await;
    desk.announce(new.0, &previewed(new, 2)).await;
    until("the other is told", async || seen(github.statuses(), |all| all.len() == 2)).await;
    let closed = ChainFinished {
        state: ChainState::Canceled,
        reason: Reason::new(Code::PullRequestClosed, "its pull request was closed"),
        ..finished(old, &of(1), &["a"])
    };
    desk.announce(old.0, &closed).await;
    last(&github, "failure").await;
}

#[tokio::test]
async fn a_proposal_of_a_commit_that_was_delivered_elsewhere_gets_the_status_it_waits_for() {
    let github = Github::start().await;
    let desk = Desk::start(&config(&github, TOKEN)).await;
    let (chain, delivered) = (new_chain(), Change { branch: "develop".to_owned(), ..change() });
    desk.announce(chain.0, &planned(chain, &delivered, &["a"])).await;
    assert_eq!(last(&github, "pending").await[0].context, "stackly (develop)");
    let proposed = Change { branch: "main".to_owned(), pull_request: Some(7), ..delivered };
    let reason = Reason::new(Code::NothingTouched, "no stack uses these files");
    let ignored = ChainIgnored { change: proposed, kind: Some(ChainKind::Preview), reason };
    desk.announce(new_chain().0, &ignored).await;
    assert_eq!(last(&github, "success").await[1].context, "stackly/plan");
}

#[tokio::test]
async fn a_merge_queue_that_asks_about_what_leads_to_nothing_gets_the_status_it_waits_for() {
    let github = Github::start().await;
    let desk = Desk::start(&config(&github, TOKEN)).await;
    let group = change();
    let reason = Reason::new(Code::NothingTouched, "no stack uses these files");
    let ignored = |kind| ChainIgnored { change: group.clone(), kind, reason: reason.clone() };
    desk.announce(new_chain().0, &ignored(Some(ChainKind::Preview))).await;
    let statuses = last(&github, "success").await;
    assert_eq!((statuses.len(), statuses[0].context.as_str()), (1, "stackly/plan"));

    // In the end the queue pushes the same commit, which is another thing to be told.
    desk.announce(new_chain().0, &ignored(Some(ChainKind::Deploy))).await;
    let both = async || seen(github.statuses(), |all| all.len() == 2);
    let statuses = until("the status of the push", both).await;
    assert_eq!(statuses[1].context, "stackly");

    let (group, text) = (change(), "the dependencies form a circle");
    let (kind, reason) = (Some(ChainKind::Preview), Reason::new(Code::Cycle, text));
    let refused = ChainRefused { change: group, kind, reason };
    desk.announce(new_chain().0, &refused).await;
    assert_eq!(last(&github, "error").await[2].context, "stackly/plan");
}

#[tokio::test]
async fn a_push_to_another_default_branch_leaves_the_status_of_the_chain_alone() {
    let github = Github::start().await;
    let desk = Desk::start(&config(&github, TOKEN)).await;
    let (chain, delivered) = (new_chain(), change());
    desk.announce(chain.0, &planned(chain, &delivered, &["a"])).await;
    assert_eq!(last(&github, "pending").await[0].context, "stackly");
    let ignored = |branch: &str| ChainIgnored {
        change: Change { branch: branch.to_owned(), ..delivered.clone() },
        kind: None,
        reason: Reason::new(Code::BranchNotTracked, "no stack tracks this branch"),
    };
    desk.announce(new_chain().0, &ignored("master")).await;
    desk.announce(new_chain().0, &ignored("release")).await;
    let statuses = last(&github, "success").await;
    let names: Vec<_> = statuses.iter().map(|status| &*status.context).collect();
    assert_eq!(names, ["stackly", "stackly (release)"], "master would stand where main does");
}
