//! The code of a pull request is validated before anything of it is planned, and whoever opened it
//! sees at its lines what was found.

use std::path::Path;

use contracts::chain::ChainKind;
use harness::{
    Pipeline, Setup, accounts, github,
    patience::{PATIENCE, eventually},
};
use receivers::{CheckRun, GITHUB_APP, Github, Status, work};
use serde_json::{Value, json};
use tempfile::TempDir;

const RULE: &str = r#"package own
import rego.v1
deny contains finding if {
	some bucket in input.resources
	bucket.values.acl == "public-read"
	finding := {"rule": "public", "message": sprintf("%s is public", [bucket.address]),
		"resource": bucket.address, "attribute": "acl"}
}
"#;

/// Says that the first line of the code it is given is bad, if there is a file `bad.tf` in it.
const SCANNER: &str = r#"#!/bin/sh
find "$1" -name bad.tf | sed "s,^$1/,," | while read -r file; do
printf '{"ruleId":"B1","level":"warning","message":{"text":"bad"},"locations":[{"physicalLocation":{"artifactLocation":{"uri":"%s"}}}]}' "$file"
done > "$1/found"
printf '{"version":"2.1.0","runs":[{"tool":{"driver":{"name":"script"}},"results":[%s]}]}' "$(cat "$1/found")"
"#;

/// Stacks `a` before `b`; `c` by itself.
struct Host {
    github: Github,
    pipeline: Pipeline,
    work: TempDir,
    _mirrors: TempDir,
    _config: TempDir,
}

fn commit(folder: &Path, files: &[(&str, &str)]) -> String {
    work::commit(folder, files)
}

async fn host() -> Host {
    host_with(&[]).await
}

/// The same, told more besides.
async fn host_with(more: &[(&str, &str)]) -> Host {
    let folder = || tempfile::tempdir().unwrap();
    let (work, mirrors, config) = (folder(), folder(), folder());
    let rules = config.path().join("rules");
    std::fs::create_dir(&rules).unwrap();
    std::fs::write(rules.join("own.rego"), RULE).unwrap();
    let scanner = config.path().join("scanner");
    std::fs::write(&scanner, SCANNER).unwrap();
    work::git(work.path(), &["init", "--quiet", "--initial-branch", "main"]);
    commit(
        work.path(),
        &[
            ("stacks/a/main.tf", "# a\n"),
            ("stacks/b/main.tf", "# b\n"),
            ("stacks/b/stackly.hcl", "stack \"b\" {\n  depends_on = [\"a\"]\n}\n"),
            (
                "stacks/c/main.tf",
                "resource \"aws_s3_bucket\" \"old\" {\n  acl = \"public-read\"\n}\n",
            ),
        ],
    );
    let github = Github::with_app().await;
    let shown = |path: &Path| path.display().to_string();
    let command = format!("[\"sh\", \"{}\", \"{{folder}}\"]", shown(&scanner));
    let scanners = format!("[{{ name = \"script\", command = {command} }}]");
    let environment = [
        ("PLANNER__GIT__FOLDER", shown(mirrors.path())),
        ("PLANNER__GIT__URL", shown(work.path())),
        ("PLANNER__VALIDATION__RULES", shown(&rules)),
        ("PLANNER__VALIDATION__SCANNERS", scanners),
        ("NOTIFIER__GITHUB__API_BASE", github.api_base.clone()),
        ("NOTIFIER__GITHUB__APP__ID", GITHUB_APP.to_owned()),
        ("NOTIFIER__GITHUB__APP__KEY", github.app_key.clone()),
    ];
    let mut environment: Vec<_> = environment.map(|(name, value)| (name.to_owned(), value)).into();
    let more = more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    environment.extend(more);
    let account = accounts::account(&[("a", &[]), ("b", &["a"]), ("c", &[])]);
    let policy = "policy \"hours\" {\n  warn { reason = \"look\" }\n}\n".to_owned();
    let policies = vec![("a.hcl", policy)];
    let setup = Setup { account, environment, policies, ..Setup::default() };
    let pipeline = Pipeline::with(setup).await;
    let status = || async {
        let subject = contracts::subject::question("planner", "status");
        // It may not listen yet.
        pipeline.bus.request(&subject, &Value::Null).await.map_or(Value::Null, Result::unwrap)
    };
    eventually("the code to be read", PATIENCE, status, |it| it["with_code"] == 3).await;
    Host { github, pipeline, work, _mirrors: mirrors, _config: config }
}

impl Host {
    /// Somebody opens a pull request with these files; gives its head.
    async fn propose(&self, number: u64, files: &[(&str, &str)]) -> String {
        let folder = self.work.path();
        let branch = format!("pull-{number}");
        work::git(folder, &["checkout", "--quiet", "-b", &branch, "main"]);
        let head = commit(folder, files);
        work::git(folder, &["update-ref", &format!("refs/pull/{number}/head"), &head]);
        work::git(folder, &["checkout", "--quiet", "main"]);
        let payload = github::pull_request(number, &head);
        assert_eq!(self.pipeline.deliver("pull_request", &payload).await.0, 202);
        head
    }

    /// A merge queue asks about a group that adds these files to `main`; gives its head.
    async fn queue(&self, number: u64, files: &[(&str, &str)]) -> String {
        let folder = self.work.path();
        let branch = format!("gh-readonly-queue/main/pr-{number}");
        work::git(folder, &["checkout", "--quiet", "-b", &branch, "main"]);
        let base = work::git(folder, &["rev-parse", "HEAD"]);
        let head = commit(folder, files);
        work::git(folder, &["checkout", "--quiet", "main"]);
        let payload = github::merge_group(&base, &head);
        assert_eq!(self.pipeline.deliver("merge_group", &payload).await.0, 202);
        head
    }

    /// A job of CI hands in what a scanner found at a line of a file; gives the answer's code.
    async fn hand_in(&self, commit: &str, file: &str) -> String {
        let result = json!({ "ruleId": "CKV_1", "level": "error", "message": { "text": "open" },
            "locations": [{ "physicalLocation": { "artifactLocation": { "uri": file },
                "region": { "startLine": 2 } } }] });
        let run = json!({ "tool": { "driver": { "name": "Checkov" } }, "results": [result] });
        let report = json!({ "name": "checkov", "repository": accounts::REPOSITORY,
            "commit": commit, "folder": "/builds/infra",
            "sarif": { "version": "2.1.0", "runs": [run] } });
        let body = report.to_string();
        let url = format!("http://{}/webhooks/custom/ci", self.pipeline.installation.ingest);
        let signed = github::sign("the-secret-of-ci", body.as_bytes());
        let request = self.pipeline.client.post(url).header("X-Scan-Signature", signed);
        let response = request.header("Content-Type", "application/json").body(body).send();
        let answer: Value = response.await.unwrap().json().await.unwrap();
        answer["code"].as_str().unwrap_or_default().to_owned()
    }

    async fn shown(&self, head: &str) -> CheckRun {
        let runs = || async { self.github.check_runs() };
        let of_head = |runs: &Vec<CheckRun>| runs.iter().any(|run| run.commit == head);
        let runs = eventually("a check run", PATIENCE, runs, of_head).await;
        runs.into_iter().find(|run| run.commit == head).unwrap()
    }

    /// Waits for the status of this name at a commit.
    async fn status(&self, head: &str, context: &str, state: &str) {
        let statuses = || async { self.github.statuses() };
        let is_there = |all: &Vec<Status>| {
            all.iter()
                .any(|one| (&*one.commit, &*one.context, &*one.state) == (head, context, state))
        };
        eventually("the status", PATIENCE, statuses, is_there).await;
    }
}

fn told(run: &CheckRun) -> Vec<String> {
    let mut told: Vec<String> = run
        .annotations
        .iter()
        .map(|one| {
            let text = |key: &str| one[key].as_str().unwrap_or_default().to_owned();
            let line = &one["start_line"];
            format!("{}:{line} {} {}", text("path"), text("annotation_level"), text("title"))
        })
        .collect();
    told.sort();
    told
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pull_request_is_rejected_at_its_lines_and_gets_no_preview_until_it_is_mended() {
    let host = host().await;
    let open = "# a\nresource \"aws_s3_bucket\" \"new\" {\n  acl = \"public-read\"\n}\n";
    let asked = "stack \"b\" {\n  policies = [\"huors\"]\n}\n";
    let head = host
        .propose(
            7,
            &[
                ("stacks/a/main.tf", open),
                ("stacks/a/bad.tf", "# bad\n"),
                ("stacks/a/broken.tf", "resource {\n"),
                ("stacks/b/stackly.hcl", asked),
            ],
        )
        .await;

    let run = host.shown(&head).await;
    let found = told(&run);
    for expected in [
        "stacks/a/bad.tf:1 warning script.B1",
        "stacks/a/main.tf:3 failure own.public",
        "stacks/b/stackly.hcl:2 failure policy_unknown",
    ] {
        assert!(found.iter().any(|it| it == expected), "{expected} is not in {found:#?}");
    }
    let broken = found
        .iter()
        .any(|it| it.starts_with("stacks/a/broken.tf:") && it.ends_with("failure syntax"));
    assert!(broken, "{found:#?}");
    assert!(!found.iter().any(|it| it.contains("stacks/c")), "c is not touched: {found:#?}");
    assert_eq!(
        (run.name.as_str(), run.conclusion.as_deref()),
        ("stackly/validation", Some("failure"))
    );
    assert!(host.pipeline.chain_of(&head).await.is_none(), "no preview");
    for stack in ["a", "b", "c"] {
        assert!(host.pipeline.spacelift.runs(stack).is_empty(), "{stack}");
    }

    let head = host.propose(8, &[("stacks/a/main.tf", "# mended\n")]).await;
    let run = host.shown(&head).await;
    // The policy that warns of everything is shown, and hinders nothing.
    assert_ne!(run.conclusion.as_deref(), Some("failure"), "{run:#?}");
    let chain = host.pipeline.ended(&head).await;
    assert_eq!(chain.line.kind, ChainKind::Preview);
    host.pipeline.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_merge_queue_gets_the_checks_it_may_require_at_the_head_of_each_group() {
    let host = host().await;
    let open = "# a\nresource \"aws_s3_bucket\" \"new\" {\n  acl = \"public-read\"\n}\n";
    let head = host.queue(7, &[("stacks/a/main.tf", open)]).await;
    let run = host.shown(&head).await;
    assert_eq!(
        (run.name.as_str(), run.conclusion.as_deref()),
        ("stackly/validation", Some("failure"))
    );
    assert!(host.pipeline.chain_of(&head).await.is_none(), "no preview");
    host.status(&head, "stackly/plan", "error").await;

    // Also where nothing of it is a stack's: the queue waits for both.
    for (number, file, conclusion) in [(8, "stacks/a/main.tf", "neutral"), (9, "README", "success")]
    {
        let head = host.queue(number, &[(file, "# wider\n")]).await;
        let run = host.shown(&head).await;
        assert_eq!(run.conclusion.as_deref(), Some(conclusion), "{run:#?}");
        host.status(&head, "stackly/plan", "success").await;
    }
    host.pipeline.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_scanner_found_in_ci_is_waited_for_and_rejects_at_its_lines() {
    let host = host_with(&[
        (
            "INGEST__CUSTOM",
            r#"{ ci = { secrets = ["the-secret-of-ci"], header = "x-scan-signature", prefix = "sha256=" } }"#,
        ),
        (
            "PLANNER__VALIDATION__REPORTS",
            r#"[{ name = "checkov", sender = "custom/ci", wait = "10m" }]"#,
        ),
    ])
    .await;
    let head = host.propose(7, &[("stacks/a/main.tf", "# a\n# wider\n")]).await;
    let story = || async {
        let subject = contracts::subject::question("ingest", "why");
        let asked = json!({ "about": head });
        let told = host.pipeline.bus.request(&subject, &asked).await.unwrap().unwrap();
        let event = told["deliveries"][0]["delivery"]["event"].clone();
        let subject = contracts::subject::question("planner", "trace");
        let asked = json!({ "correlation": event });
        host.pipeline.bus.request(&subject, &asked).await.unwrap().unwrap()
    };
    let waits = |story: &Value| story.to_string().contains("the report of checkov is waited for");
    eventually("it to wait for the report", PATIENCE, story, waits).await;
    assert!(host.github.check_runs().iter().all(|run| run.commit != head));

    assert_eq!(host.hand_in(&head, "/builds/infra/stacks/a/main.tf").await, "accepted");
    let run = host.shown(&head).await;
    assert_eq!(run.conclusion.as_deref(), Some("failure"));
    let found = told(&run);
    assert!(found.contains(&"stacks/a/main.tf:2 failure checkov.CKV_1".to_owned()), "{found:#?}");
    assert!(host.pipeline.chain_of(&head).await.is_none(), "no preview");

    // What is found elsewhere than in the stacks that are touched is theirs who touched it.
    let head = host.propose(8, &[("stacks/a/main.tf", "# mended\n")]).await;
    assert_eq!(host.hand_in(&head, "stacks/c/main.tf").await, "accepted");
    let run = host.shown(&head).await;
    assert_ne!(run.conclusion.as_deref(), Some("failure"), "{run:#?}");
    let chain = host.pipeline.ended(&head).await;
    assert_eq!(chain.line.kind, ChainKind::Preview);
    host.pipeline.stop().await;
}
