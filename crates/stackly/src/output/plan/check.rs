//! Whether what is foretold is what was decided.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use contracts::{Code, StackId, phrase::count};
use ingest::page::Listed;
use planner::{reconsider::Reconsidered, what_if::Outcome};
use serde::Serialize;
use uuid::Uuid;

use crate::{
    failure::Failure,
    output::deliveries::decision::Decision,
    print::{Look, Tone, clean, moment},
};

/// Every decision that is kept beside what would be decided now.
#[derive(Debug, Serialize)]
pub(crate) struct Checked {
    since: DateTime<Utc>,
    /// How many could be compared.
    compared: usize,
    /// Of these, how many are the same now.
    same: usize,
    /// Those that are not.
    differing: Vec<Differing>,
    /// Why others could not be compared.
    unknown: Vec<Unknown>,
}

/// A decision that would be another one now.
#[derive(Debug, Serialize)]
struct Differing {
    #[serde(flatten)]
    of: Of,
    because: Because,
    decision: Decision,
}

/// One that could not be compared.
#[derive(Debug, Serialize)]
struct Unknown {
    #[serde(flatten)]
    of: Of,
    why: String,
}

/// What was decided upon.
#[derive(Debug, Clone, Serialize)]
struct Of {
    delivery: Uuid,
    received_at: DateTime<Utc>,
    repository: Option<String>,
    head: Option<String>,
}

/// Why a decision differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Because {
    /// It was decided upon together with other pushes of its branch, which are not there now.
    OtherPushes,
    /// Its code could not be read then, or cannot now.
    Mirror,
    /// Of the stacks in which it differs, some or their code have changed since.
    GraphChanged,
    /// Nobody knows.
    Unexplained,
}

impl Because {
    const fn phrase(self) -> &'static str {
        match self {
            Self::OtherPushes => "because other pushes of its branch counted then",
            Self::Mirror => "because its code could not be read then, or cannot now",
            Self::GraphChanged => "because stacks or their code have changed since",
            Self::Unexplained => "for no known reason",
        }
    }

    /// In the order in which changes came; `newest` is the graph of now, if a chain tells it.
    fn of(it: &Reconsidered, oldest_after: Option<i64>, newest: Option<i64>) -> Self {
        let is_by = |codes: &[Code]| {
            let reasons = it.then.iter().chain(&it.now).filter_map(|outcome| match outcome {
                Outcome::Ignored { reason } | Outcome::Refused { reason } => Some(reason.code),
                Outcome::Planned(_) => None,
            });
            reasons.into_iter().any(|code| codes.contains(&code))
        };
        if is_by(&[Code::Joined, Code::AlreadyPlanned]) {
            return Self::OtherPushes;
        }
        if is_by(&[Code::GitUnavailable]) {
            return Self::Mirror;
        }
        // Of what was not planned no graph is known, but it was none newer than those after it.
        match graph(&it.then).or(oldest_after).zip(graph(&it.now).or(newest)) {
            Some((then, now)) if then < now && has_changed(it) => Self::GraphChanged,
            _ => Self::Unexplained,
        }
    }
}

/// Whether any stack has changed in which decisions differ: one that runs, or waits for another or is
/// waited for, in one of them alone. Who knows nothing of that takes it that one has.
fn has_changed(it: &Reconsidered) -> bool {
    let Some(changed) = &it.changed else { return true };
    let (then, now) = (sayings(&it.then), sayings(&it.now));
    let differ = then.symmetric_difference(&now).flat_map(|(stack, on)| [Some(*stack), *on]);
    let mut differ: BTreeSet<&StackId> = differ.flatten().collect();
    if differ.is_empty() {
        differ = then.union(&now).map(|(stack, _)| *stack).collect();
    }
    differ.is_empty() || differ.into_iter().any(|stack| changed.contains(stack))
}

/// Which stacks run, and which of them wait for which.
fn sayings(outcomes: &[Outcome]) -> BTreeSet<(&StackId, Option<&StackId>)> {
    let chains = outcomes.iter().filter_map(|outcome| match outcome {
        Outcome::Planned(chain) => Some(chain),
        Outcome::Ignored { .. } | Outcome::Refused { .. } => None,
    });
    let said = chains.flat_map(|chain| {
        let runs = chain.steps.iter().map(|step| (&step.stack, None));
        runs.chain(chain.edges.iter().map(|edge| (edge.child, Some(edge.parent))))
    });
    said.collect()
}

/// The graph that a decision was made with.
fn graph(outcomes: &[Outcome]) -> Option<i64> {
    outcomes.iter().find_map(|outcome| match outcome {
        Outcome::Planned(chain) => Some(chain.graph_version),
        Outcome::Ignored { .. } | Outcome::Refused { .. } => None,
    })
}

impl Checked {
    /// Of deliveries as they came, each with what was and would be decided about its changes.
    pub(crate) fn of(
        since: DateTime<Utc>,
        decided: Vec<(Listed, Vec<Result<Reconsidered, Failure>>)>,
    ) -> Self {
        let known = || decided.iter().flat_map(|(_, told)| told).filter_map(|it| it.as_ref().ok());
        let newest = known().filter_map(|it| graph(&it.now)).max();
        let mut after = known().map(|it| graph(&it.then)).collect::<Vec<_>>();
        let mut next = None;
        for then in after.iter_mut().rev() {
            next = then.or(next);
            *then = next;
        }
        let mut after = after.into_iter();
        let mut checked =
            Self { since, compared: 0, same: 0, differing: Vec::new(), unknown: Vec::new() };
        for (delivery, told) in decided {
            let Listed { id: delivery, received_at, repository, head, .. } = delivery;
            let of = Of { delivery, received_at, repository, head };
            for told in told {
                match told {
                    Ok(it) => checked.add(of.clone(), &it, (after.next().flatten(), newest)),
                    Err(why) => checked.unknown.push(Unknown { of: of.clone(), why: why.text() }),
                }
            }
        }
        checked
    }

    fn add(&mut self, of: Of, it: &Reconsidered, (after, newest): (Option<i64>, Option<i64>)) {
        if it.then.is_empty() {
            let why = "what was decided is not kept any more, or it is not decided yet".to_owned();
            return self.unknown.push(Unknown { of, why });
        }
        self.compared += 1;
        let decision = Decision::compared(it);
        if !decision.differs() {
            self.same += 1;
            return;
        }
        self.differing.push(Differing { of, because: Because::of(it, after, newest), decision });
    }

    fn differ(&self, because: Because) -> usize {
        self.differing.iter().filter(|it| it.because == because).count()
    }

    /// Whether at most one in a thousand differs for no known reason, of all that have none.
    pub(crate) fn holds(&self) -> bool {
        let unexplained = self.differ(Because::Unexplained);
        unexplained * 1_000 <= self.same + unexplained
    }
}

/// In lines.
pub(crate) fn render(checked: &Checked, look: &Look) -> String {
    let mut lines = Vec::new();
    for Differing { of, because, decision } in &checked.differing {
        lines.push(format!("{} differs {}", said(of, look), because.phrase()));
        lines.extend(decision.lines(look));
    }
    for Unknown { of, why } in &checked.unknown {
        lines.push(format!("{} cannot be compared: {}", said(of, look), clean(why)));
    }
    let share = match checked.compared {
        0 => String::new(),
        all => {
            // Cut, not rounded: 99.96 is not all of them.
            let hundredths = checked.same * 10_000 / all;
            format!(" ({}.{:02} %)", hundredths / 100, hundredths % 100)
        }
    };
    lines.push(format!(
        "{} since {}: {} foretold as they were made{share}",
        count(checked.compared, "decision"),
        moment(checked.since),
        checked.same,
    ));
    let whys = [Because::OtherPushes, Because::Mirror, Because::GraphChanged, Because::Unexplained];
    for because in whys {
        let differ = checked.differ(because);
        if differ > 0 {
            lines.push(format!("{differ} differ {}", because.phrase()));
        }
    }
    if !checked.unknown.is_empty() {
        lines.push(format!("{} could not be compared", checked.unknown.len()));
    }
    lines.join("\n")
}

fn said(of: &Of, look: &Look) -> String {
    let text = |it: &Option<String>| it.as_deref().unwrap_or("–").to_owned();
    let (repository, head) = (text(&of.repository), text(&of.head));
    let about = clean(&format!("{head} of {repository}"));
    format!("{} {} ({})", moment(of.received_at), look.paint(Tone::Strong, &about), of.delivery)
}
