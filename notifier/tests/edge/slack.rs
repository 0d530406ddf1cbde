//! Slack: one message, updated in place, through everything Slack may do.

use std::time::Duration;

use contracts::{Code, Reason, catalogue::AccountAlerted, chain::ChainRefused};

use receivers::{Fault, Github, Message, Slack};

use crate::desk::{
    Desk, change, finished, new_chain, overridden, planned, seen, started, step_finished, until,
};

const POST: &str = "chat.postMessage";
const UPDATE: &str = "chat.update";

fn config(slack: &Slack, channel: &str) -> String {
    format!(
        "[slack]\ntoken = \"xoxb-the-right-one\"\nchannel = \"{channel}\"\n\
         api_base = \"{}\"\nupdate_pause = \"50ms\"\n[delivery]\ntimeout = \"700ms\"\n",
        slack.api_base
    )
}

async fn message(slack: &Slack, text: &str) -> Message {
    until(text, async || {
        seen(slack.messages(), |all| all.iter().any(|message| message.text.contains(text)))
    })
    .await
    .into_iter()
    .find(|message| message.text.contains(text))
    .unwrap()
}

#[tokio::test]
async fn a_chain_is_one_message_that_ends_as_the_chain_ends() {
    let slack = Slack::start().await;
    let desk = Desk::start(&config(&slack, "deploys")).await;
    let (chain, change) = (new_chain(), change());
    let stacks: Vec<String> = (0..20).map(|number| format!("stack-{number}")).collect();
    let stacks: Vec<&str> = stacks.iter().map(String::as_str).collect();
    desk.announce(chain.0, &planned(chain, &change, &stacks)).await;
    message(&slack, "waiting to begin").await;
    desk.announce(chain.0, &started(chain, &change, 20)).await;
    let burst: Vec<_> = stacks.iter().map(|stack| step_finished(chain, stack)).collect();
    desk.announce_all(chain.0, &burst).await;
    desk.announce(chain.0, &finished(chain, &change, &stacks)).await;
    let last = message(&slack, "finished").await;
    assert_eq!(slack.messages().len(), 1);
    assert_eq!(last.channel, "C0DEPLOYS");
    assert!(last.edits >= 1);
    assert!(slack.calls(UPDATE).len() < 20, "a burst makes few calls");
    for stack in stacks {
        assert!(last.blocks.to_string().contains(&format!(":white_check_mark: *{stack}*")));
    }
    until("every delivery is recorded", async || {
        seen(desk.deliveries(chain).await, |all| {
            all.len() == slack.calls(POST).len() + slack.calls(UPDATE).len()
                && all.iter().all(|delivery| delivery["standing"] == "delivered")
        })
    })
    .await;
}

#[tokio::test]
async fn a_limit_is_waited_out_for_as_long_as_slack_says() {
    let slack = Slack::start().await;
    let desk = Desk::start(&config(&slack, "deploys")).await;
    let (chain, change) = (new_chain(), change());
    slack.fail(POST, Fault::Limited { retry_after: 2 });
    desk.announce(chain.0, &planned(chain, &change, &["a"])).await;
    desk.announce(chain.0, &finished(chain, &change, &["a"])).await;
    message(&slack, "finished").await;
    let calls = slack.calls(POST);
    assert_eq!(calls.len(), 2);
    assert!(calls[1] - calls[0] >= Duration::from_secs(2), "{:?}", calls[1] - calls[0]);
    assert_eq!(slack.messages().len(), 1);
}

#[tokio::test]
async fn only_what_may_have_been_said_is_of_unknown_outcome() {
    let faults = [
        (Fault::Limited { retry_after: 60 }, "channel_unavailable"),
        (Fault::Error("not_in_channel"), "access_refused"),
        (Fault::Status(503), "outcome_unknown"),
    ];
    for (fault, code) in faults {
        let slack = Slack::start().await;
        let desk = Desk::start(&config(&slack, "deploys")).await;
        slack.fail(POST, fault);
        // It looks for what may be there, and is not let.
        slack.fail("conversations.history", Fault::Limited { retry_after: 60 });
        let (chain, change) = (new_chain(), change());
        desk.announce(chain.0, &planned(chain, &change, &["a"])).await;
        assert_eq!(desk.waits_because().await, code);
    }
}

#[tokio::test]
async fn a_post_whose_answer_was_lost_is_found_again_and_not_repeated() {
    let slack = Slack::start().await;
    let desk = Desk::start(&config(&slack, "C0DEPLOYS")).await;
    let (chain, change) = (new_chain(), change());
    slack.fail(POST, Fault::AnswerLost);
    desk.announce(chain.0, &planned(chain, &change, &["a"])).await;
    desk.announce(chain.0, &finished(chain, &change, &["a"])).await;
    message(&slack, "finished").await;
    assert_eq!(slack.calls(POST).len(), 1);
    assert!(!slack.calls("conversations.history").is_empty());
    assert_eq!(slack.messages().len(), 1);
}

#[tokio::test]
async fn a_post_that_failed_without_effect_is_repeated_after_a_look() {
    let slack = Slack::start().await;
    let desk = Desk::start(&config(&slack, "C0DEPLOYS")).await;
    let (chain, change) = (new_chain(), change());
    slack.fail(POST, Fault::Status(503));
    desk.announce(chain.0, &planned(chain, &change, &["a"])).await;
    message(&slack, "waiting to begin").await;
    assert_eq!(slack.calls(POST).len(), 2);
    assert_eq!(slack.messages().len(), 1);
}

#[tokio::test]
async fn where_slack_lets_nobody_look_people_are_told_twice_rather_than_never() {
    let slack = Slack::start().await;
    slack.forbid_history();
    let desk = Desk::start(&config(&slack, "C0DEPLOYS")).await;
    let (chain, change) = (new_chain(), change());
    slack.fail(POST, Fault::AnswerLost);
    desk.announce(chain.0, &planned(chain, &change, &["a"])).await;
    until("it was posted again", async || seen(slack.messages().len(), |count| *count == 2)).await;
    desk.announce(chain.0, &finished(chain, &change, &["a"])).await;
    message(&slack, "finished").await;
    assert_eq!(slack.messages().len(), 2);
}

#[tokio::test]
async fn an_update_whose_answer_was_lost_is_simply_repeated() {
    let slack = Slack::start().await;
    let desk = Desk::start(&config(&slack, "deploys")).await;
    let (chain, change) = (new_chain(), change());
    desk.announce(chain.0, &planned(chain, &change, &["a"])).await;
    message(&slack, "waiting to begin").await;
    slack.fail(UPDATE, Fault::AnswerLost);
    slack.fail(UPDATE, Fault::Error("internal_error"));
    desk.announce(chain.0, &finished(chain, &change, &["a"])).await;
    until("it was updated", async || seen(slack.calls(UPDATE).len(), |calls| *calls >= 3)).await;
    message(&slack, "finished").await;
    assert_eq!(slack.messages().len(), 1);
}

#[tokio::test]
async fn a_channel_that_is_not_there_is_waited_for_with_a_record() {
    let slack = Slack::start().await;
    let desk = Desk::start(&config(&slack, "nowhere")).await;
    let record = desk.recorded(&change()).await;
    assert_eq!(record["standing"], "waiting");
    assert_eq!(record["target"], "nowhere");
    let error = record["error"].as_str().unwrap();
    assert!(error.starts_with("Slack says channel_not_found (HTTP 200); "), "{error}");
    assert_eq!(slack.calls(POST).len(), 1, "not before a minute has passed");
}

#[tokio::test]
async fn what_a_refused_token_kept_back_is_said_once_it_is_mended() {
    let slack = Slack::start().await;
    let desk = Desk::start(&config(&slack, "deploys")).await;
    let (chain, change) = (new_chain(), change());
    for error in ["token_revoked", "not_in_channel"] {
        slack.fail(POST, Fault::Error(error));
    }
    desk.announce(chain.0, &planned(chain, &change, &["a"])).await;
    for tries in [1, 2] {
        until("it was refused", async || {
            seen(desk.deliveries(chain).await, |all| {
                all.first().is_some_and(|record| record["attempts"] == tries)
            })
        })
        .await;
        assert!(slack.messages().is_empty());
        desk.announce(chain.0, &finished(chain, &change, &["a"])).await;
        // The record is written before the call is put off.
        until("it is said", async || {
            desk.hurry().await;
            seen(slack.calls(POST).len(), |calls| *calls > tries)
        })
        .await;
    }
    message(&slack, "finished").await;
    assert_eq!(slack.messages().len(), 1);
}

#[tokio::test]
async fn a_slack_that_hangs_does_not_hold_up_statuses() {
    let (slack, github) = (Slack::start().await, Github::start().await);
    let mut toml = config(&slack, "deploys") + "at_once = 4\n";
    toml +=
        &format!("[github]\ntoken = \"ghp_the_right_one\"\napi_base = \"{}\"\n", github.api_base);
    let desk = Desk::start(&toml).await;
    let chains: Vec<_> = (0..100).map(|_| new_chain()).collect();
    for chain in &chains {
        slack.fail(POST, Fault::AnswerLost);
        desk.announce(chain.0, &planned(*chain, &change(), &["a"])).await;
    }
    let last_announced = tokio::time::Instant::now();
    until("the statuses", async || seen(github.statuses().len(), |count| *count == 100)).await;
    // A hundred calls that hang for 700 ms, four at once, take seventeen seconds.
    assert!(last_announced.elapsed() < Duration::from_secs(10), "{:?}", last_announced.elapsed());
}

#[tokio::test]
async fn a_message_somebody_deleted_is_posted_anew() {
    let slack = Slack::start().await;
    let desk = Desk::start(&config(&slack, "deploys")).await;
    let (chain, change) = (new_chain(), change());
    desk.announce(chain.0, &planned(chain, &change, &["a"])).await;
    message(&slack, "waiting to begin").await;
    slack.delete_messages();
    desk.announce(chain.0, &finished(chain, &change, &["a"])).await;
    message(&slack, "finished").await;
    assert_eq!(slack.messages().len(), 1);
}

#[tokio::test]
async fn a_broken_glass_is_told_once_beside_the_chain_whatever_slack_and_we_do() {
    let slack = Slack::start().await;
    let mut desk = Desk::start(&config(&slack, "deploys")).await;
    let (chain, change) = (new_chain(), change());
    desk.announce(chain.0, &planned(chain, &change, &["a"])).await;
    desk.announce(chain.0, &started(chain, &change, 1)).await;
    let root = message(&slack, "0 of 1 done").await;
    slack.fail(POST, Fault::AnswerLost);
    desk.announce(chain.0, &overridden(chain, "olga")).await;
    desk.announce(chain.0, &overridden(chain, "vera")).await;
    for by in ["olga", "vera"] {
        let told = message(&slack, &format!("{by} broke the glass of the whole chain")).await;
        assert!(told.text.ends_with(": the shop is down"), "{}", told.text);
        assert_eq!((told.thread_ts.as_ref(), told.is_in_channel), (Some(&root.ts), true));
    }
    until("both are recorded", async || {
        let told = |all: &Vec<serde_json::Value>| {
            let announced = all.iter().filter(|it| it["kind"] == "slack.announce");
            announced.filter(|it| it["standing"] == "delivered").count() == 2
        };
        seen(desk.deliveries(chain).await, told)
    })
    .await;
    desk.stop().await;
    desk.go_on().await;
    desk.announce(chain.0, &finished(chain, &change, &["a"])).await;
    assert_eq!(message(&slack, "finished").await.ts, root.ts);
    assert_eq!(slack.messages().len(), 3, "{:#?}", slack.messages());

    slack.delete_messages();
    desk.announce(chain.0, &overridden(chain, "zoe")).await;
    let told = message(&slack, "zoe broke the glass").await;
    assert_eq!(told.thread_ts, None, "what it would answer to is gone");
}

#[tokio::test]
async fn a_chain_of_a_team_is_told_in_the_channel_of_that_team() {
    let slack = Slack::start().await;
    let mut toml = config(&slack, "deploys");
    toml += "[[slack.routes]]\nchannel = \"releases\"\nlabels = [\"team:net\"]\n";
    let mut desk = Desk::start(&toml).await;
    let (chain, change) = (new_chain(), change());
    let mut event = planned(chain, &change, &["a", "b"]);
    event.steps[1].labels = vec!["team:net".into()].into();
    desk.announce(chain.0, &event).await;
    assert_eq!(message(&slack, "waiting to begin").await.channel, "C0RELEASES");
    slack.archive("releases");
    desk.reconfigure(|config| config.slack.routes.clear()).await;
    desk.announce(chain.0, &finished(chain, &change, &["a", "b"])).await;
    assert_eq!(message(&slack, "finished").await.channel, "C0DEPLOYS");
}

#[tokio::test]
async fn what_waits_for_a_channel_goes_to_the_one_that_is_configured_then() {
    let slack = Slack::start().await;
    let mut desk = Desk::start(&config(&slack, "nowhere")).await;
    let record = desk.recorded(&change()).await;
    assert_eq!((&record["standing"], &record["target"]), (&"waiting".into(), &"nowhere".into()));
    desk.reconfigure(|config| config.slack.channel = "deploys".to_owned()).await;
    desk.hurry().await;
    assert_eq!(message(&slack, "waiting to begin").await.channel, "C0DEPLOYS");
}

#[tokio::test]
async fn a_message_in_a_channel_that_was_archived_goes_on_in_the_one_that_is_configured_now() {
    let slack = Slack::start().await;
    let mut desk = Desk::start(&config(&slack, "deploys")).await;
    let (chain, change) = (new_chain(), change());
    desk.announce(chain.0, &planned(chain, &change, &["a"])).await;
    message(&slack, "waiting to begin").await;
    slack.archive("deploys");
    desk.reconfigure(|config| config.slack.channel = "releases".to_owned()).await;
    desk.announce(chain.0, &finished(chain, &change, &["a"])).await;
    assert_eq!(message(&slack, "finished").await.channel, "C0RELEASES");
    assert_eq!(slack.messages().len(), 2);
}

#[tokio::test]
async fn after_a_restart_the_same_message_goes_on() {
    let slack = Slack::start().await;
    let mut desk = Desk::start(&config(&slack, "deploys")).await;
    let (chain, change) = (new_chain(), change());
    desk.announce(chain.0, &planned(chain, &change, &["a"])).await;
    message(&slack, "waiting to begin").await;
    desk.stop().await;
    desk.announce(chain.0, &finished(chain, &change, &["a"])).await;
    desk.go_on().await;
    message(&slack, "finished").await;
    assert_eq!(slack.messages().len(), 1);
}

fn no_workers() -> AccountAlerted {
    AccountAlerted {
        account: "acme".to_owned(),
        severity: "WARNING".to_owned(),
        title: "No workers".to_owned(),
        text: "The pool is empty.".to_owned(),
    }
}

#[tokio::test]
async fn a_fault_that_returns_after_it_was_forgotten_is_told_again() {
    let slack = Slack::start().await;
    let mut desk = Desk::start(&config(&slack, "deploys")).await;
    let alerted = no_workers();
    desk.announce(new_chain().0, &alerted).await;
    message(&slack, "No workers").await;
    desk.forget_stories().await;
    desk.announce(new_chain().0, &alerted).await;
    until("it is told again", async || seen(slack.messages().len(), |count| *count == 2)).await;
}

#[tokio::test]
async fn a_refused_change_and_a_fault_of_the_account_are_told() {
    let slack = Slack::start().await;
    let desk = Desk::start(&config(&slack, "deploys")).await;
    let change = change();
    let reason = Reason::new(Code::Cycle, "a depends on b, b depends on a");
    let refused = ChainRefused { change: change.clone(), kind: None, reason };
    desk.announce(new_chain().0, &refused).await;
    let alerted = no_workers();
    desk.announce(new_chain().0, &alerted).await;
    message(&slack, "a depends on b").await;
    message(&slack, "No workers").await;
    let asked = serde_json::json!({ "repository": change.repository, "commit": change.commit });
    until("it is recorded", async || {
        let answer = desk.ask(&asked).await?;
        seen(answer["deliveries"].clone(), |all| all[0]["standing"] == "delivered")
    })
    .await;
}
