//! `GET /auth/me` and what every protected route asks for.

use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use doorward::token::access::{AccessTokenRules, Subject};
use doorward::token::keyring::{Keyring, SecretKey};
use doorward::{Clock, Origin, Role, UserId, create_access_token};
use serde_json::json;

use crate::app::{DEACTIVATED, INACTIVE, PASSWORD, SECRET, TOKEN_INVALID, TestApp};

fn token_for(app: &TestApp, user_id: i64, role: Role) -> String {
    let subject = Subject { user_id: UserId::new(user_id).unwrap(), role, session: None };
    let keyring = Keyring::new(SecretKey::new(SECRET).unwrap(), Vec::new());
    let token = create_access_token(subject, &keyring, &AccessTokenRules::default(), app.clock.now()).unwrap();
    token.reveal().to_owned()
}

#[tokio::test]
async fn without_a_bearer_token_nobody_is_authenticated() {
    let app = TestApp::new();
    app.register("ada@example.com").await;
    for value in [None, Some(""), Some("Bearer"), Some("Bearer "), Some("Basic YTpi"), Some("Token x")] {
        let mut request = Request::get("/auth/me");
        if let Some(value) = value {
            request = request.header("authorization", value);
        }
        let answer = app.send(request.body(Body::empty()).unwrap()).await;
        answer.refused(401, "HTTP_401", "Not authenticated");
        assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
    }
}

#[tokio::test]
async fn only_the_header_carries_a_token_and_only_once() {
    let app = TestApp::new();
    let tokens = app.register("ada@example.com").await;
    let with = async |value: String| {
        app.send(Request::get("/auth/me").header("authorization", value).body(Body::empty()).unwrap()).await
    };
    for scheme in ["bearer", "BEARER", "Bearer"] {
        assert_eq!(with(format!("{scheme} {}", tokens.access)).await.status, StatusCode::OK);
    }
    for value in [
        format!("Bearer  {}", tokens.access),
        format!("Bearer\t{}", tokens.access),
        format!("Bearer {}, Bearer {}", tokens.access, tokens.access),
        format!("Bearer {}x", tokens.access),
    ] {
        let answer = with(value).await;
        answer.is(TOKEN_INVALID);
        assert_eq!(answer.header("www-authenticate"), Some("Bearer error=\"invalid_token\""));
    }
    let two = Request::get("/auth/me")
        .header("authorization", format!("Bearer {}", tokens.access))
        .header("authorization", format!("Bearer {}", tokens.access));
    app.send(two.body(Body::empty()).unwrap()).await.refused(400, "HTTP_400", "Bad Request");
    let elsewhere = Request::get(format!("/auth/me?access_token={}", tokens.access))
        .header("cookie", format!("access_token={}", tokens.access));
    app.send(elsewhere.body(Body::empty()).unwrap()).await.refused(401, "HTTP_401", "Not authenticated");
    let not_text = Request::get("/auth/me").header("authorization", &b"Bearer \xff\xfe"[..]);
    app.send(not_text.body(Body::empty()).unwrap()).await.is(TOKEN_INVALID);
}

#[tokio::test]
async fn an_access_token_lives_fifteen_minutes() {
    let app = TestApp::new();
    let tokens = app.register("ada@example.com").await;
    app.later(15 * 60 - 1);
    assert_eq!(app.me(&tokens.access).await.status, StatusCode::OK);
    app.later(1);
    let answer = app.me(&tokens.access).await;
    answer.refused(401, "AUTH_TOKEN_EXPIRED", "Access token has expired");
    assert_eq!(answer.header("www-authenticate"), Some("Bearer error=\"invalid_token\""));
}

#[tokio::test]
async fn a_token_of_nobody_is_refused() {
    let app = TestApp::new();
    let nobody = token_for(&app, 999, Role::Admin);
    app.me(&nobody).await.is(INACTIVE);
    app.get("/admin/users", Some(&nobody)).await.is(INACTIVE);
}

#[tokio::test]
async fn the_role_in_a_token_elevates_nobody() {
    let app = TestApp::new();
    let ada = app.register("ada@example.com").await;
    let id = app.id(&ada.access).await;
    let claims_to_be_admin = token_for(&app, id, Role::Admin);
    app.get("/admin/users", Some(&claims_to_be_admin)).await.refused(403, "AUTH_FORBIDDEN", "Admin access required");
}

#[tokio::test]
async fn deactivation_reaches_access_tokens_at_once_and_reactivation_revives_none() {
    let app = TestApp::new();
    let ada = app.register("ada@example.com").await;
    let id = app.id(&ada.access).await;
    let without_session = token_for(&app, id, Role::User);
    let admin = app.admin("root@example.com").await;
    let path = |action: &str| format!("/admin/users/{id}/{action}");

    let answer = app.bearer(Method::PATCH, &path("deactivate"), Some(&admin.access)).await;
    assert_eq!((answer.status, &answer.body["is_active"]), (StatusCode::OK, &json!(false)));
    for token in [&ada.access, &without_session] {
        app.me(token).await.is(DEACTIVATED);
        app.get("/admin/users", Some(token)).await.is(DEACTIVATED);
    }
    app.refresh(&ada.refresh).await.is(INACTIVE);

    let answer = app.bearer(Method::PATCH, &path("reactivate"), Some(&admin.access)).await;
    assert_eq!((answer.status, &answer.body["is_active"]), (StatusCode::OK, &json!(true)));
    for token in [&ada.access, &without_session] {
        app.me(token).await.is(TOKEN_INVALID);
    }
    app.refresh(&ada.refresh).await.is(crate::app::REFRESH_INVALID);
    // In the very same second a new login is good.
    let again = app.login("ada@example.com").await;
    assert_eq!(app.me(&again.access).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_new_role_counts_at_once_whatever_the_token_says() {
    let app = TestApp::new();
    let admin = app.admin("root@example.com").await;
    app.admin("second@example.com").await;
    let ada = app.register("ada@example.com").await;
    let id = UserId::new(app.id(&admin.access).await).unwrap();
    assert_eq!(app.get("/admin/users", Some(&admin.access)).await.status, StatusCode::OK);
    app.auth.set_role(id, Role::User, Origin::operator()).await.unwrap();
    app.get("/admin/users", Some(&admin.access)).await.refused(403, "AUTH_FORBIDDEN", "Admin access required");
    assert_eq!(app.auth.authenticate(&admin.access).await.unwrap().role, Role::User);
    let ada_id = UserId::new(app.id(&ada.access).await).unwrap();
    app.auth.set_role(ada_id, Role::Admin, Origin::operator()).await.unwrap();
    assert_eq!(app.get("/admin/users", Some(&ada.access)).await.status, StatusCode::OK);
}

/// After a restore numbers are given again: a token from before names an account that is gone.
#[tokio::test]
async fn a_token_from_before_a_restore_is_nobody_elses() {
    for seconds in [1, 0] {
        no_token_reads_another_after_a_restore(seconds).await;
    }
}

async fn no_token_reads_another_after_a_restore(seconds: u64) {
    let app = TestApp::new();
    let kept = app.register("ada@example.com").await;
    let backup = app.store.backup();
    app.later(1);
    let lost = app.register("bob@example.com").await;
    app.store.restore(&backup);
    app.later(seconds);
    let carol = app.register("carol@example.com").await;
    assert_eq!(app.id(&carol.access).await, 2, "the number that Bob had");
    app.me(&lost.access).await.is(TOKEN_INVALID);
    for path in ["/auth/events", "/auth/sessions", "/auth/me/export"] {
        app.get(path, Some(&lost.access)).await.is(TOKEN_INVALID);
    }
    let change = json!({"full_name": "Bob"});
    let answer = app.bearer_json(axum::http::Method::PATCH, "/auth/me", Some(&lost.access), change).await;
    answer.is(TOKEN_INVALID);
    for (path, body) in
        [("/auth/totp", json!({"password": PASSWORD})), ("/auth/reauthenticate", json!({"password": PASSWORD}))]
    {
        assert_eq!(app.post_as(&lost.access, path, body).await.status.as_u16(), 401, "{path}");
    }
    for token in [&kept, &carol] {
        assert_eq!(app.me(&token.access).await.status.as_u16(), 200);
    }
}

/// A node whose clock is behind issues tokens from before the account; they name a session of it.
#[tokio::test]
async fn a_token_of_a_node_whose_clock_is_behind_is_its_accounts() {
    let app = TestApp::new();
    let start = doorward::Clock::now(&*app.clock);
    app.later(45);
    let ada = app.register("ada@example.com").await;
    app.clock.set(start);
    let refreshed = app.refresh(&ada.refresh).await.tokens(axum::http::StatusCode::OK);
    assert_eq!(app.me(&refreshed.access).await.status.as_u16(), 200);
}
