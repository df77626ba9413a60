//! `/auth/me…`: what a person changes, takes away and erases.

use axum::http::{Method, StatusCode};
use doorward::limits::{Limit, LimitRules, Rule};
use doorward::session::RefreshRules;
use doorward_axum::RouterOptions;
use serde_json::{Value, json};

use crate::app::{Answer, CREDENTIALS, INACTIVE, PASSWORD, REFRESH_INVALID, TestApp, Tokens};

async fn patch(app: &TestApp, token: &str, body: Value) -> Answer {
    app.bearer_json(Method::PATCH, "/auth/me", Some(token), body).await
}

async fn erase(app: &TestApp, token: &str, password: &str) -> Answer {
    app.bearer_json(Method::DELETE, "/auth/me", Some(token), json!({ "password": password })).await
}

#[tokio::test]
async fn a_person_sees_their_account() {
    let app = TestApp::new();
    let ada = app.register("Ada@example.com").await;
    let answer = app.me(&ada.access).await;
    assert_eq!(
        answer.body,
        json!({
            "id": 1, "email": "Ada@example.com", "role": "user", "full_name": null, "email_verified": false,
            "created_at": "2027-01-15T08:00:00Z"
        })
    );
    assert_eq!(answer.header("cache-control"), Some("no-store"));
}

#[tokio::test]
async fn a_name_is_set_changed_and_taken_back() {
    let app = TestApp::new();
    let ada = app.register("ada@example.com").await;
    for (sent, kept) in [
        (json!({"full_name": " Ada Lovelace "}), json!("Ada Lovelace")),
        (json!({}), json!("Ada Lovelace")),
        (json!({"name": "Eve"}), json!("Ada Lovelace")),
        (json!({"full_name": "é".repeat(200)}), json!("é".repeat(200))),
        (json!({"full_name": null}), json!(null)),
    ] {
        let answer = patch(&app, &ada.access, sent.clone()).await;
        assert_eq!((answer.status, &answer.body["full_name"]), (StatusCode::OK, &kept), "{sent}");
        assert_eq!(app.me(&ada.access).await.body["full_name"], kept);
    }
    // What changed nothing is no event.
    let kinds = app.event_kinds(&ada).await;
    assert_eq!(kinds, ["profile_changed", "profile_changed", "profile_changed", "user_registered"]);
}

#[tokio::test]
async fn a_name_that_is_none_is_refused() {
    let app = TestApp::new();
    let ada = app.register("ada@example.com").await;
    for (sent, fault) in [
        (json!({"full_name": ""}), "string_too_short at body.full_name"),
        (json!({"full_name": "  "}), "string_too_short at body.full_name"),
        (json!({"full_name": "é".repeat(201)}), "string_too_long at body.full_name"),
        (json!({"full_name": "Ada\r\nSet-Cookie: a=b"}), "value_error at body.full_name"),
        (json!({"full_name": "Ada\u{2028}Eve"}), "value_error at body.full_name"),
        (json!({"full_name": "\u{1b}[31mAda"}), "value_error at body.full_name"),
        (json!({"full_name": 7}), "string_type at body.full_name"),
        (json!([]), "model_attributes_type at body"),
    ] {
        assert_eq!(patch(&app, &ada.access, sent.clone()).await.faults(), [fault], "{sent}");
    }
    patch(&app, "x", json!([])).await.is(crate::app::TOKEN_INVALID);
}

/// H13: what isn't a person's to change is ignored.
#[tokio::test]
async fn nobody_assigns_themselves_what_is_not_theirs() {
    let app = TestApp::new();
    let ada = app.register("ada@example.com").await;
    let before = app.me(&ada.access).await.body;
    let sent = json!({
        "id": 99, "role": "admin", "email": "root@example.com", "email_verified": true, "is_active": false,
        "created_at": "2000-01-01T00:00:00Z", "password": "another password", "user_id": 2
    });
    assert_eq!(patch(&app, &ada.access, sent).await.body, before);
    assert_eq!(app.me(&ada.access).await.body, before);
    app.login("ada@example.com").await;
}

#[tokio::test]
async fn a_person_takes_a_copy_of_everything_and_no_secret_is_in_it() {
    let app = TestApp::new();
    let ada = app.register("ada@example.com").await;
    app.register("bob@example.com").await;
    let phone = app.login("ada@example.com").await;
    patch(&app, &ada.access, json!({"full_name": "Ada"})).await;
    let root = app.admin("root@example.com").await;
    app.bearer_json(Method::PATCH, "/admin/users/1/role", Some(&root.access), json!({"role": "admin"})).await;
    let again = app.login("ada@example.com").await;

    let answer = app.get("/auth/me/export", Some(&again.access)).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.header("content-disposition"), Some("attachment; filename=\"account.json\""));
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(answer.body["account"]["full_name"], "Ada");
    assert_eq!(answer.body["sessions"].as_array().unwrap().len(), 3);
    let kinds: Vec<_> =
        answer.body["events"].as_array().unwrap().iter().map(|event| event["type"].as_str().unwrap()).collect();
    assert_eq!(kinds[0], "data_exported");
    for kind in ["login", "role_changed", "profile_changed", "user_registered"] {
        assert!(kinds.contains(&kind), "{kind} in {kinds:?}");
    }
    assert!(answer.body["events"].as_array().unwrap().iter().all(|event| event["user_id"] == 1));
    for secret in [&ada, &phone, &again].iter().flat_map(|tokens| [&tokens.access, &tokens.refresh]) {
        assert!(!answer.text.contains(secret.as_str()), "{secret}");
    }
    assert!(!answer.text.contains(PASSWORD));
    assert!(!answer.text.contains("$argon2") && !answer.text.contains("hash"));
}

#[tokio::test]
async fn a_copy_of_a_thousand_events_is_one_well_formed_object() {
    let app = TestApp::new();
    let ada = app.register("ada@example.com").await;
    for number in 0..1_200 {
        patch(&app, &ada.access, json!({ "full_name": format!("Ada {number}") })).await;
    }
    let answer = app.get("/auth/me/export", Some(&ada.access)).await;
    let events = answer.body["events"].as_array().unwrap();
    let ids: Vec<_> = events.iter().map(|event| event["id"].as_i64().unwrap()).collect();
    assert_eq!(ids, (1..=1_202).rev().collect::<Vec<_>>());
}

#[tokio::test]
async fn an_erased_person_is_gone_at_once_and_leaves_events_without_a_person() {
    let app = TestApp::new();
    let ada = app.register("ada@example.com").await;
    let phone = app.login("ada@example.com").await;
    app.post("/auth/login", json!({"email": "ada@example.com", "password": "wrong password"})).await.is(CREDENTIALS);
    let root = app.admin("root@example.com").await;
    assert_eq!(erase(&app, &ada.access, PASSWORD).await.status, StatusCode::NO_CONTENT);

    for Tokens { access, refresh } in [&ada, &phone] {
        app.me(access).await.is(INACTIVE);
        app.get("/auth/events", Some(access)).await.is(INACTIVE);
        app.refresh(refresh).await.is(REFRESH_INVALID);
    }
    app.post("/auth/login", json!({"email": "ada@example.com", "password": PASSWORD})).await.is(CREDENTIALS);
    let trail = app.get("/admin/events?user_id=1", Some(&root.access)).await;
    let events = trail.body["items"].as_array().unwrap();
    assert_eq!(events[0]["type"], "user_erased");
    assert_eq!(events.len(), 4);
    for event in events {
        for name in ["address", "user_agent", "request_id"] {
            assert_eq!(event[name], Value::Null, "{event}");
        }
        assert_eq!(event["details"], json!({}));
    }
    assert!(!trail.text.contains("ada@"));
    // The address is free, and the new account is another.
    let again = app.register("ada@example.com").await;
    assert_eq!(app.id(&again.access).await, 3);
}

#[tokio::test]
async fn an_account_is_erased_with_its_password_alone() {
    let app = TestApp::new();
    let ada = app.register("ada@example.com").await;
    let answer = erase(&app, &ada.access, "wrong password").await;
    assert_eq!(
        (answer.status, &answer.body),
        (
            StatusCode::FORBIDDEN,
            &json!({"detail": "Wrong password", "code": "AUTH_PASSWORD_INVALID", "field": "password"})
        )
    );
    assert_eq!(app.event_kinds(&ada).await[0], "reauthentication_refused");
    for (body, fault) in [
        (json!({"password": 7}), "string_type at body.password"),
        (json!({"password": "x".repeat(1025)}), "string_too_long at body.password"),
    ] {
        let answer = app.bearer_json(Method::DELETE, "/auth/me", Some(&ada.access), body).await;
        assert_eq!(answer.faults(), [fault]);
    }
    for body in [json!({}), json!({"password": null})] {
        let answer = app.bearer_json(Method::DELETE, "/auth/me", Some(&ada.access), body).await;
        answer.refused(403, "AUTH_REAUTHENTICATION_REQUIRED", "Reauthentication required");
    }
    app.bearer(Method::DELETE, "/auth/me", None).await.refused(401, "HTTP_401", "Not authenticated");
    assert_eq!(app.me(&ada.access).await.status, StatusCode::OK);
}

#[tokio::test]
async fn passwords_guessed_at_an_erasure_are_counted_before_they_are_checked() {
    let rules = LimitRules::default().with(Limit::LoginPair, Rule::steady(3, std::time::Duration::from_secs(60)));
    let app = TestApp::made(RefreshRules::default(), &RouterOptions::default(), |auth| auth.with_limit_rules(rules));
    let ada = app.register("ada@example.com").await;
    let mut statuses = Vec::new();
    for _ in 0..5 {
        statuses.push(erase(&app, &ada.access, "wrong password").await.status.as_u16());
    }
    assert_eq!(statuses, [403, 403, 403, 429, 429]);
    // The right one is not looked at either.
    let refused = erase(&app, &ada.access, PASSWORD).await;
    assert_eq!((refused.status.as_u16(), refused.header("retry-after").is_some()), (429, true));
    app.later(5 * 60);
    assert_eq!(erase(&app, &ada.access, PASSWORD).await.status, StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn the_last_administrator_cannot_erase_themselves() {
    let app = TestApp::new();
    let root = app.admin("root@example.com").await;
    let refusal = (403, "ADMN_LAST_ADMIN", "Cannot lose the last active admin account");
    erase(&app, &root.access, PASSWORD).await.is(refusal);
    assert_eq!(app.get("/admin/users", Some(&root.access)).await.status, StatusCode::OK);
    let second = app.admin("second@example.com").await;
    assert_eq!(erase(&app, &root.access, PASSWORD).await.status, StatusCode::NO_CONTENT);
    erase(&app, &second.access, PASSWORD).await.is(refusal);
}

/// Each is written into the audit trail, and costs the account nothing else: a token alone must not fill the disk.
#[tokio::test]
async fn what_an_account_writes_into_the_trail_with_a_token_alone_is_limited() {
    let app = TestApp::limited(&RouterOptions::default());
    let (ada, bob) = (app.register("ada@example.com").await, app.register("bob@example.com").await);
    for number in 0..59 {
        assert_eq!(
            patch(&app, &ada.access, json!({"full_name": format!("Ada {number}")})).await.status,
            StatusCode::OK
        );
    }
    assert_eq!(app.get("/auth/me/export", Some(&ada.access)).await.status, StatusCode::OK);
    let limited = (429, "RATE_LIMITED", "Too many requests");
    patch(&app, &ada.access, json!({"full_name": "Ada"})).await.is(limited);
    app.get("/auth/me/export", Some(&ada.access)).await.is(limited);
    assert_eq!(patch(&app, &bob.access, json!({"full_name": "Bob"})).await.status, StatusCode::OK);
    app.later(10);
    assert_eq!(patch(&app, &ada.access, json!({"full_name": "Ada"})).await.status, StatusCode::OK);
}
