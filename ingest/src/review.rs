//! What people say with the host's own means of review: yes, no, or that they take it back.
//!
//! A review is bound to the commit it was given for, and says nothing of any other.

use contracts::{
    Outgoing,
    change::{ChangeCommanded, Command},
};

use crate::{
    comment::{self, Place},
    delivery::Verdict,
    order::{Order, Target},
    payload::plain,
    source::Source,
};

/// What follows from a review of a pull request.
pub(crate) fn follow(source: &Source, command: Command, place: Place) -> (Verdict, Option<Order>) {
    if !place.vouched && !source.may_command(&place.by) {
        let text = format!(
            "`{}` may not review here: neither a member of the repository nor among the \
             `commanders` of this source; the delivery is kept",
            plain(&place.by)
        );
        return (Verdict::kept("commander_unknown", text), None);
    }
    let order = order(command, &place);
    let commanded = ChangeCommanded {
        repository: place.repository,
        pull_request: place.pull_request,
        commit: place.commit,
        command,
        arguments: Vec::new(),
        by: place.by,
        url: place.url,
    };
    (Verdict::Event(Outgoing::new(&commanded)), order)
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
        said_at: Some((place.repository.clone(), number)),
        is_review: true,
    })
}
