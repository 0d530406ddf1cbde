//! Everything that happens to a story: events from the bus, and what became of our calls.

use contracts::{
    Message,
    catalogue::AccountAlerted,
    chain::{ChainFinished, ChainIgnored, ChainPlanned, ChainRefused, ChainStarted},
    change::ChangeAnswered,
    gate::{GateDecided, GateOverridden, GateReminded},
    hook::HookCalled,
    inbound,
    order::{ChainOrdered, StackLocked, StackUnlocked},
    policies::{PoliciesRefused, PoliciesReplaced},
    stack::{
        HistoryRewritten, StackLoosened, StackReassociated, StackRegistered, StackRetired,
        StackUpdated,
    },
    step::{StepApplying, StepFinished, StepPlanned, StepRetrying, StepStarted, StepStuck},
    validation::ChangeValidated,
};
use serde_json::Value;
use uuid::Uuid;

use crate::{
    call::SlackCall,
    catalogue, check, comment,
    notice::{Alert, Notice},
    policies,
    routes::Routes,
    webhook::Hook,
};

inbound! {
    /// What the notifier takes.
    #[derive(Debug, Clone)]
    pub enum Input {
        Planned(ChainPlanned),
        Started(ChainStarted),
        Ignored(ChainIgnored),
        Refused(ChainRefused),
        Ordered(ChainOrdered),
        Finished(ChainFinished),
        StepStarted(StepStarted),
        StepPlanned(StepPlanned),
        StepApplying(StepApplying),
        StepRetrying(StepRetrying),
        StepStuck(StepStuck),
        StepFinished(StepFinished),
        Called(HookCalled),
        Gate(GateDecided),
        Overridden(GateOverridden),
        Reminded(GateReminded),
        PoliciesReplaced(PoliciesReplaced),
        PoliciesRefused(PoliciesRefused),
        Alerted(AccountAlerted),
        Locked(StackLocked),
        Unlocked(StackUnlocked),
        Registered(StackRegistered),
        Updated(StackUpdated),
        Loosened(StackLoosened),
        Reassociated(StackReassociated),
        Retired(StackRetired),
        Rewritten(HistoryRewritten),
        Answered(ChangeAnswered),
        Validated(ChangeValidated),
        ; also
        Slack(SlackTold),
        Host(HostTold),
        Overview(OverviewTold),
        Webhook(WebhookTold),
        Again(Again),
        /// There is something to say that had to wait.
        Woken(Uuid),
    }
}

/// A Slack call has concluded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlackTold {
    /// The story.
    pub key: Uuid,
    /// The call.
    pub effect: Uuid,
    /// What came of it.
    pub result: SlackResult,
}

/// How.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SlackResult {
    /// The message is there.
    Said { channel: String, ts: String },
    /// Somebody deleted the message to be updated.
    Gone,
    /// The workspace does not let the message be edited any more.
    Sealed,
    /// Slack will not take it; the delivery record says why.
    Refused,
}

/// A host of repositories was told, or never will be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostTold {
    /// The story.
    pub key: Uuid,
    /// The call.
    pub effect: Uuid,
    /// Whether it took it.
    pub accepted: bool,
}

/// The comment that follows a pull request was to be brought up to date.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OverviewTold {
    /// The story of the pull request.
    pub key: Uuid,
    /// The call.
    pub effect: Uuid,
    /// What came of it.
    pub result: OverviewResult,
}

/// How.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OverviewResult {
    /// The comment reads so, and this is what the host calls it.
    Said { comment: String },
    /// Somebody deleted the comment to be changed.
    Gone,
    /// The host will not take it; the delivery record says why.
    Refused,
}

/// A webhook was delivered, or never will be; the delivery record says which.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookTold {
    /// The story.
    pub key: Uuid,
    /// The name of the endpoint.
    pub endpoint: String,
    /// The event it was about.
    pub event: Uuid,
}

/// A person has something told again.
#[derive(Debug, Clone, PartialEq)]
pub struct Again {
    /// The story.
    pub key: Uuid,
    pub(crate) what: Outlets,
}

/// What of a story is told again.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Outlets {
    Slack,
    Host,
    Overview,
    /// This event, at its endpoint.
    Webhook(Box<Hook>),
    /// This message, beside that of the story.
    Announcement(Box<SlackCall>),
}

impl Input {
    /// The story it belongs to.
    pub(crate) fn key(&self, routes: &Routes) -> Uuid {
        match self {
            Self::Planned(event) => event.chain.0,
            Self::Started(event) => event.chain.0,
            Self::Ordered(event) => event.chain.0,
            Self::Finished(event) => event.chain.0,
            Self::StepStarted(event) => event.chain.0,
            Self::StepPlanned(event) => event.chain.0,
            Self::StepApplying(event) => event.chain.0,
            Self::StepRetrying(event) => event.chain.0,
            Self::StepStuck(event) => event.chain.0,
            Self::StepFinished(event) => event.chain.0,
            Self::Called(event) => event.chain.0,
            Self::Gate(event) => event.chain.0,
            Self::Overridden(event) => event.chain.0,
            Self::Ignored(ChainIgnored { change, kind, .. })
            | Self::Refused(ChainRefused { change, kind, .. }) => {
                Notice::key(change, *kind, routes)
            }
            Self::PoliciesReplaced(event) => policies::replaced_key(event),
            Self::PoliciesRefused(event) => policies::refused_key(event, routes),
            Self::Alerted(event) => Alert::key(event),
            Self::Locked(event) => catalogue::lock_key(&event.stack, "locked", event.at),
            Self::Unlocked(event) => catalogue::lock_key(&event.stack, "unlocked", event.at),
            Self::Registered(event) => catalogue::key(&event.stack, event.code.as_ref()),
            Self::Updated(event) => catalogue::key(&event.stack, event.code.as_ref()),
            Self::Loosened(event) => catalogue::key(&event.stack, &event.code),
            Self::Reassociated(event) => catalogue::key(&event.stack, &event.code),
            Self::Retired(event) => catalogue::key(&event.stack, event.code.as_ref()),
            Self::Rewritten(event) => catalogue::rewritten_key(event),
            Self::Reminded(event) => catalogue::reminded_key(event),
            Self::Answered(event) => comment::key(event),
            Self::Validated(event) => check::key(event),
            Self::Slack(told) => told.key,
            Self::Host(told) => told.key,
            Self::Overview(told) => told.key,
            Self::Webhook(told) => told.key,
            Self::Again(again) => again.key,
            Self::Woken(key) => *key,
        }
    }

    /// The event as others are told it; none if it is not an event.
    pub fn event(&self) -> Option<(&'static str, Value)> {
        fn of<M: Message>(event: &M) -> Option<(&'static str, Value)> {
            Some((M::TYPE, contracts::plain(event)))
        }
        match self {
            Self::Planned(event) => of(event),
            Self::Started(event) => of(event),
            Self::Ignored(event) => of(event),
            Self::Refused(event) => of(event),
            Self::Ordered(event) => of(event),
            Self::Finished(event) => of(event),
            Self::StepStarted(event) => of(event),
            Self::StepPlanned(event) => of(event),
            Self::StepApplying(event) => of(event),
            Self::StepRetrying(event) => of(event),
            Self::StepStuck(event) => of(event),
            Self::StepFinished(event) => of(event),
            Self::Called(event) => of(event),
            Self::Gate(event) => of(event),
            Self::Overridden(event) => of(event),
            Self::Reminded(event) => of(event),
            Self::PoliciesReplaced(event) => of(event),
            Self::PoliciesRefused(event) => of(event),
            Self::Alerted(event) => of(event),
            Self::Locked(event) => of(event),
            Self::Unlocked(event) => of(event),
            Self::Registered(event) => of(event),
            Self::Updated(event) => of(event),
            Self::Loosened(event) => of(event),
            Self::Reassociated(event) => of(event),
            Self::Retired(event) => of(event),
            Self::Rewritten(event) => of(event),
            Self::Answered(event) => of(event),
            Self::Validated(event) => of(event),
            Self::Slack(_)
            | Self::Host(_)
            | Self::Overview(_)
            | Self::Webhook(_)
            | Self::Again(_)
            | Self::Woken(_) => None,
        }
    }

    /// Whether it happened outside, and is not what became of our own calls.
    pub(crate) const fn is_news(&self) -> bool {
        !matches!(
            self,
            Self::Slack(_)
                | Self::Host(_)
                | Self::Overview(_)
                | Self::Webhook(_)
                | Self::Again(_)
                | Self::Woken(_)
        )
    }
}
