//! `kill -9` under load, over and over: what was acknowledged is there, what was not is wholly there or
//! wholly absent, and no session ever has two live tokens.
//!
//! `DOORWARD_CRASH_ROUNDS` sets how often; the default keeps the suite short.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::json;

use crate::application::{Home, Server, UNLIMITED};
use crate::client::{Client, PASSWORD};

const CLIENTS: usize = 8;
const DEFAULT_ROUNDS: usize = 12;

/// What one client knows when the server dies.
#[derive(Default)]
struct Knowledge {
    /// The refresh tokens of its session that were acknowledged, oldest first.
    chain: Vec<String>,
    /// A refresh with the newest of them had no answer when the connection broke.
    in_flight: bool,
    /// Accounts whose making was acknowledged.
    registered: Vec<String>,
    /// An account whose making was not.
    unanswered: Option<String>,
    /// Tokens whose logout was acknowledged.
    logged_out: Vec<String>,
}

#[test]
fn killed_at_any_moment_it_keeps_its_word() {
    let rounds = rounds();
    let home = Home::new();
    let (mut rotations, mut unanswered, mut applied) = (0, 0, 0);
    for round in 0..rounds {
        let server = home.serve(&UNLIMITED);
        let known = run_until_killed(server, round);
        let server = home.serve(&UNLIMITED);
        for knowledge in &known {
            rotations += knowledge.chain.len().saturating_sub(1);
            unanswered += usize::from(knowledge.in_flight);
            applied += usize::from(check(server.client(), knowledge));
        }
        let (status, log) = server.stop();
        assert_eq!(status, Some(0), "{log}");
    }
    println!(
        "{rounds} kills, {rotations} acknowledged rotations, {unanswered} unanswered ones, of which {applied} had happened"
    );
    assert!(rotations > 0);
}

#[expect(clippy::disallowed_methods, reason = "a longer run is asked for from outside")]
fn rounds() -> usize {
    std::env::var("DOORWARD_CRASH_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(DEFAULT_ROUNDS)
}

fn run_until_killed(server: Server, round: usize) -> Vec<Knowledge> {
    let client = server.client();
    let is_over = AtomicBool::new(false);
    let known: Vec<_> = (0..CLIENTS).map(|_| Mutex::new(Knowledge::default())).collect();
    std::thread::scope(|scope| {
        for (index, knowledge) in known.iter().enumerate() {
            let is_over = &is_over;
            scope.spawn(move || load(client, &mut knowledge.lock().unwrap(), &format!("r{round}c{index}"), is_over));
        }
        // Another moment each round, spread over what a round has time for.
        std::thread::sleep(Duration::from_millis(60 + (round as u64 * 137) % 400));
        server.kill();
        is_over.store(true, Ordering::SeqCst);
    });
    known.into_iter().map(|knowledge| knowledge.into_inner().unwrap()).collect()
}

/// Registers, rotates and logs out until the connection breaks.
fn load(client: Client, known: &mut Knowledge, name: &str, is_over: &AtomicBool) {
    for step in 0.. {
        if is_over.load(Ordering::SeqCst) {
            return;
        }
        let alive = match step % 8 {
            0 => register(client, known, &format!("{name}s{step}@example.com")),
            7 => log_out(client, known),
            _ => rotate(client, known),
        };
        if !alive {
            return;
        }
    }
}

fn register(client: Client, known: &mut Knowledge, email: &str) -> bool {
    let body = json!({"email": email, "password": PASSWORD});
    let Ok(answer) = client.try_send("POST", "/auth/register", None, Some(body)) else {
        known.unanswered = Some(email.to_owned());
        return false;
    };
    assert_eq!(answer.status, 201, "{}", answer.text);
    known.registered.push(email.to_owned());
    known.chain = vec![answer.tokens().refresh];
    true
}

fn rotate(client: Client, known: &mut Knowledge) -> bool {
    let newest = known.chain.last().unwrap().clone();
    let Ok(answer) = client.try_refresh(&newest) else {
        known.in_flight = true;
        return false;
    };
    assert_eq!(answer.status, 200, "{}", answer.text);
    known.chain.push(answer.tokens().refresh);
    true
}

fn log_out(client: Client, known: &mut Knowledge) -> bool {
    let newest = known.chain.last().unwrap().clone();
    let body = json!({"refresh_token": newest});
    let answered = client.try_send("POST", "/auth/logout", None, Some(body)).is_ok();
    if answered {
        known.logged_out.push(newest);
    }
    known.chain.clear();
    answered
}

/// Whether a refresh that had no answer had happened nevertheless.
fn check(client: Client, known: &Knowledge) -> bool {
    for email in &known.registered {
        assert_eq!(client.login(email, PASSWORD).status, 200, "{email} was acknowledged");
    }
    if let Some(email) = &known.unanswered {
        let login = client.login(email, PASSWORD).status;
        let register = client.register(email, PASSWORD).status;
        assert!(matches!((login, register), (200, 409) | (401, 201)), "{email} is half there: {login} {register}");
    }
    for token in &known.logged_out {
        assert_eq!(client.refresh(token).code(), "AUTH_REFRESH_INVALID");
    }
    let Some((newest, spent)) = known.chain.split_last() else { return false };
    let answer = client.refresh(newest);
    if answer.status == 200 {
        // The newest is the one live token; every other of the session ends it.
        if let Some(older) = spent.last() {
            assert_eq!(client.refresh(older).code(), "AUTH_TOKEN_REUSE");
            assert_eq!(client.refresh(&answer.tokens().refresh).code(), "AUTH_REFRESH_INVALID");
        }
        return false;
    }
    assert_eq!(answer.code(), "AUTH_TOKEN_REUSE", "{}", answer.text);
    assert!(known.in_flight, "an acknowledged token was lost");
    true
}
