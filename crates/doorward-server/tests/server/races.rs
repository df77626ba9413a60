//! Many at once.

use std::sync::Barrier;

use crate::application::{Home, UNLIMITED};
use crate::client::{Answer, PASSWORD};

pub(crate) fn at_once(count: usize, act: impl Fn(usize) -> Answer + Sync) -> Vec<Answer> {
    let barrier = Barrier::new(count);
    let act = |index| {
        barrier.wait();
        act(index)
    };
    std::thread::scope(|scope| {
        let running: Vec<_> = (0..count).map(|index| scope.spawn(move || act(index))).collect();
        running.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

pub(crate) fn count(answers: &[Answer], status: u16, code: &str) -> usize {
    answers.iter().filter(|answer| answer.status == status && answer.code() == code).count()
}

#[test]
fn fifty_uses_of_one_refresh_token_leave_at_most_one_live_successor() {
    let home = Home::new();
    let server = home.serve(&[]);
    let client = server.client();
    for round in 0..5 {
        let first = client.register(&format!("ada{round}@example.com"), PASSWORD).tokens();
        let answers = at_once(50, |_| client.refresh(&first.refresh));
        let (fresh, reuse, over) = (
            count(&answers, 200, ""),
            count(&answers, 401, "AUTH_TOKEN_REUSE"),
            count(&answers, 401, "AUTH_REFRESH_INVALID"),
        );
        // One rotates, the next is theft and ends the session, the rest find it over.
        assert_eq!((fresh, reuse, over), (1, 1, 48));
        let successor = answers.iter().find(|answer| answer.status == 200).unwrap().tokens();
        assert_eq!(client.refresh(&successor.refresh).code(), "AUTH_REFRESH_INVALID");
        for access in [first.access, successor.access] {
            assert_eq!(client.me(&access).code(), "AUTH_TOKEN_INVALID");
        }
    }
}

#[test]
fn within_the_grace_window_fifty_uses_get_one_and_the_same_successor() {
    let home = Home::new();
    let server = home.serve(&["--refresh-reuse-grace-seconds", "30"]);
    let client = server.client();
    let first = client.register("ada@example.com", PASSWORD).tokens();
    let answers = at_once(50, |_| client.refresh(&first.refresh));
    let mut successors: Vec<_> = answers.iter().map(|answer| answer.tokens().refresh).collect();
    successors.dedup();
    assert_eq!(successors.len(), 1);
    let next = client.refresh(&successors[0]).tokens();
    assert_eq!(client.refresh(&first.refresh).code(), "AUTH_TOKEN_REUSE");
    assert_eq!(client.refresh(&next.refresh).code(), "AUTH_REFRESH_INVALID");
}

#[test]
fn fifty_registrations_of_one_address_make_one_account() {
    let home = Home::new();
    let server = home.serve(&UNLIMITED);
    let client = server.client();
    for round in 0..5 {
        let spellings = [format!("ada{round}@example.com"), format!("ADA{round}@Example.com")];
        let answers = at_once(50, |index| client.register(&spellings[index % 2], PASSWORD));
        assert_eq!((count(&answers, 201, ""), count(&answers, 409, "AUTH_EMAIL_CONFLICT")), (1, 49));
    }
}

#[test]
fn a_refresh_and_a_logout_at_once_leave_no_live_token() {
    let home = Home::new();
    let server = home.serve(&UNLIMITED);
    let client = server.client();
    for round in 0..20 {
        let tokens = client.register(&format!("u{round}@example.com"), PASSWORD).tokens();
        let answers =
            at_once(
                2,
                |index| {
                    if index == 0 { client.refresh(&tokens.refresh) } else { client.logout(&tokens.refresh) }
                },
            );
        assert_eq!(answers[1].status, 204);
        if answers[0].status == 200 {
            let successor = answers[0].tokens();
            assert_eq!(client.refresh(&successor.refresh).status, 401);
            assert_eq!(client.me(&successor.access).status, 401);
        }
        assert_eq!(client.me(&tokens.access).status, 401);
    }
}
