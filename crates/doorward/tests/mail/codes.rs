//! Codes: counted before they are looked at, dead after ten, and good under a secret that has been exchanged.

use doorward::audit::EventKind;
use doorward::redemption::WRONG_CODES;
use doorward::testing::block_on;
use doorward::{Fault, Origin, RedeemError, Registrant, TicketProof};

use crate::world::{ADA, Done, World, address, is_refused};

fn verify(world: &World, proof: &TicketProof) -> Done {
    block_on(world.auth.verify_email(proof, Registrant::Unknown, Origin::unknown()))
}

#[test]
fn ten_wrong_codes_kill_the_code_and_leave_the_link() {
    let world = World::new();
    world.register(ADA).unwrap();
    let letter = world.letter();
    for wrong in 1..WRONG_CODES {
        is_refused(&verify(&world, &letter.wrong_code_for(ADA)));
        assert_eq!(world.account(ADA).tickets[0].wrong_codes, wrong);
    }
    assert!(world.account(ADA).tickets[0].code_hash.is_some());
    is_refused(&verify(&world, &letter.wrong_code_for(ADA)));
    is_refused(&verify(&world, &letter.code_for(ADA)));
    assert_eq!(world.events(EventKind::TicketRefused).len(), 11);
    verify(&world, &letter.link()).unwrap();
}

#[test]
fn the_tenth_may_still_be_right() {
    let world = World::new();
    world.register(ADA).unwrap();
    let letter = world.letter();
    for _ in 1..WRONG_CODES {
        is_refused(&verify(&world, &letter.wrong_code_for(ADA)));
    }
    verify(&world, &letter.code_for(ADA)).unwrap();
}

#[test]
fn a_thousand_guesses_at_once_are_ten() {
    let world = World::new();
    world.register(ADA).unwrap();
    let letter = world.letter();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            // A guess that had to give way too often was not looked at either.
            scope.spawn(|| (0..125).for_each(|_| drop(verify(&world, &letter.wrong_code_for(ADA)))));
        }
    });
    let ticket = &world.account(ADA).tickets[0];
    assert_eq!((ticket.wrong_codes, ticket.code_hash), (WRONG_CODES, None));
    is_refused(&verify(&world, &letter.code_for(ADA)));
}

#[test]
fn guesses_are_limited_whether_or_not_there_is_an_account() {
    let mut refused_at = Vec::new();
    for email in [ADA, "nobody@example.com"] {
        let world = World::limited();
        world.register(ADA).unwrap();
        let letter = world.letter();
        let limited = (0..).find(|_| match verify(&world, &letter.wrong_code_for(email)) {
            Err(RedeemError::Fault(Fault::Limited(_))) => true,
            refused => {
                is_refused(&refused);
                false
            }
        });
        refused_at.push(limited.unwrap());
        // The right one is looked at no more than a wrong one.
        assert!(matches!(verify(&world, &letter.code_for(email)), Err(RedeemError::Fault(Fault::Limited(_)))));
    }
    assert_eq!(refused_at, [5, 5]);
}

#[test]
fn a_wrong_code_leaves_one_trace_whether_or_not_there_is_an_account() {
    let world = World::new();
    world.register(ADA).unwrap();
    let letter = world.letter();
    for (traces, email) in [ADA, "nobody@example.com"].into_iter().enumerate() {
        is_refused(&verify(&world, &letter.wrong_code_for(email)));
        assert_eq!(world.events(EventKind::TicketRefused).len(), traces + 1);
    }
    let known: Vec<_> = world.events(EventKind::TicketRefused).iter().map(|event| event.user_id.is_some()).collect();
    assert_eq!(known, [false, true]);
}

#[test]
fn a_code_is_read_as_people_write_it() {
    let world = World::new();
    world.register(ADA).unwrap();
    let code = world.letter().code;
    assert_eq!(code.len(), 8);
    let spaced = format!(" {}-{} {}\u{a0}", &code[..3], &code[3..6], &code[6..]);
    verify(&world, &TicketProof::code(address("ADA@example.com"), &spaced)).unwrap();
}

#[test]
fn links_and_codes_outlive_the_exchange_of_the_secret() {
    for by_code in [false, true] {
        let world = World::new();
        world.register(ADA).unwrap();
        let letter = world.letter();
        let world = world.rotated();
        verify(&world, &if by_code { letter.code_for(ADA) } else { letter.link() }).unwrap();
    }
}

#[test]
fn what_is_stored_gives_nobody_a_link_or_a_code() {
    let world = World::new();
    world.register(ADA).unwrap();
    let messages =
        block_on(world.auth.take_messages(doorward::outbox::MessageKind::Mail, 10, std::time::Duration::ZERO)).unwrap();
    let letter = world.letter();
    let tickets = doorward::ticket::to_stored(&world.account(ADA).tickets).unwrap();
    let shown = format!("{tickets} {messages:?} {:?}", letter.link());
    assert!(!shown.contains(&letter.code) && !shown.contains(&letter.token));
}
