//! One service as a process, for tests that kill it: `serve <service>`; or the sender of deliveries.

use std::process::ExitCode;

use harness::{deliveries, fleet};

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let service = arguments.next().unwrap_or_default();
    if service == deliveries::SEND {
        return deliveries::send(arguments);
    }
    fleet::serve(&service)
}
