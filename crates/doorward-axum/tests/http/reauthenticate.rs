//! `POST /auth/reauthenticate`, and what a recent proof is good for.

use doorward::account::{Account, Amendment};
use doorward::audit::{EventKind, EventQuery};
use doorward::reauthenticate::RecentError;
use doorward::second_factor::SecondFactor;
use doorward::session::RefreshRules;
use doorward::testing::amending::set_active;
use doorward::{Clock, Store, UserId};
use doorward_axum::RouterOptions;
use serde_json::json;

use crate::app::{Answer, DEACTIVATED, PASSWORD, TOKEN_INVALID, TestApp, Tokens, WRONG_PASSWORD};

async fn reauthenticate(app: &TestApp, tokens: &Tokens, password: &str) -> Answer {
    app.post_as(&tokens.access, "/auth/reauthenticate", json!({"password": password})).await
}

async fn is_recent(app: &TestApp, tokens: &Tokens) -> bool {
    let identity = app.auth.authenticate(&tokens.access).await.unwrap();
    match app.auth.require_recent(&identity, app.clock.now()).await {
        Ok(()) => true,
        Err(RecentError::Required) => false,
        Err(error) => panic!("{error}"),
    }
}

async fn refreshed(app: &TestApp, tokens: &Tokens) -> Tokens {
    app.refresh(&tokens.refresh).await.tokens(axum::http::StatusCode::OK)
}

#[tokio::test]
async fn a_proof_is_recent_for_ten_minutes_and_a_refresh_is_none() {
    let app = TestApp::new();
    let tokens = app.register("ada@example.com").await;
    app.later(600 - 1);
    assert!(is_recent(&app, &tokens).await);
    app.later(1);
    assert!(!is_recent(&app, &tokens).await);
    let tokens = refreshed(&app, &tokens).await;
    assert!(!is_recent(&app, &tokens).await);
    assert_eq!(reauthenticate(&app, &tokens, PASSWORD).await.status, 204);
    assert!(is_recent(&app, &tokens).await);
    // The session lives no longer for it.
    app.later(7 * 24 * 3600);
    assert_eq!(app.refresh(&tokens.refresh).await.status, 401);
}

#[tokio::test]
async fn a_clock_set_back_makes_no_proof_recent() {
    let app = TestApp::new();
    let tokens = app.register("ada@example.com").await;
    let start = app.clock.now();
    app.later(899);
    let later = refreshed(&app, &tokens).await;
    assert_eq!(reauthenticate(&app, &later, PASSWORD).await.status, 204);
    app.clock.set(start);
    assert!(!is_recent(&app, &tokens).await);
}

#[tokio::test]
async fn a_proof_marks_one_session_and_no_other() {
    let app = TestApp::new();
    let phone = app.register("ada@example.com").await;
    let laptop = app.login("ada@example.com").await;
    app.later(700);
    assert_eq!(reauthenticate(&app, &phone, PASSWORD).await.status, 204);
    assert!(is_recent(&app, &phone).await);
    assert!(!is_recent(&app, &laptop).await);
    app.logout(&phone.refresh).await;
    reauthenticate(&app, &phone, PASSWORD).await.is(TOKEN_INVALID);
}

#[tokio::test]
async fn a_wrong_password_proves_nothing_and_leaves_a_trace() {
    let app = TestApp::new();
    let tokens = app.register("ada@example.com").await;
    app.later(700);
    reauthenticate(&app, &tokens, "not her password").await.blames("password", WRONG_PASSWORD);
    assert!(!is_recent(&app, &tokens).await);
    let query = EventQuery { user_id: UserId::new(1), kind: None, since: None, until: None, before: None, limit: 9 };
    let events = app.store.list_events(query).await.unwrap();
    assert_eq!(events[0].what.kind, EventKind::ReauthenticationRefused);
    assert!(events[0].what.session.is_some());
    let answer = app.post_as(&tokens.access, "/auth/reauthenticate", json!({"code": 1})).await;
    assert_eq!(answer.faults(), ["missing at body.password", "string_type at body.code"]);
    let answer = reauthenticate(&app, &tokens, &"x".repeat(1025)).await;
    assert_eq!(answer.faults(), ["string_too_long at body.password"]);
}

#[tokio::test]
async fn a_stolen_access_token_guesses_no_more_passwords_than_a_login() {
    let app = TestApp::limited(&RouterOptions::default());
    let tokens = app.register("ada@example.com").await;
    for _ in 0..5 {
        reauthenticate(&app, &tokens, "a wrong guess").await.blames("password", WRONG_PASSWORD);
    }
    let hashed = app.auth.hashing_pool().statistics().hashed;
    reauthenticate(&app, &tokens, PASSWORD).await.refused(429, "RATE_LIMITED", "Too many requests");
    assert_eq!(app.auth.hashing_pool().statistics().hashed, hashed);
}

#[tokio::test]
async fn a_password_alone_is_no_proof_where_there_is_a_second_factor() {
    let app = TestApp::new();
    let tokens = app.register("ada@example.com").await;
    let before = app.store.find_account(UserId::new(1).unwrap()).await.unwrap().unwrap();
    let second_factor = SecondFactor {
        sealed_secret: vec![1],
        last_step: 0,
        recovery_codes: Vec::new(),
        enabled_at: 0,
        recovery_codes_made_at: 0,
    };
    let after = Account { second_factor: Some(second_factor), ..before.clone() };
    app.store.amend_account(Amendment::new(&before, after, app.clock.now())).await.unwrap();
    reauthenticate(&app, &tokens, PASSWORD).await.blames("code", (403, "AUTH_CODE_INVALID", "Invalid code"));
}

#[tokio::test]
async fn who_was_deactivated_proves_nothing() {
    let app = TestApp::with(RefreshRules::default(), &RouterOptions::default());
    let tokens = app.register("ada@example.com").await;
    // By another process, of which this one has not heard yet.
    app.me(&tokens.access).await;
    set_active(&*app.store, UserId::new(1).unwrap(), false, app.clock.now()).await;
    reauthenticate(&app, &tokens, PASSWORD).await.is(DEACTIVATED);
}
