//! Bitbucket Data Center's REST API, as far as branches, build statuses, Code Insights and comments at
//! pull requests go.

use axum::{
    Json,
    http::{Method, StatusCode},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

use crate::told::{self, BuildStatus, Call, Host, Manners, Report, World};

/// The token it takes.
pub const TOKEN: &str = "BBDC-the-right-one";

/// More it does not take.
const ANNOTATIONS_MAX: usize = 1_000;
const CHARS_MAX: usize = 2_000;
const STATES: [&str; 5] = ["SUCCESSFUL", "FAILED", "INPROGRESS", "CANCELLED", "UNKNOWN"];

/// A host with one repository, `acme/infra`, that was told nothing yet.
pub async fn start() -> Host {
    let credential = || format!("Bearer {TOKEN}");
    // It is below a path of its own, as it often is.
    told::start(Manners { base: "/git", credential, says, done }).await
}

fn says(status: StatusCode, message: &str) -> Response {
    let error = json!({ "context": null, "message": message, "exceptionName": null });
    (status, Json(json!({ "errors": [error] }))).into_response()
}

fn done(world: &mut World, call: &Call) -> Response {
    let place: Vec<&str> = call.place.iter().map(String::as_str).collect();
    let ["rest", api, "latest", "projects", "acme", "repos", "infra", below @ ..] = &place[..]
    else {
        return says(StatusCode::NOT_FOUND, "Project acme does not exist.");
    };
    match (&call.method, *api, below) {
        (&Method::GET, "api", ["branches"]) => branches(world, call),
        (&Method::GET, "api", ["commits", commit]) if is_at_a_branch(world, commit) => {
            let author = json!({ "name": "jane", "emailAddress": "jane@acme.example" });
            Json(json!({ "id": commit, "message": "Change something", "author": author }))
                .into_response()
        }
        (_, _, ["commits", commit, ..]) if !world.commits.iter().any(|known| known == commit) => {
            says(StatusCode::NOT_FOUND, "Commit does not exist in repository 'infra'.")
        }
        (&Method::POST, "api", ["commits", commit, "builds"]) => set(world, call, commit),
        (method, "insights", ["commits", commit, "reports", id, below @ ..]) => {
            let key = ((*commit).to_owned(), (*id).to_owned());
            match (method, below) {
                (&Method::PUT, []) => report(world, call, key),
                (&Method::POST, ["annotations"]) => annotate(world, call, &key),
                (&Method::DELETE, ["annotations"]) => {
                    if let Some(report) = world.reports.get_mut(&key) {
                        report.annotations.clear();
                    }
                    StatusCode::NO_CONTENT.into_response()
                }
                _ => says(StatusCode::METHOD_NOT_ALLOWED, "there is nothing"),
            }
        }
        (&Method::POST, "api", ["pull-requests", number, "comments"]) => {
            world.say(number.parse().unwrap_or_default(), call.text("/text"), "");
            (StatusCode::CREATED, Json(json!({ "id": world.said.len(), "version": 0 })))
                .into_response()
        }
        (method, "api", ["pull-requests", _, "comments", id]) => {
            let Some(said) = world.own(id) else {
                return says(StatusCode::NOT_FOUND, "there is no such comment of yours");
            };
            if *method == Method::PUT {
                if call.body["version"].as_u64() != Some(said.edits) {
                    return says(StatusCode::CONFLICT, "you are changing an older version");
                }
                said.change(call.text("/text"));
            }
            Json(json!({ "version": said.edits, "text": said.text })).into_response()
        }
        (&Method::GET, "api", ["pull-requests", number, "activities"]) => {
            list(world, number.parse().unwrap_or_default(), call)
        }
        _ => says(StatusCode::NOT_FOUND, "there is nothing"),
    }
}

fn set(world: &mut World, call: &Call, commit: &str) -> Response {
    let (key, state, url) = (call.text("/key"), call.text("/state"), call.text("/url"));
    if key.is_empty() || !STATES.contains(&&*state) || !url.starts_with("http") {
        return says(StatusCode::BAD_REQUEST, "key, state and url must be valid");
    }
    let (name, description) = (call.text("/name"), call.text("/description"));
    let commit = commit.to_owned();
    world.statuses.push(BuildStatus { commit, iteration: None, state, name, description, url });
    StatusCode::NO_CONTENT.into_response()
}

fn report(world: &mut World, call: &Call, key: (String, String)) -> Response {
    let (title, details, result) =
        (call.text("/title"), call.text("/details"), call.text("/result"));
    if title.is_empty()
        || details.chars().count() > CHARS_MAX
        || !["PASS", "FAIL"].contains(&&*result)
    {
        return says(StatusCode::BAD_REQUEST, "title, details and result must be valid");
    }
    // What was noted in it before is in it still.
    let annotations = world.reports.remove(&key).map(|old| old.annotations).unwrap_or_default();
    world.reports.insert(key, Report { title, details, result, annotations });
    Json(json!({})).into_response()
}

fn annotate(world: &mut World, call: &Call, key: &(String, String)) -> Response {
    let new = call.body["annotations"].as_array().map_or(&[][..], Vec::as_slice);
    let Some(report) = world.reports.get_mut(key) else {
        return says(StatusCode::NOT_FOUND, "The report does not exist.");
    };
    let is_sound = |it: &Value| {
        ["LOW", "MEDIUM", "HIGH"].contains(&it["severity"].as_str().unwrap_or_default())
            && it["message"].as_str().is_some_and(|it| it.chars().count() <= CHARS_MAX)
            && it["path"].is_string()
    };
    let known =
        |it: &Value| report.annotations.iter().any(|old| old["externalId"] == it["externalId"]);
    if new.is_empty() || !new.iter().all(is_sound) || new.iter().any(known) {
        return says(StatusCode::BAD_REQUEST, "annotations must be valid, and new");
    }
    if report.annotations.len() + new.len() > ANNOTATIONS_MAX {
        return says(StatusCode::BAD_REQUEST, "a report has at most 1000 annotations");
    }
    report.put(new, "externalId");
    StatusCode::NO_CONTENT.into_response()
}

fn is_at_a_branch(world: &World, commit: &str) -> bool {
    world.branches.values().any(|at| at == commit)
}

/// Those whose names have the text that is asked for.
fn branches(world: &World, call: &Call) -> Response {
    let text = call.query.get("filterText").map_or("", String::as_str);
    let shown = world.branches.iter().filter(|(name, _)| name.contains(text)).map(|(name, at)| {
        json!({ "id": format!("refs/heads/{name}"), "displayId": name, "type": "BRANCH",
            "latestCommit": at })
    });
    page(call, &shown.collect::<Vec<_>>())
}

/// What happened at the pull request, the newest first.
fn list(world: &World, number: u64, call: &Call) -> Response {
    let of_it = world.said.iter().enumerate().rev().filter(|(_, it)| it.pull_request == number);
    let said = of_it.map(|(at, it)| {
        let comment = json!({ "id": at + 1, "version": it.edits, "text": it.text });
        json!({ "action": "COMMENTED", "comment": comment })
    });
    let all: Vec<Value> = said.chain([json!({ "action": "OPENED" })]).collect();
    page(call, &all)
}

/// The page of all that is asked for.
fn page(call: &Call, all: &[Value]) -> Response {
    let asked = |key: &str, usual: usize| {
        call.query.get(key).and_then(|text| text.parse().ok()).unwrap_or(usual)
    };
    let (start, limit) = (asked("start", 0), asked("limit", 25));
    let shown: Vec<&Value> = all.iter().skip(start).take(limit).collect();
    let is_last = start + limit >= all.len();
    let next = (!is_last).then_some(start + limit);
    let body = json!({ "values": shown, "isLastPage": is_last, "nextPageStart": next });
    Json(body).into_response()
}
