//! `POST /graphql`: from HTTP to the schema and back, and everything that can go wrong between.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use async_graphql::{
    PathSegment, Response as Answer, ServerError, Value, Variables,
    parser::{
        parse_query,
        types::{DocumentOperations, ExecutableDocument, OperationType, Selection},
    },
};
use axum::{
    body::Bytes,
    extract::{ConnectInfo, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Deserialize;

use crate::{
    engine::Caller,
    faults::FaultKind,
    listener::Line,
    schema::{Schema, Scope, Visitor},
    shared::Shared,
};

/// What a caller gives a run to be known by.
const METADATA: &str = "spacelift-user-provided-run-metadata";

#[derive(Clone)]
pub(crate) struct Gate {
    pub(crate) shared: Arc<Shared>,
    pub(crate) schema: Schema,
    pub(crate) documents: Arc<Documents>,
}

/// Documents that were read before: callers send the same few again and again.
#[derive(Default)]
pub(crate) struct Documents(Mutex<HashMap<String, ExecutableDocument>>);

impl Documents {
    /// Batched queries differ by how many things they ask about.
    const MAX: usize = 512;

    fn parse(&self, text: &str) -> async_graphql::parser::Result<ExecutableDocument> {
        let mut known = self.0.lock().expect("no holder panics");
        if let Some(document) = known.get(text) {
            return Ok(document.clone());
        }
        let document = parse_query(text)?;
        if known.len() == Self::MAX {
            known.clear();
        }
        known.insert(text.to_owned(), document.clone());
        Ok(document)
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Body {
    query: String,
    #[serde(default)]
    variables: Option<serde_json::Value>,
    #[serde(default)]
    operation_name: Option<String>,
}

/// What the faults that hit a request do to it.
#[derive(Default)]
struct Trouble {
    refused: Option<Response>,
    cut_before: bool,
    cut_after: bool,
    partial: bool,
    machine: bool,
    expired: bool,
    delay_ms: u64,
}

impl Trouble {
    fn from(faults: Vec<FaultKind>) -> Self {
        let mut trouble = Self::default();
        for fault in faults {
            match fault {
                FaultKind::ExpiredToken => trouble.expired = true,
                FaultKind::ServerError { status } => trouble.refused = Some(server_error(status)),
                FaultKind::TooManyRequests { retry_after_s } => {
                    trouble.refused = Some(too_many_requests(retry_after_s));
                }
                FaultKind::Slow { delay_ms } => trouble.delay_ms += delay_ms,
                FaultKind::AnswerLost => trouble.cut_after = true,
                FaultKind::DroppedBeforeAccept => trouble.cut_before = true,
                FaultKind::PartialData => trouble.partial = true,
                FaultKind::MachineSession => trouble.machine = true,
                FaultKind::WebhookLost
                | FaultKind::WebhookDoubled
                | FaultKind::WebhookDelayed { .. }
                | FaultKind::WebhookReordered => {}
            }
        }
        trouble
    }
}

fn server_error(status: u16) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, "internal error").into_response()
}

fn too_many_requests(retry_after_s: Option<u64>) -> Response {
    let mut response = (StatusCode::TOO_MANY_REQUESTS, "too many requests").into_response();
    if let Some(seconds) = retry_after_s {
        response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
    }
    response
}

pub(crate) async fn graphql(
    State(gate): State<Gate>,
    ConnectInfo(line): ConnectInfo<Line>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let body: Body = match serde_json::from_slice(&body) {
        Ok(body) => body,
        Err(error) => return (StatusCode::BAD_REQUEST, error.to_string()).into_response(),
    };
    let document = match gate.documents.parse(&body.query) {
        Ok(document) => document,
        Err(error) => return answer(Answer::from_errors(vec![error.into()])),
    };
    let names = operations_of(&document, body.operation_name.as_deref());
    let trouble = gate.shared.act(|world| {
        let first = names.first().map_or("", String::as_str);
        *world.calls.entry(first.to_owned()).or_default() += 1;
        world.faults.hit_request(&names, &mut world.ids)
    });
    let trouble = Trouble::from(trouble);
    if trouble.delay_ms > 0 {
        gate.shared.pause(std::time::Duration::from_millis(trouble.delay_ms)).await;
    }
    if trouble.cut_before {
        line.cut();
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    }
    if let Some(refused) = trouble.refused {
        return refused;
    }
    let scope = Arc::new(Scope::new(visitor(&gate.shared, &headers, &line, &trouble)));
    let variables = variables_of(body.variables);
    let mut request =
        async_graphql::Request::new(body.query).variables(variables).data(scope.clone());
    if let Some(name) = body.operation_name {
        request = request.operation_name(name);
    }
    request.set_parsed_query(document);
    let mut reply = gate.schema.execute(request).await;
    if trouble.cut_after {
        line.cut();
    }
    scope.mark_answered(&gate.shared, !trouble.cut_after);
    if trouble.partial {
        make_partial(&mut reply, &names);
    }
    answer(reply)
}

fn visitor(shared: &Shared, headers: &HeaderMap, line: &Line, trouble: &Trouble) -> Visitor {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let session = shared.auth.session(text(header::AUTHORIZATION.as_str()));
    if let Some(session) = session.as_ref().filter(|_| trouble.expired) {
        shared.auth.revoke(session.token);
    }
    let session = session.filter(|_| !trouble.expired);
    let token = session.as_ref().map(|session| session.token);
    let caller = session.map(|session| Caller {
        actor: session.login.into(),
        metadata: text(METADATA).map(Into::into),
    });
    Visitor { caller, token, remote_ip: line.peer.ip().to_string(), machine: trouble.machine }
}

/// The operation's root fields, by name and not by alias, its kind and its own name.
fn operations_of(document: &ExecutableDocument, name: Option<&str>) -> Vec<String> {
    let operation = match (&document.operations, name) {
        (DocumentOperations::Single(operation), _) => Some(operation),
        (DocumentOperations::Multiple(operations), Some(name)) => operations.get(name),
        (DocumentOperations::Multiple(_), None) => None,
    };
    let Some(operation) = operation.map(|operation| &operation.node) else { return Vec::new() };
    let kind = match operation.ty {
        OperationType::Query => "query",
        OperationType::Mutation => "mutation",
        OperationType::Subscription => "subscription",
    };
    let fields = operation.selection_set.node.items.iter().filter_map(|item| match &item.node {
        Selection::Field(field) => Some(field.node.name.node.to_string()),
        _ => None,
    });
    fields.chain([kind.to_owned()]).chain(name.map(str::to_owned)).collect()
}

/// Some clients send the order as a list of one, which Spacelift takes too.
fn variables_of(variables: Option<serde_json::Value>) -> Variables {
    let mut variables = variables.unwrap_or_default();
    for value in variables.as_object_mut().into_iter().flat_map(|map| map.values_mut()) {
        let Some(order) = value.get_mut("orderBy") else { continue };
        if let Some([only]) = order.as_array().map(Vec::as_slice) {
            *order = only.clone();
        }
    }
    Variables::from_json(variables)
}

fn make_partial(reply: &mut Answer, names: &[String]) {
    let mut error = ServerError::new("internal error", None);
    if let Some(name) = names.first() {
        error.path = vec![PathSegment::Field(name.clone())];
    }
    if let Value::Object(fields) = &mut reply.data
        && fields.len() > 1
        && let Some(last) = fields.values_mut().last()
    {
        *last = Value::Null;
    }
    reply.errors.push(error);
}

fn answer(mut reply: Answer) -> Response {
    for error in &mut reply.errors {
        // Spacelift's server words this differently from ours, and clients look at the words.
        if let Some(rest) = error.message.strip_prefix("Unknown field ") {
            error.message = format!("Cannot query field {rest}");
        }
    }
    match serde_json::to_vec(&reply) {
        Ok(body) => ([(header::CONTENT_TYPE, "application/json")], body).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}
