//! What every request passes through: an id, a log line, a panic barrier, CORS, bounded bodies, and the
//! headers that browsers heed.

use std::convert::Infallible;
use std::hash::{BuildHasher, RandomState};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context as TaskContext, Poll};
use std::time::Instant;

use axum::Router;
use axum::body::{Body, HttpBody};
use axum::extract::{MatchedPath, Request};
use axum::http::header::{
    AUTHORIZATION, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, REFERRER_POLICY, RETRY_AFTER,
    WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method};
use axum::response::{IntoResponse, Response};
use tower::Service;
use tower::layer::layer_fn;
use tower::util::option_layer;
use tower_http::cors::{AllowOrigin, CorsLayer};
use tracing::Instrument;

use crate::body;
use crate::client_address::{self, ClientAddress, TrustedProxies};
use crate::error::ApiError;
use crate::request_origin::RequestId;
use crate::router::RouterOptions;

/// How many characters of an unknown path are logged.
const PATH_SHOWN: usize = 128;
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Puts around `router` what every request passes through, and gives unknown paths and methods the error
/// shape. For [`routes`](crate::routes) merged with an application's own; bodies are bounded for all.
pub fn with_layers(router: Router, options: &RouterOptions) -> Router {
    let context = Arc::new(Context {
        trusted_proxies: options.trusted_proxies.clone(),
        ids: RequestIds::new(),
        has_warned: AtomicBool::new(false),
    });
    let observed = layer_fn(move |inner| Observed { inner, context: Arc::clone(&context) });
    let cors = option_layer((!options.allowed_origins.is_empty()).then(|| cors(options)));
    // As one layer: axum boxes each that it is given, at every request.
    router
        .fallback(async || ApiError::not_found())
        .method_not_allowed_fallback(async || ApiError::method_not_allowed())
        .layer((observed, cors, layer_fn(|inner| Sheltered { inner })))
}

fn cors(options: &RouterOptions) -> CorsLayer {
    CorsLayer::new()
        .allow_origin(AllowOrigin::list(options.allowed_origins.iter().cloned()))
        .allow_methods([Method::GET, Method::POST, Method::PATCH, Method::DELETE])
        .allow_headers([AUTHORIZATION, CONTENT_TYPE, REQUEST_ID])
        .expose_headers([REQUEST_ID, RETRY_AFTER, WWW_AUTHENTICATE])
        .max_age(options.preflight_max_age)
}

type Answering = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

/// A service whose bodies are bounded and whose panics are answered.
#[derive(Clone)]
struct Sheltered<S> {
    inner: S,
}

impl<S> Service<Request> for Sheltered<S>
where
    S: Service<Request, Response = Response, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
{
    type Response = Response;
    type Error = Infallible;
    type Future = CatchPanic;

    fn poll_ready(&mut self, context: &mut TaskContext<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request) -> CatchPanic {
        // A route is always ready, and its clone too.
        CatchPanic(Box::pin(answer_bounded(self.inner.clone(), request)))
    }
}

/// Reads the body before anything else looks at the request, so that whatever is answered, a client in
/// the middle of sending gets to read it instead of a broken connection.
async fn answer_bounded<S>(mut inner: S, request: Request) -> Result<Response, Infallible>
where
    S: Service<Request, Response = Response, Error = Infallible>,
{
    if request.body().is_end_stream() {
        return inner.call(request).await;
    }
    let (parts, body) = request.into_parts();
    match body::read(&parts.headers, body).await {
        Ok(bytes) => inner.call(Request::from_parts(parts, Body::from(bytes))).await,
        Err(error) => Ok(error.into_response()),
    }
}

/// Gives an answer in place of a panic.
struct CatchPanic(Answering);

impl Future for CatchPanic {
    type Output = Result<Response, Infallible>;

    fn poll(mut self: Pin<&mut Self>, context: &mut TaskContext<'_>) -> Poll<Self::Output> {
        catch_unwind(AssertUnwindSafe(|| self.0.as_mut().poll(context)))
            .unwrap_or_else(|_| Poll::Ready(Ok(ApiError::internal().into_response())))
    }
}

struct Context {
    trusted_proxies: TrustedProxies,
    ids: RequestIds,
    has_warned: AtomicBool,
}

/// A service whose requests get ids, whose answers get headers, and that logs what became of each request.
#[derive(Clone)]
struct Observed<S> {
    inner: S,
    context: Arc<Context>,
}

impl<S> Service<Request> for Observed<S>
where
    S: Service<Request, Error = Infallible>,
    S::Response: IntoResponse,
    S::Future: Send + 'static,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Answering;

    fn poll_ready(&mut self, context: &mut TaskContext<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request) -> Answering {
        let (id, client) = self.context.identify(&mut request);
        let span = tracing::info_span!("request", request_id = id.to_str().unwrap_or_default());
        let method = request.method().clone();
        // The template. Where there is none the path that was sent tells an operator what somebody's client looks for.
        let route = request.extensions().get::<MatchedPath>().cloned();
        let path = route.is_none().then(|| shown(request.uri().path()));
        #[expect(clippy::disallowed_methods, reason = "measures how long the answer took")]
        let start = Instant::now();
        let answering = span.in_scope(|| self.inner.call(request));
        let observed = async move {
            let mut response = answering.await?.into_response();
            let route = route.as_ref().map_or("none", MatchedPath::as_str);
            macro_rules! say {
                ($level:ident) => {
                    tracing::$level!(
                        event = "request",
                        method = known(&method),
                        route,
                        path,
                        status = response.status().as_u16(),
                        micros = u64::try_from(start.elapsed().as_micros()).unwrap_or(u64::MAX),
                        client = client.map(|client| tracing::field::display(client.0)),
                    )
                };
            }
            // Asked for every few seconds by every balancer, and of interest when the answer is another.
            if matches!(route, "/health" | "/ready") && response.status().is_success() {
                say!(debug);
            } else {
                say!(info);
            }
            finish(&mut response, id);
            Ok(response)
        };
        Box::pin(observed.instrument(span))
    }
}

impl Context {
    /// The request's id and whom it came from, put among its extensions too.
    fn identify(&self, request: &mut Request) -> (HeaderValue, Option<ClientAddress>) {
        let id = self.ids.of(request.headers());
        let client = client_address::peer(request.extensions()).map(|peer| {
            self.trusted_proxies.warn_of_strangers(peer, request.headers(), &self.has_warned);
            self.trusted_proxies.client(peer, request.headers())
        });
        request.extensions_mut().insert(RequestId(id.clone()));
        if let Some(client) = client {
            request.extensions_mut().insert(client);
        }
        (id, client)
    }
}

/// A path as it may stand in a log: its beginning, and nothing that could end a line or a string.
fn shown(path: &str) -> String {
    path.escape_debug().take(PATH_SHOWN).collect()
}

/// The method's name if it is one of HTTP's: the others anybody could have made up.
fn known(method: &Method) -> &str {
    match *method {
        Method::GET
        | Method::HEAD
        | Method::POST
        | Method::PUT
        | Method::PATCH
        | Method::DELETE
        | Method::OPTIONS
        | Method::TRACE
        | Method::CONNECT => method.as_str(),
        _ => "other",
    }
}

/// The headers that browsers heed. Those that would keep a page from its own styles and from caches go on answers of
/// data alone, and on none that has its own.
fn finish(response: &mut Response, id: HeaderValue) {
    let is_data = is_data(response);
    let headers = response.headers_mut();
    // With what is there already more than a map begins with: grown once, before it is filled.
    headers.reserve(8);
    headers.insert(REQUEST_ID, id);
    for (name, value) in [(REFERRER_POLICY, "no-referrer"), (X_CONTENT_TYPE_OPTIONS, "nosniff")] {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    if is_data {
        if !headers.contains_key(CACHE_CONTROL) {
            headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
            headers.remove(ETAG);
        }
        let policy = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");
        headers.entry(CONTENT_SECURITY_POLICY).or_insert(policy);
        headers.entry(X_FRAME_OPTIONS).or_insert(HeaderValue::from_static("DENY"));
    }
}

/// Whether an answer is JSON or empty: no page, and nothing that belongs to one.
fn is_data(response: &Response) -> bool {
    match response.headers().get(CONTENT_TYPE) {
        None => !response.status().is_redirection(),
        Some(kind) => kind.as_bytes().starts_with(b"application/") && has_json(kind.as_bytes()),
    }
}

fn has_json(kind: &[u8]) -> bool {
    kind.windows(4).any(|letters| letters == b"json")
}

/// Ids that are unique and cost no system call: a random prefix for the process, then a count.
struct RequestIds {
    prefix: u64,
    count: AtomicU64,
}

impl RequestIds {
    fn new() -> Self {
        Self { prefix: RandomState::new().hash_one(0_u8), count: AtomicU64::new(0) }
    }

    /// The id that the client sent, if it is harmless, or a fresh one.
    fn of(&self, headers: &HeaderMap) -> HeaderValue {
        if let Some(sent) = headers.get(REQUEST_ID).filter(|sent| is_harmless(sent.as_bytes())) {
            return sent.clone();
        }
        let count = self.count.fetch_add(1, Ordering::Relaxed);
        let mut id = [0; 32];
        let number = u128::from(self.prefix) << 64 | u128::from(count);
        for (digit, place) in id.iter_mut().zip((0..32).rev()) {
            // Four bits are an index within the digits.
            *digit = b"0123456789abcdef"[(number >> (4 * place) & 0xf) as usize];
        }
        HeaderValue::from_bytes(&id).unwrap_or_else(|_| HeaderValue::from_static("none"))
    }
}

fn is_harmless(id: &[u8]) -> bool {
    (1..=64).contains(&id.len()) && id.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(byte))
}
