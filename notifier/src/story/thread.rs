//! The message of a story in Slack.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{
    input::{SlackResult, SlackTold},
    outlet::{self, Outlet},
    routes::SlackRoute,
};

/// One Slack message and what may still be done with it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Thread {
    pub(crate) outlet: Outlet,
    pub(crate) posted: Option<Posted>,
    /// The channel of its own that it was given; none if it is the one for all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) chosen: Option<String>,
    /// The channel that was configured then; not known of what was posted before this was kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) configured: Option<String>,
    /// The workspace forbids edits by now: what is left to say is said once, at the end.
    pub(super) sealed: bool,
}

/// Where a message is, as Slack answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Posted {
    /// The channel's id; updates do not take its name.
    pub(crate) channel: String,
    /// The message's id within the channel.
    pub(crate) ts: String,
}

impl Thread {
    /// The channel that it belongs into, as channels are configured now.
    pub(crate) fn channel<'a>(&'a self, route: &'a SlackRoute) -> &'a str {
        self.chosen.as_deref().filter(|channel| route.knows(channel)).unwrap_or(&route.channel)
    }

    /// The message to answer to, unless what is said now belongs into another channel.
    pub(crate) fn root(&self, route: &SlackRoute) -> Option<&str> {
        let is_there = self.configured.as_deref() == Some(self.channel(route));
        self.posted.as_ref().filter(|_| is_there).map(|posted| &*posted.ts)
    }

    /// The next thing said is a new message.
    pub(super) fn anew(&mut self) {
        self.posted = None;
        self.outlet.say_again();
    }

    pub(super) fn concluded(
        &mut self,
        told: &SlackTold,
        route: Option<&SlackRoute>,
        now: DateTime<Utc>,
    ) {
        let well = matches!(told.result, SlackResult::Said { .. });
        let pause = route.map(|route| route.update_pause).unwrap_or_default();
        if !self.outlet.conclude(told.effect, well, outlet::rest(now, pause)) {
            return;
        }
        match &told.result {
            SlackResult::Said { channel, ts } => {
                if self.posted.is_none() {
                    self.configured = route.map(|route| self.channel(route).to_owned());
                }
                self.posted = Some(Posted { channel: channel.clone(), ts: ts.clone() });
            }
            SlackResult::Gone => self.anew(),
            SlackResult::Sealed => {
                self.sealed = true;
                self.anew();
            }
            SlackResult::Refused => {}
        }
    }
}
