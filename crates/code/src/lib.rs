#![doc = include_str!("../README.md")]
#![warn(missing_docs)]

mod check;
pub mod configuration;
pub mod edge;
mod evaluate;
mod folder;
mod globs;
pub mod infer;
mod json;
mod listing;
pub mod manual;
pub mod module;
pub mod path;
mod reader;
pub mod repository;
mod root;
pub mod settings;
pub mod stack_file;
mod stack_files;
mod syntax;
mod terragrunt;
pub mod touch;
pub mod tree;

pub use configuration::Configuration;
pub use edge::{Edge, Origin, Reference, Spot};
pub use globs::Globs;
pub use infer::{Facts, Inference, Party, Subject, infer};
pub use listing::may_be_code;
pub use located::{Fault, Place};
pub use module::Module;
pub use reader::Reader;
pub use repository::{Repository, StackCode};
pub use root::Root;
pub use settings::{Settings, StackFile};
pub use touch::{Index, Touch, Watched};
pub use tree::{Entry, Kind, MemoryTree, Tree};
