//! Mirrors of real repositories in temporary folders, made with the `git` program.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::{
    fs,
    path::{Path, PathBuf},
    sync::atomic::AtomicBool,
};

use git::{Access, Error, FileKind, History, Mirror, Origin, PathChange};
use receivers::work;

struct Repository {
    folder: tempfile::TempDir,
}

impl Repository {
    fn new() -> Self {
        let repository = Self { folder: tempfile::tempdir().unwrap() };
        fs::create_dir(repository.work()).unwrap();
        repository.git(&["init", "--quiet", "--initial-branch", "main"]);
        repository
    }

    fn work(&self) -> PathBuf {
        self.folder.path().join("work")
    }

    fn git(&self, arguments: &[&str]) -> String {
        work::git(&self.work(), arguments)
    }

    fn write(&self, path: &str, text: &str) -> &Self {
        let path = self.work().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        self
    }

    fn remove(&self, path: &str) -> &Self {
        fs::remove_file(self.work().join(path)).unwrap();
        // Folders in which nothing is left are none for Git.
        let mut folder = self.work().join(path);
        while folder.pop() && folder != self.work() && fs::remove_dir(&folder).is_ok() {}
        self
    }

    fn commit(&self, message: &str) -> String {
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--allow-empty", "--message", message]);
        self.git(&["rev-parse", "HEAD"])
    }

    fn mirror(&self) -> Mirror {
        let origin = Origin {
            url: self.work().display().to_string(),
            access: Access::Open,
            ssh_command: String::new(),
        };
        Mirror::new(self.folder.path().join("mirror"), origin)
    }
}

fn fetch(mirror: &Mirror) {
    mirror.fetch(&[], &AtomicBool::new(false)).unwrap();
}

/// How many packs the mirror has.
fn packs(mirror: &Mirror) -> usize {
    let files = fs::read_dir(mirror.folder().join("objects/pack")).unwrap();
    let ends = files.map(|file| file.unwrap().path().extension().map(|end| end.to_owned()));
    let ends: Vec<_> = ends.flatten().collect();
    let count = |end: &str| ends.iter().filter(|it| *it == end).count();
    assert_eq!((count("idx"), ends.len()), (count("pack"), 2 * count("pack")), "{ends:?}");
    count("pack")
}

#[test]
fn the_packs_of_many_fetches_are_brought_together_and_all_that_was_here_stays() {
    let repository = Repository::new();
    let first = repository.write("a.tf", "a").write("b.tf", "b").commit("one");
    let mirror = repository.mirror();
    fetch(&mirror);
    // Nothing leads to it any more when the packs are joined.
    let lost = repository.write("a.tf", "lost").commit("lost");
    fetch(&mirror);
    let seen = mirror.snapshot(&lost).unwrap();
    repository.git(&["reset", "--quiet", "--hard", &first]);
    let mut most = 0;
    for number in 0..100 {
        repository.write("a.tf", &number.to_string()).commit("another");
        fetch(&mirror);
        most = most.max(packs(&mirror));
    }
    assert_eq!((most, packs(&mirror)), (100, 2));

    let last = repository.git(&["rev-parse", "HEAD"]);
    assert_eq!(mirror.head("main").unwrap().as_deref(), Some(last.as_str()));
    let changes = mirror.compare(Some(&lost), &last).unwrap().changes;
    assert_eq!(changes, [modified("a.tf")]);
    // Who looks at a commit all the while goes on, also with what it had not read yet.
    for (path, text) in [("a.tf", "lost"), ("b.tf", "b")] {
        assert_eq!(seen.read(seen.file(path).unwrap(), 100).unwrap(), text.as_bytes());
    }
    let after = repository.write("a.tf", "after").commit("after");
    fetch(&mirror);
    assert_eq!((packs(&mirror), mirror.has(&after).unwrap()), (3, true));
}

fn modified(path: &str) -> PathChange {
    PathChange::Modified(path.to_owned())
}

#[test]
fn what_was_pushed_is_here_after_a_fetch_and_what_differs_is_told() {
    let repository = Repository::new();
    let first = repository.write("net/main.tf", "a").write("app/main.tf", "b").commit("one");
    let mirror = repository.mirror();
    assert!(!mirror.has(&first).unwrap());
    fetch(&mirror);
    assert!(mirror.has(&first).unwrap());
    let second = repository.write("net/main.tf", "c").write("new/x.tf", "x").commit("two");
    assert!(matches!(mirror.snapshot(&second), Err(Error::Missing { .. })));

    fetch(&mirror);

    assert_eq!(mirror.head("main").unwrap(), Some(second.clone()));
    assert_eq!(mirror.head("other").unwrap(), None);
    let comparison = mirror.compare(Some(&first), &second).unwrap();
    assert_eq!(comparison.history, History::Forward);
    assert_eq!(
        comparison.changes,
        [PathChange::Added("new/x.tf".to_owned()), modified("net/main.tf")]
    );
    let fresh = mirror.compare(None, &first).unwrap();
    assert_eq!((fresh.history, fresh.changes.len()), (History::Fresh, 2));
}

#[test]
fn a_folder_that_moved_is_a_rename_of_its_files() {
    let repository = Repository::new();
    let text = "resource \"null_resource\" \"a\" {\n  triggers = {}\n}\n".repeat(20);
    let first = repository.write("net/main.tf", &text).write("net/b.tf", "b").commit("one");
    repository.git(&["mv", "net", "network"]);
    let second = repository.write("network/main.tf", &format!("{text}# more\n")).commit("two");
    let mirror = repository.mirror();
    fetch(&mirror);

    let comparison = mirror.compare(Some(&first), &second).unwrap();

    let moved = |file: &str| PathChange::Renamed {
        from: format!("net/{file}"),
        to: format!("network/{file}"),
    };
    assert_eq!(comparison.changes, [moved("b.tf"), moved("main.tf")]);
}

#[test]
fn rewritten_history_is_recognised_and_the_old_head_is_still_compared_with() {
    let repository = Repository::new();
    let base = repository.write("a.tf", "1").commit("base");
    let old = repository.write("b.tf", "old").commit("old");
    let mirror = repository.mirror();
    fetch(&mirror);
    repository.git(&["reset", "--quiet", "--hard", &base]);
    let new = repository.write("c.tf", "new, and quite another").commit("new");

    fetch(&mirror);

    assert_eq!(mirror.head("main").unwrap(), Some(new.clone()));
    let comparison = mirror.compare(Some(&old), &new).unwrap();
    assert_eq!(comparison.history, History::Rewritten);
    let expected = [PathChange::Added("c.tf".to_owned()), PathChange::Deleted("b.tf".to_owned())];
    assert_eq!(comparison.changes, expected);
}

#[test]
fn a_merge_is_compared_with_the_old_head_of_its_branch() {
    let repository = Repository::new();
    repository.write("a.tf", "1").commit("base");
    repository.git(&["switch", "--quiet", "--create", "topic"]);
    repository.write("topic.tf", "1").commit("topic");
    repository.git(&["switch", "--quiet", "main"]);
    let old = repository.write("b.tf", "1").commit("main goes on");
    repository.git(&["merge", "--quiet", "--no-ff", "--message", "merge", "topic"]);
    let merge = repository.git(&["rev-parse", "HEAD"]);
    let mirror = repository.mirror();
    fetch(&mirror);

    let comparison = mirror.compare(Some(&old), &merge).unwrap();

    assert_eq!(comparison.history, History::Forward);
    assert_eq!(comparison.changes, [PathChange::Added("topic.tf".to_owned())]);
}

#[test]
fn a_commit_no_branch_holds_is_fetched_by_the_name_of_its_pull_request() {
    let repository = Repository::new();
    repository.write("a.tf", "1").commit("base");
    let head = repository.write("a.tf", "2").commit("proposal");
    repository.git(&["update-ref", "refs/pull/7/head", &head]);
    repository.git(&["reset", "--quiet", "--hard", "HEAD~1"]);
    let mirror = repository.mirror();
    fetch(&mirror);
    assert!(!mirror.has(&head).unwrap());

    mirror.fetch(&["refs/pull/7/head".to_owned()], &AtomicBool::new(false)).unwrap();

    assert!(mirror.has(&head).unwrap());
}

#[test]
fn a_branch_that_is_deleted_is_no_more_and_leaves_room_for_others() {
    let repository = Repository::new();
    repository.write("a.tf", "1").commit("base");
    repository.git(&["branch", "staging"]);
    let mirror = repository.mirror();
    fetch(&mirror);
    assert!(mirror.head("staging").unwrap().is_some());

    repository.git(&["branch", "--move", "staging", "staging/eu"]);
    fetch(&mirror);

    assert_eq!(mirror.head("staging").unwrap(), None);
    assert!(mirror.head("staging/eu").unwrap().is_some() && mirror.head("main").unwrap().is_some());
}

#[test]
fn a_lock_that_a_killed_process_left_behind_is_taken_away_and_that_of_another_one_is_not() {
    let repository = Repository::new();
    repository.write("a.tf", "a").commit("first");
    let mirror = repository.mirror();
    fetch(&mirror);
    repository.write("a.tf", "b").commit("second");
    let locks = ["packed-refs.lock", "refs/remotes/origin/main.lock"];
    for lock in locks.map(|lock| mirror.folder().join(lock)) {
        fs::create_dir_all(lock.parent().unwrap()).unwrap();
        fs::write(&lock, "").unwrap();
        mirror.fetch(&[], &AtomicBool::new(false)).unwrap_err();
        assert!(lock.exists(), "it may be held");

        let old = std::time::SystemTime::now() - std::time::Duration::from_secs(600);
        fs::File::options().write(true).open(&lock).unwrap().set_modified(old).unwrap();
        fetch(&mirror);
        assert!(!lock.exists());
        repository.write("a.tf", &lock.display().to_string()).commit("another");
    }
}

#[test]
fn what_a_killed_process_had_fetched_of_a_pack_is_taken_away_and_what_is_being_fetched_is_not() {
    let repository = Repository::new();
    repository.write("a.tf", "a").commit("first");
    let mirror = repository.mirror();
    fetch(&mirror);
    let packs = mirror.folder().join("objects/pack");
    let old = std::time::SystemTime::now() - std::time::Duration::from_secs(2 * 60 * 60);
    for (name, is_old) in [(".tmpAbCdEf", true), (".tmpGhIjKl", false), ("pack-1.keep", true)] {
        let file = fs::File::create(packs.join(name)).unwrap();
        if is_old {
            file.set_modified(old).unwrap();
        }
    }

    fetch(&mirror);

    let is_there = |name: &str| packs.join(name).exists();
    let there = [".tmpAbCdEf", ".tmpGhIjKl", "pack-1.keep"].map(is_there);
    assert_eq!(there, [false, true, true]);
}

#[test]
fn a_snapshot_lists_files_and_reads_them_but_follows_nothing() {
    let repository = Repository::new();
    std::os::unix::fs::symlink("/etc/passwd", repository.work().join("link.tf")).unwrap();
    let commit =
        repository.write("b/main.tf", "text").write("a.tf", &"x".repeat(100)).commit("one");
    let mirror = repository.mirror();
    fetch(&mirror);

    let snapshot = mirror.snapshot(&commit).unwrap();

    let paths: Vec<_> = snapshot.files().iter().map(|file| file.path.as_str()).collect();
    assert_eq!(paths, ["a.tf", "b/main.tf", "link.tf"]);
    let file = snapshot.file("b/main.tf").unwrap();
    assert_eq!(snapshot.read(file, 10).unwrap(), b"text");
    assert_eq!(mirror.file(&commit, "b/main.tf", 10).unwrap().as_deref(), Some(&b"text"[..]));
    assert_eq!(mirror.file(&commit, "b/none.tf", 10).unwrap(), None);
    assert!(matches!(mirror.file(&commit, "a.tf", 10), Err(Error::TooLarge { .. })));
    let large = snapshot.read(snapshot.file("a.tf").unwrap(), 10).unwrap_err();
    assert_eq!(large.to_string(), "a.tf has 100 bytes, more than the 10 that are read");
    let link = snapshot.file("link.tf").unwrap();
    assert_eq!(
        (link.kind, snapshot.read(link, 100).unwrap()),
        (FileKind::Link, b"/etc/passwd".into())
    );
}

#[test]
fn a_list_of_files_steps_to_any_other_commit() {
    let repository = Repository::new();
    let commits = [
        repository.write("a.tf", "1").write("b/c.tf", "1").write("z", "1").commit("one"),
        repository.write("a.tf", "2").write("b/a.tf", "1").remove("z").commit("two"),
        // A file where a folder was, and a folder where a file was.
        repository.remove("b/c.tf").remove("b/a.tf").write("b", "1").commit("three"),
        repository.remove("a.tf").write("a.tf/deep/x", "1").commit("four"),
    ];
    let mirror = repository.mirror();
    fetch(&mirror);
    let mut last = None;
    for at in [0, 1, 2, 3, 2, 1, 0, 3, 1, 1, 2] {
        let stepped = mirror.snapshot_after(&mut last, &commits[at]).unwrap();
        let listed = mirror.snapshot(&commits[at]).unwrap();
        assert_eq!(stepped.files(), listed.files(), "of {at}");
    }
}

#[test]
fn an_origin_that_is_not_there_is_named_and_the_mirror_stays_usable() {
    let repository = Repository::new();
    let commit = repository.write("a.tf", "1").commit("one");
    let mirror = repository.mirror();
    fetch(&mirror);
    let away = Path::new(&repository.work()).with_extension("away");
    fs::rename(repository.work(), &away).unwrap();

    let error = mirror.fetch(&[], &AtomicBool::new(false)).unwrap_err();

    assert!(matches!(error, Error::Unreachable { .. }), "{error}");
    assert!(mirror.has(&commit).unwrap());
    assert!(matches!(mirror.has("main"), Err(Error::NoCommit { .. })));
}
