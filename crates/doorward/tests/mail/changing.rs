//! Change of address, and invitations.

use doorward::audit::EventKind;
use doorward::login::LoginError;
use doorward::reauthenticate::{Proof, ProofError};
use doorward::testing::block_on;
use doorward::ticket::Purpose;
use doorward::{Identity, Origin, RedeemError, TicketProof};

use crate::world::{ADA, Done, PASSWORD, Received, World, address, is_refused, typed};

const NEW: &str = "Ada@New.example.com";

fn ask(world: &World, identity: &Identity, email: &str) {
    let proof = Proof { password: typed(PASSWORD), code: None };
    block_on(world.auth.request_email_change(identity, &address(email), &proof, Origin::unknown())).unwrap();
}

/// The letter to the new address; the one to the present address is read, too.
fn change(world: &World) -> Received {
    let mut letters = world.letters();
    letters.sort_by_key(|letter| letter.kind);
    assert_eq!(
        letters.iter().map(|letter| letter.kind).collect::<Vec<_>>(),
        ["change_email", "email_change_requested"]
    );
    letters.remove(0)
}

fn confirm(world: &World, proof: &TicketProof) -> Done {
    block_on(world.auth.confirm_email_change(proof, Origin::unknown()))
}

#[test]
fn the_new_address_is_proven_and_the_old_one_told() {
    for by_code in [false, true] {
        let world = World::new();
        let tokens = world.register(ADA).unwrap();
        let ada = world.identity(&tokens);
        let verification = world.letter();
        ask(&world, &ada, NEW);
        let letter = change(&world);
        assert_eq!((letter.to.as_str(), letter.kind), ("Ada@new.example.com", "change_email"));
        assert_eq!(world.account(ADA).user.email.as_str(), ADA, "nothing changes before it is confirmed");
        confirm(&world, &if by_code { TicketProof::code_of(ada.user_id, &letter.code) } else { letter.link() })
            .unwrap();
        let told = world.letter();
        assert_eq!((told.to.as_str(), told.kind), (ADA, "email_changed"));
        let account = world.account(NEW);
        assert_eq!(account.user.email.as_str(), "Ada@new.example.com");
        assert!(account.user.email_verified_at.is_some());
        assert!(account.tickets.iter().all(|ticket| ticket.purpose == Purpose::KeepEmail), "{:?}", account.tickets);
        assert!(matches!(world.login(ADA, PASSWORD), Err(LoginError::InvalidCredentials)));
        world.login(NEW, PASSWORD).unwrap();
        is_refused(&confirm(&world, &letter.link()));
        // H51: what was sent to the old address is void.
        let late =
            block_on(world.auth.verify_email(&verification.link(), doorward::Registrant::Unknown, Origin::unknown()));
        is_refused(&late);
        assert!(world.is_live(&tokens));
        assert_eq!(world.events(EventKind::EmailChanged).len(), 1);
    }
}

#[test]
fn a_taken_address_is_told_only_to_whoever_reads_its_mail() {
    let world = World::new();
    let ada = world.identity(&world.register(ADA).unwrap());
    world.register("bob@example.com").unwrap();
    world.letters();
    ask(&world, &ada, "bob@example.com");
    let letter = change(&world);
    assert_eq!(letter.to, "bob@example.com");
    let taken = confirm(&world, &letter.link());
    assert!(matches!(taken, Err(RedeemError::AddressTaken)), "{taken:?}");
    assert_eq!(world.account(ADA).user.id, ada.user_id);
}

#[test]
fn a_change_is_good_for_half_an_hour_and_until_the_next() {
    let world = World::new();
    let ada = world.identity(&world.register(ADA).unwrap());
    world.letters();
    ask(&world, &ada, "first@example.com");
    let first = change(&world);
    ask(&world, &ada, "second@example.com");
    let second = change(&world);
    is_refused(&confirm(&world, &first.link()));
    is_refused(&confirm(&world, &TicketProof::code_of(ada.user_id, &first.code)));
    world.later(30);
    is_refused(&confirm(&world, &second.link()));
}

#[test]
fn an_intruders_change_is_void_once_the_password_is_another() {
    let world = World::new();
    let ada = world.identity(&world.register(ADA).unwrap());
    world.letters();
    ask(&world, &ada, "mallory@example.com");
    let letter = change(&world);
    world.amend(ADA, |account| account.password_hash = doorward::password::PasswordHash::from_stored("another"));
    is_refused(&confirm(&world, &letter.link()));
}

#[test]
fn of_two_accounts_that_want_one_address_one_gets_it() {
    let world = World::new();
    let ada = world.identity(&world.register(ADA).unwrap());
    let bob = world.identity(&world.register("bob@example.com").unwrap());
    world.letters();
    ask(&world, &ada, NEW);
    ask(&world, &bob, NEW);
    let letters: Vec<_> = world.letters().into_iter().filter(|letter| letter.kind == "change_email").collect();
    let outcomes: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = letters.iter().map(|letter| scope.spawn(|| confirm(&world, &letter.link()))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1, "{outcomes:?}");
    assert_eq!(outcomes.iter().filter(|outcome| matches!(outcome, Err(RedeemError::AddressTaken))).count(), 1);
}

#[test]
fn a_change_dies_with_the_session_that_asked_for_it() {
    for by_logout_all in [false, true] {
        let world = World::new();
        let stolen = world.register(ADA).unwrap();
        let thief = world.identity(&stolen);
        world.letters();
        ask(&world, &thief, "mallory@example.com");
        let letter = change(&world);
        if by_logout_all {
            block_on(world.auth.logout_all(thief.user_id, Origin::unknown())).unwrap();
        } else {
            block_on(world.auth.end_session(thief.user_id, thief.session.unwrap(), Origin::unknown())).unwrap();
        }
        is_refused(&confirm(&world, &letter.link()));
        is_refused(&confirm(&world, &TicketProof::code_of(thief.user_id, &letter.code)));
        assert_eq!(world.account(ADA).user.email.as_str(), ADA);
    }
}

#[test]
fn changes_to_somebodys_address_leave_their_recovery_alone() {
    let world = World::limited();
    let mallory = world.identity(&world.register("mallory@example.com").unwrap());
    world.register(ADA).unwrap();
    let proof = Proof { password: typed(PASSWORD), code: None };
    let asked = |_| block_on(world.auth.request_email_change(&mallory, &address(ADA), &proof, Origin::unknown()));
    let outcomes: Vec<_> = (0..5).map(asked).collect();
    assert!(outcomes.iter().any(|asked| matches!(asked, Err(ProofError::Fault(_)))), "{outcomes:?}");
    world.letters();
    world.request_recovery(ADA);
    assert_eq!(world.letter().kind, "recover");
}
