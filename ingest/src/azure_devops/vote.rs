//! A vote on a pull request, of a subscription that tells of nothing else.

use contracts::change::Command;
use serde::Deserialize;

use super::PullRequest;
use crate::{
    comment::Place,
    forge::told::Outcome,
    payload::{self, Malformed, Text, moment, name},
    source::Source,
};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Reviewer<'a> {
    #[serde(borrow)]
    unique_name: Text<'a>,
    #[serde(borrow, default)]
    display_name: Option<Text<'a>>,
    #[serde(default)]
    vote: i64,
    /// It is a group, which votes as its members do.
    #[serde(default)]
    is_container: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Voted<'a> {
    /// When the event was made.
    #[serde(borrow, default)]
    created_date: Option<Text<'a>>,
    #[serde(borrow, default)]
    message: Option<Message<'a>>,
    #[serde(borrow)]
    resource: PullRequest<'a>,
}

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow, default)]
    text: Option<Text<'a>>,
}

impl<'a> Voted<'a> {
    /// Who voted: whose name the sentence about it begins with. The payload has the votes of all
    /// reviewers, also those that were given for an older head, and says in no other way whose is new.
    fn voter(&self) -> Option<&Reviewer<'a>> {
        let said = self.message.as_ref()?.text.as_ref()?.as_str();
        let length = |reviewer: &Reviewer<'_>| {
            let name = reviewer.display_name.as_ref().map_or("", Text::as_str);
            let is_named = !name.is_empty() && said.starts_with(name) && !reviewer.is_container;
            is_named.then_some(name.len())
        };
        let named = self.resource.reviewers.iter().flatten();
        let named: Vec<_> = named.filter_map(|one| Some((length(one)?, one))).collect();
        let longest = named.iter().map(|(length, _)| *length).max()?;
        match named.iter().filter(|(length, _)| *length == longest).collect::<Vec<_>>()[..] {
            [(_, voter)] => Some(voter),
            // Two of one name cannot be told apart.
            _ => None,
        }
    }
}

pub(super) fn read(source: &Source, body: &[u8]) -> Result<Outcome, Malformed> {
    let told: Voted<'_> = payload::object(body)?;
    let Some(voter) = told.voter() else {
        let text = "nobody can tell who voted: the message names none of the reviewers, or two";
        return Ok(Outcome::kept("action_ignored", text));
    };
    let command = match voter.vote {
        1.. => Command::Approve,
        // Who waits for the author is not for it any more, and does not deny it for good.
        -9..=0 => Command::Withdraw,
        _ => Command::Reject,
    };
    let request = &told.resource;
    let place = Place {
        repository: request.repository.full_name()?,
        pull_request: Some(request.pull_request_id),
        commit: request.meant()?,
        by: name(voter.unique_name.as_str(), "reviewers.uniqueName")?,
        url: None,
        // When somebody voted is told in no other way.
        at: moment(told.created_date.as_ref()),
        vouched: false,
    };
    Ok(Outcome::review(source, command, None, place))
}
