#![doc = include_str!("../README.md")]
#![warn(missing_docs)]

pub mod policies;
mod report;
mod rules;
pub mod sarif;
mod subject;
pub mod syntax;

pub use report::Report;
pub use rules::{EXAMPLE, File, Rules};
pub use subject::{Scope, Subject, subjects};
