//! Delivers what the outbox of [`doorward`] holds: letters over SMTP, events as webhooks, and wishes to recover an
//! account, which are looked into off the request's path.
//!
//! | looking for | look at |
//! | --- | --- |
//! | the worker: leases, retries, the orderly end | [`Worker`] |
//! | what a letter says | [`Templates`], in `templates/`, each file of which can be replaced |
//! | where links lead | [`Links`] |
//! | how mail is sent, or only logged | [`MailTransport`] |
//! | webhooks (Standard Webhooks) | [`Webhooks`] |
//!
//! A message is written in the transaction that gives cause for it, so none is lost and none is sent for what didn't
//! happen. It is sent at least once, and once only unless a process dies between the mail server's word and the note of
//! it; then the second copy has the same `Message-ID` (or `webhook-id`).

mod backoff;
mod breaker;
mod links;
mod mail;
mod outcome;
mod smtp;
mod statistics;
mod templates;
mod view;
mod webhooks;
mod worker;

pub use lettre::message::Mailbox;
pub use links::{InvalidPublicUrl, Links};
pub use mail::{Mail, MailSetupError, MailTransport};
pub use outcome::{Obstacle, Undelivered};
pub use smtp::{InvalidSmtpUrl, SmtpSettings};
pub use statistics::{DeliveryCounts, DeliveryStatistics};
pub use templates::{Rendered, TemplateFault, Templates};
pub use view::View;
pub use webhooks::{InvalidWebhook, WebhookSecret, Webhooks};
pub use worker::Worker;
