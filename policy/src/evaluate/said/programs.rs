//! What programs say: each is asked about every stack it speaks about, one after the other.

use std::time::Duration;

use chrono::{DateTime, Utc};
use contracts::{Code, Reason, chain::ChainKind, gate::Moment};

use super::{Queue, Said};
use crate::{
    evaluate::{
        Case, clock,
        facts::{Facts, StackFacts},
        limits::UNSEEN,
        scope::{About, Asked, moments},
    },
    people::People,
    rego::{Inputs, OnWarn, Program},
    window::Calendar,
};

/// How long all programs may take for one gate, however many stacks it is about: others wait for the
/// transaction that it is decided in.
const TIME_MAX: Duration = Duration::from_secs(5);
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
            note(stacks, stack);
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

/// Notes a stack once, also if two questions are about it.
fn note<'s>(stacks: &mut Vec<&'s str>, stack: Option<&'s str>) {
    if stacks.last().copied() != stack {
        stacks.extend(stack);
    }
}

/// Some of the stacks, or the chain as such.
fn about(stacks: Vec<&str>) -> About<'_> {
    if stacks.is_empty() { About::Chain } else { About::Stacks(stacks) }
}

/// What programs are asked with, and what is known of all of them together.
pub(super) struct Programs {
    /// What they are given; made when the first asks.
    here: Option<Inputs>,
    /// The same as if it were the gate before the apply, for what never reaches that.
    in_its_stead: Option<Inputs>,
    time_left: Duration,
    /// Whether all that ask for people look at who said no, if any asks.
    judge_rejections: Option<bool>,
}

impl Default for Programs {
    fn default() -> Self {
        let (here, in_its_stead) = (None, None);
        Self { here, in_its_stead, time_left: TIME_MAX, judge_rejections: None }
    }
}

impl Programs {
    /// Whether programs ask for people, and say themselves what it means that one said no.
    pub(super) fn judge_rejections(&self) -> bool {
        self.judge_rejections == Some(true)
    }

    fn input(&mut self, question: Question<'_>, people: &People, case: &Case<'_>) -> rego::Value {
        let (inputs, stands_for) = match question.is_of_apply {
            true => (&mut self.in_its_stead, Moment::BeforeApply),
            false => (&mut self.here, case.request.moment),
        };
        let inputs = inputs.get_or_insert_with(|| Inputs::new(people, case, stands_for));
        inputs.about(question.stack)
    }
}

/// What a program is asked.
#[derive(Clone, Copy)]
struct Question<'s> {
    /// Without one it is about the chain as such.
    stack: Option<&'s str>,
    /// It is asked in the stead of the gate before the apply.
    is_of_apply: bool,
}

/// What a rule is asked at this gate about the stacks it speaks about: at those that are its own, and
/// what it would be asked before the apply of stacks that never reach that.
fn questions<'s>(asked: &'s Asked<'_>, facts: &Facts<'_>) -> Vec<Question<'s>> {
    let at = facts.request.moment;
    let moments = moments(&asked.policy.scope, asked.rule);
    let stands_in = at == Moment::BeforePlan && moments.contains(&Moment::BeforeApply);
    let About::Stacks(stacks) = &asked.about else {
        return vec![Question { stack: None, is_of_apply: false }];
    };
    let of_stack = |name: &'s str| {
        let is_meant = |stack: &&StackFacts<'_>| stack.id.as_str() == name;
        let last =
            stands_in && facts.stacks.iter().find(is_meant).is_some_and(|it| it.applies_unseen);
        let own = moments.contains(&at) || !last;
        let each = [(own, false), (last, true)].into_iter().filter(|(is_asked, _)| *is_asked);
        each.map(move |(_, is_of_apply)| Question { stack: Some(name), is_of_apply })
    };
    stacks.iter().flat_map(|name| of_stack(name)).collect()
}

/// What a program said of all that it was asked about.
#[derive(Default)]
struct Answers<'s> {
    deny: Heard<'s>,
    warn: Heard<'s>,
    tell: Heard<'s>,
    /// What it would have to see the plan of.
    unseen: Option<Vec<&'s str>>,
    undecided: Option<Vec<&'s str>>,
    warned: Option<Vec<&'s str>>,
    hold: Option<(DateTime<Utc>, Option<&'s str>)>,
    failed: Option<(String, Option<&'s str>)>,
}

impl<'s> Answers<'s> {
    fn hear(
        &mut self,
        program: &Program,
        (input, question): (rego::Value, Question<'s>),
        left: &mut Duration,
    ) -> Result<(), String> {
        let stack = question.stack;
        if question.is_of_apply && program.reads_plan() && !asks_anyway(program, &input, left) {
            note(self.unseen.get_or_insert_default(), stack);
            return Ok(());
        }
        let answer = program.ask_within(&input, left)?;
        if answer.is_undecided {
            note(self.undecided.get_or_insert_default(), stack);
        }
        if !answer.warn.is_empty() {
            note(self.warned.get_or_insert_default(), stack);
        }
        answer.deny.into_iter().for_each(|text| self.deny.hear(text, stack));
        answer.warn.into_iter().for_each(|text| self.warn.hear(text, stack));
        answer.tell.into_iter().for_each(|text| self.tell.hear(text, stack));
        if let Some(until) = answer.hold_until
            && self.hold.is_none_or(|(latest, _)| latest < until)
        {
            self.hold = Some((until, stack));
        }
        Ok(())
    }
}

/// Whether a program that would look at a plan, and is shown none, asks for people in any case: then
/// they decide, and not the plan.
fn asks_anyway(program: &Program, input: &rego::Value, left: &mut Duration) -> bool {
    let unreviewed = || Inputs::unreviewed(input.clone());
    program.only_wants_people()
        && program.ask_within(&unreviewed(), left).is_ok_and(|answer| answer.is_undecided)
}

impl<'a> Said<'a> {
    /// Asks a program about each stack. The strictest of what it says wins, as among policies.
    pub(super) fn program(&mut self, asked: &Asked<'a>, program: &Program, facts: &Facts<'_>) {
        let title = asked.policy.title();
        if program.wants_people() {
            let others = self.programs.judge_rejections.unwrap_or(true);
            self.programs.judge_rejections = Some(others && program.judges_rejections());
        }
        let questions = questions(asked, facts);
        let mut answers = Answers::default();
        for question in &questions {
            let input = self.programs.input(*question, &self.set.people, &self.case);
            let heard = answers.hear(program, (input, *question), &mut self.programs.time_left);
            if let Err(error) = heard {
                // One is enough to deny, and the others would take as long.
                answers.failed = Some((error, question.stack));
                break;
            }
        }
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
        if let Some(stacks) = answers.unseen {
            let text = format!("{title} denies {}: {UNSEEN}", about(stacks));
            self.barred.push(Reason::new(Code::PolicyDenied, text));
        }
        for (text, about) in answers.warn.told().chain(answers.tell.told()) {
            self.warn(format!("{title} on {about}: {text}"));
        }
        if let Some(stacks) = answers.undecided {
            self.ask_people(format!("{title} has neither approved nor rejected {}", about(stacks)));
        }
        let is_of_apply = self.case.request.moment == Moment::BeforeApply
            || questions.iter().any(|question| question.is_of_apply);
        let holds = is_of_apply
            && self.case.request.kind == ChainKind::Deploy
            && program.on_warn() == OnWarn::Hold;
        if let Some(stacks) = answers.warned.filter(|_| holds && self.approvals().is_empty()) {
            self.ask_people(format!("{title} wants a person to look at {}", about(stacks)));
        }
        if let Some(hold) = answers.hold {
            self.hold(asked, hold);
        }
    }

    fn ask_people(&mut self, why: String) {
        let text = format!("{why}; approve with: stackly approve {}", self.case.request.gate);
        self.undecided.push(Reason::new(Code::ApprovalNeeded, text));
    }

    fn hold(&mut self, asked: &Asked<'a>, (until, stack): (DateTime<Utc>, Option<&str>)) {
        let closed = (self.case.now < until).then(|| {
            let text = format!(
                "{} holds {} until {}; nothing to do, it is decided anew by itself then",
                asked.policy.title(),
                about(stack.into_iter().collect()),
                clock(until, chrono_tz::Tz::UTC)
            );
            (until, Reason::new(Code::WindowClosed, text))
        });
        let calendar = Calendar::After(until);
        self.queues.push(Queue { policy: asked.policy, calendar, closed });
    }
}
