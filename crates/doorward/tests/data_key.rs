//! What is sealed and under what: data keys made, exchanged, lost, and met by nodes that know nothing of them.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test's failures are panics")]

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use doorward::login::LoginError;
use doorward::outbox::MessageKind;
use doorward::password::{HashParameters, HashingPool, NewPassword, Password, PasswordPolicy, PoolSettings};
use doorward::reauthenticate::Proof;
use doorward::second_factor::{LoginChallenge, SecondStepError};
use doorward::store::data_keys::{DataKeyState, DataKeyStore, Neighbours};
use doorward::testing::{Authenticator, MemoryStore, TestClock, block_on};
use doorward::token::keyring::{Keyring, SecretKey};
use doorward::{Auth, Clock, DataKeyWork, EmailAddress, OpenError, Origin, Store, UserId};

const PASSWORD: &str = "correct horse battery staple";
const OLD: &str = "wAyJ2tq8Zk5vN0xR7mB4cH9eL1gT6uPd";
const NEW: &str = "Rk3dQ8sYp1LxV6nTz0GhC5uWj9EaM2bF";
const SEALING: &str = "tB7wK2mXe9RqZ4cVy1NsJ6hDg8LpF3aU";

/// A store, a clock, and how the store is opened.
struct World {
    store: Arc<MemoryStore>,
    clock: Arc<TestClock>,
}

/// Somebody with an authenticator and recovery codes.
struct Person {
    id: UserId,
    email: EmailAddress,
    phone: Authenticator,
    codes: Vec<String>,
}

fn secret(text: &str) -> SecretKey {
    SecretKey::new(text).unwrap()
}

fn keyring(current: &str, previous: &[&str]) -> Keyring {
    Keyring::new(secret(current), previous.iter().map(|text| secret(text)).collect())
}

fn pool() -> HashingPool {
    let parameters = HashParameters::new(8, 1, 1).unwrap();
    HashingPool::start(PoolSettings { workers: NonZeroUsize::MIN, ..PoolSettings::new(parameters) }).unwrap()
}

impl World {
    fn new() -> Self {
        Self { store: Arc::new(MemoryStore::new()), clock: Arc::new(TestClock::default()) }
    }

    fn finished(&self, auth: Auth) -> Auth {
        auth.with_clock(Arc::clone(&self.clock) as Arc<dyn Clock>).danger_without_limits()
    }

    fn store(&self) -> Arc<dyn Store> {
        Arc::clone(&self.store) as Arc<dyn Store>
    }

    fn open(&self, keyring: Keyring) -> Result<Auth, OpenError> {
        block_on(Auth::open(self.store(), pool(), keyring)).map(|auth| self.finished(auth))
    }

    /// While there is no data key, what this seals is sealed as it was before there were any.
    fn beside(&self, keyring: Keyring) -> Auth {
        self.finished(block_on(Auth::open_beside(self.store(), pool(), keyring)).unwrap())
    }

    fn later(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }

    /// Registers and enables a second factor.
    fn person(&self, auth: &Auth, email: &str) -> Person {
        let email = EmailAddress::parse(email).unwrap();
        let password = NewPassword::new(typed(), PasswordPolicy::default()).unwrap();
        let tokens = block_on(auth.register(email.clone(), &password, Origin::unknown())).unwrap();
        let identity = block_on(auth.authenticate(tokens.access_token.reveal())).unwrap();
        let proof = Proof { password: typed(), code: None };
        let enrolment = block_on(auth.enrol_totp(&identity, &proof, Origin::unknown())).unwrap();
        let phone = Authenticator::new(&enrolment.secret).unwrap();
        let code = phone.code(self.clock.now());
        let codes = block_on(auth.confirm_totp(&identity, &enrolment.enrolment, &code, Origin::unknown())).unwrap();
        Person { id: identity.user_id, email, phone, codes: codes.reveal().to_vec() }
    }

    /// Logs in with the authenticator, whose next code is good half a minute later.
    fn log_in(&self, auth: &Auth, person: &Person) -> Result<(), SecondStepError> {
        self.later(30);
        self.answer(auth, &challenge(auth, person), &person.phone.code(self.clock.now()))
    }

    fn answer(&self, auth: &Auth, challenge: &LoginChallenge, code: &str) -> Result<(), SecondStepError> {
        block_on(auth.login_with_code(challenge.reveal(), code, Origin::unknown())).map(drop)
    }

    /// Does what there is to do about data keys until nothing is left.
    fn settle(&self, auth: &Auth) -> Vec<DataKeyWork> {
        let mut done = Vec::new();
        while done.last() != Some(&DataKeyWork::Settled) {
            done.push(block_on(auth.look_after_data_keys()).unwrap());
            self.later(2);
        }
        done
    }

    fn states(&self) -> Vec<DataKeyState> {
        let mut rows = block_on(self.store.data_keys()).unwrap();
        rows.sort_by_key(|row| row.state.as_str());
        rows.iter().map(|row| row.state).collect()
    }
}

fn typed() -> Password {
    Password::new(PASSWORD.to_owned()).unwrap()
}

fn challenge(auth: &Auth, person: &Person) -> LoginChallenge {
    match block_on(auth.login(&person.email, &typed(), Origin::unknown())) {
        Err(LoginError::SecondFactorRequired(challenge)) => challenge,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_secret_is_exchanged_while_people_with_authenticators_stay_away() {
    let world = World::new();
    let ada = world.person(&world.open(keyring(OLD, &[])).unwrap(), "ada@example.com");
    assert_eq!(world.states(), [DataKeyState::Active]);
    // Started once with both. Nobody comes.
    drop(world.open(keyring(NEW, &[OLD])).unwrap());
    let after = world.open(keyring(NEW, &[])).unwrap();
    world.log_in(&after, &ada).unwrap();
    world.answer(&after, &challenge(&after, &ada), &ada.codes[0]).unwrap();
    // The old one opens nothing any more.
    assert!(matches!(world.open(keyring(OLD, &[])), Err(OpenError::DataKeyLost { second_factors: 1 })));
}

#[test]
fn a_command_beside_a_server_changes_nothing() {
    let world = World::new();
    drop(world.beside(keyring(OLD, &[])));
    assert_eq!(world.states(), []);
    drop(world.open(keyring(OLD, &[])).unwrap());
    let rows = block_on(world.store.data_keys()).unwrap();
    drop(world.beside(keyring(NEW, &[OLD])));
    assert_eq!(block_on(world.store.data_keys()).unwrap(), rows);
}

#[test]
fn what_the_secret_sealed_opens_after_it_is_gone() {
    let world = World::new();
    let before = world.beside(keyring(OLD, &[]));
    let (ada, bob) = (world.person(&before, "ada@example.com"), world.person(&before, "bob@example.com"));
    let sealed_before = block_on(world.store.find_account(ada.id)).unwrap().unwrap().second_factor.unwrap();

    let upgraded = world.open(keyring(OLD, &[])).unwrap();
    assert_eq!(world.states(), [DataKeyState::Active, DataKeyState::Retired]);
    let done = world.settle(&upgraded);
    assert_eq!(done, [DataKeyWork::Resealed(2), DataKeyWork::Resealed(0), DataKeyWork::Settled]);
    assert_eq!(world.states(), [DataKeyState::Active, DataKeyState::Past]);
    let sealed_after = block_on(world.store.find_account(ada.id)).unwrap().unwrap().second_factor.unwrap();
    assert_ne!(sealed_before.sealed_secret, sealed_after.sealed_secret);

    drop(world.open(keyring(NEW, &[OLD])).unwrap());
    let after = world.open(keyring(NEW, &[])).unwrap();
    world.log_in(&after, &ada).unwrap();
    // Hashed under the old secret, and never again: the key of that one use is kept under the data key.
    world.answer(&after, &challenge(&after, &bob), &bob.codes[0]).unwrap();
    // So are letters that still wait.
    let letters = block_on(after.take_messages(MessageKind::Mail, 10, Duration::from_secs(60))).unwrap();
    assert!(letters.len() >= 2 && letters.iter().all(|letter| after.open_letter(letter).is_some()));
}

#[test]
fn who_has_the_signing_secret_alone_makes_no_challenge() {
    let world = World::new();
    let ada = world.person(&world.beside(keyring(OLD, &[])), "ada@example.com");
    let auth = world.open(keyring(OLD, &[])).unwrap();
    assert_eq!(world.states(), [DataKeyState::Active, DataKeyState::Retired]);
    // The same account on a store of the thief's own, where the secret seals as it did before there were data keys.
    let elsewhere = World::new();
    let thief = elsewhere.beside(keyring(OLD, &[]));
    let forged = challenge(&thief, &elsewhere.person(&thief, "ada@example.com"));
    world.later(30);
    let code = ada.phone.code(world.clock.now());
    assert!(matches!(world.answer(&auth, &forged, &code), Err(SecondStepError::ChallengeInvalid)));
    world.answer(&auth, &challenge(&auth, &ada), &code).unwrap();
}

#[test]
fn nodes_of_an_older_version_are_waited_for_and_every_node_knows_a_key_before_it_seals() {
    let world = World::new();
    let older = world.beside(keyring(OLD, &[]));
    let ada = world.person(&older, "ada@example.com");
    world.store.set_neighbours(Neighbours::Older);
    let (one, other) = (world.open(keyring(OLD, &[])).unwrap(), world.open(keyring(OLD, &[])).unwrap());
    assert_eq!(world.states(), []);
    // What either seals the older ones open, and the other way round.
    world.answer(&older, &challenge(&one, &ada), &ada.codes[0]).unwrap();
    world.answer(&one, &challenge(&older, &ada), &ada.codes[1]).unwrap();
    assert_eq!(block_on(one.look_after_data_keys()).unwrap(), DataKeyWork::WaitsForOlderNodes);

    world.store.set_neighbours(Neighbours::Others);
    let mut done = vec![DataKeyWork::WaitsForOlderNodes];
    let mut codes = ada.codes[2..].iter();
    while done.last() != Some(&DataKeyWork::Settled) {
        let (made, answered) = if done.len() % 2 == 0 { (&one, &other) } else { (&other, &one) };
        let before = challenge(made, &ada);
        let step = block_on(one.look_after_data_keys()).unwrap();
        // What was begun before a key seals is to be begun again; nothing else is.
        if step != DataKeyWork::Activated {
            world.answer(answered, &before, codes.next().unwrap()).unwrap();
        }
        done.push(step);
        world.later(2);
    }
    let step = |work| done.iter().filter(|step| **step == work).count();
    assert!(step(DataKeyWork::Staged) >= 2 && step(DataKeyWork::Activated) == 1, "{done:?}");
    assert_eq!(step(DataKeyWork::Resealed(1)), 1, "{done:?}");
    world.log_in(&other, &ada).unwrap();
}

#[test]
fn a_data_key_is_exchanged_while_nodes_serve() {
    let world = World::new();
    let (one, other) = (world.open(keyring(OLD, &[])).unwrap(), world.open(keyring(OLD, &[])).unwrap());
    let ada = world.person(&one, "ada@example.com");
    let command = world.beside(keyring(OLD, &[]));
    assert!(block_on(command.renew_data_key()).unwrap());
    // Begun twice it is one key.
    assert!(block_on(command.renew_data_key()).unwrap());
    assert_eq!(world.states(), [DataKeyState::Active, DataKeyState::Staged]);
    world.answer(&other, &challenge(&one, &ada), &ada.codes[0]).unwrap();
    let done = world.settle(&command);
    assert!(done.contains(&DataKeyWork::Activated) && done.contains(&DataKeyWork::Resealed(1)), "{done:?}");
    world.log_in(&one, &ada).unwrap();
    world.answer(&other, &challenge(&one, &ada), &ada.codes[1]).unwrap();
}

#[test]
fn a_secret_of_its_own_seals_and_the_one_that_signs_opens_nothing() {
    let world = World::new();
    let with_sealing = |previous: &[&str]| {
        keyring(OLD, &[]).with_sealing_secret(Some(secret(SEALING)), previous.iter().map(|text| secret(text)).collect())
    };
    let ada = world.person(&world.open(keyring(OLD, &[])).unwrap(), "ada@example.com");
    world.log_in(&world.open(with_sealing(&[])).unwrap(), &ada).unwrap();
    assert!(matches!(world.open(keyring(OLD, &[])), Err(OpenError::DataKeyLost { .. })));
    // Back again, or on to another.
    drop(world.open(keyring(NEW, &[]).with_sealing_secret(None, vec![secret(SEALING)])).unwrap());
    world.log_in(&world.open(keyring(NEW, &[])).unwrap(), &ada).unwrap();
}

#[test]
fn a_lost_data_key_is_told_and_given_up_at_the_price_of_second_factors() {
    let world = World::new();
    let ada = world.person(&world.open(keyring(OLD, &[])).unwrap(), "ada@example.com");
    let lost = world.open(keyring(NEW, &[])).err();
    assert!(matches!(lost, Some(OpenError::DataKeyLost { second_factors: 1 })), "{lost:?}");
    let opened = block_on(Auth::open_giving_up_data_key(world.store(), pool(), keyring(NEW, &[]))).unwrap();
    let auth = world.finished(opened);
    let bob = world.person(&auth, "bob@example.com");
    assert_eq!(block_on(auth.remove_unreadable_second_factors(Origin::operator())).unwrap(), 1);
    block_on(auth.login(&ada.email, &typed(), Origin::unknown())).unwrap();
    world.log_in(&auth, &bob).unwrap();
    // Where nothing is lost, nothing is given up.
    let rows = block_on(world.store.data_keys()).unwrap();
    drop(block_on(Auth::open_giving_up_data_key(world.store(), pool(), keyring(NEW, &[]))).unwrap());
    assert_eq!(block_on(world.store.data_keys()).unwrap(), rows);
}

#[test]
fn a_store_that_goes_back_to_before_its_data_key_is_given_it_again() {
    let world = World::new();
    let before = world.beside(keyring(OLD, &[]));
    let ada = world.person(&before, "ada@example.com");
    let backup = world.store.backup();
    let auth = world.open(keyring(OLD, &[])).unwrap();
    let rows = block_on(world.store.data_keys()).unwrap();
    world.settle(&auth);
    world.store.restore(&backup);
    world.later(2);
    world.log_in(&auth, &ada).unwrap();
    assert_eq!(block_on(world.store.data_keys()).unwrap().len(), rows.len());
    world.log_in(&world.open(keyring(OLD, &[])).unwrap(), &ada).unwrap();
}
