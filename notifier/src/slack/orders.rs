//! Buttons for what people can do about a chain. Who may is judged when somebody presses, by the same
//! rules as for the commands of these names: Slack shows the same to everybody.

use contracts::{Code, chain::ChainState, step::StepState};
use serde_json::{Value, json};

use super::text::clip;
use crate::digest::{Digest, Line};

/// So many steps that wait too long get a button each.
const STUCK_MAX: usize = 5;
/// So many steps that wait for their next attempt get a button each.
const RETRYING_MAX: usize = 5;
/// Slack refuses longer names of buttons.
const ID_CHARS_MAX: usize = 255;
/// Slack refuses longer texts on buttons.
const TEXT_CHARS_MAX: usize = 75;

/// One button.
struct Order {
    /// The word of the command.
    verb: &'static str,
    /// The chain, or a step of it.
    what: String,
    text: String,
    /// What to ask before it is done.
    asks: Option<&'static str>,
}

const ENDS_IT: &str =
    "What has no run ends at once, plans are discarded, and what applies is let finish.";

/// The buttons below a chain; none if nothing can be done that way.
pub(super) fn buttons(digest: &Digest) -> Option<Value> {
    let orders = orders(digest);
    let buttons: Vec<Value> = orders.iter().filter_map(button).collect();
    (!buttons.is_empty()).then(
        || json!({ "type": "actions", "block_id": digest.chain.to_string(), "elements": buttons }),
    )
}

fn orders(digest: &Digest) -> Vec<Order> {
    let lines = digest.lines();
    let chain = || digest.chain.to_string();
    let order = |verb, text: &str, asks| Order { verb, what: chain(), text: text.to_owned(), asks };
    let ended_badly = |line: &Line<'_>| matches!(line.state, StepState::Failed | StepState::Denied);
    let is_unhealthy = |line: &Line<'_>| {
        line.stuck && line.reason.is_some_and(|reason| reason.code == Code::Unhealthy)
    };
    match digest.state() {
        ChainState::Paused => vec![
            order("resume", "Resume", None),
            order("cancel", "Cancel the chain", Some(ENDS_IT)),
        ],
        ChainState::Running if lines.iter().any(is_unhealthy) => vec![
            order("retry", "Look again", None),
            order(
                "resume",
                "Go on all the same",
                Some("The next wave begins though a check fails."),
            ),
            order("cancel", "Cancel the chain", Some(ENDS_IT)),
        ],
        ChainState::Running | ChainState::Failed => {
            let retry = lines.iter().any(ended_badly);
            let retry = retry.then(|| order("retry", "Retry what failed", None));
            let waits = lines.iter().filter(|line| line.state == StepState::Retrying);
            let now = waits.take(RETRYING_MAX).map(|line| try_now(digest, line));
            let stuck = lines.iter().filter(|line| is_cancellable(line)).take(STUCK_MAX);
            retry.into_iter().chain(now).chain(stuck.map(|line| cancel(digest, line))).collect()
        }
        ChainState::Gating
        | ChainState::Planning
        | ChainState::Finished
        | ChainState::Denied
        | ChainState::Canceled => Vec::new(),
    }
}

/// Whether it waits too long, and can be ended. What waits for approval has buttons of its own.
fn is_cancellable(line: &Line<'_>) -> bool {
    line.stuck && !line.held && !line.state.is_terminal()
}

/// The next attempt of a step, which would begin by itself later.
fn try_now(digest: &Digest, line: &Line<'_>) -> Order {
    Order {
        verb: "retry",
        what: format!("{}/{}", digest.chain, line.stack),
        text: format!("Try {} now", line.name),
        asks: None,
    }
}

fn cancel(digest: &Digest, line: &Line<'_>) -> Order {
    Order {
        verb: "cancel",
        what: format!("{}/{}", digest.chain, line.stack),
        text: format!("Cancel {}", line.name),
        asks: Some(ENDS_IT),
    }
}

fn button(order: &Order) -> Option<Value> {
    let plain = |text: &str| json!({ "type": "plain_text", "text": text });
    let text = clip(&order.text, TEXT_CHARS_MAX);
    let id = format!("{}:{}", order.verb, order.what);
    if id.chars().count() > ID_CHARS_MAX {
        return None;
    }
    let mut button = json!({
        "type": "button",
        "action_id": id,
        "value": order.what,
        "text": plain(&text),
    });
    if order.verb == "cancel" {
        button["style"] = json!("danger");
    }
    if let Some(asks) = order.asks {
        button["confirm"] = json!({
            "title": plain(&text),
            "text": plain(asks),
            "confirm": plain("Yes"),
            "deny": plain("No"),
        });
    }
    Some(button)
}
