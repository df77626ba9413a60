//! Audit events: what happened to an account, by whom, from where. Never a secret.
//!
//! An event is written in the transaction of what it tells of, so there is neither one without the other, and
//! afterwards it is never changed; only the erasure of an account takes from its events what tells of the person.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;

use crate::clock::Timestamp;
use crate::origin::{Actor, Origin};
use crate::session::SessionId;
use crate::text::is_disruptive;
use crate::user::UserId;

/// The most bytes that are kept of what a client calls itself.
const USER_AGENT_BYTES: usize = 256;
/// The most bytes that are kept of a request's id.
const REQUEST_ID_BYTES: usize = 128;

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EventKind {
    /// A person made an account and is logged in.
    UserRegistered,
    /// An operator or administrator made an account.
    UserCreated,
    /// An administrator made an account and its owner was sent an invitation.
    UserInvited,
    /// Somebody logged in.
    Login,
    /// A password was refused, or the account lets nobody in; `reason` among the details.
    LoginRefused,
    /// The password was right, and a second factor is asked for.
    SecondFactorRequired,
    /// A session was ended by its refresh token.
    Logout,
    /// A person ended all of their sessions.
    LogoutAll,
    /// One session was ended from another, or by an administrator.
    SessionEnded,
    /// An administrator ended all sessions of an account.
    SessionsEnded,
    /// A spent refresh token came back, and its session was ended.
    RefreshTokenReuse,
    /// A person proved once more who they are.
    Reauthenticated,
    /// A person failed to prove once more who they are.
    ReauthenticationRefused,
    /// The password was changed by whoever knows the old one.
    PasswordChanged,
    /// A change of the password was refused, since the old one was wrong.
    PasswordChangeRefused,
    /// The password must be changed at the next login.
    PasswordChangeForced,
    /// A message to verify the address was asked for.
    EmailVerificationRequested,
    /// The address was proven.
    EmailVerified,
    /// A message to recover the account was asked for.
    RecoveryRequested,
    /// The account was recovered: it has a new password.
    Recovered,
    /// Whoever was invited chose a password.
    InvitationAccepted,
    /// A link or code was refused; its `purpose` is among the details.
    TicketRefused,
    /// A new address was named, and a message sent there.
    EmailChangeRequested,
    /// The account has a new address.
    EmailChanged,
    /// A change of address was called off or taken back by who reads the mail of the old one; `change` among the details.
    EmailKept,
    /// A second factor was added.
    SecondFactorEnabled,
    /// The second factor was removed.
    SecondFactorDisabled,
    /// A code of the second factor was refused.
    SecondFactorRefused,
    /// A recovery code was used up.
    RecoveryCodeUsed,
    /// The recovery codes were made anew.
    RecoveryCodesRenewed,
    /// The person changed what is told of them.
    ProfileChanged,
    /// The account has another role.
    RoleChanged,
    /// The account was deactivated.
    UserDeactivated,
    /// The account was reactivated.
    UserReactivated,
    /// A person took a copy of everything that is kept of them.
    DataExported,
    /// The account was erased.
    UserErased,
    /// Somebody who is no administrator asked for what is an administrator's. Once a minute and account; the log has
    /// every one.
    AdminAccessRefused,
    /// An administrator or operator took a copy of the audit trail.
    EventsExported,
}

use EventKind::{
    AdminAccessRefused, DataExported, EmailChangeRequested, EmailChanged, EmailKept, EmailVerificationRequested,
    EmailVerified, EventsExported, InvitationAccepted, Login, LoginRefused, Logout, LogoutAll, PasswordChangeForced,
    PasswordChangeRefused, PasswordChanged, ProfileChanged, Reauthenticated, ReauthenticationRefused, Recovered,
    RecoveryCodeUsed, RecoveryCodesRenewed, RecoveryRequested, RefreshTokenReuse, RoleChanged, SecondFactorDisabled,
    SecondFactorEnabled, SecondFactorRefused, SecondFactorRequired, SessionEnded, SessionsEnded, TicketRefused,
    UserCreated, UserDeactivated, UserErased, UserInvited, UserReactivated, UserRegistered,
};

/// Every kind with its name in the database, in logs and in webhooks, in the order of [`EventKind`].
const NAMES: [(EventKind, &str); 38] = [
    (UserRegistered, "user_registered"),
    (UserCreated, "user_created"),
    (UserInvited, "user_invited"),
    (Login, "login"),
    (LoginRefused, "login_refused"),
    (SecondFactorRequired, "second_factor_required"),
    (Logout, "logout"),
    (LogoutAll, "logout_all"),
    (SessionEnded, "session_ended"),
    (SessionsEnded, "sessions_ended"),
    (RefreshTokenReuse, "refresh_token_reuse"),
    (Reauthenticated, "reauthenticated"),
    (ReauthenticationRefused, "reauthentication_refused"),
    (PasswordChanged, "password_changed"),
    (PasswordChangeRefused, "password_change_refused"),
    (PasswordChangeForced, "password_change_forced"),
    (EmailVerificationRequested, "email_verification_requested"),
    (EmailVerified, "email_verified"),
    (RecoveryRequested, "recovery_requested"),
    (Recovered, "recovered"),
    (InvitationAccepted, "invitation_accepted"),
    (TicketRefused, "ticket_refused"),
    (EmailChangeRequested, "email_change_requested"),
    (EmailChanged, "email_changed"),
    (EmailKept, "email_kept"),
    (SecondFactorEnabled, "second_factor_enabled"),
    (SecondFactorDisabled, "second_factor_disabled"),
    (SecondFactorRefused, "second_factor_refused"),
    (RecoveryCodeUsed, "recovery_code_used"),
    (RecoveryCodesRenewed, "recovery_codes_renewed"),
    (ProfileChanged, "profile_changed"),
    (RoleChanged, "role_changed"),
    (UserDeactivated, "user_deactivated"),
    (UserReactivated, "user_reactivated"),
    (DataExported, "data_exported"),
    (UserErased, "user_erased"),
    (AdminAccessRefused, "admin_access_refused"),
    (EventsExported, "events_exported"),
];

impl EventKind {
    /// Every kind.
    pub fn all() -> impl Iterator<Item = Self> {
        NAMES.iter().map(|(kind, _)| *kind)
    }

    /// Its name in the database, in logs and in webhooks.
    pub const fn as_str(self) -> &'static str {
        NAMES[self as usize].1
    }

    /// The kind of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::all().find(|kind| kind.as_str() == name)
    }
}

impl fmt::Display for EventKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// By whom and from where, as it is kept: an [`Origin`] whose texts are cut and free of control characters.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Cause {
    /// On whose behalf.
    pub actor: Actor,
    /// The client's address.
    pub address: Option<IpAddr>,
    /// What the client calls itself, 256 bytes of it at most.
    pub user_agent: Option<String>,
    /// The id under which the log has the request.
    pub request_id: Option<String>,
}

impl From<Origin<'_>> for Cause {
    fn from(origin: Origin<'_>) -> Self {
        Self {
            actor: origin.actor,
            address: origin.address,
            user_agent: origin.user_agent.map(|text| harmless(text, USER_AGENT_BYTES)),
            request_id: origin.request_id.map(|text| harmless(text, REQUEST_ID_BYTES)),
        }
    }
}

/// Without what breaks a line or turns text round, and `limit` bytes at most.
fn harmless(text: &str, limit: usize) -> String {
    let mut kept = String::with_capacity(text.len().min(limit));
    for character in text.chars().filter(|character| !is_disruptive(*character)) {
        if kept.len() + character.len_utf8() > limit {
            break;
        }
        kept.push(character);
    }
    kept
}

/// What else an event tells, by name. Never a secret, and nothing that a stranger typed.
pub type Details = BTreeMap<String, String>;

/// An event to be recorded. Whose account it is about, and which session where it isn't said here, the store knows:
/// it is the one that is written in the same step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewEvent {
    /// When.
    pub at: Timestamp,
    /// What.
    pub kind: EventKind,
    /// In or about which session.
    pub session: Option<SessionId>,
    /// By whom, from where.
    pub cause: Cause,
    /// What else there is to tell.
    pub details: Details,
}

impl NewEvent {
    /// An event of that kind.
    pub fn new(kind: EventKind, origin: Origin<'_>, at: Timestamp) -> Self {
        Self { at, kind, session: None, cause: origin.into(), details: Details::new() }
    }

    /// The same about that session.
    #[must_use]
    pub fn about(self, session: SessionId) -> Self {
        Self { session: Some(session), ..self }
    }

    /// The same with one more detail.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.details.insert(name.to_owned(), value.into());
        self
    }

    /// Writes the event's line to the log: after it is committed.
    pub(crate) fn log(&self, user: Option<UserId>) {
        let (event, actor) = (self.kind.as_str(), self.cause.actor);
        let user_id = user.map(UserId::value);
        let session_id = self.session.map(tracing::field::display);
        let address = self.cause.address.map(tracing::field::display);
        let details = (!self.details.is_empty()).then(|| serde_json::to_string(&self.details).unwrap_or_default());
        let details = details.as_deref();
        if self.kind.is_warning() {
            tracing::warn!(event, user_id, session_id, %actor, address, details);
        } else {
            tracing::info!(event, user_id, session_id, %actor, address, details);
        }
    }
}

impl EventKind {
    /// Whether an operator may want to look at it: something was taken away, or somebody may be an attacker.
    const fn is_warning(self) -> bool {
        matches!(
            self,
            RefreshTokenReuse
                | PasswordChangeForced
                | RoleChanged
                | SecondFactorDisabled
                | UserDeactivated
                | UserReactivated
                | UserErased
                | AdminAccessRefused
                | EventsExported
        )
    }
}

/// An event's place among all: later ones have higher places.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventPosition(pub i64);

/// An event as it was recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Its place.
    pub position: EventPosition,
    /// Whose account it is about; `None` when it is nobody's.
    pub user_id: Option<UserId>,
    /// What happened.
    pub what: NewEvent,
}

/// Which events to list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventQuery {
    /// Only of this account.
    pub user_id: Option<UserId>,
    /// Only of this kind.
    pub kind: Option<EventKind>,
    /// Only from this moment on.
    pub since: Option<Timestamp>,
    /// Only from before this moment.
    pub until: Option<Timestamp>,
    /// Only those before this place: where the page before ended.
    pub before: Option<EventPosition>,
    /// How many at most.
    pub limit: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_its_own_name() {
        for (index, (kind, name)) in NAMES.into_iter().enumerate() {
            assert_eq!((kind as usize, kind.as_str(), EventKind::from_name(name)), (index, name, Some(kind)));
        }
    }

    #[test]
    fn what_a_client_calls_itself_is_cut_and_cannot_break_a_line() {
        let cause = Cause::from(Origin::unknown().with_user_agent(Some("a\r\nb\u{1b}[31m\u{85}c")));
        assert_eq!(cause.user_agent.as_deref(), Some("ab[31mc"));
        let long = "é".repeat(200);
        let cause = Cause::from(Origin::unknown().with_user_agent(Some(&long)));
        assert_eq!(cause.user_agent.unwrap().len(), 256);
    }
}
