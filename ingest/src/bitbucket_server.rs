//! What Bitbucket Data Center says: pushes, pull requests and comments become events.

use chrono::DateTime;
use contracts::{
    CommitSha,
    change::{Command, Paths},
};
use serde::Deserialize;

use crate::{
    comment::Place,
    delivery::{Reading, Signed},
    forge::{
        Moved, Proposal,
        authors::Authors,
        commit_id, is_tag, short_branch,
        told::{self, Outcome, Standing},
    },
    payload::{self, Malformed, Text, moment, name, plain},
    source::Source,
};

pub(crate) const EVENT: &str = "x-event-key";
pub(crate) const DELIVERY: &str = "x-request-id";
pub(crate) const PUSHED: &str = "repo:refs_changed";

#[derive(Deserialize)]
struct Named<'a> {
    #[serde(borrow, default, rename = "eventKey")]
    event_key: Option<Text<'a>>,
}

pub(crate) fn read(signed: &Signed<'_>) -> Result<Reading, Malformed> {
    let (kind, sender_id) = told::named(signed, EVENT, DELIVERY)?;
    let body = signed.body;
    // What is in the body counts: the header says the same, but no signature covers it.
    let named = payload::object::<Named<'_>>(body)?.event_key;
    let kind = named.map_or(kind, |named| plain(named.as_str()));
    let outcome = match kind.as_str() {
        PUSHED => pushed(body)?,
        "pr:opened"
        | "pr:from_ref_updated"
        | "pr:modified"
        | "pr:merged"
        | "pr:declined"
        | "pr:deleted" => proposed(&kind, body)?,
        "pr:comment:added" => commented(signed.source, body)?,
        "pr:reviewer:approved" => reviewed(signed.source, Command::Approve, body)?,
        "pr:reviewer:unapproved" => reviewed(signed.source, Command::Withdraw, body)?,
        "pr:reviewer:needs_work" | "pr:reviewer:changes_requested" => {
            reviewed(signed.source, Command::Reject, body)?
        }
        "diagnostics:ping" => Outcome::kept("ping", "the webhook works"),
        _ => Outcome::ignored("Bitbucket", &kind, body)?,
    };
    Ok(outcome.reading(signed, sender_id, kind))
}

#[derive(Deserialize)]
struct Actor<'a> {
    #[serde(borrow)]
    name: Text<'a>,
}

#[derive(Deserialize)]
struct Repository<'a> {
    #[serde(borrow)]
    slug: Text<'a>,
    #[serde(borrow)]
    project: Project<'a>,
}

#[derive(Deserialize)]
struct Project<'a> {
    #[serde(borrow)]
    key: Text<'a>,
}

impl Repository<'_> {
    fn full_name(&self) -> Result<String, Malformed> {
        let project = name(self.project.key.as_str(), "repository.project.key")?;
        Ok(format!("{project}/{}", name(self.slug.as_str(), "repository.slug")?))
    }
}

#[derive(Deserialize)]
struct Push<'a> {
    #[serde(borrow, default)]
    actor: Option<Actor<'a>>,
    #[serde(borrow)]
    repository: Repository<'a>,
    #[serde(borrow)]
    changes: Vec<Change<'a>>,
    /// The commit at the new head, where one ref moved; newer servers say so. Of a tag with a message,
    /// `toHash` is another object.
    #[serde(borrow, default, rename = "toCommit")]
    to_commit: Option<Commit<'a>>,
    /// The newest commits of the push; newer servers list them.
    #[serde(borrow, default)]
    commits: Option<Vec<Commit<'a>>>,
    /// When it was pushed.
    #[serde(borrow, default)]
    date: Option<Text<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Change<'a> {
    #[serde(borrow, rename = "ref")]
    reference: Ref<'a>,
    #[serde(borrow)]
    from_hash: Text<'a>,
    #[serde(borrow)]
    to_hash: Text<'a>,
}

#[derive(Deserialize)]
struct Ref<'a> {
    #[serde(borrow)]
    id: Text<'a>,
}

#[derive(Deserialize)]
struct Commit<'a> {
    #[serde(borrow)]
    id: Text<'a>,
    #[serde(borrow, default)]
    message: Option<Text<'a>>,
    #[serde(borrow, default)]
    author: Option<Writer<'a>>,
}

/// Who wrote a commit.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Writer<'a> {
    #[serde(borrow, default)]
    email_address: Option<Text<'a>>,
}

/// Who wrote the commits that are listed: by address.
fn authors(push: &Push<'_>) -> Authors {
    let mut authors = Authors::default();
    for commit in push.to_commit.iter().chain(push.commits.iter().flatten()) {
        let mail = commit.author.as_ref().and_then(|author| author.email_address.as_ref());
        authors.wrote(None, mail.map(Text::as_str));
        authors.together(commit.message.as_ref().map_or("", Text::as_str));
    }
    authors
}

fn pushed(body: &[u8]) -> Result<Outcome, Malformed> {
    let told: Push<'_> = payload::object(body)?;
    let repository = told.repository.full_name()?;
    let author = plain(told.actor.as_ref().map_or("unknown", |actor| actor.name.as_str()));
    let mut all = Vec::with_capacity(told.changes.len());
    for change in &told.changes {
        let after = commit_id(&change.to_hash, "toHash")?;
        let reference = name(change.reference.id.as_str(), "ref.id")?;
        let is_of_tag = told.changes.len() == 1 && is_tag(&reference);
        let is_head = |commit: &&Commit<'_>| is_of_tag || commit.id.as_str() == after;
        let head = told.to_commit.as_ref().filter(is_head);
        let message = head.and_then(|commit| commit.message.as_ref());
        all.push(Moved {
            repository: repository.clone(),
            reference,
            commit: head.map(|commit| commit_id(&commit.id, "toCommit.id")).transpose()?,
            before: commit_id(&change.from_hash, "fromHash")?,
            after,
            authors: authors(&told).but(&author),
            author: author.clone(),
            title: message.map_or("", Text::as_str).to_owned(),
            url: None,
            paths: Paths::Unknown,
            forced: false,
        });
    }
    Outcome::moved(all, told.date.as_ref().map(|date| plain(date.as_str())))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Told<'a> {
    #[serde(borrow, default)]
    actor: Option<Actor<'a>>,
    #[serde(borrow)]
    pull_request: PullRequest<'a>,
    #[serde(borrow, default)]
    previous_from_hash: Option<Text<'a>>,
    /// Where it went before it was modified.
    #[serde(borrow, default)]
    previous_target: Option<Ref<'a>>,
    #[serde(borrow, default)]
    comment: Option<Comment<'a>>,
    /// Who reviewed.
    #[serde(borrow, default)]
    participant: Option<Participant<'a>>,
    /// When it happened.
    #[serde(borrow, default)]
    date: Option<Text<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PullRequest<'a> {
    id: u64,
    #[serde(borrow, default)]
    author: Option<Participant<'a>>,
    #[serde(borrow, default)]
    title: Option<Text<'a>>,
    #[serde(borrow)]
    from_ref: Side<'a>,
    #[serde(borrow)]
    to_ref: Side<'a>,
    #[serde(default)]
    updated_date: Option<i64>,
    #[serde(borrow, default)]
    links: Option<Links<'a>>,
    #[serde(borrow, default)]
    properties: Option<Properties<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Properties<'a> {
    /// There once it is merged.
    #[serde(borrow, default)]
    merge_commit: Option<Commit<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Participant<'a> {
    #[serde(borrow)]
    user: Actor<'a>,
    /// What they had before them.
    #[serde(borrow, default)]
    last_reviewed_commit: Option<Text<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Side<'a> {
    #[serde(borrow)]
    id: Text<'a>,
    #[serde(borrow)]
    latest_commit: Text<'a>,
    #[serde(borrow)]
    repository: Repository<'a>,
}

#[derive(Deserialize)]
struct Links<'a> {
    #[serde(borrow, default, rename = "self")]
    own: Option<Vec<Link<'a>>>,
}

#[derive(Deserialize)]
struct Link<'a> {
    #[serde(borrow)]
    href: Text<'a>,
}

#[derive(Deserialize)]
struct Comment<'a> {
    id: u64,
    #[serde(borrow)]
    text: Text<'a>,
    /// In milliseconds of the epoch.
    #[serde(default, rename = "createdDate")]
    created_date: Option<i64>,
}

impl<'a> PullRequest<'a> {
    fn merged_as(&self) -> Option<&Text<'a>> {
        Some(&self.properties.as_ref()?.merge_commit.as_ref()?.id)
    }

    fn page(&self) -> Option<String> {
        Some(plain(self.links.as_ref()?.own.as_ref()?.first()?.href.as_str()))
    }
}

fn proposed(kind: &str, body: &[u8]) -> Result<Outcome, Malformed> {
    let told: Told<'_> = payload::object(body)?;
    let request = &told.pull_request;
    let repository = request.to_ref.repository.full_name()?;
    let previous = told.previous_from_hash.as_ref();
    let actor = told.actor.as_ref().map(|actor| actor.name.as_str());
    let author = request.author.as_ref().map(|author| author.user.name.as_str());
    let author = plain(author.or(actor).unwrap_or("unknown"));
    // Whoever brought a new head wrote something of it.
    let mut authors = Authors::default();
    if kind == "pr:from_ref_updated" && actor.is_some() {
        authors.wrote(actor, None);
    }
    let proposal = Proposal {
        fork: request.from_ref.repository.full_name()? != repository,
        repository,
        number: request.id,
        branch: short_branch(request.to_ref.id.as_str(), "toRef.id")?,
        commit: commit_id(&request.from_ref.latest_commit, "fromRef.latestCommit")?,
        previous: previous.map(|hash| commit_id(hash, "previousFromHash")).transpose()?,
        authors: authors.but(&author),
        author,
        title: request.title.as_ref().map_or("", Text::as_str).to_owned(),
        url: request.page(),
        updated_at: request.updated_date.and_then(DateTime::from_timestamp_millis),
    };
    let at = request.updated_date.map(|at| at.to_string()).unwrap_or_default();
    let is_moved = told.previous_target.as_ref().is_some_and(|old| old.id != request.to_ref.id);
    let at = match kind {
        "pr:modified" if is_moved => format!("{at}/{}", proposal.branch),
        "pr:modified" => {
            let text = "nothing follows from another title or description";
            return Ok(Outcome::kept("action_ignored", text));
        }
        _ => at,
    };
    let standing = match kind {
        "pr:merged" => Standing::merged_as(request.merged_as(), "properties.mergeCommit.id")?,
        "pr:declined" | "pr:deleted" => Standing::given_up(),
        _ => Standing::Open,
    };
    Ok(Outcome::proposal(proposal, kind, &at, standing))
}

/// A review is about the commit that whoever gives it has seen, which may not be the head any more.
/// Once it is merged, it is about what it was merged as.
fn reviewed(source: &Source, command: Command, body: &[u8]) -> Result<Outcome, Malformed> {
    let told: Told<'_> = payload::object(body)?;
    let participant = told.participant.as_ref();
    let participant = participant.ok_or_else(|| Malformed::new("`participant` is missing"))?;
    let request = &told.pull_request;
    let seen = participant.last_reviewed_commit.as_ref();
    let commit = request.merged_as().or(seen).unwrap_or(&request.from_ref.latest_commit);
    let place = Place {
        repository: request.to_ref.repository.full_name()?,
        pull_request: Some(request.id),
        commit: Some(CommitSha(commit_id(commit, "participant.lastReviewedCommit")?)),
        by: name(participant.user.name.as_str(), "participant.user.name")?,
        url: request.page(),
        at: moment(told.date.as_ref()),
        vouched: false,
    };
    let at = told.date.as_ref().map(|date| plain(date.as_str()));
    Ok(Outcome::review(source, command, at, place))
}

fn commented(source: &Source, body: &[u8]) -> Result<Outcome, Malformed> {
    let told: Told<'_> = payload::object(body)?;
    let missing = |what: &str| Malformed(format!("`{what}` is missing"));
    let comment = told.comment.as_ref().ok_or_else(|| missing("comment"))?;
    let actor = told.actor.as_ref().ok_or_else(|| missing("actor"))?;
    let request = &told.pull_request;
    let repository = request.to_ref.repository.full_name()?;
    // What is said once it is merged is said about what it was merged as.
    let commit = request.merged_as().unwrap_or(&request.from_ref.latest_commit);
    let commit = commit_id(commit, "fromRef.latestCommit")?;
    let place = Place {
        repository,
        pull_request: Some(request.id),
        commit: Some(CommitSha(commit)),
        by: name(actor.name.as_str(), "actor.name")?,
        url: request.page(),
        at: comment.created_date.and_then(DateTime::from_timestamp_millis),
        vouched: false,
    };
    Ok(Outcome::comment(source, &comment.id.to_string(), comment.text.as_str(), place))
}

#[cfg(test)]
mod tests;
