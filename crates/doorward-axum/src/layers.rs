//! What every request passes through: an id, a log line, a panic barrier, CORS, bounded bodies, and the
//! headers that browsers heed.

use std::any::Any;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use axum::Router;
use axum::body::{Body, HttpBody};
use axum::extract::{MatchedPath, Request, State};
use axum::http::header::{
    AUTHORIZATION, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, REFERRER_POLICY, RETRY_AFTER,
    WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::cors::{AllowOrigin, CorsLayer};
use tracing::Instrument;

use crate::body;
use crate::client_address::{self, TrustedProxies};
use crate::error::ApiError;
use crate::request_origin::RequestId;
use crate::router::RouterOptions;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Puts around `router` what every request passes through, and gives unknown paths and methods the error
/// shape. For [`routes`](crate::routes) merged with an application's own; bodies are bounded for all.
pub fn with_layers(router: Router, options: &RouterOptions) -> Router {
    let context = Arc::new(Context {
        trusted_proxies: options.trusted_proxies.clone(),
        ids: RequestIds::new(),
        has_warned: AtomicBool::new(false),
    });
    let mut router = router
        .fallback(async || ApiError::not_found())
        .method_not_allowed_fallback(async || ApiError::method_not_allowed())
        .layer(middleware::from_fn(bound_body))
        .layer(CatchPanicLayer::custom(|_: Box<dyn Any + Send>| ApiError::internal().into_response()));
    if !options.allowed_origins.is_empty() {
        router = router.layer(cors(options));
    }
    router.layer(middleware::from_fn_with_state(context, observe))
}

fn cors(options: &RouterOptions) -> CorsLayer {
    CorsLayer::new()
        .allow_origin(AllowOrigin::list(options.allowed_origins.iter().cloned()))
        .allow_methods([Method::GET, Method::POST, Method::PATCH, Method::DELETE])
        .allow_headers([AUTHORIZATION, CONTENT_TYPE, REQUEST_ID])
        .expose_headers([REQUEST_ID, RETRY_AFTER, WWW_AUTHENTICATE])
        .max_age(options.preflight_max_age)
}

/// Reads the body before anything else looks at the request, so that whatever is answered, a client in
/// the middle of sending gets to read it instead of a broken connection.
async fn bound_body(request: Request, next: Next) -> Response {
    if request.body().is_end_stream() {
        return next.run(request).await;
    }
    let (parts, body) = request.into_parts();
    match body::read(&parts.headers, body).await {
        Ok(bytes) => next.run(Request::from_parts(parts, Body::from(bytes))).await,
        Err(error) => error.into_response(),
    }
}

struct Context {
    trusted_proxies: TrustedProxies,
    ids: RequestIds,
    has_warned: AtomicBool,
}

/// Gives the request its id, logs what became of it, and sets the headers of every response.
async fn observe(State(context): State<Arc<Context>>, mut request: Request, next: Next) -> Response {
    let id = context.ids.of(request.headers());
    let client = client_address::peer(request.extensions()).map(|peer| {
        context.trusted_proxies.warn_of_strangers(peer, request.headers(), &context.has_warned);
        context.trusted_proxies.client(peer, request.headers())
    });
    request.extensions_mut().insert(RequestId(id.clone()));
    if let Some(client) = client {
        request.extensions_mut().insert(client);
    }
    let span = tracing::info_span!("request", request_id = id.to_str().unwrap_or_default());
    async move {
        let method = request.method().clone();
        // The template, never the path that was sent: nobody writes into the log by asking for it.
        let route = request.extensions().get::<MatchedPath>().cloned();
        #[expect(clippy::disallowed_methods, reason = "measures how long the answer took")]
        let start = Instant::now();
        let mut response = next.run(request).await;
        tracing::info!(
            event = "request",
            method = known(&method),
            route = route.as_ref().map_or("none", MatchedPath::as_str),
            status = response.status().as_u16(),
            micros = u64::try_from(start.elapsed().as_micros()).unwrap_or(u64::MAX),
            client = client.map(|client| tracing::field::display(client.0)),
        );
        finish(response.headers_mut(), id);
        response
    }
    .instrument(span)
    .await
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

fn finish(headers: &mut HeaderMap, id: HeaderValue) {
    headers.insert(REQUEST_ID, id);
    let defaults = [
        (CACHE_CONTROL, "no-store"),
        (CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
        (REFERRER_POLICY, "no-referrer"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (X_FRAME_OPTIONS, "DENY"),
    ];
    for (name, value) in defaults {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    headers.remove(ETAG);
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
        HeaderValue::from_str(&format!("{:016x}{count:016x}", self.prefix))
            .unwrap_or_else(|_| HeaderValue::from_static("none"))
    }
}

fn is_harmless(id: &[u8]) -> bool {
    (1..=64).contains(&id.len()) && id.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(byte))
}
