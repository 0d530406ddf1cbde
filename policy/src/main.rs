//! See the crate documentation.

fn main() -> std::process::ExitCode {
    service::main("policy", policy::DEFAULTS, policy::run)
}
