#![doc = include_str!("../README.md")]
#![warn(missing_docs)]

mod fault;
mod section;
mod value;

pub use fault::{Fault, Place, Source, listed, nearest, sort};
pub use section::{Page, Placed, Section};
pub use value::{found, plain};

use hcl_edit::structure::Body;

/// The body of a file, or the one fault for which it is no HCL.
pub fn parse(source: Source<'_>) -> Result<Body, Fault> {
    hcl_edit::parser::parse_body(source.text).map_err(|error| {
        let at = error.location().offset();
        source.fault(at..at + 1, format!("this is not HCL: {}", error.message()), SYNTAX_ADVICE)
    })
}

const SYNTAX_ADVICE: &str = "every attribute stands on a line of its own, unless it is the only \
                             one in its block; strings are in double quotes, lists in brackets";
