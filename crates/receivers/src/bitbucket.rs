//! Bitbucket Cloud's REST API, as far as branches, build statuses, reports with annotations and comments
//! at pull requests go.

use axum::{
    Json,
    http::{Method, StatusCode},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

use crate::told::{self, BuildStatus, Call, Host, Manners, Report, Said, World};

/// The token it takes.
pub const TOKEN: &str = "ATCTT-the-right-one";

/// More it does not take.
const KEY_CHARS_MAX: usize = 40;
const SUMMARY_CHARS_MAX: usize = 450;
const DETAILS_CHARS_MAX: usize = 2_000;
const AT_A_TIME: usize = 100;
const STATES: [&str; 4] = ["INPROGRESS", "SUCCESSFUL", "FAILED", "STOPPED"];

/// A host with one repository, `acme/infra`, that was told nothing yet.
pub async fn start() -> Host {
    let credential = || format!("Bearer {TOKEN}");
    told::start(Manners { base: "/2.0", credential, says, done }).await
}

fn says(status: StatusCode, message: &str) -> Response {
    let body = json!({ "type": "error", "error": { "message": message } });
    (status, Json(body)).into_response()
}

fn done(world: &mut World, call: &Call) -> Response {
    let place: Vec<&str> = call.place.iter().map(String::as_str).collect();
    let is_ours = |workspace: &str, name: &str| {
        workspace.eq_ignore_ascii_case("acme") && name.eq_ignore_ascii_case("infra")
    };
    let below = match &place[..] {
        ["repositories", workspace, name, below @ ..] if is_ours(workspace, name) => below,
        _ => return says(StatusCode::NOT_FOUND, "Repository not found"),
    };
    match (&call.method, below) {
        (&Method::GET, ["hooks", id]) => match world.hooks.get(*id) {
            Some(shown) => Json(shown.clone()).into_response(),
            None => says(StatusCode::NOT_FOUND, "Webhook not found"),
        },
        (&Method::GET, ["refs", "branches"]) => branches(world, call),
        // What is at a branch now came from everywhere that is looked at.
        (&Method::GET, ["merge-base", both]) => match both.split_once("..") {
            Some((one, _)) => Json(json!({ "type": "commit", "hash": one })).into_response(),
            None => says(StatusCode::NOT_FOUND, "Commit not found"),
        },
        (&Method::GET, ["commit", name]) => {
            match world.commits.iter().find(|commit| commit.starts_with(name)) {
                Some(hash) => Json(json!({ "type": "commit", "hash": hash })).into_response(),
                None => says(StatusCode::NOT_FOUND, "Commit not found"),
            }
        }
        (_, ["commit", commit, ..]) if !world.commits.iter().any(|known| known == commit) => {
            says(StatusCode::NOT_FOUND, "Commit not found")
        }
        (&Method::POST, ["commit", commit, "statuses", "build"]) => set(world, call, commit),
        (method, ["commit", commit, "reports", id, below @ ..]) => {
            let key = ((*commit).to_owned(), (*id).to_owned());
            match (method, below) {
                (&Method::PUT, []) => report(world, call, key),
                (&Method::POST, ["annotations"]) => annotate(world, call, &key),
                (&Method::DELETE, []) => match world.reports.remove(&key) {
                    Some(_) => StatusCode::NO_CONTENT.into_response(),
                    None => says(StatusCode::NOT_FOUND, "Report not found"),
                },
                _ => says(StatusCode::METHOD_NOT_ALLOWED, "there is nothing"),
            }
        }
        (method, ["pullrequests", number, "comments"]) => {
            let number = number.parse().unwrap_or_default();
            match *method {
                Method::POST => world.say(number, call.text("/content/raw"), ""),
                _ => return list(world, number, call),
            }
            (StatusCode::CREATED, Json(json!({ "id": world.said.len() }))).into_response()
        }
        (&Method::PUT, ["pullrequests", _, "comments", id]) => match world.own(id) {
            Some(said) => {
                said.change(call.text("/content/raw"));
                Json(json!({})).into_response()
            }
            None => says(StatusCode::NOT_FOUND, "there is no such comment of yours"),
        },
        _ => says(StatusCode::NOT_FOUND, "there is nothing"),
    }
}

/// The one that is asked for by its name.
fn branches(world: &World, call: &Call) -> Response {
    let asked = call.query.get("q").map_or("", String::as_str);
    let is_it = |(name, _): &(&String, &String)| asked == format!("name=\"{name}\"");
    let shown = world.branches.iter().filter(is_it).map(|(name, hash)| {
        json!({ "type": "branch", "name": name, "target": { "type": "commit", "hash": hash,
            "message": "Change something\n", "author": { "raw": "Jane <jane@acme.example>" },
            "links": { "html": { "href": format!("https://bitbucket.org/{hash}") } } } })
    });
    let shown: Vec<Value> = shown.collect();
    Json(json!({ "values": shown, "pagelen": 10 })).into_response()
}

fn set(world: &mut World, call: &Call, commit: &str) -> Response {
    let (key, state, url) = (call.text("/key"), call.text("/state"), call.text("/url"));
    let is_sound = (1..=KEY_CHARS_MAX).contains(&key.chars().count())
        && STATES.contains(&&*state)
        && url.starts_with("http");
    if !is_sound {
        return says(StatusCode::BAD_REQUEST, "key, state and url must be valid");
    }
    let (name, description) = (call.text("/name"), call.text("/description"));
    let commit = commit.to_owned();
    world.statuses.push(BuildStatus { commit, iteration: None, state, name, description, url });
    (StatusCode::CREATED, Json(json!({ "type": "build", "key": key }))).into_response()
}

fn report(world: &mut World, call: &Call, key: (String, String)) -> Response {
    let (title, details) = (call.text("/title"), call.text("/details"));
    let (result, kind) = (call.text("/result"), call.text("/report_type"));
    let is_sound = ["PASSED", "FAILED", "PENDING"].contains(&&*result)
        && ["SECURITY", "COVERAGE", "TEST", "BUG"].contains(&&*kind)
        && !title.is_empty()
        && details.chars().count() <= DETAILS_CHARS_MAX;
    if !is_sound {
        return says(
            StatusCode::BAD_REQUEST,
            "title, details, report_type and result must be valid",
        );
    }
    // What was noted in it before is in it still.
    let annotations = world.reports.remove(&key).map(|old| old.annotations).unwrap_or_default();
    world.reports.insert(key, Report { title, details, result, annotations });
    Json(json!({ "type": "report" })).into_response()
}

fn annotate(world: &mut World, call: &Call, key: &(String, String)) -> Response {
    let new = call.body.as_array().map_or(&[][..], Vec::as_slice);
    let kinds = ["VULNERABILITY", "CODE_SMELL", "BUG"];
    let is_sound = |it: &Value| {
        kinds.contains(&it["annotation_type"].as_str().unwrap_or_default())
            && ["CRITICAL", "HIGH", "MEDIUM", "LOW"]
                .contains(&it["severity"].as_str().unwrap_or_default())
            && it["summary"].as_str().is_some_and(|it| it.chars().count() <= SUMMARY_CHARS_MAX)
            && it["external_id"].is_string()
    };
    if !(1..=AT_A_TIME).contains(&new.len()) || !new.iter().all(is_sound) {
        return says(StatusCode::BAD_REQUEST, "at most 100 annotations that are valid");
    }
    let Some(report) = world.reports.get_mut(key) else {
        return says(StatusCode::NOT_FOUND, "Report not found");
    };
    report.put(new, "external_id");
    Json(json!(new)).into_response()
}

/// The newest first, in pages.
fn list(world: &World, number: u64, call: &Call) -> Response {
    let asked = |key: &str, usual: usize| {
        call.query.get(key).and_then(|text| text.parse().ok()).unwrap_or(usual)
    };
    let (page, size) = (asked("page", 1).max(1), asked("pagelen", 10).min(100));
    let all = world.said.iter().enumerate().rev().filter(|(_, it)| it.pull_request == number);
    let all: Vec<(usize, &Said)> = all.collect();
    let shown = all.iter().skip((page - 1) * size).take(size);
    let shown = shown.map(|(at, it)| json!({ "id": at + 1, "content": { "raw": it.text } }));
    let shown: Vec<Value> = shown.collect();
    let mut body = json!({ "values": shown, "page": page });
    if page * size < all.len() {
        body["next"] = json!("https://api.bitbucket.org/2.0/the/next/page");
    }
    Json(body).into_response()
}
