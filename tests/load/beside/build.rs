//! Building a peer: it has a manifest and a lock file of its own, so that who builds Stackly builds
//! none of it.

use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use tokio::process::Command;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/load/peers");

/// The program of a peer, optimised or, to try it out, not.
pub(crate) async fn peer(name: &str, folder: &Path, optimised: bool) -> anyhow::Result<PathBuf> {
    let (profile, built) = if optimised { ("release", "release") } else { ("dev", "debug") };
    let target = folder.join("target");
    let mut cargo = Command::new("cargo");
    cargo
        // All of them, for each: what one alone is built from differs, and would be built again.
        .args(["build", "--profile", profile, "--locked", "--quiet", "--target-dir"])
        .arg(&target)
        // There, so that the repository says which compiler it is.
        .current_dir(FOLDER)
        .kill_on_drop(true);
    run_to_end(&mut cargo, "cargo").await.with_context(|| format!("{name} could not be built"))?;
    Ok(target.join(built).join(name))
}

/// Runs a program to its end; where it fails, says what it said last.
pub(crate) async fn run_to_end(command: &mut Command, name: &str) -> anyhow::Result<()> {
    answer_of(command, name).await.map(drop)
}

/// The same, for what it prints.
pub(crate) async fn answer_of(command: &mut Command, name: &str) -> anyhow::Result<Vec<u8>> {
    let output = command.output().await.with_context(|| format!("{name} is not on PATH"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{name} failed: {}", last_lines(&said));
    Ok(output.stdout)
}

/// The end of what a program said, where it says why.
fn last_lines(said: &str) -> String {
    let lines: Vec<_> = said.trim().lines().collect();
    lines[lines.len().saturating_sub(5)..].join("; ")
}
