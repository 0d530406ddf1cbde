//! `note`: what people say at a merge request, and whether they command.

use contracts::CommitSha;
use serde::Deserialize;

use super::{Project, Read, User};
use crate::{
    comment::{self, Place},
    delivery::Verdict,
    forge::commit_id,
    payload::{self, Malformed, Text, moment, name, plain},
    source::Source,
};

#[derive(Deserialize)]
struct Told<'a> {
    #[serde(borrow)]
    user: User<'a>,
    #[serde(borrow)]
    project: Project<'a>,
    #[serde(borrow)]
    object_attributes: Note<'a>,
    #[serde(borrow, default)]
    merge_request: Option<MergeRequest<'a>>,
}

#[derive(Deserialize)]
struct Note<'a> {
    id: u64,
    #[serde(borrow)]
    note: Text<'a>,
    #[serde(borrow, default)]
    action: Option<Text<'a>>,
    #[serde(default)]
    system: bool,
    #[serde(borrow, default)]
    url: Option<Text<'a>>,
    #[serde(borrow, default)]
    created_at: Option<Text<'a>>,
}

#[derive(Deserialize)]
struct MergeRequest<'a> {
    iid: u64,
    #[serde(borrow, default)]
    last_commit: Option<Commit<'a>>,
    #[serde(borrow, default)]
    merge_commit_sha: Option<Text<'a>>,
}

#[derive(Deserialize)]
struct Commit<'a> {
    #[serde(borrow)]
    id: Text<'a>,
}

pub(super) fn read(source: &Source, body: &[u8]) -> Result<Read, Malformed> {
    let told: Told<'_> = payload::object(body)?;
    let note = &told.object_attributes;
    // A comment that is edited commands nothing: who approved must not be changed afterwards.
    let action = note.action.as_ref().map_or("create", Text::as_str);
    let kind = format!("note.{}", plain(action));
    if action != "create" || note.system {
        let text = "nothing follows from a comment that was edited or that GitLab wrote itself";
        return Ok((kind, None, Verdict::kept("action_ignored", text), None));
    }
    let project = told.project.path_with_namespace.as_str();
    let repository = name(project, "project.path_with_namespace")?;
    let key = format!("comment/{repository}/{}", note.id);
    let merge_request = told.merge_request.as_ref();
    // What is said once it is merged is said about what it was merged as.
    let commit = merge_request.and_then(|request| {
        let head = request.last_commit.as_ref().map(|commit| &commit.id);
        request.merge_commit_sha.as_ref().or(head)
    });
    let commit = commit.map(|commit| commit_id(commit, "merge_request.last_commit.id"));
    let place = Place {
        repository,
        pull_request: merge_request.map(|request| request.iid),
        commit: commit.transpose()?.map(CommitSha),
        by: name(told.user.username.as_str(), "user.username")?,
        url: note.url.as_ref().map(|url| plain(url.as_str())),
        at: moment(note.created_at.as_ref()),
        vouched: false,
    };
    let (verdict, order) = comment::follow(source, note.note.as_str(), place);
    Ok((kind, Some(key), verdict, order))
}
