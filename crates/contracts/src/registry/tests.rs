use std::{collections::BTreeSet, fs, iter::once, path::PathBuf};

use serde_json::Value;

use super::{COMMANDS, EVENTS, MessageDescription};
use crate::{UpgradeError, subject, vocabulary};

fn all() -> impl Iterator<Item = &'static MessageDescription> {
    EVENTS.iter().chain(COMMANDS)
}

fn snapshots() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("snapshots")
}

fn snapshot(kind: &str, version: u32) -> Value {
    let path = snapshots().join(kind).join(format!("v{version}.json"));
    let text = fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("every version needs a snapshot: {path:?}: {error}"));
    serde_json::from_str(&text).unwrap()
}

#[test]
fn the_current_type_writes_its_newest_snapshot() {
    for message in all() {
        let written = (message.sample)().body;
        let frozen = snapshot(message.kind, message.version);
        assert!(
            written == frozen,
            "{} v{} is no longer written as was promised. If its meaning changed, it is a new \
             version: raise VERSION, teach `upgrade` to read the old one, add a snapshot. Never \
             edit an old one.\npromised: {frozen:#}\nwritten: {written:#}",
            message.kind,
            message.version,
        );
    }
}

#[test]
fn every_snapshot_ever_can_be_read_and_is_then_written_in_the_current_shape() {
    for message in all() {
        for version in 1..=message.version {
            let reread = (message.reread)(version, snapshot(message.kind, version))
                .unwrap_or_else(|error| panic!("{} v{version}: {error}", message.kind));
            assert_eq!(
                reread,
                snapshot(message.kind, message.version),
                "{} v{version} means something else when it is read",
                message.kind
            );
        }
    }
}

#[test]
fn there_is_no_snapshot_of_a_type_or_version_nobody_knows() {
    let entries = fs::read_dir(snapshots()).unwrap().map(Result::unwrap);
    for folder in entries.filter(|entry| entry.path().is_dir()) {
        let kind = folder.file_name().into_string().unwrap();
        let message = all()
            .find(|message| message.kind == kind)
            .unwrap_or_else(|| panic!("{kind} is frozen, but the type is gone"));
        let found: BTreeSet<_> = fs::read_dir(folder.path())
            .unwrap()
            .map(|file| file.unwrap().file_name().into_string().unwrap())
            .collect();
        let expected: BTreeSet<_> = (1..=message.version)
            .flat_map(|version| ["json", "required.txt"].map(|end| format!("v{version}.{end}")))
            .collect();
        assert_eq!(found, expected, "{kind}");
    }
}

/// Fields that hold whatever somebody else sends.
const FREE: &[(&str, &str)] = &[("hook.received", "data")];

#[test]
fn every_snapshot_fits_the_schema_and_a_broken_one_does_not() {
    for message in all() {
        let schema = (message.schema)().to_value();
        let validator = jsonschema::validator_for(&schema)
            .unwrap_or_else(|error| panic!("{}: {error}", message.kind));
        let good = snapshot(message.kind, message.version);
        if let Err(error) = validator.validate(&good) {
            panic!("{} does not fit its own schema: {error}", message.kind);
        }
        let told = good.as_object().unwrap().keys();
        for field in told.filter(|field| !FREE.contains(&(message.kind, field.as_str()))) {
            let mut broken = good.clone();
            broken[field] = Value::Array(vec![Value::Null]);
            assert!(
                !validator.is_valid(&broken),
                "the schema of {} takes anything as `{field}`",
                message.kind
            );
        }
    }
}

#[test]
fn a_field_that_is_taken_away_is_missed_by_the_reader_or_was_optional() {
    for message in all() {
        let schema = (message.schema)().to_value();
        let required: Vec<&str> = schema["required"]
            .as_array()
            .unwrap()
            .iter()
            .map(|field| field.as_str().unwrap())
            .collect();
        let good = snapshot(message.kind, message.version);
        for field in good.as_object().unwrap().keys() {
            let mut body = good.clone();
            body.as_object_mut().unwrap().remove(field);
            let read = (message.reread)(message.version, body);
            let tagged = ["outcome", "given", "needed"].contains(&field.as_str());
            assert_eq!(
                read.is_err(),
                required.contains(&field.as_str()) || tagged,
                "{}: the schema and the reader disagree about `{field}`",
                message.kind
            );
        }
    }
}

#[test]
fn fields_a_newer_build_added_are_no_obstacle() {
    for message in all() {
        let mut body = snapshot(message.kind, message.version);
        body["added_next_year"] = Value::from("something");
        let reread = (message.reread)(message.version, body).unwrap();
        assert_eq!(reread, snapshot(message.kind, message.version));
    }
}

/// Every field that is always there where what it is a field of is there: who reads this version may
/// rely on it.
fn required(root: &Value, schema: &Value, place: &str, found: &mut BTreeSet<String>) {
    if schema["$ref"].is_string() {
        required(root, meant(root, schema), place, found);
    }
    let list = |key: &str| schema[key].as_array().into_iter().flatten();
    let always: BTreeSet<_> = list("required").filter_map(Value::as_str).collect();
    for (field, inner) in schema["properties"].as_object().into_iter().flatten() {
        let place = format!("{place}.{field}");
        required(root, inner, &place, found);
        if always.contains(field.as_str()) {
            found.insert(place);
        }
    }
    for (key, sign) in [("items", "[]"), ("additionalProperties", "{}")] {
        if schema[key].is_object() {
            required(root, &schema[key], &format!("{place}{sign}"), found);
        }
    }
    for variant in variants(schema) {
        let tags = variant["properties"].as_object().into_iter().flatten();
        let tag =
            |(field, tag): (&String, &Value)| Some(format!("({field}={})", tag["const"].as_str()?));
        let tags: String = tags.filter_map(tag).collect();
        required(root, variant, &format!("{place}{tags}"), found);
    }
}

/// What a new build writes under a version, the old build that froze it reads: in a rolling upgrade
/// both are there.
#[test]
fn what_a_version_always_said_it_goes_on_saying() {
    for MessageDescription { kind, version, schema, .. } in all() {
        let schema = schema().to_value();
        let mut now = BTreeSet::new();
        required(&schema, &schema, "", &mut now);
        let path = snapshots().join(kind).join(format!("v{version}.required.txt"));
        let frozen = fs::read_to_string(&path).unwrap_or_else(|error| {
            panic!("every version has its required fields: {path:?}: {error}")
        });
        let frozen: BTreeSet<_> = frozen.lines().map(str::to_owned).collect();
        let lost: Vec<_> = frozen.difference(&now).collect();
        assert!(
            lost.is_empty(),
            "{kind} v{version} may be written without {lost:?}, which builds of before cannot read. \
             That is a new version: raise VERSION, and freeze it beside the old one.",
        );
        let more: Vec<_> = now.difference(&frozen).collect();
        assert!(more.is_empty(), "{kind} v{version} also requires {more:?}: add them to {path:?}");
    }
}

/// The definition a schema refers to, or the schema itself.
fn meant<'s>(root: &'s Value, schema: &'s Value) -> &'s Value {
    let name = schema["$ref"].as_str().and_then(|path| path.strip_prefix("#/$defs/"));
    name.map_or(schema, |name| &root["$defs"][name])
}

/// The values of the closed list that a schema is, if it is one.
fn listed(schema: &Value) -> impl Iterator<Item = &str> {
    let several = schema["enum"].as_array().into_iter().flatten();
    several.chain(once(&schema["const"])).filter_map(Value::as_str)
}

fn variants(schema: &Value) -> impl Iterator<Item = &Value> {
    let list = move |key| schema[key].as_array().into_iter().flatten();
    ["oneOf", "anyOf", "allOf"].into_iter().flat_map(list)
}

/// Every value of a closed list that stands in this schema itself.
fn values(schema: &Value, place: &str, found: &mut BTreeSet<String>) {
    found.extend(listed(schema).map(|value| format!("{place}={value}")));
    for (field, inner) in schema["properties"].as_object().into_iter().flatten() {
        values(inner, &format!("{place}.{field}"), found);
    }
    let inner = [&schema["items"], &schema["additionalProperties"]];
    let inner = variants(schema).chain(inner).filter(|inner| inner.is_object());
    inner.for_each(|inner| values(inner, place, found));
}

/// What builds of before wrote, and what is kept in their tables, the new build reads.
#[test]
fn a_value_that_was_ever_written_goes_on_being_read() {
    let mut now = BTreeSet::new();
    for MessageDescription { kind, schema, .. } in all() {
        let schema = schema().to_value();
        values(&schema, kind, &mut now);
        for (name, definition) in schema["$defs"].as_object().into_iter().flatten() {
            values(definition, name, &mut now);
        }
    }
    let path = snapshots().join("values.txt");
    let frozen: BTreeSet<_> =
        fs::read_to_string(&path).unwrap().lines().map(str::to_owned).collect();
    let lost: Vec<_> = frozen.difference(&now).collect();
    assert!(
        lost.is_empty(),
        "{lost:?} cannot be read any more, but builds of before wrote it: teach `upgrade` of what it \
         stands in to read it, then take it out of {path:?}"
    );
    let more: Vec<_> = now.difference(&frozen).collect();
    assert!(
        more.is_empty(),
        "{more:?} are new: builds of before give back what has them until they are upgraded. Add \
         them to {path:?}, in order, if that is right for every reader"
    );
}

/// Where values of closed lists stand in a body, as JSON pointers.
fn closed(root: &Value, schema: &Value, body: &Value, place: &str, found: &mut BTreeSet<String>) {
    let schema = meant(root, schema);
    if body.as_str().is_some_and(|text| listed(schema).any(|value| value == text)) {
        found.insert(place.to_owned());
    }
    for (field, inner) in schema["properties"].as_object().into_iter().flatten() {
        if let Some(body) = body.get(field) {
            closed(root, inner, body, &format!("{place}/{field}"), found);
        }
    }
    for (number, body) in body.as_array().into_iter().flatten().enumerate() {
        closed(root, &schema["items"], body, &format!("{place}/{number}"), found);
    }
    variants(schema).for_each(|variant| closed(root, variant, body, place, found));
}

#[test]
fn whoever_meets_a_value_that_a_newer_build_added_waits_for_that_build() {
    let mut tried = 0;
    for message in all() {
        let schema = (message.schema)().to_value();
        let body = snapshot(message.kind, message.version);
        let mut places = BTreeSet::new();
        closed(&schema, &schema, &body, "", &mut places);
        for place in places {
            let mut newer = body.clone();
            *newer.pointer_mut(&place).unwrap() = Value::from("added_next_year");
            let answer = (message.reread)(message.version, newer).unwrap_err();
            assert!(
                matches!(answer, UpgradeError::NewValue { .. }),
                "{}{place} is refused: {answer}: {:?}",
                message.kind,
                std::error::Error::source(&answer).map(ToString::to_string)
            );
            tried += 1;
        }
    }
    assert!(tried > 40, "only {tried} values were found");
}

#[test]
fn a_version_nobody_wrote_is_refused() {
    for message in all() {
        let newer = message.version + 1;
        let refused = (message.reread)(newer, snapshot(message.kind, message.version)).unwrap_err();
        let sentence = refused.to_string();
        assert!(sentence.contains(message.kind) && sentence.contains("upgrade"), "{sentence}");
        assert!((message.reread)(0, Value::Null).is_err());
    }
}

#[test]
fn types_are_one_noun_and_one_verb_and_named_once() {
    let mut seen = BTreeSet::new();
    for message in all() {
        let lower = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase());
        let (noun, verb) = message.kind.split_once('.').unwrap();
        assert!(lower(noun) && lower(verb), "{}", message.kind);
        assert!(seen.insert(message.kind), "{} is there twice", message.kind);
        assert!(message.meaning.ends_with('.') && message.version >= 1, "{}", message.kind);
    }
}

#[test]
fn every_field_is_explained() {
    for message in all() {
        let schema = (message.schema)().to_value();
        for (field, schema) in schema["properties"].as_object().unwrap() {
            assert!(
                schema["description"].as_str().is_some_and(|text| !text.is_empty()),
                "{}: `{field}` has no description",
                message.kind
            );
        }
    }
}

#[test]
fn a_sample_is_published_on_a_subject_of_five_tokens() {
    for event in EVENTS {
        let sample = (event.sample)();
        assert_eq!((sample.kind, sample.version), (event.kind, event.version));
        let subject = subject::event(sample.kind, &sample.key);
        assert_eq!(subject.split('.').count(), 5, "{subject}");
        assert!(subject.starts_with(&format!("stackly.evt.{}.", event.kind)), "{subject}");
    }
}

#[test]
fn the_vocabularies_speak_of_types_that_exist() {
    let named = vocabulary::LIFE_CYCLE.iter().flat_map(|stage| stage.events).map(|event| event.0);
    let mapped = vocabulary::CDEVENTS.iter().map(|mapping| mapping.kind);
    for kind in named.chain(mapped) {
        assert!(super::event(kind).is_some(), "{kind} is not an event type");
    }
}
