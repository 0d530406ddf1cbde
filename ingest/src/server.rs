//! Connections: HTTP/1.1, bounded in number and in patience.
//!
//! `axum::serve` knows no time-out for request heads, so a sender of one byte a minute would hold a
//! connection for ever; and it accepts without bound.

use std::{
    collections::HashMap,
    convert::{Infallible, identity},
    io,
    net::IpAddr,
    sync::{Arc, Mutex},
    task::{Context, Poll},
    time::Duration,
};

use axum::{Router, response::Response};
use futures::{FutureExt, future::Map};
use hyper::{
    Request,
    body::Incoming,
    header::{CONNECTION, HeaderValue, TRANSFER_ENCODING},
    server::conn::http1,
};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    time::interval,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::Service;
use tracing::{debug, warn};

use crate::peer::{Peer, Proxies};

/// The longest head of a request, and so the memory an idle connection may take.
const HEAD_BYTES_MAX: usize = 32 * 1024;
/// The most header lines in a head.
const HEADERS_MAX: usize = 64;
/// How long to wait when no connection can be accepted: file handles may come back.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How many connections, and for how long a head may come (or a next request stay away).
#[derive(Debug, Clone)]
pub(crate) struct Connections {
    pub(crate) max: usize,
    /// 0 for no limit per address.
    pub(crate) per_address_max: usize,
    /// Those that are not counted: everybody comes through them.
    pub(crate) proxies: Proxies,
    pub(crate) head_patience: Duration,
}

/// How many connections each address holds.
#[derive(Debug, Clone, Default)]
struct Held(Arc<Mutex<HashMap<IpAddr, usize>>>);

/// One connection of an address; given back on drop.
#[derive(Debug)]
struct Hold {
    held: Held,
    address: IpAddr,
}

impl Held {
    /// One more, unless the address holds its share.
    fn take(&self, address: IpAddr, max: usize) -> Option<Hold> {
        let mut held = self.0.lock().expect("no holder panics");
        let count = held.entry(address).or_default();
        if *count >= max {
            return None;
        }
        *count += 1;
        Some(Hold { held: self.clone(), address })
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        let mut held = self.held.0.lock().expect("no holder panics");
        if let Some(count) = held.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                held.remove(&self.address);
            }
        }
    }
}

/// What answers a request.
type Answer = Result<Response, Infallible>;

/// The last answer of its connection.
fn last(answer: Answer) -> Answer {
    answer.map(|mut response| {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        response
    })
}

/// The router of one connection: it tells each request whose it is. A body in chunks ends the
/// connection, because it may have come with a length beside them: who stands before this and goes
/// by that length has sent on what follows them as the rest of it.
#[derive(Clone)]
pub(crate) struct Known {
    pub(crate) router: Router,
    pub(crate) peer: Peer,
}

impl Service<Request<Incoming>> for Known {
    type Response = Response;
    type Error = Infallible;
    type Future = Map<<Router as Service<Request<Incoming>>>::Future, fn(Answer) -> Answer>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        <Router as Service<Request<Incoming>>>::poll_ready(&mut self.router, context)
    }

    fn call(&mut self, mut request: Request<Incoming>) -> Self::Future {
        request.extensions_mut().insert(self.peer);
        let is_last = request.headers().contains_key(TRANSFER_ENCODING);
        let answer: fn(Answer) -> Answer = if is_last { last } else { identity };
        self.router.call(request).map(answer)
    }
}

/// Serves until `shutdown`, then until every request in flight is answered.
pub(crate) async fn serve(
    listener: TcpListener,
    router: Router,
    connections: Connections,
    shutdown: CancellationToken,
) {
    let places = Arc::new(Semaphore::new(connections.max.clamp(1, Semaphore::MAX_PERMITS)));
    let open = TaskTracker::new();
    let held = Held::default();
    let mut pauses = interval(ACCEPT_PAUSE);
    loop {
        let accepted = tokio::select! {
            biased;
            () = shutdown.cancelled() => break,
            accepted = accept(&listener, &places) => accepted,
        };
        match accepted {
            Ok((stream, address, place)) => {
                let unlimited =
                    connections.per_address_max == 0 || connections.proxies.trust(address);
                let share = if unlimited { usize::MAX } else { connections.per_address_max };
                let Some(hold) = held.take(address, share) else {
                    debug!(%address, "closed a connection of an address that holds its share");
                    continue;
                };
                let known = Known { router: router.clone(), peer: Peer(address) };
                let patience = connections.head_patience;
                let served = connection(stream, known, patience, shutdown.clone());
                open.spawn(async move {
                    served.await;
                    drop((place, hold));
                });
            }
            Err(error) => {
                warn!(%error, "cannot accept a connection");
                pauses.reset();
                pauses.tick().await;
            }
        }
    }
    drop(listener);
    open.close();
    open.wait().await;
}

/// A place first: what waits in the kernel's queue costs us nothing.
async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> io::Result<(TcpStream, IpAddr, tokio::sync::OwnedSemaphorePermit)> {
    let place = places.clone().acquire_owned().await.map_err(io::Error::other)?;
    let (stream, peer) = listener.accept().await?;
    stream.set_nodelay(true)?;
    Ok((stream, peer.ip().to_canonical(), place))
}

/// Serves one connection to its end.
pub(crate) async fn connection(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    known: Known,
    head_patience: Duration,
    shutdown: CancellationToken,
) {
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(head_patience)
        .max_header_size(HEAD_BYTES_MAX)
        .max_headers(HEADERS_MAX)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(known));
    tokio::pin!(served);
    let ended = tokio::select! {
        ended = served.as_mut() => ended,
        () = shutdown.cancelled() => {
            served.as_mut().graceful_shutdown();
            served.await
        }
    };
    if let Err(error) = ended {
        debug!(%error, "a connection broke off");
    }
}

#[cfg(test)]
mod tests;
