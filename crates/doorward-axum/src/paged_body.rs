//! Bodies that are made a part at a time, as fast as the client takes them: however long, one part is in memory.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::body::{Body, Bytes, HttpBody};
use doorward::Fault;
use http_body::Frame;

/// The next part and what makes the one after it; `None` after the last.
pub(crate) type Part<S> = Result<Option<(Bytes, S)>, Fault>;

/// A part that is being made.
pub(crate) type Making<S> = Pin<Box<dyn Future<Output = Part<S>> + Send>>;

/// The body whose first part is `first` and whose others `make` makes. The first is made before anything is
/// answered, so that a store which can't serve is a 503. Should a later part fail, the connection is cut: nobody takes
/// a piece for the whole.
pub(crate) fn paged<S: Send + Unpin + 'static>(first: Bytes, state: S, make: fn(S) -> Making<S>) -> Body {
    Body::new(Paged { first: Some(first), making: Some(make(state)), make })
}

struct Paged<S> {
    first: Option<Bytes>,
    making: Option<Making<S>>,
    make: fn(S) -> Making<S>,
}

impl<S: Unpin> HttpBody for Paged<S> {
    type Data = Bytes;
    type Error = Fault;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        if let Some(first) = self.first.take() {
            return Poll::Ready(Some(Ok(Frame::data(first))));
        }
        let Some(making) = self.making.as_mut() else { return Poll::Ready(None) };
        let part = ready!(making.as_mut().poll(context));
        self.making = None;
        Poll::Ready(match part {
            Ok(None) => None,
            Ok(Some((bytes, state))) => {
                self.making = Some((self.make)(state));
                Some(Ok(Frame::data(bytes)))
            }
            Err(fault) => {
                tracing::error!(event = "export_cut_short", error = %fault);
                Some(Err(fault))
            }
        })
    }
}
