//! `push` and `tag_push`: a branch or tag has a new head, is new or is gone.

use contracts::change::Paths;
use serde::Deserialize;

use super::{Project, Read};
use crate::{
    delivery::Turn,
    forge::{self, Moved, authors::Authors, commit_id, is_tag},
    payload::{self, Malformed, Text, name, plain},
};

#[derive(Deserialize)]
struct Push<'a> {
    #[serde(borrow, rename = "ref")]
    reference: Text<'a>,
    #[serde(borrow)]
    before: Text<'a>,
    #[serde(borrow)]
    after: Text<'a>,
    /// The commit at the new head; of a tag with a message, that is another object.
    #[serde(borrow, default)]
    checkout_sha: Option<Text<'a>>,
    #[serde(borrow, default)]
    user_username: Option<Text<'a>>,
    #[serde(borrow)]
    project: Project<'a>,
    #[serde(borrow, default)]
    commits: Option<Vec<Commit<'a>>>,
    #[serde(default)]
    total_commits_count: Option<u64>,
}

/// GitLab names nobody's login here.
#[derive(Deserialize)]
struct Writer<'a> {
    #[serde(borrow, default)]
    email: Option<Text<'a>>,
}

#[derive(Deserialize)]
struct Commit<'a> {
    #[serde(borrow)]
    id: Text<'a>,
    #[serde(borrow, default)]
    author: Option<Writer<'a>>,
    #[serde(borrow, default)]
    message: Option<Text<'a>>,
    #[serde(borrow, default)]
    title: Option<Text<'a>>,
    #[serde(borrow, default)]
    url: Option<Text<'a>>,
    #[serde(borrow, default)]
    added: Option<Vec<Text<'a>>>,
    #[serde(borrow, default)]
    modified: Option<Vec<Text<'a>>>,
    #[serde(borrow, default)]
    removed: Option<Vec<Text<'a>>>,
}

pub(super) fn read(kind: &str, body: &[u8]) -> Result<(Read, Vec<Turn>), Malformed> {
    let push: Push<'_> = payload::object(body)?;
    let commits = push.commits.as_deref().unwrap_or_default();
    let reference = name(push.reference.as_str(), "ref")?;
    let tagged = push.checkout_sha.as_ref().filter(|_| is_tag(&reference));
    let at = tagged.unwrap_or(&push.after);
    let head = commits.iter().find(|commit| commit.id == *at);
    let title = head.and_then(|commit| commit.title.as_ref()).map_or("", Text::as_str);
    let author = plain(push.user_username.as_ref().map_or("unknown", Text::as_str));
    let moved = Moved {
        repository: name(push.project.path_with_namespace.as_str(), "project.path_with_namespace")?,
        reference,
        before: commit_id(&push.before, "before")?,
        after: commit_id(&push.after, "after")?,
        commit: tagged.map(|commit| commit_id(commit, "checkout_sha")).transpose()?,
        authors: authors(commits).but(&author),
        author,
        title: title.to_owned(),
        url: head.and_then(|commit| commit.url.as_ref()).map(|url| plain(url.as_str())),
        paths: paths(&push, commits),
        // GitLab does not say; that the old head is gone shows when the code is looked at.
        forced: false,
    };
    // When it was pushed is not told.
    let (key, turns) = (moved.key(), vec![moved.turn()]);
    Ok(((kind.to_owned(), Some(key), forge::moved(vec![moved])?, None), turns))
}

/// Who wrote the commits that are listed.
fn authors(commits: &[Commit<'_>]) -> Authors {
    let mut authors = Authors::default();
    for commit in commits {
        let mail = commit.author.as_ref().and_then(|author| author.email.as_ref());
        authors.wrote(None, mail.map(Text::as_str));
        authors.together(commit.message.as_ref().map_or("", Text::as_str));
    }
    authors
}

/// Which files the push touches, if the payload surely names them all: GitLab lists twenty commits
/// at most and says how many there are.
fn paths(push: &Push<'_>, commits: &[Commit<'_>]) -> Paths {
    let stated = push.total_commits_count.unwrap_or(u64::MAX);
    let whole = commits.len() as u64 == stated && commits.iter().any(|one| one.id == push.after);
    if !whole {
        return Paths::Unknown;
    }
    let mut paths = Vec::new();
    for commit in commits {
        for list in [&commit.added, &commit.modified, &commit.removed] {
            let Some(list) = list else { return Paths::Unknown };
            paths.extend(list.iter().map(Text::as_str));
        }
    }
    forge::paths(paths)
}
