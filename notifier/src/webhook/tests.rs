use std::time::Duration;

use chrono::TimeDelta;
use serde_json::json;
use uuid::Uuid;

use super::{Answer, Hook, Key, KeyError, Verdict, signature};
use crate::sample::at;

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

fn hook() -> Hook {
    Hook {
        endpoint: "billing".to_owned(),
        // Its last byte is zero, so that nothing is added to the waits.
        id: Uuid::from_u128(0x100),
        kind: "chain.finished".to_owned(),
        time: at(0),
        data: json!({ "chain": "chain_1" }),
    }
}

fn retries() -> Vec<Duration> {
    [5, 300, 1_800].map(Duration::from_secs).to_vec()
}

fn verdict(answer: Answer, attempts: u32) -> Verdict {
    hook().verdict(answer, attempts, &retries(), at(10))
}

#[test]
fn the_signature_is_that_of_the_specification() {
    let keys = [Key::parse(SECRET).unwrap()];
    let signed =
        signature(&keys, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, br#"{"test": 2432232314}"#);
    assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
}

#[test]
fn while_a_secret_is_rotated_both_sign() {
    let other = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
    let keys = [Key::parse(other).unwrap(), Key::parse(SECRET).unwrap()];
    let signed =
        signature(&keys, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, br#"{"test": 2432232314}"#);
    let parts: Vec<&str> = signed.split(' ').collect();
    assert_eq!(parts.len(), 2);
    assert_ne!(parts[0], parts[1]);
    assert_eq!(parts[1], "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
}

#[test]
fn a_secret_that_is_none_is_refused_with_what_is_wrong() {
    let refused = |secret: &str| Key::parse(secret).err();
    assert_eq!(refused("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"), Some(KeyError::Prefix));
    assert_eq!(refused("whsec_***"), Some(KeyError::Encoding));
    assert_eq!(refused("whsec_MfKQ9r8G"), Some(KeyError::Length));
    assert_eq!(refused(SECRET), None);
}

#[test]
fn the_payload_has_type_timestamp_and_data() {
    let payload: serde_json::Value = serde_json::from_slice(&hook().payload()).unwrap();
    let expected = json!({
        "type": "chain.finished",
        "timestamp": "2026-09-21T14:13:20.000000Z",
        "data": { "chain": "chain_1" },
    });
    assert_eq!(payload, expected);
}

#[test]
fn what_becomes_of_a_delivery_depends_on_the_answer() {
    let later = |seconds| Verdict::Later(Duration::from_secs(seconds));
    let asked = Some(Duration::from_secs(60));
    for (answer, expected) in [
        (Answer::Status(200, None), Verdict::Delivered),
        (Answer::Status(204, None), Verdict::Delivered),
        (Answer::Status(301, None), later(5)),
        (Answer::Status(307, None), later(5)),
        (Answer::Status(400, asked), later(5)),
        (Answer::Status(404, None), later(5)),
        (Answer::Status(410, None), Verdict::Gone),
        (Answer::Status(429, asked), later(60)),
        (Answer::Status(429, Some(Duration::from_secs(1))), later(5)),
        (Answer::Status(500, None), later(5)),
        (Answer::Status(503, asked), later(60)),
        (Answer::Nothing, later(5)),
    ] {
        assert_eq!(verdict(answer, 1), expected, "{answer:?}");
    }
}

#[test]
fn the_waits_follow_the_schedule_and_end_with_it() {
    let waits: Vec<Verdict> =
        (1..=4).map(|attempts| verdict(Answer::Status(500, None), attempts)).collect();
    let later = |seconds| Verdict::Later(Duration::from_secs(seconds));
    assert_eq!(waits, [later(5), later(300), later(1_800), Verdict::GiveUp]);
}

#[test]
fn an_event_that_waited_its_whole_life_for_its_turn_gets_one_attempt() {
    let old = at(0) + TimeDelta::seconds(5 + 300 + 1_800 + 1);
    let verdict = |answer| hook().verdict(answer, 1, &retries(), old);
    assert_eq!(verdict(Answer::Status(500, None)), Verdict::GiveUp);
    assert_eq!(verdict(Answer::Status(200, None)), Verdict::Delivered);
}

#[test]
fn what_failed_together_does_not_come_back_together() {
    let wait = |id: u128| {
        let hook = Hook { id: Uuid::from_u128(id), ..hook() };
        match hook.verdict(Answer::Nothing, 2, &retries(), at(10)) {
            Verdict::Later(wait) => wait,
            other => panic!("{other:?}"),
        }
    };
    assert!(wait(0xff) > wait(0x01));
    assert!(wait(0xff) <= Duration::from_secs(330));
}
