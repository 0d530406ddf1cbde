//! See the crate documentation.

use std::process::ExitCode;

fn main() -> ExitCode {
    service::main("ingest", ingest::DEFAULTS, ingest::run)
}
