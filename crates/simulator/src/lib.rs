#![doc = include_str!("../README.md")]

mod account;
mod agenda;
mod auth;
mod blobs;
mod clock;
mod control;
mod dependencies;
mod engine;
mod faults;
mod graphql;
mod ids;
mod journal;
mod listener;
mod logs;
mod options;
mod pace;
mod policy;
mod record;
mod run;
mod sample;
mod schema;
mod server;
mod settings;
mod shared;
mod stack;
mod states;
mod vendor;
mod webhook;
mod world;

pub use account::{
    Account, Approvals, Behaviour, BlueprintSeed, CommitSeed, ContextSeed, DependencySeed,
    OutputSeed, PlanResult, ReferenceSeed, ResourceChange, SpaceSeed, StackSeed, WorkerPoolSeed,
};
pub use control::{Control, ControlError, RunView, StackPatch, StackView, TransitionView};
pub use engine::Push;
pub use faults::{Fault, FaultKind, FaultView};
pub use journal::{JournalEntry, JournalEvent, MutationRecord, TransitionRecord};
pub use options::{ApiKey, Options, WebhookTarget};
pub use pace::Pace;
pub use record::RunReviewDecision;
pub use sample::{
    SAMPLE_APPS_SPACE, SAMPLE_PLATFORM_SPACE, SAMPLE_REPOSITORY, sample_account, sample_account_of,
};
pub use schema::sdl;
pub use server::{Error, Simulator};
pub use settings::Settings;
pub use states::{ForceApplyMode, RunState, RunType};
pub use vendor::{
    OpenTofuWorkflowTool, StackConfigVendorAnsible, StackConfigVendorCloudFormation,
    StackConfigVendorKubernetes, StackConfigVendorOpenTofu, StackConfigVendorPulumi,
    StackConfigVendorTerraform, StackConfigVendorTerragrunt, TerraformWorkflowTool,
    TerragruntEffectiveVersions, VendorConfig,
};
pub use webhook::{DeliveryRecord, WebhookView};

/// So many things are given at once, whatever is asked for.
pub(crate) const PAGE: usize = 50;
