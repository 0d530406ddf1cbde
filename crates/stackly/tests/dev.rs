//! `stackly dev` as a person runs it: what it is worth, and what is left when it is gone.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::{
    fs,
    io::{BufRead, BufReader},
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::mpsc::{Receiver, RecvTimeoutError, channel},
    time::{Duration, Instant},
};

use nix::{
    errno::Errno,
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::Value;

/// For how long a machine with much else to do may take.
const PATIENCE: Duration = Duration::from_secs(120);
/// What is looked at again and again is looked at this often.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// What `stackly dev` says when it can be used.
const RUNS: &str = "Stackly runs.";

fn stackly(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_stackly"));
    command.args(arguments).stdin(Stdio::null());
    for name in [
        "STACKLY_NATS_URL",
        "STACKLY_PREFIX",
        "STACKLY_CREDS",
        "STACKLY_DEV_NATS_URL",
        "DATABASE_URL",
        "INGEST__HTTP__LISTEN",
        "SPACELIFT_API_KEY_ENDPOINT",
        "SPACELIFT_API_KEY_ID",
        "SPACELIFT_API_KEY_SECRET",
    ] {
        command.env_remove(name);
    }
    command
}

fn dev(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = stackly(&["dev", "--folder"]);
    command.arg(folder).args(arguments);
    command
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A running `stackly dev`, and what it says. It does not outlive the test.
struct Running {
    child: Child,
    lines: Receiver<String>,
    folder: PathBuf,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

impl Running {
    fn start(folder: &Path, arguments: &[&str]) -> Self {
        Self::spawn(dev(folder, arguments), folder)
    }

    fn spawn(mut command: Command, folder: &Path) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        let (tell, lines) = channel();
        std::thread::spawn(move || {
            out.lines().map_while(Result::ok).all(|line| tell.send(line).is_ok())
        });
        Self { child, lines, folder: folder.to_owned() }
    }

    /// Waits until it says something, and gives all it said before.
    fn until_it_says(&self, wanted: &str) -> Vec<String> {
        let mut said = Vec::new();
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) => {
                    let is_it = line.contains(wanted);
                    said.push(line);
                    if is_it {
                        return said;
                    }
                }
                Err(RecvTimeoutError::Timeout) => panic!("it never said {wanted:?}: {said:#?}"),
                Err(RecvTimeoutError::Disconnected) => panic!("it ended: {said:#?}"),
            }
        }
    }

    fn pid(&self) -> u32 {
        self.child.id()
    }

    fn signal(&self, signal: Signal) {
        send(self.pid(), signal);
    }

    /// Its exit status; none if a signal ended it.
    fn ended(&mut self) -> Option<i32> {
        eventually("it to end", || self.child.try_wait().unwrap().map(|status| status.code()))
    }

    fn state(&self) -> Value {
        let file = fs::read(self.folder.join("dev.json")).unwrap();
        serde_json::from_slice(&file).unwrap()
    }

    /// Every process it told of.
    fn processes(&self) -> Vec<u32> {
        let state = self.state();
        let processes = state["processes"].as_object().unwrap();
        processes.values().map(|pid| u32::try_from(pid.as_u64().unwrap()).unwrap()).collect()
    }
}

fn send(pid: u32, signal: Signal) {
    kill(Pid::from_raw(i32::try_from(pid).unwrap()), signal).unwrap();
}

fn is_gone(pid: u32) -> bool {
    let gone = kill(Pid::from_raw(i32::try_from(pid).unwrap()), None) == Err(Errno::ESRCH);
    // Nobody may have asked for the exit status of an orphan yet.
    gone || fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| stat.rsplit(')').next().is_some_and(|rest| rest.starts_with(" Z")))
}

fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        std::thread::park_timeout(LOOK_EVERY);
    }
}

fn all_gone(processes: &[u32]) {
    assert!(!processes.is_empty());
    eventually("every process to be gone", || {
        processes.iter().all(|pid| is_gone(*pid)).then_some(())
    });
}

/// A folder as an earlier `stackly dev` left it, with policies that a person wrote.
fn with_policies(policies: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("dev.lock"), "").unwrap();
    fs::create_dir(folder.path().join("policies")).unwrap();
    fs::write(folder.path().join("policies/mine.hcl"), policies).unwrap();
    folder
}

fn interrupted(mut running: Running) {
    let processes = running.processes();
    running.signal(Signal::SIGINT);
    assert_eq!(running.ended(), Some(0));
    all_gone(&processes);
}

fn finished(command: &mut Command) -> Output {
    command.output().expect("the program was built")
}

#[test]
fn once_it_shows_a_chain_that_ends_well_and_keeps_what_was_logged() {
    let base = tempfile::tempdir().unwrap();
    let folder = base.path().join("new");
    let output = finished(&mut dev(&folder, &["--once"]));
    let (said, complained) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "{said}\n{complained}");
    assert!(said.contains("Every step ended as it should."), "{said}");
    assert!(complained.is_empty(), "{complained}");
    let log = fs::read_to_string(folder.join("logs/dev.log")).unwrap();
    for service in ["ingest", "planner", "policy", "executor", "notifier"] {
        assert!(log.contains(&format!("started service=\"{service}\"")), "{log}");
    }
    assert!(!log.contains("no named webhook"), "it was made before anybody looked for it: {log}");
}

#[test]
fn once_it_ends_badly_if_the_policies_of_the_folder_deny_its_chain() {
    let deny =
        "policy \"nobody\" {\n  environment = \"prod\"\n  deny { reason = \"not today\" }\n}\n";
    let folder = with_policies(deny);
    let output = finished(&mut dev(folder.path(), &["--once"]));
    let said = text(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("not today") && said.contains("The chain ended as"), "{said}");
    assert!(folder.path().join("policies/mine.hcl").exists(), "what a person wrote stays");
}

#[test]
fn a_folder_is_one_at_a_time_and_killing_its_holder_leaves_no_process_behind() {
    let folder = tempfile::tempdir().unwrap();
    let mut running = Running::start(folder.path(), &["--separate"]);
    running.until_it_says(RUNS);
    let second = finished(&mut dev(folder.path(), &[]));
    let complained = text(&second.stderr);
    assert_eq!(second.status.code(), Some(1));
    assert!(complained.contains(&format!("process {}", running.pid())), "{complained}");

    let processes = running.processes();
    assert_eq!(processes.len(), 7, "{processes:?}");
    running.signal(Signal::SIGKILL);
    assert_eq!(running.ended(), None);
    all_gone(&processes);
}

#[test]
fn it_ends_with_whoever_started_it_and_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let started = dev(folder.path(), &["--separate"]);
    let mut shell = Command::new("sh");
    shell.args(["-c", "\"$@\" & wait", "sh"]).arg(started.get_program());
    shell.args(started.get_args());
    for (name, _) in started.get_envs() {
        shell.env_remove(name);
    }
    let mut running = Running::spawn(shell, folder.path());
    running.until_it_says(RUNS);
    let mut processes = running.processes();
    processes.push(running.state()["pid"].as_u64().unwrap().try_into().unwrap());
    running.signal(Signal::SIGKILL);
    assert_eq!(running.ended(), None);
    running.until_it_says("Whoever started this has ended");
    all_gone(&processes);
}

#[test]
fn a_second_signal_ends_it_at_once_although_a_service_does_not_end() {
    let folder = tempfile::tempdir().unwrap();
    let mut running = Running::start(folder.path(), &["--separate"]);
    running.until_it_says(RUNS);
    let frozen = running.state()["processes"]["notifier"].as_u64().unwrap();
    send(u32::try_from(frozen).unwrap(), Signal::SIGSTOP);
    let processes = running.processes();
    running.signal(Signal::SIGINT);
    running.until_it_says("Stopping.");
    running.signal(Signal::SIGINT);
    assert_eq!(running.ended(), Some(130));
    all_gone(&processes);
}

#[test]
fn two_share_the_servers_they_are_given_and_leave_nothing_on_them() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (postgres, nats) = runtime
        .block_on(async { (embedded::shared_postgres().await, embedded::shared_nats().await) });
    let (database_url, nats_url) = (postgres.url("postgres"), nats.url());
    let arguments = ["--database-url", &database_url, "--nats-url", &nats_url];
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let both = folders.each_ref().map(|folder| Running::start(folder.path(), &arguments));
    both.iter().for_each(|running| drop(running.until_it_says(RUNS)));
    let names = both.each_ref().map(|running| {
        let state = running.state();
        let url = state["database_url"].as_str().unwrap();
        let database = url.rsplit('/').next().unwrap().to_owned();
        (database, state["prefix"].as_str().unwrap().to_owned())
    });
    assert!(names[0].0 != names[1].0 && names[0].1 != names[1].1, "{names:?}");
    both.into_iter().for_each(interrupted);
    for (database, prefix) in &names {
        runtime.block_on(async {
            postgres.create_database(database).await.expect("it is there no more");
            let bus =
                bus::Bus::connect(&bus::Options::at(&nats_url, prefix), "test").await.unwrap();
            assert!(bus.streams().await.unwrap().iter().all(|stream| !stream.exists));
        });
    }
}

#[test]
fn what_is_known_of_a_real_account_and_the_secrets_it_was_told_outlive_it() {
    // Somebody else's account, as far as the program can tell.
    let arguments = ["simulate", "--listen", "127.0.0.1:0", "--json"];
    let mut account = stackly(&arguments).stdout(Stdio::piped()).spawn().unwrap();
    let told: Value = serde_json::Deserializer::from_reader(account.stdout.take().unwrap())
        .into_iter()
        .next()
        .unwrap()
        .unwrap();
    let _account = Running { child: account, lines: channel().1, folder: PathBuf::new() };
    let given = |name: &str| told[name].as_str().unwrap().to_owned();
    let (url, id, secret) = (given("endpoint"), given("api_key_id"), given("api_key_secret"));
    let arguments = ["--spacelift-url", &url, "--api-key-id", &id, "--api-key-secret", &secret];
    let base = tempfile::tempdir().unwrap();
    // Whoever Postgres runs as enters it.
    fs::set_permissions(base.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let folder = base.path().join("new");
    let seen = [(); 2].map(|()| {
        let running = Running::start(&folder, &arguments);
        let said = running.until_it_says("To look:").join("\n");
        assert!(said.contains("/webhooks/spacelift") && said.contains("--public-url"), "{said}");
        let state = running.state();
        // Nobody finds a folder of another name by looking upwards.
        let nats = state["nats_url"].as_str().unwrap();
        assert!(said.contains(&format!("-- chains --nats {nats}`")), "{said}");
        interrupted(running);
        let kept = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
        let kept = kept.filter(|path| path.join("postgres").is_dir()).collect::<Vec<_>>();
        let made = fs::metadata(kept[0].join("postgres/data/PG_VERSION")).unwrap();
        (state["github_secret"].clone(), state["spacelift_secret"].clone(), kept, made.ino())
    });
    assert_eq!(seen[0], seen[1]);
    assert_eq!(seen[0].2.len(), 1);
}

#[test]
fn a_signal_during_the_start_ends_it_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let mut running = Running::start(folder.path(), &[]);
    let pid = running.pid().to_string();
    eventually("it to have begun", || {
        let holder = fs::read_to_string(folder.path().join("dev.lock")).ok();
        holder.filter(|holder| *holder == pid)
    });
    running.signal(Signal::SIGTERM);
    assert_eq!(running.ended(), Some(0));
    assert!(!folder.path().join("dev.json").exists(), "it had not come that far");
}

#[test]
fn it_takes_every_push_tells_where_everything_is_and_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let address = format!("127.0.0.1:{}", embedded::free_port().unwrap());
    let arguments = ["--listen", &address, "--public-url", "https://hooks.acme.example/"];
    let running = Running::start(folder.path(), &arguments);
    running.until_it_says(RUNS);
    let state = running.state();
    assert_eq!(state["local_url"], format!("http://{address}"));
    assert_eq!(state["github_webhook_url"], "https://hooks.acme.example/webhooks/github");
    for service in ["ingest", "planner", "policy", "executor", "notifier"] {
        let url = state["health_urls"][service].as_str().unwrap();
        let ready = reqwest::blocking::get(format!("{url}/ready")).unwrap();
        assert_eq!(ready.status(), 200, "{service}");
        let metrics = reqwest::blocking::get(format!("{url}/metrics")).unwrap();
        assert!(!metrics.text().unwrap().is_empty(), "{service}");
    }

    // Forward, back, and forward again: three pushes, each of them news.
    let origin = folder.path().join("origin.git");
    let head = || {
        let of = ["-C", origin.to_str().unwrap(), "rev-list", "main"];
        text(&Command::new("git").args(of).output().unwrap().stdout)
    };
    let commits = eventually("the sample push", || {
        let commits: Vec<_> = head().lines().map(str::to_owned).collect();
        (commits.len() == 2).then_some(commits)
    });
    // Whoever asks how it is finds all of it in order.
    eventually("a doctor who finds nothing", || {
        let [nats, prefix] = ["nats_url", "prefix"].map(|key| state[key].as_str().unwrap());
        let doctor = finished(&mut stackly(&["doctor", "--nats", nats, "--prefix", prefix]));
        doctor.status.success().then_some(())
    });
    let (new, old) = (commits[0].as_str(), commits[1].as_str());
    for (before, after) in [(new, old), (old, new), (new, old), (old, new)] {
        let mut deliver = stackly(&["deliver", "--folder"]);
        deliver.arg(folder.path()).arg("--repository").arg(&origin);
        let output = finished(deliver.args([before, after, "refs/heads/main"]));
        let said = text(&output.stdout);
        assert!(output.status.success(), "{said}{}", text(&output.stderr));
        assert!(said.contains("202") && !said.contains("duplicate"), "{said}");
    }

    interrupted(running);
}
