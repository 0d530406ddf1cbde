//! `issue_comment`: what people say at a pull request, and whether they command.

use serde::Deserialize;

use super::{Account, ReadWithOrder, Repository};
use crate::{
    comment::{self, Place},
    delivery::Verdict,
    payload::{self, Malformed, Text, moment, name, plain},
    source::Source,
};

#[derive(Deserialize)]
struct Event<'a> {
    #[serde(borrow)]
    action: Text<'a>,
    #[serde(borrow)]
    issue: Issue<'a>,
    #[serde(borrow)]
    comment: Comment<'a>,
    #[serde(borrow)]
    repository: Repository<'a>,
}

#[derive(Deserialize)]
struct Issue<'a> {
    number: u64,
    /// There if the issue is a pull request.
    #[serde(borrow, default)]
    pull_request: Option<&'a serde_json::value::RawValue>,
}

#[derive(Deserialize)]
struct Comment<'a> {
    id: u64,
    #[serde(borrow)]
    body: Text<'a>,
    #[serde(borrow)]
    user: Account<'a>,
    #[serde(borrow, default)]
    author_association: Option<Text<'a>>,
    #[serde(borrow, default)]
    html_url: Option<Text<'a>>,
    #[serde(borrow, default)]
    created_at: Option<Text<'a>>,
}

pub(super) fn read(source: &Source, body: &[u8]) -> Result<ReadWithOrder, Malformed> {
    let told: Event<'_> = payload::object(body)?;
    let action = name(told.action.as_str(), "action")?;
    let kind = format!("issue_comment.{action}");
    // A comment that is edited commands nothing: who approved must not be changed afterwards.
    if action != "created" {
        let text = format!("nothing follows from a comment being `{action}`");
        return Ok((kind, None, Verdict::kept("action_ignored", text), None));
    }
    let repository = name(told.repository.full_name.as_str(), "repository.full_name")?;
    let key = format!("comment/{repository}/{}", told.comment.id);
    let association = told.comment.author_association.as_ref().map_or("", Text::as_str);
    let place = Place {
        repository,
        pull_request: told.issue.pull_request.map(|_| told.issue.number),
        commit: None,
        by: name(told.comment.user.login.as_str(), "comment.user.login")?,
        url: told.comment.html_url.as_ref().map(|url| plain(url.as_str())),
        at: moment(told.comment.created_at.as_ref()),
        vouched: matches!(association, "OWNER" | "MEMBER" | "COLLABORATOR"),
    };
    let (verdict, order) = comment::follow(source, told.comment.body.as_str(), place);
    Ok((kind, Some(key), verdict, order))
}
