//! The calls that a decision asks for, as they are kept until they are made.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use crate::{
    routes::SlackRoute,
    slack::{Message, announcement::Announcement},
    status::Status,
    story::Thread,
};

/// A new Slack message.
pub(crate) const SLACK_POST: &str = "slack.post";
/// A Slack message to be changed in place.
pub(crate) const SLACK_UPDATE: &str = "slack.update";
/// A Slack message of its own, beside that of the story.
pub(crate) const SLACK_ANNOUNCE: &str = "slack.announce";
/// A commit status.
pub(crate) const GITHUB_STATUS: &str = "github.status";
/// A comment at a pull request; its body is a [`crate::comment::Comment`].
pub(crate) const GITHUB_COMMENT: &str = "github.comment";
/// The comment that follows a pull request; its body is a [`crate::overview::OverviewCall`].
pub(crate) const GITHUB_OVERVIEW: &str = "github.overview";
/// A check run at a commit; its body is a [`crate::check::Check`].
pub(crate) const GITHUB_CHECK: &str = "github.check";
/// An outgoing webhook; its body is a [`crate::webhook::Hook`].
pub(crate) const WEBHOOK_SEND: &str = "webhook.send";

/// The body of [`SLACK_POST`], [`SLACK_UPDATE`] and [`SLACK_ANNOUNCE`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct SlackCall {
    /// The story, or the event that is announced; written into the metadata of the message: our mark,
    /// by which a post of unknown outcome is found again.
    pub(crate) story: Uuid,
    /// The channel as configured, or as Slack answered.
    pub(crate) channel: String,
    /// Of an update, the channel that was configured when the message was posted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) configured: Option<String>,
    /// The message to update.
    pub(crate) ts: Option<String>,
    /// What it is an answer to, if that is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) reply: Option<Reply>,
    pub(crate) text: String,
    pub(crate) blocks: Value,
}

/// The place of a message in the thread of another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Reply {
    /// The other one.
    pub(crate) ts: String,
    /// Whether the channel shows it, too.
    pub(crate) aloud: bool,
}

/// The body of [`GITHUB_STATUS`], and of statuses at other hosts ([`crate::forge`]).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StatusCall {
    #[serde(flatten)]
    pub(crate) status: Status,
    /// The name under which the status is shown.
    pub(crate) context: String,
    /// It says that a chain was called off, and yields to the one that took its place.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) is_called_off: bool,
}

impl StatusCall {
    /// Equal for statuses that look the same under the same name.
    pub(crate) fn fingerprint(&self) -> Uuid {
        Uuid::new_v5(&self.status.fingerprint(), self.context.as_bytes())
    }
}

impl SlackCall {
    /// A new message, or a new look for the one that was posted.
    pub(crate) fn new(story: Uuid, message: Message, route: &SlackRoute, thread: &Thread) -> Self {
        let posted = thread.posted.as_ref();
        Self {
            story,
            channel: match posted {
                Some(posted) => posted.channel.clone(),
                None => thread.channel(route).to_owned(),
            },
            configured: thread.configured.clone().filter(|_| posted.is_some()),
            ts: posted.map(|posted| posted.ts.clone()),
            reply: None,
            text: message.text,
            blocks: message.blocks,
        }
    }

    /// A message of its own about an event, in the thread of its story as far as that has one.
    pub(crate) fn announcement(
        event: Uuid,
        Announcement { message, aloud }: Announcement,
        route: &SlackRoute,
        thread: &Thread,
    ) -> Self {
        Self {
            story: event,
            channel: thread.channel(route).to_owned(),
            configured: None,
            ts: None,
            reply: thread.root(route).map(|ts| Reply { ts: ts.to_owned(), aloud }),
            text: message.text,
            blocks: message.blocks,
        }
    }

    /// The kind of effect this is.
    pub(crate) fn kind(&self) -> &'static str {
        if self.ts.is_some() { SLACK_UPDATE } else { SLACK_POST }
    }
}
