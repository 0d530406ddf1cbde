#![doc = include_str!("../README.md")]
#![warn(missing_docs)]

mod check;
pub mod edge;
mod listing;
pub mod path;
pub mod repository;
pub mod settings;
pub mod stack_file;
pub mod tree;

pub use edge::{Edge, Origin, Reference, Spot};
pub use located::{Fault, Place};
pub use repository::{Repository, StackCode};
pub use settings::{Settings, StackFile};
pub use tree::{Entry, Kind, MemoryTree, Tree};
