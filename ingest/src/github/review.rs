//! `pull_request_review`: who approved a pull request or asked for changes, and who took that back.
//!
//! A review is bound to the commit it was given for, and says nothing of any other.

use chrono::{DateTime, Utc};
use contracts::{CommitSha, change::Command};
use serde::Deserialize;

use super::{Account, ReadWithOrder, Repository};
use crate::{
    comment::{self, Place},
    delivery::{Signed, Verdict},
    forge::commit_id,
    payload::{self, Malformed, Text, moment, name, plain},
    review,
    source::Source,
};

#[derive(Deserialize)]
struct Event<'a> {
    #[serde(borrow)]
    action: Text<'a>,
    #[serde(borrow)]
    review: Review<'a>,
    #[serde(borrow)]
    pull_request: PullRequest<'a>,
    #[serde(borrow)]
    repository: Repository<'a>,
}

#[derive(Deserialize)]
struct PullRequest<'a> {
    number: u64,
    #[serde(borrow, default)]
    updated_at: Option<Text<'a>>,
}

#[derive(Deserialize)]
struct Review<'a> {
    id: u64,
    #[serde(borrow)]
    state: Text<'a>,
    #[serde(borrow)]
    commit_id: Text<'a>,
    #[serde(borrow, default)]
    body: Option<Text<'a>>,
    #[serde(borrow, default)]
    user: Option<Account<'a>>,
    #[serde(borrow, default)]
    author_association: Option<Text<'a>>,
    #[serde(borrow, default)]
    html_url: Option<Text<'a>>,
    /// Also of one that was dismissed long afterwards.
    #[serde(borrow, default)]
    submitted_at: Option<Text<'a>>,
}

pub(super) fn read(signed: &Signed<'_>, body: &[u8]) -> Result<ReadWithOrder, Malformed> {
    let source = signed.source;
    let told: Event<'_> = payload::object(body)?;
    let action = name(told.action.as_str(), "action")?;
    let state = plain(told.review.state.as_str()).to_ascii_lowercase();
    let kind = format!("pull_request_review.{action}");
    let ignored =
        |text: String| Ok((kind.clone(), None, Verdict::kept("action_ignored", text), None));
    let command = match (action.as_str(), state.as_str()) {
        ("submitted", "approved") => Command::Approve,
        ("submitted", "changes_requested") => Command::Reject,
        ("dismissed", _) => Command::Withdraw,
        // A review that is only a comment may command like any other.
        ("submitted", "commented") => return commented(source, &told, kind),
        _ => return ignored(format!("nothing follows from a review being `{action}` ({state})")),
    };
    let Some(mut place) = place(&told)? else {
        return ignored("whoever reviewed is not there any more".to_owned());
    };
    if command == Command::Withdraw {
        place.at = dismissed_at(&told).filter(|_| signed.found);
    }
    let key = format!("review/{}/{}/{action}", place.repository, told.review.id);
    let (verdict, order) = review::follow(source, command, place);
    Ok((kind, Some(key), verdict, order))
}

fn commented(source: &Source, told: &Event<'_>, kind: String) -> Result<ReadWithOrder, Malformed> {
    let Some(place) = place(told)? else {
        let text = "whoever reviewed is not there any more";
        return Ok((kind, None, Verdict::kept("action_ignored", text), None));
    };
    let key = format!("review/{}/{}/submitted", place.repository, told.review.id);
    let text = told.review.body.as_ref().map_or("", Text::as_str);
    let (verdict, order) = comment::follow(source, text, place);
    Ok((kind, Some(key), verdict, order))
}

/// Since when a review that is found to be dismissed may have been: GitHub does not say, but it changed
/// the pull request. Of one that has just been delivered it is enough that it was.
fn dismissed_at(told: &Event<'_>) -> Option<DateTime<Utc>> {
    let submitted_at = moment(told.review.submitted_at.as_ref());
    moment(told.pull_request.updated_at.as_ref()).max(submitted_at)
}

fn place(told: &Event<'_>) -> Result<Option<Place>, Malformed> {
    let review = &told.review;
    let Some(user) = &review.user else { return Ok(None) };
    let association = review.author_association.as_ref().map_or("", Text::as_str);
    Ok(Some(Place {
        repository: name(told.repository.full_name.as_str(), "repository.full_name")?,
        pull_request: Some(told.pull_request.number),
        commit: Some(CommitSha(commit_id(&review.commit_id, "review.commit_id")?)),
        by: name(user.login.as_str(), "review.user.login")?,
        url: review.html_url.as_ref().map(|url| plain(url.as_str())),
        at: moment(review.submitted_at.as_ref()),
        vouched: matches!(association, "OWNER" | "MEMBER" | "COLLABORATOR"),
    }))
}
