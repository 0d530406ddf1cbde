//! The Restate server as it is pinned.

use std::path::{Path, PathBuf};

use anyhow::bail;

use crate::npm;

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
    let (processor, sum) = package()?;
    let package = npm::Package {
        wanted: format!("@restatedev/restate-server-linux-{processor}@{VERSION}"),
        sum,
        place: format!("restate-server-{VERSION}"),
        program: "package/bin/restate-server",
    };
    npm::program(folder, &package).await
}
