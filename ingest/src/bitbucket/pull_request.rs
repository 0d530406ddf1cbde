//! What happened at a pull request: it was proposed, ended, reviewed or talked about.

use contracts::{CommitSha, change::Command};
use serde::Deserialize;

use super::{Actor, Links, Repository, person};
use crate::{
    comment::Place,
    forge::{
        Proposal,
        authors::Authors,
        short_commit_id,
        told::{Outcome, Standing},
    },
    payload::{self, Malformed, Text, moment, name, plain},
    source::Source,
};

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
    #[serde(borrow, default)]
    state: Option<Text<'a>>,
    /// What everybody's word is, once it was given or taken back.
    #[serde(borrow, default)]
    participants: Option<Vec<Participant<'a>>>,
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
struct Participant<'a> {
    #[serde(borrow, default)]
    user: Option<Actor<'a>>,
    /// `approved`, `changes_requested` or nothing.
    #[serde(borrow, default)]
    state: Option<Text<'a>>,
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

pub(super) fn proposed(source: &Source, kind: &str, body: &[u8]) -> Result<Outcome, Malformed> {
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
    let (word, standing) = standing(kind, request)?;
    Ok(Outcome::proposal(proposal, word, at, standing))
}

/// How a pull request stands, and the word for it: by the body, which is signed, and by the header only
/// where the body does not say.
fn standing(kind: &str, request: &PullRequest<'_>) -> Result<(&'static str, Standing), Malformed> {
    let state = match (request.state.as_ref().map(Text::as_str), kind) {
        (Some(state @ ("OPEN" | "MERGED" | "DECLINED" | "SUPERSEDED")), _) => state,
        (_, "pullrequest:fulfilled") => "MERGED",
        (_, "pullrequest:rejected") => "DECLINED",
        _ => "OPEN",
    };
    Ok(match state {
        "OPEN" => ("open", Standing::Open),
        "MERGED" => {
            let commit = request.merge_commit.as_ref().map(|commit| &commit.hash);
            ("merged", Standing::merged_as(commit, "pullrequest.merge_commit.hash")?)
        }
        _ => ("declined", Standing::given_up()),
    })
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

/// A word that is taken back tells when it was said, and not when it was taken back. The header says
/// which word it is and the body alone is signed, so the body must not say otherwise.
pub(super) fn reviewed(
    source: &Source,
    command: Command,
    body: &[u8],
) -> Result<Outcome, Malformed> {
    let told: Told<'_> = payload::object(body)?;
    let (approval, against) = (told.approval.as_ref(), told.changes_request.as_ref());
    let said = match command {
        Command::Approve => approval,
        Command::Reject => against,
        _ => approval.or(against),
    };
    let said = said.ok_or_else(|| Malformed::new("the body has no review as the header says"))?;
    let by = person(source, said.user.as_ref().or(told.actor.as_ref()));
    if !fits(source, command, (&told.pullrequest, &by)) {
        let text =
            format!("the header says what {by} said, and the body, which is signed, does not");
        return Ok(Outcome::kept("action_ignored", text));
    }
    let date = said.date.as_ref();
    let place =
        Place { by, at: moment(date.filter(|_| command != Command::Withdraw)), ..place(&told)? };
    let at = date.map(|date| plain(date.as_str()));
    Ok(Outcome::review(source, command, at, place))
}

/// Whether somebody's word is the one that was said, where the body lists the words.
fn fits(source: &Source, command: Command, (request, by): (&PullRequest<'_>, &str)) -> bool {
    let Some(participants) = &request.participants else { return true };
    let is_theirs = |one: &&Participant<'_>| person(source, one.user.as_ref()) == by;
    let word = participants.iter().find(is_theirs).and_then(|one| one.state.as_ref());
    word.map(Text::as_str)
        == match command {
            Command::Approve => Some("approved"),
            Command::Reject => Some("changes_requested"),
            _ => None,
        }
}

pub(super) fn commented(source: &Source, body: &[u8]) -> Result<Outcome, Malformed> {
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
