//! What people say in Slack: slash commands, buttons, mentions; and the handshake of the Events API.
//!
//! `/stackly approve gate_…` and the buttons of a message go the way of `stackly approve`; `retry`,
//! `resume` and `cancel` that of the commands of these names.
//! Display names can be chosen freely, so a person is known by the id of their account, or by the
//! name that configuration gives it.

use chrono::{DateTime, Utc};
use contracts::change::Command;
use serde::Deserialize;
use serde_json::json;

use crate::{
    comment,
    delivery::{Reading, Reply, Signed, Verdict},
    form::Form,
    order::{Act, Order, Target},
    payload::{self, Malformed, Text, name, plain},
    source::Source,
};

/// `v0=<hex of HMAC-SHA256 of v0:<time>:<body>>`.
pub(crate) const SIGNATURE: &str = "x-slack-signature";
/// The time that is signed.
pub(crate) const TIMESTAMP: &str = "x-slack-request-timestamp";

pub(crate) fn read(signed: &Signed<'_>) -> Result<Reading, Malformed> {
    if payload::is_form(signed.headers) {
        let form = Form::read(signed.body)?;
        return match form.get("payload")? {
            Some(payload) => interaction(signed, payload.as_bytes()),
            None => slash_command(signed, &form),
        };
    }
    callback(signed)
}

fn slash_command(signed: &Signed<'_>, form: &Form<'_>) -> Result<Reading, Malformed> {
    let required = |field: &str| {
        let missing = || Malformed(format!("the form has no field `{field}`"));
        form.get(field)?.ok_or_else(missing)
    };
    let by = signed.source.person(&name(&required("user_id")?, "user_id")?);
    let text = form.get("text")?.unwrap_or_default();
    let answer_to = form.get("response_url")?.map(|url| url.into_owned());
    let key = match form.get("trigger_id")? {
        Some(trigger) => format!("command/{}", plain(&trigger)),
        None => signed.body_key(),
    };
    let (kind, verdict, order) = match said(text.split_whitespace()) {
        Ok((act, arguments)) => {
            let who = Who { by, answer_to, spoken_at: None };
            let (verdict, order) = ordered(act, &arguments, who);
            (format!("command.{}", act.as_str()), verdict, order)
        }
        Err(verdict) => ("command".to_owned(), verdict, None),
    };
    Ok(Reading::new(None, kind, key, verdict).ordering(order).replying(Reply::ToPerson))
}

/// Who commands, where they are answered, and when they said it, where Slack tells.
struct Who {
    by: String,
    answer_to: Option<String>,
    spoken_at: Option<DateTime<Utc>>,
}

/// A time as Slack writes it: seconds of the epoch and a fraction, `1788256815.000200`.
fn moment(text: Option<&Text<'_>>) -> Option<DateTime<Utc>> {
    let (seconds, fraction) = text?.as_str().split_once('.')?;
    let micros: u32 = fraction.parse().ok().filter(|_| fraction.len() == 6)?;
    DateTime::from_timestamp(seconds.parse().ok()?, micros.checked_mul(1_000)?)
}

/// What is to be done, and the words behind it; or what to answer.
fn said<'w>(mut words: impl Iterator<Item = &'w str>) -> Result<(Act, Vec<String>), Verdict> {
    let verb = words.next().unwrap_or_default().to_ascii_lowercase();
    if let Some(act) = Act::ALL.into_iter().find(|act| act.as_str() == verb) {
        return Ok((act, words.take(comment::WORDS_MAX).map(plain).collect()));
    }
    let known = Act::ALL.map(Act::as_str).join("`, `");
    if Command::ALL.iter().any(|command| command.as_str() == verb) {
        let text = format!(
            "`{verb}` needs a pull request: say it in a comment there; here there are `{known}`"
        );
        return Err(Verdict::kept("command_elsewhere", text));
    }
    let text = format!("`stackly {}` is not a command; there are `{known}`", plain(&verb));
    Err(Verdict::kept("command_unknown", text))
}

/// What follows from a command outside of any repository.
fn ordered(act: Act, arguments: &[String], who: Who) -> (Verdict, Option<Order>) {
    let Who { by, answer_to, spoken_at } = who;
    let verb = act.as_str();
    let Some(target) = arguments.first().and_then(|word| Target::read(word)) else {
        let text = format!("say what: `{verb} gate_…`, `{verb} chain_…` or `{verb} chain_…/STACK`");
        return (Verdict::kept("target_unknown", text), None);
    };
    let note = arguments[1..].join(" ");
    let note = (!note.is_empty()).then_some(note);
    let text = format!("{by} says `{verb}`");
    let order = Order {
        act,
        target,
        by,
        groups: Vec::new(),
        note,
        answer_to,
        pull_request: None,
        said_in: None,
        spoken_at,
        is_review: false,
    };
    (Verdict::kept("ordered", text), Some(order))
}

#[derive(Deserialize)]
struct Interaction<'a> {
    #[serde(borrow, rename = "type")]
    kind: Text<'a>,
    #[serde(borrow)]
    user: User<'a>,
    #[serde(borrow, default)]
    actions: Option<Vec<Action<'a>>>,
    #[serde(borrow, default)]
    response_url: Option<Text<'a>>,
}

#[derive(Deserialize)]
struct User<'a> {
    #[serde(borrow)]
    id: Text<'a>,
}

#[derive(Deserialize)]
struct Action<'a> {
    #[serde(borrow)]
    action_id: Text<'a>,
    #[serde(borrow, default)]
    value: Option<Text<'a>>,
    #[serde(borrow, default)]
    action_ts: Option<Text<'a>>,
}

/// A button: its `action_id` begins with what is to be done, its `value` names the gate, the chain or
/// the step.
fn interaction(signed: &Signed<'_>, payload: &[u8]) -> Result<Reading, Malformed> {
    let told: Interaction<'_> = payload::object(payload)?;
    let kind = name(told.kind.as_str(), "type")?;
    let ignored = |text: String| {
        let verdict = Verdict::kept("action_ignored", text);
        Reading::new(None, kind.clone(), signed.body_key(), verdict).replying(Reply::ToPerson)
    };
    let action = match told.actions.as_deref() {
        Some([action]) if kind == "block_actions" => action,
        _ => return Ok(ignored(format!("nothing follows from a `{kind}`"))),
    };
    let user = name(told.user.id.as_str(), "user.id")?;
    let (id, value) = (action.action_id.as_str(), action.value.as_ref().map_or("", Text::as_str));
    let verb = id.split([':', '.']).next().unwrap_or_default();
    let Ok((act, arguments)) = said([verb, value].into_iter()) else {
        return Ok(ignored(format!("the button `{}` is none of ours", plain(id))));
    };
    let at = action.action_ts.as_ref().map_or("", Text::as_str);
    let key = format!("action/{}/{}/{user}/{}", plain(id), plain(value), plain(at));
    let answer_to = told.response_url.as_ref().map(|url| url.as_str().to_owned());
    let by = signed.source.person(&user);
    let spoken_at = moment(action.action_ts.as_ref());
    let (verdict, order) = ordered(act, &arguments, Who { by, answer_to, spoken_at });
    let kind = format!("{kind}.{}", act.as_str());
    // Slack shows nobody what the press of a button is answered; what came of the order is told at
    // the address that the press named.
    let reply = match &order {
        Some(order) if order.answer_to.is_some() => Reply::Verbatim(json!({})),
        _ => Reply::ToPerson,
    };
    Ok(Reading::new(None, kind, key, verdict).ordering(order).replying(reply))
}

#[derive(Deserialize)]
struct Callback<'a> {
    #[serde(borrow, rename = "type")]
    kind: Text<'a>,
    #[serde(borrow, default)]
    challenge: Option<Text<'a>>,
    #[serde(borrow, default)]
    event_id: Option<Text<'a>>,
    #[serde(borrow, default)]
    event: Option<Event<'a>>,
}

#[derive(Deserialize)]
struct Event<'a> {
    #[serde(borrow, rename = "type")]
    kind: Text<'a>,
    #[serde(borrow, default)]
    user: Option<Text<'a>>,
    #[serde(borrow, default)]
    text: Option<Text<'a>>,
    #[serde(borrow, default)]
    ts: Option<Text<'a>>,
}

fn callback(signed: &Signed<'_>) -> Result<Reading, Malformed> {
    let told: Callback<'_> = payload::object(signed.body)?;
    let kind = name(told.kind.as_str(), "type")?;
    if kind == "url_verification" {
        let challenge = told.challenge.as_ref().map_or("", Text::as_str);
        let verdict = Verdict::kept("ping", "Slack asked whether this address is ours");
        let reply = Reply::Verbatim(json!({ "challenge": plain(challenge) }));
        return Ok(Reading::new(None, kind, signed.body_key(), verdict).replying(reply));
    }
    let sender_id = told.event_id.as_ref().map(|id| name(id.as_str(), "event_id")).transpose()?;
    let key = match &sender_id {
        Some(id) => format!("event/{id}"),
        None => signed.body_key(),
    };
    let event = told.event.as_ref();
    let kind = event.map_or(kind, |event| format!("event.{}", plain(event.kind.as_str())));
    let (verdict, order) = match event {
        Some(event) if event.kind.as_str() == "app_mention" => mentioned(signed.source, event)?,
        _ => {
            let text = format!("nothing follows from Slack's `{kind}`; the delivery is kept");
            (Verdict::kept("event_ignored", text), None)
        }
    };
    Ok(Reading::new(sender_id, kind, key, verdict).ordering(order))
}

/// `@Stackly approve gate_…`.
fn mentioned(source: &Source, event: &Event<'_>) -> Result<(Verdict, Option<Order>), Malformed> {
    let user = event.user.as_ref().ok_or_else(|| Malformed::new("`event.user` is missing"))?;
    let by = source.person(&name(user.as_str(), "event.user")?);
    let text = event.text.as_ref().map_or("", Text::as_str);
    let words = text.split_whitespace().skip_while(|word| word.starts_with("<@"));
    Ok(match said(words) {
        Ok((act, arguments)) => {
            let spoken_at = moment(event.ts.as_ref());
            ordered(act, &arguments, Who { by, answer_to: None, spoken_at })
        }
        Err(_) => {
            let text = "a mention that commands nothing; the delivery is kept";
            (Verdict::kept("comment_ignored", text), None)
        }
    })
}

#[cfg(test)]
mod tests;
