//! One connection, from its first byte to its last: TLS, HTTP/1.1 or HTTP/2, and an end in time.

use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{ConnectInfo, Request};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, STRICT_TRANSPORT_SECURITY};
use axum::http::{HeaderValue, StatusCode, Version};
use axum::response::{IntoResponse, Response};
use hyper::body::{Frame, Incoming, SizeHint};
use hyper::server::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt;

use super::activity::{Activity, Noticed, Patience, RunOut, UnderWay};
use super::connections::ConnectionCounts;
use super::shares::Place;

/// Header lines of one request of HTTP/1.
const MAX_HEADERS: usize = 64;
/// Bytes of one request's head, and of what HTTP/1 reads ahead of the application. HTTP/2 counts 32 more
/// for each line, and no more CONTINUATION frames than such a head needs (CVE-2024-27316 and its kin).
const MAX_HEAD_BYTES: u16 = 16 * 1024;
/// Requests at once on one connection of HTTP/2: as few as RFC 9113 (6.5.2) recommends.
const MAX_STREAMS: u32 = 100;
/// Streams that the client has reset before we began with them, above which it is sent away: the rapid
/// reset (CVE-2023-44487).
const MAX_RESETS_PENDING: usize = 20;
/// Streams that we have reset for the client's faults, above which it is sent away (RUSTSEC-2024-0003).
const MAX_FAULTY_STREAMS: usize = 64;
/// Bytes of one request's body that are taken in before somebody reads them: as many as a body may have.
const STREAM_WINDOW: u32 = 64 * 1024;
/// The same for all requests of one connection.
const CONNECTION_WINDOW: u32 = 256 * 1024;
/// Bytes of one answer that wait until the client takes them.
const SEND_BUFFER: usize = 64 * 1024;
/// The same of a whole connection, in the system's memory, of which Linux takes twice as much.
const SYSTEM_BUFFER: usize = 128 * 1024;
/// After so much silence an HTTP/2 client is asked whether it is still there, and has as long to answer.
const PING_INTERVAL: Duration = Duration::from_secs(20);
/// How long written bytes may stay unacknowledged, a peer that reads nothing included (RFC 5482).
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a connection that had its time may take to say goodbye, and one whose request is on its way
/// when it is time to stop.
const FAREWELL: Duration = Duration::from_secs(1);
/// For a year browsers come by TLS only (RFC 6797).
const HSTS: HeaderValue = HeaderValue::from_static("max-age=31536000");
/// What a connection or a request past the bound is told.
pub(crate) const OVERLOADED: &str = "{\"detail\":\"Server is overloaded\",\"code\":\"OVERLOADED\"}";

/// HTTP/2 in the words of ALPN (RFC 7301).
const HTTP2: &[u8] = b"h2";

/// What the connections of one listener have in common.
pub(crate) struct Edge {
    router: Router,
    tls: Option<TlsAcceptor>,
    patience: Patience,
    http1: http1::Builder,
    http2: http2::Builder<TokioExecutor>,
    counts: Arc<ConnectionCounts>,
}

impl Edge {
    /// Serves `router` to as many requests at once as `counts` have places for.
    pub(crate) fn new(
        router: Router,
        tls: Option<TlsAcceptor>,
        patience: Patience,
        counts: Arc<ConnectionCounts>,
    ) -> Self {
        Self { router, tls, patience, http1: http1_builder(), http2: http2_builder(), counts }
    }

    /// Whether connections begin with a TLS handshake.
    pub(crate) fn speaks_tls(&self) -> bool {
        self.tls.is_some()
    }

    /// Serves one connection until it ends, has had its time, or `stop` changes and its requests are done.
    pub(crate) async fn serve(self: Arc<Self>, stream: TcpStream, peer: SocketAddr, stop: watch::Receiver<()>) {
        // Without these options a connection is slower to answer or to be given up, but still good.
        let _ = stream.set_nodelay(true);
        let _ = socket2::SockRef::from(&stream).set_send_buffer_size(SYSTEM_BUFFER);
        #[cfg(target_os = "linux")]
        let _ = socket2::SockRef::from(&stream).set_tcp_user_timeout(Some(WRITE_TIMEOUT));
        match &self.tls {
            None => self.serve_http1(stream, peer, stop).await,
            // In memory of its own: a connection without TLS would otherwise be five times as large.
            Some(tls) => Box::pin(self.serve_tls(tls, stream, peer, stop)).await,
        }
    }

    async fn serve_tls(
        self: &Arc<Self>,
        tls: &TlsAcceptor,
        stream: TcpStream,
        peer: SocketAddr,
        stop: watch::Receiver<()>,
    ) {
        let mut handshake = pin!(timeout(self.patience.header, tls.accept(stream)));
        let mut stopping = stop.clone();
        let handshake = tokio::select! {
            handshake = &mut handshake => handshake,
            _ = stopping.changed() => match timeout(FAREWELL, handshake).await {
                Ok(handshake) => handshake,
                Err(_) => return,
            },
        };
        match handshake {
            Ok(Ok(stream)) if stream.get_ref().1.alpn_protocol() == Some(HTTP2) => {
                self.serve_http2(stream, peer, stop).await;
            }
            Ok(Ok(stream)) => self.serve_http1(stream, peer, stop).await,
            Ok(Err(error)) => tracing::debug!(event = "handshake_failed", %error),
            Err(_) => tracing::debug!(event = "handshake_failed", "it took too long"),
        }
    }

    async fn serve_http1<S>(self: &Arc<Self>, stream: S, peer: SocketAddr, stop: watch::Receiver<()>)
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let activity = Activity::of_http1(self.patience);
        let service = hyper::service::service_fn(|request| Arc::clone(self).answer(request, peer, &activity));
        let connection = self.http1.serve_connection(TokioIo::new(Noticed::new(stream, &activity)), service);
        supervise(peer, connection, http1::Connection::graceful_shutdown, &activity, stop).await;
    }

    async fn serve_http2<S>(self: &Arc<Self>, stream: S, peer: SocketAddr, stop: watch::Receiver<()>)
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let activity = Activity::of_http2(self.patience);
        let service = hyper::service::service_fn(|request| Arc::clone(self).answer(request, peer, &activity));
        let connection = self.http2.serve_connection(TokioIo::new(Noticed::new(stream, &activity)), service);
        supervise(peer, connection, http2::Connection::graceful_shutdown, &activity, stop).await;
    }

    /// A future that holds nothing of the connection but its activity: HTTP/2 answers on tasks of their own.
    fn answer(
        self: Arc<Self>,
        mut request: Request<Incoming>,
        peer: SocketAddr,
        activity: &Arc<Activity>,
    ) -> impl Future<Output = Result<Response, std::convert::Infallible>> + Send + use<> {
        let under_way = activity.begin_request();
        async move {
            let place = self.place_for(&request, peer);
            let (mut response, place) = match place {
                Err(NoPlace) => (overloaded(), None),
                Ok(place) => {
                    request.extensions_mut().insert(ConnectInfo(peer));
                    (self.router.clone().oneshot(request.map(Body::new)).await?, place)
                }
            };
            if self.speaks_tls() {
                response.headers_mut().insert(STRICT_TRANSPORT_SECURITY, HSTS);
            }
            under_way.give();
            Ok(response.map(|body| Body::new(Held { body, under_way, _place: place })))
        }
    }
}

impl Edge {
    /// A place for a request, where it needs one. A connection of HTTP/1 is one request at most, and has its place; and
    /// whoever asks how the service is gets an answer when everything else is refused.
    fn place_for(&self, request: &Request<Incoming>, peer: SocketAddr) -> Result<Option<Place>, NoPlace> {
        if request.version() != Version::HTTP_2 || matches!(request.uri().path(), "/health" | "/ready") {
            return Ok(None);
        }
        self.counts.request(peer).map(Some).ok_or(NoPlace)
    }
}

/// There is no place for a request.
struct NoPlace;

/// An answer that holds its request's place until the client has taken the last of it, and tells when it waits for the
/// client.
struct Held {
    body: Body,
    under_way: UnderWay,
    _place: Option<Place>,
}

impl HttpBody for Held {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(context);
        if frame.is_ready() {
            self.under_way.give();
        } else {
            self.under_way.make();
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

fn http1_builder() -> http1::Builder {
    let mut http = http1::Builder::new();
    // Time is [`Activity`]'s: hyper's own time-out for heads runs while a connection is idle too.
    http.timer(TokioTimer::new())
        .header_read_timeout(None)
        .max_headers(MAX_HEADERS)
        .max_buf_size(MAX_HEAD_BYTES.into());
    http
}

fn http2_builder() -> http2::Builder<TokioExecutor> {
    let mut http = http2::Builder::new(TokioExecutor::new());
    http.timer(TokioTimer::new())
        .max_concurrent_streams(MAX_STREAMS)
        .max_header_list_size(MAX_HEAD_BYTES.into())
        .max_pending_accept_reset_streams(MAX_RESETS_PENDING)
        .max_local_error_reset_streams(MAX_FAULTY_STREAMS)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_send_buf_size(SEND_BUFFER)
        .keep_alive_interval(PING_INTERVAL)
        .keep_alive_timeout(PING_INTERVAL);
    http
}

fn overloaded() -> Response {
    let headers = [(CONTENT_TYPE, "application/json"), (RETRY_AFTER, "1"), (CACHE_CONTROL, "no-store")];
    (StatusCode::SERVICE_UNAVAILABLE, headers, OVERLOADED).into_response()
}

/// Drives a connection. `begin_end` lets requests under way finish and takes no more.
async fn supervise<C>(
    peer: SocketAddr,
    connection: C,
    begin_end: impl Fn(Pin<&mut C>),
    activity: &Activity,
    mut stop: watch::Receiver<()>,
) where
    C: Future<Output = hyper::Result<()>>,
{
    let mut connection = pin!(connection);
    let mut is_stopping = false;
    let mut end_at = None;
    loop {
        tokio::select! {
            outcome = &mut connection => {
                if let Err(error) = outcome {
                    tracing::debug!(event = "connection_failed", %error);
                }
                return;
            }
            _ = stop.changed(), if !is_stopping => {
                is_stopping = true;
                // A request that is on its way would be cut off otherwise, though nobody refused it.
                let patience = if activity.expects_head() { FAREWELL } else { Duration::ZERO };
                end_at = Some(Instant::now() + patience);
            }
            () = until(end_at), if end_at.is_some() => {
                end_at = None;
                begin_end(connection.as_mut());
            }
            how = activity.run_out() => {
                if how == RunOut::SlowReader {
                    tracing::info!(event = "slow_reader", %peer, "an answer is cut: the client doesn't take it");
                }
                begin_end(connection.as_mut());
                let _ = timeout(FAREWELL, connection).await;
                return;
            }
        }
    }
}

async fn until(moment: Option<Instant>) {
    if let Some(moment) = moment {
        tokio::time::sleep_until(moment).await;
    }
}
