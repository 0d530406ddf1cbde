//! What people ask for in comments at a pull request is done or refused, and answered there.

use contracts::chain::ChainKind;
use harness::{
    Pipeline, Setup, accounts, github,
    patience::{PATIENCE, eventually},
};
use receivers::{Comment, GITHUB_TOKEN, Github};
use simulator::{RunState, RunType};

struct Host {
    github: Github,
    pipeline: Pipeline,
}

async fn host() -> Host {
    let github = Github::start().await;
    let environment = [
        ("NOTIFIER__GITHUB__TOKEN", GITHUB_TOKEN),
        ("NOTIFIER__GITHUB__API_BASE", &github.api_base),
    ]
    .map(|(key, value)| (key.to_owned(), value.to_owned()));
    let account = accounts::account(&[("a", &[]), ("b", &["a"])]);
    let setup = Setup { account, environment: environment.into(), ..Setup::default() };
    Host { pipeline: Pipeline::with(setup).await, github }
}

impl Host {
    /// Somebody opens pull request 7; it is planned by itself.
    async fn opened(&self) -> String {
        let commit = github::commit();
        let proposed = github::pull_request(7, &commit);
        assert_eq!(self.pipeline.deliver("pull_request", &proposed).await.0, 202);
        let chain = self.pipeline.ended(&commit).await;
        assert_eq!(chain.line.kind, ChainKind::Preview);
        commit
    }

    /// What was answered there, without what follows the plans.
    fn answers(&self) -> Vec<Comment> {
        let mut comments = self.github.comments();
        comments.retain(|it| it.body.contains(", asked for by "));
        comments
    }

    /// Says something at pull request 7; gives what is answered there.
    async fn say(&self, text: &str) -> String {
        let before = self.answers().len();
        let (status, answer) =
            self.pipeline.deliver("issue_comment", &github::comment(7, text)).await;
        assert_eq!(status, 202, "{answer}");
        let comments = || async { self.answers() };
        let told = |comments: &Vec<Comment>| comments.len() > before;
        let comments = eventually("an answer", PATIENCE, comments, told).await;
        assert_eq!((&*comments[before].repository, comments[before].number), ("acme/infra", 7));
        comments[before].body.clone()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_asked_for_at_a_pull_request_runs_again_on_its_head_and_says_so_there() {
    let host = host().await;
    let commit = host.opened().await;

    let answer = host.say("stackly plan").await;

    assert!(answer.contains("`stackly plan`, asked for by grace"), "{answer}");
    assert!(answer.contains("2 stacks") && answer.contains("chain_"), "{answer}");
    let runs = || async { host.pipeline.spacelift.runs("b") };
    let again = |runs: &Vec<_>| runs.len() == 2;
    let runs = eventually("b to be planned again", PATIENCE, runs, again).await;
    for run in &runs {
        assert_eq!((run.run_type, run.commit.as_str()), (RunType::Proposed, commit.as_str()));
    }
    host.pipeline.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_plans_of_a_pull_request_are_one_comment_there_also_when_it_is_planned_again() {
    let host = host().await;
    host.opened().await;
    host.say("stackly plan").await;
    let runs = || async { host.pipeline.spacelift.runs("b") };
    let again = |runs: &Vec<_>| runs.len() == 2;
    eventually("b to be planned again", PATIENCE, runs, again).await;
    let follows = || async {
        let mut comments = host.github.comments();
        comments.retain(|it| it.body.starts_with("### Preview of"));
        comments
    };
    let planned = |all: &Vec<Comment>| all.iter().any(|it| it.body.contains(": 2 stacks planned"));
    let comments = eventually("the plans", PATIENCE, follows, planned).await;
    assert_eq!(comments.len(), 1, "{comments:#?}");
    assert!(comments[0].body.contains("| ✅ | [b]("), "{}", comments[0].body);
    host.pipeline.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_apply_of_what_is_not_merged_is_refused_at_the_pull_request_with_what_to_do() {
    let host = host().await;
    host.opened().await;

    let answer = host.say("stackly apply").await;

    assert!(answer.contains("not merged") && answer.contains("merge it"), "{answer}");
    let runs = host.pipeline.spacelift.runs("a");
    assert!(runs.iter().all(|run| run.run_type == RunType::Proposed), "{runs:?}");
    assert!(runs.iter().all(|run| run.state == RunState::Finished), "{runs:?}");
    host.pipeline.stop().await;
}
