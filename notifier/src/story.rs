//! What the notifier keeps under one key: what happened, and what was said about it where.
//!
//! Keys: the chain; for a change without one, where its status stands; for a fault, its text.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use contracts::{
    ChainId, Envelope, StackId, Trace,
    catalogue::AccountAlerted,
    chain::{ChainKind, ChainRefused, ChainState},
    change::{Change, ChangeAnswered},
    step::StepState,
    validation::ChangeValidated,
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    catalogue,
    check::{self, Check},
    comment::{self, Comment},
    digest::Digest,
    findings::{self, Findings},
    input::{Input, Outlets},
    notice::{self, Alert, Notice},
    outlet::{self, Outlet},
    overview::Overview,
    policies,
    routes::{HostRoute, Routes},
    slack::{
        self, Message,
        announcement::{self, Announcement},
    },
    status::{self, Status},
    webhook::Hook,
    webhook_queue::{Dispatch, Queue},
};

mod thread;

pub(crate) use thread::{Posted, Thread};

#[cfg(test)]
mod tests;

/// What happened, and what was said about it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Story {
    pub(crate) about: About,
    pub(crate) slack: Thread,
    /// Where the code is reviewed; kept under the name of the first host there was.
    #[serde(rename = "github")]
    pub(crate) host: Outlet,
    /// By the name of the endpoint.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    hooks: BTreeMap<String, Queue>,
    /// The trace of the last event: what is said later, after a pause, belongs to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    trace: Option<Trace>,
    /// For a notice: a chain has a status in the same place, which is the one to see. Read when the
    /// story is loaded, not kept.
    #[serde(skip)]
    pub chain_exists: bool,
    /// Of a pull request: the comment that follows it. Kept beside the story.
    #[serde(skip)]
    pub(crate) overview: Overview,
    /// Of a pull request: the newest story about one of its heads. Read when the story is loaded.
    #[serde(skip)]
    pub(crate) newest: Option<Box<Story>>,
    /// Something happened since it was loaded.
    #[serde(skip)]
    pub(crate) has_moved: bool,
}

/// What a story is about.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum About {
    /// Nothing yet.
    #[default]
    Nothing,
    /// A chain.
    Chain(Box<Digest>),
    /// A change that leads to no chain.
    Notice(Box<Notice>),
    /// A fault of the account.
    Alert(Box<Alert>),
    /// What somebody asked for at a pull request.
    Answer(Box<ChangeAnswered>),
    /// What was found in the code of a pull request.
    Validation(Box<ChangeValidated>),
}

impl Story {
    /// Takes a fact or a result into the story.
    pub(crate) fn take(&mut self, input: &Envelope<Input>, routes: &Routes, now: DateTime<Utc>) {
        let at = input.time;
        self.has_moved |= input.body.is_news();
        if input.trace.is_some() {
            self.trace.clone_from(&input.trace);
        }
        if self.about == About::Nothing {
            self.slack.outlet.begin(at);
            self.host.begin(at);
        }
        if let Some(channel) = routes.slack.as_ref().and_then(|route| route.choose(&input.body)) {
            self.slack.chosen = Some(channel.to_owned());
        }
        match &input.body {
            Input::Planned(event) => self.digest(event.chain).planned(event),
            Input::Started(event) => self.digest(event.chain).started(event),
            Input::Ordered(event) => self.digest(event.chain).ordered(event, at),
            Input::Finished(event) => self.digest(event.chain).finished(event, at),
            Input::StepStarted(event) => self.digest(event.chain).step(&event.step, at),
            Input::StepPlanned(event) => self.digest(event.chain).step(&event.step, at),
            Input::StepApplying(event) => self.digest(event.chain).step(&event.step, at),
            Input::StepRetrying(event) => self.digest(event.chain).step(&event.step, at),
            Input::StepStuck(event) => self.digest(event.chain).stuck(&event.told(), at),
            Input::StepFinished(event) => self.digest(event.chain).step(&event.step, at),
            Input::Gate(event) => self.digest(event.chain).gate(event),
            Input::Overridden(event) => self.digest(event.chain).overridden(event),
            Input::Ignored(event) => self.notice(&event.change, event.kind).ignored(event),
            Input::Refused(event) => self.notice(&event.change, event.kind).refused(event),
            Input::PoliciesReplaced(event) => self.alerted(&policies::replaced(event), at),
            Input::PoliciesRefused(event) => match policies::change(event) {
                Some(change) => {
                    let reason = event.reason.clone();
                    self.notice(&change, None).refused(&ChainRefused {
                        change,
                        kind: None,
                        reason,
                    });
                }
                None => self.alerted(&policies::refused(event), at),
            },
            Input::Alerted(event) => self.alerted(event, at),
            Input::Locked(event) => self.alerted(&catalogue::locked(event), at),
            Input::Unlocked(event) => self.alerted(&catalogue::unlocked(event), at),
            Input::Loosened(event) => self.alerted(&catalogue::loosened(event), at),
            Input::Rewritten(event) => self.alerted(&catalogue::rewritten(event), at),
            Input::Reminded(event) => self.alerted(&catalogue::reminded(event), at),
            Input::Answered(event) => self.about = About::Answer(Box::new(event.clone())),
            Input::Validated(event) => self.about = About::Validation(Box::new(event.clone())),
            Input::Called(_)
            | Input::Registered(_)
            | Input::Updated(_)
            | Input::Reassociated(_)
            | Input::Retired(_) => {}
            Input::Slack(told) => {
                self.slack.concluded(told, routes.slack.as_ref(), now);
            }
            Input::Host(told) => {
                self.host.conclude(told.effect, told.accepted, now);
            }
            Input::Overview(told) => {
                let pause = routes.overviews.unwrap_or_default();
                self.overview.concluded(told, outlet::rest(now, pause));
            }
            Input::Again(again) => match again.what {
                Outlets::Slack => self.slack.outlet.say_again(),
                Outlets::Host => self.host.say_again(),
                Outlets::Overview => self.overview.outlet.say_again(),
                Outlets::Webhook(_) | Outlets::Announcement(_) => {}
            },
            Input::Webhook(_) | Input::Woken(_) => {}
        }
    }

    /// The Slack message that should be seen now.
    pub(crate) fn message(&self) -> Option<Message> {
        match &self.about {
            About::Nothing | About::Answer(_) | About::Validation(_) => None,
            About::Chain(digest) if digest.is_quiet() => None,
            About::Chain(digest) if self.slack.sealed && digest.ending().is_none() => None,
            About::Chain(digest) => slack::chain(digest),
            About::Notice(notice) => slack::refusal(notice),
            About::Alert(alert) => Some(slack::alert(alert)),
        }
    }

    /// What people must hear at once of what was just taken in, as a message of its own.
    pub(crate) fn announcement(&self, input: &Input) -> Option<Announcement> {
        let About::Chain(digest) = &self.about else { return None };
        announcement::of(input, digest)
    }

    /// Whether all is known that decides which channel it belongs into.
    pub(crate) fn is_planned(&self) -> bool {
        !matches!(&self.about, About::Chain(digest) if digest.kind.is_none())
    }

    /// The commit status that should be seen now, and under which name.
    pub(crate) fn status(&self, route: &HostRoute) -> Option<(Status, String)> {
        let (status, change) = match &self.about {
            About::Nothing | About::Alert(_) | About::Answer(_) => return None,
            About::Chain(digest) if !digest.is_delivery() => return None,
            About::Chain(digest) => (status::chain(digest)?, digest.change.as_ref()?),
            About::Notice(notice) => (status::notice(notice, self.chain_exists)?, &notice.change),
            About::Validation(event) => {
                return Some((check::status(event), check::name(&route.context)));
            }
        };
        let is_preview = match &self.about {
            About::Chain(digest) => notice::is_preview(change, digest.kind),
            About::Notice(notice) => notice.is_preview,
            _ => false,
        };
        Some((status, status::name(route, change, is_preview)))
    }

    /// The check run that should be seen now.
    pub(crate) fn check(&self, context: &str) -> Option<Check> {
        match &self.about {
            About::Validation(event) => Some(check::check(event, context)),
            _ => None,
        }
    }

    /// What a validation found, as it should be seen now.
    pub(crate) fn findings(&self, context: &str, annotates: bool) -> Option<Findings> {
        match &self.about {
            About::Validation(event) => Some(findings::findings(event, context, annotates)),
            _ => None,
        }
    }

    /// The repository it is about.
    pub(crate) fn repository(&self) -> Option<&str> {
        match &self.about {
            About::Nothing | About::Alert(_) => None,
            About::Chain(digest) => digest.change.as_ref().map(|change| &*change.repository),
            About::Notice(notice) => Some(&notice.change.repository),
            About::Answer(event) => Some(&event.repository),
            About::Validation(event) => Some(&event.change.repository),
        }
    }

    /// The comment that should stand at the pull request now.
    pub(crate) fn comment(&self) -> Option<Comment> {
        match &self.about {
            About::Answer(event) => Some(comment::answer(event)),
            _ => None,
        }
    }

    /// The webhooks to send because of this input: its own, and those it made room for.
    pub(crate) fn hooks(
        &mut self,
        input: &Envelope<Input>,
        routes: &Routes,
        now: DateTime<Utc>,
    ) -> Vec<Dispatch> {
        let mut sends = Vec::new();
        match &input.body {
            Input::Webhook(told) => {
                if let Some(queue) = self.hooks.get_mut(&told.endpoint) {
                    sends.extend(queue.concluded(told.event, now));
                }
            }
            Input::Woken(_) => {
                sends.extend(self.hooks.values_mut().flat_map(|queue| queue.release(now)));
            }
            _ if routes.webhooks.is_empty() => {}
            other => {
                let Some((kind, data)) = other.event() else { return sends };
                let called = match other {
                    Input::Called(event) => Some(event.hook.as_str()),
                    _ => None,
                };
                for route in routes.webhooks_for(kind, called) {
                    let hook = Hook {
                        endpoint: route.name.clone(),
                        id: input.id,
                        kind: kind.to_owned(),
                        time: input.time,
                        data: data.clone(),
                    };
                    sends.extend(self.hooks.entry(route.name.clone()).or_default().push(hook, now));
                }
            }
        }
        self.hooks.retain(|_, queue| !queue.is_idle());
        sends
    }

    /// Where a call belongs that no event asks for just now.
    pub(crate) fn trace(&self) -> Option<&Trace> {
        self.trace.as_ref()
    }

    /// When there is something to say that had to wait.
    pub(crate) fn due(&self) -> Option<DateTime<Utc>> {
        let outlets = [self.slack.outlet.due(), self.host.due(), self.overview.outlet.due()];
        outlets.into_iter().chain(self.hooks.values().map(Queue::due)).flatten().min()
    }

    /// Where the status of a chain stands, as the key of a notice that would stand there too; none if
    /// the chain has no status.
    pub(crate) fn place(&self, routes: &Routes) -> Option<Uuid> {
        let About::Chain(digest) = &self.about else { return None };
        let change = digest.change.as_ref().filter(|_| digest.is_delivery());
        change.map(|change| Notice::key(change, digest.kind, routes))
    }

    /// Whether it is about a chain that was called off.
    pub(crate) fn is_called_off(&self) -> bool {
        let About::Chain(digest) = &self.about else { return false };
        digest.ending().is_some_and(|ending| ending.state == ChainState::Canceled)
    }

    /// When what it is about began, as far as that was kept.
    pub(crate) fn began_at(&self) -> Option<DateTime<Utc>> {
        self.host.began_at()
    }

    /// The commit that a notice is about, by which people ask for it.
    pub(crate) fn notice_of(&self) -> Option<Uuid> {
        let About::Notice(notice) = &self.about else { return None };
        Some(Notice::commit_key(&notice.change.repository, &notice.change.commit))
    }

    /// How the chain and its steps stand, as far as people are told; none if it is about no chain.
    pub fn standing(&self) -> Option<(ChainState, BTreeMap<StackId, StepState>)> {
        let About::Chain(digest) = &self.about else { return None };
        let lines = digest.lines();
        let steps = lines.iter().map(|line| (line.stack.clone(), line.state));
        Some((digest.state(), steps.collect()))
    }

    fn digest(&mut self, chain: ChainId) -> &mut Digest {
        if !matches!(self.about, About::Chain(_)) {
            self.about = About::Chain(Box::new(Digest::new(chain)));
        }
        match &mut self.about {
            About::Chain(digest) => digest,
            _ => unreachable!("it was made a chain above"),
        }
    }

    fn notice(&mut self, change: &Change, kind: Option<ChainKind>) -> &mut Notice {
        if !matches!(self.about, About::Notice(_)) {
            self.about = About::Notice(Box::new(Notice::new(change, kind)));
        }
        match &mut self.about {
            About::Notice(notice) => {
                notice.also_of(change);
                notice
            }
            _ => unreachable!("it was made a notice above"),
        }
    }

    fn alerted(&mut self, event: &AccountAlerted, at: DateTime<Utc>) {
        match &mut self.about {
            About::Alert(alert) => {
                if alert.again(at) {
                    self.slack.anew();
                }
            }
            about => *about = About::Alert(Box::new(Alert::new(event, at))),
        }
    }
}
