//! GitLab: commit statuses, and notes at merge requests. Notes are looked for before they are written,
//! by their mark; a status that GitLab has already is no trouble.

use reqwest::Method;
use serde_json::{Value, json};
use store::Claim;
use tokio::sync::OnceCell;

use super::{Host, PAGE, PAGES_MAX};
use crate::{call::StatusCall, comment::Comment, findings::Findings, http::Trouble, rest::Rest};

/// How GitLab begins to say that a status stands already.
const STANDS: &str = "Cannot transition status";

pub(crate) struct Gitlab {
    pub(super) rest: Rest,
    /// Whose token it is: whatever anybody else writes is not ours.
    own: OnceCell<u64>,
}

/// A note of ours, and the time it is of.
struct Written {
    id: String,
    at: i64,
}

impl Host for Gitlab {
    async fn set(&self, call: &StatusCall) -> Result<(), Trouble> {
        let StatusCall { status, context, .. } = call;
        let mut body = json!({
            "state": status.state.at_gitlab(),
            "name": context,
            "description": status.description,
        });
        if let Some(url) = &status.target_url {
            body["target_url"] = json!(url);
        }
        let project = self.rest.parts(&status.repository)?.join("/");
        let place = ["projects", &project, "statuses", self.rest.commit(status)?];
        let request = self.rest.request(Method::POST, &place).json(&body);
        match self.rest.call("create commit status", request).await {
            // GitLab takes a state once: it is there, with the sentence it came with first.
            Err(Trouble::Never { text, status: Some(400) }) if text.contains(STANDS) => Ok(()),
            answer => answer.map(drop),
        }
    }

    async fn find(&self, comment: &Comment) -> Result<Option<String>, Trouble> {
        let notes = Notes::of(self, &comment.repository, comment.pull_request)?;
        let ours = |note: &Value| text(note).contains(&comment.mark).then(|| id(note))?;
        notes.find(ours).await
    }

    async fn write(&self, comment: &Comment) -> Result<String, Trouble> {
        let notes = Notes::of(self, &comment.repository, comment.pull_request)?;
        notes.write(&comment.body).await
    }

    async fn rewrite(&self, comment: &Comment, id: &str) -> Result<(), Trouble> {
        let notes = Notes::of(self, &comment.repository, comment.pull_request)?;
        notes.update(id, &comment.body).await
    }

    /// Brings the one note of the merge request up to what was found, unless it is of a later
    /// validation.
    async fn list(&self, findings: &Findings, claim: &Claim) -> Result<(), Trouble> {
        let Some(number) = findings.merge_request else { return Ok(()) };
        let notes = Notes::of(self, &findings.call.status.repository, number)?;
        let own = *self.own.get_or_try_init(|| self.ask_who()).await?;
        let written = |note: &Value| {
            let at = Findings::time_of(text(note))?;
            let is_ours = note["author"]["id"].as_u64() == Some(own);
            is_ours.then_some(Written { id: id(note)?, at })
        };
        let at = claim.created_at.timestamp_micros();
        let body = findings.marked(at);
        match notes.find(written).await? {
            None if findings.is_empty => Ok(()),
            None => notes.write(&body).await.map(drop),
            Some(found) if found.at > at => Ok(()),
            Some(found) => notes.update(&found.id, &body).await,
        }
    }
}

impl Gitlab {
    pub(super) fn new(rest: Rest) -> Self {
        Self { rest, own: OnceCell::new() }
    }

    async fn ask_who(&self) -> Result<u64, Trouble> {
        let answer = self.rest.call("who am I", self.rest.request(Method::GET, &["user"])).await?;
        answer.json()["id"].as_u64().ok_or_else(|| self.rest.garbled("whose token it is"))
    }
}

/// The notes at a merge request.
struct Notes<'g> {
    rest: &'g Rest,
    project: String,
    number: String,
}

impl<'g> Notes<'g> {
    fn of(gitlab: &'g Gitlab, repository: &str, number: u64) -> Result<Self, Trouble> {
        let rest = &gitlab.rest;
        Ok(Self { rest, project: rest.parts(repository)?.join("/"), number: number.to_string() })
    }

    fn place(&self) -> [&str; 5] {
        ["projects", &self.project, "merge_requests", &self.number, "notes"]
    }

    async fn write(&self, body: &str) -> Result<String, Trouble> {
        let request = self.rest.request(Method::POST, &self.place()).json(&json!({ "body": body }));
        let answer = self.rest.call("create note", request).await?;
        id(&answer.json()).ok_or_else(|| self.rest.garbled("which note it is"))
    }

    async fn update(&self, note: &str, body: &str) -> Result<(), Trouble> {
        let place = [&self.place()[..], &[note]].concat();
        let request = self.rest.request(Method::PUT, &place).json(&json!({ "body": body }));
        self.rest.call("update note", request).await.map(drop)
    }

    /// The newest note that is what is looked for.
    async fn find<T>(&self, wanted: impl Fn(&Value) -> Option<T>) -> Result<Option<T>, Trouble> {
        for page in 1..=PAGES_MAX {
            let (page, size) = (page.to_string(), PAGE.to_string());
            let query = [
                ("order_by", "created_at"),
                ("sort", "desc"),
                ("per_page", &size),
                ("page", &page),
            ];
            let request = self.rest.request(Method::GET, &self.place()).query(&query);
            let answer = self.rest.call("list notes", request).await?.json();
            let listed = answer.as_array().map_or(&[][..], Vec::as_slice);
            if let Some(found) = listed.iter().find_map(&wanted) {
                return Ok(Some(found));
            }
            if listed.len() < PAGE {
                break;
            }
        }
        Ok(None)
    }
}

fn id(note: &Value) -> Option<String> {
    note["id"].as_u64().map(|id| id.to_string())
}

fn text(note: &Value) -> &str {
    note["body"].as_str().unwrap_or_default()
}
