//! See the crate documentation.

fn main() -> std::process::ExitCode {
    service::main("executor", executor::DEFAULTS, executor::run)
}
