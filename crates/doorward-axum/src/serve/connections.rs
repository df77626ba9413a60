//! Connections: accepted up to a bound, cut when they dawdle, drained at the end.

use std::fmt;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::Router;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;

use super::activity::Patience;
use super::connection::{Edge, OVERLOADED};
use super::shares::{NoPlace, Part, Place, Shares};
use crate::client_address::TrustedProxies;

/// The pause when the system gives no more file descriptors: they come back as connections end.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// How many connections the system keeps waiting until they are taken, if it allows as many (`net.core.somaxconn` on
/// Linux). One more is dropped without a word, and its
/// client tries again after a second; tokio's own listener keeps 128, less than a rush at nine in the morning.
pub const BACKLOG: u32 = 1024;
/// The least time between two log lines about refused connections.
const WARNING_INTERVAL: Duration = Duration::from_secs(10);

/// The bounds of what clients may take.
#[derive(Debug, Clone)]
pub struct ServeLimits {
    /// Connections at once, and requests at once.
    pub max_connections: usize,
    /// From a connection's start, or from the first byte of a request, to the end of that request's head.
    pub header_timeout: Duration,
    /// From an answer to the first byte of the next request; and from one part of an answer to the moment at which there
    /// is room for the next.
    pub idle_timeout: Duration,
    /// Whose connections are many people's.
    pub trusted_proxies: TrustedProxies,
}

impl Default for ServeLimits {
    /// 1,024 connections, 15 seconds for a head, 75 of idleness, no proxies.
    fn default() -> Self {
        Self {
            max_connections: 1024,
            header_timeout: Duration::from_secs(15),
            idle_timeout: Duration::from_secs(75),
            trusted_proxies: TrustedProxies::default(),
        }
    }
}

/// The connections of one listener: accepted up to a bound and by shares of networks, cut when they dawdle, and drained
/// at the end. What [`serve`](crate::serve()) serves with.
pub struct Connections {
    patience: Patience,
    counts: Arc<ConnectionCounts>,
    tls: Option<TlsAcceptor>,
    stop: watch::Sender<()>,
}

impl fmt::Debug for Connections {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Connections").field("counts", &self.counts).finish_non_exhaustive()
    }
}

/// How many connections there are and were.
#[derive(Debug)]
pub struct ConnectionCounts {
    connections: Arc<Shares>,
    requests: Arc<Shares>,
    refused: AtomicU64,
    refused_requests: AtomicU64,
}

impl ConnectionCounts {
    /// Connections open now.
    pub fn open(&self) -> usize {
        self.connections.held()
    }

    /// Connections told, or without words let know, that there are too many.
    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// Requests told that there are too many.
    pub fn refused_requests(&self) -> u64 {
        self.refused_requests.load(Ordering::Relaxed)
    }

    /// A place for a request of that peer. `None`: that there is none is counted.
    pub(crate) fn request(&self, peer: SocketAddr) -> Option<Place> {
        let place = self.requests.take(peer.ip()).ok();
        if place.is_none() {
            self.refused_requests.fetch_add(1, Ordering::Relaxed);
        }
        place
    }
}

/// Connections that are still open when the listener is closed.
#[derive(Debug)]
pub struct StillOpen(watch::Sender<()>);

impl StillOpen {
    /// Waits until the requests under way are answered and all connections closed.
    pub async fn finish(self) {
        self.0.send_replace(());
        self.0.closed().await;
    }
}

impl Connections {
    /// None yet, within these bounds.
    pub fn new(limits: &ServeLimits) -> Self {
        let shares = |part| Arc::new(Shares::new(limits.max_connections, part, limits.trusted_proxies.clone()));
        let counts = ConnectionCounts {
            connections: shares(Part::Half),
            requests: shares(Part::Quarter),
            refused: AtomicU64::new(0),
            refused_requests: AtomicU64::new(0),
        };
        let patience = Patience { header: limits.header_timeout, idle: limits.idle_timeout };
        Self { patience, counts: Arc::new(counts), tls: None, stop: watch::Sender::new(()) }
    }

    /// The same beginning with a TLS handshake; HTTP/2 is spoken where the configuration offers `h2`.
    #[must_use]
    pub fn with_tls(self, acceptor: TlsAcceptor) -> Self {
        Self { tls: Some(acceptor), ..self }
    }

    /// Their figures.
    pub fn counts(&self) -> Arc<ConnectionCounts> {
        Arc::clone(&self.counts)
    }

    /// Serves `router` until `stop`; the listener is closed then, and what is returned can wait for the
    /// requests under way.
    pub async fn serve(mut self, listener: TcpListener, router: Router, stop: impl Future<Output = ()>) -> StillOpen {
        let edge = Arc::new(Edge::new(router, self.tls.take(), self.patience, self.counts()));
        tokio::select! {
            () = stop => {}
            () = self.accept(&listener, &edge) => {}
        }
        // Those that the system has let in already: closing the listener would cut them off.
        if let Ok(listener) = listener.into_std() {
            for (stream, peer) in std::iter::from_fn(|| listener.accept().ok()).take(BACKLOG as usize) {
                if let Ok(stream) = stream.set_nonblocking(true).and_then(|()| TcpStream::from_std(stream)) {
                    let _ = self.admit(&edge, stream, peer);
                }
            }
        }
        StillOpen(self.stop)
    }

    async fn accept(&self, listener: &TcpListener, edge: &Arc<Edge>) {
        let mut warned_at: Option<Instant> = None;
        loop {
            match listener.accept().await {
                Ok((stream, peer)) => {
                    let refused = self.admit(edge, stream, peer).err();
                    if let Some(reason) = refused
                        && warned_at.is_none_or(|moment| moment.elapsed() > WARNING_INTERVAL)
                    {
                        warned_at = Some(Instant::now());
                        warn_of_refusal(reason, peer);
                    }
                }
                Err(error) if is_of_one_connection(&error) => {}
                Err(error) => {
                    tracing::error!(event = "accept_failed", %error);
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    /// Serves the connection if there is a place for it.
    fn admit(&self, edge: &Arc<Edge>, stream: TcpStream, peer: SocketAddr) -> Result<(), NoPlace> {
        let place = match self.counts.connections.take(peer.ip()) {
            Ok(place) => place,
            Err(reason) => {
                self.refuse(stream, edge.speaks_tls());
                return Err(reason);
            }
        };
        let serving = Arc::clone(edge).serve(stream, peer, self.stop.subscribe());
        tokio::spawn(async move {
            serving.await;
            drop(place);
        });
        Ok(())
    }

    /// Answers without reading. The socket takes these few bytes at once or the client goes without; one
    /// that expects TLS couldn't read them, and a handshake costs more than is left to give.
    fn refuse(&self, stream: TcpStream, speaks_tls: bool) {
        self.counts.refused.fetch_add(1, Ordering::Relaxed);
        if let (Ok(mut stream), false) = (stream.into_std(), speaks_tls) {
            let _ = stream.write(too_many().as_bytes());
            let _ = stream.shutdown(std::net::Shutdown::Write);
        }
    }
}

fn warn_of_refusal(reason: NoPlace, peer: SocketAddr) {
    match reason {
        NoPlace::Full => tracing::warn!(event = "connections_refused", "max_connections are open: refusing more"),
        NoPlace::Share => tracing::warn!(
            event = "connections_refused",
            "{} holds half of max_connections: refusing more of it; if it is a proxy, name it in trusted_proxies",
            peer.ip().to_canonical()
        ),
    }
}

/// What a connection past the bound is told.
fn too_many() -> String {
    format!(
        "HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\
         retry-after: 1\r\ncache-control: no-store\r\nconnection: close\r\n\r\n{OVERLOADED}",
        OVERLOADED.len()
    )
}

/// Whether an error of `accept` says nothing about the next connection.
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}
