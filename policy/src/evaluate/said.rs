//! What the rules said, gathered and weighed.

mod bounds;
mod programs;

use std::time::Duration;

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use contracts::{Code, Reason, gate::Outcome};

use super::{
    Broken, Case, Verdict,
    approval::{Standing, standing},
    clock,
    deregistration::Fates,
    facts::Facts,
    glass::Glass,
    hooks::{self, Waiting},
    limits, never,
    said::{bounds::Turn, programs::Programs},
    scope::Asked,
    span,
    words::{unread, violation},
};
use crate::{
    model::{OnViolation, Policy, PolicySet, Rule, Scope},
    people::authors,
    review::{Review, Word, apart, newest},
    window::{self, Calendar, Window},
};

/// What was said so far, by weight.
pub(super) struct Said<'a> {
    set: &'a PolicySet,
    case: Case<'a>,
    spoke: Vec<&'a Policy>,
    /// An unconditional denial: nobody passes over it.
    denied: Vec<Reason>,
    /// A no that breaking the glass passes over.
    barred: Vec<Reason>,
    /// The plan is too old: whoever made it makes another.
    stale: Vec<Reason>,
    /// How many chains come before it.
    turn: Turn,
    /// What becomes of stacks whose code is gone.
    pub(super) fates: Fates<'a>,
    queues: Vec<Queue<'a>>,
    standings: Vec<Standing<'a>>,
    /// Programs that are neither for nor against it yet, with the approvals there are.
    undecided: Vec<Reason>,
    hooks: Vec<Asked<'a>>,
    warnings: Vec<Reason>,
    /// Something looks at resources of the plan that are not all known.
    unread: Option<Reason>,
    /// When the answer may change although nobody says anything.
    alarms: Vec<DateTime<Utc>>,
    programs: Programs,
}

/// Something that makes wait.
struct Queue<'a> {
    policy: &'a Policy,
    calendar: Calendar<'a>,
    /// If it holds, until when, and why.
    closed: Option<(DateTime<Utc>, Reason)>,
}

impl<'a> Said<'a> {
    pub(super) fn new(set: &'a PolicySet, case: &Case<'a>) -> Self {
        Self {
            set,
            case: *case,
            spoke: Vec::new(),
            denied: Vec::new(),
            barred: Vec::new(),
            stale: Vec::new(),
            turn: Turn::default(),
            fates: Fates::default(),
            queues: Vec::new(),
            standings: Vec::new(),
            undecided: Vec::new(),
            hooks: Vec::new(),
            warnings: Vec::new(),
            unread: None,
            alarms: Vec::new(),
            programs: Programs::default(),
        }
    }

    /// Hears one rule.
    pub(super) fn hear(&mut self, asked: Asked<'a>, facts: &Facts<'_>) {
        if self.spoke.last().is_none_or(|last| !std::ptr::eq(*last, asked.policy)) {
            self.spoke.push(asked.policy);
            let scopes = std::iter::once(&asked.policy.scope).chain(&asked.policy.except);
            self.alarms.extend(scopes.flat_map(Scope::turns_at));
        }
        if asked.rule.reads_plan() && self.unread.is_none() {
            self.unread = unread(&asked, self.case.request);
        }
        let (title, about) = (asked.policy.title(), &asked.about);
        match asked.rule {
            Rule::Deny { reason } => {
                let text = format!("{title} denies {about}: {reason}");
                self.denied.push(Reason::new(Code::PolicyDenied, text));
            }
            Rule::Warn { reason } => self.warn(format!("{title} on {about}: {reason}")),
            Rule::Window { schedule, on_violation } => {
                self.calendar(&asked, Calendar::Window(schedule), *on_violation);
            }
            Rule::Freeze { freeze, on_violation, .. } => {
                self.calendar(&asked, Calendar::Freeze(freeze), *on_violation);
            }
            Rule::Stop { .. } => self.calendar(&asked, Calendar::Stopped, OnViolation::Queue),
            Rule::Limits { limits, on_violation } => {
                self.limits(&asked, (limits, *on_violation), facts);
            }
            Rule::Concurrency { most, on_violation } => self.crowd(&asked, *most, *on_violation),
            Rule::Budget { budget, on_violation } => {
                if let Some(spent) = limits::spent(budget, (asked.policy, asked.rule), facts) {
                    self.spent(&asked, spent, *on_violation);
                }
            }
            Rule::Deregistration { destroy, after } => {
                self.fates.hear(&asked, *destroy);
                if *destroy {
                    self.may_come_back(&asked, *after);
                }
            }
            Rule::Approval(_) => self.approval(&asked),
            Rule::Rego(program) => self.program(&asked, program, facts),
            Rule::Hook(_) => self.hooks.push(asked),
        }
    }

    /// Hears what people who said no have to say. Where nothing but programs asks for people, and all
    /// of them look at who said no, they have said by now what it means.
    pub(super) fn rejections(&mut self) {
        let is_judged = self.standings.is_empty() && self.programs.judge_rejections();
        for review in newest(&self.set.people, self.case.reviews) {
            if review.word != Word::Reject {
                continue;
            }
            let note = review.note.as_ref().map(|note| format!(" ({note})")).unwrap_or_default();
            let text = format!("{} rejected it{note}", review.by);
            match is_judged {
                true => self.warnings.push(Reason::new(Code::Rejected, text)),
                false => {
                    let text = format!("{text}; push again to ask anew");
                    self.denied.push(Reason::new(Code::Rejected, text));
                }
            }
        }
    }

    fn warn(&mut self, text: String) {
        self.warnings.push(Reason::new(Code::PolicyWarning, text));
    }

    fn calendar(&mut self, asked: &Asked<'a>, calendar: Calendar<'a>, what: OnViolation) {
        let until = match calendar.open(self.case.now) {
            Window::Open => None,
            Window::ClosedUntil(until) => Some(until),
            Window::Never => Some(never()),
        };
        let violated = until.map(|until| (until, violation(asked, until, what)));
        match (what, violated) {
            (OnViolation::Queue, closed) => {
                self.queues.push(Queue { policy: asked.policy, calendar, closed });
            }
            (OnViolation::Deny, Some((_, reason))) => self.barred.push(reason),
            (OnViolation::Warn, Some((_, reason))) => self.warn(reason.text),
            (OnViolation::Deny | OnViolation::Warn, None) => {}
        }
    }

    /// Code that is gone may be on its way to another place.
    fn may_come_back(&mut self, asked: &Asked<'a>, after: Duration) {
        let until = self.case.asked_at.checked_add_signed(span(after)).unwrap_or_else(never);
        let text = format!(
            "{} destroys what {} made at {}, unless its code comes back before",
            asked.policy.title(),
            asked.about,
            clock(until, Tz::UTC),
        );
        let closed = (self.case.now < until).then(|| (until, Reason::new(Code::CodeGone, text)));
        let calendar = Calendar::After(until);
        self.queues.push(Queue { policy: asked.policy, calendar, closed });
    }

    fn approval(&mut self, asked: &Asked<'a>) {
        let Some(standing) = standing(self.set, &self.case, asked) else { return };
        if !standing.is_met()
            && let Some(overdue) = standing.overdue_at
        {
            if overdue <= self.case.now {
                let text = format!(
                    "{} had {} of {} approvals when its time was over; push again to ask anew",
                    asked.policy.title(),
                    standing.given.len(),
                    standing.wanted(),
                );
                self.barred.push(Reason::new(Code::ApprovalLapsed, text));
            }
            self.alarms.push(overdue);
        }
        self.alarms.extend(standing.expires_at);
        if !standing.is_met() {
            self.alarms.extend(standing.urged_at.into_iter().flatten());
        }
        self.standings.push(standing);
    }

    /// When everything is open together, if something is closed now.
    fn opening(&mut self) -> Option<DateTime<Utc>> {
        let closed = self.queues.iter().filter_map(|queue| queue.closed.as_ref());
        let latest = closed.map(|(until, _)| *until).max()?;
        if latest == never() {
            return Some(latest);
        }
        let calendars = self.queues.iter().map(|queue| queue.calendar);
        let together = window::all_open(calendars, self.case.now);
        if together.is_none() {
            let names: Vec<&str> = self.queues.iter().map(|q| q.policy.name.as_str()).collect();
            self.warn(format!(
                "the windows of policies {} are not open together in any foreseeable time; widen \
                 one of them",
                names.join(", ")
            ));
        }
        // If they never are, it is asked again when the latest opens.
        Some(together.unwrap_or(latest))
    }

    pub(super) fn verdict(mut self, glass: &Glass<'_>) -> Verdict {
        self.denied.extend(self.fates.decided(self.case.request));
        let mut refused = hooks::refusals(&self.hooks, &self.case);
        if let Glass::Broken(by) = glass
            && self.denied.is_empty()
            && refused.is_empty()
        {
            return self.broken(by);
        }
        let opening = self.opening();
        let held = self.standings.iter().filter(|standing| !standing.is_met());
        let furthest = held.max_by_key(|standing| standing.wanted() - standing.given.len());
        let approvals = furthest.map(|standing| (standing.given.len(), standing.wanted()));
        self.turn.is_next = opening.is_none() && approvals.is_none() && self.undecided.is_empty();
        let mut outcome = match (opening, approvals) {
            _ if !self.denied.is_empty() || !self.barred.is_empty() => Outcome::Deny,
            _ if !self.stale.is_empty() => Outcome::Deny,
            (Some(until), _) => Outcome::HoldUntil { until },
            (None, Some((given, needed))) => Outcome::HoldForApprovals { given, needed },
            (None, None) if !self.undecided.is_empty() => {
                let given = self.approvals().len();
                Outcome::HoldForApprovals { given, needed: given + 1 }
            }
            (None, None) if self.turn.holds() => Outcome::HoldUntil { until: never() },
            (None, None) => return self.with_hooks(glass),
        };
        // What a hook said no to stays denied, also if something else holds it by now.
        if !refused.is_empty() {
            self.denied.append(&mut refused);
            outcome = Outcome::Deny;
        }
        self.settled(outcome, glass, Waiting::default())
    }

    /// Nothing else speaks against it: the hooks are asked, one after the other.
    fn with_hooks(mut self, glass: &Glass<'_>) -> Verdict {
        let mut waiting = hooks::hear(&self.hooks, &self.case);
        self.denied.append(&mut waiting.denied);
        self.warnings.append(&mut waiting.warnings);
        let outcome = match waiting.until {
            _ if !self.denied.is_empty() => Outcome::Deny,
            Some(until) => Outcome::HoldUntil { until },
            None => Outcome::Pass,
        };
        self.settled(outcome, glass, waiting)
    }

    fn settled(mut self, outcome: Outcome, glass: &Glass<'_>, waiting: Waiting) -> Verdict {
        if let Outcome::HoldUntil { until } = outcome
            && until < never()
        {
            self.alarms.push(until);
        }
        let now = self.case.now;
        let is_final = outcome.is_final();
        let recheck = self.alarms.iter().copied().filter(|at| *at > now && !is_final).min();
        let broken = match glass {
            Glass::WantsSecond(review) => {
                let text = format!(
                    "{} broke the glass; a second person must, too: stackly override {}",
                    review.by, self.case.request.gate
                );
                self.warn(text);
                Broken::WantsSecond
            }
            Glass::Whole | Glass::Broken(_) => Broken::No,
        };
        let Waiting { ask, reasons: of_hooks, .. } = waiting;
        let place = self.turn.place(&outcome);
        Verdict { outcome, reasons: self.reasons(of_hooks), recheck, ask, place, glass: broken }
    }

    fn broken(self, by: &[&Review]) -> Verdict {
        let names: Vec<&str> = by.iter().map(|review| review.by.as_str()).collect();
        let why = by.iter().find_map(|review| review.note.as_deref()).unwrap_or("no reason given");
        let text = format!("{} broke the glass: {why}", names.join(" and "));
        let (outcome, glass) = (Outcome::Pass, Broken::Yes);
        let place = self.turn.place(&outcome);
        let mut reasons = vec![Reason::new(Code::Overridden, text)];
        let over = self.reasons(Vec::new());
        reasons.extend(over.into_iter().filter(|reason| reason.code != Code::Allowed));
        Verdict { outcome, reasons, recheck: None, ask: None, place, glass }
    }

    /// Who is for it, of different people as far as anybody knows.
    fn approvals(&self) -> Vec<&'a Review> {
        let mut newest = newest(&self.set.people, self.case.reviews);
        newest.retain(|review| review.word == Word::Approve);
        apart(&self.set.people, &authors(&self.case.request.change), newest, |_| false).0
    }

    fn reasons(mut self, of_hooks: Vec<Reason>) -> Vec<Reason> {
        let mut reasons = self.denied;
        reasons.append(&mut self.barred);
        reasons.append(&mut self.stale);
        let closed = self.queues.into_iter().filter_map(|queue| queue.closed);
        reasons.extend(closed.map(|(_, reason)| reason));
        reasons.extend(self.turn.reasons());
        // What is missing before what is there.
        reasons.append(&mut self.undecided);
        let (met, unmet): (Vec<_>, Vec<_>) = self.standings.iter().partition(|one| one.is_met());
        let is_missing = |reason: &Reason| reason.code == Code::WaitingForHook;
        let (asked, answered): (Vec<_>, Vec<_>) = of_hooks.into_iter().partition(is_missing);
        reasons.extend(unmet.into_iter().map(Standing::reason));
        reasons.extend(asked);
        reasons.extend(met.into_iter().map(Standing::reason));
        reasons.extend(self.standings.iter().filter_map(Standing::urge));
        reasons.extend(answered);
        if reasons.is_empty() {
            let names: Vec<&str> = self.spoke.iter().map(|policy| policy.name.as_str()).collect();
            let text = match names.as_slice() {
                [] => "no policy matches".to_owned(),
                [one] => format!("policy {one} has nothing against it"),
                many => format!("policies {} have nothing against it", many.join(", ")),
            };
            reasons.push(Reason::new(Code::Allowed, text));
        }
        reasons.extend(self.unread);
        reasons.append(&mut self.warnings);
        reasons
    }
}
