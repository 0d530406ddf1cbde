//! Azure DevOps: statuses of pull requests and commits, and threads at pull requests.

use reqwest::Method;
use serde_json::{Value, json};
use store::Claim;
use tokio::sync::OnceCell;

use super::Host;
use crate::{
    call::StatusCall,
    comment::Comment,
    findings::Findings,
    http::{Answer, Trouble},
    rest::Rest,
    status::{State, Status},
};

/// What Azure DevOps Server 2022 answers to as well.
const VERSION: &str = "7.0";
/// Of what has no later one.
const PREVIEW: &str = "7.0-preview";

pub(crate) struct AzureDevops {
    pub(super) rest: Rest,
    /// Whose token it is: whatever anybody else writes is not ours.
    own: OnceCell<String>,
}

/// A comment of ours, its thread, and the time it is of.
struct Written {
    thread: String,
    comment: String,
    at: i64,
}

impl Host for AzureDevops {
    async fn set(&self, call: &StatusCall) -> Result<(), Trouble> {
        let StatusCall { status, context, .. } = call;
        // Shown as `genre/name`.
        let (genre, name) = match context.split_once('/') {
            Some((genre, name)) => (Some(genre), name),
            None => (None, &**context),
        };
        let mut body = json!({
            "state": status.state.at_azure_devops(),
            "description": status.description,
            "context": { "genre": genre, "name": name },
        });
        if let Some(url) = &status.target_url {
            body["targetUrl"] = json!(url);
        }
        let commit = self.rest.commit(status)?;
        if let Some((number, iteration)) = self.iteration(status).await? {
            body["iterationId"] = json!(iteration);
            let below = ["pullRequests", &number, "statuses"];
            let what = "create pull request status";
            return self
                .ask(what, Method::POST, (&status.repository, &below), Some(&body))
                .await
                .map(drop);
        }
        let below = ["commits", commit, "statuses"];
        self.ask("create commit status", Method::POST, (&status.repository, &below), Some(&body))
            .await
            .map(drop)
    }

    async fn find(&self, comment: &Comment) -> Result<Option<String>, Trouble> {
        let threads = self.threads(&comment.repository, comment.pull_request).await?;
        Ok(threads.iter().find_map(|thread| {
            let first = thread["comments"].get(0)?;
            first["content"].as_str().filter(|it| it.contains(&comment.mark))?;
            number(thread)
        }))
    }

    /// In a thread that nobody has to resolve.
    async fn write(&self, comment: &Comment) -> Result<String, Trouble> {
        let number = comment.pull_request.to_string();
        self.begin(&comment.repository, &number, &comment.body, "closed").await
    }

    async fn rewrite(&self, comment: &Comment, id: &str) -> Result<(), Trouble> {
        let number = comment.pull_request.to_string();
        // What begins a thread is its first comment.
        let below = ["pullRequests", &number, "threads", id, "comments", "1"];
        let body = json!({ "content": comment.body });
        let place = (&*comment.repository, &below[..]);
        self.ask("update comment", Method::PATCH, place, Some(&body)).await.map(drop)
    }

    /// Brings the one thread of the pull request up to what was found, unless it is of a later
    /// validation.
    async fn list(&self, findings: &Findings, claim: &Claim) -> Result<(), Trouble> {
        let Some(number) = findings.merge_request else { return Ok(()) };
        let repository = &findings.call.status.repository;
        let own = self.own.get_or_try_init(|| self.ask_who()).await?;
        let threads = self.threads(repository, number).await?;
        let found = threads.iter().rev().find_map(|thread| written(thread, own));
        let at = claim.created_at.timestamp_micros();
        let (body, number) = (findings.marked(at), number.to_string());
        // Where all threads must be resolved, what is rejected is not completed.
        let status = match findings.call.status.state {
            State::Success => "fixed",
            _ => "active",
        };
        match found {
            None if findings.is_empty => Ok(()),
            None => self.begin(repository, &number, &body, status).await.map(drop),
            Some(found) if found.at > at => Ok(()),
            Some(found) => {
                let thread = ["pullRequests", &number, "threads", &found.thread];
                let comment = [&thread[..], &["comments", &found.comment]].concat();
                let body = json!({ "content": body });
                self.ask("update comment", Method::PATCH, (repository, &comment), Some(&body))
                    .await?;
                let body = json!({ "status": status });
                let done =
                    self.ask("update thread", Method::PATCH, (repository, &thread), Some(&body));
                done.await.map(drop)
            }
        }
    }
}

impl AzureDevops {
    pub(super) fn new(rest: Rest) -> Self {
        Self { rest, own: OnceCell::new() }
    }

    /// Asks something of a repository.
    async fn ask(
        &self,
        what: &str,
        method: Method,
        (repository, below): (&str, &[&str]),
        body: Option<&Value>,
    ) -> Result<Answer, Trouble> {
        let parts = self.rest.parts(repository)?;
        let place = [&[parts[0], "_apis", "git", "repositories", parts[1]], below].concat();
        let mut request = self.rest.request(method, &place).query(&[("api-version", VERSION)]);
        if let Some(body) = body {
            request = request.json(body);
        }
        self.rest.call(what, request).await
    }

    /// The pull request, and which of its iterations the commit is the head of, so that a late status
    /// is not taken for one of the newest head. None if it is the head of none.
    async fn iteration(&self, status: &Status) -> Result<Option<(String, u64)>, Trouble> {
        let Some(number) = status.pull_request.map(|number| number.to_string()) else {
            return Ok(None);
        };
        let below = ["pullRequests", &number, "iterations"];
        let asked = self.ask("list iterations", Method::GET, (&status.repository, &below), None);
        let answer = asked.await?.json();
        let all = answer["value"].as_array().map_or(&[][..], Vec::as_slice);
        let is_head = |it: &&Value| it["sourceRefCommit"]["commitId"] == status.commit.as_str();
        let iteration = all.iter().rev().find(is_head).and_then(|it| it["id"].as_u64());
        Ok(iteration.map(|iteration| (number, iteration)))
    }

    /// Begins a thread; gives what it is called.
    async fn begin(
        &self,
        repository: &str,
        number: &str,
        text: &str,
        status: &str,
    ) -> Result<String, Trouble> {
        let comment = json!({ "parentCommentId": 0, "content": text, "commentType": "text" });
        let body = json!({ "comments": [comment], "status": status });
        let below = ["pullRequests", number, "threads"];
        let asked = self.ask("create thread", Method::POST, (repository, &below), Some(&body));
        let begun = asked.await?.json();
        self::number(&begun).ok_or_else(|| self.rest.garbled("which thread it is"))
    }

    /// All threads of a pull request: there are no pages.
    async fn threads(&self, repository: &str, number: u64) -> Result<Vec<Value>, Trouble> {
        let number = number.to_string();
        let below = ["pullRequests", &number, "threads"];
        let mut answer =
            self.ask("list threads", Method::GET, (repository, &below), None).await?.json();
        match answer["value"].take() {
            Value::Array(threads) => Ok(threads),
            _ => Err(self.rest.garbled("which threads there are")),
        }
    }

    async fn ask_who(&self) -> Result<String, Trouble> {
        let request = self.rest.request(Method::GET, &["_apis", "connectionData"]);
        let request = request.query(&[("api-version", PREVIEW)]);
        let answer = self.rest.call("who am I", request).await?.json();
        let id = answer["authenticatedUser"]["id"].as_str().map(str::to_owned);
        id.ok_or_else(|| self.rest.garbled("whose token it is"))
    }
}

fn written(thread: &Value, own: &str) -> Option<Written> {
    let first = thread["comments"].get(0)?;
    let is_ours = first["author"]["id"] == own && thread["isDeleted"] != true;
    let at = Findings::time_of(first["content"].as_str().filter(|_| is_ours)?)?;
    Some(Written { thread: number(thread)?, comment: number(first)?, at })
}

fn number(of: &Value) -> Option<String> {
    of["id"].as_u64().map(|id| id.to_string())
}
