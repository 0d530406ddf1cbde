//! One gate, from the question to its final answer.

mod reminders;
mod turn;
mod words;

use chrono::{DateTime, Utc};
use contracts::{
    Code, CommitSha, Reason,
    gate::{Clearance, GateDecided, GateOverridden, GateRequested, HookAsked, Moment, Outcome},
};
use serde::{Deserialize, Serialize};

use crate::{
    call::{Answer, Call},
    evaluate::{self, Broken, Case, Crowd, Crowds, Place, Verdict},
    model::PolicySet,
    review::{Review, ReviewRefused, Word},
};

pub use reminders::Told;

/// A gate that was asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct Gate {
    /// The question, and with it everything the answer depends on besides policies and people.
    pub request: GateRequested,
    /// When it was asked.
    pub requested_at: DateTime<Utc>,
    /// When it was asked again though it had passed, the last time.
    pub asked_again_at: Option<DateTime<Utc>>,
    /// What people said, in the order they said it.
    pub reviews: Vec<Review>,
    /// The hooks that were asked.
    pub calls: Vec<Call>,
    /// The answer, as it was announced last.
    pub outcome: Outcome,
    /// Why.
    pub reasons: Vec<Reason>,
    /// Rises with each announced answer.
    pub revision: i64,
    /// The digest of the policies that gave this answer.
    pub policy_digest: String,
    /// The commit they were read from.
    pub policy_commit: Option<CommitSha>,
    /// The digest of the policies that were asked last and had nothing to add.
    pub considered_digest: String,
    /// When the answer was announced.
    pub decided_at: DateTime<Utc>,
    /// When time alone may change the answer.
    pub recheck: Option<DateTime<Utc>>,
    /// What people were reminded of.
    pub told: Vec<Told>,
    /// What policies on trial would have said, where that is something else.
    pub shadow: Option<Shadow>,
    /// Before a chain that may go on: which of its steps need not ask.
    pub clearance: Option<Clearance>,
    /// Where its chain stands, if a policy counts it and it has not ended.
    pub place: Option<Place>,
    /// Who came before it, when that was looked at last.
    pub crowds: Option<Vec<Crowd>>,
    /// Its chain has ended or its step asks another gate, so it is not decided any more.
    pub ended: bool,
}

/// What policies on trial would have said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shadow {
    /// Their digest.
    pub digest: String,
    /// Their answer.
    #[serde(flatten)]
    pub outcome: Outcome,
    /// Why.
    pub reasons: Vec<Reason>,
}

impl Gate {
    /// Answers a question for the first time.
    pub fn open(set: &PolicySet, request: GateRequested, now: DateTime<Utc>) -> Self {
        Self::open_with(set, request, Vec::new(), now)
    }

    /// Answers it knowing that the glass of its chain is broken already.
    pub fn open_with(
        set: &PolicySet,
        request: GateRequested,
        reviews: Vec<Review>,
        now: DateTime<Utc>,
    ) -> Self {
        let crowds = Crowds::UNSEEN;
        let case = Case { reviews: &reviews, crowds, ..Case::new(&request, now) };
        let Verdict { outcome, reasons, recheck, ask, place, .. } = evaluate::judge(set, &case);
        let calls = ask.map(|ask| Call::new(ask, now)).into_iter().collect();
        Self {
            request,
            requested_at: now,
            asked_again_at: None,
            reviews,
            calls,
            outcome,
            reasons,
            revision: 1,
            policy_digest: set.digest.clone(),
            policy_commit: set.commit.clone(),
            considered_digest: set.digest.clone(),
            decided_at: now,
            recheck,
            told: Vec::new(),
            shadow: None,
            clearance: None,
            place,
            crowds: None,
            ended: false,
        }
    }

    /// Everything the answer depends on besides the policies.
    pub fn case(&self, now: DateTime<Utc>) -> Case<'_> {
        Case {
            request: &self.request,
            reviews: &self.reviews,
            calls: &self.calls,
            crowds: Crowds::seen(self.crowds.as_deref()),
            asked_at: self.requested_at,
            asked_again_at: self.asked_again_at,
            now,
        }
    }

    /// The same, for policies that did not decide it: what they would have counted, nobody did.
    pub fn case_for(&self, now: DateTime<Utc>) -> Case<'_> {
        Case { crowds: Crowds::or_free(self.crowds.as_deref()), ..self.case(now) }
    }

    /// Whether `request` asks what was asked already. Labels may have changed meanwhile; what the
    /// answer is bound to may not.
    pub fn is_about(&self, request: &GateRequested) -> bool {
        let bound = |request: &GateRequested| {
            let stacks: Vec<_> = request.stacks.iter().map(|stack| stack.stack.clone()).collect();
            let commit = request.change.commit.clone();
            (request.chain, request.kind, request.moment, stacks, commit)
        };
        bound(&self.request) == bound(request)
            && (&self.request.run, self.request.delta) == (&request.run, request.delta)
    }

    /// Notes that it is asked again though it passed, because who asks had to wait since. Returns whether
    /// it is.
    pub fn notes_asked_again(&mut self, request: &GateRequested, now: DateTime<Utc>) -> bool {
        if request.again <= self.request.again {
            return false;
        }
        self.request.again = request.again;
        self.request.failures.clone_from(&request.failures);
        self.asked_again_at = Some(now);
        self.told.clear();
        true
    }

    /// Decides anew though it passed. What people said about it counts still, and so do `words` about
    /// its commit that came since.
    pub fn decide_again(&mut self, set: &PolicySet, mut words: Vec<Review>, now: DateTime<Utc>) {
        words.retain(|word| !self.knows(word));
        if !words.is_empty() {
            // Who may say what goes by what people are asked for, and not by what they have given.
            let is_glass = |review: &&Review| matches!(review.word, Word::Override { .. });
            let glass: Vec<Review> = self.reviews.iter().filter(is_glass).cloned().collect();
            let verdict = evaluate::judge(set, &Case { reviews: &glass, ..self.case(now) });
            (self.outcome, self.reasons) = (verdict.outcome, verdict.reasons);
            self.hear(set, words);
        }
        // Whoever asks waits for an answer, also for the same one.
        if !self.decide(set, now) {
            self.revision += 1;
            self.decided_by(set, now);
        }
    }

    /// Decides anew, if it is not decided for good. Returns whether there is something to announce.
    pub fn reconsider(&mut self, set: &PolicySet, now: DateTime<Utc>) -> bool {
        !self.is_over() && self.decide(set, now)
    }

    fn decide(&mut self, set: &PolicySet, now: DateTime<Utc>) -> bool {
        let verdict = evaluate::judge(set, &self.case(now));
        let Verdict { outcome, reasons, recheck, ask, place, .. } = verdict;
        self.stands(place, &outcome);
        self.considered_digest.clone_from(&set.digest);
        self.recheck = recheck;
        self.calls.extend(ask.map(|ask| Call::new(ask, now)));
        if outcome == self.outcome && reasons == self.reasons {
            return false;
        }
        self.outcome = outcome;
        self.reasons = reasons;
        self.revision += 1;
        self.decided_by(set, now);
        true
    }

    fn decided_by(&mut self, set: &PolicySet, now: DateTime<Utc>) {
        self.policy_digest.clone_from(&set.digest);
        self.policy_commit.clone_from(&set.commit);
        self.decided_at = now;
    }

    /// Takes a review down and decides anew. Returns whether there is something to announce.
    pub fn review(
        &mut self,
        set: &PolicySet,
        review: Review,
        now: DateTime<Utc>,
    ) -> Result<bool, ReviewRefused> {
        if self.knows(&review) {
            return Ok(false);
        }
        self.accepts(set, &review)?;
        self.reviews.push(review);
        Ok(self.reconsider(set, now))
    }

    /// Takes the answer of a hook down and decides anew. The first in time counts.
    pub fn answer(&mut self, set: &PolicySet, hook: &str, answer: Answer) -> bool {
        let now = answer.at;
        let waits =
            |call: &&mut Call| call.hook == hook && call.answer.is_none() && now < call.deadline;
        let is_over = self.is_over();
        match self.calls.iter_mut().find(waits) {
            Some(call) if !is_over => {
                call.answer = Some(answer);
                self.reconsider(set, now)
            }
            _ => false,
        }
    }

    /// Which steps of a chain need not ask, as far as these sets of policies go; the first is the one
    /// in force. `is_news`: the gate is about to be announced. Returns whether it is to be.
    pub fn clear(&mut self, sets: &[&PolicySet], now: DateTime<Utc>, is_news: bool) -> bool {
        if self.request.moment != Moment::BeforeChain || self.outcome != Outcome::Pass {
            return is_news;
        }
        let new = || evaluate::clearance(sets, &self.request, now);
        match &mut self.clearance {
            None if is_news => self.clearance = Some(new()),
            Some(known) if now < known.until => {
                self.considered_digest.clone_from(&sets[0].digest);
                let Clearance { asked, looks_back, .. } = new();
                if (&known.asked, known.looks_back) != (&asked, looks_back) {
                    (known.asked, known.looks_back) = (asked, looks_back);
                    self.revision += 1;
                    self.decided_by(sets[0], now);
                    return true;
                }
            }
            _ => {}
        }
        is_news
    }

    /// Notes what policies on trial would say, if it is something else.
    pub fn try_on(&mut self, set: &PolicySet, now: DateTime<Utc>) -> bool {
        let Verdict { outcome, reasons, .. } = evaluate::judge(set, &self.case_for(now));
        let agrees = outcome.is_like(&self.outcome);
        self.shadow = (!agrees).then(|| Shadow { digest: set.digest.clone(), outcome, reasons });
        agrees
    }

    /// What is told to everyone when somebody breaks the glass.
    pub fn overridden(&self, set: &PolicySet, review: &Review) -> Option<GateOverridden> {
        let Word::Override { until, whole_chain } = review.word else { return None };
        let announcement = self.announcement();
        let verdict = evaluate::judge(set, &self.case(review.at));
        Some(GateOverridden {
            gate: announcement.gate,
            chain: announcement.chain,
            moment: announcement.moment,
            stack: announcement.stack,
            by: review.by.clone(),
            reason: review.note.clone().unwrap_or_default(),
            until,
            whole_chain,
            wants_second: verdict.glass == Broken::WantsSecond,
            over: verdict.reasons.into_iter().filter(|r| r.code != Code::Overridden).collect(),
        })
    }

    /// The question to a hook, for whoever answers it.
    pub fn question(&self, call: &Call) -> HookAsked {
        HookAsked {
            hook: call.hook.clone(),
            gate: self.request.gate,
            deadline: call.deadline,
            on_silence: call.on_silence.as_str().to_owned(),
            request: self.request.clone(),
        }
    }

    /// What is announced about the gate.
    pub fn announcement(&self) -> GateDecided {
        let request = &self.request;
        let stack = request.stacks.first().filter(|_| !request.is_about_chain());
        GateDecided {
            gate: request.gate,
            chain: request.chain,
            moment: request.moment,
            stack: stack.map(|stack| stack.stack.clone()),
            revision: self.revision,
            outcome: self.outcome.clone(),
            reasons: self.reasons.clone(),
            policy_digest: self.policy_digest.clone(),
            policy_commit: self.policy_commit.clone(),
            clearance: self.clearance.clone(),
        }
    }

    /// When it is decided anew although nobody says anything.
    pub fn wake_at(&self) -> Option<DateTime<Utc>> {
        let unseen = self.is_unseen().then_some(self.requested_at);
        unseen.or(self.recheck).filter(|_| !self.is_over())
    }

    /// Until when it is held, where a time is known.
    pub fn hold_until(&self) -> Option<DateTime<Utc>> {
        match self.outcome {
            Outcome::HoldUntil { until } => Some(until),
            Outcome::Pass | Outcome::Deny | Outcome::HoldForApprovals { .. } => None,
        }
    }

    /// The answer in one word, for people.
    pub fn outcome_word(&self) -> &'static str {
        match self.outcome {
            Outcome::Pass => "passed",
            Outcome::Deny => "denied",
            Outcome::HoldUntil { .. } | Outcome::HoldForApprovals { .. } => "held",
        }
    }

    fn sentence(&self) -> String {
        if self.ended {
            return "its chain has ended, or its step has asked anew".to_owned();
        }
        let reason = self.reasons.first().map(|reason| reason.text.as_str()).unwrap_or_default();
        format!("{}, because {reason}", self.outcome_word())
    }
}

#[cfg(test)]
mod tests;
