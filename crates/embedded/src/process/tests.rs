use std::fs;

use tempfile::TempDir;

use super::*;

fn shell(script: &str, folder: &TempDir) -> Spec {
    Spec::new("sh", folder.path().join("log")).argument("-c").argument(script)
}

fn log(folder: &TempDir) -> String {
    fs::read_to_string(folder.path().join("log")).unwrap()
}

/// Waits until the child has printed something, so that its traps are set.
async fn printed(folder: &TempDir) {
    let mut ticks = tokio::time::interval(Duration::from_millis(5));
    let wait = async {
        while log(folder).is_empty() {
            ticks.tick().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), wait).await.unwrap();
}

#[tokio::test]
async fn a_child_is_the_program_itself_with_its_arguments_variables_and_exit_status() {
    let folder = TempDir::new().unwrap();
    let mut spec = shell("echo $$ \"$1|$COLOUR|$PWD\"; echo oops >&2; exit 7", &folder)
        .argument("zero")
        .argument("two words")
        .variable("COLOUR", "a = b");
    spec.folder = Some(PathBuf::from("/"));
    let child = Supervised::spawn(&spec).unwrap();
    assert_eq!(child.exited().await.code(), Some(7));
    assert_eq!(child.has_exited().unwrap().code(), Some(7));
    assert_eq!(log(&folder), format!("{} two words|a = b|/\noops\n", child.pid()));
}

#[tokio::test]
async fn a_program_that_is_not_there_shows_as_status_127() {
    let folder = TempDir::new().unwrap();
    let spec = Spec::new("/no/such/program", folder.path().join("log"));
    let child = Supervised::spawn(&spec).unwrap();
    assert_eq!(child.exited().await.code(), Some(127));
    assert!(log(&folder).contains("/no/such/program"));
}

#[tokio::test]
async fn killing_reports_the_signal() {
    let folder = TempDir::new().unwrap();
    let child = Supervised::spawn(&shell("while :; do sleep 1; done", &folder)).unwrap();
    assert_eq!(child.has_exited(), None);
    assert_eq!(child.kill().await.signal(), Some(9));
    // A second time there is nobody to kill; the process id may be another's by now.
    assert_eq!(child.kill().await.signal(), Some(9));
}

#[tokio::test]
async fn stopping_leaves_time_to_end_in_order() {
    let folder = TempDir::new().unwrap();
    let script = "trap 'echo bye; exit 3' TERM; echo up; while :; do sleep 0.02; done";
    let child = Supervised::spawn(&shell(script, &folder)).unwrap();
    printed(&folder).await;
    let status = child.stop(Signal::SIGTERM, Duration::from_secs(20)).await;
    assert_eq!(status.code(), Some(3));
    assert_eq!(log(&folder), "up\nbye\n");
}

#[tokio::test]
async fn stopping_kills_when_its_patience_is_over() {
    let folder = TempDir::new().unwrap();
    let script = "trap '' TERM; echo up; while :; do sleep 0.02; done";
    let child = Supervised::spawn(&shell(script, &folder)).unwrap();
    printed(&folder).await;
    let status = child.stop(Signal::SIGTERM, Duration::from_millis(100)).await;
    assert_eq!(status.signal(), Some(9));
}

#[tokio::test]
async fn an_interrupt_reaches_a_child_that_wants_it() {
    let folder = TempDir::new().unwrap();
    let script = "trap 'exit 4' INT; echo up; while :; do sleep 0.02; done";
    let child = Supervised::spawn(&shell(script, &folder)).unwrap();
    printed(&folder).await;
    let status = child.stop(Signal::SIGINT, Duration::from_secs(20)).await;
    assert_eq!(status.code(), Some(4));
}

#[test]
fn dropping_kills_and_needs_no_runtime() {
    let folder = TempDir::new().unwrap();
    let child = Supervised::spawn(&shell("while :; do sleep 1; done", &folder)).unwrap();
    let exit = child.exit.clone();
    drop(child);
    assert_eq!(exit.borrow().unwrap().signal(), Some(9));
}

/// Prints the process id of a child that would stay, and takes it along only on SIGQUIT.
#[cfg(target_os = "linux")]
const PARENT: &str =
    "sleep 600 & echo $!; trap 'kill -KILL $!; exit 5' QUIT; while :; do wait; done";

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_last_signal_leaves_time_to_take_the_children_along() {
    let folder = TempDir::new().unwrap();
    let mut spec = shell(PARENT, &folder);
    spec.last_signal = Signal::SIGQUIT;
    let child = Supervised::spawn(&spec).unwrap();
    printed(&folder).await;
    let (exit, grandchild) = (child.exit.clone(), log(&folder));
    drop(child);
    assert_eq!(exit.borrow().unwrap().code(), Some(5));
    gone(grandchild.trim()).await;
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn killing_with_children_leaves_none() {
    let folder = TempDir::new().unwrap();
    let child = Supervised::spawn(&shell(PARENT, &folder)).unwrap();
    printed(&folder).await;
    assert_eq!(child.kill_with_children().await.signal(), Some(9));
    gone(log(&folder).trim()).await;
}

/// Waits until a process has ended: one that nobody waits for stays as a zombie.
#[cfg(target_os = "linux")]
async fn gone(pid: &str) {
    let status = Path::new("/proc").join(pid).join("status");
    let lives = || fs::read_to_string(&status).is_ok_and(|status| !status.contains("State:\tZ"));
    let mut ticks = tokio::time::interval(Duration::from_millis(5));
    let ended = async {
        while lives() {
            ticks.tick().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), ended).await.unwrap();
}

/// A watchdog that stayed would one day kill whoever has the process id then.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_watchdog_goes_when_its_child_has_gone_and_leaves_the_folder() {
    let folder = TempDir::new().unwrap();
    let doomed = folder.path().join("doomed");
    fs::create_dir(&doomed).unwrap();
    let mut spec = shell("echo up; while :; do sleep 0.02; done", &folder);
    spec.doomed_folder = Some(doomed.clone());
    let child = Supervised::spawn(&spec).unwrap();
    printed(&folder).await;
    // The watchdog is the process that still has the folder among its arguments.
    assert_eq!(processes_naming(&doomed), 1);
    child.kill().await;
    let mut ticks = tokio::time::interval(Duration::from_millis(5));
    let gone = async {
        while processes_naming(&doomed) > 0 {
            ticks.tick().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), gone).await.unwrap();
    assert!(doomed.exists());
}

#[cfg(target_os = "linux")]
fn processes_naming(path: &Path) -> usize {
    let name = path.to_str().unwrap().as_bytes();
    let lines = fs::read_dir("/proc")
        .unwrap()
        .flatten()
        .filter_map(|entry| fs::read(entry.path().join("cmdline")).ok());
    lines.filter(|line| line.split(|byte| *byte == 0).any(|argument| argument == name)).count()
}
