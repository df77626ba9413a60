//! Settings of mail and webhooks.

use std::path::PathBuf;

use doorward::EmailVerification;
use doorward_delivery::{Links, Mailbox, SmtpSettings, WebhookSecret};

/// What is sent, where through, and what it says of itself.
#[derive(Debug)]
pub struct Delivery {
    /// Where links lead. `None`: to where the service listens.
    pub links: Option<Links>,
    /// Whether the pages are served that links lead to.
    pub account_pages: bool,
    /// What is asked of the addresses of new accounts.
    pub email_verification: EmailVerification,
    /// The mail server. `None`: letters reach nobody.
    pub smtp: Option<SmtpSettings>,
    /// Whether the log has letters with their links instead, which somebody must have said on purpose.
    pub letters_in_log: bool,
    /// Whom letters are from.
    pub from: Mailbox,
    /// Templates that take the place of those in the program.
    pub template_dir: Option<PathBuf>,
    /// Where events go.
    pub webhook: Option<Receiver>,
}

/// Where events go, and the secrets that sign them.
#[derive(Debug)]
pub struct Receiver {
    /// The address.
    pub url: String,
    /// The secrets, each of which makes a signature.
    pub secrets: Vec<WebhookSecret>,
}
