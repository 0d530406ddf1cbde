//! The GraphQL schema: the part of Spacelift's that its clients use.

pub(crate) mod audit;
pub(crate) mod dependency;
mod dependency_mutation;
mod entity;
mod misc;
mod misc_mutation;
mod policy;
mod pool;
mod query;
mod run;
mod run_mutation;
mod scope;
mod search;
mod space;
mod stack;
mod stack_mutation;
mod stack_relations;
mod user;
mod webhook;

use std::sync::Arc;

use async_graphql::{EmptySubscription, MergedObject};

use crate::shared::Shared;

pub(crate) use scope::{Scope, Visitor};

/// Everything that can be asked.
#[derive(MergedObject, Default)]
pub(crate) struct Query(
    query::StackQuery,
    query::AccountQuery,
    webhook::WebhookQuery,
    audit::AuditQuery,
    space::SpaceQuery,
    policy::PolicyQuery,
    pool::PoolQuery,
);

/// Everything that can be changed.
#[derive(MergedObject, Default)]
pub(crate) struct Mutation(
    user::UserMutation,
    run_mutation::RunMutation,
    run_mutation::RunReviewMutation,
    stack_mutation::StackMutation,
    dependency_mutation::DependencyMutation,
    webhook::WebhookMutation,
    audit::AuditMutation,
    misc_mutation::MiscMutation,
    policy::PolicyMutation,
);

pub(crate) type Schema = async_graphql::Schema<Query, Mutation, EmptySubscription>;

pub(crate) fn build(shared: Arc<Shared>) -> Schema {
    Schema::build(Query::default(), Mutation::default(), EmptySubscription).data(shared).finish()
}

/// The schema in GraphQL's own language.
pub fn sdl() -> String {
    Schema::build(Query::default(), Mutation::default(), EmptySubscription).finish().sdl()
}
