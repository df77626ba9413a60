//! H51 and H53: what a letter to verify an address is good for, and whom it takes the account from.

use base64_simd::URL_SAFE_NO_PAD;
use doorward::audit::EventKind;
use doorward::login::LoginError;
use doorward::register::RegisterError;
use doorward::testing::block_on;
use doorward::{EmailVerification, Origin, RedeemError, Registrant, TicketProof};

use crate::world::{ADA, Done, NEW_PASSWORD, PASSWORD, World, is_refused, typed};

fn verify(world: &World, proof: &TicketProof, registrant: Registrant<'_>) -> Done {
    block_on(world.auth.verify_email(proof, registrant, Origin::unknown()))
}

#[test]
fn a_letter_goes_out_with_the_registration_and_verifies_once() {
    let world = World::new();
    let tokens = world.register(ADA).unwrap();
    let letter = world.letter();
    assert_eq!((letter.to.as_str(), letter.kind), (ADA, "verify_email"));
    let registrant = world.identity(&tokens);
    verify(&world, &letter.link(), Registrant::Session(&registrant)).unwrap();
    assert!(world.account(ADA).user.email_verified_at.is_some());
    assert!(world.is_live(&tokens), "verifying an address of one's own ends nothing");
    is_refused(&verify(&world, &letter.link(), Registrant::Session(&registrant)));
    is_refused(&verify(&world, &letter.code_for(ADA), Registrant::Session(&registrant)));
    assert_eq!(world.events(EventKind::EmailVerified).len(), 1);
    assert!(world.letters().is_empty());
}

#[test]
fn without_the_setting_no_letter_goes_out() {
    let world = World::asking(EmailVerification::Off);
    let tokens = world.register(ADA).unwrap();
    assert!(world.letters().is_empty());
    // But one can be asked for.
    block_on(world.auth.request_verification(&world.identity(&tokens), Origin::unknown())).unwrap();
    assert_eq!(world.letter().kind, "verify_email");
}

#[test]
fn the_registrant_is_known_by_the_password_too() {
    let world = World::new();
    let tokens = world.register(ADA).unwrap();
    let letter = world.letter();
    let wrong = verify(&world, &letter.link(), Registrant::Password(&typed(NEW_PASSWORD)));
    assert!(matches!(wrong, Err(RedeemError::WrongPassword)), "{wrong:?}");
    assert_eq!(world.events(EventKind::ReauthenticationRefused).len(), 1);
    verify(&world, &letter.link(), Registrant::Password(&typed(PASSWORD))).unwrap();
    assert!(world.is_live(&tokens));
    world.login(ADA, PASSWORD).unwrap();
}

/// H53.
#[test]
fn whoever_registered_anothers_address_has_nothing_left_when_its_owner_verifies() {
    let world = World::new();
    let attacker = world.register(ADA).unwrap();
    let letter = world.letter();
    verify(&world, &letter.link(), Registrant::Unknown).unwrap();
    assert!(!world.is_live(&attacker));
    assert!(matches!(world.login(ADA, PASSWORD), Err(LoginError::InvalidCredentials)));
    // The owner gets to choose a password, and nobody else does.
    let letter = world.letter();
    assert_eq!((letter.to.as_str(), letter.kind), (ADA, "recover"));
    world.recover(&letter.link()).unwrap();
    world.login(ADA, NEW_PASSWORD).unwrap();
}

/// H53, with a session of somebody who isn't the registrant.
#[test]
fn a_session_of_another_account_makes_nobody_the_registrant() {
    let world = World::new();
    let attacker = world.register(ADA).unwrap();
    let letter = world.letter();
    let other = world.register("bob@example.com").unwrap();
    world.letters();
    verify(&world, &letter.link(), Registrant::Session(&world.identity(&other))).unwrap();
    assert!(!world.is_live(&attacker) && world.is_live(&other));
}

/// H53: an attacker who was thrown out left nothing that comes true later.
#[test]
fn what_a_thrown_out_registrant_had_begun_is_void() {
    for by_recovery in [false, true] {
        let world = World::new();
        let attacker = world.identity(&world.register(ADA).unwrap());
        let first = world.letter();
        let to = crate::world::address("mallory@example.com");
        let proof =
            doorward::reauthenticate::Proof { password: crate::world::typed(crate::world::PASSWORD), code: None };
        block_on(world.auth.request_email_change(&attacker, &to, &proof, Origin::unknown())).unwrap();
        let change = world.letters().into_iter().find(|letter| letter.kind == "change_email").unwrap();
        if by_recovery {
            world.request_recovery(ADA);
            world.recover(&world.letter().link()).unwrap();
        } else {
            verify(&world, &first.link(), Registrant::Unknown).unwrap();
        }
        is_refused(&block_on(world.auth.confirm_email_change(&change.link(), Origin::unknown())));
        assert_eq!(world.account(ADA).user.email.as_str(), ADA);
    }
}

#[test]
fn a_verified_address_has_nobody_to_be_taken_from() {
    let world = World::new();
    let tokens = world.register(ADA).unwrap();
    let letter = world.letter();
    world.amend(ADA, |account| account.user.email_verified_at = Some(account.user.created_at));
    verify(&world, &letter.link(), Registrant::Unknown).unwrap();
    assert!(world.is_live(&tokens));
    world.login(ADA, PASSWORD).unwrap();
}

/// H51.
#[test]
fn a_link_is_good_for_a_day_its_code_for_half_an_hour() {
    let world = World::new();
    let registrant = world.identity(&world.register(ADA).unwrap());
    let letter = world.letter();
    world.later(30);
    is_refused(&verify(&world, &letter.code_for(ADA), Registrant::Session(&registrant)));
    world.later(23 * 60 + 30);
    is_refused(&verify(&world, &letter.link(), Registrant::Session(&registrant)));
    block_on(world.auth.request_verification(&registrant, Origin::unknown())).unwrap();
    let letter = world.letter();
    world.later(29);
    verify(&world, &letter.code_for(ADA), Registrant::Session(&registrant)).unwrap();
}

/// H51.
#[test]
fn an_older_letter_is_void_when_a_newer_one_is_sent() {
    let world = World::new();
    let registrant = world.identity(&world.register(ADA).unwrap());
    let older = world.letter();
    block_on(world.auth.request_verification(&registrant, Origin::unknown())).unwrap();
    let newer = world.letter();
    is_refused(&verify(&world, &older.link(), Registrant::Session(&registrant)));
    is_refused(&verify(&world, &older.code_for(ADA), Registrant::Session(&registrant)));
    verify(&world, &newer.link(), Registrant::Session(&registrant)).unwrap();
    // Once it is verified nothing more is sent.
    block_on(world.auth.request_verification(&registrant, Origin::unknown())).unwrap();
    assert!(world.letters().is_empty());
}

/// H51: after the address has changed.
#[test]
fn a_letter_to_an_address_that_is_no_longer_the_accounts_is_void() {
    let world = World::new();
    let registrant = world.identity(&world.register(ADA).unwrap());
    let letter = world.letter();
    world.amend(ADA, |account| account.user.email = crate::world::address("ada@new.example.com"));
    is_refused(&verify(&world, &letter.link(), Registrant::Session(&registrant)));
    assert!(world.account("ada@new.example.com").user.email_verified_at.is_none());
}

/// H51: another person's, and for another purpose.
#[test]
fn a_ticket_is_good_for_its_account_and_its_purpose_alone() {
    let world = World::new();
    let ada = world.identity(&world.register(ADA).unwrap());
    let hers = world.letter();
    let bob = world.identity(&world.register("bob@example.com").unwrap());
    let his = world.letter();
    is_refused(&verify(&world, &hers.code_for("bob@example.com"), Registrant::Session(&bob)));
    is_refused(&verify(&world, &TicketProof::code_of(bob.user_id, &hers.code), Registrant::Session(&bob)));
    // His account's number before her secret.
    let bytes = |token: &str| URL_SAFE_NO_PAD.decode_to_vec(token).unwrap();
    let mixed = URL_SAFE_NO_PAD.encode_to_string([&bytes(&his.token)[..8], &bytes(&hers.token)[8..]].concat());
    is_refused(&verify(&world, &TicketProof::link(&mixed), Registrant::Session(&bob)));
    is_refused(&world.recover(&hers.link()));
    is_refused(&world.recover(&hers.code_for(ADA)));
    is_refused(&block_on(world.auth.confirm_email_change(&hers.link(), Origin::unknown())));
    verify(&world, &hers.link(), Registrant::Session(&ada)).unwrap();
}

#[test]
fn what_was_never_a_link_is_refused_like_one_that_is_over() {
    let world = World::new();
    world.register(ADA).unwrap();
    let token = world.letter().token;
    let cut = &token[..token.len() - 1];
    for made_up in ["", "x", "%00", cut, &format!("{token}A"), &format!("{token}="), &"A".repeat(54), &"A".repeat(9999)]
    {
        is_refused(&verify(&world, &TicketProof::link(made_up), Registrant::Unknown));
    }
    for index in 0..token.len() {
        let mut bytes = token.clone().into_bytes();
        bytes[index] = if bytes[index] == b'A' { b'B' } else { b'A' };
        is_refused(&verify(&world, &TicketProof::link(std::str::from_utf8(&bytes).unwrap()), Registrant::Unknown));
    }
    assert!(world.account(ADA).user.email_verified_at.is_none());
}

#[test]
fn where_it_is_required_nobody_gets_in_before() {
    let world = World::asking(EmailVerification::Required);
    assert!(matches!(world.register(ADA), Err(RegisterError::AwaitsVerification)));
    assert!(matches!(world.login(ADA, NEW_PASSWORD), Err(LoginError::InvalidCredentials)));
    assert!(matches!(world.login(ADA, PASSWORD), Err(LoginError::EmailNotVerified)));
    let letter = world.letter();
    // A day later a login sends another, since the first is over.
    world.later(24 * 60);
    assert!(matches!(world.login(ADA, PASSWORD), Err(LoginError::EmailNotVerified)));
    is_refused(&verify(&world, &letter.link(), Registrant::Password(&typed(PASSWORD))));
    verify(&world, &world.letter().link(), Registrant::Password(&typed(PASSWORD))).unwrap();
    world.login(ADA, PASSWORD).unwrap();
}

#[test]
fn of_two_at_once_one_wins() {
    let world = World::new();
    let registrant = world.identity(&world.register(ADA).unwrap());
    let letter = world.letter();
    let won = std::thread::scope(|scope| {
        let attempt = || verify(&world, &letter.link(), Registrant::Session(&registrant)).is_ok();
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(attempt)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).filter(|won| *won).count()
    });
    assert_eq!(won, 1);
    assert_eq!(world.events(EventKind::EmailVerified).len(), 1);
}

#[test]
fn a_deactivated_account_verifies_nothing() {
    let world = World::new();
    world.register(ADA).unwrap();
    let letter = world.letter();
    block_on(world.auth.deactivate(world.account(ADA).user.id, Origin::operator())).unwrap();
    is_refused(&verify(&world, &letter.link(), Registrant::Unknown));
}
