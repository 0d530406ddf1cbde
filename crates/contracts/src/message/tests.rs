use serde_json::json;
use uuid::Uuid;

use super::*;
use crate::{
    Outgoing,
    catalogue::{AccountAlerted, AccountAudited},
    registry,
};

crate::inbound! {
    /// What a consumer of two types takes.
    #[derive(Debug)]
    enum Heard {
        Audited(AccountAudited),
        Alerted(AccountAlerted),
        ; also
        /// Never comes over the bus.
        Woken(Uuid),
    }
}

fn envelope(outgoing: Outgoing) -> Envelope {
    outgoing.within(Uuid::from_u128(2), None).first(
        "ingest",
        Uuid::from_u128(1),
        chrono::DateTime::UNIX_EPOCH,
    )
}

fn sample(kind: &str) -> Envelope {
    envelope((registry::event(kind).unwrap().sample)())
}

#[test]
fn a_consumer_takes_what_its_variants_name_and_nothing_local() {
    assert_eq!(Heard::TAKES, ["account.audited", "account.alerted"]);
}

#[test]
fn each_type_is_read_as_its_variant_in_the_same_envelope() {
    let audited = sample("account.audited").read::<Heard>().unwrap();
    assert!(matches!(&audited.body, Heard::Audited(entry) if entry.account == "acme"));
    assert_eq!((audited.id, audited.key.as_str()), (Uuid::from_u128(1), "acme"));
    let alerted = sample("account.alerted").read::<Heard>().unwrap();
    assert!(matches!(&alerted.body, Heard::Alerted(fault) if fault.severity == "ERROR"));
}

#[test]
fn a_type_that_is_not_taken_is_named() {
    let error = sample("chain.started").read::<Heard>().unwrap_err();
    assert!(matches!(&error, UpgradeError::Unexpected { kind } if kind == "chain.started"));
    assert!(error.is_of_newer_build(), "whoever shares the consumer takes it");
}

#[test]
fn a_body_that_does_not_fit_says_which_field() {
    let mut message = sample("account.audited");
    message.body = json!({"account": "acme", "action": 7, "actor": "api::1"});
    let error = message.read::<Heard>().unwrap_err();
    assert_eq!(error.to_string(), "the body is not a valid account.audited");
    let source = std::error::Error::source(&error).unwrap().to_string();
    assert!(source.contains("invalid type: integer `7`"), "{source}");
}

#[test]
fn a_newer_shape_asks_for_a_newer_build() {
    let mut message = sample("account.audited");
    message.version = 9;
    let error = message.read::<Heard>().unwrap_err();
    assert!(matches!(error, UpgradeError::Newer { kind: "account.audited", version: 9 }));
    let mut message = sample("account.audited");
    message.version = 0;
    let error = message.read::<Heard>().unwrap_err();
    assert!(matches!(error, UpgradeError::Unsupported { kind: "account.audited", version: 0 }));
}

#[test]
fn a_local_variant_is_made_in_the_process() {
    let woken = sample("account.audited").map(|_| Heard::Woken(Uuid::nil()));
    assert!(matches!(woken.body, Heard::Woken(id) if id.is_nil()));
}
