//! Nx: a program in JavaScript that asks its daemon, which watches the work tree and keeps the
//! graph.

use std::{
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::Context;
use embedded::process::{Signal, Spec, Supervised};
use tokio::{net::UnixStream, process::Command};

use crate::{
    monorepo::{
        answer::{Answer, Order},
        workspace::Workspace,
    },
    npm,
    system::eventually,
};

const MANIFEST: &str = include_str!("package.json");
const LOCK: &str = include_str!("package-lock.json");
/// How long the daemon may take to end in order.
const PATIENCE: Duration = Duration::from_secs(10);

/// One with its daemon.
pub(crate) struct Nx {
    environment: Vec<(&'static str, String)>,
    daemon: Supervised,
}

impl Nx {
    /// The daemon is a child of this process, started as Nx itself would start it: so it cannot
    /// outlive us.
    pub(crate) async fn start(folder: &Path, workspace: &Workspace) -> anyhow::Result<Self> {
        let modules = npm::modules(folder, "nx", (MANIFEST, LOCK)).await?;
        symlink(&modules, workspace.tree.join("node_modules"))?;
        let sockets = workspace.home.join("sockets");
        std::fs::create_dir(&sockets)?;
        // Nx does not use a folder that others can look into.
        std::fs::set_permissions(&sockets, std::fs::Permissions::from_mode(0o700))?;
        let environment = environment(&sockets, &workspace.home);
        let log = workspace.home.join("nx.log");
        let mut spec = Spec::new("node", &log).argument(program("src/daemon/server/start.js"));
        spec.folder = Some(workspace.tree.clone());
        let all = workspace.environment().into_iter().chain(environment.clone());
        let spec = all.fold(spec, |spec, (name, value)| spec.variable(name, value));
        let daemon = Supervised::spawn(&spec)?;
        let socket = sockets.join("d.sock");
        let listens = || async { UnixStream::connect(&socket).await.is_ok() };
        eventually("the daemon of Nx", listens)
            .await
            .with_context(|| std::fs::read_to_string(&log).unwrap_or_default())?;
        Ok(Self { environment, daemon })
    }

    /// `show projects` is the quickest way to ask; its list begins with what was changed.
    pub(crate) fn question(&self) -> Command {
        let mut command = Command::new("node");
        command
            .arg(program("bin/nx.js"))
            .args(["show", "projects", "--affected", "--base=HEAD~1", "--head=HEAD", "--json"])
            .envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }

    pub(crate) async fn stop(self) {
        self.daemon.stop(Signal::SIGTERM, PATIENCE).await;
    }
}

/// A part of it, from the root of the work tree.
fn program(part: &str) -> PathBuf {
    Path::new("node_modules/nx/dist").join(part)
}

/// The same for the daemon and whoever asks it.
fn environment(sockets: &Path, home: &Path) -> Vec<(&'static str, String)> {
    vec![
        ("NX_DAEMON", "true".to_owned()),
        ("NX_SOCKET_DIR", sockets.display().to_string()),
        ("NX_NATIVE_FILE_CACHE_DIRECTORY", home.join("native").display().to_string()),
        // Its own plugins in one process: quicker than with a process for each.
        ("NX_ISOLATE_PLUGINS", "false".to_owned()),
        // Otherwise the daemon fetches the newest Nx in the background.
        ("NX_USE_LOCAL", "true".to_owned()),
        ("NX_NO_CLOUD", "true".to_owned()),
        ("NX_TUI", "false".to_owned()),
    ]
}

pub(crate) fn read(told: &[u8]) -> anyhow::Result<Answer> {
    Ok(Answer { projects: serde_json::from_slice(told)?, order: Order::Listed })
}
