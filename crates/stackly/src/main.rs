//! See the crate documentation.

fn main() -> std::process::ExitCode {
    stackly::cli::main()
}
