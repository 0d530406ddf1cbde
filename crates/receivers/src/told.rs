//! What the doubles of Bitbucket and Azure DevOps are told, and how they can go wrong.

use std::collections::{BTreeMap, HashMap};

use axum::{
    Router,
    body::Bytes,
    extract::{Query, State},
    http::{Method, StatusCode, header::AUTHORIZATION, request::Parts},
    response::Response,
};
use serde_json::Value;

use crate::{Fault, Faults, Shared, lose, refusal, serve};

/// One status, as it stands or stood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuildStatus {
    /// The commit it is of, in full.
    pub commit: String,
    /// The iteration of the pull request it is of; none if it is of the commit alone.
    pub iteration: Option<u64>,
    /// Its state, in the words of the host.
    pub state: String,
    /// What it is shown as.
    pub name: String,
    /// What people read.
    pub description: String,
    /// Where it leads.
    pub url: String,
}

/// One report about the code of a commit.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// Its title.
    pub title: String,
    /// What people read.
    pub details: String,
    /// Whether the code is fine, in the words of the host.
    pub result: String,
    /// What is shown at lines.
    pub annotations: Vec<Value>,
}

/// What a person or a program said at a pull request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// The number of the pull request.
    pub pull_request: u64,
    /// Who said it.
    pub by: String,
    /// What.
    pub text: String,
    /// How the thread stands, where there are threads.
    pub standing: String,
    /// How often it was changed.
    pub edits: u64,
}

#[derive(Debug, Default)]
pub(crate) struct World {
    faults: Faults,
    calls: usize,
    pub(crate) statuses: Vec<BuildStatus>,
    pub(crate) reports: BTreeMap<(String, String), Report>,
    pub(crate) said: Vec<Said>,
    /// Its webhooks, by their ids, as the host shows them.
    pub(crate) hooks: BTreeMap<String, Value>,
    /// What became of what a webhook sent, as the host shows it.
    pub(crate) notifications: Vec<Value>,
    /// The heads of its one pull request, in the order in which they came.
    pub(crate) commits: Vec<String>,
    /// Where its branches are.
    pub(crate) branches: BTreeMap<String, String>,
    /// How often one of them moved.
    pub(crate) moves: u64,
}

/// A host, and what it was told.
#[derive(Debug, Clone)]
pub struct Host {
    /// Where its API is.
    pub api_base: String,
    pub(crate) world: Shared<World>,
}

impl Host {
    /// The next call goes wrong.
    pub fn fail(&self, fault: Fault) {
        self.world.lock().faults.push_back(fault);
    }

    /// How often it was called.
    pub fn calls(&self) -> usize {
        self.world.lock().calls
    }

    /// The repository has this commit, as the newest head of its one pull request.
    pub fn push(&self, commit: &str) {
        self.world.lock().commits.push(commit.to_owned());
    }

    /// The branch is at this commit from now on; nothing is delivered.
    pub fn move_branch(&self, branch: &str, commit: &str) {
        let mut world = self.world.lock();
        world.branches.insert(branch.to_owned(), commit.to_owned());
        world.moves += 1;
    }

    /// There is a webhook of this id, as the host shows it.
    pub fn set_hook(&self, id: &str, shown: Value) {
        self.world.lock().hooks.insert(id.to_owned(), shown);
    }

    /// A webhook sent something, as the host shows it.
    pub fn notify(&self, shown: Value) {
        self.world.lock().notifications.push(shown);
    }

    /// Every status, in the order in which they were set.
    pub fn statuses(&self) -> Vec<BuildStatus> {
        self.world.lock().statuses.clone()
    }

    /// The reports about a commit.
    pub fn reports(&self, commit: &str) -> Vec<Report> {
        let world = self.world.lock();
        let of_it = world.reports.iter().filter(|((of, _), _)| of == commit);
        of_it.map(|(_, report)| report.clone()).collect()
    }

    /// What was said at pull requests, as it reads now.
    pub fn said(&self) -> Vec<Said> {
        self.world.lock().said.clone()
    }

    /// Somebody else says something.
    pub fn say(&self, pull_request: u64, text: &str) {
        let by = "somebody".to_owned();
        let (text, standing) = (text.to_owned(), "active".to_owned());
        let said = Said { pull_request, by, text, standing, edits: 0 };
        self.world.lock().said.push(said);
    }
}

/// Who has the token.
pub(crate) const OWN: &str = "stackly";

impl World {
    /// Who has the token says something.
    pub(crate) fn say(&mut self, pull_request: u64, text: String, standing: &str) {
        let (by, standing) = (OWN.to_owned(), standing.to_owned());
        self.said.push(Said { pull_request, by, text, standing, edits: 0 });
    }

    /// What is called so, if who has the token said it: the first that was said is 1.
    pub(crate) fn own(&mut self, id: &str) -> Option<&mut Said> {
        let place = id.parse::<usize>().ok()?.checked_sub(1)?;
        self.said.get_mut(place).filter(|said| said.by == OWN)
    }
}

impl Said {
    /// It reads otherwise from now on.
    pub(crate) fn change(&mut self, text: String) {
        self.text = text;
        self.edits += 1;
    }
}

impl Report {
    /// Notes these, in place of those of the same id.
    pub(crate) fn put(&mut self, new: &[Value], id: &str) {
        self.annotations.retain(|old| !new.iter().any(|it| it[id] == old[id]));
        self.annotations.extend_from_slice(new);
    }
}

/// A call, as far as these doubles look at it.
pub(crate) struct Call {
    pub(crate) method: Method,
    /// The segments of the path.
    pub(crate) place: Vec<String>,
    pub(crate) query: HashMap<String, String>,
    pub(crate) body: Value,
}

impl Call {
    /// A text of the body.
    pub(crate) fn text(&self, place: &str) -> String {
        self.body.pointer(place).and_then(Value::as_str).unwrap_or_default().to_owned()
    }
}

/// How a host answers.
#[derive(Clone, Copy)]
pub(crate) struct Manners {
    /// What comes before the places.
    pub(crate) base: &'static str,
    /// What the right `Authorization` is.
    pub(crate) credential: fn() -> String,
    /// How it says no.
    pub(crate) says: fn(StatusCode, &str) -> Response,
    /// What it does.
    pub(crate) done: fn(&mut World, &Call) -> Response,
}

/// Starts a host of these manners.
pub(crate) async fn start(manners: Manners) -> Host {
    let world = Shared::new(World::default());
    let router = Router::new().fallback(answer).with_state((world.clone(), manners));
    Host { api_base: format!("{}{}", serve(router).await, manners.base), world }
}

/// Does what is asked for, with the fault it is to meet: an answer that is lost has had its effect.
async fn answer(
    State((world, manners)): State<(Shared<World>, Manners)>,
    Parts { method, uri, headers, .. }: Parts,
    Query(query): Query<HashMap<String, String>>,
    body: Bytes,
) -> Response {
    let Some(place) = uri.path().strip_prefix(manners.base) else {
        return (manners.says)(StatusCode::NOT_FOUND, "there is nothing");
    };
    let place = place.trim_start_matches('/').split('/').map(str::to_owned).collect();
    let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
    let call = Call { method, place, query, body };
    let (fault, response) = {
        let mut world = world.lock();
        world.calls += 1;
        let fault = world.faults.pop_front();
        if let Some(refused) = refusal(fault.as_ref()) {
            return refused;
        }
        let given = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        if given != Some(&*(manners.credential)()) {
            return (manners.says)(StatusCode::UNAUTHORIZED, "the token is not valid");
        }
        (fault, (manners.done)(&mut world, &call))
    };
    lose(fault).await;
    response
}
