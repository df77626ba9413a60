//! Letters: what a person is told by mail. Written into the outbox in the transaction that gives cause for them, sealed;
//! rendered and sent by a worker.

use std::fmt;

use serde::{Deserialize, Serialize};
use zeroize::Zeroize;

use crate::auth::Auth;
use crate::clock::Timestamp;
use crate::error::Fault;
use crate::outbox::{Message, MessageKind, NewMessage};
use crate::random::random_uuid;
use crate::sealing::Label;
use crate::ticket::{Purpose, TicketSecret};
use crate::user::User;

pub(crate) const LETTER_LABEL: Label = Label("doorward letter v1");

/// A letter to one address.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Letter {
    /// Where it goes.
    pub to: String,
    /// Who it is for, when their name is known.
    pub name: Option<String>,
    /// What it says.
    #[serde(flatten)]
    pub content: LetterContent,
    /// When it was written, in microseconds since the Unix epoch.
    pub at: i64,
}

impl fmt::Debug for Letter {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Letter").field("kind", &self.content.name()).finish_non_exhaustive()
    }
}

/// What a letter says.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum LetterContent {
    /// A link and a code to prove that the address is theirs.
    VerifyEmail(TicketSecret),
    /// A link and a code to choose a new password.
    Recover(TicketSecret),
    /// A link to choose the first password.
    Invitation(TicketSecret),
    /// A link and a code to make this the account's address.
    ChangeEmail(TicketSecret),
    /// To the old address: the account has another one now.
    EmailChanged {
        /// Which.
        new_address: String,
        /// A link that takes it back.
        #[serde(default)]
        keep: Option<TicketSecret>,
    },
    /// To the present address: somebody asked for another one, which is not yet proven.
    EmailChangeRequested {
        /// Which.
        new_address: String,
        /// A link that keeps the present one.
        #[serde(default)]
        keep: Option<TicketSecret>,
    },
    /// Somebody wanted to register with the address, which this account has.
    AddressInUse,
    /// The password was changed.
    PasswordChanged,
    /// A second factor was added.
    SecondFactorEnabled,
    /// The second factor was removed.
    SecondFactorDisabled,
    /// A recovery code was used to log in.
    RecoveryCodeUsed {
        /// How many are left.
        left: usize,
    },
    /// The recovery codes were made anew.
    RecoveryCodesRenewed,
    /// To that person and to every administrator: somebody became an administrator, or is one no longer.
    AdministratorChanged {
        /// The address of the account.
        account: String,
        /// Whether it is an administrator's from now on.
        is_admin: bool,
    },
}

impl LetterContent {
    /// The name of its template.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::VerifyEmail(_) => "verify_email",
            Self::Recover(_) => "recover",
            Self::Invitation(_) => "invitation",
            Self::ChangeEmail(_) => "change_email",
            Self::EmailChanged { .. } => "email_changed",
            Self::EmailChangeRequested { .. } => "email_change_requested",
            Self::AddressInUse => "address_in_use",
            Self::PasswordChanged => "password_changed",
            Self::SecondFactorEnabled => "second_factor_enabled",
            Self::SecondFactorDisabled => "second_factor_disabled",
            Self::RecoveryCodeUsed { .. } => "recovery_code_used",
            Self::RecoveryCodesRenewed => "recovery_codes_renewed",
            Self::AdministratorChanged { .. } => "administrator_changed",
        }
    }
}

impl LetterContent {
    /// The names of all templates.
    pub const NAMES: [&'static str; 13] = [
        "verify_email",
        "recover",
        "invitation",
        "change_email",
        "email_changed",
        "password_changed",
        "second_factor_enabled",
        "second_factor_disabled",
        "recovery_code_used",
        "email_change_requested",
        "recovery_codes_renewed",
        "administrator_changed",
        "address_in_use",
    ];

    /// What makes the letter's link and code good, and for what; `None` when it only tells something.
    pub const fn ticket(&self) -> Option<(Purpose, &TicketSecret)> {
        match self {
            Self::VerifyEmail(secret) => Some((Purpose::VerifyEmail, secret)),
            Self::Recover(secret) => Some((Purpose::Recover, secret)),
            Self::Invitation(secret) => Some((Purpose::Invitation, secret)),
            Self::ChangeEmail(secret) => Some((Purpose::ChangeEmail, secret)),
            Self::EmailChanged { keep, .. } | Self::EmailChangeRequested { keep, .. } => match keep {
                Some(secret) => Some((Purpose::KeepEmail, secret)),
                None => None,
            },
            Self::AddressInUse
            | Self::PasswordChanged
            | Self::SecondFactorEnabled
            | Self::SecondFactorDisabled
            | Self::RecoveryCodeUsed { .. }
            | Self::RecoveryCodesRenewed
            | Self::AdministratorChanged { .. } => None,
        }
    }
}

impl fmt::Debug for LetterContent {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

impl Auth {
    /// A letter to the address of `user`, for the outbox.
    pub(crate) fn letter_to(&self, user: &User, content: LetterContent, now: Timestamp) -> Result<NewMessage, Fault> {
        self.letter(user.email.as_str(), user.full_name.clone(), content, now)
    }

    /// A letter to that address, for the outbox.
    pub(crate) fn letter(
        &self,
        to: &str,
        name: Option<String>,
        content: LetterContent,
        now: Timestamp,
    ) -> Result<NewMessage, Fault> {
        let letter = Letter { to: to.to_owned(), name, content, at: now.micros() };
        let mut plain = serde_json::to_vec(&letter).unwrap_or_default();
        let sealed = self.sealer().seal(LETTER_LABEL, &plain)?;
        plain.zeroize();
        self.expect_delivery();
        Ok(NewMessage { id: random_uuid()?, kind: MessageKind::Mail, sealed, created_at: now })
    }

    /// The letter in a message of the outbox; `None` when it isn't one, or its secret is no longer kept.
    pub fn open_letter(&self, message: &Message) -> Option<Letter> {
        let plain = self.sealer().open(LETTER_LABEL, &message.sealed).filter(|_| message.kind == MessageKind::Mail)?;
        serde_json::from_slice(&plain).ok()
    }
}
