//! The use cases on the memory store, where a test needs two processes, a moved clock or a weaker hash.
#![expect(clippy::unwrap_used, reason = "a test's failures are panics")]

use std::num::NonZeroUsize;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::Duration;

use doorward::login::LoginError;
use doorward::password::{
    HashParameters, HashingError, HashingPool, NewPassword, Password, PasswordPolicy, Peppers, PoolSettings,
};
use doorward::testing::amending::set_role;
use doorward::testing::{MemoryStore, TestClock, block_on};
use doorward::token::access::AccessTokenRules;
use doorward::token::keyring::{Keyring, SecretKey};
use doorward::{Auth, AuthenticateError, EmailAddress, Fault, Origin, Purged, Readiness, Role, Store};

const SECRET: &str = "wAyJ2tq8Zk5vN0xR7mB4cH9eL1gT6uPd";
const OLD_SECRET: &str = "Rk3dQ8sYp1LxV6nTz0GhC5uWj9EaM2bF";

struct World {
    store: Arc<MemoryStore>,
    clock: Arc<TestClock>,
}

impl World {
    fn new() -> Self {
        Self { store: Arc::new(MemoryStore::new()), clock: Arc::new(TestClock::default()) }
    }

    /// A process of its own on the shared store.
    fn node(&self, memory_kib: u32, secret: &str, previous: &[&str]) -> Auth {
        let parameters = HashParameters::new(memory_kib, 1, 1).unwrap();
        let settings = PoolSettings { workers: NonZeroUsize::MIN, ..PoolSettings::new(parameters) };
        let previous = previous.iter().map(|secret| SecretKey::new(*secret).unwrap()).collect();
        self.made_of(settings, Keyring::new(SecretKey::new(secret).unwrap(), previous))
    }

    /// A process whose new hashes are made with those.
    fn peppered_node(&self, peppers: Peppers) -> Auth {
        let parameters = HashParameters::new(8, 1, 1).unwrap();
        let settings = PoolSettings { workers: NonZeroUsize::MIN, peppers, ..PoolSettings::new(parameters) };
        self.made_of(settings, Keyring::new(SecretKey::new(SECRET).unwrap(), Vec::new()))
    }

    fn made_of(&self, settings: PoolSettings, keyring: Keyring) -> Auth {
        let pool = HashingPool::start(settings).unwrap();
        block_on(Auth::open(Arc::clone(&self.store) as Arc<dyn Store>, pool, keyring))
            .unwrap()
            .with_clock(Arc::clone(&self.clock) as Arc<dyn doorward::Clock>)
            .danger_without_limits()
    }

    fn now(&self) -> doorward::Timestamp {
        doorward::Clock::now(&*self.clock)
    }

    fn later(&self, millis: u64) {
        self.clock.advance(Duration::from_millis(millis));
    }
}

fn ada() -> EmailAddress {
    EmailAddress::parse("ada@example.com").unwrap()
}

fn password() -> Password {
    Password::new("correct horse battery staple".to_owned()).unwrap()
}

fn register(auth: &Auth) -> doorward::TokenPair {
    let password = NewPassword::new(password(), PasswordPolicy::default()).unwrap();
    block_on(auth.register(ada(), &password, Origin::unknown())).unwrap()
}

#[test]
fn another_process_learns_of_an_ending_within_250_milliseconds() {
    let world = World::new();
    let (here, there) = (world.node(8, SECRET, &[]), world.node(8, SECRET, &[]));
    let tokens = register(&here);
    let access = tokens.access_token.reveal();
    block_on(there.authenticate(access)).unwrap();
    block_on(here.logout(&tokens.refresh_token.reveal(), Origin::unknown())).unwrap();
    assert!(matches!(block_on(here.authenticate(access)), Err(AuthenticateError::Invalid)));
    world.later(249);
    assert!(block_on(there.authenticate(access)).is_ok(), "nobody asked the store yet");
    world.later(1);
    assert!(matches!(block_on(there.authenticate(access)), Err(AuthenticateError::Invalid)));
}

#[test]
fn a_process_that_cannot_be_sure_refuses_after_a_second() {
    let world = World::new();
    let auth = world.node(8, SECRET, &[]);
    let tokens = register(&auth);
    let access = tokens.access_token.reveal();
    block_on(auth.authenticate(access)).unwrap();
    block_on(world.store.close());
    world.later(999);
    block_on(auth.authenticate(access)).unwrap();
    world.later(1);
    assert!(matches!(block_on(auth.authenticate(access)), Err(AuthenticateError::Fault(_))));
    // A clock set back makes nobody any surer.
    world.clock.set(doorward::Timestamp::from_seconds(1_800_000_000).plus(Duration::from_millis(1)));
    world.later(3_600_000);
    assert!(block_on(auth.authenticate(access)).is_err());
}

#[test]
fn what_is_too_much_to_remember_is_asked_of_the_store() {
    let world = World::new();
    let auth = world.node(8, SECRET, &[]).with_remembered_endings(8);
    let user = register(&auth);
    let demoted = block_on(auth.authenticate(user.access_token.reveal())).unwrap().user_id;
    block_on(set_role(&*world.store, demoted, Role::Admin, world.now())).unwrap();
    let mut ended = vec![user.access_token.reveal().to_owned()];
    block_on(auth.logout(&user.refresh_token.reveal(), Origin::unknown())).unwrap();
    let alive = block_on(auth.login(&ada(), &password(), Origin::unknown())).unwrap();
    assert_eq!(block_on(auth.check()).unwrap(), Readiness::Ready);
    for _ in 0..20 {
        world.later(1_000);
        let other = block_on(auth.login(&ada(), &password(), Origin::unknown())).unwrap();
        block_on(auth.logout(&other.refresh_token.reveal(), Origin::unknown())).unwrap();
        ended.push(other.access_token.reveal().to_owned());
    }
    assert_eq!(block_on(auth.check()).unwrap(), Readiness::AskingStore);
    for access in &ended {
        assert!(matches!(block_on(auth.authenticate(access)), Err(AuthenticateError::Invalid)));
    }
    assert_eq!(block_on(auth.authenticate(alive.access_token.reveal())).unwrap().role, Role::Admin);
    // What is younger than all that was left out needs no store.
    world.later(60_000);
    let young = block_on(auth.login(&ada(), &password(), Origin::unknown())).unwrap();
    block_on(auth.authenticate(young.access_token.reveal())).unwrap();
    block_on(world.store.close());
    world.later(999);
    block_on(auth.authenticate(young.access_token.reveal())).unwrap();
    assert!(matches!(block_on(auth.authenticate(alive.access_token.reveal())), Err(AuthenticateError::Fault(_))));
    assert!(block_on(auth.check()).is_err());
}

#[test]
fn when_the_tokens_are_dead_that_were_left_to_the_store_it_is_asked_no_more() {
    let world = World::new();
    let auth = world.node(8, SECRET, &[]).with_remembered_endings(1);
    register(&auth);
    for _ in 0..3 {
        let tokens = block_on(auth.login(&ada(), &password(), Origin::unknown())).unwrap();
        block_on(auth.logout(&tokens.refresh_token.reveal(), Origin::unknown())).unwrap();
    }
    assert_eq!(block_on(auth.check()).unwrap(), Readiness::AskingStore);
    world.later(17 * 60_000 + 1);
    assert_eq!(block_on(auth.check()).unwrap(), Readiness::Ready);
}

#[test]
fn an_ending_is_remembered_as_long_as_a_token_lives() {
    let world = World::new();
    let auth = world.node(8, SECRET, &[]);
    let tokens = register(&auth);
    let access = tokens.access_token.reveal();
    block_on(auth.logout(&tokens.refresh_token.reveal(), Origin::unknown())).unwrap();
    for _ in 0..29 {
        world.later(30_000);
        assert!(matches!(block_on(auth.authenticate(access)), Err(AuthenticateError::Invalid)));
    }
    world.later(30_000);
    assert!(matches!(block_on(auth.authenticate(access)), Err(AuthenticateError::Expired)));
}

#[test]
fn a_login_makes_a_weaker_hash_anew_and_only_once() {
    let world = World::new();
    register(&world.node(8, SECRET, &[]));
    let stored = || block_on(world.store.find_account_by_email(&ada())).unwrap().unwrap().password_hash;
    let weak = stored();
    let raised = world.node(64, SECRET, &[]);
    let wrong = Password::new("a wrong password".to_owned()).unwrap();
    block_on(raised.login(&ada(), &wrong, Origin::unknown())).unwrap_err();
    assert_eq!(stored(), weak);
    block_on(raised.login(&ada(), &password(), Origin::unknown())).unwrap();
    let strong = stored();
    assert!(strong.as_str().starts_with("$argon2id$v=19$m=64,"));
    block_on(raised.login(&ada(), &password(), Origin::unknown())).unwrap();
    assert_eq!(stored(), strong);
}

#[test]
fn a_login_takes_the_pepper_of_today() {
    let world = World::new();
    register(&world.node(8, SECRET, &[]));
    let stored = || block_on(world.store.find_account_by_email(&ada())).unwrap().unwrap();
    let plain = stored();
    let secret = |text| SecretKey::new(text).unwrap();
    let peppered = world.peppered_node(Peppers::new(Some(secret(OLD_SECRET)), Vec::new()));
    block_on(peppered.login(&ada(), &password(), Origin::unknown())).unwrap();
    let first = stored();
    assert!(first.password_hash.as_str().contains(",keyid="));
    // The password is the same: who began a login with it may end it.
    assert_eq!(first.version, plain.version);
    block_on(world.node(8, SECRET, &[]).login(&ada(), &password(), Origin::unknown())).unwrap_err();
    let given_up = world.peppered_node(Peppers::new(None, vec![secret(OLD_SECRET)]));
    block_on(given_up.login(&ada(), &password(), Origin::unknown())).unwrap();
    assert!(!stored().password_hash.as_str().contains("keyid"));
    block_on(world.node(8, SECRET, &[]).login(&ada(), &password(), Origin::unknown())).unwrap();
}

#[test]
fn the_secret_rotates_without_logging_anyone_out() {
    let world = World::new();
    let before = world.node(8, OLD_SECRET, &[]);
    let old = register(&before);
    let both = world.node(8, SECRET, &[OLD_SECRET]);
    let identity = block_on(both.authenticate(old.access_token.reveal())).unwrap();
    assert_eq!(identity.role, Role::User);
    let new = block_on(both.refresh(&old.refresh_token.reveal(), Origin::unknown())).unwrap();
    let after = world.node(8, SECRET, &[]);
    block_on(after.authenticate(new.access_token.reveal())).unwrap();
    assert!(matches!(block_on(after.authenticate(old.access_token.reveal())), Err(AuthenticateError::Invalid)));
}

#[test]
fn housekeeping_removes_the_dead_and_touches_nothing_alive() {
    let world = World::new();
    let auth = world.node(8, SECRET, &[]);
    let dead = register(&auth);
    block_on(auth.logout(&dead.refresh_token.reveal(), Origin::unknown())).unwrap();
    world.later(7 * 24 * 3_600_000);
    let alive = block_on(auth.login(&ada(), &password(), Origin::unknown())).unwrap();
    world.later(25 * 3_600_000);
    // What a wrong hour takes is gone when the clock is corrected.
    let right = world.now();
    world.clock.set(right.plus(Duration::from_secs(365 * 24 * 3600)));
    assert_eq!(block_on(auth.purge()).unwrap(), Purged { rows: 0, is_done: true });
    world.clock.set(right);
    // One session and its ending.
    assert_eq!(block_on(auth.purge()).unwrap(), Purged { rows: 2, is_done: true });
    assert_eq!(block_on(auth.purge()).unwrap(), Purged { rows: 0, is_done: true });
    block_on(auth.refresh(&alive.refresh_token.reveal(), Origin::unknown())).unwrap();
}

#[test]
fn a_rush_of_logins_is_refused_before_the_store_is_asked() {
    let world = World::new();
    // A hash of about a second, and no place beside it.
    let settings = PoolSettings {
        workers: NonZeroUsize::MIN,
        queue_limit: 0,
        ..PoolSettings::new(HashParameters::new(65_536, 20, 1).unwrap())
    };
    let auth = world.made_of(settings, Keyring::new(SecretKey::new(SECRET).unwrap(), Vec::new()));
    let (email, password) = (ada(), password());
    let mut first = pin!(auth.login(&email, &password, Origin::unknown()));
    assert!(first.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    block_on(auth.close());
    let second = block_on(auth.login(&email, &password, Origin::unknown()));
    let Err(LoginError::Fault(Fault::Hashing(HashingError::Overloaded { .. }))) = second else {
        panic!("{second:?}");
    };
}

/// A front end that balances between nodes would log people out at random.
#[test]
fn a_token_of_one_node_is_good_on_another_whose_clock_is_behind() {
    let world = World::new();
    let ahead = world.node(8, SECRET, &[]);
    let clock = Arc::new(TestClock::default());
    clock.set(world.now().minus(Duration::from_secs(45)));
    let behind = world.node(8, SECRET, &[]).with_clock(Arc::clone(&clock) as Arc<dyn doorward::Clock>);
    let tokens = register(&ahead);
    let access = tokens.access_token.reveal();
    block_on(behind.authenticate(access)).unwrap();
    let refreshed = block_on(behind.refresh(&tokens.refresh_token.reveal(), Origin::unknown())).unwrap();
    block_on(ahead.authenticate(refreshed.access_token.reveal())).unwrap();
    // What ends is refused on both for as long as either takes the token, whichever ended it.
    block_on(behind.logout(&refreshed.refresh_token.reveal(), Origin::unknown())).unwrap();
    world.later(250);
    clock.advance(Duration::from_millis(250));
    for minutes in 0..17 {
        for auth in [&ahead, &behind] {
            for access in [access, refreshed.access_token.reveal()] {
                assert!(block_on(auth.authenticate(access)).is_err(), "after {minutes} minutes");
            }
        }
        world.later(60_000);
        clock.advance(Duration::from_secs(60));
    }
}

/// With a leeway a token is taken after its time; what ended it is remembered as long.
#[test]
fn an_ending_is_remembered_as_long_as_a_leeway_lets_a_token_live() {
    let world = World::new();
    let rules = AccessTokenRules { leeway: Duration::from_secs(300), ..AccessTokenRules::default() };
    let auth = world.node(8, SECRET, &[]).with_access_token_rules(rules);
    let tokens = register(&auth);
    block_on(auth.logout(&tokens.refresh_token.reveal(), Origin::unknown())).unwrap();
    for minute in 0..25 {
        assert!(block_on(auth.authenticate(tokens.access_token.reveal())).is_err(), "after {minute} minutes");
        world.later(60_000);
    }
}

/// What it forgot by the wrong hour is asked of the store.
#[test]
fn a_clock_that_leaps_ahead_and_is_corrected_brings_nothing_back() {
    let world = World::new();
    let auth = world.node(8, SECRET, &[]);
    let ended = register(&auth);
    block_on(auth.logout(&ended.refresh_token.reveal(), Origin::unknown())).unwrap();
    let alive = block_on(auth.login(&ada(), &password(), Origin::unknown())).unwrap();
    let before = world.now();
    world.later(20 * 60_000);
    auth_checked_twice(&world, &auth);
    world.clock.set(before.plus(Duration::from_secs(1)));
    assert!(matches!(block_on(auth.authenticate(ended.access_token.reveal())), Err(AuthenticateError::Invalid)));
    block_on(auth.authenticate(alive.access_token.reveal())).unwrap();
}

/// Looks at what ended, as far apart as it takes to forget.
fn auth_checked_twice(world: &World, auth: &Auth) {
    for _ in 0..2 {
        block_on(auth.check()).unwrap();
        world.later(61_000);
    }
}

/// A file that was exchanged under the process, a standby that lagged behind and was promoted.
#[test]
fn what_ends_after_a_restore_is_learned_though_positions_went_back() {
    let world = World::new();
    let (here, there) = (world.node(8, SECRET, &[]), world.node(8, SECRET, &[]));
    let kept = register(&here);
    let lost = block_on(here.login(&ada(), &password(), Origin::unknown())).unwrap();
    let backup = world.store.backup();
    for _ in 0..5 {
        let other = block_on(here.login(&ada(), &password(), Origin::unknown())).unwrap();
        block_on(here.logout(&other.refresh_token.reveal(), Origin::unknown())).unwrap();
    }
    block_on(here.logout(&lost.refresh_token.reveal(), Origin::unknown())).unwrap();
    world.later(250);
    assert!(block_on(there.authenticate(lost.access_token.reveal())).is_err());
    world.store.restore(&backup);
    world.later(250);
    for auth in [&here, &there] {
        assert_eq!(block_on(auth.check()).unwrap(), Readiness::AskingStore);
        block_on(auth.authenticate(kept.access_token.reveal())).unwrap();
        // Its ending is lost to the store, and remembered here.
        assert!(block_on(auth.authenticate(lost.access_token.reveal())).is_err());
    }
    // Acknowledged now, at a position that was read before under another meaning.
    block_on(here.logout(&kept.refresh_token.reveal(), Origin::unknown())).unwrap();
    world.later(250);
    for auth in [&here, &there] {
        assert!(matches!(block_on(auth.authenticate(kept.access_token.reveal())), Err(AuthenticateError::Invalid)));
    }
    world.later(17 * 60_000);
    assert_eq!(block_on(there.check()).unwrap(), Readiness::Ready);
}

/// A copy whose list has grown as long as the one that was read of, before anybody looked.
#[test]
fn what_ends_in_another_history_is_learned_though_its_list_is_as_long() {
    let world = World::new();
    let (here, there) = (world.node(8, SECRET, &[]), world.node(8, SECRET, &[]));
    let kept = register(&here);
    let lost = block_on(here.login(&ada(), &password(), Origin::unknown())).unwrap();
    let backup = world.store.backup();
    block_on(here.logout(&lost.refresh_token.reveal(), Origin::unknown())).unwrap();
    world.later(250);
    assert!(block_on(there.authenticate(lost.access_token.reveal())).is_err());
    world.store.restore_telling(&backup);
    // Acknowledged at the position that both have read under another meaning.
    let third = world.node(8, SECRET, &[]);
    block_on(third.logout(&kept.refresh_token.reveal(), Origin::unknown())).unwrap();
    world.later(250);
    for auth in [&here, &there] {
        assert!(matches!(block_on(auth.authenticate(kept.access_token.reveal())), Err(AuthenticateError::Invalid)));
        assert!(block_on(auth.authenticate(lost.access_token.reveal())).is_err());
        assert_eq!(block_on(auth.check()).unwrap(), Readiness::AskingStore);
    }
}
