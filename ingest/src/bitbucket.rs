//! What Bitbucket Cloud says: pushes, pull requests and comments become events.
//!
//! It signs with SHA-256 in the header that GitHub uses for SHA-1, names no files, and cuts the
//! commits of pull requests short.

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
        authors::{Authors, address},
        commit_id, short_commit_id,
        told::{self, Outcome, Standing},
    },
    payload::{self, Malformed, Text, moment, name, plain},
    source::Source,
};

/// HMAC-SHA256 of the body.
pub(crate) const SIGNATURE: &str = "x-hub-signature";
pub(crate) const EVENT: &str = "x-event-key";
pub(crate) const DELIVERY: &str = "x-request-uuid";
/// As Git writes that there is no commit.
const NOTHING: &str = "0000000000000000000000000000000000000000";

pub(crate) fn read(signed: &Signed<'_>) -> Result<Reading, Malformed> {
    let (kind, sender_id) = told::named(signed, EVENT, DELIVERY)?;
    let (source, body) = (signed.source, signed.body);
    let outcome = match kind.as_str() {
        "repo:push" => pushed(source, body)?,
        "pullrequest:comment_created" => commented(source, body)?,
        "pullrequest:approved" => reviewed(source, Command::Approve, body)?,
        "pullrequest:changes_request_created" => reviewed(source, Command::Reject, body)?,
        "pullrequest:unapproved" | "pullrequest:changes_request_removed" => {
            reviewed(source, Command::Withdraw, body)?
        }
        "pullrequest:created"
        | "pullrequest:updated"
        | "pullrequest:fulfilled"
        | "pullrequest:rejected" => proposed(source, &kind, body)?,
        _ => Outcome::ignored("Bitbucket", &kind, body)?,
    };
    Ok(outcome.reading(signed, sender_id, kind))
}

#[derive(Deserialize)]
struct Push<'a> {
    #[serde(borrow, default)]
    actor: Option<Actor<'a>>,
    #[serde(borrow)]
    repository: Repository<'a>,
    #[serde(borrow)]
    push: Changes<'a>,
}

#[derive(Deserialize)]
struct Actor<'a> {
    #[serde(borrow, default)]
    account_id: Option<Text<'a>>,
    #[serde(borrow, default)]
    uuid: Option<Text<'a>>,
}

#[derive(Deserialize)]
struct Repository<'a> {
    #[serde(borrow)]
    full_name: Text<'a>,
}

#[derive(Deserialize)]
struct Changes<'a> {
    #[serde(borrow)]
    changes: Vec<Change<'a>>,
}

#[derive(Deserialize)]
struct Change<'a> {
    #[serde(borrow, default)]
    new: Option<Ref<'a>>,
    #[serde(borrow, default)]
    old: Option<Ref<'a>>,
    #[serde(default)]
    forced: bool,
    /// Five at most.
    #[serde(borrow, default)]
    commits: Option<Vec<Target<'a>>>,
}

#[derive(Deserialize)]
struct Ref<'a> {
    #[serde(borrow, rename = "type")]
    kind: Text<'a>,
    #[serde(borrow)]
    name: Text<'a>,
    #[serde(borrow)]
    target: Target<'a>,
}

#[derive(Deserialize)]
struct Target<'a> {
    #[serde(borrow)]
    hash: Text<'a>,
    #[serde(borrow, default)]
    message: Option<Text<'a>>,
    #[serde(borrow, default)]
    author: Option<Writer<'a>>,
    #[serde(borrow, default)]
    links: Option<Links<'a>>,
}

/// Who wrote a commit: an account, where Bitbucket knows whose the address is.
#[derive(Deserialize)]
struct Writer<'a> {
    #[serde(borrow, default)]
    raw: Option<Text<'a>>,
    #[serde(borrow, default)]
    user: Option<Actor<'a>>,
}

#[derive(Deserialize)]
struct Links<'a> {
    #[serde(borrow, default)]
    html: Option<Link<'a>>,
}

#[derive(Deserialize)]
struct Link<'a> {
    #[serde(borrow)]
    href: Text<'a>,
}

impl Links<'_> {
    fn page(links: Option<&Self>) -> Option<String> {
        Some(plain(links?.html.as_ref()?.href.as_str()))
    }
}

/// Nicknames can be changed by who bears them, so nobody is known by theirs.
fn person(source: &Source, actor: Option<&Actor<'_>>) -> String {
    let id = actor.and_then(|actor| actor.account_id.as_ref().or(actor.uuid.as_ref()));
    id.map_or_else(|| "unknown".to_owned(), |id| source.person(&plain(id.as_str())))
}

/// Who wrote these commits.
fn authors<'t, 'a: 't>(source: &Source, commits: impl Iterator<Item = &'t Target<'a>>) -> Authors {
    let mut authors = Authors::default();
    for commit in commits {
        if let Some(Writer { raw, user }) = &commit.author {
            let is_known = |user: &&Actor<'_>| user.account_id.is_some() || user.uuid.is_some();
            let login = user.as_ref().filter(is_known).map(|user| person(source, Some(user)));
            let mail = raw.as_ref().map(|raw| address(raw.as_str()));
            authors.wrote(login.as_deref(), mail);
        }
        authors.together(commit.message.as_ref().map_or("", Text::as_str));
    }
    authors
}

fn pushed(source: &Source, body: &[u8]) -> Result<Outcome, Malformed> {
    let told: Push<'_> = payload::object(body)?;
    let repository = name(told.repository.full_name.as_str(), "repository.full_name")?;
    let author = person(source, told.actor.as_ref());
    let mut all = Vec::with_capacity(told.push.changes.len());
    for change in &told.push.changes {
        let named = change.new.as_ref().or(change.old.as_ref());
        let named = named.ok_or_else(|| Malformed::new("a change has neither `new` nor `old`"))?;
        let folder = if named.kind.as_str() == "tag" { "tags" } else { "heads" };
        let hash = |side: &Option<Ref<'_>>, what| match side {
            Some(side) => commit_id(&side.target.hash, what),
            None => Ok(NOTHING.to_owned()),
        };
        let target = change.new.as_ref().map(|new| &new.target);
        let message = target.and_then(|target| target.message.as_ref());
        all.push(Moved {
            repository: repository.clone(),
            reference: format!("refs/{folder}/{}", name(named.name.as_str(), "name")?),
            before: hash(&change.old, "old.target.hash")?,
            after: hash(&change.new, "new.target.hash")?,
            commit: None,
            authors: authors(source, target.into_iter().chain(change.commits.iter().flatten()))
                .but(&author),
            author: author.clone(),
            title: message.map_or("", Text::as_str).to_owned(),
            url: target.and_then(|target| Links::page(target.links.as_ref())),
            paths: Paths::Unknown,
            forced: change.forced,
        });
    }
    // When it was pushed is not told.
    Outcome::moved(all, None)
}

#[derive(Deserialize)]
struct Told<'a> {
    #[serde(borrow, default)]
    actor: Option<Actor<'a>>,
    #[serde(borrow)]
    repository: Repository<'a>,
    #[serde(borrow)]
    pullrequest: PullRequest<'a>,
    #[serde(borrow, default)]
    comment: Option<Comment<'a>>,
    #[serde(borrow, default)]
    approval: Option<Approval<'a>>,
    #[serde(borrow, default)]
    changes_request: Option<Approval<'a>>,
}

/// A review, also one that asks for changes or is taken back.
#[derive(Deserialize)]
struct Approval<'a> {
    #[serde(borrow, default)]
    date: Option<Text<'a>>,
    #[serde(borrow, default)]
    user: Option<Actor<'a>>,
}

#[derive(Deserialize)]
struct PullRequest<'a> {
    id: u64,
    #[serde(borrow, default)]
    author: Option<Actor<'a>>,
    #[serde(borrow, default)]
    title: Option<Text<'a>>,
    #[serde(borrow)]
    source: Side<'a>,
    #[serde(borrow)]
    destination: Side<'a>,
    #[serde(borrow, default)]
    links: Option<Links<'a>>,
    #[serde(borrow, default)]
    updated_on: Option<Text<'a>>,
    /// There once it is merged; cut short.
    #[serde(borrow, default)]
    merge_commit: Option<Commit<'a>>,
}

#[derive(Deserialize)]
struct Side<'a> {
    #[serde(borrow)]
    branch: Branch<'a>,
    #[serde(borrow, default)]
    commit: Option<Commit<'a>>,
    /// Absent when the fork was deleted.
    #[serde(borrow, default)]
    repository: Option<Repository<'a>>,
}

#[derive(Deserialize)]
struct Branch<'a> {
    #[serde(borrow)]
    name: Text<'a>,
}

#[derive(Deserialize)]
struct Commit<'a> {
    #[serde(borrow)]
    hash: Text<'a>,
}

#[derive(Deserialize)]
struct Comment<'a> {
    id: u64,
    #[serde(borrow)]
    content: Content<'a>,
    #[serde(borrow, default)]
    created_on: Option<Text<'a>>,
    #[serde(borrow, default)]
    links: Option<Links<'a>>,
}

#[derive(Deserialize)]
struct Content<'a> {
    #[serde(borrow)]
    raw: Text<'a>,
}

fn proposed(source: &Source, kind: &str, body: &[u8]) -> Result<Outcome, Malformed> {
    let told: Told<'_> = payload::object(body)?;
    let request = &told.pullrequest;
    let commit = request.source.commit.as_ref();
    let commit = commit.ok_or_else(|| Malformed::new("`pullrequest.source.commit` is missing"))?;
    let head = request.source.repository.as_ref().map(|head| &head.full_name);
    let (actor, author) = (told.actor.as_ref(), request.author.as_ref());
    let author = person(source, author.or(actor));
    // An update may be a new head, and whoever brought it wrote something of it.
    let mut authors = Authors::default();
    if kind == "pullrequest:updated" && actor.is_some() {
        authors.wrote(Some(&person(source, actor)), None);
    }
    let proposal = Proposal {
        repository: name(told.repository.full_name.as_str(), "repository.full_name")?,
        number: request.id,
        branch: name(request.destination.branch.name.as_str(), "destination.branch.name")?,
        commit: short_commit_id(&commit.hash, "pullrequest.source.commit.hash")?,
        previous: None,
        authors: authors.but(&author),
        author,
        title: request.title.as_ref().map_or("", Text::as_str).to_owned(),
        url: Links::page(request.links.as_ref()),
        fork: head.is_none_or(|head| {
            !head.as_str().eq_ignore_ascii_case(told.repository.full_name.as_str())
        }),
        updated_at: moment(request.updated_on.as_ref()),
    };
    let at = request.updated_on.as_ref().map_or("", Text::as_str);
    let standing = match kind {
        "pullrequest:fulfilled" => {
            let commit = request.merge_commit.as_ref().map(|commit| &commit.hash);
            Standing::merged_as(commit, "pullrequest.merge_commit.hash")?
        }
        "pullrequest:rejected" => Standing::given_up(),
        _ => Standing::Open,
    };
    Ok(Outcome::proposal(proposal, kind, at, standing))
}

/// The pull request, and the commit that is meant there: what is said once it is merged is said about
/// what it was merged as. Bitbucket vouches for nobody.
fn place(told: &Told<'_>) -> Result<Place, Malformed> {
    let merged_as = told.pullrequest.merge_commit.as_ref();
    let commit = merged_as.or(told.pullrequest.source.commit.as_ref());
    let commit = commit.map(|commit| short_commit_id(&commit.hash, "source.commit.hash"));
    Ok(Place {
        repository: name(told.repository.full_name.as_str(), "repository.full_name")?,
        pull_request: Some(told.pullrequest.id),
        commit: commit.transpose()?.map(CommitSha),
        by: String::new(),
        url: Links::page(told.pullrequest.links.as_ref()),
        at: None,
        vouched: false,
    })
}

/// A word that is taken back tells when it was said, and not when it was taken back.
fn reviewed(source: &Source, command: Command, body: &[u8]) -> Result<Outcome, Malformed> {
    let told: Told<'_> = payload::object(body)?;
    let approval = told.approval.as_ref().or(told.changes_request.as_ref());
    let date = approval.and_then(|approval| approval.date.as_ref());
    let place = Place {
        by: person(source, approval.and_then(|said| said.user.as_ref()).or(told.actor.as_ref())),
        at: moment(date.filter(|_| command != Command::Withdraw)),
        ..place(&told)?
    };
    let at = date.map(|date| plain(date.as_str()));
    Ok(Outcome::review(source, command, at, place))
}

fn commented(source: &Source, body: &[u8]) -> Result<Outcome, Malformed> {
    let told: Told<'_> = payload::object(body)?;
    let comment = told.comment.as_ref();
    let comment = comment.ok_or_else(|| Malformed::new("`comment` is missing"))?;
    let place = Place {
        by: person(source, told.actor.as_ref()),
        url: Links::page(comment.links.as_ref()),
        at: moment(comment.created_on.as_ref()),
        ..place(&told)?
    };
    let text = comment.content.raw.as_str();
    Ok(Outcome::comment(source, &comment.id.to_string(), text, place))
}

#[cfg(test)]
mod tests;
