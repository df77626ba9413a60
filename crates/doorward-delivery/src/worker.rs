//! The worker: takes what is due, delivers it, and says how it went.
//!
//! Any number of processes may run one. A message is leased to one of them at a time, and longer than an attempt can
//! take; the lease of a worker that died ends, and another gets the message.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use doorward::outbox::{Message, MessageKind};
use doorward::{Auth, Fault};
use tokio::task::JoinSet;

use crate::backoff::{is_given_up, wait};
use crate::mail::Mail;
use crate::outcome::Undelivered;
use crate::statistics::DeliveryStatistics;
use crate::webhooks::Webhooks;

/// How many messages are delivered at once.
const CONCURRENT: usize = 8;
/// How long one attempt may take, with all its commands.
const ATTEMPT: Duration = Duration::from_secs(60);
/// How long a message belongs to who took it: longer than an attempt and the note of its outcome.
const LEASE: Duration = Duration::from_secs(120);
/// How often the outbox is looked into when nothing is known to be due.
const INTERVAL: Duration = Duration::from_secs(1);
/// How long to leave a store alone that can't serve.
const PAUSE: Duration = Duration::from_secs(5);
/// How often the outbox is measured.
const MEASURE_EVERY: u32 = 15;
/// How long deliveries under way may take when the worker is stopped.
const GRACE: Duration = Duration::from_secs(10);

/// Delivers what the outbox of an [`Auth`] holds.
#[derive(Debug)]
pub struct Worker {
    deliveries: Arc<Deliveries>,
    interval: Duration,
}

#[derive(Debug)]
struct Deliveries {
    auth: Arc<Auth>,
    mail: Mail,
    webhooks: Option<Webhooks>,
    statistics: Arc<DeliveryStatistics>,
}

impl Worker {
    /// A worker on the outbox of `auth`.
    pub fn new(auth: Arc<Auth>, mail: Mail, webhooks: Option<Webhooks>) -> Self {
        let statistics = Arc::new(DeliveryStatistics::default());
        Self { deliveries: Arc::new(Deliveries { auth, mail, webhooks, statistics }), interval: INTERVAL }
    }

    /// The same looking into the outbox that often; once a second unless said otherwise.
    #[must_use]
    pub fn with_interval(self, interval: Duration) -> Self {
        Self { interval, ..self }
    }

    /// What became of messages so far.
    pub fn statistics(&self) -> Arc<DeliveryStatistics> {
        Arc::clone(&self.deliveries.statistics)
    }

    /// Delivers until `stop` comes true; then takes nothing more and gives what is under way ten seconds.
    pub async fn run(self, stop: impl Future<Output = ()>) {
        let mut stop = pin!(stop);
        let mut under_way = JoinSet::new();
        let mut looks = 0_u32;
        loop {
            if looks.is_multiple_of(MEASURE_EVERY) {
                self.deliveries.measure().await;
            }
            looks = looks.wrapping_add(1);
            let pause = self.take(&mut under_way).await;
            tokio::select! {
                biased;
                () = &mut stop => break,
                // A place is free: there may be more that is due.
                Some(_) = under_way.join_next(), if under_way.len() == CONCURRENT => {}
                () = tokio::time::sleep(pause) => {}
            }
            while under_way.try_join_next().is_some() {}
        }
        let rest = async { while under_way.join_next().await.is_some() {} };
        if tokio::time::timeout(GRACE, rest).await.is_err() {
            tracing::warn!(
                event = "delivery_cut",
                "deliveries under way are cut; they are tried again after their lease"
            );
        }
    }

    /// Begins what is due and has a place; says how long to wait before the next look.
    async fn take(&self, under_way: &mut JoinSet<()>) -> Duration {
        let places = CONCURRENT.saturating_sub(under_way.len());
        if places == 0 {
            return self.interval;
        }
        match self.deliveries.auth.take_messages(u32::try_from(places).unwrap_or(1), LEASE).await {
            Ok(taken) => {
                let has_more = taken.len() == places;
                for message in taken {
                    let deliveries = Arc::clone(&self.deliveries);
                    under_way.spawn(async move { deliveries.attempt(message).await });
                }
                if has_more && under_way.len() < CONCURRENT { Duration::ZERO } else { self.interval }
            }
            Err(error) => {
                tracing::warn!(event = "outbox_unreadable", %error);
                PAUSE
            }
        }
    }
}

impl Deliveries {
    async fn measure(&self) {
        if let Ok((statistics, oldest)) = self.auth.outbox_statistics().await {
            self.statistics.note_outbox(statistics, oldest);
        }
    }

    /// One attempt, and the note of its outcome. Without the note the message comes again after its lease.
    async fn attempt(&self, message: Message) {
        let (id, kind, attempts) = (message.id, message.kind, message.attempts);
        let outcome = match tokio::time::timeout(ATTEMPT, self.deliver(&message)).await {
            Ok(outcome) => outcome,
            Err(_) => Err(Undelivered::for_now("it took too long")),
        };
        let noted = match outcome {
            Ok(()) => {
                self.statistics.note_sent(kind);
                tracing::debug!(event = "delivered", kind = kind.as_str(), message_id = %id, attempts);
                self.auth.message_done(id).await
            }
            Err(failure) => self.note_failure(&message, &failure).await,
        };
        if let Err(error) = noted {
            tracing::warn!(event = "delivery_unnoted", kind = kind.as_str(), message_id = %id, %error);
        }
    }

    async fn note_failure(&self, message: &Message, failure: &Undelivered) -> Result<(), Fault> {
        let (id, kind, attempts) = (message.id, message.kind.as_str(), message.attempts);
        let pause = wait(attempts, luck());
        if failure.is_final || is_given_up(message.created_at, attempts, pause, self.auth.now()) {
            self.statistics.note_abandoned(message.kind);
            tracing::error!(event = "delivery_abandoned", kind, message_id = %id, attempts, reason = failure.reason);
            return self.auth.message_abandoned(id).await;
        }
        self.statistics.note_failed(message.kind);
        let seconds = pause.as_secs();
        tracing::warn!(event = "delivery_failed", kind, message_id = %id, attempts, seconds, reason = failure.reason);
        self.auth.message_again(id, pause).await
    }

    async fn deliver(&self, message: &Message) -> Result<(), Undelivered> {
        match message.kind {
            MessageKind::Mail => {
                let letter = self.auth.open_letter(message).ok_or_else(unreadable)?;
                let good_until =
                    letter.content.ticket().map(|(purpose, _)| message.created_at.plus(purpose.lifetime()));
                if good_until.is_some_and(|until| self.auth.now() >= until) {
                    return Err(Undelivered::for_ever("its link is no longer good"));
                }
                self.mail.deliver(&letter, message).await
            }
            MessageKind::Webhook => {
                let event = self.auth.open_webhook(message).ok_or_else(unreadable)?;
                let webhooks = self.webhooks.as_ref().ok_or_else(|| Undelivered::for_ever("there is no receiver"))?;
                webhooks.deliver(&event, message, self.auth.now()).await
            }
            MessageKind::Recovery => {
                let handled = self.auth.handle_recovery(message).await;
                handled.map(drop).map_err(|fault| Undelivered::for_now(fault.to_string()))
            }
        }
    }
}

fn unreadable() -> Undelivered {
    Undelivered::for_ever("it was sealed under a secret that is no longer kept")
}

/// A number from all 256. Should there be no randomness, waits are merely alike.
fn luck() -> u8 {
    let mut byte = [0];
    getrandom::fill(&mut byte).map_or(0, |()| byte[0])
}
