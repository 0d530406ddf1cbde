//! Judging the code of a commit: what is wrong with the stacks it touches, as far as the code
//! itself tells.

use std::{
    collections::HashSet,
    fs,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, atomic::AtomicBool},
};

use anyhow::{Context, anyhow};
use code::Configuration;
use contracts::validation::Annotation;
use git::{FileKind, Snapshot};
use located::Fault;
use tempfile::TempDir;
use validation::{Rules, Scope, Subject, subjects, syntax};

use super::{
    Call, Mirrors,
    files::Files,
    look,
    reader::{Place, of_branch, plain_of},
};

/// Files of these kinds are given to scanners; those by which scanners are configured are not.
const SCANNED: [&str; 7] =
    [".tf", ".tofu", ".tf.json", ".tofu.json", ".tfvars", ".tfvars.json", ".hcl"];
/// The most that scanners are given of one file, and of all.
const FILE_BYTES_MAX: u64 = 4 * 1024 * 1024;
const BYTES_MAX: u64 = 256 * 1024 * 1024;

/// The stacks that were judged, and what was found.
pub(crate) struct Judged {
    pub(crate) subjects: Vec<Subject>,
    pub(crate) scope: Scope,
    /// What files in scope are called from a folder below the root, where no file is called so.
    pub(crate) from_below: HashSet<String>,
    pub(crate) annotations: Vec<Annotation>,
    /// Their code, for programs that read folders.
    pub(crate) checkout: Option<TempDir>,
}

impl Mirrors {
    /// Judges the stacks that a commit touches; `checked_out`, their code lies in a folder after.
    pub(crate) async fn judge(
        self: Arc<Self>,
        call: Call,
        (rules, checked_out): (Rules, bool),
    ) -> anyhow::Result<Judged> {
        let lock = self.lock(&call.repository).lock_owned().await;
        let judged = tokio::task::spawn_blocking(move || {
            let mut kept = lock;
            let mirror = self.mirror(&call.repository)?;
            let look = look::look(&mirror, &call, &mut kept.files, &AtomicBool::new(false))?;
            let snapshot = self.shelf.snapshot().context("the account was not read yet")?;
            let catalogue = &snapshot.known.catalogue;
            let (repository, branch, commit) = (&*call.repository, &*call.branch, &*look.commit);
            let place = Place { repository, branch, commit };
            let stacks = of_branch(place, catalogue);
            let roots: Vec<&str> = stacks.iter().map(|one| one.project_root.as_str()).collect();
            let files = Files(&look.files);
            let code = kept.code.read(&files, Some(&roots));
            // Others of the repository need not wait for what follows.
            drop(kept);
            let plain = plain_of((&code, place), &stacks, catalogue);
            let subjects = subjects(&code, &plain, &look.paths);
            let scope = Scope::new(&code, &subjects, &look.paths);
            let roots = subjects.iter().map(|subject| subject.root.clone()).collect();
            let configuration = Configuration::read(&files, &roots);
            let mut annotations = syntax::check(&code, &configuration, &scope);
            let found = subjects.iter().flat_map(|subject| rules.judge(&configuration, subject));
            annotations.extend(found);
            let checkout = checked_out.then(|| check_out(&look.files, &scope)).transpose()?;
            let from_below = from_below(&look.files, &scope);
            anyhow::Ok(Judged { subjects, scope, from_below, annotations, checkout })
        });
        judged.await.context("judging it panicked")?
    }
}

fn from_below(files: &Snapshot, scope: &Scope) -> HashSet<String> {
    let judged = files.files().iter().filter(|file| scope.has(&file.path));
    let ends =
        judged.flat_map(|file| file.path.match_indices('/').map(|(at, _)| &file.path[at + 1..]));
    ends.filter(|end| files.file(end).is_none()).map(str::to_owned).collect()
}

/// The code in scope as files in a folder that is gone when it is let go of.
fn check_out(files: &Snapshot, scope: &Scope) -> anyhow::Result<TempDir> {
    let folder = tempfile::tempdir().context("a folder for the scanners")?;
    let mut left = BYTES_MAX;
    for file in files.files() {
        let name = code::path::name(&file.path);
        let is_code = SCANNED.iter().any(|end| name.ends_with(end)) && !name.starts_with('.');
        let is_plain =
            file.kind == FileKind::File && !file.path.split('/').any(|part| part == "..");
        if !is_code || !is_plain || !scope.has(&file.path) {
            continue;
        }
        let bytes = files.read(file, FILE_BYTES_MAX)?;
        left = left.checked_sub(bytes.len() as u64).context("too much code for the scanners")?;
        let path = folder.path().join(&file.path);
        fs::create_dir_all(path.parent().unwrap_or_else(|| folder.path()))?;
        fs::write(path, bytes)?;
    }
    Ok(folder)
}

/// The security rules in force: those in the folder, as long as they can be read.
pub(crate) struct Library {
    folder: Option<PathBuf>,
    rules: Mutex<Rules>,
}

impl Library {
    /// The rules in a folder; none without one.
    pub(crate) fn open(folder: &str) -> anyhow::Result<Self> {
        let folder = (!folder.is_empty()).then(|| PathBuf::from(folder));
        let rules = folder.as_deref().map(read).transpose()?.unwrap_or_default();
        Ok(Self { folder, rules: Mutex::new(rules) })
    }

    /// The rules as they are now. Those that cannot be read never replace those that could.
    pub(crate) fn current(&self) -> Rules {
        let mut rules = self.rules.lock().unwrap_or_else(PoisonError::into_inner);
        match self.folder.as_deref().map(read).transpose() {
            Ok(Some(new)) if new.digest != rules.digest => {
                tracing::info!(rules = new.len(), digest = new.digest, "security rules in force");
                *rules = new;
            }
            Ok(_) => {}
            Err(error) => {
                tracing::error!("the security rules are refused, the old ones stay: {error}")
            }
        }
        rules.clone()
    }
}

fn read(folder: &Path) -> anyhow::Result<Rules> {
    let told = |faults: Vec<Fault>| {
        let faults: Vec<String> = faults.iter().map(ToString::to_string).collect();
        anyhow!("`validation.rules`: {}", faults.join("\n"))
    };
    Rules::open(folder).map_err(told)
}
