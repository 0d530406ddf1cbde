#![doc = include_str!("../README.md")]
#![warn(missing_docs)]

mod app;
mod asker;
mod error;

pub use app::{App, AppOptions, BadKey};
pub use asker::{AppKey, Asker, BadApp};
pub use error::AppError;
