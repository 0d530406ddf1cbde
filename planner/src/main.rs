//! See the crate documentation.

fn main() -> std::process::ExitCode {
    service::main("planner", planner::DEFAULTS, planner::run)
}
