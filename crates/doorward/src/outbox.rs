//! The outbox: messages written in the transaction that gives cause for them, delivered by a worker afterwards.
//!
//! What a message says is sealed under a key made of the secret: it may hold a link that opens an account.

use std::time::Duration;

use uuid::Uuid;

use crate::auth::Auth;
use crate::clock::Timestamp;
use crate::error::Fault;
use crate::user::UserId;

/// What kind of message it is: who delivers it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MessageKind {
    /// A letter to a person.
    Mail,
    /// An event for the application's own server.
    Webhook,
    /// A wish to recover an account, to be looked into off the request's path: whether there is such an account must
    /// not show in how long the answer takes.
    Recovery,
}

impl MessageKind {
    /// Every kind, the most urgent first.
    pub const ALL: [Self; 3] = [Self::Recovery, Self::Mail, Self::Webhook];

    /// The name in the database and in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Mail => "mail",
            Self::Webhook => "webhook",
            Self::Recovery => "recovery",
        }
    }

    /// The kind of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}

/// A message to be written. The store adds whose account it is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewMessage {
    /// Its name, the same however often it is sent.
    pub id: Uuid,
    /// What kind.
    pub kind: MessageKind,
    /// What it says, sealed.
    pub sealed: Vec<u8>,
    /// When it was written, and from when on it is to be sent.
    pub created_at: Timestamp,
}

/// A message that a worker has taken: nobody else gets it until the lease ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Its name.
    pub id: Uuid,
    /// What kind.
    pub kind: MessageKind,
    /// Whose account it is about.
    pub user_id: Option<UserId>,
    /// What it says, sealed.
    pub sealed: Vec<u8>,
    /// When it was written.
    pub created_at: Timestamp,
    /// How often it was taken, this time included.
    pub attempts: u32,
}

/// What a worker asks the outbox for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Taking {
    /// Messages of this kind only: none is to wait for another kind's receiver.
    pub kind: MessageKind,
    /// The present moment: only what is due by then.
    pub now: Timestamp,
    /// Until when nobody else gets what is taken.
    pub leased_until: Timestamp,
    /// How many at most.
    pub limit: u32,
}

/// How the delivery of a message went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// It was delivered, or has nobody to go to any more: it goes.
    Done,
    /// Not this time: it is due again at that moment.
    Again(Timestamp),
    /// It can't be delivered. What it said is forgotten; that there was such a message stays for a while.
    Abandoned(Timestamp),
}

/// How full the outbox is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OutboxStatistics {
    /// How many messages wait, taken ones included.
    pub waiting: u64,
    /// When the oldest of them was written.
    pub oldest: Option<Timestamp>,
    /// How many were abandoned and are still known.
    pub abandoned: u64,
}

/// What a worker that delivers asks for.
impl Auth {
    /// Takes up to `limit` messages of that kind that are due; nobody else gets them for the length of `lease`.
    ///
    /// # Errors
    ///
    /// [`Fault::Store`] when the store can't serve.
    pub async fn take_messages(&self, kind: MessageKind, limit: u32, lease: Duration) -> Result<Vec<Message>, Fault> {
        let now = self.clock.now();
        // What is taken is opened next.
        self.fresh_sealer().await?;
        Ok(self.store.take_messages(Taking { kind, now, leased_until: now.plus(lease), limit }).await?)
    }

    /// The message was delivered, or has nobody to go to.
    ///
    /// # Errors
    ///
    /// [`Fault::Store`] when the store can't serve: it will be delivered again.
    pub async fn message_done(&self, id: Uuid) -> Result<(), Fault> {
        Ok(self.store.settle_message(id, Delivery::Done).await?)
    }

    /// The message is to be tried again after that time.
    ///
    /// # Errors
    ///
    /// [`Fault::Store`] when the store can't serve: it is due when its lease ends.
    pub async fn message_again(&self, id: Uuid, after: Duration) -> Result<(), Fault> {
        let due_at = self.clock.now().plus(after);
        Ok(self.store.settle_message(id, Delivery::Again(due_at)).await?)
    }

    /// The message can't be delivered: what it said is forgotten.
    ///
    /// # Errors
    ///
    /// [`Fault::Store`] when the store can't serve.
    pub async fn message_abandoned(&self, id: Uuid) -> Result<(), Fault> {
        Ok(self.store.settle_message(id, Delivery::Abandoned(self.clock.now())).await?)
    }

    /// How full the outbox is, and how long its oldest message has waited.
    ///
    /// # Errors
    ///
    /// [`Fault::Store`] when the store can't serve.
    pub async fn outbox_statistics(&self) -> Result<(OutboxStatistics, Option<Duration>), Fault> {
        let statistics = self.store.outbox_statistics().await?;
        let now = self.clock.now();
        Ok((statistics, statistics.oldest.map(|oldest| now.since(oldest))))
    }
}
