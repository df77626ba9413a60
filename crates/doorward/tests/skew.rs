//! Two nodes on one store whose clocks are a minute apart: what each thing that is read by the other's clock comes to.
//! `docs/guide/operating.md` says it of each.
#![expect(clippy::unwrap_used, reason = "a test's failures are panics")]

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use doorward::letter::{Letter, LetterContent};
use doorward::login::LoginError;
use doorward::outbox::MessageKind;
use doorward::password::{HashParameters, HashingPool, NewPassword, Password, PasswordPolicy, PoolSettings};
use doorward::reauthenticate::Proof;
use doorward::recovery::FactorAtRecovery;
use doorward::second_factor::SecondStepError;
use doorward::testing::{Authenticator, MemoryStore, TestClock, block_on};
use doorward::token::keyring::{Keyring, SecretKey};
use doorward::{
    Auth, Clock, EmailAddress, EmailVerification, Fault, Origin, RedeemError, Store, TicketProof, TokenPair,
};

const PASSWORD: &str = "correct horse battery staple";
const NEW_PASSWORD: &str = "eleven purple umbrellas fly";
const MINUTE: Duration = Duration::from_secs(60);

struct Node {
    auth: Auth,
    clock: Arc<TestClock>,
}

/// `ahead` is a minute ahead of `behind`, whose clock is right.
struct World {
    store: Arc<MemoryStore>,
    ahead: Node,
    behind: Node,
}

fn node(store: &Arc<MemoryStore>) -> Node {
    let clock = Arc::new(TestClock::default());
    let settings =
        PoolSettings { workers: NonZeroUsize::MIN, ..PoolSettings::new(HashParameters::new(8, 1, 1).unwrap()) };
    let keyring = Keyring::new(SecretKey::new("wAyJ2tq8Zk5vN0xR7mB4cH9eL1gT6uPd").unwrap(), Vec::new());
    let opened = Auth::open(Arc::clone(store) as Arc<dyn Store>, HashingPool::start(settings).unwrap(), keyring);
    let auth = block_on(opened).unwrap().with_clock(Arc::clone(&clock) as Arc<dyn Clock>);
    Node { auth: auth.with_email_verification(EmailVerification::On), clock }
}

impl World {
    fn new() -> Self {
        let store = Arc::new(MemoryStore::new());
        let (ahead, behind) = (node(&store), node(&store));
        ahead.clock.set(behind.auth.now().plus(MINUTE));
        Self { store, ahead, behind }
    }

    fn later(&self, time: Duration) {
        self.ahead.clock.advance(time);
        self.behind.clock.advance(time);
    }

    fn letters(&self) -> Vec<Letter> {
        self.later(MINUTE);
        let taken = block_on(self.ahead.auth.take_messages(MessageKind::Mail, 100, MINUTE)).unwrap();
        taken.iter().for_each(|message| block_on(self.ahead.auth.message_done(message.id)).unwrap());
        taken.iter().map(|message| self.ahead.auth.open_letter(message).unwrap()).collect()
    }
}

impl Node {
    fn register(&self) -> TokenPair {
        block_on(self.auth.register(ada(), &new(PASSWORD), Origin::unknown())).unwrap()
    }

    fn recent(&self, tokens: &TokenPair) -> bool {
        let identity = block_on(self.auth.authenticate(tokens.access_token.reveal())).unwrap();
        block_on(self.auth.require_recent(&identity, self.auth.now())).is_ok()
    }
}

fn ada() -> EmailAddress {
    EmailAddress::parse("ada@example.com").unwrap()
}

fn typed(text: &str) -> Password {
    Password::new(text.to_owned()).unwrap()
}

fn new(text: &str) -> NewPassword {
    NewPassword::new(typed(text), PasswordPolicy::default()).unwrap()
}

/// Recency: up to a minute shorter or longer, and never refused at once.
#[test]
fn a_proof_made_on_one_node_counts_on_the_other_for_nine_to_eleven_minutes() {
    let world = World::new();
    let tokens = world.ahead.register();
    assert!(world.ahead.recent(&tokens) && world.behind.recent(&tokens));
    world.later(Duration::from_secs(9 * 60 + 59));
    assert!(world.ahead.recent(&tokens) && world.behind.recent(&tokens));
    world.later(Duration::from_secs(1));
    assert!(!world.ahead.recent(&tokens) && world.behind.recent(&tokens), "by its clock nine minutes old");
    world.later(MINUTE);
    assert!(!world.behind.recent(&tokens));
}

/// Links and codes of letters: a minute shorter or longer.
#[test]
fn a_link_of_one_node_is_good_on_the_other_until_its_clock_says() {
    for (is_from_ahead, minutes, is_good) in
        [(true, 30, true), (true, 31, false), (false, 28, true), (false, 29, false)]
    {
        let world = World::new();
        let (from, to) = if is_from_ahead { (&world.ahead, &world.behind) } else { (&world.behind, &world.ahead) };
        world.ahead.register();
        block_on(from.auth.request_recovery(&ada(), Origin::unknown())).unwrap();
        // The wish is looked into by the same node's clock.
        let wish = block_on(from.auth.take_messages(MessageKind::Recovery, 1, MINUTE)).unwrap().remove(0);
        assert!(block_on(from.auth.handle_recovery(&wish)).unwrap());
        let user = block_on(world.store.find_account_by_email(&ada())).unwrap().unwrap().user.id;
        let token = world.letters().iter().find_map(|letter| match &letter.content {
            LetterContent::Recover(secret) => Some(secret.token(user)),
            _ => None,
        });
        world.later(MINUTE * (minutes - 1));
        let proof = TicketProof::link(&token.unwrap());
        let outcome = block_on(to.auth.recover(&proof, &new(NEW_PASSWORD), FactorAtRecovery::Keep, Origin::unknown()));
        match outcome {
            Ok(()) => assert!(is_good, "{minutes} minutes"),
            Err(RedeemError::Invalid) => assert!(!is_good, "{minutes} minutes"),
            other => panic!("{other:?}"),
        }
    }
}

/// Authenticators: a node that is a minute off refuses every code of the present; at half a minute it takes them. The
/// challenge is good on either.
#[test]
fn a_node_that_is_a_minute_off_takes_no_authenticator_and_at_half_a_minute_it_does() {
    let world = World::new();
    let tokens = world.behind.register();
    let identity = block_on(world.behind.auth.authenticate(tokens.access_token.reveal())).unwrap();
    // The address is verified by another way here.
    block_on(world.behind.auth.vouch_for_email(identity.user_id, Origin::operator())).unwrap();
    let proof = Proof { password: typed(PASSWORD), code: None };
    let enrolment = block_on(world.behind.auth.enrol_totp(&identity, &proof, Origin::unknown())).unwrap();
    let phone = Authenticator::new(&enrolment.secret).unwrap();
    let code = || phone.code(world.behind.auth.now());
    block_on(world.behind.auth.confirm_totp(&identity, &enrolment.enrolment, &code(), Origin::unknown())).unwrap();
    let challenge = |node: &Node| match block_on(node.auth.login(&ada(), &typed(PASSWORD), Origin::unknown())) {
        Err(LoginError::SecondFactorRequired(challenge)) => challenge,
        other => panic!("{other:?}"),
    };
    let answer = |node: &Node, challenge: &doorward::second_factor::LoginChallenge| {
        block_on(node.auth.login_with_code(challenge.reveal(), &code(), Origin::unknown())).map(drop)
    };
    world.later(MINUTE);
    let of_ahead = challenge(&world.ahead);
    assert!(matches!(answer(&world.ahead, &of_ahead), Err(SecondStepError::CodeInvalid)));
    answer(&world.behind, &of_ahead).unwrap();
    world.ahead.clock.set(world.behind.auth.now().plus(Duration::from_secs(30)));
    world.later(MINUTE);
    answer(&world.ahead, &challenge(&world.behind)).unwrap();
}

/// Limits: whoever is refused on one node is refused on the other, and for no more than a minute longer.
#[test]
fn a_limit_is_the_same_on_both_nodes_within_a_minute() {
    let world = World::new();
    world.behind.register();
    let guess = |node: &Node| block_on(node.auth.login(&ada(), &typed("a wrong guess"), Origin::unknown()));
    let mut wrong = 0;
    while matches!(guess(&world.ahead), Err(LoginError::InvalidCredentials)) {
        wrong += 1;
    }
    assert!((3..=20).contains(&wrong), "{wrong}");
    let wait = |node: &Node| match guess(node) {
        Err(LoginError::Fault(Fault::Limited(limited))) => limited.retry_after,
        other => panic!("{other:?}"),
    };
    let (here, there) = (wait(&world.ahead), wait(&world.behind));
    assert!(there >= here && there - here <= MINUTE, "{here:?} and {there:?}");
    world.later(there);
    assert!(matches!(guess(&world.behind), Err(LoginError::InvalidCredentials)));
}

/// Purges: what is over by the clock that is ahead stays for a day, and what was ended for an hour beyond its tokens.
#[test]
fn a_purge_by_the_clock_ahead_takes_nothing_that_the_other_needs() {
    let world = World::new();
    let tokens = world.behind.register();
    let other = block_on(world.behind.auth.login(&ada(), &typed(PASSWORD), Origin::unknown())).unwrap();
    block_on(world.behind.auth.logout(&other.refresh_token.reveal(), Origin::unknown())).unwrap();
    world.later(Duration::from_secs(7 * 24 * 60 * 60 - 30));
    // By the clock ahead the session is over for half a minute.
    while !block_on(world.ahead.auth.purge()).unwrap().is_done {}
    block_on(world.behind.auth.refresh(&tokens.refresh_token.reveal(), Origin::unknown())).unwrap();
    assert!(block_on(world.behind.auth.authenticate(other.access_token.reveal())).is_err());
}
