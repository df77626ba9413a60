//! Tickets: what a link or a code in a letter is good for, as it is stored with the account.
//!
//! A ticket holds hashes only. The link's secret has 256 random bits, so its SHA-256 tells nothing; the short code is
//! hashed with a key that is not in the database.

use std::fmt;
use std::time::Duration;

use base64_simd::URL_SAFE_NO_PAD;
use hmac::Mac;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::auth::Auth;
use crate::clock::Timestamp;
use crate::error::Fault;
use crate::random::random_bytes;
use crate::sealing::Label;
use crate::session::SessionId;
use crate::token::keyring::keyed;
use crate::user::UserId;

/// Sets the key that hashes codes apart from every other use of the secret.
pub(crate) const CODE_LABEL: Label = Label("doorward ticket codes v1");
/// How many digits a code has.
const CODE_DIGITS: usize = 8;
/// How long a code is good.
pub const CODE_LIFETIME: Duration = Duration::from_secs(30 * 60);
/// How long what changes the ways into an account can be taken back by whoever reads its mail.
pub const YOUNG: Duration = Duration::from_secs(3 * 24 * 60 * 60);
/// The bytes of a link's secret.
const SECRET_BYTES: usize = 32;

/// What a ticket is good for, and for nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// Proving that the account's address is its owner's.
    VerifyEmail,
    /// Choosing a new password without the old one.
    Recover,
    /// Giving the account a new address.
    ChangeEmail,
    /// Choosing the first password of an account that an administrator made.
    Invitation,
    /// Keeping the address that the account has or had until lately, whoever wants another one.
    KeepEmail,
}

impl Purpose {
    /// How long its link is good: half an hour for what opens an account or moves it, a day for what proves an address,
    /// three for what takes a change back, a week for who was invited and may be away.
    pub const fn lifetime(self) -> Duration {
        match self {
            Self::Recover | Self::ChangeEmail => Duration::from_secs(30 * 60),
            Self::VerifyEmail => Duration::from_secs(24 * 60 * 60),
            Self::KeepEmail => YOUNG,
            Self::Invitation => Duration::from_secs(7 * 24 * 60 * 60),
        }
    }

    /// The name in links, events and templates.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::VerifyEmail => "verify_email",
            Self::Recover => "recover",
            Self::ChangeEmail => "change_email",
            Self::Invitation => "invitation",
            Self::KeepEmail => "keep_email",
        }
    }
}

/// A link and a code that were sent and can be used, once, for one purpose.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ticket {
    /// What for.
    pub purpose: Purpose,
    /// The address it was sent to: the account's, or the one the account is to have.
    pub email: String,
    /// SHA-256 of the link's secret.
    pub secret_hash: [u8; 32],
    /// Keyed hash of the code; `None` where there is none, and once it was guessed at too often.
    pub code_hash: Option<[u8; 32]>,
    /// Wrong codes so far.
    pub wrong_codes: u32,
    /// When the link dies, in microseconds since the Unix epoch.
    pub expires_at: i64,
    /// When the code dies, likewise.
    pub code_expires_at: i64,
    /// The session that asked for it and that it dies with, where it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<SessionId>,
}

impl Ticket {
    /// Whether the link is good at that moment.
    pub const fn is_alive(&self, now: Timestamp) -> bool {
        now.micros() < self.expires_at
    }

    /// Whether it was asked for when the account had the password and address that it had, and means nothing after.
    pub(crate) const fn dies_with_credentials(&self) -> bool {
        matches!(self.purpose, Purpose::Recover | Purpose::ChangeEmail)
    }

    /// Whether it stays whatever becomes of the account: nobody who is in it can get rid of what takes it back.
    pub(crate) const fn lasts(&self) -> bool {
        matches!(self.purpose, Purpose::KeepEmail)
    }

    /// When it was made.
    pub(crate) fn issued_at(&self) -> Timestamp {
        Timestamp::from_micros(self.expires_at).minus(self.purpose.lifetime())
    }
}

/// The tickets of an account as the store keeps them: JSON, or nothing when there are none.
pub fn to_stored(tickets: &[Ticket]) -> Option<String> {
    // Numbers, strings and arrays: nothing of it can fail to be written.
    (!tickets.is_empty()).then(|| serde_json::to_string(tickets).unwrap_or_default())
}

/// The tickets that a store kept; `None` when they can't be read.
pub fn from_stored(text: Option<&str>) -> Option<Vec<Ticket>> {
    text.map_or(Some(Vec::new()), |text| serde_json::from_str(text).ok())
}

/// What makes a ticket good: the secret of its link and its code. Only the letter has it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
pub struct TicketSecret {
    secret: [u8; SECRET_BYTES],
    /// The short code, for who can't follow a link; empty where there is none.
    pub code: String,
}

impl fmt::Debug for TicketSecret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("TicketSecret(…)")
    }
}

impl TicketSecret {
    /// The token of the link: the account's number and the secret, base64url without padding.
    pub fn token(&self, user: UserId) -> String {
        URL_SAFE_NO_PAD.encode_to_string([&user.value().to_be_bytes()[..], &self.secret].concat())
    }
}

/// The account's number and the hash of the secret in a link's token; `None` when it is no such token.
pub(crate) fn parse_token(token: &str) -> Option<(UserId, [u8; 32])> {
    let mut bytes = URL_SAFE_NO_PAD.decode_to_vec(token).ok()?;
    let (id, secret) = bytes.split_first_chunk::<8>()?;
    let parsed = (secret.len() == SECRET_BYTES).then(|| Sha256::digest(secret).into());
    let user = UserId::new(i64::from_be_bytes(*id));
    bytes.zeroize();
    Some((user?, parsed?))
}

/// The keyed hash of a code, good for that ticket alone.
pub(crate) fn hash_code(key: &[u8; 32], secret_hash: &[u8; 32], code: &str) -> [u8; 32] {
    keyed(key).chain_update(secret_hash).chain_update(code).finalize().into_bytes().into()
}

impl Auth {
    /// A new ticket for `email`, and what makes it good. It takes the place of an older one of its purpose.
    pub(crate) fn issue_ticket(
        &self,
        purpose: Purpose,
        email: &str,
        now: Timestamp,
    ) -> Result<(Ticket, TicketSecret), Fault> {
        let secret: [u8; SECRET_BYTES] = random_bytes()?;
        let secret_hash = Sha256::digest(secret).into();
        // 64 random bits for 26.6: the bias is under 2^-37.
        let number = u64::from_be_bytes(random_bytes()?) % 10_u64.pow(8);
        let code = format!("{number:0CODE_DIGITS$}");
        let ticket = Ticket {
            purpose,
            email: email.to_owned(),
            secret_hash,
            code_hash: Some(hash_code(&self.sealer().derived(CODE_LABEL), &secret_hash, &code)),
            wrong_codes: 0,
            expires_at: now.plus(purpose.lifetime()).micros(),
            code_expires_at: now.plus(CODE_LIFETIME.min(purpose.lifetime())).micros(),
            session: None,
        };
        Ok((ticket, TicketSecret { secret, code }))
    }
}

impl Auth {
    /// The same with a link alone: nothing that could be guessed.
    pub(crate) fn issue_link(
        &self,
        purpose: Purpose,
        email: &str,
        now: Timestamp,
    ) -> Result<(Ticket, TicketSecret), Fault> {
        let (ticket, secret) = self.issue_ticket(purpose, email, now)?;
        Ok((Ticket { code_hash: None, ..ticket }, TicketSecret { secret: secret.secret, code: String::new() }))
    }
}

/// Puts `ticket` in the place of the older one of its purpose; of several addresses each keeps its own way back.
pub(crate) fn replace(tickets: &mut Vec<Ticket>, ticket: Ticket) {
    tickets.retain(|older| older.purpose != ticket.purpose || (older.lasts() && older.email != ticket.email));
    tickets.push(ticket);
}

/// Those that last.
pub(crate) fn lasting(tickets: &[Ticket]) -> Vec<Ticket> {
    tickets.iter().filter(|ticket| ticket.lasts()).cloned().collect()
}
