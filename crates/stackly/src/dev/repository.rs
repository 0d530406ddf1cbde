//! The sample repository: a bare origin with a hook, and a clone to work in.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
};

use anyhow::{Context, ensure};
use contracts::CommitSha;
use tokio::process::Command;

use super::{DevFolder, shown};

/// The branch the sample stacks track.
const BRANCH: &str = "main";
/// What the first push changes: it has dependents over two levels and a diamond.
const CHANGED: &str = "network-prod";

/// The two commits that are made here.
const FIRST: &str = "The infrastructure of Acme";
const SECOND: &str = "Give the production network a second zone";

/// The clone to work in; a push from it becomes a delivery to ingest.
pub(crate) struct Repository {
    pub(crate) clone: PathBuf,
}

/// Makes the origin and the clone, with a folder for each sample stack.
pub(crate) async fn create(folder: &DevFolder, name: &str) -> anyhow::Result<Repository> {
    let (origin, clone) = (folder.path("origin.git"), folder.path("infra"));
    if clone.exists() && holds_work(&clone).await {
        folder.put_aside("infra")?;
    }
    folder.clear("infra")?;
    folder.clear("origin.git")?;
    git(None, &["init", "--quiet", "--bare", "--initial-branch", BRANCH, &shown(&origin)]).await?;
    git(None, &["clone", "--quiet", &shown(&origin), &shown(&clone)]).await?;
    for (key, value) in [("user.name", "Jane Doe"), ("user.email", "jane@acme.example")] {
        git(Some(&clone), &["config", key, value]).await?;
    }
    for stack in simulator::sample_account_of(name).stacks {
        let root = clone.join(stack.project_root.as_deref().unwrap_or(&stack.id));
        std::fs::create_dir_all(&root)?;
        std::fs::write(root.join("main.tf"), source(&stack.id))?;
    }
    git(Some(&clone), &["add", "--all"]).await?;
    git(Some(&clone), &["commit", "--quiet", "--message", FIRST]).await?;
    git(Some(&clone), &["push", "--quiet", "origin", &format!("HEAD:{BRANCH}")]).await?;
    write_hook(folder, &origin)?;
    Ok(Repository { clone })
}

/// Whether there is more in a clone than what is made here, or it cannot be told.
async fn holds_work(clone: &Path) -> bool {
    let (dirty, commits) = tokio::join!(
        git(Some(clone), &["status", "--porcelain"]),
        git(Some(clone), &["log", "--all", "--format=%s"]),
    );
    let ours = |subject: &str| [FIRST, SECOND].contains(&subject);
    match (dirty, commits) {
        (Ok(dirty), Ok(commits)) => !dirty.is_empty() || !commits.lines().all(ours),
        _ => true,
    }
}

impl Repository {
    /// Makes a real commit, and gives it.
    pub(crate) async fn commit_a_change(&self) -> anyhow::Result<CommitSha> {
        let file = self.clone.join("stacks").join(CHANGED).join("main.tf");
        let mut text = std::fs::read_to_string(&file)?;
        text.push_str("\n# The second availability zone\nlocals {\n  zones = [\"a\", \"b\"]\n}\n");
        std::fs::write(&file, text)?;
        git(Some(&self.clone), &["commit", "--quiet", "--all", "--message", SECOND]).await?;
        Ok(CommitSha(git(Some(&self.clone), &["rev-parse", "HEAD"]).await?))
    }

    /// Pushes what is committed.
    pub(crate) async fn push(&self) -> anyhow::Result<()> {
        git(Some(&self.clone), &["push", "--quiet", "origin", &format!("HEAD:{BRANCH}")]).await?;
        Ok(())
    }
}

/// After every push, the origin tells the running pipeline as GitHub would.
fn write_hook(folder: &DevFolder, origin: &Path) -> anyhow::Result<()> {
    let program = std::env::current_exe().context("this program's own path")?;
    let hook = origin.join("hooks/post-receive");
    let text = format!(
        "#!/bin/sh\nwhile read -r before after reference; do\n  \
         {} deliver --folder {} --repository {} \"$before\" \"$after\" \"$reference\"\ndone\n",
        shell_word(&program),
        shell_word(&folder.path("")),
        shell_word(origin),
    );
    std::fs::write(&hook, text)?;
    std::fs::set_permissions(&hook, std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
    Ok(())
}

/// A path as one word of a shell, whatever is in it.
fn shell_word(path: &Path) -> String {
    format!("'{}'", path.display().to_string().replace('\'', r"'\''"))
}

fn source(stack: &str) -> String {
    format!(
        "# {stack}\n\nresource \"null_resource\" \"this\" {{\n  triggers = {{\n    stack = \"{stack}\"\n  }}\n}}\n"
    )
}

/// Runs git, without the settings of whoever runs this.
pub(crate) async fn git(folder: Option<&Path>, arguments: &[&str]) -> anyhow::Result<String> {
    let mut command = Command::new("git");
    command.args(arguments).stdin(Stdio::null());
    for (name, value) in [
        ("GIT_CONFIG_GLOBAL", "/dev/null"),
        ("GIT_CONFIG_NOSYSTEM", "1"),
        ("GIT_TERMINAL_PROMPT", "0"),
    ] {
        command.env(name, value);
    }
    // A hook runs with variables that would bind us to its repository.
    for name in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_QUARANTINE_PATH"] {
        command.env_remove(name);
    }
    if let Some(folder) = folder {
        command.current_dir(folder);
    }
    let output = command.output().await.context("git cannot be run; is it installed?")?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    ensure!(
        output.status.success(),
        "git {} failed: {}",
        arguments.first().copied().unwrap_or_default(),
        text(&output.stderr)
    );
    Ok(text(&output.stdout))
}
