//! What Azure DevOps says: pushes, pull requests and comments become events.
//!
//! It signs nothing: what it logs in with is all that proves it. The id of a delivery is in the
//! body.

use contracts::{CommitSha, change::Paths};
use serde::Deserialize;

use crate::{
    comment::Place,
    delivery::{Reading, Signed},
    forge::{
        Moved, Proposal,
        authors::Authors,
        commit_id, short_branch,
        told::{Outcome, Standing},
    },
    github::optional_header,
    payload::{self, Malformed, Text, moment, name, plain},
    source::Source,
};

mod vote;

use vote::Reviewer;

/// What a delivery is about that Azure says in no other way: a header that is given to the
/// subscription, as which it is filtered by the same.
pub(crate) const CHANGE: &str = "x-stackly-change";
pub(crate) const VOTE: &str = "vote";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Envelope<'a> {
    #[serde(borrow)]
    id: Text<'a>,
    #[serde(borrow)]
    event_type: Text<'a>,
    /// The id is the event's: several may tell of it, each in a way of its own.
    #[serde(borrow, default)]
    subscription_id: Option<Text<'a>>,
}

pub(crate) fn read(signed: &Signed<'_>) -> Result<Reading, Malformed> {
    let body = signed.body;
    let envelope: Envelope<'_> = payload::object(body)?;
    let mut sender_id = name(envelope.id.as_str(), "id")?;
    if let Some(told_by) = &envelope.subscription_id {
        sender_id = format!("{sender_id}/{}", name(told_by.as_str(), "subscriptionId")?);
    }
    let kind = name(envelope.event_type.as_str(), "eventType")?;
    let outcome = match kind.as_str() {
        "git.push" => pushed(body)?,
        "git.pullrequest.updated" if optional_header(signed.headers, CHANGE)? == Some(VOTE) => {
            vote::read(signed.source, body)?
        }
        "git.pullrequest.created" | "git.pullrequest.updated" | "git.pullrequest.merged" => {
            proposed(&kind, body)?
        }
        "ms.vss-code.git-pullrequest-comment-event" => commented(signed.source, body)?,
        _ => Outcome::ignored("Azure", &kind, body)?,
    };
    Ok(outcome.reading(signed, Some(sender_id), kind))
}

#[derive(Deserialize)]
struct Told<T> {
    resource: T,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Push<'a> {
    #[serde(borrow)]
    ref_updates: Vec<RefUpdate<'a>>,
    #[serde(borrow)]
    repository: Repository<'a>,
    #[serde(borrow, default)]
    pushed_by: Option<Identity<'a>>,
    #[serde(borrow, default)]
    commits: Option<Vec<Commit<'a>>>,
    /// Counts the pushes.
    #[serde(default)]
    push_id: Option<u64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RefUpdate<'a> {
    #[serde(borrow)]
    name: Text<'a>,
    #[serde(borrow)]
    old_object_id: Text<'a>,
    #[serde(borrow)]
    new_object_id: Text<'a>,
}

#[derive(Deserialize)]
struct Repository<'a> {
    #[serde(borrow)]
    name: Text<'a>,
    #[serde(borrow)]
    project: Project<'a>,
}

#[derive(Deserialize)]
struct Project<'a> {
    #[serde(borrow)]
    name: Text<'a>,
}

impl Repository<'_> {
    fn full_name(&self) -> Result<String, Malformed> {
        let project = name(self.project.name.as_str(), "repository.project.name")?;
        Ok(format!("{project}/{}", name(self.name.as_str(), "repository.name")?))
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Identity<'a> {
    #[serde(borrow)]
    unique_name: Text<'a>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Commit<'a> {
    #[serde(borrow)]
    commit_id: Text<'a>,
    #[serde(borrow, default)]
    comment: Option<Text<'a>>,
    #[serde(borrow, default)]
    author: Option<Writer<'a>>,
}

#[derive(Deserialize)]
struct Writer<'a> {
    #[serde(borrow, default)]
    email: Option<Text<'a>>,
}

/// Who wrote the commits that are listed: by address, as people are known here.
fn authors(commits: &[Commit<'_>]) -> Authors {
    let mut authors = Authors::default();
    for commit in commits {
        let mail = commit.author.as_ref().and_then(|author| author.email.as_ref());
        authors.wrote(None, mail.map(Text::as_str));
        authors.together(commit.comment.as_ref().map_or("", Text::as_str));
    }
    authors
}

fn person(identity: Option<&Identity<'_>>) -> String {
    plain(identity.map_or("unknown", |identity| identity.unique_name.as_str()))
}

fn pushed(body: &[u8]) -> Result<Outcome, Malformed> {
    let push: Push<'_> = payload::object::<Told<_>>(body)?.resource;
    let repository = push.repository.full_name()?;
    let author = person(push.pushed_by.as_ref());
    let commits = push.commits.as_deref().unwrap_or_default();
    let mut all = Vec::with_capacity(push.ref_updates.len());
    for update in &push.ref_updates {
        let after = commit_id(&update.new_object_id, "newObjectId")?;
        let head = commits.iter().find(|commit| commit.commit_id.as_str() == after);
        let message = head.and_then(|commit| commit.comment.as_ref());
        all.push(Moved {
            repository: repository.clone(),
            reference: name(update.name.as_str(), "refUpdates.name")?,
            before: commit_id(&update.old_object_id, "oldObjectId")?,
            after,
            // Azure tells of a tag with a message alone where that is.
            commit: None,
            authors: authors(commits).but(&author),
            author: author.clone(),
            title: message.map_or("", Text::as_str).to_owned(),
            url: None,
            paths: Paths::Unknown,
            forced: false,
        });
    }
    Outcome::moved(all, push.push_id.map(|id| id.to_string()))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PullRequest<'a> {
    pull_request_id: u64,
    #[serde(borrow, default)]
    status: Option<Text<'a>>,
    #[serde(borrow, default)]
    title: Option<Text<'a>>,
    #[serde(borrow)]
    target_ref_name: Text<'a>,
    #[serde(borrow, default)]
    last_merge_source_commit: Option<Commit<'a>>,
    /// What the last merge made: once it is completed, what it was merged as.
    #[serde(borrow, default)]
    last_merge_commit: Option<Commit<'a>>,
    #[serde(borrow)]
    repository: Repository<'a>,
    #[serde(borrow, default)]
    created_by: Option<Identity<'a>>,
    #[serde(borrow, default)]
    reviewers: Option<Vec<Reviewer<'a>>>,
    /// There if it comes from a fork.
    #[serde(borrow, default)]
    fork_source: Option<&'a serde_json::value::RawValue>,
    #[serde(borrow, default)]
    closed_date: Option<Text<'a>>,
}

impl<'a> PullRequest<'a> {
    /// Before it is completed, a merge is only tried.
    fn merged_as(&self) -> Option<&Text<'a>> {
        let is_merged = self.status.as_ref().is_some_and(|status| status.as_str() == "completed");
        self.last_merge_commit.as_ref().filter(|_| is_merged).map(|commit| &commit.commit_id)
    }

    /// What is said once it is completed is said about what it was merged as.
    fn meant(&self) -> Result<Option<CommitSha>, Malformed> {
        Ok(match self.merged_as() {
            Some(commit) => Some(CommitSha(commit_id(commit, "lastMergeCommit.commitId")?)),
            None => self.head().ok().map(CommitSha),
        })
    }

    fn head(&self) -> Result<String, Malformed> {
        let commit = self.last_merge_source_commit.as_ref();
        let commit = commit.ok_or_else(|| Malformed::new("`lastMergeSourceCommit` is missing"))?;
        commit_id(&commit.commit_id, "lastMergeSourceCommit.commitId")
    }
}

fn proposed(kind: &str, body: &[u8]) -> Result<Outcome, Malformed> {
    let request: PullRequest<'_> = payload::object::<Told<_>>(body)?.resource;
    let status = request.status.as_ref().map_or("active", Text::as_str);
    let proposal = Proposal {
        repository: request.repository.full_name()?,
        number: request.pull_request_id,
        branch: short_branch(request.target_ref_name.as_str(), "targetRefName")?,
        commit: request.head()?,
        previous: None,
        author: person(request.created_by.as_ref()),
        // Who pushed to it is told of the push alone.
        authors: Vec::new(),
        title: request.title.as_ref().map_or("", Text::as_str).to_owned(),
        url: None,
        fork: request.fork_source.is_some(),
        updated_at: moment(request.closed_date.as_ref()),
    };
    // While it is open nothing tells when: but it can go to another branch.
    let at = match status {
        "active" => proposal.branch.clone(),
        _ => request.closed_date.as_ref().map_or("", Text::as_str).to_owned(),
    };
    let action = format!("{kind}/{}", plain(status));
    let standing = match (kind, status) {
        // A merge that was tried is no merge: the status says so.
        (_, "completed") => Standing::merged_as(request.merged_as(), "lastMergeCommit.commitId")?,
        (_, "abandoned") => Standing::given_up(),
        ("git.pullrequest.merged", _) => {
            let text = "a merge was tried and the pull request is still open";
            let key = proposal.key(&action, &at);
            return Ok(Outcome::kept("action_ignored", text).known_by(key));
        }
        _ => Standing::Open,
    };
    // A pull request that is taken up again is told just as a vote on it was before it was abandoned.
    let place = format!("pull_request/{}/{}", proposal.repository, proposal.number);
    Ok(Outcome::proposal(proposal, &action, &at, standing).turning(place))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Commented<'a> {
    #[serde(borrow)]
    comment: Comment<'a>,
    #[serde(borrow)]
    pull_request: PullRequest<'a>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Comment<'a> {
    id: u64,
    #[serde(borrow, default)]
    content: Option<Text<'a>>,
    #[serde(borrow)]
    author: Identity<'a>,
    #[serde(borrow, default)]
    published_date: Option<Text<'a>>,
    #[serde(borrow, default)]
    last_updated_date: Option<Text<'a>>,
}

fn commented(source: &Source, body: &[u8]) -> Result<Outcome, Malformed> {
    let Commented { comment, pull_request } = payload::object::<Told<_>>(body)?.resource;
    // A comment that is edited commands nothing: who approved must not be changed afterwards.
    let edited =
        comment.last_updated_date.is_some() && comment.last_updated_date != comment.published_date;
    if edited {
        let text = "nothing follows from a comment that was edited";
        return Ok(Outcome::kept("action_ignored", text));
    }
    let repository = pull_request.repository.full_name()?;
    let number = pull_request.pull_request_id;
    // Comments are numbered within their thread; together with their time they are told apart.
    let at = comment.published_date.as_ref().map_or("", Text::as_str);
    let id = format!("{number}/{}/{at}", comment.id);
    let place = Place {
        repository,
        pull_request: Some(number),
        commit: pull_request.meant()?,
        by: name(comment.author.unique_name.as_str(), "comment.author.uniqueName")?,
        url: None,
        at: moment(comment.published_date.as_ref()),
        vouched: false,
    };
    let text = comment.content.as_ref().map_or("", Text::as_str);
    Ok(Outcome::comment(source, &id, text, place))
}

#[cfg(test)]
mod tests;
