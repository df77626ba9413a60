//! `serve`: from the settings to an orderly end.

mod metrics;
mod process;
mod signals;
pub(crate) mod tls;
pub(crate) mod warnings;

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use doorward::Auth;
use doorward_axum::{BACKLOG, Connections, RouterOptions, ServeLimits};
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::oneshot;
use tokio_rustls::TlsAcceptor;

use self::metrics::{Metrics, Seen};
use self::signals::Signals;
use self::tls::Certificate;
use crate::application;
use crate::delivery;
use crate::failure::Failure;
use crate::logging;
use crate::settings::Settings;

/// Connections served at once where metrics are read.
const METRICS_CONNECTIONS: usize = 16;
/// How long the runtime may take to let go of its threads.
const RUNTIME_END: Duration = Duration::from_secs(1);

/// Serves until a signal to stop, then ends in order.
pub(crate) fn run(settings: &Settings) -> Result<ExitCode, Failure> {
    let _logging = logging::start(settings)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(Failure::because)?;
    let outcome = runtime.block_on(serve(settings));
    runtime.shutdown_timeout(RUNTIME_END);
    match outcome {
        Ok(()) => Ok(ExitCode::SUCCESS),
        // With errors switched off the reason goes out unformatted rather than not at all.
        Err(failure) if !tracing::enabled!(tracing::Level::ERROR) => Err(failure),
        Err(failure) => {
            tracing::error!(event = "failed", "{failure}");
            Ok(ExitCode::FAILURE)
        }
    }
}

async fn serve(settings: &Settings) -> Result<(), Failure> {
    let mut signals = Signals::listen().map_err(Failure::because)?;
    let auth = Arc::new(application::open_for_serving(settings).await?);
    let outcome = serve_until_stopped(settings, &auth, &mut signals).await;
    let forced = || Failure::new("stopped at once by a second signal");
    if matches!(outcome, Ok(Ending::Forced)) {
        return Err(forced());
    }
    tokio::select! {
        () = auth.close() => {}
        _ = signals.next() => return Err(forced()),
    }
    outcome?;
    tracing::info!(event = "stopped", "stopped");
    Ok(())
}

/// How serving came to its end.
enum Ending {
    /// Requests under way were finished, or had their time.
    Orderly,
    /// A second signal.
    Forced,
}

async fn serve_until_stopped(settings: &Settings, auth: &Arc<Auth>, signals: &mut Signals) -> Result<Ending, Failure> {
    let listener = bind("bind", settings.bind)?;
    let metrics_listener = match settings.metrics_bind {
        Some(address) => Some(bind("metrics_bind", address)?),
        None => None,
    };
    let certificate = settings.tls.as_ref().map(Certificate::load).transpose()?;
    let acceptor = certificate.as_ref().map(acceptor).transpose()?;
    let connections = Connections::new(&limits(settings, settings.max_connections));
    let connections = match acceptor {
        Some(acceptor) => connections.with_tls(acceptor),
        None => connections,
    };
    let worker = delivery::worker(settings, auth, address_of(&listener)?)?;
    let mut router = doorward_axum::router(Arc::clone(auth), &router_options(settings));
    if let Some(listener) = metrics_listener {
        let seen =
            Seen { counts: connections.counts(), certificate: certificate.clone(), deliveries: worker.statistics() };
        let metrics = Arc::new(Metrics::new(Arc::clone(auth), seen));
        router = metrics::observed(router, &metrics);
        tracing::info!(event = "metrics", "metrics on http://{}/metrics", address_of(&listener)?);
        let separate = Connections::new(&limits(settings, METRICS_CONNECTIONS));
        tokio::spawn(separate.serve(listener, metrics::routes(metrics), std::future::pending()));
    }
    announce(settings, &listener)?;
    process::prepare(settings.max_connections);
    let (stop_delivering, stopped) = oneshot::channel::<()>();
    let deliveries = tokio::spawn(worker.run(async move { drop(stopped.await) }));
    let housekeeping = tokio::spawn(doorward_axum::keep_house(Arc::clone(auth)));
    if let Some(certificate) = certificate {
        tokio::spawn(tls::keep_current(certificate));
    }
    let ending = serve_connections(settings, connections, (listener, router), signals).await?;
    housekeeping.abort();
    // What the last requests gave cause for is in the outbox, and goes when somebody serves again.
    drop(stop_delivering);
    if matches!(ending, Ending::Orderly) {
        tokio::select! {
            _ = deliveries => {}
            _ = signals.next() => return Ok(Ending::Forced),
        }
    }
    Ok(ending)
}

async fn serve_connections(
    settings: &Settings,
    connections: Connections,
    (listener, router): (TcpListener, Router),
    signals: &mut Signals,
) -> Result<Ending, Failure> {
    let deaf = || Failure::new("connections are no longer accepted, by a defect of the program");
    let (stop, stopped) = oneshot::channel::<()>();
    // A task like those that it spawns: from this thread each would have to wake a thread of the runtime.
    let mut serving = tokio::spawn(connections.serve(listener, router, async move { drop(stopped.await) }));
    tokio::select! {
        signal = signals.next() => {
            tracing::info!(event = "stopping", signal, "stopping: no new connections, requests under way may finish");
        }
        // It panicked: better no server than a deaf one.
        _ = &mut serving => return Err(deaf()),
    }
    drop(stop);
    let open = serving.await.map_err(|_| deaf())?;
    Ok(tokio::select! {
        () = open.finish() => Ending::Orderly,
        () = tokio::time::sleep(settings.shutdown_grace) => {
            tracing::warn!(event = "drain_cut", "shutdown_grace_seconds are over: cutting requests under way");
            Ending::Orderly
        }
        _ = signals.next() => Ending::Forced,
    })
}

fn limits(settings: &Settings, max_connections: usize) -> ServeLimits {
    ServeLimits {
        max_connections,
        header_timeout: settings.header_timeout,
        idle_timeout: settings.idle_timeout,
        trusted_proxies: settings.trusted_proxies.clone(),
    }
}

fn acceptor(certificate: &Arc<Certificate>) -> Result<TlsAcceptor, Failure> {
    Ok(TlsAcceptor::from(Arc::new(certificate.server_config()?)))
}

fn router_options(settings: &Settings) -> RouterOptions {
    let mut options = RouterOptions::default();
    options.allowed_origins.clone_from(&settings.allowed_origins);
    options.trusted_proxies.clone_from(&settings.trusted_proxies);
    options.account_pages = settings.delivery.account_pages;
    options
}

fn bind(setting: &str, address: SocketAddr) -> Result<TcpListener, Failure> {
    let bind = || {
        let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        // On Windows it would mean something else, and be unsafe.
        #[cfg(unix)]
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        socket.listen(BACKLOG)
    };
    bind().map_err(|error| Failure::new(format!("cannot listen on {setting} = {address}: {error}")))
}

fn address_of(listener: &TcpListener) -> Result<SocketAddr, Failure> {
    listener.local_addr().map_err(Failure::because)
}

/// Says where it listens, where its data is, and what is unsafe about the settings.
fn announce(settings: &Settings, listener: &TcpListener) -> Result<(), Failure> {
    let version = env!("CARGO_PKG_VERSION");
    tracing::info!(event = "starting", version, database = %settings.database, "doorward {version}");
    for warning in warnings::warnings(settings) {
        tracing::warn!(event = "insecure", "{warning}");
    }
    let scheme = if settings.tls.is_some() { "https" } else { "http" };
    tracing::info!(event = "listening", "listening on {scheme}://{}", address_of(listener)?);
    Ok(())
}
