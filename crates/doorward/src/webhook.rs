//! What an application's own server is told: events, in the outbox, sealed until a worker delivers them.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::audit::NewEvent;
use crate::auth::Auth;
use crate::error::Fault;
use crate::outbox::{Message, MessageKind, NewMessage};
use crate::random::random_uuid;
use crate::sealing::{Label, Sealer};
use crate::user::UserId;

pub(crate) const WEBHOOK_LABEL: Label = Label("doorward webhook v1");

/// An event as an application's server reads it. Whose account it is about, the worker adds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WebhookEvent {
    /// The kind, by its name.
    #[serde(rename = "type")]
    pub kind: String,
    /// When, in microseconds since the Unix epoch.
    pub at: i64,
    /// By whom, where from and the rest, as an administrator sees it.
    pub data: Value,
}

/// The message that tells of `event`.
pub(crate) fn message(event: &NewEvent, sealer: &Sealer) -> Result<NewMessage, Fault> {
    let cause = &event.cause;
    let data = serde_json::json!({
        "session_id": event.session.map(|session| session.to_string()),
        "actor": cause.actor.name(),
        "actor_id": cause.actor.user_id().map(UserId::value),
        "address": cause.address,
        "user_agent": cause.user_agent,
        "request_id": cause.request_id,
        "details": event.details,
    });
    let told = WebhookEvent { kind: event.kind.as_str().to_owned(), at: event.at.micros(), data };
    let plain = serde_json::to_vec(&told).unwrap_or_default();
    Ok(NewMessage {
        id: random_uuid()?,
        kind: MessageKind::Webhook,
        sealed: sealer.seal(WEBHOOK_LABEL, &plain)?,
        created_at: event.at,
    })
}

impl Auth {
    /// The event in a message of the outbox; `None` when it isn't one, or its secret is no longer kept.
    pub fn open_webhook(&self, message: &Message) -> Option<WebhookEvent> {
        let plain =
            self.sealer().open(WEBHOOK_LABEL, &message.sealed).filter(|_| message.kind == MessageKind::Webhook)?;
        serde_json::from_slice(&plain).ok()
    }
}
