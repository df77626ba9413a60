//! Plays one script on any store and writes down what happened, so that two stores can be compared.
//!
//! Ids and tokens are random and differ from run to run; the transcript names them by the order in
//! which they appeared.

#![expect(clippy::unwrap_used, reason = "a test suite: its failures are panics")]

use std::cell::Cell;
use std::fmt::Write;
use std::time::Duration;

use uuid::Uuid;

use super::contract::{WEEK, address};
use crate::account::{Account, Amendment, Erasure, Record, Revision, SessionChange};
use crate::audit::{Event, EventKind, EventQuery, NewEvent};
use crate::clock::Timestamp;
use crate::origin::Origin;
use crate::outbox::{Delivery, MessageKind, NewMessage, Taking};
use crate::password::PasswordHash;
use crate::revocation::{Ending, EndingKind, EndingPosition};
use crate::role::Role;
use crate::session::{EndReason, NewSession, RefreshRules, RotationAttempt, Session, SessionId};
use crate::store::{PurgeBounds, Rotation, SessionOpening, Store, UserCreation, UserQuery, VerifiedLogin};
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

const ADDRESSES: [&str; 6] = [
    "ada@example.com",
    "ADA@Example.com",
    "bob@example.com",
    "eve+x@example.com",
    "Zo\u{eb}@example.com",
    "zo\u{cb}@b\u{fc}cher.example.com",
];

struct Play<'a> {
    store: &'a dyn Store,
    now: Timestamp,
    users: Vec<UserId>,
    sessions: Vec<SessionId>,
    tokens: Vec<RefreshToken>,
    position: EndingPosition,
    /// Counts messages: of several that are due at once the one with the lowest id is first.
    messages: Cell<u128>,
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
            messages: Cell::new(0),
        }
    }

    async fn step(&mut self, (what, first, second): Step) -> String {
        match what % 26 {
            0 | 1 => self.create_user(first, second).await,
            2 | 3 => self.open_session(first, second).await,
            4..=7 => self.rotate(first, second).await,
            8 => self.end_session(first).await,
            9 | 10 | 20 | 21 => self.amend(first, second).await,
            22 => self.list_sessions(first).await,
            23 => self.list_events(first, second).await,
            24 => self.deliver(first, second).await,
            25 if second.is_multiple_of(4) => self.erase(first).await,
            11 | 12 => self.wait(first),
            13 => self.list(first, second).await,
            14 => self.read_endings().await,
            15..=18 => super::limits::play(self.store, self.now, first, second).await,
            _ => self.purge(first).await,
        }
    }

    async fn create_user(&mut self, first: u8, second: u8) -> String {
        let new = NewUser {
            email: address(ADDRESSES[usize::from(first) % ADDRESSES.len()]),
            password_hash: PasswordHash::from_stored(format!("hash {second}")),
            full_name: (second % 7 == 1).then(|| format!("Name {second}")),
            role: if second.is_multiple_of(5) { Role::Admin } else { Role::User },
            email_verified_at: second.is_multiple_of(11).then_some(self.now),
            tickets: Vec::new(),
            created_at: self.now,
        };
        let session = (second % 2 == 1).then(|| self.new_session());
        let key = new.email.clone();
        match self.store.create_user(new, session.clone().map(|(session, _)| session), self.record(1)).await.unwrap() {
            UserCreation::Created(user) => {
                self.users.push(user.id);
                if let Some(session) = session {
                    self.opened(session);
                }
                format!("created {}", self.shown(&user))
            }
            UserCreation::AddressTaken => {
                let owner = self.store.find_account_by_email(&key).await.unwrap().unwrap();
                format!("taken by {} {:?}", self.shown(&owner.user), owner.password_hash.as_str())
            }
        }
    }

    async fn open_session(&mut self, first: u8, second: u8) -> String {
        let account = self.store.find_account(self.user(first)).await.unwrap();
        let version = account.map_or(1, |account| account.version.0);
        let login = VerifiedLogin {
            user_id: self.user(first),
            version: CredentialVersion(version + i64::from(second.is_multiple_of(4))),
            upgraded_hash: (second.is_multiple_of(3)).then(|| PasswordHash::from_stored(format!("upgrade {second}"))),
        };
        let session = self.new_session();
        let opening = self.store.open_session(login, session.0.clone(), self.record(2)).await.unwrap();
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
            address: second.is_multiple_of(3).then(|| [192, 0, 2, second].into()),
            on_reuse: self.record(3),
            rules: RefreshRules { lifetime: WEEK, reuse_grace: grace, ..RefreshRules::default() },
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
        let ended = self.store.end_session(handle, EndReason::Logout, self.record(4), self.now).await.unwrap();
        format!("ended {:?}", ended.map(|(session, user)| (self.session_index(session), self.user_index(user))))
    }

    async fn amend(&mut self, first: u8, second: u8) -> String {
        let Some(before) = self.store.find_account(self.user(first)).await.unwrap() else { return "nobody".to_owned() };
        let mut after = before.clone();
        match second % 8 {
            0 => after.user.is_active = !after.user.is_active,
            1 => after.user.role = if after.user.role == Role::Admin { Role::User } else { Role::Admin },
            2 => after.user.full_name = Some(format!("Name {second}")),
            3 => after.user.email_verified_at = Some(self.now),
            4 => after.password_hash = PasswordHash::from_stored(format!("hash {second}")),
            5 => after.must_change_password = !after.must_change_password,
            6 => after.user.email = address(ADDRESSES[usize::from(second / 8) % ADDRESSES.len()]),
            _ => {}
        }
        let mut amendment = Amendment::new(&before, after, self.now).with_record(self.record(5));
        if second % 8 == 7 {
            amendment.account.revision = Revision(1);
        }
        if amendment.sessions == SessionChange::Keep && second.is_multiple_of(5) {
            let kept = self.sessions.last().copied().filter(|_| second.is_multiple_of(2));
            amendment.sessions = SessionChange::EndAllBut(kept, EndReason::LogoutAll);
        }
        let amended = self.store.amend_account(amendment).await.unwrap();
        let after = self.store.find_account(before.user.id).await.unwrap().unwrap();
        let Account { user, password_hash, version, must_change_password, revision, .. } = &after;
        let hash = password_hash.as_str();
        format!("{amended:?}: {} {hash} {version:?} {must_change_password} {revision:?}", self.shown(user))
    }

    async fn erase(&mut self, first: u8) -> String {
        let Some(account) = self.store.find_account(self.user(first)).await.unwrap() else {
            return "nobody".to_owned();
        };
        let erasure = Erasure { account, record: self.record(6), now: self.now };
        format!("erased: {:?}", self.store.erase_account(erasure).await.unwrap())
    }

    async fn list_sessions(&self, first: u8) -> String {
        let sessions = self.store.list_sessions(self.user(first), self.now).await.unwrap();
        let mut shown: Vec<_> = sessions
            .iter()
            .map(|session| {
                let Session { device, address, issued_at, authenticated_at, .. } = session;
                let index = self.session_index(session.id);
                format!("{index} {device:?} {address:?} {} {}", issued_at.micros(), authenticated_at.micros())
            })
            .collect();
        // Sessions used at the same moment come in the order of their ids, which are random.
        shown.sort();
        shown.join("; ")
    }

    async fn list_events(&self, first: u8, second: u8) -> String {
        let query = EventQuery {
            user_id: first.is_multiple_of(2).then(|| self.user(first / 2)),
            kind: second.is_multiple_of(3).then_some(EventKind::Login),
            since: None,
            until: second.is_multiple_of(5).then_some(self.now),
            before: None,
            limit: 1 + u32::from(second / 16),
        };
        let events = self.store.list_events(query).await.unwrap();
        let shown: Vec<_> = events.iter().map(|event| self.shown_event(event)).collect();
        shown.join("; ")
    }

    async fn deliver(&mut self, first: u8, second: u8) -> String {
        let leased_until = self.now.plus(Duration::from_secs(60));
        let taking = Taking { kind: MessageKind::ALL[usize::from(second % 3)], now: self.now, leased_until, limit: 1 };
        let taken = self.store.take_messages(taking).await.unwrap();
        for message in &taken {
            let delivery = match second % 4 {
                0 => Delivery::Again(self.now.plus(Duration::from_secs(u64::from(first)))),
                1 => Delivery::Abandoned(self.now),
                2 => Delivery::Done,
                _ => continue,
            };
            self.store.settle_message(message.id, delivery).await.unwrap();
        }
        let attempts: Vec<_> = taken.iter().map(|message| (message.attempts, message.sealed.len())).collect();
        format!("delivered {attempts:?} of {:?}", self.store.outbox_statistics().await.unwrap())
    }

    /// An event, and now and then a message, that go with what is done.
    fn record(&self, what: u8) -> Record {
        self.messages.set(self.messages.get() + 1);
        let kind = EventKind::all().nth(usize::from(what)).unwrap();
        let origin = Origin::unknown().with_address(Some([198, 51, 100, what].into())).with_request_id(Some("r"));
        let message = NewMessage {
            id: Uuid::from_u128(self.messages.get()),
            kind: MessageKind::Mail,
            sealed: vec![what; usize::from(what)],
            created_at: self.now,
        };
        Record {
            events: vec![NewEvent::new(kind, origin, self.now).with("what", what.to_string())],
            messages: if what == 1 || what == 5 { vec![message] } else { Vec::new() },
        }
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
            email_prefix: (first % 5 == 1).then(|| ["ada", "zo", "e"][usize::from(second) % 3].to_owned()),
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
        let events_before = first.is_multiple_of(4).then_some(before);
        let bounds = PurgeBounds {
            sessions_before: before,
            endings_before: before,
            events_before,
            messages_before: before,
            limit: 1000,
        };
        format!("purged {}", self.store.purge(bounds).await.unwrap())
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
        let User { email, full_name, role, is_active, email_verified_at, created_at, .. } = user;
        let (index, verified) = (self.user_index(user.id), email_verified_at.map(Timestamp::micros));
        let (email, key) = (email.as_str(), email.key());
        format!("#{index} {email} {key} {full_name:?} {role} {is_active} {verified:?} {}", created_at.micros())
    }

    fn shown_event(&self, event: &Event) -> String {
        let NewEvent { at, kind, session, cause, details } = &event.what;
        let user = event.user_id.map(|user| self.user_index(user));
        let session = session.map(|session| self.session_index(session));
        format!("{kind} at {} of {user:?} in {session:?} from {:?} {details:?}", at.micros(), cause.address)
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
