//! Decides whom to tell what: takes the input into the story, and asks for the calls that make
//! every channel show it.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use contracts::Envelope;
use serde::Serialize;
use serde_json::Value;
use sqlx::PgConnection;
use store::{Decider, Decision, Effect, Refusal};
use tracing::debug;
use uuid::Uuid;

use crate::{
    call::{
        GITHUB_CHECK, GITHUB_COMMENT, GITHUB_OVERVIEW, GITHUB_STATUS, SLACK_ANNOUNCE, SlackCall,
        StatusCall, WEBHOOK_SEND,
    },
    forge::{Forge, What},
    input::{Again, Input, Outlets},
    routes::Routes,
    store as tables,
    story::Story,
    webhook_queue::Dispatch,
};

#[cfg(test)]
mod tests;

/// The notifier as the engine sees it.
#[derive(Debug)]
pub struct Notifier {
    routes: Routes,
}

impl Notifier {
    /// A notifier that tells these channels.
    pub fn new(routes: Routes) -> Self {
        Self { routes }
    }

    /// The story that an input belongs to.
    pub fn key(&self, input: &Input) -> Uuid {
        input.key(&self.routes)
    }

    /// Where the status of a chain stands, as the key of a notice that would stand there too.
    pub fn place(&self, story: &Story) -> Option<Uuid> {
        story.place(&self.routes)
    }

    fn slack(
        &self,
        story: &mut Story,
        input: &Envelope<Input>,
        now: DateTime<Utc>,
    ) -> Option<Effect> {
        // Nothing is waited for that has nowhere to be said: it would be due for ever.
        let Some(route) = self.routes.slack.as_ref() else {
            story.slack.outlet.pass();
            return None;
        };
        if !story.slack.outlet.is_open(now) {
            return None;
        }
        let is_placed = route.routes.is_empty() || story.is_planned();
        let Some(message) = story.message().filter(|_| is_placed) else {
            story.slack.outlet.pass();
            return None;
        };
        let key = self.key(&input.body);
        let lane = format!("slack/{key}");
        let id = story.slack.outlet.offer(&lane, message.fingerprint(), now)?;
        let call = SlackCall::new(key, message, route, &story.slack);
        Some(self.effect((id, lane), call.kind(), &call, input))
    }

    /// What people must hear at once: nobody is woken by a message that is changed in place.
    fn announcement(&self, story: &Story, input: &Envelope<Input>) -> Option<Effect> {
        let route = self.routes.slack.as_ref()?;
        let announcement = story.announcement(&input.body)?;
        let call = SlackCall::announcement(input.id, announcement, route, &story.slack);
        let id = Uuid::new_v5(&input.id, b"announcement");
        let lane = format!("slack/{}/{id}", self.key(&input.body));
        Some(self.effect((id, lane), SLACK_ANNOUNCE, &call, input))
    }

    /// What is told where the code is reviewed: at GitHub or at the host that has the repository.
    fn host(
        &self,
        story: &mut Story,
        input: &Envelope<Input>,
        now: DateTime<Utc>,
    ) -> Option<Effect> {
        if !story.host.is_open(now) {
            return None;
        }
        let Some(shown) = self.shown(story) else {
            story.host.pass();
            return None;
        };
        // A lane of the story, not of the commit: a lane holds one open call, and a notice and a
        // chain may speak about the same commit.
        let lane = format!("{}/{}", shown.place, self.key(&input.body));
        let id = story.host.offer(&lane, shown.says, now)?;
        Some(self.effect((id, lane), shown.kind, &shown.body, input))
    }

    /// What should be seen there now, and the call that shows it: an answer, what was found in the
    /// code, or how the commit stands.
    fn shown(&self, story: &Story) -> Option<Shown> {
        let (forge, route) = self.routes.host_of(story.repository())?;
        let channel = forge.map_or("github", Forge::channel);
        let kind = |at_github, what| forge.map_or(at_github, |forge| forge.kind(what));
        if let Some(comment) = story.comment() {
            let kind = kind(GITHUB_COMMENT, What::Comment);
            return Some(Shown::new(kind, channel, "comment", (comment.fingerprint(), &comment)));
        }
        match forge {
            None if route.checks => {
                if let Some(check) = story.check(&route.context) {
                    let says = check.fingerprint();
                    return Some(Shown::new(GITHUB_CHECK, channel, "check", (says, &check)));
                }
            }
            None => {}
            Some(forge) => {
                if let Some(found) = story.findings(&route.context, forge.annotates()) {
                    let (kind, says) = (forge.kind(What::Findings), found.fingerprint());
                    return Some(Shown::new(kind, channel, "findings", (says, &found)));
                }
            }
        }
        let (status, context) = story.status(route)?;
        let (kind, target) = (kind(GITHUB_STATUS, What::Status), status.target());
        let call = StatusCall { status, context, is_called_off: story.is_called_off() };
        Some(Shown::new(kind, channel, &target, (call.fingerprint(), &call)))
    }

    /// The comment at the pull request whose story this is.
    fn overview(
        &self,
        story: &mut Story,
        input: &Envelope<Input>,
        now: DateTime<Utc>,
    ) -> Option<Effect> {
        let (Story { overview, newest, .. }, key) = (story, self.key(&input.body));
        let newest = newest.as_deref().filter(|_| overview.outlet.is_open(now))?;
        self.routes.overviews?;
        let (forge, _) = self.routes.host_of(newest.repository())?;
        if overview.outlet.began_at().is_none() {
            overview.outlet.begin(now);
        }
        let Some(call) = overview.call(newest, key, now) else {
            overview.outlet.pass();
            return None;
        };
        let channel = forge.map_or("github", Forge::channel);
        let lane = format!("{channel}/overview/{key}");
        let id = overview.outlet.offer(&lane, call.comment.fingerprint(), now)?;
        let kind = forge.map_or(GITHUB_OVERVIEW, |forge| forge.kind(What::Overview));
        let trace = newest.trace().cloned();
        Some(Effect { trace, ..self.effect((id, lane), kind, &call, input) })
    }

    /// The story of the pull request to be told of what this one says, if it is to be told.
    fn pull_request(&self, story: &Story) -> Option<Uuid> {
        self.routes.overviews?;
        self.routes.host_of(story.repository())?;
        story.pull_request().filter(|_| story.has_moved)
    }

    fn webhooks(
        &self,
        story: &mut Story,
        input: &Envelope<Input>,
        now: DateTime<Utc>,
    ) -> Vec<Effect> {
        let sends = story.hooks(input, &self.routes, now);
        let effects = sends.into_iter().map(|send| {
            let key = self.key(&input.body);
            let (hook, lane) = match send {
                Dispatch::Next(hook) => {
                    let lane = format!("webhook/{}/{key}", hook.endpoint);
                    (hook, lane)
                }
                Dispatch::ByItself(hook) => {
                    let lane = format!("webhook/{}/{key}/{}", hook.endpoint, hook.id);
                    (hook, lane)
                }
            };
            let id = Uuid::new_v5(&hook.id, format!("webhook/{}", hook.endpoint).as_bytes());
            self.effect((id, lane), WEBHOOK_SEND, &hook, input)
        });
        effects.collect()
    }

    /// A webhook or an announcement that a person has sent again: beside whatever is on its way there.
    fn again(&self, input: &Envelope<Input>) -> Option<Effect> {
        let Input::Again(Again { key, what }) = &input.body else { return None };
        let id = Uuid::new_v5(&input.id, b"webhook");
        match what {
            Outlets::Webhook(hook) => {
                let lane = format!("webhook/{}/{key}/{id}", hook.endpoint);
                Some(self.effect((id, lane), WEBHOOK_SEND, hook, input))
            }
            Outlets::Announcement(call) => {
                let lane = format!("slack/{key}/{id}");
                Some(self.effect((id, lane), SLACK_ANNOUNCE, call, input))
            }
            Outlets::Slack | Outlets::Host | Outlets::Overview => None,
        }
    }

    fn effect<B: Serialize>(
        &self,
        (id, lane): (Uuid, String),
        kind: &'static str,
        body: &B,
        input: &Envelope<Input>,
    ) -> Effect {
        Effect {
            id,
            key: self.key(&input.body),
            lane,
            kind,
            body: contracts::plain(body),
            correlation: input.correlation,
            // The engine puts in the span that decided; `decide` sets another where no event asked.
            trace: None,
        }
    }
}

impl Decider for Notifier {
    type Input = Input;
    type State = Story;

    async fn keys(
        &self,
        _connection: &mut PgConnection,
        inputs: &[&Input],
    ) -> Result<Vec<Option<Uuid>>, sqlx::Error> {
        if self.routes.is_empty() {
            debug!(events = inputs.len(), "no channel is configured; nobody is told");
            return Ok(vec![None; inputs.len()]);
        }
        Ok(inputs.iter().map(|input| Some(self.key(input))).collect())
    }

    async fn load(
        &self,
        connection: &mut PgConnection,
        keys: &[Uuid],
        _: DateTime<Utc>,
    ) -> Result<HashMap<Uuid, Story>, sqlx::Error> {
        tables::load(connection, keys).await
    }

    fn decide(
        &self,
        story: &mut Story,
        input: &Envelope<Input>,
        now: DateTime<Utc>,
    ) -> Result<Decision, Refusal> {
        let shown = story.newest.is_some().then(|| story.overview.clone());
        story.take(input, &self.routes, now);
        let mut decision = Decision::none();
        decision.effects.extend(self.slack(story, input, now));
        decision.effects.extend(self.announcement(story, input));
        decision.effects.extend(self.host(story, input, now));
        decision.effects.extend(self.overview(story, input, now));
        // A pull request is woken whenever something happens to one of its heads.
        if matches!(input.body, Input::Woken(_)) && shown.is_some_and(|it| it == story.overview) {
            return Ok(Decision::no_news());
        }
        decision.effects.extend(self.webhooks(story, input, now));
        decision.effects.extend(self.again(input));
        if input.trace.is_none() {
            for effect in &mut decision.effects {
                effect.trace = effect.trace.take().or_else(|| story.trace().cloned());
            }
        }
        Ok(decision)
    }

    async fn save(
        &self,
        connection: &mut PgConnection,
        states: &[(Uuid, &Story)],
    ) -> Result<Vec<Uuid>, sqlx::Error> {
        tables::save(connection, states, &self.routes).await?;
        Ok(states.iter().filter_map(|(_, story)| self.pull_request(story)).collect())
    }

    fn wake_at(&self, story: &Story) -> Option<DateTime<Utc>> {
        story.due()
    }

    fn wake(&self, key: Uuid) -> Option<Input> {
        Some(Input::Woken(key))
    }
}

/// A call to a host of repositories, and what is seen once it is made.
struct Shown {
    kind: &'static str,
    place: String,
    says: Uuid,
    body: Value,
}

impl Shown {
    fn new<B: Serialize>(
        kind: &'static str,
        channel: &str,
        place: &str,
        (says, body): (Uuid, &B),
    ) -> Self {
        let body = serde_json::to_value(body).expect("calls are plain data");
        Self { kind, place: format!("{channel}/{place}"), says, body }
    }
}
