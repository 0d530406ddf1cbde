//! Turborepo: one program that reads all manifests anew for each question.

use std::path::{Path, PathBuf};

use anyhow::bail;
use serde::Deserialize;
use tokio::process::Command;

use crate::{
    monorepo::answer::{Answer, Order},
    npm,
};

const VERSION: &str = "2.11.11";

/// What it prints of a plan.
#[derive(Debug, Deserialize)]
struct Plan {
    packages: Vec<String>,
    tasks: Vec<Task>,
}

#[derive(Debug, Deserialize)]
struct Task {
    package: String,
    /// Tasks that come before it, as `package#task`.
    dependencies: Vec<String>,
}

/// Where it is.
pub(crate) struct Turbo {
    program: PathBuf,
}

impl Turbo {
    /// Its package for this processor; the launcher in JavaScript before it would cost them time.
    pub(crate) async fn fetch(folder: &Path) -> anyhow::Result<Self> {
        let (name, sum, program) = match (std::env::consts::OS, std::env::consts::ARCH) {
            ("linux", "x86_64") => (
                "linux-64",
                "b8899328560214ab281718da5de25794c3efe2e5373882038f2ce8230615a8eb\
                 6ef4b9c267fe7f7f3bbf58febe1bd61fc0600f4699531e42857dc239b7ded11b",
                "turbo-linux-x64/bin/turbo",
            ),
            ("linux", "aarch64") => (
                "linux-arm64",
                "63bc5f7d255fcb26111b3372e8f2ddac52f8c5737a893b91dd6d12c89bc7ff27\
                 7777875e7c0e9d6a7b19c09a4f0d59c8a43f1ad909f6e7a0f063f4229f8229e2",
                "turbo-linux-arm64/bin/turbo",
            ),
            (system, processor) => bail!("no Turborepo is pinned for {system} on {processor}"),
        };
        let package = npm::Package {
            wanted: format!("@turbo/{name}@{VERSION}"),
            sum,
            place: format!("turbo-{VERSION}"),
            program,
        };
        Ok(Self { program: npm::program(folder, &package).await? })
    }

    /// What it would run: a range with both ends spares it a look at the work tree, and `--only`
    /// the tasks of projects that are not touched.
    pub(crate) fn question(&self) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(["--skip-infer", "--no-update-notifier", "run", "plan", "--only"])
            .args(["--dry-run=json", "--filter=...[HEAD^1...HEAD]"])
            .env("TURBO_TELEMETRY_DISABLED", "1");
        command
    }
}

pub(crate) fn read(told: &[u8]) -> anyhow::Result<Answer> {
    let plan: Plan = serde_json::from_slice(told)?;
    let package = |task: String| task.split('#').next().unwrap_or_default().to_owned();
    let pairs = plan.tasks.into_iter().flat_map(|task| {
        let before = task.dependencies.into_iter();
        before.map(move |before| (task.package.clone(), package(before)))
    });
    Ok(Answer { order: Order::Pairs(pairs.collect()), projects: plan.packages })
}
