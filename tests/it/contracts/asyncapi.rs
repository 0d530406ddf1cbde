//! `docs/asyncapi.json`: the contract for tools.

use contracts::{
    Card,
    envelope::HEADERS,
    registry::{COMMANDS, EVENTS, MessageDescription},
    subject,
};
use schemars::{SchemaGenerator, generate::SchemaSettings};
use serde_json::{Map, Value, json};

use super::{CARDS, published};

const PATH: &str = "docs/asyncapi.json";

#[test]
fn the_asyncapi_document_is_current() {
    published::assert_current(PATH, &(published::canonical(&document()) + "\n"));
}

#[test]
fn every_reference_in_the_asyncapi_document_leads_somewhere() {
    let document = document();
    let mut references = Vec::new();
    collect(&document, &mut references);
    assert!(references.len() > 100, "only {} references", references.len());
    for reference in references {
        let pointer = reference.strip_prefix('#').expect("references stay in the document");
        assert!(document.pointer(pointer).is_some(), "{reference} leads nowhere");
    }
}

fn collect<'a>(value: &'a Value, references: &mut Vec<&'a str>) {
    match value {
        Value::Object(object) => {
            references.extend(object.get("$ref").and_then(Value::as_str));
            object.values().for_each(|value| collect(value, references));
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, references)),
        _ => {}
    }
}

fn document() -> Value {
    // AsyncAPI's own schema language is a superset of draft 7.
    let settings = SchemaSettings::draft07()
        .with(|settings| settings.definitions_path = "/components/schemas".into());
    let mut generator = settings.into_generator();
    let messages = messages(&mut generator);
    let mut schemas = generator.take_definitions(true);
    schemas.insert("Answer".to_owned(), answer());
    json!({
        "asyncapi": "3.0.0",
        "id": "urn:stackly",
        "info": {
            "title": "Stackly",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Everything that happens to a change on its way to applied stacks. \
                            docs/EVENTS.md says how to subscribe.",
            "license": { "name": "Apache-2.0" },
        },
        "defaultContentType": "application/json",
        "servers": {
            "desk": {
                "host": "127.0.0.1:4222",
                "protocol": "nats",
                "description": "nats-server with JetStream, where `cargo dev` or \
                                docker-compose.yml puts it",
            },
        },
        "channels": channels(),
        "operations": operations(),
        "components": {
            "messages": messages,
            "messageTraits": { "cloudevent": { "headers": headers() } },
            "schemas": schemas,
        },
    })
}

fn messages(generator: &mut SchemaGenerator) -> Map<String, Value> {
    let mut messages = Map::new();
    for message in EVENTS.iter().chain(COMMANDS) {
        let sample = (message.sample)();
        let mut described = json!({
            "name": message.kind,
            "title": message.kind,
            "summary": message.meaning,
            "contentType": "application/json",
            "payload": (message.schema_within)(generator).to_value(),
            "examples": [{ "name": format!("v{}", message.version), "payload": sample.body }],
        });
        if is_event(message) {
            described["traits"] = json!([{ "$ref": "#/components/messageTraits/cloudevent" }]);
            described["correlationId"] = json!({
                "location": "$message.header#/ce-correlationid",
                "description": "The chain, or the delivery that began the story.",
            });
        }
        messages.insert(message.kind.to_owned(), described);
    }
    messages.insert(
        "answer".to_owned(),
        json!({
            "name": "answer",
            "summary": "What a service says to a command, once it is committed.",
            "contentType": "application/json",
            "payload": { "$ref": "#/components/schemas/Answer" },
        }),
    );
    messages
}

fn is_event(message: &MessageDescription) -> bool {
    contracts::registry::event(message.kind).is_some()
}

/// Of [`bus::ProblemKind`].
const KINDS: [&str; 6] =
    ["malformed", "not_found", "refused", "conflict", "unavailable", "internal"];

fn answer() -> Value {
    json!({
        "description": "Either what was asked for, or why not.",
        "oneOf": [
            {
                "type": "object",
                "required": ["ok"],
                "properties": { "ok": { "description": "What the command gives." } },
            },
            {
                "type": "object",
                "required": ["problem"],
                "properties": {
                    "problem": {
                        "type": "object",
                        "required": ["code", "message"],
                        "properties": {
                            "kind": { "enum": KINDS, "description": "What can be done about it." },
                            "code": { "type": "string", "description": "For machines." },
                            "message": { "type": "string", "description": "For people." },
                        },
                    },
                },
            },
        ],
    })
}

fn headers() -> Value {
    let required: Vec<_> =
        HEADERS.iter().filter(|header| header.always).map(|header| header.name).collect();
    let properties: Map<_, _> = HEADERS
        .iter()
        .map(|header| {
            let schema = json!({ "type": "string", "description": header.meaning });
            (header.name.to_owned(), schema)
        })
        .collect();
    json!({ "type": "object", "required": required, "properties": properties })
}

fn channels() -> Map<String, Value> {
    let mut channels = Map::new();
    for event in EVENTS {
        // The generator of subjects is the one that publishes; only the key is left open.
        let open = subject::event(event.kind, "KEY").replace("KEY", "{key}");
        channels.insert(
            event.kind.to_owned(),
            json!({
                "address": open,
                "title": event.kind,
                "summary": event.meaning,
                "messages": message_of(event.kind),
                "parameters": {
                    "key": { "description": format!("{}, as one token", event.key) },
                },
            }),
        );
    }
    for command in COMMANDS {
        channels.insert(
            command.kind.to_owned(),
            json!({
                "address": contracts::registry::command_subject(command.kind),
                "title": command.kind,
                "summary": command.meaning,
                "messages": message_of(command.kind),
            }),
        );
    }
    channels.insert(
        "answers".to_owned(),
        json!({
            "address": null,
            "summary": "The inbox of whoever sent a command.",
            "messages": message_of("answer"),
        }),
    );
    channels
}

fn message_of(kind: &str) -> Value {
    json!({ kind: { "$ref": format!("#/components/messages/{kind}") } })
}

fn operations() -> Map<String, Value> {
    let mut operations = Map::new();
    for card in &CARDS {
        for kind in card.gives {
            let name = format!("{}.writes.{kind}", card.service);
            operations.insert(name, operation(card, "send", kind));
        }
        for kind in card.takes {
            let name = format!("{}.reads.{kind}", card.service);
            operations.insert(name, operation(card, "receive", kind));
        }
        for kind in card.commands {
            let mut answers = operation(card, "receive", kind);
            answers["reply"] = json!({
                "address": {
                    "location": "$message.header#/reply",
                    "description": "The reply subject of the NATS request.",
                },
                "channel": { "$ref": "#/channels/answers" },
                "messages": [{ "$ref": "#/channels/answers/messages/answer" }],
            });
            operations.insert(format!("{}.answers.{kind}", card.service), answers);
        }
    }
    operations
}

fn operation(card: &Card, action: &str, kind: &str) -> Value {
    json!({
        "action": action,
        "channel": { "$ref": format!("#/channels/{kind}") },
        "messages": [{ "$ref": format!("#/channels/{kind}/messages/{kind}") }],
        "tags": [{ "name": card.service }],
    })
}
