//! What happens to a gate: it is asked for, reviewed, a hook answers, or its time has come.

mod happening;
mod kept;
mod sets;
mod unasked;

use std::{
    collections::HashMap,
    sync::{Arc, RwLock},
};

use chrono::{DateTime, Utc};
use contracts::{
    ChainId, Code, Envelope, GateId, Outgoing, change::ChangePushed, gate::GateRequested,
};
use sqlx::PgConnection;
use store::{Decider, Decision, Refusal};
use uuid::Uuid;

use crate::{
    call::Answer,
    commit_words::CommitWords,
    gate::Gate,
    library::Library,
    metrics::Trials,
    model::PolicySet,
    news::Rounds,
    review::{Review, ReviewRefused, Word},
    store::{self as tables, ChainGlass},
};

pub use happening::{Answered, Happening, Reviewed};
use kept::Afterwards;
pub use kept::StoredGate;
use sets::Sets;
use unasked::{Unasked, asked_in};

/// Decides gates by the policies in force.
#[derive(Debug)]
pub struct GateDecider {
    /// The policies in force.
    pub library: Arc<Library>,
    /// Policies on trial: they are asked, too, and decide nothing.
    pub shadow: Option<Arc<Library>>,
    /// Chains whose glass is broken.
    pub glass: RwLock<Arc<Vec<ChainGlass>>>,
    /// What people said about commits of late.
    pub commit_words: CommitWords,
    /// What gates that wait are still to be woken for.
    pub rounds: Rounds,
    unasked: Unasked,
    trials: Trials,
}

impl GateDecider {
    /// Decides by these policies alone.
    pub fn new(library: Arc<Library>) -> Self {
        Self::with_shadow(library, None)
    }

    /// Decides by these policies, and asks others on trial.
    pub fn with_shadow(library: Arc<Library>, shadow: Option<Arc<Library>>) -> Self {
        Self {
            library,
            shadow,
            glass: RwLock::default(),
            commit_words: CommitWords::default(),
            rounds: Rounds::default(),
            unasked: Unasked::default(),
            trials: Trials::default(),
        }
    }

    /// What was said of the whole chain before this gate was asked for, or while it waited.
    fn broken_before(&self, request: &GateRequested, now: DateTime<Utc>) -> Vec<Review> {
        let glass = self.glass.read().expect("no holder panics").clone();
        let holds = |review: &Review| match review.word {
            Word::Override { until, .. } => review.at <= now && now < until,
            _ => false,
        };
        let of_chain = glass.iter().filter(|glass| glass.chain == request.chain);
        of_chain
            .filter(|glass| holds(&glass.review))
            .map(|glass| {
                let id = Uuid::new_v5(&request.gate.0, glass.review.id.as_bytes());
                Review { id, ..glass.review.clone() }
            })
            .collect()
    }

    /// Decides again with what was said of its chain and of its commit meanwhile.
    fn reconsider(&self, sets: &Sets, gate: &mut Gate, now: DateTime<Utc>) -> bool {
        if gate.is_over() {
            return false;
        }
        self.note_glass(gate, now);
        gate.hear(&sets.in_force, self.words_about(sets, gate));
        gate.reconsider(&sets.in_force, now)
    }

    /// The same, though it passed.
    fn decide_again(&self, sets: &Sets, gate: &mut Gate, now: DateTime<Utc>) {
        self.note_glass(gate, now);
        gate.decide_again(&sets.in_force, self.words_about(sets, gate), now);
    }

    fn words_about(&self, sets: &Sets, gate: &Gate) -> Vec<Review> {
        self.commit_words.about(&gate.request, &sets.in_force.people, &gate.reviews)
    }

    /// Takes down that the glass of its chain was broken meanwhile.
    fn note_glass(&self, gate: &mut Gate, now: DateTime<Utc>) {
        for review in self.broken_before(&gate.request, now) {
            let same = |known: &Review| {
                known.id == review.id || (known.by == review.by && known.at == review.at)
            };
            if !gate.reviews.iter().any(same) {
                gate.reviews.push(review);
            }
        }
    }

    fn open(
        &self,
        sets: &Sets,
        input: &Envelope<Happening>,
        request: &GateRequested,
        now: DateTime<Utc>,
    ) -> StoredGate {
        let reviews = self.broken_before(request, now);
        let mut gate = Gate::open_with(&sets.in_force, request.clone(), reviews, now);
        if gate.hear(&sets.in_force, self.words_about(sets, &gate)) {
            gate.reconsider(&sets.in_force, now);
        }
        let kept = StoredGate::stored(gate, input.correlation, input.trace.clone());
        StoredGate { is_stored: false, sent_at: Some(input.time), ..kept }
    }
}

impl Decider for GateDecider {
    type Input = Happening;
    type State = Option<StoredGate>;

    async fn keys(
        &self,
        connection: &mut PgConnection,
        inputs: &[&Happening],
    ) -> Result<Vec<Option<Uuid>>, sqlx::Error> {
        let chains = inputs.iter().filter_map(|input| match input {
            Happening::Ended(ended) => Some(ended.chain),
            _ => None,
        });
        let chains: Vec<ChainId> = chains.collect();
        let gates = match chains.is_empty() {
            true => HashMap::new(),
            false => tables::ended(connection, &chains).await?,
        };
        let key = |input: &&Happening| match input {
            Happening::Pushed(_) => None,
            Happening::Ended(ended) => {
                match (gates.get(&ended.chain), asked_in(inputs, ended.chain)) {
                    (Some((gate, true)), _) | (Some((gate, _)), Some(_)) => Some(*gate),
                    (Some((_, false)), None) => None,
                    (None, Some(gate)) => Some(gate.0),
                    // Its question may be on its way still; who is counted then is waited for for ever.
                    (None, None) => self.library.current().counts_chains().then_some(ended.chain.0),
                }
            }
            _ => input.gate().map(|gate| gate.0),
        };
        Ok(inputs.iter().map(key).collect())
    }

    fn notice(&self, input: &Happening, _: DateTime<Utc>) {
        if let Happening::Pushed(pushed) = input {
            self.pushed(pushed);
        }
    }

    async fn load(
        &self,
        connection: &mut PgConnection,
        keys: &[Uuid],
        now: DateTime<Utc>,
    ) -> Result<HashMap<Uuid, Option<StoredGate>>, sqlx::Error> {
        let mut kept = tables::load(connection, keys).await?;
        tables::mark(connection, &mut kept).await?;
        tables::look(connection, &self.library.current(), &mut kept, now).await?;
        Ok(kept.into_iter().map(|kept| (kept.gate.request.gate.0, Some(kept))).collect())
    }

    fn decide(
        &self,
        state: &mut Option<StoredGate>,
        input: &Envelope<Happening>,
        now: DateTime<Utc>,
    ) -> Result<Decision, Refusal> {
        let sets = Sets::of(&self.library, self.shadow.as_deref());
        let asked = state.as_ref().map_or(0, |kept| kept.gate.calls.len());
        let mut decision = Decision::none();
        if let Some(kept) = state.as_mut().filter(|kept| kept.is_outdated) {
            kept.gate.end();
        }
        let changed = match (&input.body, state.as_mut()) {
            (Happening::Requested(request), None) => {
                *state = Some(self.open(&sets, input, request, now));
                true
            }
            // Whoever asks again has lost the answer, which is given again and not decided again; or had
            // to wait since it got it, and says so.
            (Happening::Requested(request), Some(kept)) if kept.gate.is_about(request) => {
                let is_reopened = kept.gate.reopen();
                if kept.gate.notes_asked_again(request, now) {
                    self.decide_again(&sets, &mut kept.gate, now);
                } else if is_reopened {
                    self.reconsider(&sets, &mut kept.gate, now);
                }
                true
            }
            (Happening::Requested(request), Some(_)) => {
                let text = format!(
                    "{} was asked about another commit or plan before; a gate is bound to what it \
                     was asked about",
                    request.gate
                );
                return Err(Refusal::Never { code: Code::Unreadable, text });
            }
            // A refused review changes nothing; whoever sent it is told by the command.
            (Happening::Reviewed(said), Some(kept)) => {
                reviewed(&sets.in_force, kept, &said.review, (now, &mut decision))
            }
            (Happening::Answered(answered), Some(kept)) => {
                let answer = Answer { at: now, ..answered.answer.clone() };
                kept.gate.answer(&sets.in_force, &answered.hook, answer)
            }
            (Happening::Due(_), Some(kept)) => self.reconsider(&sets, &mut kept.gate, now),
            (Happening::Ended(_), Some(kept)) => {
                kept.gate.end();
                kept.chain_ends = true;
                false
            }
            (Happening::Ended(ended), None) if self.unasked.may_be_asked(ended.chain, now) => {
                let text = format!("nobody has asked yet whether {} may begin", ended.chain);
                return Err(Refusal::Later { text });
            }
            (Happening::Reviewed(_) | Happening::Answered(_) | Happening::Due(_), None)
            | (Happening::Ended(_), None)
            | (Happening::Pushed(_), _) => false,
        };
        // Who comes before it is looked at first.
        let changed = changed && !state.as_ref().is_some_and(|kept| kept.gate.is_unseen());
        let changed = state.as_mut().is_some_and(|kept| sets.clear(&mut kept.gate, now, changed));
        if let Some(kept) = state.as_mut().filter(|_| changed) {
            kept.afterwards.extend(sets.try_on(&mut kept.gate, now).map(Afterwards::Tried));
            // A wake-up has no trace of its own; everything else stands in one already.
            let woken = matches!(input.body, Happening::Due(_));
            let trace = kept.trace.clone().filter(|_| woken);
            let reminders = kept.gate.reminders(&sets.in_force, now);
            let questions = kept.gate.calls.iter().skip(asked).map(|call| kept.gate.question(call));
            let told = questions.map(|it| Outgoing::new(&it));
            let told = told.chain(reminders.iter().map(Outgoing::new));
            decision.answers.extend(told.map(|it| it.within(kept.correlation, trace.clone())));
            decision.answers.push(kept.announce(trace));
        }
        Ok(decision)
    }

    async fn save(
        &self,
        connection: &mut PgConnection,
        states: &[(Uuid, &Option<StoredGate>)],
    ) -> Result<Vec<Uuid>, sqlx::Error> {
        let kept: Vec<&StoredGate> =
            states.iter().filter_map(|(_, state)| state.as_ref()).collect();
        tables::hold_glass(connection, &kept).await?;
        tables::save(connection, &kept).await?;
        let mut woken = tables::outdate(connection, &kept).await?;
        woken.extend(tables::level_glass(connection, &kept).await?);
        // Who waits behind them goes on, or hears who comes before it now.
        if self.library.current().counts_chains() && kept.iter().any(|it| it.gate.is_gone()) {
            woken.extend(tables::waiting(connection).await?);
        }
        Ok(woken)
    }

    fn committed(&self, states: Vec<(Uuid, Option<StoredGate>, bool)>) {
        let kept = states.into_iter().filter_map(|(_, state, _)| state);
        for done in kept.flat_map(|kept| kept.afterwards) {
            match done {
                Afterwards::Tried(agrees) => self.trials.decided(agrees),
                Afterwards::Overridden(told) => tracing::warn!(
                    gate.id = %told.gate,
                    chain.id = %told.chain,
                    by = told.by,
                    reason = told.reason,
                    "somebody broke the glass"
                ),
            }
        }
    }

    fn wake_at(&self, state: &Option<StoredGate>) -> Option<DateTime<Utc>> {
        state.as_ref().and_then(|kept| kept.gate.wake_at())
    }

    fn wake(&self, key: Uuid) -> Option<Happening> {
        Some(Happening::Due(GateId(key)))
    }
}

impl GateDecider {
    /// A push to the branch that the policies are read from says no more than that it is time to
    /// fetch it: whatever a message claims, what counts is what the origin has.
    fn pushed(&self, pushed: &ChangePushed) {
        let libraries = [Some(&self.library), self.shadow.as_ref()].into_iter().flatten();
        for branch in libraries.filter_map(|library| library.branch()) {
            if branch.is_moved_by(pushed) {
                branch.heard.of(&pushed.change.commit);
            }
        }
    }
}

/// Takes down what a person said; a broken glass is told to everyone. Who takes something back
/// takes back a broken glass, too.
fn reviewed(
    set: &PolicySet,
    kept: &mut StoredGate,
    review: &Review,
    (now, decision): (DateTime<Utc>, &mut Decision),
) -> bool {
    if kept.gate.mend(&set.people, review) {
        return kept.gate.reconsider(set, now);
    }
    let before = kept.gate.reviews.len();
    let changed = match kept.gate.review(set, review.clone(), now) {
        // What it takes back may be on its way still, and must not count when it comes.
        Err(ReviewRefused::NothingSaid { .. }) => {
            kept.gate.reviews.push(review.clone());
            false
        }
        taken => taken.unwrap_or(false),
    };
    if kept.gate.reviews.len() > before
        && let Some(told) = kept.gate.overridden(set, review)
    {
        decision.answers.push(Outgoing::new(&told).within(kept.correlation, None));
        kept.afterwards.push(Afterwards::Overridden(told));
    }
    changed
}

#[cfg(test)]
mod tests;
