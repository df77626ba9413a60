//! What a connection is doing, and by when it must do more.

use std::collections::HashMap;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

/// How long a connection is waited for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience {
    /// From the connection's start, or from the first byte of a request, to the end of that request's head.
    pub(crate) header: Duration,
    /// From an answer to the first byte of the next request; and from one part of an answer to the moment at which there
    /// is room for the next.
    pub(crate) idle: Duration,
}

/// How a connection has had its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RunOut {
    /// No request came, or not all of its head.
    Idle,
    /// The client doesn't take what it asked for.
    SlowReader,
}

/// What one connection is doing. Nothing is counted against it while an answer is made.
#[derive(Debug)]
pub(crate) struct Activity {
    patience: Patience,
    bytes_begin_requests: bool,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    under_way: usize,
    awaited: Awaited,
    since: Instant,
    /// Since when each answer of which a part is given waits for the client to take it, by its number.
    given: HashMap<u64, Instant>,
    answers: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Awaited {
    /// The rest of a head, the first one included.
    Head,
    /// Anything.
    Request,
}

impl Activity {
    /// Of HTTP/1, where every byte between two requests belongs to the next one.
    pub(crate) fn of_http1(patience: Patience) -> Arc<Self> {
        Self::new(patience, true)
    }

    /// Of HTTP/2, which sends frames that are no requests: a ping doesn't prolong a connection's idleness
    /// and doesn't begin a head.
    pub(crate) fn of_http2(patience: Patience) -> Arc<Self> {
        Self::new(patience, false)
    }

    fn new(patience: Patience, bytes_begin_requests: bool) -> Arc<Self> {
        let state =
            State { under_way: 0, awaited: Awaited::Head, since: Instant::now(), given: HashMap::new(), answers: 0 };
        Arc::new(Self { patience, bytes_begin_requests, state: Mutex::new(state) })
    }

    /// Says that a request's head is complete. It is under way until what is returned is dropped.
    pub(crate) fn begin_request(self: &Arc<Self>) -> UnderWay {
        let mut state = self.state();
        state.under_way += 1;
        state.answers += 1;
        UnderWay { activity: Arc::clone(self), number: state.answers }
    }

    /// Whether a head has begun or, on a new connection, is about to. HTTP/2 has its own way to say which
    /// requests are still answered.
    pub(crate) fn expects_head(&self) -> bool {
        let state = self.state();
        self.bytes_begin_requests && state.under_way == 0 && state.awaited == Awaited::Head
    }

    /// Resolves when the connection has had its time.
    pub(crate) async fn run_out(&self) -> RunOut {
        // A deadline is never less than this away when it is set: looking as often misses none.
        let interval = self.patience.header.min(self.patience.idle);
        loop {
            let now = Instant::now();
            let next = match self.deadline() {
                Some((deadline, how)) if deadline <= now => return how,
                Some((deadline, _)) => deadline.min(now + interval),
                None => now + interval,
            };
            tokio::time::sleep_until(next).await;
        }
    }

    fn deadline(&self) -> Option<(Instant, RunOut)> {
        let state = self.state();
        if state.under_way > 0 {
            return state.given.values().min().map(|since| (*since + self.patience.idle, RunOut::SlowReader));
        }
        let patience = match state.awaited {
            Awaited::Head => self.patience.header,
            Awaited::Request => self.patience.idle,
        };
        Some((state.since + patience, RunOut::Idle))
    }

    fn receive(&self) {
        let mut state = self.state();
        if self.bytes_begin_requests && state.under_way == 0 && state.awaited == Awaited::Request {
            (state.awaited, state.since) = (Awaited::Head, Instant::now());
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request under way, until the last of its answer is given away.
#[derive(Debug)]
pub(crate) struct UnderWay {
    activity: Arc<Activity>,
    number: u64,
}

impl UnderWay {
    /// A part of the answer is there to be taken.
    pub(crate) fn give(&self) {
        self.activity.state().given.insert(self.number, Instant::now());
    }

    /// The client has room for the next part, which is still made.
    pub(crate) fn make(&self) {
        self.activity.state().given.remove(&self.number);
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let mut state = self.activity.state();
        state.given.remove(&self.number);
        state.under_way = state.under_way.saturating_sub(1);
        if state.under_way == 0 {
            (state.awaited, state.since) = (Awaited::Request, Instant::now());
        }
    }
}

/// A stream whose bytes are noticed.
#[derive(Debug)]
pub(crate) struct Noticed<S> {
    stream: S,
    activity: Arc<Activity>,
}

impl<S> Noticed<S> {
    pub(crate) fn new(stream: S, activity: &Arc<Activity>) -> Self {
        Self { stream, activity: Arc::clone(activity) }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Noticed<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
        if buffer.filled().len() > before {
            self.activity.receive();
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Noticed<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
