//! A process on a store in memory, with a clock that stands, and the person who reads the letters.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use doorward::account::{Account, Amendment};
use doorward::audit::{Event, EventKind, EventQuery};
use doorward::letter::{Letter, LetterContent};
use doorward::login::LoginError;
use doorward::outbox::{Message, MessageKind};
use doorward::password::{HashParameters, HashingPool, NewPassword, Password, PasswordPolicy, PoolSettings};
use doorward::recovery::FactorAtRecovery;
use doorward::register::RegisterError;
use doorward::testing::{MemoryStore, TestClock, block_on};
use doorward::ticket::TicketSecret;
use doorward::token::keyring::{Keyring, SecretKey};
use doorward::{Auth, EmailAddress, EmailVerification, Identity, Origin, RedeemError, Store, TicketProof, TokenPair};

pub(crate) const PASSWORD: &str = "correct horse battery staple";
pub(crate) const NEW_PASSWORD: &str = "eleven purple umbrellas fly";
pub(crate) const ADA: &str = "ada@example.com";
const SECRET: &str = "wAyJ2tq8Zk5vN0xR7mB4cH9eL1gT6uPd";
const OTHER_SECRET: &str = "Rk3dQ8sYp1LxV6nTz0GhC5uWj9EaM2bF";

pub(crate) struct World {
    pub(crate) auth: Auth,
    pub(crate) store: Arc<MemoryStore>,
    pub(crate) clock: Arc<TestClock>,
}

/// What somebody does with an account.
pub(crate) type Done = Result<(), RedeemError>;

impl World {
    pub(crate) fn new() -> Self {
        Self::asking(EmailVerification::On)
    }

    pub(crate) fn asking(verification: EmailVerification) -> Self {
        let (store, clock) = (Arc::new(MemoryStore::new()), Arc::new(TestClock::default()));
        let auth = node(&store, &clock, SECRET, &[]).danger_without_limits().with_email_verification(verification);
        Self { auth, store, clock }
    }

    /// The same world with the limits that are on by default.
    pub(crate) fn limited() -> Self {
        let (store, clock) = (Arc::new(MemoryStore::new()), Arc::new(TestClock::default()));
        let auth = node(&store, &clock, SECRET, &[]).with_email_verification(EmailVerification::On);
        Self { auth, store, clock }
    }

    /// The same world after its secret was exchanged for another, the old one kept.
    pub(crate) fn rotated(self) -> Self {
        let auth = node(&self.store, &self.clock, OTHER_SECRET, &[SECRET]).danger_without_limits();
        Self { auth, ..self }
    }

    pub(crate) fn later(&self, minutes: u64) {
        self.clock.advance(Duration::from_secs(60 * minutes));
    }

    pub(crate) fn register(&self, email: &str) -> Result<TokenPair, RegisterError> {
        block_on(self.auth.register(address(email), &new(PASSWORD), Origin::unknown()))
    }

    pub(crate) fn login(&self, email: &str, password: &str) -> Result<TokenPair, LoginError> {
        block_on(self.auth.login(&address(email), &typed(password), Origin::unknown()))
    }

    pub(crate) fn identity(&self, tokens: &TokenPair) -> Identity {
        block_on(self.auth.authenticate(tokens.access_token.reveal())).unwrap()
    }

    pub(crate) fn is_live(&self, tokens: &TokenPair) -> bool {
        let access = block_on(self.auth.authenticate(tokens.access_token.reveal())).is_ok();
        let refresh = block_on(self.auth.refresh(&tokens.refresh_token.reveal(), Origin::unknown())).is_ok();
        assert!(access || !refresh, "a dead session was refreshed");
        refresh
    }

    pub(crate) fn request_recovery(&self, email: &str) {
        block_on(self.auth.request_recovery(&address(email), Origin::unknown())).unwrap();
    }

    pub(crate) fn recover(&self, proof: &TicketProof) -> Done {
        self.recover_with(proof, FactorAtRecovery::Keep)
    }

    pub(crate) fn recover_with(&self, proof: &TicketProof, factor: FactorAtRecovery) -> Done {
        block_on(self.auth.recover(proof, &new(NEW_PASSWORD), factor, Origin::unknown()))
    }

    pub(crate) fn account(&self, email: &str) -> Account {
        block_on(self.store.find_account_by_email(&address(email))).unwrap().unwrap()
    }

    pub(crate) fn amend(&self, email: &str, change: impl FnOnce(&mut Account)) {
        let before = self.account(email);
        let mut after = before.clone();
        change(&mut after);
        block_on(self.store.amend_account(Amendment::new(&before, after, doorward::Clock::now(&*self.clock)))).unwrap();
    }

    /// Takes everything out of the outbox.
    pub(crate) fn messages(&self) -> Vec<Message> {
        let take = |kind| block_on(self.auth.take_messages(kind, 100, Duration::from_secs(60))).unwrap();
        let taken: Vec<_> = MessageKind::ALL.into_iter().flat_map(take).collect();
        taken.iter().for_each(|message| block_on(self.auth.message_done(message.id)).unwrap());
        taken
    }

    /// Does what the worker of the outbox does: looks into wishes to recover, and gives the letters.
    pub(crate) fn letters(&self) -> Vec<Received> {
        let mut letters = Vec::new();
        loop {
            let taken = self.messages();
            if taken.is_empty() {
                return letters;
            }
            for message in taken {
                match message.kind {
                    MessageKind::Recovery => drop(block_on(self.auth.handle_recovery(&message)).unwrap()),
                    _ => letters.push(Received::of(self.auth.open_letter(&message).unwrap(), &message)),
                }
            }
        }
    }

    /// The one letter there is.
    #[track_caller]
    pub(crate) fn letter(&self) -> Received {
        let mut letters = self.letters();
        assert_eq!(letters.len(), 1, "{letters:?}");
        letters.remove(0)
    }

    pub(crate) fn events(&self, kind: EventKind) -> Vec<Event> {
        let query =
            EventQuery { user_id: None, kind: Some(kind), since: None, until: None, before: None, limit: 1_000 };
        block_on(self.store.list_events(query)).unwrap()
    }
}

fn node(store: &Arc<MemoryStore>, clock: &Arc<TestClock>, secret: &str, previous: &[&str]) -> Auth {
    let parameters = HashParameters::new(8, 1, 1).unwrap();
    let settings = PoolSettings { workers: NonZeroUsize::MIN, ..PoolSettings::new(parameters) };
    let previous = previous.iter().map(|secret| SecretKey::new(*secret).unwrap()).collect();
    let keyring = Keyring::new(SecretKey::new(secret).unwrap(), previous);
    let pool = HashingPool::start(settings).unwrap();
    block_on(Auth::open(Arc::clone(store) as Arc<dyn Store>, pool, keyring))
        .unwrap()
        .with_clock(Arc::clone(clock) as Arc<dyn doorward::Clock>)
}

pub(crate) fn address(text: &str) -> EmailAddress {
    EmailAddress::parse(text).unwrap()
}

pub(crate) fn typed(password: &str) -> Password {
    Password::new(password.to_owned()).unwrap()
}

pub(crate) fn new(password: &str) -> NewPassword {
    NewPassword::new(typed(password), PasswordPolicy::default()).unwrap()
}

/// A letter as its reader has it.
#[derive(Debug, Clone)]
pub(crate) struct Received {
    pub(crate) to: String,
    pub(crate) kind: &'static str,
    pub(crate) token: String,
    pub(crate) code: String,
}

impl Received {
    fn of(letter: Letter, message: &Message) -> Self {
        let kind = letter.content.name();
        let secret: Option<&TicketSecret> = match &letter.content {
            LetterContent::VerifyEmail(secret)
            | LetterContent::Recover(secret)
            | LetterContent::Invitation(secret)
            | LetterContent::ChangeEmail(secret) => Some(secret),
            _ => None,
        };
        let token = secret.map(|secret| secret.token(message.user_id.unwrap())).unwrap_or_default();
        let code = secret.map(|secret| secret.code.clone()).unwrap_or_default();
        Self { to: letter.to, kind, token, code }
    }

    pub(crate) fn link(&self) -> TicketProof {
        TicketProof::link(&self.token)
    }

    pub(crate) fn code_for(&self, email: &str) -> TicketProof {
        TicketProof::code(address(email), &self.code)
    }

    /// A code that it isn't.
    pub(crate) fn wrong_code_for(&self, email: &str) -> TicketProof {
        let other = if self.code.starts_with('1') { "2" } else { "1" };
        TicketProof::code(address(email), &format!("{other}{}", &self.code[1..]))
    }
}

#[track_caller]
pub(crate) fn is_refused(done: &Done) {
    assert!(matches!(done, Err(RedeemError::Invalid)), "{done:?}");
}
