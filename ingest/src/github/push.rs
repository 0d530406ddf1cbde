//! `push`: a branch or tag has a new head, is new or is gone.

use contracts::change::Paths;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Account, Read, merge_group::QUEUE};
use crate::{
    delivery::Verdict,
    forge::{self, Moved, authors::Authors, commit_id, is_tag},
    payload::{self, Malformed, Text, name, plain},
};

/// GitHub lists at most this many commits; a list of this length may have been cut off.
const COMMITS_MAX: usize = 2048;

#[derive(Deserialize)]
struct Push<'a> {
    #[serde(borrow, rename = "ref")]
    reference: Text<'a>,
    #[serde(borrow)]
    before: Text<'a>,
    #[serde(borrow)]
    after: Text<'a>,
    #[serde(default)]
    forced: bool,
    #[serde(borrow, default)]
    compare: Option<Text<'a>>,
    #[serde(borrow, default)]
    commits: Option<Vec<Commit<'a>>>,
    #[serde(borrow, default)]
    head_commit: Option<HeadCommit<'a>>,
    #[serde(default)]
    size: Option<u64>,
    #[serde(default)]
    distinct_size: Option<u64>,
    #[serde(borrow)]
    repository: Repository<'a>,
    #[serde(borrow, default)]
    pusher: Option<Pusher<'a>>,
    #[serde(borrow, default)]
    sender: Option<Account<'a>>,
}

#[derive(Deserialize)]
struct Repository<'a> {
    #[serde(borrow)]
    full_name: Text<'a>,
    #[serde(borrow, default)]
    pushed_at: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Pusher<'a> {
    #[serde(borrow, default)]
    name: Option<Text<'a>>,
}

/// Who wrote a commit; the login is there if GitHub knows whose the address is.
#[derive(Deserialize)]
struct Writer<'a> {
    #[serde(borrow, default)]
    username: Option<Text<'a>>,
    #[serde(borrow, default)]
    email: Option<Text<'a>>,
}

#[derive(Deserialize)]
struct HeadCommit<'a> {
    #[serde(borrow, default)]
    id: Option<Text<'a>>,
    #[serde(borrow, default)]
    author: Option<Writer<'a>>,
    #[serde(borrow, default)]
    message: Option<Text<'a>>,
    #[serde(borrow, default)]
    url: Option<Text<'a>>,
}

#[derive(Deserialize)]
struct Commit<'a> {
    #[serde(borrow, default)]
    id: Option<Text<'a>>,
    #[serde(borrow, default)]
    author: Option<Writer<'a>>,
    #[serde(borrow, default)]
    message: Option<Text<'a>>,
    #[serde(borrow, default)]
    added: Option<Vec<Text<'a>>>,
    #[serde(borrow, default)]
    modified: Option<Vec<Text<'a>>>,
    #[serde(borrow, default)]
    removed: Option<Vec<Text<'a>>>,
}

pub(super) fn read(body: &[u8]) -> Result<Read, Malformed> {
    let push: Push<'_> = payload::object(body)?;
    let author = author(&push);
    let message = push.head_commit.as_ref().and_then(|commit| commit.message.as_ref());
    let mut moved = Moved {
        repository: name(push.repository.full_name.as_str(), "repository.full_name")?,
        reference: name(push.reference.as_str(), "ref")?,
        before: commit_id(&push.before, "before")?,
        after: commit_id(&push.after, "after")?,
        commit: None,
        authors: authors(&push).but(&author),
        author,
        title: message.map_or("", Text::as_str).to_owned(),
        url: url(&push),
        paths: paths(&push),
        forced: push.forced,
    };
    if is_tag(&moved.reference) {
        moved.commit = tagged(&push)?;
    }
    let key = content_key(&push, &moved);
    let branch = moved.reference.strip_prefix("refs/heads/").unwrap_or_default();
    let verdict = match branch.starts_with(QUEUE) {
        // A word about this commit would reach the queue before what its plans come to.
        true => {
            let reference = &moved.reference;
            let text = format!("`{reference}` is a merge queue's, of which `merge_group` tells");
            Verdict::kept("ref_ignored", text)
        }
        false => forge::moved(vec![moved])?,
    };
    Ok(("push".to_owned(), Some(key), verdict))
}

/// The commit of a tag: of one with a message, the head that is named is that of the message.
fn tagged(push: &Push<'_>) -> Result<Option<String>, Malformed> {
    let id = push.head_commit.as_ref().and_then(|commit| commit.id.as_ref());
    id.map(|id| commit_id(id, "head_commit.id")).transpose()
}

/// What two webhooks that report one push agree on, and the second in which it was pushed, where GitHub
/// says so: a branch that is set back and then pushed forward again makes the same move twice, and both
/// times it has to be delivered.
fn content_key(push: &Push<'_>, moved: &Moved) -> String {
    let pushed_at = push.repository.pushed_at.map_or("", RawValue::get);
    format!("{}/{pushed_at}", moved.key())
}

/// Which files the push touches, if the payload surely names them all.
fn paths(push: &Push<'_>) -> Paths {
    let known = (!push.forced).then(|| whole_list(push)).flatten().and_then(touched);
    known.map_or(Paths::Unknown, forge::paths)
}

/// The commits, if none can be missing. A forced push never has a whole list: from the old head
/// to the new one there is no way through commits.
fn whole_list<'p, 'a>(push: &'p Push<'a>) -> Option<&'p [Commit<'a>]> {
    let commits = push.commits.as_deref()?;
    let stated = push.size.max(push.distinct_size).unwrap_or(0);
    let has_head = commits.iter().any(|commit| commit.id.as_ref() == Some(&push.after));
    let whole = has_head && commits.len() < COMMITS_MAX && stated <= commits.len() as u64;
    whole.then_some(commits)
}

fn touched<'p>(commits: &'p [Commit<'_>]) -> Option<Vec<&'p str>> {
    let mut paths = Vec::new();
    for commit in commits {
        for list in [&commit.added, &commit.modified, &commit.removed] {
            paths.extend(list.as_ref()?.iter().map(Text::as_str));
        }
    }
    Some(paths)
}

fn author(push: &Push<'_>) -> String {
    let sender = push.sender.as_ref().map(|sender| &sender.login);
    let pusher = push.pusher.as_ref().and_then(|pusher| pusher.name.as_ref());
    plain(sender.or(pusher).map_or("unknown", Text::as_str))
}

/// Who wrote the commits that are listed, and the head.
fn authors(push: &Push<'_>) -> Authors {
    let commits = push.commits.iter().flatten().map(|one| (&one.author, &one.message));
    let head = push.head_commit.iter().map(|head| (&head.author, &head.message));
    let mut authors = Authors::default();
    for (writer, message) in commits.chain(head) {
        if let Some(Writer { username, email }) = writer {
            let (login, mail) = (username.as_ref(), email.as_ref());
            authors.wrote(login.map(Text::as_str), mail.map(Text::as_str));
        }
        authors.together(message.as_ref().map_or("", Text::as_str));
    }
    authors
}

fn url(push: &Push<'_>) -> Option<String> {
    let head = push.head_commit.as_ref().and_then(|commit| commit.url.as_ref());
    head.or(push.compare.as_ref()).map(|url| plain(url.as_str()))
}
