//! Serving an application: connections within bounds, housekeeping beside them, and an orderly end.

mod activity;
mod connection;
pub(crate) mod connections;
mod housekeeping;
mod shares;

use std::future::{Future, IntoFuture};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use doorward::Auth;
use tokio::net::TcpListener;
use tokio::sync::watch;

pub use self::connections::{ConnectionCounts, Connections, ServeLimits, StillOpen};
pub use self::housekeeping::keep_house;

/// How long requests under way may take when it is time to stop.
const DRAIN: Duration = Duration::from_secs(20);

/// Serves `application` on `listener` until SIGTERM or SIGINT (Ctrl-C), then lets requests under way finish, for twenty
/// seconds at most, and closes `auth`.
///
/// What it brings that `axum::serve` doesn't: the client's address, by which Doorward's limits count; bounds on
/// connections, how long they may take for a request's head, and how many of them one network may hold
/// ([`ServeLimits`]); and [housekeeping](keep_house). Deliver letters with
/// [`while_serving`](Serving::while_serving).
///
/// ```no_run
/// # async fn example(auth: std::sync::Arc<doorward::Auth>, application: axum::Router) -> std::io::Result<()> {
/// let listener = tokio::net::TcpListener::bind("127.0.0.1:8080").await?;
/// doorward_axum::serve(listener, application, &auth).await
/// # }
/// ```
pub fn serve(listener: TcpListener, application: Router, auth: &Arc<Auth>) -> Serving {
    Serving {
        listener,
        application,
        auth: Arc::clone(auth),
        limits: ServeLimits::default(),
        beside: Vec::new(),
        stop: Box::pin(told_to_stop()),
    }
}

type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// An application about to be served: `.await` it.
#[must_use = "nothing is served until this is awaited"]
pub struct Serving {
    listener: TcpListener,
    application: Router,
    auth: Arc<Auth>,
    limits: ServeLimits,
    beside: Vec<Box<dyn FnOnce(Stopping) -> Task + Send>>,
    stop: Task,
}

impl std::fmt::Debug for Serving {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Serving").field("limits", &self.limits).finish_non_exhaustive()
    }
}

impl Serving {
    /// The same within other bounds.
    pub fn with_limits(self, limits: ServeLimits) -> Self {
        Self { limits, ..self }
    }

    /// The same with something done beside it, until the last request is answered: it is told by what it is given, and
    /// waited for. `doorward_delivery::Worker`, for one:
    /// `.while_serving(|stopping| worker.run(stopping))`.
    pub fn while_serving<F>(mut self, run: impl FnOnce(Stopping) -> F + Send + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.beside.push(Box::new(|stopping| Box::pin(run(stopping))));
        self
    }

    /// The same until `stop` instead of a signal.
    pub fn until(self, stop: impl Future<Output = ()> + Send + 'static) -> Self {
        Self { stop: Box::pin(stop), ..self }
    }

    async fn run(self) -> io::Result<()> {
        if !self.auth.is_delivery_promised() {
            tracing::warn!(
                event = "nobody_delivers",
                "nobody delivers letters: recovery, verification and invitations are accepted and never sent"
            );
        }
        let stopping = watch::Sender::new(());
        let beside = self.beside.into_iter().map(|run| tokio::spawn(run(Stopping::of(stopping.subscribe()))));
        let beside: Vec<_> = beside.collect();
        let housekeeping = tokio::spawn(keep_house(Arc::clone(&self.auth)));
        let open = Connections::new(&self.limits).serve(self.listener, self.application, self.stop).await;
        if tokio::time::timeout(DRAIN, open.finish()).await.is_err() {
            tracing::warn!(event = "drain_cut", "requests under way took too long: cutting them");
        }
        housekeeping.abort();
        drop(stopping);
        for task in beside {
            let _ = task.await;
        }
        self.auth.close().await;
        Ok(())
    }
}

impl IntoFuture for Serving {
    type Output = io::Result<()>;
    type IntoFuture = Pin<Box<dyn Future<Output = io::Result<()>> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}

/// Resolves when the last request is answered.
pub struct Stopping(Task);

impl Stopping {
    fn of(mut told: watch::Receiver<()>) -> Self {
        // It never changes: its sender is dropped.
        Self(Box::pin(async move { while told.changed().await.is_ok() {} }))
    }
}

impl Future for Stopping {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        self.0.as_mut().poll(context)
    }
}

impl std::fmt::Debug for Stopping {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Stopping")
    }
}

/// SIGTERM or SIGINT; elsewhere than on Unix, Ctrl-C.
async fn told_to_stop() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let Ok(mut terminate) = signal(SignalKind::terminate()) else { return std::future::pending().await };
        tokio::select! {
            _ = terminate.recv() => {}
            _ = tokio::signal::ctrl_c() => {}
        }
    }
    #[cfg(not(unix))]
    let _ = tokio::signal::ctrl_c().await;
}
