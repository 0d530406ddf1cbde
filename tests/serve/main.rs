//! One service as a process, for tests that kill it: `serve <service>`; or the sender of deliveries.

use std::process::ExitCode;

use harness::deliveries;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let service = arguments.next().unwrap_or_default();
    if service == deliveries::SEND {
        return deliveries::send(arguments);
    }
    stackly::system::run_service(&service).unwrap_or_else(|| ExitCode::from(64))
}
