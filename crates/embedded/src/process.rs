//! Child processes that do not outlive this process.
//!
//! Every child is started through a few lines of `sh`: they leave a watchdog behind that reads from a
//! pipe whose other end only we hold, and then become the program. However we end, SIGKILL included,
//! the kernel closes the pipe, and the watchdog ends the program and removes its temporary folder.
//! A death signal (`prctl`) would need unsafe code and is known to Linux only; a supervisor between us
//! and the program would hide its process id and its exit status.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

pub use nix::sys::signal::Signal;
use nix::unistd::Pid;
use tokio::sync::watch;

use crate::{Error, RunAs};

#[cfg(test)]
mod tests;

/// `$$` stays the process id of the first shell in all its subshells, and `exec` keeps it for the
/// program. The watchdog is forked twice so that it is no child of the program: Postgres, for one,
/// takes the death of a child that it does not know for a crash.
const WATCHED: &str = r#"
doomed_folder=$1
last_signal=$2
shift 2
exec 3<&0 </dev/null
(
    (
        read -r order <&3
        [ "$order" = done ] && exit 0
        kill -"$last_signal" $$
        for attempt in 1 2 3 4 5 6 7 8 9 10; do
            [ "$last_signal" != KILL ] && kill -0 $$ || break
            sleep 1
        done
        kill -KILL $$
        [ -n "$doomed_folder" ] || exit 0
        for attempt in 1 2 3 4 5 6 7 8 9 10; do
            rm -rf -- "$doomed_folder" && exit 0
            sleep 1
        done
    ) >/dev/null 2>&1 &
)
exec 3<&-
exec "$@"
"#;

/// How long a dropped child has for its last signal. Postgres kills what does not end after five
/// seconds.
const LAST_PATIENCE: Duration = Duration::from_secs(10);

/// What to start, and how.
#[derive(Clone, Debug)]
pub struct Spec {
    /// The program: a path, or a name to be found on `PATH`.
    pub program: PathBuf,
    pub arguments: Vec<OsString>,
    /// Variables set for the child.
    pub environment: Vec<(OsString, OsString)>,
    /// Whether the child starts without our variables.
    pub clear_environment: bool,
    /// Whom it runs as, when that is not ourselves. Takes root.
    pub user: Option<RunAs>,
    /// The folder it starts in, when that is not ours.
    pub folder: Option<PathBuf>,
    /// The file that what it prints is appended to.
    pub log: PathBuf,
    /// A folder to be removed when *we* die. While we live, it is ours to remove.
    pub doomed_folder: Option<PathBuf>,
    /// What ends it at once when it is dropped or we die: SIGKILL, or for a program with children of
    /// its own a signal on which it takes them along. SIGKILL follows if it does not.
    pub last_signal: Signal,
}

impl Spec {
    /// A program without arguments that prints to `log`.
    pub fn new(program: impl Into<PathBuf>, log: impl Into<PathBuf>) -> Spec {
        Spec {
            program: program.into(),
            arguments: Vec::new(),
            environment: Vec::new(),
            clear_environment: false,
            user: None,
            folder: None,
            log: log.into(),
            doomed_folder: None,
            last_signal: Signal::SIGKILL,
        }
    }

    /// Adds an argument.
    #[must_use]
    pub fn argument(mut self, argument: impl Into<OsString>) -> Spec {
        self.arguments.push(argument.into());
        self
    }

    /// Adds a variable.
    #[must_use]
    pub fn variable(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Spec {
        self.environment.push((name.into(), value.into()));
        self
    }

    fn command(&self) -> Result<Command, Error> {
        let log = open_log(&self.log)?;
        let second = log.try_clone().map_err(|error| Error::file("open", &self.log, error))?;
        let mut command = Command::new("/bin/sh");
        command
            .args(["-c", WATCHED, "stackly-watchdog"])
            .arg(self.doomed_folder.as_deref().unwrap_or_else(|| Path::new("")))
            .arg(self.last_signal.as_str().trim_start_matches("SIG"))
            .arg(&self.program)
            .args(&self.arguments)
            // A group of its own: Ctrl-C in a terminal is for us, and we stop our children in order.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(log)
            .stderr(second);
        if self.clear_environment {
            command.env_clear();
        }
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        if let Some(folder) = &self.folder {
            command.current_dir(folder);
        }
        if let Some(user) = &self.user {
            // The standard library drops root's supplementary groups when it changes the user.
            command.uid(user.uid).gid(user.gid);
        }
        Ok(command)
    }
}

fn open_log(path: &Path) -> Result<File, Error> {
    OpenOptions::new()
        .create(true)
        .append(true)
        .open(path)
        .map_err(|error| Error::file("open", path, error))
}

/// A running child. It is ended when this is dropped, and when this process ends in any way.
///
/// It needs no runtime: a thread waits for the child, so it can outlive the runtime it was started in,
/// as the servers shared by the tests of one process must.
#[derive(Debug)]
pub struct Supervised {
    pid: u32,
    exit: watch::Receiver<Option<ExitStatus>>,
    reaper: Option<JoinHandle<()>>,
    last_signal: Signal,
}

impl Supervised {
    /// Starts the child. That the program cannot be run shows as an exit with 126 or 127.
    pub fn spawn(spec: &Spec) -> Result<Supervised, Error> {
        let mut child =
            spec.command()?.spawn().map_err(|error| Error::run(&spec.program, error))?;
        let leash = child.stdin.take();
        let pid = child.id();
        let (report, exit) = watch::channel(None);
        let reaper = std::thread::Builder::new()
            .name(format!("reaper-{pid}"))
            .spawn(move || reap(child, leash, &report))
            .map_err(|error| Error::run(&spec.program, error))?;
        Ok(Supervised { pid, exit, reaper: Some(reaper), last_signal: spec.last_signal })
    }

    /// The process id of the program itself; after its end, that which it had.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// How it ended, if it has.
    pub fn has_exited(&self) -> Option<ExitStatus> {
        *self.exit.borrow()
    }

    /// Waits for its end.
    pub async fn exited(&self) -> ExitStatus {
        let mut exit = self.exit.clone();
        let status = exit.wait_for(Option::is_some).await.ok().and_then(|status| *status);
        // The reaper reports before it ends; without a report there is no child left to wait for.
        status.unwrap_or_else(unknown_end)
    }

    /// Sends a signal, unless it has ended.
    pub fn signal(&self, signal: Signal) {
        if self.has_exited().is_none() {
            send(self.pid, signal);
        }
    }

    /// SIGKILL, and waits for the end.
    pub async fn kill(&self) -> ExitStatus {
        self.signal(Signal::SIGKILL);
        self.exited().await
    }

    /// SIGKILL to it and to its children, where the kernel names them, and waits for its end.
    pub async fn kill_with_children(&self) -> ExitStatus {
        // Stopped, it neither makes children nor gives the process ids of dead ones away.
        self.signal(Signal::SIGSTOP);
        let children = match self.has_exited() {
            None => children(self.pid),
            Some(_) => Vec::new(),
        };
        children.into_iter().for_each(|child| send(child, Signal::SIGKILL));
        self.kill().await
    }

    /// Asks it to end by `signal`, and kills it when its patience is over.
    pub async fn stop(&self, signal: Signal, patience: Duration) -> ExitStatus {
        self.signal(signal);
        match tokio::time::timeout(patience, self.exited()).await {
            Ok(status) => status,
            Err(_) => {
                tracing::warn!(pid = self.pid, %signal, "still running after the signal; killing it");
                self.kill().await
            }
        }
    }
}

impl Drop for Supervised {
    fn drop(&mut self) {
        self.signal(self.last_signal);
        let deadline = Instant::now() + LAST_PATIENCE;
        while self.last_signal != Signal::SIGKILL
            && self.has_exited().is_none()
            && Instant::now() < deadline
        {
            std::thread::park_timeout(Duration::from_millis(2));
        }
        self.signal(Signal::SIGKILL);
        // Waiting keeps the promise that nothing writes to its folders any more when this returns.
        if let Some(reaper) = self.reaper.take() {
            drop(reaper.join());
        }
    }
}

fn send(pid: u32, signal: Signal) {
    let raw = i32::try_from(pid).expect("the kernel gives no larger process ids");
    if let Err(error) = nix::sys::signal::kill(Pid::from_raw(raw), signal) {
        tracing::debug!(pid, %signal, %error, "the signal did not arrive");
    }
}

/// The children of a process with one thread; none where the kernel does not tell.
fn children(pid: u32) -> Vec<u32> {
    let told = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
    told.unwrap_or_default().split_whitespace().filter_map(|child| child.parse().ok()).collect()
}

/// Waits for the child, calls its watchdog off, and reports. Called off at once, because the process
/// id may be given to another process from here on.
fn reap(mut child: Child, leash: Option<ChildStdin>, report: &watch::Sender<Option<ExitStatus>>) {
    let status = child.wait();
    if let Some(mut leash) = leash {
        // It fails only if somebody killed the watchdog.
        drop(leash.write_all(b"done\n"));
    }
    report.send_replace(Some(status.unwrap_or_else(|_| unknown_end())));
}

/// Somebody else took the exit status of our child: it must not pass for a success.
fn unknown_end() -> ExitStatus {
    ExitStatus::from_raw(255 << 8)
}
