//! Limits, over real sockets.

use std::sync::Barrier;

use crate::application::{Home, Server, UNLIMITED, get};
use crate::client::PASSWORD;
use crate::races::{at_once, count};

const GUESS: &str = "a wrong guess";

#[test]
fn of_a_thousand_wrong_passwords_at_once_no_more_than_the_limit_are_checked() {
    let home = Home::new();
    let server = home.serve(&["--metrics-bind", "127.0.0.1:0"]);
    let client = server.client();
    assert_eq!(client.register("ada@example.com", PASSWORD).status, 201);
    let before = metric(&server, "doorward_hashing_done_total");
    let barrier = Barrier::new(50);
    let guess = |email: &str| {
        barrier.wait();
        (0..20).map(|_| client.login(email, GUESS)).collect::<Vec<_>>()
    };
    let answers: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..50).map(|_| scope.spawn(|| guess("ada@example.com"))).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!((count(&answers, 401, "AUTH_INVALID_CREDENTIALS"), count(&answers, 429, "RATE_LIMITED")), (5, 995));
    assert_eq!(metric(&server, "doorward_hashing_done_total") - before, 5);
    assert_eq!(metric(&server, "doorward_rate_limited_total{limit=\"login_pair\"}"), 995);
    // Distinct accounts from one address: the burst of the network, less what is owed, and nothing more.
    let before = metric(&server, "doorward_hashing_done_total");
    let answers = at_once(250, |index| client.login(&format!("u{index}@example.com"), GUESS));
    let checked = count(&answers, 401, "AUTH_INVALID_CREDENTIALS");
    // One more for each half minute that this took.
    assert!((95..100).contains(&checked), "{checked}");
    assert_eq!(metric(&server, "doorward_hashing_done_total") - before, checked as u64);
    let (status, log) = server.stop();
    assert_eq!(status, Some(0));
    // A flood fills no log: a line a limit in ten seconds.
    let lines = log.lines().filter(|line| line.contains("\"rate_limited\"")).count();
    assert!((2..10).contains(&lines), "{lines}");
}

#[test]
fn switched_off_nobody_is_limited_and_the_start_says_so() {
    let home = Home::new();
    let server = home.serve(&UNLIMITED);
    assert!(
        server.log.iter().any(|entry| entry["message"].as_str().unwrap_or_default().contains("rate_limit_enabled"))
    );
    let client = server.client();
    let answers = at_once(50, |_| client.login("ada@example.com", GUESS));
    assert_eq!(count(&answers, 401, "AUTH_INVALID_CREDENTIALS"), 50);
}

#[test]
fn a_proxy_that_nobody_named_is_told_of_once() {
    let home = Home::new();
    let mut server = home.serve(&[]);
    assert!(!server.log.iter().any(|entry| entry["event"] == "insecure"
        && entry["message"].as_str().unwrap_or_default().contains("rate")));
    for _ in 0..3 {
        let request =
            b"GET /health HTTP/1.1\r\nHost: test\r\nConnection: close\r\nX-Forwarded-For: 203.0.113.1\r\n\r\n";
        server.client().raw(request).unwrap();
    }
    let warning = server.wait_for_event("forwarding_ignored");
    assert!(warning["message"].as_str().unwrap().contains("trusted_proxies"), "{warning}");
    let (_, log) = server.stop();
    assert_eq!(log.lines().filter(|line| line.contains("forwarding_ignored")).count(), 1);
}

fn metric(server: &Server, name: &str) -> u64 {
    let (status, text) = get(server.address("metrics"), "/metrics");
    assert_eq!(status, 200);
    let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("no {name} in {text}"));
    line.rsplit_once(' ').unwrap().1.parse().unwrap()
}
