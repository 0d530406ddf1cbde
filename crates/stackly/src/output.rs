//! Answers as text for people: pure functions of values and the time.

pub(crate) mod chain;
pub(crate) mod chains;
pub(crate) mod connect;
pub(crate) mod dead;
pub(crate) mod deliveries;
pub(crate) mod doctor;
pub(crate) mod drift;
pub(crate) mod event;
pub(crate) mod gates;
pub(crate) mod graph;
pub(crate) mod history;
pub(crate) mod hook;
pub(crate) mod line;
pub(crate) mod locks;
pub(crate) mod loose;
pub(crate) mod notices;
pub(crate) mod plan;
pub(crate) mod policy;
pub(crate) mod stacks;
mod state;
pub(crate) mod status;
pub(crate) mod topology;
pub(crate) mod trace;
pub(crate) mod why;

#[cfg(test)]
pub(crate) mod sample;
#[cfg(test)]
mod tests;
