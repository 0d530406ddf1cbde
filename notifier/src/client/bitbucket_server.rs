//! Bitbucket Data Center: build statuses, Code Insights reports with annotations, and comments at pull
//! requests.

use contracts::validation::Annotation;
use reqwest::Method;
use serde_json::{Value, json};
use store::Claim;

use super::{Host, PAGE, PAGES_MAX, report};
use crate::{
    call::StatusCall, comment::Comment, findings::Findings, http::Trouble, rest::Rest,
    status::Status,
};

pub(crate) struct BitbucketServer {
    pub(super) rest: Rest,
}

impl Host for BitbucketServer {
    async fn set(&self, call: &StatusCall) -> Result<(), Trouble> {
        let StatusCall { status, context, .. } = call;
        let commit = self.commit(status)?;
        let body = json!({
            "key": context,
            "name": context,
            "state": status.state.at_bitbucket(),
            "description": status.description,
            // It takes no status that leads nowhere.
            "url": status.target_url.clone().unwrap_or_else(|| self.rest.page(&commit)),
        });
        let place = [&API, &commit[..], &["builds"]].concat();
        let request = self.rest.request(Method::POST, &place).json(&body);
        self.rest.call("create build status", request).await.map(drop)
    }

    async fn find(&self, comment: &Comment) -> Result<Option<String>, Trouble> {
        let mark = comment.without_html().mark;
        let number = comment.pull_request.to_string();
        let place = self.pull_request(comment, &number, &["activities"])?;
        let mut start = 0;
        for _ in 0..PAGES_MAX {
            let query = [("limit", PAGE), ("start", start)];
            let request = self.rest.request(Method::GET, &place).query(&query);
            let answer = self.rest.call("list activities", request).await?.json();
            let said =
                |it: &&Value| it["comment"]["text"].as_str().is_some_and(|it| it.contains(&mark));
            let found = answer["values"].as_array().and_then(|all| all.iter().find(said));
            if let Some(found) = found {
                return Ok(id(&found["comment"]));
            }
            match answer["nextPageStart"].as_u64().and_then(|next| usize::try_from(next).ok()) {
                Some(next) if answer["isLastPage"] == false => start = next,
                _ => break,
            }
        }
        Ok(None)
    }

    async fn write(&self, comment: &Comment) -> Result<String, Trouble> {
        let body = json!({ "text": comment.without_html().body });
        let number = comment.pull_request.to_string();
        let place = self.pull_request(comment, &number, &["comments"])?;
        let request = self.rest.request(Method::POST, &place).json(&body);
        let answer = self.rest.call("create comment", request).await?;
        id(&answer.json()).ok_or_else(|| self.rest.garbled("which comment it is"))
    }

    /// It takes a change only of the version that it has.
    async fn rewrite(&self, comment: &Comment, id: &str) -> Result<(), Trouble> {
        let number = comment.pull_request.to_string();
        let place = self.pull_request(comment, &number, &["comments", id])?;
        let request = self.rest.request(Method::GET, &place);
        let version = self.rest.call("get comment", request).await?.json()["version"].as_u64();
        let version = version.ok_or_else(|| self.rest.garbled("which version a comment has"))?;
        let body = json!({ "text": comment.without_html().body, "version": version });
        let request = self.rest.request(Method::PUT, &place).json(&body);
        self.rest.call("update comment", request).await.map(drop)
    }

    /// Replaces the report, and what it is made of.
    async fn list(&self, findings: &Findings, _claim: &Claim) -> Result<(), Trouble> {
        let commit = self.commit(&findings.call.status)?;
        let id = report::id(findings);
        let place = [&INSIGHTS, &commit[..], &["reports", &id]].concat();
        let passed = report::is_passed(findings);
        let body = json!({
            "title": findings.call.context,
            "details": report::details(findings),
            "reporter": "Stackly",
            "result": if passed { "PASS" } else { "FAIL" },
            "link": self.rest.page(&commit),
        });
        let request = self.rest.request(Method::PUT, &place).json(&body);
        self.rest.call("create report", request).await?;
        let place = [&place[..], &["annotations"]].concat();
        let request = self.rest.request(Method::DELETE, &place);
        self.rest.call("delete annotations", request).await?;
        if findings.annotations.is_empty() {
            return Ok(());
        }
        let annotations: Vec<Value> =
            findings.annotations.iter().enumerate().map(annotation).collect();
        let body = json!({ "annotations": annotations });
        let request = self.rest.request(Method::POST, &place).json(&body);
        self.rest.call("create annotations", request).await.map(drop)
    }
}

const API: [&str; 3] = ["rest", "api", "latest"];
const INSIGHTS: [&str; 3] = ["rest", "insights", "latest"];

impl BitbucketServer {
    /// Where a commit is, below any of the APIs, and for people.
    fn commit<'s>(&self, status: &'s Status) -> Result<[&'s str; 6], Trouble> {
        let [project, name] = self.parts(&status.repository)?;
        Ok(["projects", project, "repos", name, "commits", self.rest.commit(status)?])
    }

    fn pull_request<'c>(
        &self,
        comment: &'c Comment,
        number: &'c str,
        below: &[&'c str],
    ) -> Result<Vec<&'c str>, Trouble> {
        let [project, name] = self.parts(&comment.repository)?;
        let place = ["projects", project, "repos", name, "pull-requests", number];
        Ok([&API[..], &place, below].concat())
    }

    fn parts<'r>(&self, repository: &'r str) -> Result<[&'r str; 2], Trouble> {
        let parts = self.rest.parts(repository)?;
        Ok(parts.try_into().expect("they are two here"))
    }
}

fn id(comment: &Value) -> Option<String> {
    comment["id"].as_u64().map(|id| id.to_string())
}

fn annotation((place, found): (usize, &Annotation)) -> Value {
    json!({
        "externalId": format!("stackly-{place}"),
        "type": report::kind(found),
        "path": found.file,
        "line": found.line,
        "message": report::message(found),
        "severity": report::severity(found),
    })
}
