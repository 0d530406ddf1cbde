//! Azure DevOps' REST API, as far as branches, statuses of commits and pull requests, and threads at
//! these go.

use axum::{
    Json,
    http::{Method, StatusCode},
    response::{IntoResponse, Response},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use crate::told::{self, BuildStatus, Call, Host, Manners, OWN, World};

/// The personal access token it takes.
pub const TOKEN: &str = "the-right-personal-access-token";

const STATES: [&str; 6] = ["notSet", "notApplicable", "pending", "succeeded", "failed", "error"];
const STANDINGS: [&str; 6] = ["active", "fixed", "wontFix", "closed", "byDesign", "pending"];

/// An organization with one repository, `infra` of the project *Net & Co*, and one pull request, 7,
/// whose iterations are its commits.
pub async fn start() -> Host {
    let credential = || format!("Basic {}", STANDARD.encode(format!(":{TOKEN}")));
    told::start(Manners { base: "/acme", credential, says, done }).await
}

fn says(status: StatusCode, message: &str) -> Response {
    // To whom it does not know it shows the page where people sign in.
    if status == StatusCode::UNAUTHORIZED {
        let page = "<html>Sign in to your account</html>";
        return (StatusCode::NON_AUTHORITATIVE_INFORMATION, page).into_response();
    }
    let body = json!({ "$id": "1", "message": message, "typeKey": "GitException", "errorCode": 0 });
    (status, Json(body)).into_response()
}

fn done(world: &mut World, call: &Call) -> Response {
    let place: Vec<&str> = call.place.iter().map(String::as_str).collect();
    if !call.query.get("api-version").is_some_and(|version| version.starts_with("7.0")) {
        return says(StatusCode::BAD_REQUEST, "No api-version was supplied.");
    }
    let below = match &place[..] {
        ["_apis", "connectionData"] => {
            return Json(json!({ "authenticatedUser": { "id": OWN } })).into_response();
        }
        ["_apis", "hooks", "subscriptions", id, below @ ..] if call.method == Method::GET => {
            return match (world.hooks.get(*id), below) {
                (Some(shown), []) => Json(shown.clone()).into_response(),
                (Some(_), ["notifications"]) => {
                    let all = &world.notifications;
                    Json(json!({ "count": all.len(), "value": all })).into_response()
                }
                _ => says(StatusCode::NOT_FOUND, "Subscription not found"),
            };
        }
        [
            "Net%20&%20Co" | "Net%20%26%20Co",
            "_apis",
            "git",
            "repositories",
            "infra",
            below @ ..,
        ] => below,
        _ => return says(StatusCode::NOT_FOUND, "TF401019: there is no such Git repository"),
    };
    match (&call.method, below) {
        (&Method::GET, ["stats", "branches"]) => branch(world, call),
        (&Method::GET, ["pushes"]) => pushes(world, call),
        (&Method::POST, ["commits", commit, "statuses"]) => {
            match world.commits.iter().any(|known| known == commit) {
                true => set(world, call, (*commit).to_owned(), None),
                false => says(StatusCode::NOT_FOUND, "TF401175: the commit does not exist"),
            }
        }
        (method, ["pullRequests", "7", "iterations"]) if method == Method::GET => {
            let of = |(place, commit): (usize, &String)| json!({ "id": place + 1, "sourceRefCommit": { "commitId": commit } });
            let all: Vec<Value> = world.commits.iter().enumerate().map(of).collect();
            Json(json!({ "value": all, "count": all.len() })).into_response()
        }
        (&Method::POST, ["pullRequests", "7", "statuses"]) => {
            let iteration = call.body["iterationId"].as_u64();
            let place = iteration.and_then(|it| usize::try_from(it).ok()?.checked_sub(1));
            match place.and_then(|place| world.commits.get(place)).cloned() {
                Some(commit) => set(world, call, commit, iteration),
                None => says(StatusCode::BAD_REQUEST, "there is no such iteration"),
            }
        }
        (method, ["pullRequests", number, "threads", below @ ..]) => {
            threads(world, call, method, number.parse().unwrap_or_default(), below)
        }
        _ => says(StatusCode::NOT_FOUND, "there is nothing"),
    }
}

fn branch(world: &World, call: &Call) -> Response {
    let name = call.query.get("name").map_or("", String::as_str);
    let Some(commit) = world.branches.get(name) else {
        return says(StatusCode::NOT_FOUND, "TF401175: the branch does not exist");
    };
    let author = json!({ "name": "Jane", "email": "jane@acme.example" });
    let commit = json!({ "commitId": commit, "comment": "Change something", "author": author });
    Json(json!({ "name": name, "commit": commit, "aheadCount": 0 })).into_response()
}

/// The newest alone.
fn pushes(world: &World, call: &Call) -> Response {
    let reference = call.query.get("searchCriteria.refName").map_or("", String::as_str);
    let commit = world.branches.get(reference.trim_start_matches("refs/heads/"));
    let update = json!({ "name": reference, "newObjectId": commit });
    let by = json!({ "displayName": "Ada", "uniqueName": "ada@acme.example" });
    let newest = json!({ "pushId": world.moves, "pushedBy": by, "refUpdates": [update] });
    Json(json!({ "count": 1, "value": [newest] })).into_response()
}

fn set(world: &mut World, call: &Call, commit: String, iteration: Option<u64>) -> Response {
    let (state, name) = (call.text("/state"), call.text("/context/name"));
    if !STATES.contains(&&*state) || name.is_empty() {
        return says(StatusCode::BAD_REQUEST, "state and context.name must be valid");
    }
    let name = match &*call.text("/context/genre") {
        "" => name,
        genre => format!("{genre}/{name}"),
    };
    let (description, url) = (call.text("/description"), call.text("/targetUrl"));
    world.statuses.push(BuildStatus { commit, iteration, state, name, description, url });
    (StatusCode::CREATED, Json(json!({ "id": world.statuses.len() }))).into_response()
}

/// Each thread has one comment.
fn threads(
    world: &mut World,
    call: &Call,
    method: &Method,
    number: u64,
    below: &[&str],
) -> Response {
    if *method == Method::GET {
        let all = world.said.iter().enumerate().filter(|(_, it)| it.pull_request == number);
        let all: Vec<Value> = all
            .map(|(place, it)| {
                let comment = json!({ "id": 1, "author": { "id": it.by }, "content": it.text });
                json!({ "id": place + 1, "status": it.standing, "comments": [comment] })
            })
            .collect();
        return Json(json!({ "value": all, "count": all.len() })).into_response();
    }
    let standing = call.text("/status");
    if *method == Method::POST && below.is_empty() && STANDINGS.contains(&&*standing) {
        world.say(number, call.text("/comments/0/content"), &standing);
        return Json(json!({ "id": world.said.len() })).into_response();
    }
    let place = below.first().and_then(|id| id.parse::<usize>().ok()?.checked_sub(1));
    let Some(said) = place.and_then(|place| world.said.get_mut(place)) else {
        return says(StatusCode::NOT_FOUND, "there is no such thread");
    };
    match below {
        [_] if STANDINGS.contains(&&*standing) => said.standing = standing,
        [_, "comments", "1"] if said.by == OWN => said.change(call.text("/content")),
        [_, "comments", "1"] => return says(StatusCode::FORBIDDEN, "it is somebody else's"),
        _ => return says(StatusCode::BAD_REQUEST, "nothing is changed by this"),
    }
    Json(json!({})).into_response()
}
