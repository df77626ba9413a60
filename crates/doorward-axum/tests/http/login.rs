//! `POST /auth/login`

use axum::http::{Method, StatusCode};
use serde_json::json;

use crate::app::{CREDENTIALS, DEACTIVATED, PASSWORD, TestApp};

#[tokio::test]
async fn the_right_password_opens_a_session_each_time() {
    let app = TestApp::new();
    let registered = app.register("ada@example.com").await;
    let phone = app.login("ADA@example.com").await;
    let laptop = app.login("ada@example.com").await;
    assert_ne!(phone.refresh, laptop.refresh);
    // Sessions don't disturb each other.
    assert_eq!(app.logout(&phone.refresh).await.status, StatusCode::NO_CONTENT);
    for tokens in [registered, laptop] {
        assert_eq!(app.me(&tokens.access).await.status, StatusCode::OK);
        assert_eq!(app.refresh(&tokens.refresh).await.status, StatusCode::OK);
    }
}

#[tokio::test]
async fn every_wrong_login_is_refused_in_the_same_bytes() {
    let app = TestApp::new();
    let ada = app.register("ada@example.com").await;
    app.register("off@example.com").await;
    let admin = app.admin("root@example.com").await;
    let off = app.bearer(Method::PATCH, "/admin/users/2/deactivate", Some(&admin.access)).await;
    assert_eq!(off.body["is_active"], json!(false));
    drop(ada);
    let mut seen = Vec::new();
    for (email, password) in [
        ("ada@example.com", "wrong password"),
        ("nobody@example.com", PASSWORD),
        ("off@example.com", "wrong password"),
        ("ada@example.com", ""),
        ("ada@example.com", &format!("{PASSWORD} ")),
        ("ada@example.com", &PASSWORD.to_uppercase()),
        ("ada@example.com", &format!("{PASSWORD}\0")),
        ("ada@example.com", &"x".repeat(1024)),
    ] {
        let answer = app.post("/auth/login", json!({"email": email, "password": password})).await;
        answer.is(CREDENTIALS);
        assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
        let mut headers = answer.headers.clone();
        headers.remove("x-request-id");
        seen.push((answer.text, format!("{headers:?}")));
    }
    seen.dedup();
    assert_eq!(seen.len(), 1, "{seen:#?}");
}

#[tokio::test]
async fn a_deactivated_account_is_told_so_only_after_the_right_password() {
    let app = TestApp::new();
    let ada = app.register("ada@example.com").await;
    let id = app.id(&ada.access).await;
    let admin = app.admin("root@example.com").await;
    app.bearer(Method::PATCH, &format!("/admin/users/{id}/deactivate"), Some(&admin.access)).await;
    app.post("/auth/login", json!({"email": "ada@example.com", "password": PASSWORD})).await.is(DEACTIVATED);
    app.post("/auth/login", json!({"email": "ada@example.com", "password": "wrong password"})).await.is(CREDENTIALS);
}

#[tokio::test]
async fn passwords_count_byte_for_byte() {
    let app = TestApp::new();
    let long = "p".repeat(100);
    for (index, password) in [" spaced \t", "nul\0inside", "caf\u{e9} au lait", &long].into_iter().enumerate() {
        let email = format!("u{index}@example.com");
        app.post("/auth/register", json!({"email": email, "password": password})).await.tokens(StatusCode::CREATED);
        let login = async |password: &str| app.post("/auth/login", json!({"email": email, "password": password})).await;
        assert_eq!(login(password).await.status, StatusCode::OK);
        for other in [password.trim(), "nul", "cafe\u{301} au lait", &long[..72], &format!("{}q", &long[..99])] {
            if other != password {
                login(other).await.is(CREDENTIALS);
            }
        }
    }
}

#[tokio::test]
async fn a_login_is_validated_before_anything_is_hashed() {
    let app = TestApp::new();
    let before = app.auth.hashing_pool().statistics().hashed;
    let answer = app.post("/auth/login", json!({"email": "ada@example.com", "password": "x".repeat(1025)})).await;
    assert_eq!(answer.faults(), ["string_too_long at body.password"]);
    let answer = app.post("/auth/login", json!({"email": "a\u{0}da@example.com", "password": PASSWORD})).await;
    assert_eq!(answer.faults(), ["value_error at body.email"]);
    assert_eq!(app.auth.hashing_pool().statistics().hashed, before);
}
