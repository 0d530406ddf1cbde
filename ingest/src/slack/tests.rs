use serde_json::{Value, json};

use super::*;
use crate::{
    order::{Act, ChainOrder, Word},
    source::Kind,
    testing::{Settings, reading, reading_of},
};

const GATE: &str = "gate_3jetvbnh21n8t9yzwn9hadd5g4";
const FORM: &[(&str, &str)] = &[("content-type", "application/x-www-form-urlencoded")];

fn gate() -> String {
    contracts::GateId(uuid::Uuid::from_u128(7)).to_string()
}

fn command(text: &str) -> Reading {
    let text = text.replace(GATE, &gate()).replace(' ', "+");
    let body = format!(
        "user_id=U2CERLKJA&user_name=boss&command=%2Fstackly&text={text}&trigger_id=13345224609.1\
         &response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2F1"
    );
    reading(Kind::Slack, FORM, body.as_bytes())
}

fn pressed(action: &str, value: &str) -> Reading {
    let payload = json!({ "type": "block_actions", "user": { "id": "U1", "username": "boss" },
        "response_url": "https://hooks.slack.com/actions/1",
        "actions": [{ "action_id": action, "value": value, "action_ts": "1788256815.000200" }] });
    let body: String = payload.to_string().bytes().map(|byte| format!("%{byte:02x}")).collect();
    reading(Kind::Slack, FORM, format!("payload={body}").as_bytes())
}

fn called(body: &Value) -> Reading {
    reading(Kind::Slack, &[], body.to_string().as_bytes())
}

#[test]
fn a_slash_command_orders_by_the_account_and_not_by_the_display_name() {
    let reading = command(&format!("approve {GATE} looks right"));
    assert_eq!((reading.kind.as_str(), reading.verdict.code()), ("command.approve", "ordered"));
    assert_eq!(reading.content_key, "command/13345224609.1");
    assert_eq!(reading.reply, Reply::ToPerson);
    let order = reading.order.unwrap();
    assert_eq!((order.act, order.by.as_str()), (Act::Review(Word::Approve), "slack:U2CERLKJA"));
    assert_eq!(order.note.as_deref(), Some("looks right"));
    assert_eq!(order.answer_to.as_deref(), Some("https://hooks.slack.com/commands/1"));
    assert_eq!(order.target, Target::Gate(gate().parse().unwrap()));
}

#[test]
fn what_cannot_be_ordered_is_answered_with_what_can() {
    for (text, code, hint) in [
        ("", "command_unknown", "approve"),
        ("dance", "command_unknown", "approve"),
        ("dance", "command_unknown", "cancel"),
        ("resume", "target_unknown", "chain_"),
        ("plan chain_1", "command_elsewhere", "pull request"),
        ("retry chain_1", "target_unknown", "chain_"),
        ("approve", "target_unknown", "gate_"),
        ("approve everything", "target_unknown", "gate_"),
    ] {
        let reading = command(text);
        assert_eq!((reading.verdict.code(), &reading.order), (code, &None), "{text}");
        let Verdict::Kept { text: said, .. } = reading.verdict else { panic!("{text}") };
        assert!(said.contains(hint), "{said}");
    }
}

#[test]
fn a_button_orders_by_its_name_and_the_gate_it_carries() {
    for (action, act) in [
        ("approve", Act::Review(Word::Approve)),
        ("reject", Act::Review(Word::Reject)),
        ("approve:7", Act::Review(Word::Approve)),
    ] {
        let reading = pressed(action, &gate());
        let order = reading.order.clone().unwrap();
        assert_eq!((order.act, order.by.as_str()), (act, "slack:U1"));
        assert_eq!(order.spoken_at.unwrap().timestamp_micros(), 1_788_256_815_000_200);
        assert!(reading.content_key.contains(&gate()), "{}", reading.content_key);
        assert_eq!(reading.reply, Reply::Verbatim(json!({})), "nobody would see it");
        assert_eq!(order.answer_to.as_deref(), Some("https://hooks.slack.com/actions/1"));
    }
    let chain = contracts::ChainId(uuid::Uuid::from_u128(7));
    for act in [
        Act::Chain(ChainOrder::Retry),
        Act::Chain(ChainOrder::Resume),
        Act::Chain(ChainOrder::Cancel),
    ] {
        let step = format!("{chain}/net");
        let order = pressed(&format!("{}:{step}", act.as_str()), &step).order.unwrap();
        assert_eq!(order.act, act);
        assert_eq!(order.target, Target::Chain(chain, Some("net".to_owned())));
    }
    assert_eq!(pressed("open_menu", "x").verdict.code(), "action_ignored");
    assert_eq!(pressed("approve", "not a gate").verdict.code(), "target_unknown");
}

#[test]
fn the_address_is_verified_and_mentions_command() {
    let reading = called(&json!({ "type": "url_verification", "challenge": "3eZbrw1a" }));
    assert_eq!(reading.reply, Reply::Verbatim(json!({ "challenge": "3eZbrw1a" })));
    let mention = |text: &str| {
        called(&json!({ "type": "event_callback", "event_id": "Ev1",
            "event": { "type": "app_mention", "user": "U1", "text": text } }))
    };
    let reading = mention(&format!("<@U0LAN0Z89> reject {}", gate()));
    assert_eq!(
        (reading.sender_id.as_deref(), reading.content_key.as_str()),
        (Some("Ev1"), "event/Ev1")
    );
    assert_eq!(reading.order.unwrap().act, Act::Review(Word::Reject));
    assert_eq!(mention("<@U0LAN0Z89> hello").verdict.code(), "comment_ignored");
    let other = json!({ "type": "event_callback", "event_id": "Ev2", "event": { "type": "x" } });
    assert_eq!(called(&other).verdict.code(), "event_ignored");
}

#[test]
fn configuration_gives_people_the_names_that_policies_know() {
    let mut senders = Settings::default().senders;
    senders.people.insert("slack:U1".to_owned(), "jane".to_owned());
    let slack = crate::source::Source::new(Kind::Slack, &senders);
    let body = format!("user_id=U1&text=approve+{}", gate());
    let reading = reading_of(&slack, FORM, body.as_bytes());
    assert_eq!(reading.order.unwrap().by, "jane");
    let nobody = reading_of(&slack, FORM, b"text=approve");
    assert_eq!(nobody.verdict.code(), "malformed");
}
