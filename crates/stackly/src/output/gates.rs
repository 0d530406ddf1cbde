//! Gates: what waits for whom.

use chrono::{DateTime, Utc};
use policy::{
    page::{Approvals, GatePage, Gates},
    review::{Review, Word},
};

use super::state;
use crate::print::{Cell, Look, Table, Tone, age, moment};

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

fn notes(gate: &GatePage, now: DateTime<Utc>) -> Vec<String> {
    let decided = &gate.decided;
    let mut notes = vec![format!("{} · {}", decided.chain, state::change(&gate.change))];
    notes.extend(decided.reasons.iter().skip(1).map(ToString::to_string));
    if let Some(run) = &gate.run {
        let delta = gate.delta.map(|delta| format!(" would change {delta}")).unwrap_or_default();
        notes.push(format!("run {run}{delta}"));
    }
    if gate.waits_for_people() {
        notes.extend(gate.approvals.iter().map(asked));
    }
    notes.extend(gate.reviews.iter().map(|review| said(review, now)));
    notes
}

fn asked(approvals: &Approvals) -> String {
    let Approvals { policy, needed, given, may_approve, instead_of, not, .. } = approvals;
    let named = |name: &String| match instead_of.get(name) {
        Some(of) => format!("{name} (for {})", of.join(", ")),
        None => name.clone(),
    };
    let who = match may_approve {
        None => "anybody".to_owned(),
        Some(people) if people.is_empty() => "nobody that is left".to_owned(),
        Some(people) => people.iter().map(named).collect::<Vec<_>>().join(", "),
    };
    let not = not.as_ref().map(|author| match may_approve {
        None => format!(" but {author}"),
        Some(_) => format!(", but not by {author}"),
    });
    let not = not.unwrap_or_default();
    let by = match given.as_slice() {
        [] => String::new(),
        people => format!(" (by {})", people.join(", ")),
    };
    let given = given.len();
    let times = times(approvals);
    format!("policy {policy}: {given} of {needed} approvals{by}, may be given by {who}{not}{times}")
}

/// What will happen when, if nothing else does.
fn times(approvals: &Approvals) -> String {
    let groups = approvals.escalate_to.join(", ");
    let escalated = format!("members of {groups} may approve as well from");
    let all = [
        (approvals.remind_at, "people are reminded at"),
        (approvals.escalate_at, escalated.as_str()),
        (approvals.expires_at, "the first approval expires at"),
        (approvals.deny_at, "denied at"),
    ];
    let told = all.into_iter().filter_map(|(at, what)| Some(format!("; {what} {}", moment(at?))));
    told.collect()
}

fn said(review: &Review, now: DateTime<Utc>) -> String {
    let word = match review.word {
        Word::Approve => "approved",
        Word::Reject => "rejected",
        Word::Withdraw => "took it back",
        Word::Override { .. } => "broke the glass",
    };
    let note = review.note.as_ref().map(|note| format!(": {note}")).unwrap_or_default();
    format!("{} {word} {} ago{note}", review.by, age(review.at, now))
}

/// What became of a review.
pub(crate) fn reviewed(gate: &GatePage, said: &str, look: &Look) -> String {
    let mut table = Table::new(&["GATE", "BEFORE", "ANSWER", "WHY"]);
    table.row([
        Cell::new(Tone::Strong, gate.decided.gate.to_string()),
        gate.place().trim_start_matches("before_").into(),
        state::outcome(&gate.decided.outcome),
        gate.why().into(),
    ]);
    format!("{}\n{}", crate::print::clean(said), table.render(look))
}
