//! H3 and H52: the same for every address; a new password for whoever reads the mail, and for nobody else.

use std::time::Duration;

use doorward::audit::EventKind;
use doorward::login::LoginError;
use doorward::outbox::MessageKind;
use doorward::recovery::FactorAtRecovery;
use doorward::second_factor::SecondFactor;
use doorward::testing::block_on;
use doorward::ticket::YOUNG;
use doorward::{Clock, Fault, Origin};

use crate::world::{ADA, NEW_PASSWORD, PASSWORD, World, address, is_refused};

/// H3: the work is compared, not the time: one message each, of one kind, about nobody.
#[test]
fn a_request_does_the_same_for_every_address() {
    let world = World::new();
    world.register(ADA).unwrap();
    world.letters();
    let before = world.account(ADA);
    let mut written = Vec::new();
    for email in [ADA, "eve@example.com"] {
        world.request_recovery(email);
        let messages = world.messages();
        written.push(messages.iter().map(|m| (m.kind, m.user_id, m.sealed.len())).collect::<Vec<_>>());
        assert_eq!(world.account(ADA), before);
    }
    assert_eq!(written[0][..1], [(MessageKind::Recovery, None, written[0][0].2)]);
    assert_eq!(written[0].len(), 1);
    assert_eq!(written[1].len(), 1);
    assert_eq!(written[1][0].0, MessageKind::Recovery);
    assert!(world.events(EventKind::RecoveryRequested).is_empty());
}

#[test]
fn only_an_account_that_lets_somebody_in_gets_a_letter_and_only_to_its_stored_address() {
    let world = World::new();
    world.register("Ada@example.com").unwrap();
    world.letters();
    world.request_recovery("nobody@example.com");
    assert!(world.letters().is_empty());
    // As it was registered, however it was typed.
    world.request_recovery("ADA@EXAMPLE.com");
    assert_eq!(world.letter().to, "Ada@example.com");
    block_on(world.auth.deactivate(world.account(ADA).user.id, Origin::operator())).unwrap();
    world.request_recovery(ADA);
    assert!(world.letters().is_empty());
}

#[test]
fn recovery_ends_every_session_verifies_the_address_and_logs_nobody_in() {
    for by_code in [false, true] {
        let world = World::new();
        let sessions = [world.register(ADA).unwrap(), world.login(ADA, PASSWORD).unwrap()];
        world.letters();
        world.amend(ADA, |account| account.must_change_password = true);
        world.request_recovery(ADA);
        let letter = world.letter();
        assert_eq!(letter.kind, "recover");
        world.recover(&if by_code { letter.code_for(ADA) } else { letter.link() }).unwrap();
        assert!(sessions.iter().all(|tokens| !world.is_live(tokens)));
        let account = world.account(ADA);
        assert!(account.user.email_verified_at.is_some() && !account.must_change_password);
        assert!(account.tickets.is_empty());
        assert!(matches!(world.login(ADA, PASSWORD), Err(LoginError::InvalidCredentials)));
        world.login(ADA, NEW_PASSWORD).unwrap();
        assert_eq!(world.letter().kind, "password_changed");
        assert_eq!(world.events(EventKind::Recovered).len(), 1);
    }
}

/// H52.
#[test]
fn a_link_is_good_once_for_half_an_hour_and_until_the_next() {
    let world = World::new();
    world.register(ADA).unwrap();
    world.letters();
    world.request_recovery(ADA);
    let first = world.letter();
    world.request_recovery(ADA);
    let second = world.letter();
    is_refused(&world.recover(&first.link()));
    is_refused(&world.recover(&first.code_for(ADA)));
    world.recover(&second.link()).unwrap();
    is_refused(&world.recover(&second.link()));
    is_refused(&world.recover(&second.code_for(ADA)));
    world.letters();
    world.request_recovery(ADA);
    let third = world.letter();
    world.later(30);
    is_refused(&world.recover(&third.link()));
    is_refused(&world.recover(&third.code_for(ADA)));
}

/// H52: with another person's address beside the code, and after the address has changed.
#[test]
fn a_letter_is_good_for_the_account_and_the_address_that_it_was_sent_to() {
    let world = World::new();
    world.register(ADA).unwrap();
    world.register("bob@example.com").unwrap();
    world.letters();
    world.request_recovery(ADA);
    let letter = world.letter();
    is_refused(&world.recover(&letter.code_for("bob@example.com")));
    let before = world.account("bob@example.com");
    assert_eq!(before.password_hash, world.account("bob@example.com").password_hash);
    world.amend(ADA, |account| account.user.email = address("ada@new.example.com"));
    is_refused(&world.recover(&letter.link()));
    is_refused(&world.recover(&letter.code_for("ada@new.example.com")));
}

/// H52: a change of the password kills what was sent before it.
#[test]
fn a_letter_is_void_once_the_password_is_another() {
    let world = World::new();
    world.register(ADA).unwrap();
    world.letters();
    world.request_recovery(ADA);
    let letter = world.letter();
    world.amend(ADA, |account| account.password_hash = doorward::password::PasswordHash::unusable());
    is_refused(&world.recover(&letter.link()));
}

/// H52.
#[test]
fn of_two_at_once_one_wins() {
    let world = World::new();
    world.register(ADA).unwrap();
    world.letters();
    world.request_recovery(ADA);
    let letter = world.letter();
    let won = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(|| world.recover(&letter.link()).is_ok())).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).filter(|won| *won).count()
    });
    assert_eq!((won, world.events(EventKind::Recovered).len()), (1, 1));
}

/// An authenticator that was added so long before now.
fn added(world: &World, before: Duration) -> SecondFactor {
    let enabled_at = world.clock.now().minus(before).micros();
    let factor = SecondFactor {
        sealed_secret: vec![1],
        last_step: 0,
        recovery_codes: vec![[2; 32]],
        enabled_at,
        recovery_codes_made_at: enabled_at,
    };
    world.amend(ADA, |account| account.second_factor = Some(factor.clone()));
    factor
}

/// H52: also when its removal is asked for, unless it is younger than three days.
#[test]
fn a_second_factor_outlives_a_recovery() {
    for (age, asked) in [
        (Duration::from_secs(60), FactorAtRecovery::Keep),
        (YOUNG, FactorAtRecovery::Keep),
        (YOUNG, FactorAtRecovery::RemoveYoung),
    ] {
        let world = World::new();
        world.register(ADA).unwrap();
        world.letters();
        let factor = added(&world, age);
        world.request_recovery(ADA);
        world.recover_with(&world.letter().link(), asked).unwrap();
        assert_eq!(world.account(ADA).second_factor, Some(factor), "{age:?} {asked:?}");
        assert_eq!(world.letter().kind, "password_changed");
        assert!(world.events(EventKind::SecondFactorDisabled).is_empty());
    }
}

/// What an intruder has added keeps nobody out.
#[test]
fn a_young_second_factor_goes_with_a_recovery_that_asks_for_it() {
    let world = World::new();
    world.register(ADA).unwrap();
    world.letters();
    added(&world, YOUNG - Duration::from_secs(1));
    let before = world.account(ADA).version;
    world.request_recovery(ADA);
    let letter = world.letter();
    world.recover_with(&letter.link(), FactorAtRecovery::RemoveYoung).unwrap();
    let account = world.account(ADA);
    assert!(account.second_factor.is_none() && account.version != before);
    let mut told: Vec<_> = world.letters().into_iter().map(|letter| letter.kind).collect();
    told.sort_unstable();
    assert_eq!(told, ["password_changed", "second_factor_disabled"]);
    assert_eq!(world.events(EventKind::SecondFactorDisabled).len(), 1);
    world.login(ADA, NEW_PASSWORD).unwrap();
}

/// H53.
#[test]
fn whoever_registered_anothers_address_has_nothing_left_when_its_owner_recovers() {
    let world = World::new();
    let attacker = world.register(ADA).unwrap();
    let first = world.letter();
    world.request_recovery(ADA);
    world.recover(&world.letter().link()).unwrap();
    assert!(!world.is_live(&attacker));
    assert!(matches!(world.login(ADA, PASSWORD), Err(LoginError::InvalidCredentials)));
    let proof = first.link();
    is_refused(&block_on(world.auth.verify_email(&proof, doorward::Registrant::Unknown, Origin::unknown())));
}

#[test]
fn a_worker_that_died_over_a_request_sends_no_second_letter() {
    let world = World::new();
    world.register(ADA).unwrap();
    world.letters();
    world.request_recovery(ADA);
    let take = |kind| {
        let mut taken = block_on(world.auth.take_messages(kind, 10, Duration::from_secs(60))).unwrap();
        taken.remove(0)
    };
    let wish = take(MessageKind::Recovery);
    assert!(block_on(world.auth.handle_recovery(&wish)).unwrap());
    // It died before it could settle the wish, which another worker gets.
    world.later(2);
    let again = take(MessageKind::Recovery);
    assert_eq!((again.id, again.attempts), (wish.id, 2));
    assert!(!block_on(world.auth.handle_recovery(&again)).unwrap());
    assert_eq!(world.events(EventKind::RecoveryRequested).len(), 1);
    block_on(world.auth.message_done(wish.id)).unwrap();
    // One that died before it did anything leaves all of it to the next.
    world.request_recovery(ADA);
    take(MessageKind::Recovery);
    world.later(2);
    assert!(block_on(world.auth.handle_recovery(&take(MessageKind::Recovery))).unwrap());
}

#[test]
fn requests_are_limited_alike_for_every_address() {
    let mut allowed = Vec::new();
    for email in [ADA, "nobody@example.com"] {
        let world = World::limited();
        world.register(ADA).unwrap();
        let refused = (0..).find(|_| {
            let asked = block_on(world.auth.request_recovery(&address(email), Origin::unknown()));
            matches!(asked, Err(Fault::Limited(_)))
        });
        allowed.push(refused.unwrap());
    }
    assert_eq!(allowed, [3, 3]);
}

#[test]
fn a_bad_link_costs_no_hash() {
    let world = World::new();
    world.register(ADA).unwrap();
    let hashed = || world.auth.hashing_pool().statistics().hashed;
    let before = hashed();
    is_refused(&world.recover(&world.letter().link()));
    is_refused(&world.recover(&doorward::TicketProof::code(address(ADA), "12345678")));
    assert_eq!(hashed(), before);
}
