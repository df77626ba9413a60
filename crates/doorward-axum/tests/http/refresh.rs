//! `POST /auth/refresh` and `POST /auth/logout`

use std::time::Duration;

use axum::http::StatusCode;
use doorward::session::RefreshRules;
use doorward_axum::RouterOptions;
use serde_json::json;

use crate::app::{REFRESH_INVALID, REUSE, TOKEN_INVALID, TestApp};

const WEEK: u64 = 7 * 24 * 60 * 60;

#[tokio::test]
async fn a_refresh_token_is_good_once_and_its_successor_after_it() {
    let app = TestApp::new();
    let first = app.register("ada@example.com").await;
    let second = app.refresh(&first.refresh).await.tokens(StatusCode::OK);
    assert_ne!(first.refresh, second.refresh);
    assert_ne!(first.access, second.access);
    let third = app.refresh(&second.refresh).await.tokens(StatusCode::OK);
    // Access tokens of the session live on through rotations.
    for access in [&first.access, &second.access, &third.access] {
        assert_eq!(app.me(access).await.status, StatusCode::OK);
    }
}

#[tokio::test]
async fn a_spent_token_ends_the_whole_session_at_once_and_for_good() {
    let app = TestApp::new();
    let bystander = app.register("bob@example.com").await;
    let first = app.register("ada@example.com").await;
    let other_session = app.login("ada@example.com").await;
    let second = app.refresh(&first.refresh).await.tokens(StatusCode::OK);
    let third = app.refresh(&second.refresh).await.tokens(StatusCode::OK);

    app.refresh(&first.refresh).await.is(REUSE);

    for tokens in [&first, &second, &third] {
        app.me(&tokens.access).await.is(TOKEN_INVALID);
        app.refresh(&tokens.refresh).await.is(REFRESH_INVALID);
    }
    for tokens in [bystander, other_session] {
        assert_eq!(app.me(&tokens.access).await.status, StatusCode::OK);
        assert_eq!(app.refresh(&tokens.refresh).await.status, StatusCode::OK);
    }
}

#[tokio::test]
async fn a_refresh_token_lives_seven_days_from_its_issue() {
    let app = TestApp::new();
    let tokens = app.register("ada@example.com").await;
    app.later(WEEK - 1);
    let tokens = app.refresh(&tokens.refresh).await.tokens(StatusCode::OK);
    app.later(WEEK);
    app.refresh(&tokens.refresh).await.is(REFRESH_INVALID);
    // A clock that is set back revives nothing.
    app.clock.set(doorward::Timestamp::from_seconds(1_800_000_001));
    app.refresh(&tokens.refresh).await.is(REFRESH_INVALID);
}

#[tokio::test]
async fn what_was_never_a_token_ends_nothing() {
    let app = TestApp::new();
    let tokens = app.register("ada@example.com").await;
    let mut damaged = tokens.refresh.clone().into_bytes();
    damaged[100] = if damaged[100] == b'A' { b'B' } else { b'A' };
    for odd in [
        "",
        "x",
        "null",
        &tokens.access,
        &tokens.refresh[..127],
        &format!("{}A", tokens.refresh),
        &format!("{}=", tokens.refresh),
        &format!(" {}", tokens.refresh),
        &"A".repeat(128),
        &"A".repeat(60_000),
        "\0",
        &String::from_utf8(damaged).unwrap(),
    ] {
        app.refresh(odd).await.is(REFRESH_INVALID);
        assert_eq!(app.logout(odd).await.status, StatusCode::NO_CONTENT);
    }
    assert_eq!(app.me(&tokens.access).await.status, StatusCode::OK);
    assert_eq!(app.refresh(&tokens.refresh).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_refresh_token_is_no_access_token() {
    let app = TestApp::new();
    let tokens = app.register("ada@example.com").await;
    app.me(&tokens.refresh).await.is(TOKEN_INVALID);
}

#[tokio::test]
async fn a_lost_response_within_the_grace_window_gets_the_same_successor() {
    let rules = RefreshRules { reuse_grace: Duration::from_secs(10), ..RefreshRules::default() };
    let app = TestApp::with(rules, &RouterOptions::default());
    let first = app.register("ada@example.com").await;
    let second = app.refresh(&first.refresh).await.tokens(StatusCode::OK);
    app.later(10);
    let again = app.refresh(&first.refresh).await.tokens(StatusCode::OK);
    assert_eq!(again.refresh, second.refresh);
    let third = app.refresh(&again.refresh).await.tokens(StatusCode::OK);
    // The successor was used: now the spent token can only be stolen.
    app.refresh(&first.refresh).await.is(REUSE);
    app.refresh(&third.refresh).await.is(REFRESH_INVALID);
}

#[tokio::test]
async fn logout_ends_the_session_and_says_nothing_else() {
    let app = TestApp::new();
    let tokens = app.register("ada@example.com").await;
    for _ in 0..2 {
        let answer = app.logout(&tokens.refresh).await;
        assert_eq!((answer.status, answer.text.as_str()), (StatusCode::NO_CONTENT, ""));
    }
    app.me(&tokens.access).await.is(TOKEN_INVALID);
    app.refresh(&tokens.refresh).await.is(REFRESH_INVALID);
}

#[tokio::test]
async fn the_body_of_refresh_and_logout_is_checked() {
    let app = TestApp::new();
    for path in ["/auth/refresh", "/auth/logout"] {
        assert_eq!(app.post(path, json!({})).await.faults(), ["missing at body.refresh_token"]);
        assert_eq!(app.post(path, json!({"refresh_token": 7})).await.faults(), ["string_type at body.refresh_token"]);
    }
}
