//! What policies are told, in the words of Spacelift's policy inputs. Times are in nanoseconds.

use serde_json::{Value, json};

use crate::{engine::Push, record::Run, stack::Stack, webhook::Route, world::World};

const NANOS_PER_MILLI: i64 = 1_000_000;

/// A run has entered a state.
pub(crate) fn notification(world: &World, run: &Run, stack: &Stack, note: Option<&str>) -> Value {
    let named = world.webhooks.all.values().filter(|hook| hook.route == Route::Policies);
    let endpoints: Vec<_> =
        named.map(|hook| json!({ "id": *hook.id, "labels": hook.labels })).collect();
    json!({
        "account": { "name": *world.account },
        "webhook_endpoints": endpoints,
        "run_updated": {
            "state": run.state.as_str(),
            "username": run.triggered_by.as_deref(),
            "note": note,
            "run": {
                "id": run.id.to_string(),
                "type": run.kind.as_str(),
                "state": run.state.as_str(),
                "branch": *run.branch,
                "triggered_by": run.triggered_by.as_deref(),
                "drift_detection": false,
                "user_provided_metadata": run.metadata,
                "created_at": run.created_ms * NANOS_PER_MILLI,
                "updated_at": run.updated_ms * NANOS_PER_MILLI,
                "commit": { "hash": run.commit.hash, "message": run.commit.message },
            },
            "stack": about(world, stack),
            "urls": { "run": format!("{}/run/{}", world.stack_url(&stack.id), run.id) },
        },
    })
}

/// Somebody has pushed.
pub(crate) fn push(world: &World, push: &Push, stack: &Stack) -> Value {
    json!({
        "in_progress": [],
        "pull_request": null,
        "push": {
            "affected_files": push.paths,
            "author": push.commit.author_login,
            "branch": push.branch,
            "hash": push.commit.hash,
            "message": push.commit.message,
            "tag": "",
        },
        "stack": about(world, stack),
        "vcs_integration": { "provider": stack.seed.provider },
    })
}

fn about(world: &World, stack: &Stack) -> Value {
    let seed = &stack.seed;
    let space = world.spaces.get(&seed.space);
    json!({
        "id": *stack.id,
        "name": seed.name,
        "labels": seed.labels,
        "space": space.map(|space| json!({
            "id": space.id, "name": space.name, "labels": space.labels,
        })),
        "branch": seed.branch,
        "namespace": seed.namespace,
        "repository": seed.repository,
        "project_root": seed.project_root,
        "additional_project_globs": seed.additional_project_globs,
        "administrative": seed.administrative,
        "autodeploy": seed.autodeploy,
    })
}
