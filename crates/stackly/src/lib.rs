//! The program for people: what is going on, why something waits, and how to say yes or no.
//!
//! It talks to the running system over NATS alone; only `stackly migrate` needs the database.
//! [`cli`] reads the command line, [`command`] has one module per subcommand, `output` turns
//! answers into text and does nothing else.

pub mod cli;
pub mod command;
pub mod dev;
pub mod failure;
mod folder;
mod output;
pub mod print;
pub mod system;
mod target;
