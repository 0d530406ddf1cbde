//! `docs/EVENTS.md`.

use std::fmt::Write;

use contracts::{
    envelope::HEADERS,
    registry::{COMMANDS, EVENTS, FOR_OTHERS, MessageDescription},
    subject, topology,
    vocabulary::{CDEVENTS, LIFE_CYCLE},
};
use schemars::SchemaGenerator;
use serde_json::Value;

use super::{
    CARDS,
    fields::{self, Definitions},
    published, readers, responders, writers,
};

const PATH: &str = "docs/EVENTS.md";
const TEMPLATE: &str = include_str!("events.template.md");

#[test]
fn the_list_of_events_is_current() {
    published::assert_current(PATH, &page());
}

fn page() -> String {
    let mut generator = SchemaGenerator::default();
    let names: Vec<_> =
        EVENTS.iter().chain(COMMANDS).map(|message| type_name(message, &mut generator)).collect();
    let definitions = generator.take_definitions(true);
    let mut page = TEMPLATE.to_owned();
    for (place, text) in [
        ("events", event_table()),
        ("headers", header_table()),
        ("streams", stream_table()),
        ("life_cycle", life_cycle()),
        ("cdevents", cdevents()),
        ("commands", command_table()),
        ("details", details(&names, &definitions)),
        ("shared", shared(&names, &definitions)),
    ] {
        let place = format!("{{{{{place}}}}}");
        assert_eq!(page.matches(&place).count(), 1, "{place} has one place in the template");
        page = page.replace(&place, text.trim_end());
    }
    page
}

fn type_name(message: &MessageDescription, generator: &mut SchemaGenerator) -> String {
    let reference = (message.schema_within)(generator).to_value();
    fields::target(&reference).expect("a message is a named type").to_owned()
}

fn event_table() -> String {
    let mut text = String::from(
        "| Type | Meaning | Written by | Read by | Key | Version | Subject |\n\
         |---|---|---|---|---|---|---|\n",
    );
    for event in EVENTS {
        writeln!(
            text,
            "| [`{}`](#{}) | {} | {} | {} | {} | {} | `{}` |",
            event.kind,
            anchor(event.kind),
            event.meaning,
            writers(event.kind).join(", "),
            match FOR_OTHERS.contains(&event.kind) {
                true => "whoever answers it".to_owned(),
                false => read_by(event.kind),
            },
            event.key,
            event.version,
            subject::events_of(event.kind),
        )
        .unwrap();
    }
    text
}

fn read_by(kind: &str) -> String {
    let readers = readers(kind);
    if readers.is_empty() { "subscribers".to_owned() } else { readers.join(", ") }
}

/// As GitHub makes anchors of headings.
fn anchor(heading: &str) -> String {
    heading.to_lowercase().replace('.', "")
}

fn header_table() -> String {
    let mut text = String::from("| Header | Always | What it says |\n|---|---|---|\n");
    for header in HEADERS {
        let always = if header.always { "yes" } else { "no" };
        writeln!(text, "| `{}` | {always} | {} |", header.name, header.meaning).unwrap();
    }
    text
}

fn stream_table() -> String {
    let mut text = String::from("| Stream | Subjects | Kept for | What for |\n|---|---|---|---|\n");
    for stream in topology::STREAMS {
        let subjects: Vec<_> =
            stream.subjects.iter().map(|subject| format!("`{subject}`")).collect();
        let days = stream.max_age.as_secs() / 86_400;
        let (name, purpose) = (stream.name, stream.purpose);
        writeln!(text, "| `{name}` | {} | {days} days | {purpose} |", subjects.join(", ")).unwrap();
    }
    text.push_str("\n| Durable consumer | Takes |\n|---|---|\n");
    for consumer in topology::consumers(&CARDS) {
        let takes: Vec<_> = consumer.takes.iter().map(|kind| format!("`{kind}`")).collect();
        writeln!(text, "| `{}` | {} |", consumer.name, takes.join(", ")).unwrap();
    }
    text
}

fn life_cycle() -> String {
    let mut text = String::from("| Stage | Event | Meant when |\n|---|---|---|\n");
    for stage in LIFE_CYCLE {
        for (kind, when) in stage.events {
            writeln!(text, "| {} | `{kind}` | {when} |", stage.name).unwrap();
        }
    }
    text
}

fn cdevents() -> String {
    let mut text = String::from("| Event | CDEvent | Meant when |\n|---|---|---|\n");
    for event in EVENTS {
        let mut none = true;
        for mapping in CDEVENTS.iter().filter(|mapping| mapping.kind == event.kind) {
            none = false;
            let (cdevent, when) = (mapping.cdevent, mapping.when);
            writeln!(text, "| `{}` | `{cdevent}` | {when} |", event.kind).unwrap();
        }
        if none {
            writeln!(text, "| `{}` | none | |", event.kind).unwrap();
        }
    }
    text
}

fn command_table() -> String {
    let mut text = String::from("| Type | Meaning | Answered by | Subject |\n|---|---|---|---|\n");
    for command in COMMANDS {
        writeln!(
            text,
            "| [`{}`](#{}) | {} | {} | `{}` |",
            command.kind,
            anchor(command.kind),
            command.meaning,
            responders(command.kind).join(", "),
            contracts::registry::command_subject(command.kind),
        )
        .unwrap();
    }
    text
}

fn details(names: &[String], definitions: &Definitions) -> String {
    let mut text = String::new();
    for (message, name) in EVENTS.iter().chain(COMMANDS).zip(names) {
        let schema = &definitions[name];
        let sample = (message.sample)();
        let is_event = contracts::registry::event(message.kind).is_some();
        let subject = match is_event {
            true => subject::event(message.kind, &sample.key),
            false => contracts::registry::command_subject(message.kind),
        };
        let what = if is_event { "An event" } else { "A command" };
        writeln!(text, "### {}\n", message.kind).unwrap();
        writeln!(text, "{}\n", schema["description"].as_str().expect("it is explained")).unwrap();
        writeln!(text, "{}", fields::describe(schema)).unwrap();
        writeln!(
            text,
            "<details><summary>{what} on <code>{subject}</code></summary>\n\n```json\n{}\n```\n\n\
             </details>\n",
            published::canonical(&sample.body)
        )
        .unwrap();
    }
    text
}

fn shared(names: &[String], definitions: &Definitions) -> String {
    let mut others: Vec<(&String, &Value)> =
        definitions.iter().filter(|(name, _)| !names.contains(name) && *name != "Code").collect();
    others.sort_by_key(|(name, _)| name.as_str());
    let mut text = String::new();
    for (name, schema) in others {
        writeln!(text, "### {name}\n").unwrap();
        if let Some(description) = schema["description"].as_str() {
            writeln!(text, "{description}\n").unwrap();
        }
        writeln!(text, "{}", fields::describe(schema)).unwrap();
    }
    text
}
