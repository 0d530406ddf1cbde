//! What people say with the host's own means of review: yes, no, or that they take it back.
//!
//! A review is bound to the commit it was given for, and says nothing of any other.

use contracts::change::Command;

use crate::{
    comment::{self, Place, Written},
    delivery::Verdict,
    order::{Order, Target},
    source::Source,
};

/// What follows from a review of a pull request.
pub(crate) fn follow(source: &Source, command: Command, place: Place) -> (Verdict, Option<Order>) {
    if let Some(refused) = place.refuses(source, "review") {
        return (refused, None);
    }
    let order = order(command, &place);
    (place.told(Written { command, arguments: Vec::new() }), order)
}

/// Everything of the commit that waits is meant; where nothing does, nobody need be told.
fn order(command: Command, place: &Place) -> Option<Order> {
    let number = place.pull_request?;
    let target = Target::PullRequest {
        repository: place.repository.clone(),
        number,
        stack: None,
        commit: place.commit.clone(),
    };
    let url = place.url.as_deref().map(|url| format!(" ({url})")).unwrap_or_default();
    Some(Order {
        act: comment::act(command)?,
        target,
        by: place.by.clone(),
        groups: Vec::new(),
        note: Some(format!("a review at the pull request{url}")),
        answer_to: None,
        pull_request: Some((place.repository.clone(), number)),
        said_in: Some(place.repository.clone()),
        spoken_at: place.at,
        is_review: true,
    })
}
