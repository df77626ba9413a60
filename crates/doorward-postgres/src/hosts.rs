//! The hosts of one URL: one that is silent must keep us neither from the next nor from an answer.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use deadpool_postgres::Connect;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tokio_postgres::config::LoadBalanceHosts;
use tokio_postgres::{Client, Config, Connection, Error, Socket};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::connection::TlsStream;
use crate::error::Fault;

type Connected = Result<(Client, JoinHandle<()>), Error>;

/// The same URL once for each host that it names before the path.
pub(crate) fn each(url: &str) -> Vec<String> {
    let Some((scheme, rest)) = url.split_once("://") else { return vec![url.to_owned()] };
    let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    let (user, hosts) = authority.split_at(authority.find('@').map_or(0, |at| at + 1));
    hosts.split(',').map(|host| format!("{scheme}://{user}{host}{path}")).collect()
}

/// Whether the URL leaves the order of its hosts to us.
pub(crate) fn may_choose(config: &Config) -> bool {
    config.get_load_balance_hosts() == LoadBalanceHosts::Disable
}

/// How long is waited for a host.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Waits {
    /// For a connection, all hosts together.
    pub(crate) connect: Duration,
    /// For an answer, until it is asked whether it is there at all; and for the answer to that.
    pub(crate) silence: Duration,
}

/// The hosts, and which of them answered last.
pub(crate) struct Hosts {
    hosts: Vec<Host>,
    tls: MakeRustlsConnect,
    waits: Waits,
    last: AtomicUsize,
}

struct Host {
    config: Config,
    /// Whether somebody is finding out if it is there.
    is_asked: AtomicBool,
    /// Tells all who wait for it that it is not.
    silences: Notify,
}

impl Hosts {
    pub(crate) fn new(configs: Vec<Config>, tls: MakeRustlsConnect, waits: Waits) -> Arc<Self> {
        let host = |config| Host { config, is_asked: AtomicBool::new(false), silences: Notify::new() };
        Arc::new(Self { hosts: configs.into_iter().map(host).collect(), tls, waits, last: AtomicUsize::new(0) })
    }

    /// The number of the one that answered last.
    pub(crate) fn last(&self) -> usize {
        self.last.load(Ordering::Relaxed)
    }

    /// Comes to its end when the host is found to be silent: a machine that hangs, or that nothing reaches any more.
    ///
    /// The kernel of a machine whose processes hang still says that it has received everything, so no time-out of
    /// TCP notices; and a statement that waits for a lock is as silent. A connection made anew tells the two apart.
    pub(crate) async fn silence(&self, number: usize) {
        let host = &self.hosts[number];
        let doubts = async {
            loop {
                sleep(self.waits.silence).await;
                // Of all who wait one asks.
                if !host.is_asked.swap(true, Ordering::AcqRel) {
                    let _turn = Turn(&host.is_asked);
                    if timeout(self.waits.silence, host.config.connect(self.tls.clone())).await.is_err() {
                        return;
                    }
                }
            }
        };
        tokio::select! {
            // Who is told so asks no more, though it is their turn just now.
            biased;
            () = host.silences.notified() => {}
            () = doubts => {
                tracing::warn!(event = "database_silent", "the database server does not answer: its connections are given up");
                let next = (number + 1) % self.hosts.len();
                // What is asked for next begins elsewhere.
                let _ = self.last.compare_exchange(number, next, Ordering::Relaxed, Ordering::Relaxed);
                host.silences.notify_waiters();
            }
        }
    }

    /// Connects to the host that answered last, and else to the others in their order.
    ///
    /// The driver's own way from host to host has no time-out once a socket is open: a machine that hangs, and
    /// still takes connections, would be waited for until nothing of the time is left for the next.
    async fn connect(&self) -> Connected {
        let count = self.hosts.len();
        let share = self.waits.connect / u32::try_from(count).unwrap_or(u32::MAX);
        let begin = self.last();
        let mut refusal = None;
        for number in (begin..begin + count).map(|number| number % count) {
            match timeout(share, self.connect_to(number)).await {
                Ok(Ok(connected)) => return Ok(connected),
                Ok(Err(error)) => refusal = Some(error),
                Err(_) => {}
            }
        }
        match refusal {
            Some(error) => Err(error),
            // All were silent, and the time is over: the caller ends this.
            None => self.connect_to(begin).await,
        }
    }

    /// A connection of the caller's own, to the host that answered last and else to the next.
    pub(crate) async fn connect_unpooled(&self) -> Result<(Client, Connection<Socket, TlsStream>), Fault> {
        let share = self.waits.connect / u32::try_from(self.hosts.len()).unwrap_or(u32::MAX);
        let begin = self.last();
        let mut fault = Fault::ConnectTimedOut;
        for host in self.hosts.iter().cycle().skip(begin).take(self.hosts.len()) {
            match timeout(share, host.config.connect(self.tls.clone())).await {
                Ok(Ok(connected)) => return Ok(connected),
                Ok(Err(error)) => fault = error.into(),
                Err(_) => {}
            }
        }
        Err(fault)
    }

    /// How long an answer may take whose statement takes no time.
    pub(crate) const fn silence_timeout(&self) -> Duration {
        self.waits.silence
    }

    async fn connect_to(&self, number: usize) -> Connected {
        let (client, connection) = self.hosts[number].config.connect(self.tls.clone()).await?;
        self.last.store(number, Ordering::Relaxed);
        // Why it broke, the operation that was on it hears.
        Ok((client, tokio::spawn(async { drop(connection.await) })))
    }
}

/// What the pool makes its connections with.
pub(crate) struct FirstToAnswer(pub(crate) Arc<Hosts>);

impl Connect for FirstToAnswer {
    fn connect(&self, _: &Config) -> Pin<Box<dyn Future<Output = Connected> + Send + '_>> {
        Box::pin(self.0.connect())
    }
}

/// Gives the turn at asking back, also when who had it has its answer meanwhile.
struct Turn<'a>(&'a AtomicBool);

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    #[test]
    fn a_url_is_taken_apart_by_its_hosts() {
        for (url, expected) in [
            ("postgres://db", &["postgres://db"][..]),
            ("postgres://a,b:2/x?options=c,d", &["postgres://a/x?options=c,d", "postgres://b:2/x?options=c,d"]),
            (
                "postgresql://ada:p%2Cw@a:1,b?user=z",
                &["postgresql://ada:p%2Cw@a:1?user=z", "postgresql://ada:p%2Cw@b?user=z"],
            ),
            ("postgres://ada:p,w@%2Frun,[::1]:5/x", &["postgres://ada:p,w@%2Frun/x", "postgres://ada:p,w@[::1]:5/x"]),
        ] {
            assert_eq!(each(url), expected);
            assert!(each(url).iter().all(|url| url.parse::<Config>().is_ok()), "{url}");
        }
    }

    /// Only against hanging for ever; no test is about it.
    const PATIENCE: Duration = Duration::from_secs(60);

    fn hosts(addresses: &[std::net::SocketAddr]) -> Arc<Hosts> {
        let addresses: Vec<_> = addresses.iter().map(ToString::to_string).collect();
        let url = format!("postgres://x@{}/x?sslmode=disable", addresses.join(","));
        let (_, tls) = crate::tls::read_url(&url).unwrap();
        let configs = each(&url).iter().map(|url| crate::tls::read_url(url).unwrap().0).collect();
        let waits = Waits { connect: Duration::from_millis(200), silence: Duration::from_millis(50) };
        Hosts::new(configs, MakeRustlsConnect::new(tls.client_config().unwrap()), waits)
    }

    /// One that takes connections and says nothing.
    async fn silent() -> TcpListener {
        TcpListener::bind("127.0.0.1:0").await.unwrap()
    }

    /// One that refuses them.
    async fn refusing() -> std::net::SocketAddr {
        TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
    }

    #[tokio::test]
    async fn a_host_that_hangs_leaves_time_for_the_next_wherever_it_stands() {
        let (silent, refusing) = (silent().await, refusing().await);
        for order in [[silent.local_addr().unwrap(), refusing], [refusing, silent.local_addr().unwrap()]] {
            let refusal = timeout(PATIENCE, hosts(&order).connect()).await.unwrap();
            assert!(refusal.is_err(), "the one that refuses was asked, and the other not waited for");
        }
    }

    #[tokio::test]
    async fn a_host_that_hangs_is_found_out_by_all_who_wait_and_left() {
        let (silent, refusing) = (silent().await, refusing().await);
        let hosts = hosts(&[silent.local_addr().unwrap(), refusing]);
        let waiting = async { tokio::join!(hosts.silence(0), hosts.silence(0), hosts.silence(0)) };
        timeout(PATIENCE, waiting).await.unwrap();
        assert_eq!(hosts.last(), 1);
        let mut asked = 0;
        while timeout(Duration::ZERO, silent.accept()).await.is_ok() {
            asked += 1;
        }
        assert_eq!(asked, 1, "one asks for all");
    }

    #[tokio::test]
    async fn a_host_that_answers_is_not_silent_whatever_it_says() {
        let hosts = hosts(&[refusing().await]);
        assert!(timeout(Duration::from_millis(500), hosts.silence(0)).await.is_err());
    }
}
