//! The answers to why.

pub(crate) mod became;
pub(crate) mod waits;
