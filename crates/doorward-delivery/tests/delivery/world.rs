//! A process on a store in memory with a clock that stands, and workers on its outbox.

use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use doorward::outbox::OutboxStatistics;
use doorward::password::{HashParameters, HashingPool, NewPassword, Password, PasswordPolicy, PoolSettings};
use doorward::testing::{MemoryStore, TestClock, block_on};
use doorward::token::keyring::{Keyring, SecretKey};
use doorward::{Auth, EmailAddress, EmailVerification, Origin, TokenPair};
use doorward_delivery::{
    DeliveryCounts, DeliveryStatistics, Links, Mail, MailTransport, SmtpSettings, Templates, Webhooks, Worker,
};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::sink::PATIENCE;

pub(crate) struct World {
    pub(crate) auth: Arc<Auth>,
    pub(crate) clock: Arc<TestClock>,
}

/// A worker that runs until it is told to stop.
pub(crate) struct Running {
    pub(crate) statistics: Arc<DeliveryStatistics>,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Running {
    pub(crate) async fn stop(self) {
        self.stop.send(()).unwrap();
        self.task.await.unwrap();
    }

    /// All kinds together.
    pub(crate) fn counts(&self) -> DeliveryCounts {
        self.statistics.counts().fold(DeliveryCounts::default(), |sum, (_, counts)| DeliveryCounts {
            sent: sum.sent + counts.sent,
            failed: sum.failed + counts.failed,
            abandoned: sum.abandoned + counts.abandoned,
        })
    }
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(|auth| auth)
    }

    pub(crate) fn with(finish: impl FnOnce(Auth) -> Auth) -> Self {
        let (store, clock) = (Arc::new(MemoryStore::new()), Arc::new(TestClock::default()));
        let settings =
            PoolSettings { workers: NonZeroUsize::MIN, ..PoolSettings::new(HashParameters::new(8, 1, 1).unwrap()) };
        let secret = SecretKey::new("wAyJ2tq8Zk5vN0xR7mB4cH9eL1gT6uPd").unwrap();
        let pool = HashingPool::start(settings).unwrap();
        let auth = block_on(Auth::open(store, pool, Keyring::new(secret, Vec::new())))
            .unwrap()
            .with_clock(Arc::clone(&clock) as Arc<dyn doorward::Clock>)
            .danger_without_limits()
            .with_email_verification(EmailVerification::On);
        Self { auth: Arc::new(finish(auth)), clock }
    }

    pub(crate) async fn register(&self, email: &str) -> TokenPair {
        let password = Password::new("correct horse battery staple".to_owned()).unwrap();
        let password = NewPassword::new(password, PasswordPolicy::default()).unwrap();
        self.auth.register(EmailAddress::parse(email).unwrap(), &password, Origin::unknown()).await.unwrap()
    }

    pub(crate) fn later(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }

    /// A worker that sends mail to `smtp_url`.
    pub(crate) fn work(&self, smtp_url: &str) -> Running {
        self.run(mail(smtp_url, None), None)
    }

    pub(crate) fn run(&self, mail: Mail, webhooks: Option<Webhooks>) -> Running {
        let worker = Worker::new(Arc::clone(&self.auth), mail, webhooks).with_interval(Duration::from_millis(10));
        let statistics = worker.statistics();
        let (stop, stopped) = oneshot::channel::<()>();
        let task = tokio::spawn(worker.run(async move { drop(stopped.await) }));
        Running { statistics, stop, task }
    }

    pub(crate) async fn outbox(&self) -> OutboxStatistics {
        self.auth.outbox_statistics().await.unwrap().0
    }
}

pub(crate) fn mail(smtp_url: &str, templates: Option<&Path>) -> Mail {
    let templates = templates.map_or_else(Templates::built_in, Templates::from_folder).unwrap();
    Mail {
        transport: MailTransport::smtp(&SmtpSettings::parse(smtp_url).unwrap()).unwrap(),
        templates,
        links: Links::new("https://auth.example.com").unwrap(),
        from: Mail::mailbox("Example <auth@example.com>").unwrap(),
        service: "Example".to_owned(),
    }
}

/// Waits until that holds.
#[track_caller]
#[expect(clippy::disallowed_methods, reason = "bounds a wait for another task")]
pub(crate) fn until(what: &str, holds: impl AsyncFn() -> bool) -> impl Future<Output = ()> {
    let what = what.to_owned();
    async move {
        let start = Instant::now();
        while !holds().await {
            assert!(start.elapsed() < PATIENCE, "never: {what}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}
