//! Over ssh, with a program in its place that runs what it is told on this machine.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use git::{Access, Error};

use receivers::Work;

use crate::work::Desk;

/// A program that is called as `ssh` is, and notes how.
fn program(folder: &Path, does: &str) -> String {
    let path = folder.join("ssh");
    let notes = folder.join("notes");
    let text = format!("#!/bin/sh\necho \"$@\" >> '{}'\n{does}\n", notes.display());
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path.display().to_string()
}

/// Says that it knows the options of OpenSSH, then runs what follows the host: the command for the
/// other side.
const RUNS: &str = "case \"$*\" in *' -G '*) exit 0;; esac\n\
                    while [ \"$1\" != git@git.example ]; do shift; done\nshift\nexec sh -c \"$*\"";

#[tokio::test]
async fn the_program_ssh_is_called_with_host_and_command() {
    let (work, folder) = (Work::new(), tempfile::tempdir().unwrap());
    let head = work.commit(&[("main.tf", "# one\n")]);
    let ssh = program(folder.path(), RUNS);
    for url in [
        format!("ssh://git@git.example:2222{}", work.path().display()),
        format!("git@git.example:{}", work.path().display()),
    ] {
        let desk = Desk::new(&url, Access::Open, &format!("{ssh} -i /run/secrets/key"));
        desk.fetch(&[]).await.unwrap();
        assert_eq!(desk.text(&head).as_deref(), Some("# one\n"), "{url}");
    }
    let notes = fs::read_to_string(folder.path().join("notes")).unwrap();
    assert!(notes.contains("-i /run/secrets/key") && notes.contains("git@git.example"), "{notes}");
    assert!(notes.contains("git-upload-pack"), "{notes}");
}

#[tokio::test]
async fn a_key_that_is_not_taken_is_refused_in_a_sentence_that_says_what_to_do() {
    let (work, folder) = (Work::new(), tempfile::tempdir().unwrap());
    let denies = "echo 'git@git.example: Permission denied (publickey).' >&2\nexit 255";
    let ssh = program(folder.path(), denies);
    let url = format!("ssh://git@git.example{}", work.path().display());

    let fetched = Desk::new(&url, Access::Open, &ssh).fetch(&[]).await;

    let Err(Error::Refused { advice, .. }) = fetched else { panic!("{fetched:?}") };
    assert!(advice.contains("key that `ssh` uses"), "{advice}");
}
