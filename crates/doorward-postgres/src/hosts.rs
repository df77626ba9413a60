//! Several hosts in one URL: one that is silent must not keep us from the next.

use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use deadpool_postgres::Connect;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_postgres::config::LoadBalanceHosts;
use tokio_postgres::{Client, Config, Error};
use tokio_postgres_rustls::MakeRustlsConnect;

type Connected = Result<(Client, JoinHandle<()>), Error>;

/// The same URL once for each host that it names before the path.
pub(crate) fn each(url: &str) -> Vec<String> {
    let Some((scheme, rest)) = url.split_once("://") else { return vec![url.to_owned()] };
    let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    let (user, hosts) = authority.split_at(authority.find('@').map_or(0, |at| at + 1));
    hosts.split(',').map(|host| format!("{scheme}://{user}{host}{path}")).collect()
}

/// Connects to the host that answered last, and else to the others in their order.
///
/// The driver's own way from host to host has no time-out once a socket is open: a machine that hangs, and
/// still takes connections, would be waited for until nothing of the time is left for the next.
pub(crate) struct FirstToAnswer {
    configs: Vec<Config>,
    tls: MakeRustlsConnect,
    patience: Duration,
    last: AtomicUsize,
}

impl FirstToAnswer {
    /// `patience` is for all hosts together; the caller ends the last attempt.
    pub(crate) fn new(configs: Vec<Config>, tls: MakeRustlsConnect, patience: Duration) -> Self {
        Self { configs, tls, patience, last: AtomicUsize::new(0) }
    }

    /// Whether the URL leaves the order of its hosts to us.
    pub(crate) fn may_choose(config: &Config) -> bool {
        config.get_load_balance_hosts() == LoadBalanceHosts::Disable
    }

    async fn first(&self) -> Connected {
        let count = self.configs.len().max(1);
        let share = self.patience / u32::try_from(count).unwrap_or(u32::MAX);
        let begin = self.last.load(Ordering::Relaxed);
        for index in (begin..begin + count - 1).map(|index| index % count) {
            if let Ok(Ok(connected)) = timeout(share, self.connect_to(index)).await {
                return Ok(connected);
            }
        }
        self.connect_to((begin + count - 1) % count).await
    }

    async fn connect_to(&self, index: usize) -> Connected {
        let (client, connection) = self.configs[index].connect(self.tls.clone()).await?;
        self.last.store(index, Ordering::Relaxed);
        // Why it broke, the operation that was on it hears.
        Ok((client, tokio::spawn(async { drop(connection.await) })))
    }
}

impl Connect for FirstToAnswer {
    fn connect(&self, _: &Config) -> Pin<Box<dyn Future<Output = Connected> + Send + '_>> {
        Box::pin(self.first())
    }
}

#[cfg(test)]
mod tests {
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

    #[tokio::test]
    async fn a_host_that_hangs_leaves_time_for_the_next() {
        // One that takes connections and says nothing, and one that refuses them.
        let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let refusing = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let url = format!("postgres://x@{},{refusing}/x?sslmode=disable", silent.local_addr().unwrap());
        let (_, tls) = crate::tls::read_url(&url).unwrap();
        let configs = each(&url).iter().map(|url| crate::tls::read_url(url).unwrap().0).collect();
        let connector = MakeRustlsConnect::new(tls.client_config().unwrap());
        let hosts = FirstToAnswer::new(configs, connector, Duration::from_millis(200));
        let refusal = timeout(Duration::from_secs(60), hosts.first()).await.unwrap();
        assert!(refusal.is_err(), "the second was asked");
    }
}
