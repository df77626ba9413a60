//! Sessions, and the one place where the fate of a presented refresh token is decided.
//!
//! A session is a single row. Rotation rewrites it in place; nothing grows with the number of
//! refreshes. Every store loads the row, calls [`decide`], and applies the [`Decision`] in the same
//! atomic step (lock or compare-and-swap), so all stores behave alike and none has rules of its own.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::account::Record;
use crate::clock::Timestamp;
use crate::random::{RandomnessError, random_uuid};
use crate::token::refresh::{SealedSecret, SecretHash, SessionHandle};
use crate::user::UserId;

/// The public name of a session: the `sid` claim. Random, and of no use to a thief.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct SessionId(Uuid);

impl SessionId {
    /// A fresh random id.
    ///
    /// # Errors
    ///
    /// [`RandomnessError`] when the operating system gives no random bytes.
    pub fn generate() -> Result<Self, RandomnessError> {
        random_uuid().map(Self)
    }

    /// The id that is this UUID.
    pub const fn from_uuid(uuid: Uuid) -> Self {
        Self(uuid)
    }

    /// The UUID.
    pub const fn as_uuid(&self) -> &Uuid {
        &self.0
    }
}

/// The text is not a session id in its one canonical form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a session id")]
pub struct InvalidSessionId;

impl FromStr for SessionId {
    type Err = InvalidSessionId;

    /// Reads the spelling that is written: hyphenated, in lower case (RFC 9562, section 4).
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let id = Uuid::try_parse(text).map(Self).map_err(|_| InvalidSessionId)?;
        if id.to_string() == text { Ok(id) } else { Err(InvalidSessionId) }
    }
}

impl From<SessionId> for String {
    fn from(id: SessionId) -> Self {
        id.to_string()
    }
}

impl TryFrom<String> for SessionId {
    type Error = InvalidSessionId;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// A session to be opened at login or registration.
#[derive(Debug, Clone)]
pub struct NewSession {
    /// Its public name.
    pub id: SessionId,
    /// What its refresh tokens carry.
    pub handle: SessionHandle,
    /// The hash of its first refresh token.
    pub current: SecretHash,
    /// The moment of the login.
    pub created_at: Timestamp,
    /// When the first refresh token dies unused.
    pub expires_at: Timestamp,
    /// What the person may know the device by.
    pub device: Option<String>,
    /// Where the login came from.
    pub address: Option<IpAddr>,
}

/// A session as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Its public name.
    pub id: SessionId,
    /// What its refresh tokens carry.
    pub handle: SessionHandle,
    /// Whose it is.
    pub user_id: UserId,
    /// When it was opened.
    pub created_at: Timestamp,
    /// When the person last proved in it who they are.
    pub authenticated_at: Timestamp,
    /// What the person may know the device by.
    pub device: Option<String>,
    /// Where its last login or refresh came from.
    pub address: Option<IpAddr>,
    /// The hash of the one refresh token that is good now.
    pub current: SecretHash,
    /// When the current refresh token was issued.
    pub issued_at: Timestamp,
    /// When the current refresh token dies unused.
    pub expires_at: Timestamp,
    /// The refresh token before the current one, once there was one.
    pub spent: Option<SpentToken>,
    /// When and why the session ended; `None` while it lives.
    pub ended: Option<Ended>,
}

impl Session {
    /// The session that `new` opens for `user_id`.
    pub fn open(new: &NewSession, user_id: UserId) -> Self {
        Self {
            id: new.id,
            handle: new.handle,
            user_id,
            created_at: new.created_at,
            authenticated_at: new.created_at,
            device: new.device.clone(),
            address: new.address,
            current: new.current,
            issued_at: new.created_at,
            expires_at: new.expires_at,
            spent: None,
            ended: None,
        }
    }
}

/// The last refresh token that was used up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpentToken {
    /// Its hash.
    pub hash: SecretHash,
    /// When it was used.
    pub at: Timestamp,
    /// Its successor, readable to its holder only; kept when a grace window is on.
    pub sealed_successor: Option<SealedSecret>,
}

/// The end of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ended {
    /// When.
    pub at: Timestamp,
    /// Why.
    pub reason: EndReason,
}

/// Why a session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum EndReason {
    /// The person logged out.
    Logout,
    /// A spent refresh token came back: somebody else has it.
    Reuse,
    /// The account was deactivated.
    Deactivated,
    /// The person ended it from another session, or opened so many others that it had to go.
    Revoked,
    /// The person ended all their sessions.
    LogoutAll,
    /// An administrator ended it.
    RevokedByAdmin,
    /// The password or the second factor was changed.
    CredentialChanged,
    /// The account was recovered by mail.
    Recovered,
    /// The refresh token was presented after its time. Recorded, so that a clock set back revives nothing.
    Expired,
}

impl EndReason {
    /// Every reason.
    pub const ALL: [Self; 9] = [
        Self::Logout,
        Self::Reuse,
        Self::Deactivated,
        Self::Revoked,
        Self::LogoutAll,
        Self::RevokedByAdmin,
        Self::CredentialChanged,
        Self::Recovered,
        Self::Expired,
    ];

    /// The name in the database and in logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Logout => "logout",
            Self::Reuse => "reuse",
            Self::Deactivated => "deactivated",
            Self::Revoked => "revoked",
            Self::LogoutAll => "logout_all",
            Self::RevokedByAdmin => "revoked_by_admin",
            Self::CredentialChanged => "credential_changed",
            Self::Recovered => "recovered",
            Self::Expired => "expired",
        }
    }

    /// The reason of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == name)
    }
}

/// The settings that decide about refresh tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RefreshRules {
    /// How long a refresh token is good, from its issue. Seven days by default.
    pub lifetime: Duration,
    /// How long a session may go unused, when that is less than a refresh token's life.
    pub idle: Option<Duration>,
    /// How long a session lives at most, however much it is used.
    pub absolute: Option<Duration>,
    /// How long a spent token may come back, its successor unused, and get that same successor. Zero: never.
    pub reuse_grace: Duration,
}

impl Default for RefreshRules {
    fn default() -> Self {
        let lifetime = Duration::from_secs(7 * 24 * 60 * 60);
        Self { lifetime, idle: None, absolute: None, reuse_grace: Duration::ZERO }
    }
}

impl RefreshRules {
    /// When a refresh token dies that is issued at `now` in a session opened at `created_at`.
    #[inline]
    pub fn expiry(&self, created_at: Timestamp, now: Timestamp) -> Timestamp {
        let unused = now.plus(self.idle.map_or(self.lifetime, |idle| idle.min(self.lifetime)));
        self.absolute.map_or(unused, |absolute| unused.min(created_at.plus(absolute)))
    }
}

/// A refresh token presented for rotation, with the successor it gets if all is well.
#[derive(Debug, Clone)]
pub struct RotationAttempt {
    /// The session the token names.
    pub handle: SessionHandle,
    /// The hash of what was presented.
    pub presented: SecretHash,
    /// The hash of the token to be issued.
    pub successor: SecretHash,
    /// The successor sealed under the presented token; only when the rules have a grace window.
    pub sealed_successor: Option<SealedSecret>,
    /// The moment of the request.
    pub now: Timestamp,
    /// Where it came from.
    pub address: Option<IpAddr>,
    /// What is written should the token turn out to be spent.
    pub on_reuse: Record,
    /// The rules in force.
    pub rules: RefreshRules,
}

/// What becomes of a presented refresh token.
#[expect(clippy::large_enum_variant, reason = "the large one is the common one, and needs no allocation so")]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// The token is good: store this state of the session, then answer with the successor.
    Rotate(Session),
    /// The token was spent a moment ago and its successor not used: answer with that same successor.
    Repeat(SealedSecret),
    /// End the session for this reason **and commit that**, then refuse.
    End(EndReason),
    /// Refuse: the account is deactivated.
    RefuseInactive,
    /// Refuse: the session is over.
    RefuseEnded,
}

/// Decides what a presented refresh token comes to, from the session's row and the account's state.
///
/// A well-formed token whose hash is neither the current one nor, within the grace window, the one
/// before it, is from an earlier generation: somebody kept a copy, and the session ends.
pub fn decide(session: &Session, user_is_active: bool, attempt: &RotationAttempt) -> Decision {
    if session.ended.is_some_and(|ended| ended.reason != EndReason::Deactivated) {
        return Decision::RefuseEnded;
    }
    if !user_is_active {
        return Decision::RefuseInactive;
    }
    if session.ended.is_some() {
        return Decision::RefuseEnded;
    }
    if attempt.now >= session.expires_at {
        return Decision::End(EndReason::Expired);
    }
    if attempt.presented == session.current {
        return Decision::Rotate(rotated(session, attempt));
    }
    match repeatable(session, attempt) {
        Some(sealed) => Decision::Repeat(sealed),
        None => Decision::End(EndReason::Reuse),
    }
}

fn rotated(session: &Session, attempt: &RotationAttempt) -> Session {
    // Written out: a clone would copy the token before the last, only to let it go.
    Session {
        id: session.id,
        handle: session.handle,
        user_id: session.user_id,
        created_at: session.created_at,
        authenticated_at: session.authenticated_at,
        device: session.device.clone(),
        address: attempt.address.or(session.address),
        current: attempt.successor,
        issued_at: attempt.now,
        expires_at: attempt.rules.expiry(session.created_at, attempt.now),
        spent: Some(SpentToken {
            hash: session.current,
            at: attempt.now,
            sealed_successor: attempt.sealed_successor.clone(),
        }),
        ended: session.ended,
    }
}

/// The successor to hand out once more. That it is unused needs no check: it is the current token,
/// or the presented one would not be the one just before it.
fn repeatable(session: &Session, attempt: &RotationAttempt) -> Option<SealedSecret> {
    let spent = session.spent.as_ref()?;
    let in_time = !attempt.rules.reuse_grace.is_zero() && attempt.now.distance(spent.at) <= attempt.rules.reuse_grace;
    if in_time && attempt.presented == spent.hash { spent.sealed_successor.clone() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token::refresh::{RefreshToken, generate_refresh_token};

    const START: Timestamp = Timestamp::from_seconds(1_800_000_000);

    struct Story {
        session: Session,
        rules: RefreshRules,
    }

    impl Story {
        fn begin(grace_seconds: u64) -> (Self, RefreshToken) {
            let token = generate_refresh_token().unwrap();
            let rules = RefreshRules { reuse_grace: Duration::from_secs(grace_seconds), ..RefreshRules::default() };
            let new = NewSession {
                id: SessionId::generate().unwrap(),
                handle: token.handle(),
                current: token.hash(),
                created_at: START,
                expires_at: rules.expiry(START, START),
                device: None,
                address: None,
            };
            (Self { session: Session::open(&new, UserId::new(1).unwrap()), rules }, token)
        }

        fn present(&self, token: &RefreshToken, seconds: u64) -> (Decision, RefreshToken) {
            let successor = token.successor().unwrap();
            let attempt = RotationAttempt {
                handle: token.handle(),
                presented: token.hash(),
                successor: successor.hash(),
                sealed_successor: Some(token.seal(&successor)),
                now: START.plus(Duration::from_secs(seconds)),
                address: None,
                on_reuse: Record::default(),
                rules: self.rules,
            };
            (decide(&self.session, true, &attempt), successor)
        }

        fn rotate(&mut self, token: &RefreshToken, seconds: u64) -> RefreshToken {
            let (decision, successor) = self.present(token, seconds);
            let Decision::Rotate(next) = decision else { panic!("{decision:?}") };
            self.session = next;
            successor
        }
    }

    const WEEK: u64 = 7 * 24 * 60 * 60;

    #[test]
    fn the_current_token_rotates_until_its_last_second_and_each_has_a_week_of_its_own() {
        let (mut story, first) = Story::begin(0);
        assert_eq!(story.present(&first, WEEK).0, Decision::End(EndReason::Expired));
        let second = story.rotate(&first, WEEK - 1);
        story.rotate(&second, 2 * WEEK - 2);
    }

    #[test]
    fn a_spent_token_of_any_generation_ends_the_session() {
        let (mut story, first) = Story::begin(0);
        let second = story.rotate(&first, 1);
        assert_eq!(story.present(&first, 1).0, Decision::End(EndReason::Reuse));
        let third = story.rotate(&second, 2);
        story.rotate(&third, 3);
        for spent in [&first, &second, &third] {
            assert_eq!(story.present(spent, 4).0, Decision::End(EndReason::Reuse));
        }
    }

    #[test]
    fn within_the_grace_window_the_same_successor_is_given_again() {
        let (mut story, first) = Story::begin(10);
        let second = story.rotate(&first, 100);
        let (Decision::Repeat(sealed), _) = story.present(&first, 110) else { panic!() };
        assert_eq!(first.unseal(&sealed).hash(), second.hash());
        assert_eq!(story.present(&first, 111).0, Decision::End(EndReason::Reuse));
    }

    #[test]
    fn the_grace_window_closes_when_the_successor_is_used() {
        let (mut story, first) = Story::begin(10);
        let second = story.rotate(&first, 100);
        story.rotate(&second, 101);
        assert_eq!(story.present(&first, 102).0, Decision::End(EndReason::Reuse));
    }

    #[test]
    fn an_ended_session_stays_ended() {
        let (mut story, first) = Story::begin(0);
        for reason in EndReason::ALL {
            story.session.ended = Some(Ended { at: START, reason });
            assert_eq!(story.present(&first, 1).0, Decision::RefuseEnded);
        }
    }

    #[test]
    fn a_deactivated_account_is_told_so_unless_the_session_had_ended_before() {
        let (mut story, first) = Story::begin(0);
        let attempt = |story: &Story| RotationAttempt {
            handle: first.handle(),
            presented: first.hash(),
            successor: first.hash(),
            sealed_successor: None,
            now: START,
            address: None,
            on_reuse: Record::default(),
            rules: story.rules,
        };
        story.session.ended = Some(Ended { at: START, reason: EndReason::Deactivated });
        assert_eq!(decide(&story.session, false, &attempt(&story)), Decision::RefuseInactive);
        story.session.ended = Some(Ended { at: START, reason: EndReason::Logout });
        assert_eq!(decide(&story.session, false, &attempt(&story)), Decision::RefuseEnded);
    }

    #[test]
    fn every_reason_has_a_name_that_leads_back() {
        for reason in EndReason::ALL {
            assert_eq!(EndReason::from_name(reason.as_str()), Some(reason));
        }
    }

    #[test]
    fn a_session_ends_unused_after_its_idle_time_and_used_after_its_absolute_time() {
        let minutes = |count: u64| Duration::from_secs(count * 60);
        let rules = RefreshRules { idle: Some(minutes(30)), absolute: Some(minutes(60)), ..RefreshRules::default() };
        let at = |count| START.plus(minutes(count));
        assert_eq!(rules.expiry(START, START), at(30));
        assert_eq!(rules.expiry(START, at(20)), at(50));
        assert_eq!(rules.expiry(START, at(45)), at(60));
        // An idle time longer than a refresh token's life changes nothing.
        let lax = RefreshRules { idle: Some(minutes(60 * 24 * 30)), ..RefreshRules::default() };
        assert_eq!(lax.expiry(START, START), RefreshRules::default().expiry(START, START));
    }
}
