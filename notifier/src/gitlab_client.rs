//! GitLab's REST API, as far as the notifier needs it: setting a commit status, and writing notes at
//! merge requests. Notes are looked for before they are written, by their mark; a status that GitLab
//! has already is no trouble.

use std::time::Duration;

use chrono::{DateTime, Utc};
use reqwest::{Client, RequestBuilder};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use store::Claim;
use tokio::sync::OnceCell;
use uuid::Uuid;

use crate::{
    call::StatusCall,
    comment::Comment,
    config,
    findings::Findings,
    http::{self, Answer, Brake, Trouble},
    status,
};

/// What to wait when GitLab limits us and does not say for how long.
const LIMITED: Duration = Duration::from_secs(60);
/// How many notes a page has, and how many pages are looked through for one of ours.
const PAGE: usize = 100;
const PAGES_MAX: usize = 5;
/// What the note about a validation ends with, and the time it is of; nobody sees it.
const MARK: &str = "<!-- stackly:validation ";

/// The REST API, and who asks it.
pub(crate) struct GitlabClient {
    client: Client,
    token: SecretString,
    api_base: String,
    brake: Brake,
    /// Whose token it is: whatever anybody else writes is not ours.
    own: OnceCell<u64>,
}

/// A note of ours, and the time it is of.
struct Written {
    id: u64,
    at: i64,
}

impl GitlabClient {
    pub(crate) fn new(options: &config::Gitlab, timeout: Duration) -> anyhow::Result<Self> {
        Ok(Self {
            client: http::client(timeout)?,
            token: options.token.clone(),
            api_base: options.api_base.trim_end_matches('/').to_owned(),
            brake: Brake::default(),
            own: OnceCell::new(),
        })
    }

    /// How long GitLab asked everybody to wait still.
    pub(crate) fn braked(&self, who: Uuid) -> Option<Duration> {
        self.brake.left(who)
    }

    /// Sets a status.
    pub(crate) async fn set(&self, call: &StatusCall) -> Result<(), Trouble> {
        let StatusCall { status, context } = call;
        let project = project(&status.repository)?;
        if !status.is_of_sha() {
            let text = format!("{} is no commit", status.commit);
            return Err(Trouble::Never { text, status: None });
        }
        let mut body = json!({
            "state": status.state.at_gitlab(),
            "name": context,
            "description": status.description,
        });
        if let Some(url) = &status.target_url {
            body["target_url"] = json!(url);
        }
        let address = format!("{}/{project}/statuses/{}", self.api_base, status.commit);
        let request = self.client.post(address).json(&body);
        match self.call("gitlab create commit status", request).await {
            // GitLab takes a state once: it is there, with the sentence it came with first.
            Err(Trouble::Never { text, status: Some(400) }) if text.contains(STANDS) => Ok(()),
            answer => answer.map(drop),
        }
    }

    /// Answers at a merge request; looks first if an earlier attempt may have done so already.
    pub(crate) async fn comment(&self, comment: &Comment, claim: &Claim) -> Result<(), Trouble> {
        let notes = notes(&comment.repository, comment.pull_request)?;
        let is_ours = |note: &Value| text(note).contains(&comment.mark).then_some(());
        if claim.uncertain && self.find(&notes, is_ours).await?.is_some() {
            return Ok(());
        }
        self.write(&notes, &comment.body).await
    }

    /// Sets the status of a validation, and writes the note about it: also where no status can be, as
    /// at the head of a fork.
    pub(crate) async fn show(&self, findings: &Findings, claim: &Claim) -> Result<(), Trouble> {
        let set = self.set(&findings.call).await;
        if matches!(set, Ok(()) | Err(Trouble::Never { .. })) {
            self.list(findings, claim).await?;
        }
        set
    }

    /// Brings the one note of the merge request up to what was found, unless it is of a later
    /// validation.
    async fn list(&self, findings: &Findings, claim: &Claim) -> Result<(), Trouble> {
        let Some(number) = findings.merge_request else { return Ok(()) };
        let notes = notes(&findings.call.status.repository, number)?;
        let own = *self.own.get_or_try_init(|| self.ask_who()).await?;
        let written = |note: &Value| {
            let at = text(note).rsplit_once(MARK)?.1.split_once(' ')?.0.parse().ok()?;
            let is_ours = note["author"]["id"].as_u64() == Some(own);
            is_ours.then_some(Written { id: note["id"].as_u64()?, at })
        };
        let at = claim.created_at.timestamp_micros();
        let body = format!("{}\n{MARK}{at} -->", findings.note);
        match self.find(&notes, written).await? {
            None if findings.is_empty => Ok(()),
            None => self.write(&notes, &body).await,
            Some(found) if found.at > at => Ok(()),
            Some(found) => {
                let address = format!("{}/{notes}/{}", self.api_base, found.id);
                let request = self.client.put(address).json(&json!({ "body": body }));
                self.call("gitlab update note", request).await.map(drop)
            }
        }
    }

    async fn write(&self, notes: &str, body: &str) -> Result<(), Trouble> {
        let address = format!("{}/{notes}", self.api_base);
        let request = self.client.post(address).json(&json!({ "body": body }));
        self.call("gitlab create note", request).await.map(drop)
    }

    /// The newest note that is what is looked for.
    async fn find<T>(
        &self,
        notes: &str,
        wanted: impl Fn(&Value) -> Option<T>,
    ) -> Result<Option<T>, Trouble> {
        for page in 1..=PAGES_MAX {
            let order = "order_by=created_at&sort=desc";
            let address = format!("{}/{notes}?{order}&per_page={PAGE}&page={page}", self.api_base);
            let answer = self.call("gitlab list notes", self.client.get(address)).await?.json();
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

    async fn ask_who(&self) -> Result<u64, Trouble> {
        let request = self.client.get(format!("{}/user", self.api_base));
        let answer = self.call("gitlab who am I", request).await?;
        answer.json()["id"].as_u64().ok_or_else(|| Trouble::NotNow {
            text: "GitLab does not say whose token it is".to_owned(),
            status: Some(answer.status),
            after: None,
            uncertain: false,
        })
    }

    async fn call(&self, what: &str, request: RequestBuilder) -> Result<Answer, Trouble> {
        let request = request.bearer_auth(self.token.expose_secret());
        let answer = http::call(what, request).await?;
        let judged = judge(&answer, Utc::now());
        if let Err(Trouble::NotNow { after: Some(after), .. }) = &judged {
            self.brake.pull(*after);
        }
        judged.map(|()| answer)
    }
}

/// How GitLab begins to say that a status stands already.
const STANDS: &str = "Cannot transition status";

/// `projects/{group%2Fname}`: nothing from a push may choose another path.
fn project(repository: &str) -> Result<String, Trouble> {
    let parts: Vec<&str> = repository.split('/').collect();
    if parts.len() < 2 || !parts.iter().all(|part| status::is_plain(part)) {
        let text = format!("{repository} is no GitLab project");
        return Err(Trouble::Never { text, status: None });
    }
    Ok(format!("projects/{}", parts.join("%2F")))
}

fn notes(repository: &str, merge_request: u64) -> Result<String, Trouble> {
    Ok(format!("{}/merge_requests/{merge_request}/notes", project(repository)?))
}

fn text(note: &Value) -> &str {
    note["body"].as_str().unwrap_or_default()
}

/// What an answer means.
fn judge(answer: &Answer, now: DateTime<Utc>) -> Result<(), Trouble> {
    let status = answer.status;
    let body = answer.json();
    let said = ["message", "error_description", "error"].iter().find_map(|key| match &body[*key] {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    });
    let text = format!("GitLab says {} (HTTP {status})", said.as_deref().unwrap_or("no reason"));
    match status {
        200..=299 => Ok(()),
        401 => Err(Trouble::Barred { text, status: Some(status), credential: true }),
        403 => Err(Trouble::Barred { text, status: Some(status), credential: false }),
        429 => {
            let after = Some(limit(answer, now).unwrap_or(LIMITED));
            Err(Trouble::NotNow { text, status: Some(status), after, uncertain: false })
        }
        500.. => {
            let after = answer.retry_after();
            Err(Trouble::NotNow { text, status: Some(status), after, uncertain: true })
        }
        _ => Err(Trouble::Never { text, status: Some(status) }),
    }
}

/// For how long GitLab wants to be left alone.
fn limit(answer: &Answer, now: DateTime<Utc>) -> Option<Duration> {
    answer.retry_after().or_else(|| {
        let reset = i64::try_from(answer.number("ratelimit-reset")?).ok()?;
        let seconds = u64::try_from(reset.saturating_sub(now.timestamp())).unwrap_or(0);
        Some(http::heeded(seconds.max(1)))
    })
}

#[cfg(test)]
mod tests {
    use super::project;

    #[test]
    fn nothing_from_outside_chooses_another_path() {
        assert_eq!(project("acme/net/infra").unwrap(), "projects/acme%2Fnet%2Finfra");
        for repository in ["acme", "acme/..", "acme/../x", "a b/c", "/x", "x/", "a%2Fb/c", "a/b?c"]
        {
            assert!(project(repository).is_err(), "{repository}");
        }
    }
}
