//! An account with all that a decision about it may need, and what is done to it as one atomic step.
//!
//! A use case reads an [`Account`], decides, and hands the store an [`Amendment`]: the account as it is to be, with
//! the sessions that end, the events and the messages that go with it. The store writes all of it, if the account
//! still is of the revision that was read, or nothing.

use crate::audit::NewEvent;
use crate::clock::Timestamp;
use crate::outbox::NewMessage;
use crate::password::PasswordHash;
use crate::revocation::EndingKind;
use crate::role::Role;
use crate::second_factor::SecondFactor;
use crate::session::{EndReason, SessionId};
use crate::ticket::Ticket;
use crate::user::{CredentialVersion, User};

/// An account as it is stored: one row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// What everybody but the checks of a login sees.
    pub user: User,
    /// The hash of the password.
    pub password_hash: PasswordHash,
    /// Which password and second factor these are.
    pub version: CredentialVersion,
    /// Whether the password must be changed before anything else is done with it.
    pub must_change_password: bool,
    /// What a login asks for beside the password.
    pub second_factor: Option<SecondFactor>,
    /// The links and codes that were sent and are not used: one a purpose at most.
    pub tickets: Vec<Ticket>,
    /// Counts the changes of this row, logins and rotations left aside.
    pub revision: Revision,
}

/// Counts the changes of an account, so that none is decided on what no longer holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Revision(pub i64);

/// What is written beside a change, in the same step.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Record {
    /// What happened.
    pub events: Vec<NewEvent>,
    /// Who is told.
    pub messages: Vec<NewMessage>,
}

/// What becomes of an account's sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionChange {
    /// Nothing.
    Keep,
    /// All end, but for one when it is named.
    EndAllBut(Option<SessionId>, EndReason),
    /// That one ends.
    End(SessionId, EndReason),
    /// Whoever is in that session has proven once more, at the moment of the amendment, who they are.
    Reauthenticated(SessionId),
}

/// A change of one account, to be carried out whole or not at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Amendment {
    /// The account as it is to be. Its revision is the one that was read.
    pub account: Account,
    /// What becomes of its sessions.
    pub sessions: SessionChange,
    /// What access tokens must learn of the account itself.
    pub endings: Vec<EndingKind>,
    /// Whether there must be another active administrator.
    pub needs_other_admin: bool,
    /// What is written with it.
    pub record: Record,
    /// The moment of the change.
    pub now: Timestamp,
}

impl Amendment {
    /// Makes `after` of `before`. What follows by itself is added: another password or second factor, and a password
    /// that must be changed from now on, make a new [`CredentialVersion`], so that no login that began before ends
    /// after it, and kill the links that were sent before to recover or move the account; a deactivation ends every
    /// session, and the last administrator can't be lost.
    pub fn new(before: &Account, mut after: Account, now: Timestamp) -> Self {
        after.revision = before.revision;
        after.version = before.version;
        let is_new = after.password_hash != before.password_hash
            || after.second_factor.is_some() != before.second_factor.is_some()
            || after.user.email.key() != before.user.email.key()
            || (after.must_change_password && !before.must_change_password);
        if is_new {
            // Whoever changes a password or an address may do so because of what another has begun.
            after.tickets.retain(|ticket| !ticket.dies_with_credentials() || !before.tickets.contains(ticket));
            after.version = CredentialVersion(before.version.0 + 1);
        }
        let mut endings = Vec::new();
        let (was, is) = (&before.user, &after.user);
        if was.role != is.role {
            endings.push(EndingKind::RoleChanged(is.id, is.role));
        }
        let mut sessions = SessionChange::Keep;
        if was.is_active && !is.is_active {
            endings.push(EndingKind::Deactivated(is.id));
            sessions = SessionChange::EndAllBut(None, EndReason::Deactivated);
        } else if !was.is_active && is.is_active {
            endings.push(EndingKind::Reactivated(is.id));
        }
        let needs_other_admin = is_acting_admin(was) && !is_acting_admin(is);
        Self { account: after, sessions, endings, needs_other_admin, record: Record::default(), now }
    }

    /// Keeps the same password under another hash, if one is given: no new [`CredentialVersion`].
    pub(crate) fn rehashing(before: &Account, hash: Option<PasswordHash>, now: Timestamp) -> Self {
        let mut amendment = Self::new(before, before.clone(), now);
        if let Some(hash) = hash {
            amendment.account.password_hash = hash;
        }
        amendment
    }

    /// The same with that change of sessions.
    #[must_use]
    pub fn with_sessions(self, sessions: SessionChange) -> Self {
        Self { sessions, ..self }
    }

    /// The same with that record.
    #[must_use]
    pub fn with_record(self, record: Record) -> Self {
        Self { record, ..self }
    }
}

/// The erasure of an account: its row and its sessions go, its events keep neither address nor client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Erasure {
    /// The account as it was read.
    pub account: Account,
    /// What is written with it.
    pub record: Record,
    /// The moment.
    pub now: Timestamp,
}

impl Erasure {
    /// Whether there must be another active administrator.
    pub fn needs_other_admin(&self) -> bool {
        is_acting_admin(&self.account.user)
    }
}

fn is_acting_admin(user: &User) -> bool {
    user.is_active && user.role == Role::Admin
}

/// What became of an [`Amendment`] or an [`Erasure`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Amended {
    /// It is done.
    Done,
    /// The account was changed since it was read, or is gone: nothing happened.
    Stale,
    /// Another account has the address: nothing happened.
    AddressTaken,
    /// There is no other active administrator: nothing happened.
    LastAdmin,
}
