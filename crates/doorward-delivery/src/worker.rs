//! The worker: takes what is due, delivers it, and says how it went.
//!
//! Any number of processes may run one. A message is leased to one of them at a time, and longer than an attempt can
//! take; the lease of a worker that died ends, and another gets the message.
//!
//! Each kind of message has places of its own: none waits for another's receiver.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use doorward::outbox::{Message, MessageKind};
use doorward::{Auth, Fault};
use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};

use crate::backoff::{is_given_up, wait};
use crate::breaker::Breaker;
use crate::mail::Mail;
use crate::outcome::{Obstacle, Undelivered};
use crate::statistics::DeliveryStatistics;
use crate::webhooks::Webhooks;

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
        auth.promise_delivery();
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
        let (stopping, stopped) = watch::channel(false);
        let lane = |kind| Lane::new(kind, &self).run(stopped.clone());
        let [recovery, mail, webhooks] = MessageKind::ALL.map(lane);
        let stop = async move {
            stop.await;
            let _ = stopping.send(true);
        };
        tokio::join!(stop, recovery, mail, webhooks, self.measure(stopped.clone()));
    }

    async fn measure(&self, mut stopped: watch::Receiver<bool>) {
        while !*stopped.borrow_and_update() {
            self.deliveries.measure().await;
            let _ = tokio::time::timeout(self.interval * MEASURE_EVERY, stopped.changed()).await;
        }
    }
}

/// Delivers the messages of one kind.
struct Lane {
    kind: MessageKind,
    /// How many at once.
    places: usize,
    deliveries: Arc<Deliveries>,
    interval: Duration,
    under_way: JoinSet<Reception>,
    breaker: Breaker,
    /// For how long to leave the receiver alone now.
    rest: Option<Duration>,
}

/// What an attempt says of the receiver.
enum Reception {
    Works,
    Fails,
}

impl Lane {
    fn new(kind: MessageKind, worker: &Worker) -> Self {
        let places = match kind {
            MessageKind::Recovery => 4,
            MessageKind::Mail | MessageKind::Webhook => 8,
        };
        let (deliveries, interval) = (Arc::clone(&worker.deliveries), worker.interval);
        Self { kind, places, deliveries, interval, under_way: JoinSet::new(), breaker: Breaker::default(), rest: None }
    }

    async fn run(mut self, mut stopped: watch::Receiver<bool>) {
        while !*stopped.borrow_and_update() {
            let rest = self.rest.take();
            let pause = match rest {
                Some(rest) => rest,
                None => self.take().await,
            };
            let is_full = rest.is_none() && self.free_places() == 0;
            tokio::select! {
                _ = stopped.changed() => {}
                // A place is free: there may be more that is due.
                Some(outcome) = self.under_way.join_next(), if is_full => self.note(&outcome),
                () = tokio::time::sleep(pause) => {}
            }
            while let Some(outcome) = self.under_way.try_join_next() {
                self.note(&outcome);
            }
        }
        let rest = async { while self.under_way.join_next().await.is_some() {} };
        if tokio::time::timeout(GRACE, rest).await.is_err() {
            tracing::warn!(
                event = "delivery_cut",
                kind = self.kind.as_str(),
                "deliveries under way are cut; they are tried again after their lease"
            );
        }
    }

    fn free_places(&self) -> usize {
        self.breaker.places(self.places).saturating_sub(self.under_way.len())
    }

    /// Begins what is due and has a place; says how long to wait before the next look.
    async fn take(&mut self) -> Duration {
        let places = self.free_places();
        if places == 0 {
            return self.interval;
        }
        match self.deliveries.auth.take_messages(self.kind, u32::try_from(places).unwrap_or(1), LEASE).await {
            Ok(taken) => {
                let has_more = taken.len() == places;
                for message in taken {
                    let deliveries = Arc::clone(&self.deliveries);
                    self.under_way.spawn(async move { deliveries.attempt(message).await });
                }
                if has_more && self.free_places() > 0 { Duration::ZERO } else { self.interval }
            }
            Err(error) => {
                tracing::warn!(event = "outbox_unreadable", kind = self.kind.as_str(), %error);
                PAUSE
            }
        }
    }

    /// What is still under way when a receiver is left alone was begun before: it says nothing new.
    fn note(&mut self, outcome: &Result<Reception, JoinError>) {
        match outcome {
            Ok(Reception::Works) => self.breaker.worked(),
            Ok(Reception::Fails) if self.rest.is_none() && self.under_way.len() < self.breaker.places(self.places) => {
                self.rest = self.breaker.failed().map(|looks| self.interval * looks);
                if let Some(rest) = self.rest {
                    let seconds = rest.as_secs();
                    tracing::warn!(event = "receiver_rests", kind = self.kind.as_str(), seconds);
                }
            }
            Ok(Reception::Fails) | Err(_) => {}
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
    async fn attempt(&self, message: Message) -> Reception {
        let (id, kind, attempts) = (message.id, message.kind, message.attempts);
        let outcome = match tokio::time::timeout(ATTEMPT, self.deliver(&message)).await {
            Ok(outcome) => outcome,
            Err(_) => Err(Undelivered::by_receiver("it took too long")),
        };
        let is_receivers = |failure: &Undelivered| failure.obstacle == Obstacle::Receiver;
        let reception = if outcome.as_ref().is_err_and(is_receivers) { Reception::Fails } else { Reception::Works };
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
        reception
    }

    async fn note_failure(&self, message: &Message, failure: &Undelivered) -> Result<(), Fault> {
        let (id, kind, attempts) = (message.id, message.kind.as_str(), message.attempts);
        let pause = wait(message.kind, attempts, luck());
        if failure.obstacle == Obstacle::Message || is_given_up(message.created_at, attempts, pause, self.auth.now()) {
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
                self.mail.deliver(&letter, message, self.auth.now()).await
            }
            MessageKind::Webhook => {
                let event = self.auth.open_webhook(message).ok_or_else(unreadable)?;
                let webhooks = self.webhooks.as_ref().ok_or_else(|| Undelivered::for_ever("there is no receiver"))?;
                // Whoever erased the account is not told the address of nobody.
                let user = match message.user_id {
                    Some(id) => {
                        self.auth.find_user(id).await.map_err(|fault| Undelivered::for_now(fault.to_string()))?
                    }
                    None => None,
                };
                webhooks.deliver(&event, (message, user.as_ref()), self.auth.now()).await
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
