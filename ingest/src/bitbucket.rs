//! What Bitbucket Cloud says: pushes, pull requests and comments become events.
//!
//! It signs with SHA-256 in the header that GitHub uses for SHA-1, names no files, and cuts the
//! commits of pull requests short.

use contracts::change::{Command, Paths};
use serde::Deserialize;

use crate::{
    delivery::{Reading, Signed},
    forge::{
        Moved,
        authors::{Authors, address},
        commit_id,
        told::{self, Outcome},
    },
    payload::{self, Malformed, Text, name, plain},
    source::Source,
};

mod pull_request;

use pull_request::{commented, proposed, reviewed};

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

#[cfg(test)]
mod tests;
