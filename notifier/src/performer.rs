//! Makes the calls that were decided upon, and notes each attempt.

use std::{collections::HashMap, time::Duration};

use chrono::{TimeDelta, Utc};
use contracts::{Code, Reason};
use service::health::Troubles;
use sqlx::PgPool;
use store::{Claim, Performed, Performer};
use tokio::sync::Semaphore;
use tracing::{error, warn};

use crate::{
    call::{SLACK_ANNOUNCE, SLACK_POST, SLACK_UPDATE, SlackCall, WEBHOOK_SEND},
    client::{
        Client,
        github::GithubClient,
        slack::{Looked, SlackClient},
        webhook::{BUSY, WebhookClient},
    },
    config::Config,
    decider::Notifier,
    forge::Forge,
    http::{Trouble, backoff, mending},
    input::{Input, SlackResult, SlackTold},
    story::Posted,
};

mod host;
mod record;
mod webhook;

use host::Told;
use record::{Note, Recorder};

/// When a call that only a newer build can make is looked at again.
const UNTIL_UPGRADED: Duration = Duration::from_secs(5);

/// Everybody who can be told.
pub(crate) struct Caller {
    pool: PgPool,
    slack: Option<SlackClient>,
    github: Option<GithubClient>,
    forges: Vec<Client>,
    webhooks: WebhookClient,
    /// By the channel: one that hangs must not hold up the others.
    slots: HashMap<&'static str, Semaphore>,
    retries: Vec<Duration>,
    give_up_after: TimeDelta,
    record: Recorder,
    troubles: Troubles,
}

impl Caller {
    pub(crate) fn new(config: &Config, pool: PgPool, troubles: Troubles) -> anyhow::Result<Self> {
        let timeout = config.delivery.timeout;
        let slack = config.slack().map(|options| SlackClient::new(options, timeout));
        let github = config.github().map(|options| GithubClient::new(options, timeout));
        let channels = ["slack", "github"].into_iter();
        let channels = channels.chain(Forge::ALL.iter().map(|forge| forge.channel()));
        let half = config.delivery.at_once.div_ceil(2);
        Ok(Self {
            record: Recorder::new(pool.clone()),
            slots: channels.map(|channel| (channel, Semaphore::new(half))).collect(),
            troubles,
            pool,
            slack: slack.transpose()?,
            github: github.transpose()?.flatten(),
            forges: Client::all(config)?,
            webhooks: WebhookClient::new(config)?,
            retries: config.delivery.retries(),
            give_up_after: TimeDelta::from_std(config.delivery.give_up_after)
                .unwrap_or(TimeDelta::MAX),
        })
    }

    async fn slack(&self, claim: &Claim, mut call: SlackCall) -> Performed<Input> {
        // A message goes to a channel that is configured now, whichever it was when it was due.
        if let (Some(client), None) = (&self.slack, &call.ts)
            && !client.route.knows(&call.channel)
        {
            call.channel.clone_from(&client.route.channel);
            call.reply = None;
        }
        let note = Note::new(claim, call.channel.clone(), &call.text);
        let told = |result| {
            Performed::Done(Input::Slack(SlackTold { key: claim.key, effect: claim.id, result }))
        };
        let Some(client) = &self.slack else {
            self.record.given_up(&note, None, "Slack is not configured any more").await;
            return told(SlackResult::Refused);
        };
        if let Some(left) = client.braked(claim.id) {
            return later(left, "Slack asked us to wait".to_owned(), claim.uncertain);
        }
        let answer = tell_slack(client, claim, &call).await;
        self.heed("slack", answer.as_ref().err());
        match answer {
            Ok(Posted { channel, ts }) => {
                self.record.delivered(&note, Some(200)).await;
                told(SlackResult::Said { channel, ts })
            }
            Err(Trouble::Gone { text }) => {
                self.record.given_up(&note, None, &text).await;
                told(SlackResult::Gone)
            }
            Err(Trouble::Sealed { text }) => {
                self.record.given_up(&note, None, &text).await;
                told(SlackResult::Sealed)
            }
            Err(Trouble::Barred { text, credential: false, .. }) if client.has_left(&call) => {
                let why = format!("{text}; it is posted anew where it belongs now");
                self.record.given_up(&note, None, &why).await;
                told(SlackResult::Gone)
            }
            Err(trouble) => match self.again(&note, trouble).await {
                Some(later) => later,
                None => told(SlackResult::Refused),
            },
        }
    }

    /// A credential that is refused keeps people from being told anything: that is to be seen at
    /// the service itself. Whatever else is answered, somebody there knows us.
    fn heed(&self, channel: &'static str, trouble: Option<&Trouble>) {
        match trouble {
            Some(Trouble::NotNow { .. }) => {}
            Some(Trouble::Barred { text, credential: true, .. }) => {
                self.troubles.note(channel, text);
            }
            _ => self.troubles.clear(channel),
        }
    }

    /// Decides whether a call to Slack or a host is tried again, and notes it. `None`: it is not.
    async fn again(&self, note: &Note<'_>, trouble: Trouble) -> Option<Performed<Input>> {
        let mut text = trouble.to_string();
        let before = self.record.before(note.claim).await;
        let attempt = i32::try_from(before).unwrap_or(i32::MAX).saturating_add(1);
        let (mut refused, mut uncertain) = (false, note.claim.uncertain);
        let (status, after) = match trouble {
            Trouble::NotNow { status, after, uncertain: this_time, .. } => {
                uncertain |= this_time;
                (status, Some(after.unwrap_or_else(|| backoff(attempt))))
            }
            Trouble::Barred { status, .. } => {
                refused = true;
                text.push_str("; it is said as soon as a person has mended that");
                (status, Some(mending(attempt)))
            }
            Trouble::Never { status, .. } => (status, None),
            Trouble::Gone { .. } | Trouble::Sealed { .. } => (Some(200), None),
        };
        let patient = Utc::now() - note.claim.created_at < self.give_up_after;
        match after.filter(|_| patient) {
            Some(after) => {
                self.record.waiting(note, status, &text, after).await;
                let code = if refused { Code::AccessRefused } else { unavailable(uncertain) };
                Some(Performed::Later { after, why: Reason::new(code, text), uncertain })
            }
            None => {
                error!(target = note.target, error = text, "people are not told; given up");
                self.record.given_up(note, status, &text).await;
                None
            }
        }
    }
}

impl Performer for Caller {
    type Decider = Notifier;

    fn full(&self) -> Vec<String> {
        let slots = self.slots.iter().filter(|(_, slots)| slots.available_permits() == 0);
        let channels = slots.map(|(channel, _)| format!("{channel}/"));
        let endpoints = self.webhooks.endpoints().filter(|endpoint| endpoint.is_full());
        channels.chain(endpoints.map(|endpoint| format!("webhook/{}/", endpoint.name))).collect()
    }

    async fn perform(&self, claim: &Claim) -> Performed<Input> {
        let channel = claim.kind.split('.').next().unwrap_or_default();
        let slot = self.slots.get(channel).map(Semaphore::try_acquire);
        if let Some(Err(_)) = slot {
            let why = format!("as many calls to {channel} are under way as leave room for others");
            return full(why);
        }
        self.make(claim).await.unwrap_or_else(|why| {
            warn!(kind = claim.kind, why = why.text, "a call waits for a newer build");
            Performed::Later { after: UNTIL_UPGRADED, why, uncertain: claim.uncertain }
        })
    }
}

impl Caller {
    /// Makes a call; or says why this build cannot.
    async fn make(&self, claim: &Claim) -> Result<Performed<Input>, Reason> {
        Ok(match claim.kind.as_str() {
            SLACK_POST | SLACK_UPDATE | SLACK_ANNOUNCE => self.slack(claim, claim.read()?).await,
            WEBHOOK_SEND => self.webhook(claim, claim.read()?).await,
            _ => {
                let (forge, told) = Told::read(claim)?;
                self.host(claim, forge, told).await
            }
        })
    }
}

/// Says it in Slack; looks first if an earlier attempt may have said it already.
async fn tell_slack(
    client: &SlackClient,
    claim: &Claim,
    call: &SlackCall,
) -> Result<Posted, Trouble> {
    if let Some(ts) = &call.ts {
        let at = Posted { channel: call.channel.clone(), ts: ts.clone() };
        return client.update(call, &at).await;
    }
    if claim.uncertain {
        match client.look(call, claim.created_at).await? {
            Looked::Found(at) => return client.update(call, &at).await,
            Looked::Absent => {}
            Looked::Forbidden(why) => {
                warn!(why, "cannot look whether a message was posted; it may appear twice");
            }
        }
    }
    match client.post(call).await {
        // What it answers to may be deleted, or its thread locked.
        Err(Trouble::Never { .. } | Trouble::Gone { .. }) if call.reply.is_some() => {
            client.post(&SlackCall { reply: None, ..call.clone() }).await
        }
        posted => posted,
    }
}

fn later(after: Duration, text: String, uncertain: bool) -> Performed<Input> {
    Performed::Later { after, why: Reason::new(unavailable(uncertain), text), uncertain }
}

fn full(text: String) -> Performed<Input> {
    Performed::Full { after: BUSY, why: Reason::new(Code::ChannelUnavailable, text) }
}

/// Why a call is not made now, or made again: an earlier attempt may have done what it should.
const fn unavailable(uncertain: bool) -> Code {
    if uncertain { Code::OutcomeUnknown } else { Code::ChannelUnavailable }
}
