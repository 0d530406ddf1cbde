//! Fetching the Restate server with npm, pinned and checked; it is never part of the repository.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail, ensure};
use sha2::{Digest, Sha512};
use tokio::process::Command;

use crate::beside::build::run_to_end;

const VERSION: &str = "1.7.12";

/// The processor in npm's words, and the SHA-512 that the registry states for its package.
fn package() -> anyhow::Result<(&'static str, &'static str)> {
    Ok(match (std::env::consts::OS, std::env::consts::ARCH) {
        ("linux", "x86_64") => (
            "x64",
            "511a2d275008a9a4820e444c9783ab41f4cb1fe358b8e65bdd9b0fef0c718ae0\
             01ea99dc80f8535184af7a04c5e4f4eb0128673721cda63bbd9237f63b7431a0",
        ),
        ("linux", "aarch64") => (
            "arm64",
            "695ed8c56bcf869f3c32342d39b183843093c0205aebcc3064e00c989a83ade3\
             b46ae1d8b927cea9a6c4c7823dd1ca19b31df34a136eb29a5b4cf2a9ace6be77",
        ),
        (system, processor) => bail!("no Restate server is pinned for {system} on {processor}"),
    })
}

/// The program, fetched the first time.
pub(crate) async fn restate_server(folder: &Path) -> anyhow::Result<PathBuf> {
    let place = folder.join(format!("restate-server-{VERSION}"));
    let program = place.join("package/bin/restate-server");
    if program.is_file() {
        return Ok(program);
    }
    let (processor, sum) = package()?;
    fs::create_dir_all(folder)?;
    // In the same folder, because a rename must stay on one file system.
    let work = tempfile::Builder::new().prefix("fetching-").tempdir_in(folder)?;
    let wanted = format!("@restatedev/restate-server-linux-{processor}@{VERSION}");
    let mut npm = Command::new("npm");
    // `pack` runs none of the package's scripts.
    npm.args(["pack", "--silent", &wanted, "--pack-destination"]).arg(work.path());
    run_to_end(&mut npm, "npm").await.with_context(|| format!("{wanted} could not be fetched"))?;
    let archive = fs::read_dir(work.path())?.next().context("npm fetched nothing")??.path();
    let found = hex::encode(Sha512::digest(fs::read(&archive)?));
    ensure!(found == sum, "{wanted} has the unexpected SHA-512 {found} and is not used");
    let unpacked = work.path().join("unpacked");
    fs::create_dir(&unpacked)?;
    let mut tar = Command::new("tar");
    tar.arg("-xzf").arg(&archive).arg("-C").arg(&unpacked);
    run_to_end(&mut tar, "tar").await?;
    fs::rename(&unpacked, &place)?;
    Ok(program)
}
