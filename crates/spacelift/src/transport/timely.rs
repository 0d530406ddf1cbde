//! The body of a request, which is not sent once it is too late.
//!
//! A process that is frozen goes on where it stopped, in the middle of a request too, and somebody
//! else may have sent that meanwhile. Whoever asks has looked at the clock; between that and the first
//! byte on the wire lie tasks and threads. So the clock is looked at once more when the connection
//! takes the body, just before it writes.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::time::Instant;

/// A body that is there until then.
pub(super) struct Timely {
    left: Option<Bytes>,
    until: Instant,
}

impl Timely {
    pub(super) fn new(body: impl Into<Bytes>, until: Instant) -> Self {
        Self { left: Some(body.into()), until }
    }
}

impl Body for Timely {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let frame = self.left.take().map(|body| match Instant::now() < self.until {
            true => Ok(Frame::data(body)),
            false => Err(io::Error::new(io::ErrorKind::TimedOut, "it is too late to send it")),
        });
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.left.is_none()
    }

    /// Known, so that the request says how long it is: one that breaks off is not taken for whole.
    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left.as_ref().map_or(0, |body| body.len() as u64))
    }
}

#[cfg(test)]
mod tests {
    use std::{future::poll_fn, time::Duration};

    use super::*;

    async fn sent(after: Duration) -> Option<Result<Bytes, io::ErrorKind>> {
        let mut body = Timely::new("mutation", Instant::now() + Duration::from_secs(3));
        assert_eq!(body.size_hint().exact(), Some(8));
        tokio::time::advance(after).await;
        let frame = poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await?;
        assert!(body.is_end_stream());
        Some(frame.map(|frame| frame.into_data().unwrap()).map_err(|error| error.kind()))
    }

    #[tokio::test(start_paused = true)]
    async fn what_would_be_sent_too_late_is_not_sent() {
        assert_eq!(sent(Duration::from_secs(2)).await, Some(Ok(Bytes::from("mutation"))));
        assert_eq!(sent(Duration::from_secs(4)).await, Some(Err(io::ErrorKind::TimedOut)));
    }
}
