//! Making a cluster, once for each data folder.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::timeout;

use super::SUPERUSER;
use super::find::Programs;
use crate::home::Home;
use crate::process::{Spec, Supervised};
use crate::{Error, RunAs, StoreFolder, environment, home, user};

/// What the folders of these servers are called after.
pub(super) const KIND: &str = "postgres";

/// Long, for a slow disk.
const PATIENCE: Duration = Duration::from_secs(300);

/// The folder with the cluster.
pub(super) fn data_folder(home: &Home) -> PathBuf {
    home.path().join("data")
}

/// Whether a server of this cluster did not end in order: a new one may find its traces.
pub(super) fn has_run(home: &Home) -> bool {
    data_folder(home).join("postmaster.pid").exists()
}

/// Whom the server runs as. A cluster belongs to whoever made it, so root goes on as that user.
pub(super) fn user_for(store: &StoreFolder) -> Result<Option<RunAs>, Error> {
    let owner = match store {
        StoreFolder::Given(folder) if user::are_we_root() => {
            let homes = [folder.clone(), home::stand_in(folder, KIND)];
            let owners = homes.iter().filter_map(|home| fs::metadata(home.join("data")).ok());
            owners.filter_map(|data| RunAs::with_uid(data.uid())).next()
        }
        StoreFolder::Given(_) | StoreFolder::Temporary => None,
    };
    owner.map_or_else(RunAs::for_postgres, |owner| Ok(Some(owner)))
}

/// Sees to it that there is a cluster which these programs can serve.
pub(super) async fn prepare(
    programs: &Programs,
    home: &Home,
    user: Option<&RunAs>,
) -> Result<(), Error> {
    let data = data_folder(home);
    if data.exists() {
        return check_version(programs, &data);
    }
    // Made beside its place and moved there when it is whole: nobody meets half a cluster.
    let unfinished = home.path().join("data.unfinished");
    if unfinished.exists() {
        fs::remove_dir_all(&unfinished)
            .map_err(|error| Error::file("remove", &unfinished, error))?;
    }
    init(programs, home, &unfinished, user).await?;
    fs::rename(&unfinished, &data).map_err(|error| Error::file("make", &data, error))
}

fn check_version(programs: &Programs, data: &Path) -> Result<(), Error> {
    let file = data.join("PG_VERSION");
    let text = fs::read_to_string(&file).map_err(|error| Error::file("read", &file, error))?;
    if text.trim() == programs.version.to_string() {
        return Ok(());
    }
    Err(Error::ClusterVersion {
        folder: data.to_owned(),
        made_by: text.trim().to_owned(),
        found: programs.version,
    })
}

/// Half a second; copying a ready cluster would save little of it and need a cache to keep right.
/// Supervised, so that killing us in this half second leaves nothing behind either.
async fn init(
    programs: &Programs,
    home: &Home,
    data: &Path,
    user: Option<&RunAs>,
) -> Result<(), Error> {
    let log = home.path().join("initdb.log");
    let arguments = ["-A", "trust", "-U", SUPERUSER, "--no-sync", "--encoding=UTF8", "--locale=C"];
    let mut spec = Spec::new(programs.folder.join("initdb"), &log).argument("-D").argument(data);
    spec.arguments.extend(arguments.map(OsString::from));
    spec.clear_environment = true;
    spec.environment = environment();
    spec.user = user.cloned();
    spec.folder = Some(PathBuf::from("/"));
    spec.doomed_folder = home.temporary_path();
    let initdb = Supervised::spawn(&spec)?;
    let said = match timeout(PATIENCE, initdb.exited()).await {
        Ok(status) if status.success() => return Ok(()),
        Ok(_) => fs::read_to_string(&log).unwrap_or_default(),
        Err(_) => format!("not done after {} s", PATIENCE.as_secs()),
    };
    Err(Error::Failed { program: spec.program, said })
}

/// What a Postgres program needs of our variables. Messages in English, because we read some.
pub(super) fn environment() -> Vec<(OsString, OsString)> {
    let kept = ["PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "TZDIR"]
        .into_iter()
        .filter_map(|name| Some((name.into(), environment::variable(name)?)));
    kept.chain([("LC_ALL".into(), "C".into())]).collect()
}
