//! Receiving a body: bounded in size, in time, and in what all senders together may hold.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::body::{Body, HttpBody};
use bytes::Bytes;
use futures::StreamExt;
use tokio::time::Instant;

use crate::answer::Answer;

/// How long a body may come at any pace.
const GRACE: Duration = Duration::from_secs(1);
/// What a request costs besides its body.
const OVERHEAD: usize = 2 * 1024;

/// The bytes all senders together may hold.
#[derive(Debug)]
pub(crate) struct Budget {
    held: AtomicUsize,
    max: usize,
}

/// A part of the budget; given back on drop.
#[derive(Debug)]
pub(crate) struct Reservation {
    budget: Arc<Budget>,
    bytes: usize,
}

impl Budget {
    pub(crate) fn new(max: usize) -> Arc<Self> {
        Arc::new(Self { held: AtomicUsize::new(0), max })
    }

    pub(crate) fn reserve(self: &Arc<Self>, bytes: usize) -> Option<Reservation> {
        let mut reservation = Reservation { budget: self.clone(), bytes: 0 };
        reservation.grow(bytes).then_some(reservation)
    }
}

impl Reservation {
    fn grow(&mut self, bytes: usize) -> bool {
        let before = self.budget.held.fetch_add(bytes, Ordering::Relaxed);
        // Counted as held even if refused, so that the drop that follows gives back what was taken.
        self.bytes += bytes;
        before.saturating_add(bytes) <= self.budget.max
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.budget.held.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// How much, for how long, and how fast.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) bytes_max: usize,
    pub(crate) patience: Duration,
    pub(crate) bytes_per_second_min: u64,
}

impl Limits {
    /// When whatever comes next must have come, `received` bytes after `began`.
    fn deadline(&self, began: Instant, received: usize) -> Instant {
        let seconds = received as f64 / self.bytes_per_second_min.max(1) as f64;
        let paced = GRACE.saturating_add(Duration::try_from_secs_f64(seconds).unwrap_or_default());
        began + paced.min(self.patience)
    }
}

/// Receives a body whole, or says why not.
pub(crate) async fn receive(
    body: Body,
    limits: Limits,
    budget: &Arc<Budget>,
) -> Result<(Bytes, Reservation), Answer> {
    let declared = HttpBody::size_hint(&body);
    let bytes = |hint: u64| usize::try_from(hint).unwrap_or(usize::MAX);
    if bytes(declared.lower()) > limits.bytes_max {
        return Err(Answer::too_large(limits.bytes_max));
    }
    let most = declared.upper().map_or(limits.bytes_max, bytes);
    // Nothing for what is only announced: that costs a sender nothing, and few could take it all.
    let mut reservation = budget.reserve(OVERHEAD).ok_or_else(Answer::overloaded)?;
    let began = Instant::now();
    let mut chunks = body.into_data_stream();
    let mut received = Received::default();
    loop {
        let deadline = limits.deadline(began, received.len());
        let chunk = match tokio::time::timeout_at(deadline, chunks.next()).await {
            Ok(Some(Ok(chunk))) => chunk,
            Ok(Some(Err(_))) => return Err(Answer::malformed("the body broke off")),
            Ok(None) => return Ok((received.whole(), reservation)),
            Err(_) => return Err(Answer::too_slow()),
        };
        let length = received.len() + chunk.len();
        if length > limits.bytes_max {
            return Err(Answer::too_large(limits.bytes_max));
        }
        let room = room(length, most);
        let missing = room.saturating_add(OVERHEAD).saturating_sub(reservation.bytes);
        if !reservation.grow(missing) {
            return Err(Answer::overloaded());
        }
        received.push(chunk, room);
    }
}

/// How much room is held for a body of which so much came, and that is this large at most: twice as
/// much, so that it is seldom moved.
fn room(received: usize, most: usize) -> usize {
    received.saturating_mul(2).min(most).max(received)
}

/// What came so far. Most bodies come in one piece, which is then not copied.
#[derive(Debug)]
enum Received {
    Piece(Bytes),
    Pieces(Vec<u8>),
}

impl Default for Received {
    fn default() -> Self {
        Self::Piece(Bytes::new())
    }
}

impl Received {
    fn len(&self) -> usize {
        match self {
            Self::Piece(piece) => piece.len(),
            Self::Pieces(pieces) => pieces.len(),
        }
    }

    fn push(&mut self, chunk: Bytes, room: usize) {
        match self {
            Self::Piece(piece) if piece.is_empty() => *piece = chunk,
            Self::Piece(piece) => {
                let mut pieces = Vec::with_capacity(room);
                pieces.extend_from_slice(piece);
                pieces.extend_from_slice(&chunk);
                *self = Self::Pieces(pieces);
            }
            Self::Pieces(pieces) => {
                if pieces.len() + chunk.len() > pieces.capacity() {
                    pieces.reserve_exact(room - pieces.len());
                }
                pieces.extend_from_slice(&chunk);
            }
        }
    }

    fn whole(self) -> Bytes {
        match self {
            Self::Piece(piece) => piece,
            Self::Pieces(pieces) => pieces.into(),
        }
    }
}

#[cfg(test)]
mod tests;
