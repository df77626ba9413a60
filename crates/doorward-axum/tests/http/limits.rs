//! Limits: who is counted, what the refusal looks like, and whom nobody keeps out.

use std::net::SocketAddr;

use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::Request;
use axum::http::header::CONTENT_TYPE;
use doorward_axum::{RouterOptions, TrustedProxies};
use serde_json::json;

use crate::app::{Answer, CREDENTIALS, PASSWORD, TestApp};

const LIMITED: (u16, &str, &str) = (429, "RATE_LIMITED", "Too many requests");
/// Attempts at one account from one network before the first wait.
const FREE: usize = 5;

fn behind(proxies: &[&str]) -> TestApp {
    let mut options = RouterOptions::default();
    options.trusted_proxies = TrustedProxies::parse(proxies.iter().copied()).unwrap();
    TestApp::limited(&options)
}

async fn post(app: &TestApp, path: &str, body: serde_json::Value, peer: &str, forwarded: &[&str]) -> Answer {
    let peer: SocketAddr =
        if peer.contains(':') { format!("[{peer}]:4711") } else { format!("{peer}:4711") }.parse().unwrap();
    let mut request = Request::post(path).header(CONTENT_TYPE, "application/json").extension(ConnectInfo(peer));
    for value in forwarded {
        for name in ["x-forwarded-for", "x-real-ip", "forwarded", "cf-connecting-ip", "true-client-ip"] {
            request = request.header(name, *value);
        }
    }
    app.send(request.body(Body::from(body.to_string())).unwrap()).await
}

async fn login(app: &TestApp, email: &str, password: &str, peer: &str) -> Answer {
    post(app, "/auth/login", json!({"email": email, "password": password}), peer, &[]).await
}

/// How many of `attempts` wrong passwords for one account are looked at.
async fn looked_at(app: &TestApp, attempts: usize, address: impl Fn(usize) -> (String, Vec<String>)) -> usize {
    let mut through = 0;
    for attempt in 0..attempts {
        let (peer, forwarded) = address(attempt);
        let forwarded: Vec<_> = forwarded.iter().map(String::as_str).collect();
        let body = json!({"email": "ada@example.com", "password": "a wrong guess"});
        let answer = post(app, "/auth/login", body, &peer, &forwarded).await;
        through += usize::from(answer.status == 401);
    }
    through
}

#[tokio::test]
async fn the_refusal_is_the_same_for_an_account_and_for_none() {
    let app = behind(&[]);
    app.register("ada@example.com").await;
    let mut refusals = Vec::new();
    for (email, peer) in [("ada@example.com", "203.0.113.1"), ("nobody@example.com", "203.0.113.2")] {
        for _ in 0..FREE {
            login(&app, email, "a wrong guess", peer).await.is(CREDENTIALS);
        }
        let refusal = login(&app, email, "a wrong guess", peer).await;
        refusal.is(LIMITED);
        assert_eq!(refusal.header("retry-after"), Some("10"));
        // The right password is looked at no more than a wrong one.
        let again = login(&app, email, PASSWORD, peer).await;
        assert_eq!(again.text, refusal.text);
        let mut headers = refusal.headers.clone();
        headers.remove("x-request-id");
        refusals.push((refusal.text, headers));
    }
    assert_eq!(refusals[0], refusals[1]);
}

#[tokio::test]
async fn a_wait_ends_and_a_login_forgets_what_was_owed() {
    let app = behind(&[]);
    app.register("ada@example.com").await;
    for _ in 0..FREE {
        login(&app, "ada@example.com", "a wrong guess", "203.0.113.1").await.is(CREDENTIALS);
    }
    app.later(9);
    login(&app, "ada@example.com", PASSWORD, "203.0.113.1").await.is(LIMITED);
    app.later(1);
    assert_eq!(login(&app, "ada@example.com", PASSWORD, "203.0.113.1").await.status, 200);
    for _ in 0..FREE {
        login(&app, "ada@example.com", "a wrong guess", "203.0.113.1").await.is(CREDENTIALS);
    }
    login(&app, "ada@example.com", "a wrong guess", "203.0.113.1").await.is(LIMITED);
}

#[tokio::test]
async fn made_up_forwarding_headers_make_nobody_another() {
    let app = behind(&[]);
    let made_up = |attempt: usize| ("203.0.113.1".to_owned(), vec![format!("198.51.100.{attempt}")]);
    assert_eq!(looked_at(&app, 50, made_up).await, FREE);
    // Behind a proxy, only what the proxy itself added counts.
    let app = behind(&["10.0.0.0/8"]);
    let made_up = |attempt: usize| ("10.0.0.1".to_owned(), vec![format!("198.51.100.{attempt}, 203.0.113.1")]);
    assert_eq!(looked_at(&app, 50, made_up).await, FREE);
    let made_up =
        |attempt: usize| ("10.0.0.1".to_owned(), vec![format!("198.51.100.{attempt}"), "203.0.113.2".to_owned()]);
    assert_eq!(looked_at(&app, 50, made_up).await, FREE);
}

#[tokio::test]
async fn the_addresses_of_one_ipv6_customer_are_one() {
    let app = behind(&[]);
    let rotating = |attempt: usize| (format!("2001:db8:1:2:{attempt:x}::{attempt:x}"), Vec::new());
    assert_eq!(looked_at(&app, 50, rotating).await, FREE);
    let mapped = |attempt: usize| {
        (if attempt.is_multiple_of(2) { "203.0.113.1" } else { "::ffff:203.0.113.1" }.to_owned(), Vec::new())
    };
    assert_eq!(looked_at(&app, 50, mapped).await, FREE);
}

#[tokio::test]
async fn many_networks_together_have_what_an_account_has() {
    let app = behind(&[]);
    app.register("ada@example.com").await;
    let home = "192.0.2.7";
    assert_eq!(login(&app, "ada@example.com", PASSWORD, home).await.status, 200);
    let botnet = |attempt: usize| (format!("198.51.{}.{}", attempt / 250, attempt % 250), Vec::new());
    assert_eq!(looked_at(&app, 500, botnet).await, 20);
    // The owner where they logged in before is kept out of nothing, and neither are their sessions.
    let answer = login(&app, "ada@example.com", PASSWORD, home).await;
    assert_eq!(answer.status, 200);
    assert_eq!(app.refresh(answer.body["refresh_token"].as_str().unwrap()).await.status, 200);
    // An account that nobody has is treated alike, and other accounts are none of its business.
    login(&app, "bob@example.com", "a wrong guess", "198.51.0.1").await.is(CREDENTIALS);
}

#[tokio::test]
async fn one_network_locks_nobody_out() {
    let app = behind(&[]);
    app.register("ada@example.com").await;
    let mut seconds = 0;
    while seconds < 3 * 24 * 3600 {
        let answer = login(&app, "ada@example.com", "a wrong guess", "203.0.113.1").await;
        let wait = answer.header("retry-after").map_or(0, |after| after.parse::<u64>().unwrap());
        assert!(wait <= 30 * 60);
        app.later(wait);
        seconds += wait;
    }
    // From anywhere else, at once, also where nobody has ever seen her.
    assert_eq!(login(&app, "ada@example.com", PASSWORD, "192.0.2.99").await.status, 200);
}

#[tokio::test]
async fn a_bad_neighbour_keeps_out_nobody_who_is_known_in_the_house() {
    let app = behind(&[]);
    app.register("ada@example.com").await;
    let office = "192.0.2.7";
    assert_eq!(login(&app, "ada@example.com", PASSWORD, office).await.status, 200);
    let mut through = 0;
    for guess in 0..300 {
        through +=
            usize::from(login(&app, &format!("u{guess}@example.com"), "a wrong guess", office).await.status == 401);
    }
    assert_eq!(through, 100);
    assert_eq!(login(&app, "ada@example.com", PASSWORD, office).await.status, 200);
    login(&app, "bob@example.com", PASSWORD, office).await.is(LIMITED);
}

#[tokio::test]
async fn an_office_logs_in_in_the_morning() {
    let app = behind(&[]);
    for person in 0..150 {
        app.auth.purge().await.unwrap();
        let email = format!("p{person}@example.com");
        post(&app, "/auth/register", json!({"email": email, "password": PASSWORD}), &format!("203.0.{person}.1"), &[])
            .await;
        assert_eq!(login(&app, &email, PASSWORD, "192.0.2.7").await.status, 200);
    }
}

#[tokio::test]
async fn registrations_are_limited_the_refused_ones_too() {
    let app = behind(&[]);
    let register = async |email: &str| {
        post(&app, "/auth/register", json!({"email": email, "password": PASSWORD}), "203.0.113.1", &[])
            .await
            .status
            .as_u16()
    };
    assert_eq!(register("ada@example.com").await, 201);
    for _ in 1..20 {
        assert_eq!(register("ada@example.com").await, 409);
    }
    assert_eq!(register("ada@example.com").await, 429);
    assert_eq!(register("bob@example.com").await, 429);
    app.later(180);
    assert_eq!(register("bob@example.com").await, 201);
}

#[tokio::test]
async fn refreshes_are_limited_when_they_get_nothing() {
    let app = behind(&[]);
    let mut refresh = app.register("ada@example.com").await.refresh;
    let spent = refresh.clone();
    for _ in 0..1200 {
        refresh = app.refresh(&refresh).await.tokens(axum::http::StatusCode::OK).refresh;
    }
    app.refresh(&spent).await.refused(401, "AUTH_TOKEN_REUSE", "Refresh token reuse detected — all sessions revoked");
    for _ in 1..1000 {
        assert_eq!(app.refresh(&spent).await.status, 401);
    }
    let refusal = app.refresh(&spent).await;
    refusal.is(LIMITED);
    assert_eq!(refusal.header("retry-after"), Some("1"));
    // What was never a token asks nothing of the store.
    assert_eq!(app.refresh("rubbish").await.status, 401);
}

/// A right password is no guess, so its owner need not wait when the account lets them in again; and yet nobody fills the
/// audit trail with what is written of each.
#[tokio::test]
async fn right_passwords_of_an_account_that_lets_nobody_in_keep_its_owner_out_of_nothing() {
    let app = TestApp::limited(&RouterOptions::default());
    app.register("ada@example.com").await;
    let email = doorward::EmailAddress::parse("ada@example.com").unwrap();
    let id = app.auth.find_user_by_email(&email).await.unwrap().unwrap().id;
    app.auth.deactivate(id, doorward::Origin::operator()).await.unwrap();
    let login = || app.post("/auth/login", json!({"email": "ada@example.com", "password": PASSWORD}));
    for _ in 0..60 {
        assert_eq!(login().await.body["code"], "AUTH_ACCOUNT_DEACTIVATED");
    }
    login().await.is(LIMITED);
    app.auth.reactivate(id, doorward::Origin::operator()).await.unwrap();
    assert_eq!(login().await.status, 200);
}
