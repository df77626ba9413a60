//! Metrics in Prometheus' text format, on a listener of their own.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::{MatchedPath, Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{Method, StatusCode};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use doorward::Auth;
use doorward::password::{Durations, Refusals};
use doorward_delivery::{DeliveryCounts, DeliveryStatistics};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

use super::tls::Certificate;
use doorward_axum::ConnectionCounts;

/// Upper bounds of the latency histogram, in seconds: from a revocation probe to a queue for hashing.
const LATENCY_BUCKETS: [f64; 12] = [0.000_25, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0];

/// What is counted about requests, and the registry that everything is read from.
#[derive(Debug)]
pub(super) struct Metrics {
    registry: Registry,
    requests: Family<Answered, Counter>,
    durations: Family<Asked, Histogram, fn() -> Histogram>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Asked {
    route: Arc<str>,
    method: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answered {
    route: Arc<str>,
    method: &'static str,
    status: u16,
}

impl Metrics {
    pub(super) fn new(auth: Arc<Auth>, seen: Seen) -> Self {
        let mut registry = Registry::with_prefix("doorward");
        let build = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("build", "The program that runs", build);
        let requests = Family::default();
        registry.register("http_requests", "Requests answered", requests.clone());
        let durations: Family<Asked, Histogram, fn() -> Histogram> =
            Family::new_with_constructor(|| Histogram::new(LATENCY_BUCKETS));
        let help = "Time from a request's head to its answer";
        registry.register_with_unit("http_request_duration", help, Unit::Seconds, durations.clone());
        registry.register_collector(Box::new(Readings { auth, seen, start: start_of_process() }));
        Self { registry, requests, durations }
    }

    fn text(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

/// The routes of the metrics listener.
pub(super) fn routes(metrics: Arc<Metrics>) -> Router {
    Router::new().route("/metrics", get(render)).with_state(metrics)
}

async fn render(State(metrics): State<Arc<Metrics>>) -> Response {
    match metrics.text() {
        Ok(text) => {
            ([(CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], text).into_response()
        }
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// The router with every request counted.
pub(super) fn observed(router: Router, metrics: &Arc<Metrics>) -> Router {
    router.layer(middleware::from_fn_with_state(Arc::clone(metrics), observe))
}

async fn observe(State(metrics): State<Arc<Metrics>>, request: Request, next: Next) -> Response {
    #[expect(clippy::disallowed_methods, reason = "measures how long the answer took")]
    let start = Instant::now();
    // The template and never the path sent: the labels stay few whatever is asked for.
    let route =
        request.extensions().get::<MatchedPath>().map_or_else(|| Arc::from("none"), |path| path.as_str().into());
    let asked = Asked { route, method: known(request.method()) };
    let response = next.run(request).await;
    metrics.durations.get_or_create(&asked).observe(start.elapsed().as_secs_f64());
    let answered = Answered { route: asked.route, method: asked.method, status: response.status().as_u16() };
    metrics.requests.get_or_create(&answered).inc();
    response
}

/// The method's name if it is one of HTTP's: anybody could make up others.
fn known(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}

#[expect(clippy::disallowed_methods, reason = "measures how long the process has been up")]
fn start_of_process() -> Instant {
    Instant::now()
}

/// What is watched beside the library.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) counts: Arc<ConnectionCounts>,
    pub(super) certificate: Option<Arc<Certificate>>,
    pub(super) deliveries: Arc<DeliveryStatistics>,
}

/// What is read at the moment somebody asks.
#[derive(Debug)]
struct Readings {
    auth: Arc<Auth>,
    seen: Seen,
    start: Instant,
}

impl Collector for Readings {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let encoder = &mut encoder;
        gauge(encoder, "uptime_seconds", "Time since the start", self.start.elapsed().as_secs_f64())?;
        gauge(encoder, "connections_open", "Connections open now", approximate(self.seen.counts.open()))?;
        counter(encoder, "connections_refused", "Connections past max_connections", self.seen.counts.refused())?;
        if let Some(not_after) = self.seen.certificate.as_ref().and_then(|certificate| certificate.not_after()) {
            let seconds = Duration::from_secs(not_after.seconds().unsigned_abs()).as_secs_f64();
            gauge(encoder, "certificate_not_after_seconds", "The end of the certificate, since 1970", seconds)?;
        }
        refused_by_limits(encoder, &self.auth)?;
        counter(encoder, "requests_refused", "Requests past max_connections", self.seen.counts.refused_requests())?;
        let unreadable = doorward_axum::unreadable_forwarding();
        counter(encoder, "forwarding_unreadable", "Hops of trusted proxies that are no address", unreadable)?;
        outbox(encoder, &self.seen.deliveries)?;
        let hashing = self.auth.hashing_pool().statistics();
        gauge(encoder, "hashing_workers", "Threads that hash passwords", approximate(hashing.workers))?;
        gauge(encoder, "hashing_running", "Passwords being hashed now", approximate(hashing.running))?;
        gauge(encoder, "hashing_waiting", "Passwords waiting to be hashed", approximate(hashing.waiting))?;
        counter(encoder, "hashing_done", "Passwords hashed or verified", hashing.hashed)?;
        counter(encoder, "hashing_assisted", "Of these, done by two threads at once", hashing.assisted)?;
        refusals(encoder, hashing.refused)?;
        counter(encoder, "hashing_abandoned", "Passwords whose sender went away", hashing.abandoned)?;
        counter(encoder, "hashing_failed", "Passwords whose hashing failed; the log says why", hashing.failed)?;
        histogram(encoder, "hashing_wait", "Time from a password's coming to its turn", &hashing.waits)?;
        histogram(encoder, "hashing_time", "Time of one hash", &hashing.times)
    }
}

fn refused_by_limits(encoder: &mut DescriptorEncoder<'_>, auth: &Auth) -> fmt::Result {
    let mut counters =
        encoder.encode_descriptor("rate_limited", "Attempts refused by a limit", None, MetricType::Counter)?;
    for (limit, refused) in auth.refused_by_limits() {
        ConstCounter::new(refused).encode(counters.encode_family(&[("limit", limit.name())])?)?;
    }
    Ok(())
}

fn outbox(encoder: &mut DescriptorEncoder<'_>, deliveries: &DeliveryStatistics) -> fmt::Result {
    let (outbox, oldest) = deliveries.outbox();
    let number = |count: u64| approximate(usize::try_from(count).unwrap_or(usize::MAX));
    gauge(encoder, "outbox_waiting", "Letters and webhooks that wait, of all nodes", number(outbox.waiting))?;
    let help = "Age of the oldest of them";
    let age = ConstGauge::new(oldest.as_secs_f64());
    age.encode(encoder.encode_descriptor("outbox_oldest", help, Some(&Unit::Seconds), age.metric_type())?)?;
    gauge(encoder, "outbox_abandoned", "Those given up in the last 30 days", number(outbox.abandoned))?;
    let help = "Attempts of this process to deliver, by kind and outcome";
    let mut family = encoder.encode_descriptor("deliveries", help, None, MetricType::Counter)?;
    for (kind, DeliveryCounts { sent, failed, abandoned }) in deliveries.counts() {
        for (outcome, count) in [("sent", sent), ("failed", failed), ("abandoned", abandoned)] {
            let labels = [("kind", kind.as_str()), ("outcome", outcome)];
            ConstCounter::new(count).encode(family.encode_family(&labels)?)?;
        }
    }
    Ok(())
}

/// The number for a gauge, which knows no integers as large as `usize`.
fn approximate(number: usize) -> f64 {
    u32::try_from(number).unwrap_or(u32::MAX).into()
}

fn gauge(encoder: &mut DescriptorEncoder<'_>, name: &str, help: &str, value: f64) -> fmt::Result {
    let gauge = ConstGauge::new(value);
    gauge.encode(encoder.encode_descriptor(name, help, None, gauge.metric_type())?)
}

fn counter<N>(encoder: &mut DescriptorEncoder<'_>, name: &str, help: &str, value: N) -> fmt::Result
where
    ConstCounter<N>: EncodeMetric,
{
    let counter = ConstCounter::new(value);
    counter.encode(encoder.encode_descriptor(name, help, None, counter.metric_type())?)
}

fn refusals(encoder: &mut DescriptorEncoder<'_>, refusals: Refusals) -> fmt::Result {
    let help = "Passwords refused because of the load: no place, no time, or the place went to another client";
    let mut family = encoder.encode_descriptor("hashing_refused", help, None, MetricType::Counter)?;
    for (cause, count) in [("full", refusals.full), ("late", refusals.late), ("displaced", refusals.displaced)] {
        ConstCounter::new(count).encode(family.encode_family(&[("cause", cause)])?)?;
    }
    Ok(())
}

fn histogram(encoder: &mut DescriptorEncoder<'_>, name: &str, help: &str, durations: &Durations) -> fmt::Result {
    let bounds = Durations::BOUNDS_MILLIS.map(|millis| f64::from(millis) / 1000.0);
    let bounds = bounds.into_iter().chain([f64::INFINITY]);
    let ranges: Vec<_> = bounds.zip(durations.counts).collect();
    let mut metric = encoder.encode_descriptor(name, help, Some(&Unit::Seconds), MetricType::Histogram)?;
    metric.encode_histogram::<NoLabelSet>(durations.sum.as_secs_f64(), durations.count(), &ranges, None)
}
