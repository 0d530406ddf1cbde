//! Where a service may keep files that it can do without: nothing in them is the copy of record.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use crate::config;

/// Where an installation may have made room for us.
const INSTALLED: &str = "/var/lib/stackly";

/// A folder of this name that can be written, below the first of these: what systemd gives
/// (`StateDirectory=`), `/var/lib/stackly` if that is there, the user's own state. None if there is
/// no such place.
pub fn folder(name: &str) -> Option<PathBuf> {
    first(candidates(&config::environment(), Path::new(INSTALLED).is_dir()), name)
}

fn candidates(environment: &BTreeMap<String, String>, is_installed: bool) -> Vec<PathBuf> {
    let given = |name: &str| environment.get(name).filter(|value| value.starts_with('/'));
    // Several are set apart by colons.
    let systemd = given("STATE_DIRECTORY").and_then(|all| all.split(':').next()).map(PathBuf::from);
    let installed = is_installed.then(|| PathBuf::from(INSTALLED));
    let own = given("XDG_STATE_HOME").map(|state| Path::new(state).join("stackly"));
    let home = given("HOME").map(|home| Path::new(home).join(".local/state/stackly"));
    [systemd, installed, own.or(home)].into_iter().flatten().collect()
}

fn first(candidates: Vec<PathBuf>, name: &str) -> Option<PathBuf> {
    candidates.into_iter().map(|candidate| candidate.join(name)).find(|folder| {
        let probe = folder.join(".can-be-written");
        fs::create_dir_all(folder).and_then(|()| fs::write(&probe, b"")).is_ok()
            && fs::remove_file(&probe).is_ok()
    })
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, path::PathBuf};

    use super::{candidates, first};

    #[test]
    fn what_the_system_gives_comes_before_what_the_user_has() {
        let environment = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
            pairs.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect()
        };
        let all = environment(&[("STATE_DIRECTORY", "/run/a:/run/b"), ("HOME", "/users/jane")]);
        let paths = |all: &[&str]| all.iter().map(PathBuf::from).collect::<Vec<_>>();
        let wanted = ["/run/a", "/var/lib/stackly", "/users/jane/.local/state/stackly"];
        assert_eq!(candidates(&all, true), paths(&wanted));
        let own = environment(&[("HOME", "/users/jane"), ("XDG_STATE_HOME", "/s")]);
        assert_eq!(candidates(&own, false), paths(&["/s/stackly"]));
        assert!(candidates(&environment(&[("HOME", "relative")]), false).is_empty());
    }

    #[test]
    fn a_place_that_cannot_be_written_is_passed_over() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, "no folder").unwrap();
        let found = first(vec![file, folder.path().to_owned()], "mirrors");
        assert_eq!(found, Some(folder.path().join("mirrors")));
        assert_eq!(std::fs::read_dir(found.unwrap()).unwrap().count(), 0);
    }
}
