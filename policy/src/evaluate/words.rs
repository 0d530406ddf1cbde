//! What is said to who is held or denied.

use chrono::{DateTime, Utc};
use contracts::{
    Code, Reason,
    chain::ChainKind,
    gate::{GateRequested, Moment},
};

use super::{clock, never, scope::Asked};
use crate::model::{OnViolation, Rule};

/// What is said where a rule looks at resources of a plan that are not all known.
pub(super) fn unread(asked: &Asked<'_>, request: &GateRequested) -> Option<Reason> {
    let (title, about) = (asked.policy.title(), &asked.about);
    let is_preview = request.kind == ChainKind::Preview;
    let what = match (request.moment, &request.changes, request.changes_more) {
        // Nobody asks about it later.
        (Moment::BeforePlan, ..) if is_preview && matches!(asked.rule, Rule::Rego(_)) => {
            "a preview is asked about before there is a plan alone".to_owned()
        }
        (Moment::BeforeChain | Moment::BeforePlan, ..) | (_, Some(_), 0) => return None,
        (_, Some(changes), more) => {
            format!("{} of {} are shown to it", changes.len(), changes.len() + more)
        }
        (_, None, _) => match &request.unread {
            Some(why) => format!("they could not be read: {}", why.text),
            None => "nobody has read them".to_owned(),
        },
    };
    let text =
        format!("{title} may look at the resources that the plan of {about} changes; {what}");
    Some(Reason::new(Code::PlanUnread, text))
}

/// What is said to who comes at the wrong time.
pub(super) fn violation(asked: &Asked<'_>, until: DateTime<Utc>, what: OnViolation) -> Reason {
    let (title, about) = (asked.policy.title(), &asked.about);
    let (code, zone, why) = match asked.rule {
        Rule::Window { schedule, .. } => {
            (Code::WindowClosed, schedule.zone, format!("open {schedule}"))
        }
        Rule::Freeze { freeze, reason, .. } => {
            (Code::Frozen, freeze.zone, format!("{reason}; frozen {freeze}"))
        }
        Rule::Stop { reason } => (Code::LineStopped, chrono_tz::Tz::UTC, reason.clone()),
        _ => (Code::WindowClosed, chrono_tz::Tz::UTC, String::new()),
    };
    let outside = match asked.rule {
        Rule::Window { schedule, .. } => format!("outside of {schedule}"),
        _ => format!("now ({why})"),
    };
    let text = match what {
        OnViolation::Queue if until == never() && code == Code::LineStopped => {
            format!("{title} holds {about}: {why}; it goes on when the stop is taken away")
        }
        OnViolation::Queue if until == never() => {
            format!("{title} holds {about} and never lets it go on ({why}); change the policy")
        }
        OnViolation::Queue => format!(
            "{title} holds {about} until {} ({why}); nothing to do, it is decided anew by itself \
             then",
            clock(until, zone)
        ),
        OnViolation::Deny if until == never() => format!("{title} denies {about} {outside}"),
        OnViolation::Deny => {
            let opens = clock(until, zone);
            format!("{title} denies {about} {outside}; push again from {opens} on")
        }
        OnViolation::Warn => format!("{title}: {about} is {outside}"),
    };
    // A denial by a window is a denial first.
    let code = if what == OnViolation::Deny { Code::PolicyDenied } else { code };
    Reason::new(code, text)
}
