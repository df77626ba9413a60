//! `POST /auth/register`

use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::app::{PASSWORD, TestApp};

#[tokio::test]
async fn a_person_registers_and_is_logged_in() {
    let app = TestApp::new();
    let answer = app.post("/auth/register", json!({"email": " Ada@Example.COM ", "password": PASSWORD})).await;
    assert_eq!(answer.status, StatusCode::CREATED);
    assert_eq!((&answer.body["token_type"], &answer.body["expires_in"]), (&json!("bearer"), &json!(900)));
    assert_eq!(answer.body.as_object().unwrap().len(), 4);
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let tokens = answer.tokens(StatusCode::CREATED);
    let me = app.me(&tokens.access).await;
    assert_eq!(me.body, account("Ada@example.com"));
}

/// The first account, as it is made whatever else was sent.
fn account(email: &str) -> Value {
    json!({
        "id": 1, "email": email, "role": "user", "full_name": null, "email_verified": false,
        "created_at": "2027-01-15T08:00:00Z"
    })
}

#[tokio::test]
async fn an_address_makes_one_account() {
    let app = TestApp::new();
    app.register("ada@example.com").await;
    for spelling in ["ada@example.com", "ADA@example.com", "ada@EXAMPLE.com", "\tada@example.com\n"] {
        let answer = app.post("/auth/register", json!({"email": spelling, "password": PASSWORD})).await;
        assert_eq!(
            (answer.status.as_u16(), answer.body),
            (409, json!({"detail": "Email already registered", "code": "AUTH_EMAIL_CONFLICT", "field": "email"}))
        );
    }
    // Plus tags and dots are the provider's business.
    app.register("ada+x@example.com").await;
    app.register("a.da@example.com").await;
}

#[tokio::test]
async fn nobody_makes_themselves_an_administrator() {
    let app = TestApp::new();
    let body = json!({
        "email": "eve@example.com", "password": PASSWORD, "role": "admin", "is_admin": true, "id": 7,
        "is_active": false, "created_at": "1970-01-01", "user": {"role": "admin"},
    });
    let tokens = app.post("/auth/register", body).await.tokens(StatusCode::CREATED);
    assert_eq!(app.me(&tokens.access).await.body, account("eve@example.com"));
    app.get("/admin/users", Some(&tokens.access)).await.refused(403, "AUTH_FORBIDDEN", "Admin access required");
}

#[tokio::test]
async fn every_fault_is_told_at_once_and_nothing_is_echoed() {
    let app = TestApp::new();
    let answer = app.post("/auth/register", json!({"email": "no-at-sign-here", "password": "sev3n!!"})).await;
    assert_eq!(answer.faults(), ["value_error at body.email", "string_too_short at body.password"]);
    assert_eq!(
        answer.body["detail"][1],
        json!({
            "type": "string_too_short", "loc": ["body", "password"],
            "msg": "String should have at least 8 characters", "ctx": {"min_length": 8}
        })
    );
    assert!(!answer.text.contains("sev3n") && !answer.text.contains("no-at-sign"));
    assert_eq!(
        app.post("/auth/register", json!({})).await.faults(),
        ["missing at body.email", "missing at body.password"]
    );
    let wrong_types = json!({"email": ["a@example.com"], "password": 12_345_678});
    assert_eq!(
        app.post("/auth/register", wrong_types).await.faults(),
        ["string_type at body.email", "string_type at body.password"]
    );
    assert_eq!(
        app.post("/auth/register", json!({"email": null, "password": null})).await.faults(),
        ["string_type at body.email", "string_type at body.password"]
    );
}

#[tokio::test]
async fn a_password_has_eight_code_points_and_at_most_1024_bytes() {
    let app = TestApp::new();
    let try_password = async |index: usize, password: &str| {
        app.post("/auth/register", json!({"email": format!("u{index}@example.com"), "password": password})).await
    };
    for (index, short) in ["", "1234567", "😀😀😀😀😀😀😀"].into_iter().enumerate() {
        assert_eq!(try_password(index, short).await.faults(), ["string_too_short at body.password"]);
    }
    for (index, long) in ["x".repeat(1025), "é".repeat(513)].into_iter().enumerate() {
        assert_eq!(try_password(index, &long).await.faults(), ["string_too_long at body.password"]);
    }
    for (index, good) in
        ["kq7 vw2m", "       .", "😀😀😀😀😀😀😀😀", "\0\0\0\0\0\0\0\0", &"x".repeat(1024)].into_iter().enumerate()
    {
        assert_eq!(try_password(index, good).await.status, StatusCode::CREATED, "{good:?}");
    }
}

#[tokio::test]
async fn an_address_that_is_none_is_refused() {
    let app = TestApp::new();
    for email in [
        "",
        "@",
        "a@",
        "@example.com",
        "a@b",
        "a@localhost",
        "a@example.test",
        "a@x.invalid",
        "a@printer.local",
        "\"a b\"@example.com",
        "a@[127.0.0.1]",
        "Ada <ada@example.com>",
        "a@b@example.com",
        "a..b@example.com",
        "a@example..com",
        "a\0@example.com",
        "a@exam\nple.com",
        "a@x.com\r\nBcc: b@x.com",
        "a@x.com,b@x.com",
        "a\u{ff20}example.com",
        "a\u{200b}b@example.com",
        "<script>@example.com",
        &format!("{}@example.com", "x".repeat(300)),
    ] {
        let answer = app.post("/auth/register", json!({"email": email, "password": PASSWORD})).await;
        assert_eq!(answer.faults(), ["value_error at body.email"], "{email:?}");
    }
}
