//! Gates: what waits for whom.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use contracts::{
    RunId,
    change::Change,
    gate::{GateDecided, GateStack, Outcome},
    run::Delta,
};
use policy::review::Word;
use serde::Deserialize;

use super::state;
use crate::print::{Cell, Look, Table, Tone, age, moment};

/// The answer of `stackly.ask.policy.gates`.
#[derive(Debug, Deserialize)]
pub(crate) struct Gates {
    pub(crate) gates: Vec<GateView>,
    pub(crate) more: bool,
}

/// A gate as the policy service shows it.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct GateView {
    #[serde(flatten)]
    pub(crate) decided: GateDecided,
    pub(crate) stacks: Vec<GateStack>,
    pub(crate) change: Change,
    #[serde(default)]
    pub(crate) run: Option<RunId>,
    #[serde(default)]
    pub(crate) delta: Option<Delta>,
    #[serde(default)]
    pub(crate) approvals: Vec<Approvals>,
    #[serde(default)]
    pub(crate) reviews: Vec<ReviewView>,
    pub(crate) requested_at: DateTime<Utc>,
}

/// What one policy asks of people.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Approvals {
    policy: String,
    needed: usize,
    /// Who did.
    given: Vec<String>,
    /// Who has not yet; absent if anybody may.
    may_approve: Option<Vec<String>>,
    /// Who of them may only in somebody's stead, and in whose.
    #[serde(default)]
    instead_of: BTreeMap<String, Vec<String>>,
    /// Who may not.
    not: Option<String>,
    /// When people are reminded.
    #[serde(default)]
    remind_at: Option<DateTime<Utc>>,
    /// When others may approve as well, and who.
    #[serde(default)]
    escalate_at: Option<DateTime<Utc>>,
    #[serde(default)]
    escalate_to: Vec<String>,
    /// When the first approval stops counting.
    #[serde(default)]
    expires_at: Option<DateTime<Utc>>,
    /// When it is denied for want of approvals.
    #[serde(default)]
    deny_at: Option<DateTime<Utc>>,
}

/// What a person said.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct ReviewView {
    by: String,
    #[serde(flatten)]
    word: Word,
    #[serde(default)]
    note: Option<String>,
    at: DateTime<Utc>,
}

impl GateView {
    /// Whether people have to approve before it opens.
    pub(crate) fn waits_for_people(&self) -> bool {
        matches!(self.decided.outcome, Outcome::HoldForApprovals { .. })
    }

    /// Since when and until when the glass is broken that was broken last.
    pub(crate) fn broken(&self) -> Option<(DateTime<Utc>, DateTime<Utc>)> {
        self.reviews.iter().rev().find_map(|review| match review.word {
            Word::Override { until, .. } => Some((review.at, until)),
            _ => None,
        })
    }

    /// What it is before: `before_apply of network-prod`.
    pub(crate) fn place(&self) -> String {
        let stack = self.decided.stack.as_ref();
        let stack = stack.map_or_else(|| self.decided.chain.to_string(), ToString::to_string);
        format!("{} of {stack}", self.decided.moment)
    }

    /// Why it is answered so.
    pub(crate) fn why(&self) -> &str {
        self.decided.reasons.first().map(|reason| reason.text.as_str()).unwrap_or_default()
    }
}

/// That there are none, open or at all.
pub(crate) fn none(all: bool) -> String {
    let what = match all {
        true => "there are no gates",
        false => "no gate is open; `--all` also lists those that are decided",
    };
    format!("{what}; what waits for something else is shown by `stackly chain ID`")
}

/// The gates as a table.
pub(crate) fn render(found: &Gates, now: DateTime<Utc>, look: &Look) -> String {
    let mut table = Table::new(&["GATE", "BEFORE", "STACK", "ANSWER", "AGE", "WHY"]).right(&[4]);
    for gate in &found.gates {
        let decided = &gate.decided;
        let stack = match &decided.stack {
            Some(stack) => stack.to_string(),
            None => format!("all {}", gate.stacks.len()),
        };
        table.row([
            Cell::new(Tone::Strong, decided.gate.to_string()),
            decided.moment.as_str().trim_start_matches("before_").into(),
            stack.into(),
            state::outcome(&decided.outcome),
            age(gate.requested_at, now).into(),
            gate.why().into(),
        ]);
        for note in notes(gate, now) {
            table.note(Cell::new(Tone::Faint, note));
        }
    }
    let mut text = table.render(look);
    if found.more {
        text.push_str("there are more; narrow it with --chain or --stack\n");
    }
    text
}

fn notes(gate: &GateView, now: DateTime<Utc>) -> Vec<String> {
    let decided = &gate.decided;
    let mut notes = vec![format!("{} · {}", decided.chain, state::change(&gate.change))];
    notes.extend(decided.reasons.iter().skip(1).map(ToString::to_string));
    if let Some(run) = &gate.run {
        let delta = gate.delta.map(|delta| format!(" would change {delta}")).unwrap_or_default();
        notes.push(format!("run {run}{delta}"));
    }
    if gate.waits_for_people() {
        notes.extend(gate.approvals.iter().map(Approvals::sentence));
    }
    notes.extend(gate.reviews.iter().map(|review| review.sentence(now)));
    notes
}

impl Approvals {
    fn sentence(&self) -> String {
        let Self { policy, needed, given, may_approve, not, .. } = self;
        let named = |name: &String| match self.instead_of.get(name) {
            Some(of) => format!("{name} (for {})", of.join(", ")),
            None => name.clone(),
        };
        let who = match may_approve {
            None => "anybody".to_owned(),
            Some(people) if people.is_empty() => "nobody that is left".to_owned(),
            Some(people) => people.iter().map(named).collect::<Vec<_>>().join(", "),
        };
        let not = not.as_ref().map(|author| format!(" but {author}")).unwrap_or_default();
        let by = match given.as_slice() {
            [] => String::new(),
            people => format!(" (by {})", people.join(", ")),
        };
        let given = given.len();
        let times = self.times();
        format!(
            "policy {policy}: {given} of {needed} approvals{by}, may be given by {who}{not}{times}"
        )
    }

    /// What will happen when, if nothing else does.
    fn times(&self) -> String {
        let groups = self.escalate_to.join(", ");
        let escalated = format!("members of {groups} may approve as well from");
        let all = [
            (self.remind_at, "people are reminded at"),
            (self.escalate_at, escalated.as_str()),
            (self.expires_at, "the first approval expires at"),
            (self.deny_at, "denied at"),
        ];
        let told =
            all.into_iter().filter_map(|(at, what)| Some(format!("; {what} {}", moment(at?))));
        told.collect()
    }
}

impl ReviewView {
    fn sentence(&self, now: DateTime<Utc>) -> String {
        let word = match self.word {
            Word::Approve => "approved",
            Word::Reject => "rejected",
            Word::Withdraw => "took it back",
            Word::Override { .. } => "broke the glass",
        };
        let note = self.note.as_ref().map(|note| format!(": {note}")).unwrap_or_default();
        format!("{} {word} {} ago{note}", self.by, age(self.at, now))
    }
}

/// What became of a review.
pub(crate) fn reviewed(gate: &GateView, said: &str, look: &Look) -> String {
    let mut table = Table::new(&["GATE", "BEFORE", "ANSWER", "WHY"]);
    table.row([
        Cell::new(Tone::Strong, gate.decided.gate.to_string()),
        gate.place().trim_start_matches("before_").into(),
        state::outcome(&gate.decided.outcome),
        gate.why().into(),
    ]);
    format!("{}\n{}", crate::print::clean(said), table.render(look))
}
