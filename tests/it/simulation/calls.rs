//! The calls to the outside, made as `executor/src/perform.rs` and `notifier/src/performer.rs`
//! make them: what may have happened is looked up before it is repeated.

use std::{collections::BTreeMap, time::Duration};

use chrono::{DateTime, Utc};
use contracts::{
    Code, CommitSha, Reason, RunId,
    run::{RunState, RunType},
};
use executor::{Call, CallKind, CallResult, Chain, Concluded, Finding, Seen};
use notifier::input::{HostTold, SlackResult, SlackTold, WebhookTold};
use spacelift::{Expected, Found, look_for};
use store::{Claim, Performed};
use uuid::Uuid;

use super::{
    dice::Dice,
    effects::LEASE,
    natives::Adopted,
    outside::Outside,
    rigs::NotifierRig,
    spacelift::{ACTOR, SETTLE, Spacelift, Trigger},
    world::SILENCE,
};

/// What the network does to one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weather {
    /// It arrives, and so does its answer.
    Fine,
    /// It arrives, and its answer is lost.
    AnswerLost,
    /// It is lost, and nobody can tell.
    RequestLost,
    /// It is turned away.
    TurnedAway,
}

impl Weather {
    pub fn of(dice: &mut Dice, bad: usize) -> Self {
        match dice.below(100) {
            roll if roll < bad => {
                *dice.pick(&[Self::AnswerLost, Self::RequestLost, Self::TurnedAway])
            }
            _ => Self::Fine,
        }
    }

    fn arrives(self) -> bool {
        matches!(self, Self::Fine | Self::AnswerLost)
    }

    fn uncertain(self) -> bool {
        matches!(self, Self::AnswerLost | Self::RequestLost)
    }

    /// What the performer does when no answer came.
    fn later<I>(self, claim: &Claim) -> Performed<I> {
        let after = match self.uncertain() {
            true => SETTLE.to_std().expect("it is positive"),
            false => Duration::from_millis(500),
        };
        let why = Reason::new(Code::SpaceliftUnavailable, format!("{self:?}"));
        Performed::Later { after, why, uncertain: claim.uncertain || self.uncertain() }
    }
}

/// Whether the claim leaves enough time for a call: less would let it outlive the claim.
pub fn in_time(claim: &Claim, now: DateTime<Utc>) -> bool {
    claim.expires_at - now >= LEASE * 3 / 4
}

/// Where a performer of the executor stands.
pub struct Desk<'a> {
    pub spacelift: &'a mut Spacelift,
    pub chains: &'a BTreeMap<Uuid, Option<Chain>>,
    pub dice: &'a mut Dice,
    pub now: DateTime<Utc>,
    pub weather: Weather,
    /// Negative control: repeats without looking.
    pub blind: bool,
    /// Negative control: takes over no run that Spacelift made.
    pub heedless: bool,
}

impl Desk<'_> {
    /// Makes one call to Spacelift.
    pub fn perform(&mut self, claim: &Claim) -> Performed<executor::Input> {
        let call: Call = serde_json::from_value(claim.body.clone()).expect("it was written here");
        let result = match call.call {
            CallKind::Trigger => self.trigger(claim, &call),
            CallKind::Confirm => self.act(claim, &call, true),
            CallKind::Discard => self.act(claim, &call, false),
            CallKind::Withdraw => self.withdraw(&call),
            CallKind::ReadPlan => panic!("no policy here looks at single resources"),
            CallKind::ReadOutputs => panic!("no edge here names outputs"),
            CallKind::ReadLog => self.read_log(&call),
            CallKind::Cancel => self.cancel(&call),
        };
        match result {
            Some(result) => Performed::Done(executor::Input::Concluded(Concluded {
                chain: call.chain,
                stack: call.stack,
                call: call.call,
                run: call.run,
                result,
            })),
            None => self.weather.later(claim),
        }
    }

    /// `None`: no answer came.
    fn trigger(&mut self, claim: &Claim, call: &Call) -> Option<CallResult> {
        let run_type = if call.preview { RunType::Proposed } else { RunType::Tracked };
        if !self.heedless {
            match self.adopt(call) {
                Adopted::None => {}
                Adopted::Told(result) => return Some(result),
                Adopted::Waits => return None,
            }
        }
        if claim.uncertain && !self.blind {
            let expected = Expected {
                commit: call.commit.clone(),
                run_type: run_type.clone(),
                triggered_by: ACTOR.to_owned(),
                since: claim.created_at,
                known: self.known(call),
            };
            let runs = self.spacelift.recent(&call.stack, expected.horizon(), self.now);
            match look_for(&runs, &expected) {
                Found::One(facts) => return Some(CallResult::Run(Seen::from(facts))),
                Found::None => {}
                Found::Several(several) => panic!("nobody else uses our key: {several:?}"),
            }
        }
        if !self.weather.arrives() {
            return None;
        }
        let wanted = Trigger {
            stack: &call.stack,
            commit: call.commit.clone().unwrap_or_else(|| CommitSha::from("tracked")),
            run_type,
            by: ACTOR,
            mark: Some(call.chain.to_string()),
        };
        let made = self.spacelift.trigger(wanted, self.dice, self.now);
        if self.weather != Weather::Fine {
            return None;
        }
        Some(match made {
            Some(facts) => CallResult::Run(Seen::from(facts)),
            None => CallResult::Gone(Reason::new(Code::StackGone, "there is no such stack")),
        })
    }

    /// Runs of the stack that are accounted for.
    pub(super) fn known(&self, call: &Call) -> Vec<RunId> {
        let steps = self.chains.values().flatten().flat_map(|chain| &chain.steps);
        steps
            .filter(|step| step.planned.stack == call.stack)
            .flat_map(|step| step.run.iter().map(|run| &run.id).chain(&step.course.past_runs))
            .chain(&call.past_runs)
            .cloned()
            .collect()
    }

    fn read_log(&self, call: &Call) -> Option<CallResult> {
        let run = call.run.as_ref().expect("a run that failed");
        let log = self.spacelift.run(run).expect("runs stay").log();
        (self.weather == Weather::Fine).then(|| CallResult::Log(Finding::of(log)))
    }

    /// Ends the run of a step that a person cancelled.
    fn cancel(&mut self, call: &Call) -> Option<CallResult> {
        let run = call.run.as_ref().expect("a run to end");
        if !self.weather.arrives() {
            return None;
        }
        self.spacelift.end_run(run, call.force, self.now);
        let facts = self.spacelift.run(run).expect("runs stay").facts.clone();
        let over = facts.finished || facts.state.is_applying();
        let known = over && self.weather == Weather::Fine;
        known.then(|| CallResult::Run(Seen::from(facts)))
    }

    fn act(&mut self, claim: &Claim, call: &Call, confirm: bool) -> Option<CallResult> {
        let run = call.run.as_ref().expect("a run to act on");
        let facts = |desk: &Self| desk.spacelift.run(run).expect("runs stay").facts.clone();
        let waited = call.shown_at.is_some_and(|shown_at| claim.created_at - shown_at > SILENCE);
        let looks = (claim.uncertain || claim.attempt > 1 || waited) && !self.blind;
        if looks && facts(self).state != RunState::Unconfirmed {
            return Some(CallResult::Run(Seen::from(facts(self))));
        }
        if !self.weather.arrives() {
            return None;
        }
        let acted = self.spacelift.decide_plan(run, confirm, self.now);
        if self.weather != Weather::Fine {
            return None;
        }
        // A person may have been quicker; how the run stands decides.
        Some(CallResult::Run(Seen::from(acted.unwrap_or_else(|| facts(self)))))
    }
}

/// Makes one call of the notifier.
pub fn tell(
    outside: &mut Outside,
    notifier: &NotifierRig,
    claim: &Claim,
    weather: Weather,
) -> Performed<notifier::input::Input> {
    use notifier::input::Input;
    let (key, effect) = (claim.key, claim.id);
    let mut told = None;
    if weather.arrives() {
        told = Some(match claim.kind.as_str() {
            "slack.post" | "slack.update" | "slack.announce" => {
                let ts = outside.say(&claim.body, claim.uncertain);
                let result = SlackResult::Said { channel: "C1".to_owned(), ts };
                Input::Slack(SlackTold { key, effect, result })
            }
            "github.status" => {
                // "Nothing to do" must not be shown over the status of a chain of the same commit.
                let outdated = notifier.chain_exists(key) && claim.body["state"] == "success";
                if !outdated {
                    outside.set(&claim.body);
                }
                Input::Host(HostTold { key, effect, accepted: !outdated })
            }
            _ => {
                outside.take(&claim.body);
                let text = |name: &str| claim.body[name].as_str().expect("a text").to_owned();
                let event = text("id").parse().expect("an id");
                Input::Webhook(WebhookTold { key, endpoint: text("endpoint"), event })
            }
        });
    }
    match told {
        Some(input) if weather == Weather::Fine => Performed::Done(input),
        _ => weather.later(claim),
    }
}
