//! The whole way in, for whoever sends raw bytes.

use std::{net::Ipv4Addr, sync::Arc, time::Duration};

use anyhow::Context;
use axum::Router;
use serde::{Deserialize, Deserializer};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    runtime::{Builder, Runtime},
};
use tokio_util::sync::CancellationToken;

use crate::{
    config::{Http, Rate, Senders},
    http::{self, Entry},
    intake::{self, Queued},
    peer::Peer,
    server::{self, Known},
};

/// The longest answer to a request, and how many of them one connection may ask for.
const ROOM: usize = 256 * 1024;
/// Nobody waits that long: what was sent is there at once, and then the sender hangs up.
const PATIENCE: Duration = Duration::from_secs(10);

/// A door with nobody behind it: nothing that is sent through it can be rightly signed.
pub struct Door {
    runtime: Runtime,
    router: Router,
    /// Held, so that what would get through would be seen.
    _queue: Queued,
}

#[derive(Deserialize)]
struct Settings {
    http: Http,
    rate: Rate,
    #[serde(flatten)]
    senders: Senders,
}

impl Door {
    /// A door for these settings, which have the keys of the configuration.
    pub fn open<'de, D>(settings: D) -> anyhow::Result<Self>
    where
        D: Deserializer<'de>,
        D::Error: Send + Sync + 'static,
    {
        let Settings { http, rate, senders } = Settings::deserialize(settings)?;
        let runtime = Builder::new_current_thread().enable_all().build().context("a runtime")?;
        let (intake, queue) = intake::queue(http.queue_max, http.queue_wait_max);
        let router = http::router(Arc::new(Entry::new(&http, &rate, &senders, intake)?));
        Ok(Self { runtime, router, _queue: queue })
    }

    /// One connection that sends these bytes and hears what comes.
    pub fn request(&self, data: &[u8]) {
        let answer = self.runtime.block_on(self.exchange(data));
        let text = String::from_utf8_lossy(&answer);
        let mut answers = text.split("HTTP/1.").skip(1);
        let accepted = answers.any(|answer| answer.get(1..3) == Some(" 2"));
        assert!(!accepted, "something unsigned got in: {text}");
    }

    async fn exchange(&self, data: &[u8]) -> Vec<u8> {
        let (theirs, ours) = tokio::io::duplex(ROOM.max(data.len()));
        let peer = Peer(Ipv4Addr::LOCALHOST.into());
        let known = Known { router: self.router.clone(), peer };
        let served = server::connection(ours, known, PATIENCE, CancellationToken::new());
        let (mut hears, mut says) = tokio::io::split(theirs);
        let said = async move {
            // The server may hang up before it has everything.
            let _ = says.write_all(data).await;
            let _ = says.shutdown().await;
        };
        let heard = async move {
            let mut answer = Vec::new();
            let _ = hears.read_to_end(&mut answer).await;
            answer
        };
        let ((), (), answer) = tokio::join!(served, said, heard);
        answer
    }
}
