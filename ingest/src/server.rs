//! Connections: HTTP/1.1, bounded in number and in patience.
//!
//! `axum::serve` knows no time-out for request heads, so a sender of one byte a minute would hold a
//! connection for ever; and it accepts without bound.

use std::{io, sync::Arc, time::Duration};

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    time::interval,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{debug, warn};

/// The longest head of a request, and so the memory an idle connection may take.
const HEAD_BYTES_MAX: usize = 32 * 1024;
/// The most header lines in a head.
const HEADERS_MAX: usize = 64;
/// How long to wait when no connection can be accepted: file handles may come back.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How many connections, and for how long a head may come (or a next request stay away).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Connections {
    pub(crate) max: usize,
    pub(crate) head_patience: Duration,
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
    let mut pauses = interval(ACCEPT_PAUSE);
    loop {
        let accepted = tokio::select! {
            biased;
            () = shutdown.cancelled() => break,
            accepted = accept(&listener, &places) => accepted,
        };
        match accepted {
            Ok((stream, place)) => {
                let served = connection(stream, router.clone(), connections, shutdown.clone());
                open.spawn(async move {
                    served.await;
                    drop(place);
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
) -> io::Result<(TcpStream, tokio::sync::OwnedSemaphorePermit)> {
    let place = places.clone().acquire_owned().await.map_err(io::Error::other)?;
    let (stream, _) = listener.accept().await?;
    stream.set_nodelay(true)?;
    Ok((stream, place))
}

async fn connection(
    stream: TcpStream,
    router: Router,
    connections: Connections,
    shutdown: CancellationToken,
) {
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(connections.head_patience)
        .max_header_size(HEAD_BYTES_MAX)
        .max_headers(HEADERS_MAX)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
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
