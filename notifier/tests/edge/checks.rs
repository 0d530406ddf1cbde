//! GitHub: what the validation of a pull request found is shown as a check run with annotations.

use contracts::{
    Code, Reason,
    change::Change,
    validation::{Annotation, ChangeValidated, Counts, Level, Stage},
};
use receivers::{CheckRun, Fault, GITHUB_APP, GITHUB_TOKEN, Github};

use crate::desk::{Desk, change, new_chain, seen, until};

fn config(github: &Github) -> String {
    format!(
        "[github]\napi_base = \"{}\"\n[github.app]\nid = \"{GITHUB_APP}\"\nkey = '''\n{}'''\n\
         [delivery]\ntimeout = \"700ms\"\n",
        github.api_base, github.app_key
    )
}

pub(crate) fn validated(failures: usize) -> ChangeValidated {
    let found = |line| Annotation {
        file: "net/main.tf".to_owned(),
        line,
        end_line: None,
        level: Level::Failure,
        stage: Stage::Security,
        rule: "security.open".to_owned(),
        message: format!("line {line} is open to everybody"),
        stack: Some("net".to_owned()),
    };
    let annotations: Vec<Annotation> = (1..=failures).map(found).collect();
    let counts = Counts::of(&annotations);
    ChangeValidated {
        change: Change { pull_request: Some(7), ..change() },
        decision: counts.decision(),
        reason: Reason::new(Code::ValidationRejected, "the first: net/main.tf:1"),
        stacks: vec!["net".to_owned()],
        counts,
        annotations,
        more: 0,
    }
}

/// The check run, once it has so many annotations.
async fn shown(github: &Github, annotations: usize) -> CheckRun {
    until("the check run", async || {
        seen(github.check_runs(), |all| {
            all.last().is_some_and(|run| run.annotations.len() >= annotations)
        })
    })
    .await
    .pop()
    .unwrap()
}

#[tokio::test]
async fn all_annotations_arrive_once_although_answers_are_lost_on_the_way() {
    let github = Github::with_app().await;
    let desk = Desk::start(&config(&github)).await;
    let event = validated(120);
    // The run is made and the answer lost; what follows meets a limit.
    github.fail(Fault::AnswerLost);
    desk.announce(new_chain().0, &event).await;
    let run = shown(&github, 120).await;

    assert_eq!(github.check_runs().len(), 1, "one run, looked for before it was made again");
    assert_eq!(
        (run.name.as_str(), run.conclusion.as_deref()),
        ("stackly/validation", Some("failure"))
    );
    assert_eq!(run.commit, event.change.commit.0);
    assert_eq!(run.title, "Reject: 120 failures found");
    let mut lines: Vec<u64> =
        run.annotations.iter().map(|one| one["start_line"].as_u64().unwrap()).collect();
    lines.dedup();
    assert_eq!(lines, (1..=120).collect::<Vec<u64>>());
}

#[tokio::test]
async fn a_token_of_the_app_that_was_taken_back_is_replaced() {
    let github = Github::with_app().await;
    let desk = Desk::start(&config(&github)).await;
    desk.announce(new_chain().0, &validated(1)).await;
    shown(&github, 1).await;
    github.take_back_tokens();
    let mut next = validated(0);
    next.change = Change { pull_request: Some(8), ..change() };
    desk.announce(new_chain().0, &next).await;
    let runs = until("the second run", async || seen(github.check_runs(), |all| all.len() == 2));
    assert_eq!(runs.await[1].conclusion.as_deref(), Some("success"));
}

#[tokio::test]
async fn who_has_a_token_alone_shows_a_status_instead() {
    let github = Github::start().await;
    let token =
        format!("[github]\ntoken = \"{GITHUB_TOKEN}\"\napi_base = \"{}\"\n", github.api_base);
    let desk = Desk::start(&token).await;
    desk.announce(new_chain().0, &validated(2)).await;
    let statuses =
        until("the status", async || seen(github.statuses(), |all| !all.is_empty())).await;
    assert_eq!(statuses[0].context, "stackly/validation");
    assert_eq!(statuses[0].state, "failure");
    assert_eq!(statuses[0].description, "Rejected: the first: net/main.tf:1");
    assert_eq!(github.check_runs(), []);
}
