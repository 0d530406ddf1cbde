use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::catalogue::AccountAudited;

fn outgoing() -> Outgoing {
    Outgoing::new(&AccountAudited {
        account: "acme".to_owned(),
        action: "stack.update".to_owned(),
        actor: "github::ada".to_owned(),
        entity: None,
    })
}

fn cause(id: u128, consumer: &str) -> Cause<'_> {
    Cause {
        id: Uuid::from_u128(id),
        correlation: Uuid::from_u128(1),
        trace: Some(Trace("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".to_owned())),
        consumer,
        now: DateTime::from_timestamp(1_728_568_800, 0).unwrap(),
    }
}

proptest! {
    #[test]
    fn the_same_answer_to_the_same_cause_has_the_same_id(id: u128, ordinal in 0_usize..1000) {
        let first = outgoing().answer(&cause(id, "planner-changes"), ordinal);
        let mut later = cause(id, "planner-changes");
        later.now += chrono::Duration::days(400);
        later.trace = None;
        let second = outgoing().answer(&later, ordinal);
        prop_assert_eq!(first.id, second.id);
    }

    #[test]
    fn an_envelope_is_read_back_as_it_was_kept(id: u128, key: String) {
        let mut envelope = outgoing().answer(&cause(id, "planner-changes"), 0);
        envelope.key = key;
        let kept = serde_json::to_string(&envelope).unwrap();
        prop_assert_eq!(serde_json::from_str::<Envelope>(&kept).unwrap(), envelope);
    }
}

#[test]
fn another_cause_consumer_type_or_place_is_another_id() {
    let mut other_type = outgoing();
    other_type.kind = "account.alerted";
    let ids = BTreeSet::from([
        outgoing().answer(&cause(7, "planner-changes"), 0).id,
        outgoing().answer(&cause(7, "planner-changes"), 1).id,
        outgoing().answer(&cause(8, "planner-changes"), 0).id,
        outgoing().answer(&cause(7, "notifier-stories"), 0).id,
        other_type.answer(&cause(7, "planner-changes"), 0).id,
    ]);
    assert_eq!(ids.len(), 5);
}

#[test]
fn answer_ids_never_change_between_builds() {
    // A build that made other ids would publish all that is remembered a second time.
    let id = outgoing().answer(&cause(7, "planner-changes"), 0).id;
    assert_eq!(id.to_string(), "5784c800-58e9-5362-a49a-7ea816287385");
}

#[test]
fn an_answer_inherits_its_story_and_says_who_gave_it() {
    let cause = cause(7, "planner-changes");
    let answer = outgoing().answer(&cause, 0);
    assert_eq!(answer.source, "/stackly/planner");
    assert_eq!((answer.kind.as_str(), answer.version), ("account.audited", 1));
    assert_eq!(answer.key, "acme");
    assert_eq!(answer.causation, Some(cause.id));
    assert_eq!(answer.correlation, cause.correlation);
    assert_eq!(answer.trace, cause.trace);
    assert_eq!(answer.time, cause.now);
}

#[test]
fn an_answer_can_belong_to_another_story() {
    let story = Uuid::from_u128(99);
    let cause = cause(7, "planner-changes");
    let answer = outgoing().within(story, Some(Trace("00-aa-bb-01".to_owned()))).answer(&cause, 0);
    assert_eq!(answer.correlation, story);
    assert_eq!(answer.trace, Some(Trace("00-aa-bb-01".to_owned())));
    assert_eq!(answer.causation, Some(cause.id));
}

#[test]
fn headers_are_named_once_and_those_of_cloudevents_are_always_there() {
    let names: BTreeSet<_> = HEADERS.iter().map(|header| header.name).collect();
    assert_eq!(names.len(), HEADERS.len());
    for required in ["ce-specversion", "ce-id", "ce-type", "ce-source"] {
        assert!(HEADERS.iter().any(|header| header.name == required && header.always));
    }
}

#[test]
fn the_first_of_a_story_gives_it_its_name_unless_it_belongs_to_another() {
    let (id, story) = (Uuid::from_u128(7), Uuid::from_u128(1));
    let now = DateTime::UNIX_EPOCH;
    let first = Envelope::first("executor-chains", id, ("run.polled", "network"), now, ());
    assert_eq!((first.source.as_str(), first.correlation), ("/stackly/executor", id));
    assert_eq!((first.causation, &first.trace), (None, &None));
    assert_eq!(first.within(story, None).correlation, story);

    let told = outgoing().within(story, cause(1, "").trace).first("ingest-deliveries", id, now);
    let source = ("/stackly/ingest", "account.audited", 1);
    assert_eq!((told.source.as_str(), told.kind.as_str(), told.version), source);
    assert_eq!((told.id, told.correlation, told.causation), (id, story, None));
    assert_eq!(told.trace, cause(1, "").trace);
    assert_eq!(outgoing().first("ingest-deliveries", id, now).correlation, id);
}
