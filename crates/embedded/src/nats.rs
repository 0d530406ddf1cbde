//! A nats-server with JetStream.

use std::fs;
use std::io;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::TcpStream;
use tokio::time::{interval, timeout};

use crate::home::Home;
use crate::launch::launch;
use crate::process::{Signal, Spec, Supervised};
use crate::{Error, Say, StoreFolder, ports, say_in_log};

mod find;
#[cfg(test)]
mod tests;

const WHAT: &str = "nats-server";

/// How a nats-server is started.
#[derive(Clone)]
pub struct NatsOptions {
    /// Where its files go: configuration, log, and the JetStream store in a folder of its own.
    pub store: StoreFolder,
    /// The port to listen on; a free one when none is given.
    pub port: Option<u16>,
    /// Whether every write is flushed to disk before it is acknowledged. Without it an acknowledged
    /// write survives SIGKILL, but not a power cut.
    pub sync_always: bool,
    /// The largest message in bytes.
    pub max_payload: u32,
    /// More for its configuration file, such as who may do what.
    pub more: String,
    /// Who is told what is going on.
    pub say: Say,
}

impl Default for NatsOptions {
    fn default() -> NatsOptions {
        NatsOptions {
            store: StoreFolder::Temporary,
            port: None,
            sync_always: false,
            max_payload: 8 << 20,
            more: String::new(),
            say: say_in_log(),
        }
    }
}

/// A nats-server of our own. It ends when this is dropped, and when this process ends in any way.
pub struct Nats {
    // Before the home: a server must be gone before its folder is.
    server: Supervised,
    plan: Plan,
    home: Home,
}

/// All that is needed to start the server again as it was.
struct Plan {
    program: PathBuf,
    options: NatsOptions,
    /// Told in the server's greeting, so that no other server can pass for ours.
    name: String,
    store: PathBuf,
    port: u16,
}

impl Nats {
    /// Finds or fetches a nats-server and starts it. It is ready when this returns.
    pub async fn start(options: NatsOptions) -> Result<Nats, Error> {
        let program = find::server(&options.say).await?;
        let home = Home::open(&options.store, "nats", None, &options.say)?;
        let name = format!("stackly-{:016x}", rand::random::<u64>());
        let given = options.port;
        let store = home.path().join("store");
        let mut plan = Plan { program, options, name, store, port: 0 };
        let mut attempts = 0;
        loop {
            attempts += 1;
            plan.port = given.map_or_else(ports::free_port, Ok)?;
            match plan.launch(&home).await {
                Ok(server) => return Ok(Nats { server, plan, home }),
                // Somebody was faster than we; with a port of our own choice there is another.
                Err(Error::PortTaken { .. }) if given.is_none() && attempts < 20 => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Where clients connect.
    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.plan.port)
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

    /// The folder with everything JetStream keeps.
    pub fn store_folder(&self) -> &Path {
        &self.plan.store
    }

    /// What the server prints.
    pub fn log_file(&self) -> PathBuf {
        self.home.path().join("nats-server.log")
    }

    /// SIGKILL. Its store and its port stay for [`Nats::restart`].
    pub async fn kill(&mut self) {
        self.server.kill().await;
    }

    /// Asks it to end in order, and leaves it down.
    pub async fn shut_down(&mut self) {
        self.server.stop(Signal::SIGTERM, Duration::from_secs(10)).await;
    }

    /// Starts it again on the same port and store, after a SIGKILL if it still runs.
    pub async fn restart(&mut self) -> Result<(), Error> {
        self.kill().await;
        let mut ticks = interval(Duration::from_millis(100));
        for _ in 0..100 {
            ticks.tick().await;
            match self.plan.launch(&self.home).await {
                Ok(server) => {
                    self.server = server;
                    return Ok(());
                }
                // A connection of a moment ago may still hold the port.
                Err(Error::PortTaken { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Err(self.plan.port_taken())
    }

    /// Removes the whole store, whether the server is down or up.
    pub async fn delete_store(&mut self) -> Result<(), Error> {
        let store = &self.plan.store;
        let mut ticks = interval(Duration::from_millis(20));
        let mut attempts = 0;
        loop {
            ticks.tick().await;
            attempts += 1;
            match fs::remove_dir_all(store) {
                Ok(()) => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::NotFound && !store.exists() => {
                    return Ok(());
                }
                // A running server writes while we remove.
                Err(_) if attempts < 100 => {}
                Err(error) => return Err(Error::file("remove", store, error)),
            }
        }
    }

    /// Asks it to end in order, and removes its temporary folder.
    pub async fn stop(mut self) {
        self.shut_down().await;
    }
}

impl Plan {
    async fn launch(&self, home: &Home) -> Result<Supervised, Error> {
        if !ports::is_free(self.port) {
            return Err(self.port_taken());
        }
        let config = home.path().join("nats-server.conf");
        fs::write(&config, self.config()).map_err(|error| Error::file("write", &config, error))?;
        let mut spec = Spec::new(&self.program, home.path().join("nats-server.log"))
            .argument("--config")
            .argument(&config);
        spec.doomed_folder = home.temporary_path();
        let launched = launch(WHAT, &spec, |_| greets(self.port, &self.name)).await;
        launched.map_err(|error| {
            if error.ended_because(&["address already in use"]) { self.port_taken() } else { error }
        })
    }

    fn port_taken(&self) -> Error {
        Error::PortTaken { what: WHAT, port: self.port }
    }

    fn config(&self) -> String {
        let sync = if self.options.sync_always { "    sync_interval: always\n" } else { "" };
        format!(
            "server_name: {}\nlisten: \"127.0.0.1:{}\"\nmax_payload: {}\njetstream {{\n    store_dir: {}\n{sync}}}\n{}",
            self.name,
            self.port,
            self.options.max_payload,
            serde_json::Value::from(self.store.to_string_lossy()),
            self.options.more,
        )
    }
}

/// Whether the server on this port greets by this name. It opens its port when JetStream is ready.
async fn greets(port: u16, name: &str) -> bool {
    let greeting = async {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line).await?;
        io::Result::Ok(line)
    };
    match timeout(Duration::from_secs(2), greeting).await {
        Ok(Ok(line)) => line
            .strip_prefix("INFO ")
            .and_then(|info| serde_json::from_str::<serde_json::Value>(info).ok())
            .is_some_and(|info| info["server_name"] == name && info["jetstream"] == true),
        Ok(Err(_)) | Err(_) => false,
    }
}
