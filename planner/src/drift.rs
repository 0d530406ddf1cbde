//! Where account and code do not say the same: the question `drift`. A pure function of what is
//! known, but for variables, which the account is asked for; nothing is mended by it.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
};

use bus::{Problem, read_as};
use chrono::{DateTime, Utc};
use contracts::{StackId, chain::EdgeOrigin, phrase::count, plain};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sqlx::PgPool;

use crate::{
    blueprint::Blueprint,
    catalogue::{Catalogue, Stack, folder, repository_key},
    graph::Edge,
    known::{Known, Shelf},
    phrase,
    question::{known, unavailable},
    register::Status,
    store as tables,
};

mod variables;

/// A page has at most this many differences.
const LIMIT: usize = 500;

/// What differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// The code of a branch was not read, so that nothing is known of its stacks.
    Unread,
    /// The account has a stack, and there is no code where it runs.
    NoCode,
    /// Its code is gone.
    Loose,
    /// There is code, and the account has no such stack.
    NoStack,
    /// The stack tracks another branch or repository than its code is in.
    Branch,
    /// It runs in another folder.
    ProjectRoot,
    /// It is in another space.
    Space,
    /// It applies without asking, and should not; or the other way round.
    Autodeploy,
    /// It is described otherwise.
    Description,
    /// Something else runs it.
    Tool,
    /// Another version of that does.
    ToolVersion,
    /// It runs in another worker pool.
    WorkerPool,
    /// Its runs use another image.
    RunnerImage,
    /// It may manage Spacelift itself, and should not; or the other way round.
    Administrative,
    /// It is protected from being deleted, and should not be; or the other way round.
    ProtectFromDeletion,
    /// It lacks labels.
    Labels,
    /// Its runs are given another value for a variable, or none.
    Variables,
    /// One of both knows of a dependency, and the other does not.
    Dependencies,
}

/// One difference between account and code.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Difference {
    /// The stack, where the account has it.
    pub stack: Option<StackId>,
    /// What differs.
    pub what: What,
    /// Where the code is: repository, branch and folder.
    pub code: String,
    /// One sentence: what the account says and what the code says.
    pub text: String,
    /// What may be done about it.
    pub advice: String,
}

/// Which page is wanted.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Page {
    /// How many differences come before it.
    from: usize,
}

/// One page of the differences.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Differences {
    /// The version of the catalogue.
    pub version: i64,
    /// Of which time the catalogue is.
    pub as_of: DateTime<Utc>,
    /// How many there are in all.
    pub total: usize,
    /// Those of this page.
    pub differences: Vec<Difference>,
    /// Where the next page begins, if there is one.
    #[serde(default)]
    pub next: Option<usize>,
}

/// Answers the question.
pub async fn differences(
    pool: PgPool,
    shelf: Arc<Shelf>,
    client: spacelift::Client,
    body: Value,
) -> Result<Value, Problem> {
    let page: Page = read_as("the question has `from`", body)?;
    let snapshot = known(&shelf)?;
    let standings = tables::standings(&pool).await.map_err(unavailable)?;
    let loose = standings.into_iter().filter(|(_, (status, _))| *status == Status::Loose);
    let loose: HashSet<StackId> = loose.map(|(stack, _)| stack).collect();
    let mut all = drift(&snapshot.known, &loose);
    all.extend(variables::compared(&client, &snapshot.known.catalogue).await);
    all.sort();
    let from = page.from.min(all.len());
    let to = (from + LIMIT).min(all.len());
    let answer = Differences {
        version: snapshot.known.catalogue.version(),
        as_of: snapshot.as_of,
        total: all.len(),
        differences: all[from..to].to_vec(),
        next: (to < all.len()).then_some(to),
    };
    Ok(plain(&answer))
}

/// All differences, by stack. `loose` are the stacks whose code is gone.
pub fn drift(known: &Known, loose: &HashSet<StackId>) -> Vec<Difference> {
    let catalogue = &known.catalogue;
    let mut all = Vec::new();
    let mut unread: BTreeMap<(String, &str), usize> = BTreeMap::new();
    let mut parents: HashMap<usize, Vec<Edge>> = HashMap::new();
    for edge in known.graph.edges() {
        parents.entry(edge.child).or_default().push(edge);
    }
    for (position, stack) in catalogue.stacks().iter().enumerate() {
        match catalogue.blueprint(position) {
            Some(blueprint) => {
                settings(stack, blueprint, &mut all);
                chosen(stack, blueprint, &mut all);
                let parents = parents.get(&position).map_or(&[][..], Vec::as_slice);
                dependencies(known, (position, blueprint), parents, &mut all);
            }
            None if !catalogue.read().have(&stack.repository, &stack.branch) => {
                let branch = (repository_key(&stack.repository), &*stack.branch);
                *unread.entry(branch).or_default() += 1;
            }
            None => all.push(without_code(stack, loose.contains(&stack.id))),
        }
    }
    all.extend(unread.into_iter().map(|((repository, branch), stacks)| Difference {
        stack: None,
        what: What::Unread,
        code: format!("{repository} {branch}"),
        text: format!(
            "the code was not read, so nothing is known of its {}",
            count(stacks, "stack")
        ),
        advice: "`stackly status` says why its mirror cannot be read".to_owned(),
    }));
    all.extend(catalogue.unmade().map(|blueprint| without_stack(catalogue, blueprint)));
    all.sort();
    all
}

fn shown(folder: &str) -> &str {
    if folder.is_empty() { "the root" } else { folder }
}

fn place(blueprint: &Blueprint) -> String {
    let Blueprint { repository, branch, path, .. } = blueprint;
    format!("{repository} {branch} {}", shown(path))
}

fn without_code(stack: &Stack, is_loose: bool) -> Difference {
    let (what, text, advice) = match is_loose {
        true => (
            What::Loose,
            "its code is gone, and what it made is still there",
            "bring the code back, or see `stackly loose`",
        ),
        false => (
            What::NoCode,
            "there is no code where it runs",
            "correct its project root, or delete it in Spacelift if nothing needs it",
        ),
    };
    Difference {
        stack: Some(stack.id.clone()),
        what,
        code: format!("{} {} {}", stack.repository, stack.branch, shown(&stack.project_root)),
        text: text.to_owned(),
        advice: advice.to_owned(),
    }
}

fn without_stack(catalogue: &Catalogue, blueprint: &Blueprint) -> Difference {
    let told = |text: String, advice: &str| Difference {
        stack: None,
        what: What::NoStack,
        code: place(blueprint),
        text,
        advice: advice.to_owned(),
    };
    let make = "make the stack in Spacelift, or name the one it is with \
                `spacelift { stack = \"…\" }`";
    let Some(id) = &blueprint.stack else {
        return told(format!("the account has no stack for {}", blueprint.name), make);
    };
    let says = format!("its stackly.hcl says that it is {id}, ");
    let Some(position) = catalogue.position(id) else {
        return told(says + "which the account does not have", make);
    };
    match catalogue.blueprint(position) {
        None => {
            let Stack { repository, branch, .. } = &catalogue.stacks()[position];
            let text = format!("{says}which runs from {branch} of {repository}");
            told(text + ", and nobody knows what is said there", "`stackly status` says why not")
        }
        Some(its) => told(
            format!("{says}whose code is in {}", place(its)),
            "name another stack, or say it in one of the two places alone",
        ),
    }
}

/// What a `stackly.hcl` says of a stack and the account says otherwise.
fn settings(stack: &Stack, blueprint: &Blueprint, all: &mut Vec<Difference>) {
    let mut hold = |what, text: String, advice: &str| {
        all.push(Difference {
            stack: Some(stack.id.clone()),
            what,
            code: place(blueprint),
            text,
            advice: advice.to_owned(),
        });
    };
    if !stack.tracks(&blueprint.repository, &blueprint.branch) {
        let text = format!("the stack tracks {} {}", stack.repository, stack.branch);
        hold(What::Branch, text, "let the stack track the branch its code is in");
    }
    if stack.project_root != folder(&blueprint.path) {
        let text = format!("the stack runs in {}", shown(&stack.project_root));
        hold(What::ProjectRoot, text, "set its project root in Spacelift, or move the code");
    }
    if let Some(space) = &blueprint.space
        && !is_called(stack.space.as_str(), space)
    {
        let text = format!("the stack is in the space {}, the code says {space}", stack.space);
        hold(What::Space, text, "move the stack in Spacelift, or correct the code");
    }
    if let Some(autodeploy) = blueprint.autodeploy.filter(|wanted| *wanted != stack.autodeploy) {
        let word = |flag| if flag { "applies without asking" } else { "asks before it applies" };
        let text =
            format!("the stack {}, the code says that it {}", word(!autodeploy), word(autodeploy));
        hold(What::Autodeploy, text, "set autodeploy in Spacelift, or correct the code");
    }
    // What only Stackly reads need not be in the account.
    let lacks = blueprint.labels.iter().filter(|label| !label.starts_with(contracts::label::OURS));
    let has = |wanted: &str| stack.labels.iter().any(|label| *label == wanted);
    let lacks: Vec<&str> = lacks.map(String::as_str).filter(|label| !has(label)).collect();
    if !lacks.is_empty() {
        let text = format!("the stack lacks labels that its code adds: {}", phrase::list(lacks));
        hold(What::Labels, text, "add them in Spacelift if its own policies look at them");
    }
}

/// What a `stackly.hcl` wants to be chosen for a stack besides, where the account is known to say
/// otherwise.
fn chosen(stack: &Stack, blueprint: &Blueprint, all: &mut Vec<Difference>) {
    let Some(wanted) = &blueprint.settings else { return };
    let mut hold = |what, name: &str, wanted: &str, is: Option<&str>| {
        let is = is.unwrap_or("nothing");
        all.push(Difference {
            stack: Some(stack.id.clone()),
            what,
            code: place(blueprint),
            text: format!("the {name} of the stack is {is}, the code says {wanted}"),
            advice: "set it in Spacelift, or correct the code".to_owned(),
        });
    };
    if let (Some(wanted), Some(pool)) = (&wanted.worker_pool, &stack.worker_pool)
        && *wanted != *pool.name
        && *wanted != *pool.id
    {
        hold(What::WorkerPool, "worker pool", wanted, Some(&pool.name));
    }
    let Some(is) = &stack.settings else { return };
    let texts = [
        (What::Description, "description", &wanted.description, &is.description),
        (What::Tool, "tool", &wanted.tool, &is.tool),
        (What::ToolVersion, "version of the tool", &wanted.tool_version, &is.tool_version),
        (What::RunnerImage, "runner image", &wanted.runner_image, &is.runner_image),
    ];
    for (what, name, wanted, is) in texts {
        if let Some(wanted) = wanted.as_ref().filter(|wanted| is.as_ref() != Some(wanted)) {
            hold(what, name, wanted, is.as_deref());
        }
    }
    let protect = (wanted.protect_from_deletion, is.protect_from_deletion);
    let flags = [
        (What::Administrative, "word `administrative`", (wanted.administrative, is.administrative)),
        (What::ProtectFromDeletion, "word `protect_from_deletion`", protect),
    ];
    for (what, name, (wanted, is)) in flags {
        if let (Some(wanted), Some(is)) = (wanted, is)
            && wanted != is
        {
            hold(what, name, &wanted.to_string(), Some(&is.to_string()));
        }
    }
}

/// A space goes by its whole id, and by the part in front of the ULID.
fn is_called(space: &str, name: &str) -> bool {
    space == name || space.rsplit_once('-').is_some_and(|(slug, id)| slug == name && id.len() == 26)
}

/// Dependencies that one of both knows alone.
fn dependencies(
    known: &Known,
    (child, blueprint): (usize, &Blueprint),
    parents: &[Edge],
    all: &mut Vec<Difference>,
) {
    let catalogue = &known.catalogue;
    let stack = &catalogue.stacks()[child];
    let mut hold = |text: String, advice: &str| {
        all.push(Difference {
            stack: Some(stack.id.clone()),
            what: What::Dependencies,
            code: place(blueprint),
            text,
            advice: advice.to_owned(),
        });
    };
    for edge in parents {
        let parent = &catalogue.stacks()[edge.parent];
        let origins = known.graph.origins(*edge);
        let in_account = origins
            .iter()
            .any(|it| matches!(it, EdgeOrigin::Native { .. } | EdgeOrigin::Label { .. }));
        let declared = origins.iter().find(|it| matches!(it, EdgeOrigin::Declared { .. }));
        let in_code = catalogue.code_edges(child).any(|it| names(catalogue, &it.on, edge.parent));
        if let (false, Some(origin)) = (in_account, declared) {
            let text = format!("only the code says that it waits for {}: {origin}", parent.id);
            let advice = "nothing needs to be done while Stackly orders its runs; Spacelift itself \
                          would not wait";
            hold(text, advice);
        }
        if in_account && !in_code && !blueprint.plain {
            let said: Vec<String> = origins.iter().map(ToString::to_string).collect();
            let text = format!(
                "only the account says that it waits for {}: {}",
                parent.id,
                said.join("; ")
            );
            hold(text, "add it to `depends_on`, or take it out of the account if it is not so");
        }
    }
}

/// Whether this is one of the names of a stack.
fn names(catalogue: &Catalogue, name: &str, position: usize) -> bool {
    let stack = &catalogue.stacks()[position];
    let called = catalogue.blueprint(position).map(|blueprint| blueprint.name.as_str());
    stack.id.as_str() == name || stack.name == name || called == Some(name)
}

#[cfg(test)]
mod tests;
