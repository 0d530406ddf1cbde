//! `stackly completions SHELL`.

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use crate::{cli::Cli, failure::Failure, print::Terminal};

/// For which shell.
#[derive(Debug, Args)]
pub struct Options {
    /// The shell; for bash: `stackly completions bash > ~/.local/share/bash-completion/completions/stackly`
    shell: Shell,
}

pub(super) fn run(options: &Options, terminal: &mut Terminal<'_>) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(options.shell, &mut Cli::command(), "stackly", &mut script);
    terminal.out.write_all(&script)?;
    Ok(terminal.out.flush()?)
}
