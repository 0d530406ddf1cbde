//! Blocking hooks: who is asked next, and what those who were asked said.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use contracts::{Code, Reason};

use super::{Ask, Case, scope::Asked};
use crate::{
    call::{Answer, Call},
    model::{Hook, Rule, Silence},
};

/// For how long a yes counts if its hook does not say.
const COUNTS_FOR: Duration = Duration::from_secs(3_600);

/// How the hooks stand.
#[derive(Default)]
pub(super) struct Waiting {
    /// A no.
    pub(super) denied: Vec<Reason>,
    /// What people should know.
    pub(super) warnings: Vec<Reason>,
    /// What the others said, and what is waited for.
    pub(super) reasons: Vec<Reason>,
    /// Until when an answer is waited for.
    pub(super) until: Option<DateTime<Utc>>,
    /// The hook that is to be asked now.
    pub(super) ask: Option<Ask>,
}

/// Goes through the hooks in the order of their priority, up to the first that has not passed it.
pub(super) fn hear(asked: &[Asked<'_>], case: &Case<'_>) -> Waiting {
    let mut hooks: Vec<(&Hook, &Asked<'_>)> = asked
        .iter()
        .filter_map(|asked| match asked.rule {
            Rule::Hook(hook) => Some((hook, asked)),
            _ => None,
        })
        .collect();
    hooks.sort_by_key(|(hook, asked)| (hook.priority, asked.policy.name.as_str()));
    let mut waiting = Waiting::default();
    for (index, (hook, asked)) in hooks.iter().enumerate() {
        // Those after it may take their time, or none of them would ever be fresh together.
        let patience: Duration = hooks[index + 1..].iter().map(|(later, _)| later.timeout).sum();
        let counts_for = hook.expires.unwrap_or(COUNTS_FOR).saturating_add(patience);
        if !waiting.goes_on_after((hook, counts_for), asked, case) {
            break;
        }
    }
    waiting
}

/// The unconditional denial of each hook that gave one, in whichever order.
pub(super) fn refusals(asked: &[Asked<'_>], case: &Case<'_>) -> Vec<Reason> {
    let refused = asked.iter().filter_map(|asked| {
        let last = case.calls.iter().rev().find(|call| call.hook == asked.policy.name)?;
        let answer = last.answer.as_ref().filter(|answer| !answer.pass)?;
        Some(refusal(asked, answer))
    });
    refused.collect()
}

fn refusal(asked: &Asked<'_>, answer: &Answer) -> Reason {
    let why = answer.text.as_ref().map(|text| format!(": {text}")).unwrap_or_default();
    let (title, about, by) = (asked.policy.title(), &asked.about, &answer.by);
    Reason::new(Code::PolicyDenied, format!("{title} denies {about}{why} (by {by})"))
}

/// The call of a hook that counts: the last one, unless what it led to is a yes from too long ago.
fn call_of<'a>(hook: &Hook, counts_for: Duration, name: &str, case: &Case<'a>) -> Option<&'a Call> {
    let call = case.calls.iter().rev().find(|call| call.hook == name)?;
    let yes_at = match &call.answer {
        Some(answer) => answer.pass.then_some(answer.at),
        None => (hook.on_silence != Silence::Deny).then_some(call.deadline),
    };
    let end = yes_at.and_then(|at| {
        at.checked_add_signed(TimeDelta::from_std(counts_for).unwrap_or(TimeDelta::MAX))
    });
    end.is_none_or(|end| case.now < end).then_some(call)
}

impl Waiting {
    /// Hears one hook. Whether the next may be asked.
    fn goes_on_after(
        &mut self,
        (hook, counts_for): (&Hook, Duration),
        asked: &Asked<'_>,
        case: &Case<'_>,
    ) -> bool {
        let (title, name) = (asked.policy.title(), asked.policy.name.as_str());
        let Some(call) = call_of(hook, counts_for, name, case) else {
            let timeout = TimeDelta::from_std(hook.timeout).unwrap_or(TimeDelta::MAX);
            let deadline = case.now.checked_add_signed(timeout).unwrap_or_else(super::never);
            let ask = Ask { hook: name.to_owned(), deadline, on_silence: hook.on_silence };
            self.ask = Some(ask);
            self.wait(asked, deadline, hook);
            return false;
        };
        match &call.answer {
            Some(answer) => {
                if !answer.pass {
                    self.denied.push(refusal(asked, answer));
                    return false;
                }
                let text = answer.text.as_ref().map(|text| format!(": {text}")).unwrap_or_default();
                let text = format!("{title} lets it pass{text} (by {})", answer.by);
                self.reasons.push(Reason::new(Code::Approved, text));
                true
            }
            None if case.now < call.deadline => {
                self.wait(asked, call.deadline, hook);
                false
            }
            None => self.silent(hook, asked, call),
        }
    }

    fn wait(&mut self, asked: &Asked<'_>, deadline: DateTime<Utc>, hook: &Hook) {
        let text = format!(
            "{} was asked about {}; silence until {} means {}",
            asked.policy.title(),
            asked.about,
            deadline.format("%Y-%m-%d %H:%M:%S UTC"),
            hook.on_silence.as_str(),
        );
        self.until = Some(deadline);
        self.reasons.push(Reason::new(Code::WaitingForHook, text));
    }

    fn silent(&mut self, hook: &Hook, asked: &Asked<'_>, call: &Call) -> bool {
        let seconds = (call.deadline - call.asked_at).num_seconds();
        let text = format!("{} said nothing in {seconds} s", asked.policy.title());
        match hook.on_silence {
            Silence::Deny => {
                let text = format!("{text}, which denies {}; push again to ask anew", asked.about);
                self.denied.push(Reason::new(Code::PolicyDenied, text));
                false
            }
            Silence::Pass => {
                let text = format!("{text}, which lets it pass");
                self.reasons.push(Reason::new(Code::Approved, text));
                true
            }
            Silence::Warn => {
                self.warnings.push(Reason::new(Code::PolicyWarning, text));
                true
            }
        }
    }
}
