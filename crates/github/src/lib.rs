#![doc = include_str!("../README.md")]
#![warn(missing_docs)]

mod app;
mod asker;
mod error;
mod headers;
mod hook;

pub use app::{App, AppOptions, BadKey};
pub use asker::{AppKey, Asker, BadApp};
pub use error::AppError;
pub use headers::{HEADERS, headers};
pub use hook::{EVENTS, missing_events};
