//! What programs say: each is asked about every stack it speaks about, one after the other.

use chrono::{DateTime, Utc};
use contracts::{Code, Reason};

use super::{Queue, Said};
use crate::{
    evaluate::{
        clock,
        scope::{About, Asked},
    },
    rego::{Inputs, Program},
    window::Calendar,
};

/// How many different things a program may say about one gate.
const SAID_MAX: usize = 20;

/// Texts, and the stacks they are said of.
#[derive(Default)]
struct Heard<'s> {
    said: Vec<(String, Vec<&'s str>)>,
    more: usize,
}

impl<'s> Heard<'s> {
    fn hear(&mut self, text: String, stack: Option<&'s str>) {
        if let Some((_, stacks)) = self.said.iter_mut().find(|(said, _)| *said == text) {
            stacks.extend(stack);
        } else if self.said.len() < SAID_MAX {
            self.said.push((text, stack.into_iter().collect()));
        } else {
            self.more += 1;
        }
    }

    /// Each text, and what it is said of.
    fn told(self) -> impl Iterator<Item = (String, About<'s>)> {
        let more =
            (self.more > 0).then(|| (format!("and {} things more", self.more), About::Chain));
        let told = self.said.into_iter().map(|(text, stacks)| (text, about(stacks)));
        told.chain(more)
    }
}

/// Some of the stacks, or the chain as such.
fn about(stacks: Vec<&str>) -> About<'_> {
    if stacks.is_empty() { About::Chain } else { About::Stacks(stacks) }
}

/// What a program said of all that it was asked about.
#[derive(Default)]
struct Answers<'s> {
    deny: Heard<'s>,
    warn: Heard<'s>,
    undecided: Option<Vec<&'s str>>,
    hold: Option<(DateTime<Utc>, Option<&'s str>)>,
    failed: Option<(String, Option<&'s str>)>,
}

impl<'s> Answers<'s> {
    fn of(program: &Program, inputs: &Inputs, stacks: &[&'s str]) -> Self {
        let mut all = Self::default();
        let each = stacks.iter().map(|stack| Some(*stack));
        // A chain that has no stacks is asked about once.
        let chain = stacks.is_empty().then_some(None);
        for stack in each.chain(chain) {
            let answer = match program.ask(&inputs.about(stack)) {
                Ok(answer) => answer,
                Err(error) => {
                    // One is enough to deny, and the others would take as long.
                    all.failed = Some((error, stack));
                    break;
                }
            };
            answer.deny.into_iter().for_each(|text| all.deny.hear(text, stack));
            answer.warn.into_iter().for_each(|text| all.warn.hear(text, stack));
            if answer.is_undecided {
                all.undecided.get_or_insert_default().extend(stack);
            }
            if let Some(until) = answer.hold_until
                && all.hold.is_none_or(|(latest, _)| latest < until)
            {
                all.hold = Some((until, stack));
            }
        }
        all
    }
}

impl<'a> Said<'a> {
    /// Asks a program about each stack. The strictest of what it says wins, as among policies.
    pub(super) fn program(&mut self, asked: &Asked<'a>, program: &Program) {
        let title = asked.policy.title();
        let set = self.set;
        let inputs = self.inputs.get_or_init(|| Inputs::new(&set.people, &self.case));
        let stacks: &[&str] = match &asked.about {
            About::Chain => &[],
            About::Stacks(stacks) => stacks,
        };
        let answers = Answers::of(program, inputs, stacks);
        if let Some((error, stack)) = answers.failed {
            let text = format!(
                "{title} cannot be evaluated for {}: {error}; correct the program, and push again",
                about(stack.into_iter().collect()),
            );
            self.denied.push(Reason::new(Code::PolicyFailed, text));
        }
        for (reason, about) in answers.deny.told() {
            let text = format!("{title} denies {about}: {reason}");
            self.denied.push(Reason::new(Code::PolicyDenied, text));
        }
        for (text, about) in answers.warn.told() {
            self.warn(format!("{title} on {about}: {text}"));
        }
        if let Some(stacks) = answers.undecided {
            let (about, gate) = (about(stacks), self.case.request.gate);
            let text = format!(
                "{title} has neither approved nor rejected {about}; approve with: stackly approve \
                 {gate}"
            );
            self.undecided.push(Reason::new(Code::ApprovalNeeded, text));
        }
        if let Some((until, stack)) = answers.hold {
            let closed = (self.case.now < until).then(|| {
                let text = format!(
                    "{title} holds {} until {}; nothing to do, it is decided anew by itself then",
                    about(stack.into_iter().collect()),
                    clock(until, chrono_tz::Tz::UTC)
                );
                (until, Reason::new(Code::WindowClosed, text))
            });
            let calendar = Calendar::After(until);
            self.queues.push(Queue { policy: asked.policy, calendar, closed });
        }
    }
}
