//! See the crate documentation.

fn main() -> std::process::ExitCode {
    service::main("notifier", notifier::DEFAULTS, notifier::run)
}
