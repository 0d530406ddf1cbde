//! What programs say: each is asked about every stack it speaks about, one after the other.

use std::time::Duration;

use chrono::{DateTime, Utc};
use contracts::{
    Code, Reason,
    chain::ChainKind,
    gate::{GateRequested, Moment},
};

use super::{Queue, Said};
use crate::{
    evaluate::{
        Case, clock,
        facts::{Facts, StackFacts},
        limits::UNSEEN,
        scope::{About, Asked, moments},
    },
    people::People,
    rego::{Inputs, Labels, OnWarn, Program},
    window::Calendar,
};

/// How long all programs may take for one gate, however many stacks it is about: others wait for the
/// transaction that it is decided in.
const TIME_MAX: Duration = Duration::from_secs(5);
/// What is said where only labels of the code would have let a stack go.
const UNHEEDED: &str = "labels that only its code says let it go from nothing";
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
    /// What they are given; made when the first asks so.
    given: Vec<(View, Inputs)>,
    time_left: Duration,
    /// Whether all that ask for people look at who said no, if any asks.
    judge_rejections: Option<bool>,
}

impl Default for Programs {
    fn default() -> Self {
        Self { given: Vec::new(), time_left: TIME_MAX, judge_rejections: None }
    }
}

impl Programs {
    /// Whether programs ask for people, and say themselves what it means that one said no.
    pub(super) fn judge_rejections(&self) -> bool {
        self.judge_rejections == Some(true)
    }

    fn input(&mut self, question: Question<'_>, people: &People, case: &Case<'_>) -> rego::Value {
        let Question { stack, view } = question;
        if let Some((_, inputs)) = self.given.iter().find(|(given, _)| *given == view) {
            return inputs.about(stack);
        }
        let stands_for = if view.is_of_apply { Moment::BeforeApply } else { case.request.moment };
        let inputs = match view.is_bare {
            true => {
                let request = &bare(case.request);
                Inputs::new(people, &Case { request, ..*case }, stands_for)
            }
            false => Inputs::new(people, case, stands_for),
        };
        let input = inputs.about(stack);
        self.given.push((view, inputs));
        input
    }
}

/// The same question without what only the code of its stacks says.
fn bare(request: &GateRequested) -> GateRequested {
    let mut request = request.clone();
    for stack in &mut request.stacks {
        let by_code = std::mem::take(&mut stack.code_labels);
        stack.labels.retain(|label| !by_code.contains(label));
    }
    request
}

/// What a program is asked.
#[derive(Clone, Copy)]
struct Question<'s> {
    /// Without one it is about the chain as such.
    stack: Option<&'s str>,
    view: View,
}

/// As what it is asked.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct View {
    /// In the stead of the gate before the apply.
    is_of_apply: bool,
    /// Without the labels that only code says: they hold a stack, and let it go from nothing, so what
    /// is stricter of both answers counts.
    is_bare: bool,
}

/// What a rule is asked at this gate about the stacks it speaks about: at those that are its own, and
/// what it would be asked before the apply of stacks that never reach that.
fn questions<'s>(asked: &'s Asked<'_>, program: &Program, facts: &Facts<'_>) -> Vec<Question<'s>> {
    let at = facts.request.moment;
    let moments = moments(&asked.policy.scope, asked.rule);
    let stands_in = at == Moment::BeforePlan && moments.contains(&Moment::BeforeApply);
    let reads = program.reads_labels();
    let is_any_labelled =
        reads != Labels::None && facts.stacks.iter().any(StackFacts::has_code_labels);
    let About::Stacks(stacks) = &asked.about else {
        return twice(None, View::default(), is_any_labelled);
    };
    let of_stack = |name: &'s str| {
        let is_meant = |stack: &&StackFacts<'_>| stack.id.as_str() == name;
        let meant = facts.stacks.iter().find(is_meant);
        let last = stands_in && meant.is_some_and(|it| it.applies_unseen);
        let is_labelled = is_any_labelled
            && (reads == Labels::All || meant.is_some_and(StackFacts::has_code_labels));
        let own = moments.contains(&at) || !last;
        let each = [(own, false), (last, true)].into_iter().filter(|(is_asked, _)| *is_asked);
        each.flat_map(move |(_, is_of_apply)| {
            twice(Some(name), View { is_of_apply, is_bare: false }, is_labelled)
        })
    };
    stacks.iter().flat_map(|name| of_stack(name)).collect()
}

/// A question, and the same without the labels of code where they may make a difference.
fn twice(stack: Option<&str>, view: View, is_labelled: bool) -> Vec<Question<'_>> {
    let bare = is_labelled.then_some(View { is_bare: true, ..view });
    [Some(view), bare].into_iter().flatten().map(|view| Question { stack, view }).collect()
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
    /// Whether it let go what it was asked about last.
    lets_go: bool,
}

impl<'s> Answers<'s> {
    fn hear(
        &mut self,
        program: &Program,
        (input, question): (rego::Value, Question<'s>),
        left: &mut Duration,
    ) -> Result<(), String> {
        let stack = question.stack;
        if question.view.is_of_apply && program.reads_plan() && !asks_anyway(program, &input, left)
        {
            note(self.unseen.get_or_insert_default(), stack);
            return Ok(());
        }
        let answer = program.ask_within(&input, left)?;
        let lets_go = answer.deny.is_empty()
            && answer.warn.is_empty()
            && !answer.is_undecided
            && answer.hold_until.is_none();
        if question.view.is_bare && self.lets_go && !lets_go {
            self.tell.hear(UNHEEDED.to_owned(), stack);
        }
        self.lets_go = lets_go;
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
        let questions = questions(asked, program, facts);
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
            || questions.iter().any(|question| question.view.is_of_apply);
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
