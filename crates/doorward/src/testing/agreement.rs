//! Plays one script on any store and writes down what happened, so that two stores can be compared.
//!
//! Ids and tokens are random and differ from run to run; the transcript names them by the order in
//! which they appeared.

#![expect(clippy::unwrap_used, reason = "a test suite: its failures are panics")]

use std::fmt::Write;
use std::time::Duration;

use super::contract::{WEEK, address};
use crate::clock::Timestamp;
use crate::password::PasswordHash;
use crate::revocation::{Ending, EndingKind, EndingPosition};
use crate::role::Role;
use crate::session::{EndReason, NewSession, RefreshRules, RotationAttempt, SessionId};
use crate::store::{Activation, Rotation, SessionOpening, Store, UserCreation, UserQuery, VerifiedLogin};
use crate::token::refresh::{RefreshToken, generate_refresh_token};
use crate::user::{CredentialVersion, NewUser, User, UserId};

/// A step of a script: what to do and two choices that the step interprets. Any value means something.
pub type Step = (u8, u8, u8);

/// Plays `script` on an empty store and gives the transcript, a line a step.
pub async fn transcript(store: &dyn Store, script: &[Step]) -> String {
    let mut play = Play::on(store);
    let mut transcript = String::new();
    for (index, step) in script.iter().enumerate() {
        let line = play.step(*step).await;
        writeln!(transcript, "{index}: {line}").unwrap();
    }
    transcript
}

struct Play<'a> {
    store: &'a dyn Store,
    now: Timestamp,
    users: Vec<UserId>,
    sessions: Vec<SessionId>,
    tokens: Vec<RefreshToken>,
    position: EndingPosition,
}

impl<'a> Play<'a> {
    fn on(store: &'a dyn Store) -> Self {
        Self {
            store,
            now: Timestamp::from_seconds(1_800_000_000),
            users: Vec::new(),
            sessions: Vec::new(),
            tokens: Vec::new(),
            position: EndingPosition::default(),
        }
    }

    async fn step(&mut self, (what, first, second): Step) -> String {
        match what % 20 {
            0 | 1 => self.create_user(first, second).await,
            2 | 3 => self.open_session(first, second).await,
            4..=7 => self.rotate(first, second).await,
            8 => self.end_session(first).await,
            9 => self.set_active(first, second).await,
            10 => self.set_role(first, second).await,
            11 | 12 => self.wait(first),
            13 => self.list(first, second).await,
            14 => self.read_endings().await,
            15..=18 => super::limits::play(self.store, self.now, first, second).await,
            _ => self.purge(first).await,
        }
    }

    async fn create_user(&mut self, first: u8, second: u8) -> String {
        const ADDRESSES: [&str; 6] = [
            "ada@example.com",
            "ADA@Example.com",
            "bob@example.com",
            "eve+x@example.com",
            "Zo\u{eb}@example.com",
            "zo\u{cb}@b\u{fc}cher.example.com",
        ];
        let new = NewUser {
            email: address(ADDRESSES[usize::from(first) % ADDRESSES.len()]),
            password_hash: PasswordHash::from_stored(format!("hash {second}")),
            role: if second.is_multiple_of(5) { Role::Admin } else { Role::User },
            created_at: self.now,
        };
        let session = (second % 2 == 1).then(|| self.new_session());
        let key = new.email.clone();
        match self.store.create_user(new, session.clone().map(|(session, _)| session)).await.unwrap() {
            UserCreation::Created(user) => {
                self.users.push(user.id);
                if let Some(session) = session {
                    self.opened(session);
                }
                format!("created {}", self.shown(&user))
            }
            UserCreation::AddressTaken => {
                let owner = self.store.find_credential(&key).await.unwrap().unwrap();
                format!("taken by {} {:?}", self.shown(&owner.user), owner.password_hash.as_str())
            }
        }
    }

    async fn open_session(&mut self, first: u8, second: u8) -> String {
        let login = VerifiedLogin {
            user_id: self.user(first),
            version: CredentialVersion(1 + i64::from(second.is_multiple_of(4))),
            upgraded_hash: (second.is_multiple_of(3)).then(|| PasswordHash::from_stored(format!("upgrade {second}"))),
        };
        let session = self.new_session();
        let opening = self.store.open_session(login, session.0.clone()).await.unwrap();
        if matches!(opening, SessionOpening::Opened(_)) {
            self.opened(session);
        }
        format!("{opening:?}")
    }

    async fn rotate(&mut self, first: u8, second: u8) -> String {
        let token = self.token(first);
        let grace = Duration::from_secs(if second.is_multiple_of(2) { 0 } else { 30 });
        let successor = token.successor().unwrap();
        let attempt = RotationAttempt {
            handle: token.handle(),
            presented: token.hash(),
            successor: successor.hash(),
            sealed_successor: (!grace.is_zero()).then(|| token.seal(&successor)),
            now: self.now,
            rules: RefreshRules { lifetime: WEEK, reuse_grace: grace },
        };
        match self.store.rotate_session(attempt).await.unwrap() {
            Rotation::Rotated { session, user_id, role } => {
                self.tokens.push(successor);
                format!("rotated {} of {} as {role}", self.session_index(session), self.user_index(user_id))
            }
            Rotation::Repeated { session, user_id, role, sealed_successor } => {
                let again = token.unseal(&sealed_successor).hash();
                let index = self.tokens.iter().position(|token| token.hash() == again);
                let (session, user) = (self.session_index(session), self.user_index(user_id));
                format!("repeated {index:?} in {session} of {user} as {role}")
            }
            Rotation::Reused { session, user_id } => {
                format!("reused {} of {}", self.session_index(session), self.user_index(user_id))
            }
            Rotation::UserInactive => "inactive".to_owned(),
            Rotation::Invalid => "invalid".to_owned(),
        }
    }

    async fn end_session(&mut self, first: u8) -> String {
        let handle = self.token(first).handle();
        let ended = self.store.end_session(handle, EndReason::Logout, self.now).await.unwrap();
        format!("ended {:?}", ended.map(|session| self.session_index(session)))
    }

    async fn set_active(&mut self, first: u8, second: u8) -> String {
        match self.store.set_active(self.user(first), second.is_multiple_of(2), self.now).await.unwrap() {
            Activation::Done(user) => format!("now {}", self.shown(&user)),
            other => format!("{other:?}"),
        }
    }

    async fn set_role(&mut self, first: u8, second: u8) -> String {
        let role = Role::ALL[usize::from(second) % Role::ALL.len()];
        let user = self.store.set_role(self.user(first), role, self.now).await.unwrap();
        format!("now {:?}", user.map(|user| self.shown(&user)))
    }

    fn wait(&mut self, first: u8) -> String {
        const WAITS: [u64; 5] = [1, 20, 3600, 24 * 3600, 7 * 24 * 3600];
        let seconds = WAITS[usize::from(first) % WAITS.len()];
        self.now = self.now.plus(Duration::from_secs(seconds));
        format!("{seconds} s later")
    }

    async fn list(&mut self, first: u8, second: u8) -> String {
        let query = UserQuery {
            role: [None, Some(Role::User), Some(Role::Admin)][usize::from(first) % 3],
            is_active: [None, Some(true), Some(false)][usize::from(second) % 3],
            offset: u64::from(first / 64),
            limit: 1 + u32::from(second / 32),
        };
        let page = self.store.list_users(query).await.unwrap();
        let users: Vec<_> = page.users.iter().map(|user| self.shown(user)).collect();
        format!("{} of {}", users.join("; "), page.total)
    }

    async fn read_endings(&mut self) -> String {
        let (endings, position) = self.store.endings_after(self.position).await.unwrap();
        self.position = position;
        // In which order the sessions of one deactivation are recorded is the store's business.
        let mut shown: Vec<_> = endings.iter().map(|ending| self.shown_ending(ending)).collect();
        shown.sort();
        shown.join("; ")
    }

    async fn purge(&mut self, first: u8) -> String {
        let before = self.now.minus(Duration::from_secs(u64::from(first % 3) * 24 * 3600));
        format!("purged {}", self.store.purge(before, before, 1000).await.unwrap())
    }

    fn new_session(&self) -> (NewSession, RefreshToken) {
        super::contract::new_session(self.now)
    }

    fn opened(&mut self, (session, token): (NewSession, RefreshToken)) {
        self.sessions.push(session.id);
        self.tokens.push(token);
    }

    fn user(&self, choice: u8) -> UserId {
        let nobody = UserId::new(i64::MAX).unwrap();
        self.users.get(usize::from(choice) % (self.users.len() + 1)).copied().unwrap_or(nobody)
    }

    /// One of the last few tokens, so that current and just spent ones are met often; or a stranger's.
    fn token(&self, choice: u8) -> RefreshToken {
        let back = usize::from(choice) % 12 + 1;
        let known = self.tokens.len().checked_sub(back).map(|index| self.tokens[index].clone());
        known.unwrap_or_else(|| generate_refresh_token().unwrap())
    }

    fn user_index(&self, id: UserId) -> usize {
        self.users.iter().position(|user| *user == id).unwrap()
    }

    fn session_index(&self, id: SessionId) -> usize {
        self.sessions.iter().position(|session| *session == id).unwrap()
    }

    fn shown(&self, user: &User) -> String {
        let User { email, full_name, role, is_active, created_at, .. } = user;
        let index = self.user_index(user.id);
        format!("#{index} {} {} {full_name:?} {role} {is_active} {}", email.as_str(), email.key(), created_at.micros())
    }

    fn shown_ending(&self, ending: &Ending) -> String {
        let what = match ending.what {
            EndingKind::Session(session) => format!("session {}", self.session_index(session)),
            EndingKind::Deactivated(user) => format!("off {}", self.user_index(user)),
            EndingKind::Reactivated(user) => format!("on {}", self.user_index(user)),
            EndingKind::RoleChanged(user, role) => format!("{role} {}", self.user_index(user)),
        };
        format!("{what} at {}", ending.at.micros())
    }
}
