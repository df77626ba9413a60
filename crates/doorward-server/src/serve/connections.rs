//! Connections: accepted up to a bound, cut when they dawdle, drained at the end.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::{ConnectInfo, Request};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;
use tower::ServiceExt;

/// Header lines of one request.
const MAX_HEADERS: usize = 64;
/// Bytes of one request's head, and of what is read ahead of the application.
const MAX_HEAD_BYTES: usize = 16 * 1024;
/// How long written bytes may stay unacknowledged, a peer that reads nothing included (RFC 5482).
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);
/// The pause when the system gives no more file descriptors: they come back as connections end.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// The least time between two log lines about refused connections.
const WARNING_INTERVAL: Duration = Duration::from_secs(10);
/// What a connection past the bound is told.
const TOO_MANY: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\n\
    content-length: 53\r\nretry-after: 1\r\ncache-control: no-store\r\nconnection: close\r\n\r\n\
    {\"detail\":\"Server is overloaded\",\"code\":\"OVERLOADED\"}";

/// The bounds of what clients may take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// Connections at once.
    pub(super) max_connections: usize,
    /// The time until the head of a connection's next request is complete.
    pub(super) header_timeout: Duration,
}

/// The connections of one listener.
pub(super) struct Connections {
    permits: Arc<Semaphore>,
    counts: Arc<Counts>,
    http: http1::Builder,
    graceful: GracefulShutdown,
}

/// How many connections there are and were.
#[derive(Debug)]
pub(super) struct Counts {
    permits: Arc<Semaphore>,
    max_connections: usize,
    refused: AtomicU64,
}

impl Counts {
    /// Connections open now.
    pub(super) fn open(&self) -> usize {
        self.max_connections.saturating_sub(self.permits.available_permits())
    }

    /// Connections told that there are too many.
    pub(super) fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }
}

impl Connections {
    pub(super) fn new(limits: Limits) -> Self {
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new())
            .header_read_timeout(limits.header_timeout)
            .max_headers(MAX_HEADERS)
            .max_buf_size(MAX_HEAD_BYTES);
        let permits = Arc::new(Semaphore::new(limits.max_connections));
        let counts = Counts {
            permits: Arc::clone(&permits),
            max_connections: limits.max_connections,
            refused: AtomicU64::new(0),
        };
        Self { permits, counts: Arc::new(counts), http, graceful: GracefulShutdown::new() }
    }

    pub(super) fn counts(&self) -> Arc<Counts> {
        Arc::clone(&self.counts)
    }

    /// Serves `router` until `stop`; the listener is closed then, and what is returned can wait for the
    /// requests under way.
    pub(super) async fn serve(
        self,
        listener: TcpListener,
        router: Router,
        stop: impl Future<Output = ()>,
    ) -> GracefulShutdown {
        tokio::select! {
            () = stop => {}
            () = self.accept(listener, router) => {}
        }
        self.graceful
    }

    async fn accept(&self, listener: TcpListener, router: Router) {
        let mut warned_at: Option<Instant> = None;
        loop {
            match listener.accept().await {
                Ok((stream, peer)) => {
                    let Ok(permit) = Arc::clone(&self.permits).try_acquire_owned() else {
                        self.refuse(stream);
                        if warned_at.is_none_or(|moment| moment.elapsed() > WARNING_INTERVAL) {
                            warned_at = Some(Instant::now());
                            tracing::warn!(event = "connections_refused", "max_connections are open: refusing more");
                        }
                        continue;
                    };
                    self.spawn(stream, peer, router.clone(), permit);
                }
                Err(error) if is_of_one_connection(&error) => {}
                Err(error) => {
                    tracing::error!(event = "accept_failed", %error);
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    fn spawn(&self, stream: TcpStream, peer: SocketAddr, router: Router, permit: OwnedSemaphorePermit) {
        let (http, watcher) = (self.http.clone(), self.graceful.watcher());
        tokio::spawn(async move {
            serve_connection(stream, peer, router, (http, watcher)).await;
            drop(permit);
        });
    }

    /// Answers without reading. The socket takes these few bytes at once or the client goes without.
    fn refuse(&self, stream: TcpStream) {
        self.counts.refused.fetch_add(1, Ordering::Relaxed);
        if let Ok(mut stream) = stream.into_std() {
            let _ = stream.write(TOO_MANY);
            let _ = stream.shutdown(std::net::Shutdown::Write);
        }
    }
}

async fn serve_connection(
    stream: TcpStream,
    peer: SocketAddr,
    router: Router,
    (http, watcher): (http1::Builder, Watcher),
) {
    // Without these options a connection is slower to answer or to be given up, but still good.
    let _ = stream.set_nodelay(true);
    #[cfg(target_os = "linux")]
    let _ = socket2::SockRef::from(&stream).set_tcp_user_timeout(Some(WRITE_TIMEOUT));
    let service = hyper::service::service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(ConnectInfo(peer));
        router.clone().oneshot(request)
    });
    let connection = http.serve_connection(TokioIo::new(stream), service);
    if let Err(error) = watcher.watch(connection).await {
        tracing::debug!(event = "connection_failed", %error);
    }
}

/// Whether an error of `accept` says nothing about the next connection.
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_refusal_of_a_connection_has_the_length_it_says() {
        let text = std::str::from_utf8(TOO_MANY).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("content-length: {}\r\n", body.len())), "{}", body.len());
        assert!(serde_json::from_str::<serde_json::Value>(body).is_ok());
    }
}
