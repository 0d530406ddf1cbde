//! One service as a process, for tests that kill it: `serve <service>`.

fn main() -> std::process::ExitCode {
    let service = std::env::args().nth(1).unwrap_or_default();
    stackly::system::run_service(&service).unwrap_or_else(|| std::process::ExitCode::from(64))
}
