//! `/auth/sessions`, `/auth/logout-all` and what administrators do to sessions.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::header::{CONTENT_TYPE, USER_AGENT};
use axum::http::{Method, Request, StatusCode};
use doorward::audit::{EventKind, EventQuery};
use doorward::session::RefreshRules;
use doorward::{Store, UserId};
use doorward_axum::RouterOptions;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::app::{Answer, PASSWORD, REFRESH_INVALID, TOKEN_INVALID, TestApp, Tokens};

const NOT_FOUND: (u16, &str, &str) = (404, "SESSION_NOT_FOUND", "Session not found");

const FIREFOX: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0";
const IPHONE: &str = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) \
                      Version/17.5 Mobile/15E148 Safari/604.1";

async fn from(app: &TestApp, (agent, peer): (&str, &str), path: &str, body: Value) -> Tokens {
    let peer: SocketAddr = format!("{peer}:4711").parse().unwrap();
    let request = Request::post(path)
        .header(CONTENT_TYPE, "application/json")
        .header(USER_AGENT, agent)
        .extension(ConnectInfo(peer))
        .body(Body::from(body.to_string()));
    app.send(request.unwrap()).await.tokens(StatusCode::OK)
}

async fn login_from(app: &TestApp, agent: &str, peer: &str) -> Tokens {
    from(app, (agent, peer), "/auth/login", json!({"email": "ada@example.com", "password": PASSWORD})).await
}

async fn sessions(app: &TestApp, tokens: &Tokens) -> Vec<Value> {
    let answer = app.get("/auth/sessions", Some(&tokens.access)).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    answer.body["items"].as_array().unwrap().clone()
}

async fn id(app: &TestApp, tokens: &Tokens) -> String {
    let all = sessions(app, tokens).await;
    let current = all.iter().find(|session| session["is_current"] == true).unwrap();
    current["id"].as_str().unwrap().to_owned()
}

async fn end(app: &TestApp, tokens: &Tokens, id: &str) -> Answer {
    app.bearer(Method::DELETE, &format!("/auth/sessions/{id}"), Some(&tokens.access)).await
}

async fn is_over(app: &TestApp, tokens: &Tokens) {
    app.me(&tokens.access).await.is(TOKEN_INVALID);
    app.refresh(&tokens.refresh).await.is(REFRESH_INVALID);
}

async fn lives(app: &TestApp, tokens: &Tokens) {
    assert_eq!(app.me(&tokens.access).await.status, StatusCode::OK);
    assert_eq!(app.refresh(&tokens.refresh).await.status, StatusCode::OK);
}

async fn last_events(app: &TestApp, kinds: usize) -> Vec<EventKind> {
    let query = EventQuery { user_id: UserId::new(1), kind: None, since: None, until: None, before: None, limit: 20 };
    let events = app.store.list_events(query).await.unwrap();
    events.iter().take(kinds).map(|event| event.what.kind).collect()
}

#[tokio::test]
async fn a_person_sees_where_they_are_logged_in() {
    let app = TestApp::new();
    app.register("ada@example.com").await;
    app.later(10);
    let phone = login_from(&app, IPHONE, "203.0.113.9").await;
    app.later(10);
    let laptop = login_from(&app, FIREFOX, "192.0.2.7").await;
    app.later(10);
    let phone = from(&app, ("curl/8", "198.51.100.1"), "/auth/refresh", json!({"refresh_token": phone.refresh})).await;
    let seen = sessions(&app, &laptop).await;
    let but_id = |mut session: Value| {
        assert!(session.as_object_mut().unwrap().remove("id").unwrap().as_str().unwrap().len() == 36);
        session
    };
    assert_eq!(
        seen.into_iter().map(but_id).collect::<Vec<_>>(),
        [
            json!({
                "device": "Safari on iPhone", "address": "198.51.100.1", "is_current": false,
                "created_at": "2027-01-15T08:00:10Z", "last_used_at": "2027-01-15T08:00:30Z"
            }),
            json!({
                "device": "Firefox on Linux", "address": "192.0.2.7", "is_current": true,
                "created_at": "2027-01-15T08:00:20Z", "last_used_at": "2027-01-15T08:00:20Z"
            }),
            json!({
                "device": null, "address": null, "is_current": false,
                "created_at": "2027-01-15T08:00:00Z", "last_used_at": "2027-01-15T08:00:00Z"
            }),
        ]
    );
    let answer = app.get("/auth/sessions", Some(&phone.access)).await;
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    // Nothing that opens anything, and nobody else's.
    for secret in [&phone.refresh, &laptop.refresh] {
        assert!(!answer.text.contains(&secret[..20]));
    }
    let bob = app.register("bob@example.com").await;
    assert_eq!(sessions(&app, &bob).await.len(), 1);
}

#[tokio::test]
async fn one_session_ends_at_once_and_the_others_live() {
    let app = TestApp::new();
    let phone = app.register("ada@example.com").await;
    let laptop = app.login("ada@example.com").await;
    let phone_id = id(&app, &phone).await;
    assert_eq!(end(&app, &laptop, &phone_id).await.status, StatusCode::NO_CONTENT);
    is_over(&app, &phone).await;
    assert_eq!(sessions(&app, &laptop).await.len(), 1);
    assert_eq!(last_events(&app, 1).await, [EventKind::SessionEnded]);
    lives(&app, &laptop).await;
    // One's own, too.
    let tablet = app.login("ada@example.com").await;
    let tablet_id = id(&app, &tablet).await;
    assert_eq!(end(&app, &tablet, &tablet_id).await.status, StatusCode::NO_CONTENT);
    is_over(&app, &tablet).await;
}

#[tokio::test]
async fn another_persons_session_is_as_unknown_as_one_that_never_was() {
    let app = TestApp::new();
    let ada = app.register("ada@example.com").await;
    let bob = app.register("bob@example.com").await;
    let ended = app.login("bob@example.com").await;
    let (hers, over) = (id(&app, &ada).await, id(&app, &ended).await);
    app.logout(&ended.refresh).await;
    let upper = id(&app, &bob).await.to_uppercase();
    let mut answers = Vec::new();
    for name in [&hers, &over, &upper, "00000000-0000-4000-8000-000000000000", "nonsense", "%ff", "1"] {
        let answer = end(&app, &bob, name).await;
        answer.is(NOT_FOUND);
        let mut headers = answer.headers.clone();
        headers.remove("x-request-id");
        answers.push((answer.text, headers));
    }
    answers.dedup();
    assert_eq!(answers.len(), 1);
    lives(&app, &ada).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_who_end_one_session_at_once_one_does() {
    let app = Arc::new(TestApp::new());
    let phone = app.register("ada@example.com").await;
    let laptop = app.login("ada@example.com").await;
    let phone_id = id(&app, &phone).await;
    let mut attempts = JoinSet::new();
    for _ in 0..16 {
        let (app, laptop, phone_id) = (Arc::clone(&app), laptop.clone(), phone_id.clone());
        attempts.spawn(async move { end(&app, &laptop, &phone_id).await.status.as_u16() });
    }
    let answers = attempts.join_all().await;
    assert_eq!(answers.iter().filter(|status| **status == 204).count(), 1, "{answers:?}");
    assert_eq!(last_events(&app, 3).await, [EventKind::SessionEnded, EventKind::Login, EventKind::UserRegistered]);
}

#[tokio::test]
async fn logging_out_everywhere_ends_all_and_nobody_elses() {
    let app = TestApp::new();
    let phone = app.register("ada@example.com").await;
    let laptop = app.login("ada@example.com").await;
    let bob = app.register("bob@example.com").await;
    let answer = app.bearer(Method::POST, "/auth/logout-all", Some(&laptop.access)).await;
    assert_eq!((answer.status, answer.text.as_str()), (StatusCode::NO_CONTENT, ""));
    is_over(&app, &phone).await;
    is_over(&app, &laptop).await;
    lives(&app, &bob).await;
    assert_eq!(last_events(&app, 1).await, [EventKind::LogoutAll]);
    lives(&app, &app.login("ada@example.com").await).await;
}

#[tokio::test]
async fn administrators_see_and_end_the_sessions_of_others() {
    let app = TestApp::new();
    let phone = app.register("ada@example.com").await;
    let laptop = app.login("ada@example.com").await;
    let admin = app.admin("root@example.com").await;
    let list = app.get("/admin/users/1/sessions", Some(&admin.access)).await;
    assert_eq!((list.status, list.body["items"].as_array().unwrap().len()), (StatusCode::OK, 2));
    let delete = async |user: &str, id: &str| {
        app.bearer(Method::DELETE, &format!("/admin/users/{user}/sessions/{id}"), Some(&admin.access)).await
    };
    let phone_id = id(&app, &phone).await;
    // Only as a session of that user.
    delete("2", &phone_id).await.is(NOT_FOUND);
    delete("1", "nonsense").await.is(NOT_FOUND);
    delete("999", &phone_id).await.refused(404, "USER_NOT_FOUND", "User not found");
    assert_eq!(delete("1", &phone_id).await.status, StatusCode::NO_CONTENT);
    is_over(&app, &phone).await;
    assert_eq!(app.me(&laptop.access).await.status, StatusCode::OK);
    for _ in 0..2 {
        let all = app.bearer(Method::POST, "/admin/users/1/logout-all", Some(&admin.access)).await;
        assert_eq!(all.status, StatusCode::NO_CONTENT);
    }
    is_over(&app, &laptop).await;
    assert_eq!(last_events(&app, 2).await, [EventKind::SessionsEnded; 2]);
    lives(&app, &admin).await;
}

#[tokio::test]
async fn an_unused_session_ends_and_none_outlives_its_absolute_limit() {
    let rules = RefreshRules {
        idle: Some(Duration::from_secs(30 * 60)),
        absolute: Some(Duration::from_secs(2 * 3600)),
        ..RefreshRules::default()
    };
    let app = TestApp::with(rules, &RouterOptions::default());
    let unused = app.register("ada@example.com").await;
    app.later(30 * 60 - 1);
    let mut used = app.login("ada@example.com").await;
    app.later(1);
    app.refresh(&unused.refresh).await.is(REFRESH_INVALID);
    for _ in 0..5 {
        app.later(20 * 60);
        used = app.refresh(&used.refresh).await.tokens(StatusCode::OK);
    }
    assert_eq!(sessions(&app, &used).await.len(), 1);
    app.later(20 * 60 - 1);
    app.refresh(&used.refresh).await.is(REFRESH_INVALID);
}
