//! `/admin/users…` beyond listing and switching off: invitations, roles, forced passwords, search, erasure.

use std::sync::Arc;

use axum::http::{Method, StatusCode};
use doorward::letter::LetterContent;
use doorward::password::{NewPassword, Password, PasswordPolicy};
use doorward::{EmailAddress, EmailVerification, Origin, Role};
use serde_json::{Value, json};

use crate::app::{Answer, CREDENTIALS, INACTIVE, PASSWORD, REFRESH_INVALID, TOKEN_INVALID, TestApp, Tokens};

const LAST_ADMIN: (u16, &str, &str) = (403, "ADMN_LAST_ADMIN", "Cannot lose the last active admin account");
const NOT_FOUND: (u16, &str, &str) = (404, "USER_NOT_FOUND", "User not found");

async fn invite(app: &TestApp, admin: &Tokens, body: Value) -> Answer {
    app.bearer_json(Method::POST, "/admin/users", Some(&admin.access), body).await
}

async fn set_role(app: &TestApp, admin: &Tokens, id: i64, role: &str) -> Answer {
    let path = format!("/admin/users/{id}/role");
    app.bearer_json(Method::PATCH, &path, Some(&admin.access), json!({ "role": role })).await
}

async fn force(app: &TestApp, admin: &Tokens, id: i64) -> Answer {
    app.bearer(Method::POST, &format!("/admin/users/{id}/force-password-change"), Some(&admin.access)).await
}

async fn erase(app: &TestApp, admin: &Tokens, id: i64) -> Answer {
    app.bearer(Method::DELETE, &format!("/admin/users/{id}"), Some(&admin.access)).await
}

#[tokio::test]
async fn an_invited_person_gets_a_letter_and_no_password_opens_the_account() {
    let app = TestApp::new();
    let root = app.admin("root@example.com").await;
    let sent = json!({"email": "Grace@example.com", "full_name": "Grace Hopper", "password": PASSWORD});
    let answer = invite(&app, &root, sent).await;
    assert_eq!(answer.status, StatusCode::CREATED);
    assert_eq!(
        answer.body,
        json!({
            "id": 2, "email": "Grace@example.com", "role": "user", "full_name": "Grace Hopper",
            "email_verified": false, "is_active": true, "created_at": "2027-01-15T08:00:00Z"
        })
    );
    let letters = app.letters().await;
    assert_eq!(letters.len(), 1);
    assert_eq!((letters[0].to.as_str(), letters[0].name.as_deref()), ("Grace@example.com", Some("Grace Hopper")));
    assert!(matches!(letters[0].content, LetterContent::Invitation(_)));
    for password in [PASSWORD, "", "!"] {
        let login = json!({"email": "grace@example.com", "password": password});
        app.post("/auth/login", login).await.is(CREDENTIALS);
    }
    let trail = app.get("/admin/events?user_id=2&type=user_invited", Some(&root.access)).await;
    assert_eq!(
        (&trail.body["items"][0]["actor_id"], &trail.body["items"][0]["details"]),
        (&json!(1), &json!({"role": "user"}))
    );
}

#[tokio::test]
async fn an_invitation_is_checked_and_makes_no_second_account() {
    let app = TestApp::new();
    let root = app.admin("root@example.com").await;
    app.register("ada@example.com").await;
    for email in ["ADA@example.com", "root@example.com"] {
        let answer = invite(&app, &root, json!({ "email": email })).await;
        assert_eq!((answer.status, &answer.body["code"]), (StatusCode::CONFLICT, &json!("AUTH_EMAIL_CONFLICT")));
    }
    let answer = invite(&app, &root, json!({"email": "nobody", "full_name": "\n", "role": "root"})).await;
    assert_eq!(
        answer.faults(),
        ["value_error at body.email", "string_too_short at body.full_name", "enum at body.role"]
    );
    assert_eq!(invite(&app, &root, json!({})).await.faults(), ["missing at body.email"]);
    assert!(app.letters().await.is_empty());
    let admin = invite(&app, &root, json!({"email": "grace@example.com", "full_name": null, "role": "admin"})).await;
    assert_eq!((&admin.body["role"], &admin.body["full_name"]), (&json!("admin"), &json!(null)));
}

#[tokio::test]
async fn a_role_is_given_and_taken_in_force_at_once() {
    let app = TestApp::new();
    let root = app.admin("root@example.com").await;
    let ada = app.register("ada@example.com").await;
    for _ in 0..2 {
        let answer = set_role(&app, &root, 2, "admin").await;
        assert_eq!((answer.status, &answer.body["role"]), (StatusCode::OK, &json!("admin")));
    }
    assert_eq!(app.get("/admin/users", Some(&ada.access)).await.status, StatusCode::OK);
    assert_eq!(set_role(&app, &ada, 1, "user").await.status, StatusCode::OK);
    app.get("/admin/users", Some(&root.access)).await.refused(403, "AUTH_FORBIDDEN", "Admin access required");
    set_role(&app, &ada, 2, "user").await.is(LAST_ADMIN);
    set_role(&app, &ada, 999, "user").await.is(NOT_FOUND);
    assert_eq!(set_role(&app, &ada, 1, "root").await.faults(), ["enum at body.role"]);
    let empty = app.bearer_json(Method::PATCH, "/admin/users/1/role", Some(&ada.access), json!({})).await;
    assert_eq!(empty.faults(), ["missing at body.role"]);
}

/// H28. Real threads: both ask at the same instant, over and over.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_administrators_who_demote_or_erase_each_other_leave_one() {
    for round in 0..40 {
        let app = Arc::new(TestApp::new());
        let (first, second) = (app.admin("first@example.com").await, app.admin("second@example.com").await);
        let against = |admin: &Tokens, id: i64| {
            let (app, admin) = (Arc::clone(&app), admin.clone());
            tokio::spawn(async move {
                if round % 2 == 0 { set_role(&app, &admin, id, "user").await } else { erase(&app, &admin, id).await }
            })
        };
        let (by_first, by_second) = tokio::join!(against(&first, 2), against(&second, 1));
        let is_done = [by_first, by_second].map(|answer| answer.unwrap().status.is_success());
        assert_eq!(is_done.iter().filter(|done| **done).count(), 1, "{is_done:?}");
        let survivor = if is_done[0] { &first } else { &second };
        let admins = app.get("/admin/users?role=admin&is_active=true", Some(&survivor.access)).await;
        assert_eq!(admins.body["total_count"], 1, "{}", admins.text);
    }
}

#[tokio::test]
async fn who_must_change_the_password_is_out_until_they_did() {
    let app = TestApp::new();
    let root = app.admin("root@example.com").await;
    let ada = app.register("ada@example.com").await;
    let answer = force(&app, &root, 2).await;
    assert_eq!((answer.status, &answer.body["id"]), (StatusCode::OK, &json!(2)));
    app.me(&ada.access).await.is(TOKEN_INVALID);
    app.refresh(&ada.refresh).await.is(REFRESH_INVALID);
    let login = |password: &str| json!({"email": "ada@example.com", "password": password});
    app.post("/auth/login", login("wrong password")).await.is(CREDENTIALS);
    app.post("/auth/login", login(PASSWORD)).await.refused(
        403,
        "AUTH_PASSWORD_CHANGE_REQUIRED",
        "Password change required. Follow the link in your e-mail.",
    );
    let letters = app.letters().await;
    assert_eq!((letters.len(), letters[0].to.as_str()), (1, "ada@example.com"));
    assert!(matches!(letters[0].content, LetterContent::Recover(_)));
    let refused = app.get("/admin/events?user_id=2&type=login_refused", Some(&root.access)).await;
    let reasons: Vec<_> =
        refused.body["items"].as_array().unwrap().iter().map(|event| &event["details"]["reason"]).collect();
    assert_eq!(reasons, ["password_change_required", "credentials"]);
    force(&app, &root, 999).await.is(NOT_FOUND);
}

#[tokio::test]
async fn accounts_are_found_by_how_their_address_begins() {
    let app = TestApp::new();
    let root = app.admin("root@example.com").await;
    for email in ["Ada@example.com", "ada.b@example.com", "a_b@example.com", "ab%c@example.com", "bob@example.com"] {
        app.register(email).await;
    }
    for (query, expected) in [
        ("email=ADA", vec!["ada.b@example.com", "Ada@example.com"]),
        ("email=ada%40", vec!["Ada@example.com"]),
        ("email=a_", vec!["a_b@example.com"]),
        ("email=ab%25", vec!["ab%c@example.com"]),
        ("email=%25", vec![]),
        ("email=example", vec![]),
        ("email=%27%20OR%201=1--", vec![]),
        ("email=ada&role=admin", vec![]),
    ] {
        let answer = app.get(&format!("/admin/users?{query}"), Some(&root.access)).await;
        let items = answer.body["items"].as_array().unwrap();
        let found: Vec<_> = items.iter().map(|item| item["email"].as_str().unwrap()).collect();
        assert_eq!(found, expected, "{query}");
        assert_eq!(answer.body["total_count"], expected.len(), "{query}");
    }
    let all = app.get("/admin/users?email=", Some(&root.access)).await;
    assert_eq!(all.body["total_count"], 6);
    for (query, fault) in
        [("email=%00", "value_error at query.email"), ("email=a&email=b", "value_error at query.email")]
    {
        let answer = app.get(&format!("/admin/users?{query}"), Some(&root.access)).await;
        assert_eq!(answer.faults(), [fault]);
    }
    let long = app.get(&format!("/admin/users?email={}", "a".repeat(255)), Some(&root.access)).await;
    assert_eq!(long.faults(), ["string_too_long at query.email"]);
}

#[tokio::test]
async fn an_administrator_erases_others_and_themselves_only_with_their_password() {
    let app = TestApp::new();
    let root = app.admin("root@example.com").await;
    let ada = app.register("ada@example.com").await;
    let own = (403, "ADMN_CANNOT_ERASE_SELF", "Erase your own account at DELETE /auth/me");
    erase(&app, &root, 1).await.is(own);
    assert_eq!(erase(&app, &root, 2).await.status, StatusCode::NO_CONTENT);
    erase(&app, &root, 2).await.is(NOT_FOUND);
    app.me(&ada.access).await.is(INACTIVE);
    app.refresh(&ada.refresh).await.is(REFRESH_INVALID);
    let second = app.admin("second@example.com").await;
    erase(&app, &second, 3).await.is(own);
    assert_eq!(erase(&app, &second, 1).await.status, StatusCode::NO_CONTENT);
    app.get("/admin/users", Some(&root.access)).await.is(INACTIVE);
    let trail = app.get("/admin/events?type=user_erased", Some(&second.access)).await;
    let erased: Vec<_> = trail.body["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|event| (event["user_id"].as_i64(), event["actor_id"].as_i64()))
        .collect();
    assert_eq!(erased, [(Some(1), Some(3)), (Some(2), Some(1))]);
}

#[tokio::test]
async fn only_administrators_reach_accounts_and_a_bad_token_is_answered_first() {
    let app = TestApp::new();
    let root = app.admin("root@example.com").await;
    let ada = app.register("ada@example.com").await;
    for (method, path) in [
        (Method::POST, "/admin/users"),
        (Method::DELETE, "/admin/users/1"),
        (Method::PATCH, "/admin/users/1/role"),
        (Method::POST, "/admin/users/1/force-password-change"),
        (Method::DELETE, "/admin/users/nonsense"),
        (Method::GET, "/admin/events?limit=nonsense"),
        (Method::GET, "/admin/events/export?type=nonsense"),
    ] {
        let ask = |token: Option<String>| {
            let (app, method) = (&app, method.clone());
            async move { app.bearer_json(method, path, token.as_deref(), json!("nonsense")).await }
        };
        ask(None).await.refused(401, "HTTP_401", "Not authenticated");
        ask(Some("x".to_owned())).await.is(TOKEN_INVALID);
        ask(Some(ada.access.clone())).await.refused(403, "AUTH_FORBIDDEN", "Admin access required");
        ask(Some(ada.refresh.clone())).await.is(TOKEN_INVALID);
    }
    for path in ["/admin/users/abc", "/admin/users/1.0"] {
        let answer = app.bearer(Method::DELETE, path, Some(&root.access)).await;
        assert_eq!(answer.faults(), ["int_parsing at path.user_id"]);
    }
    // None of it has happened.
    assert_eq!(app.get("/admin/users", Some(&root.access)).await.body["total_count"], 2);
}

/// An old token of an administrator, stolen from a log or a proxy, is no administrator.
#[tokio::test]
async fn administrators_change_accounts_only_with_a_recent_proof() {
    let app = TestApp::new();
    let root = app.admin("root@example.com").await;
    let ada = app.register("ada@example.com").await;
    let id = app.id(&ada.access).await;
    let session =
        app.get("/auth/sessions", Some(&ada.access)).await.body["items"][0]["id"].as_str().unwrap().to_owned();
    app.later(10 * 60);
    let requests = [
        (Method::POST, "/admin/users".to_owned()),
        (Method::DELETE, format!("/admin/users/{id}")),
        (Method::PATCH, format!("/admin/users/{id}/role")),
        (Method::PATCH, format!("/admin/users/{id}/deactivate")),
        (Method::PATCH, format!("/admin/users/{id}/reactivate")),
        (Method::PATCH, format!("/admin/users/{id}/email-verified")),
        (Method::POST, format!("/admin/users/{id}/force-password-change")),
        (Method::POST, format!("/admin/users/{id}/logout-all")),
        (Method::DELETE, format!("/admin/users/{id}/sessions/{session}")),
    ];
    let body = json!({"email": "eve@example.com", "role": "admin"});
    for (method, path) in requests {
        let answer = app.bearer_json(method, &path, Some(&root.access), body.clone()).await;
        answer.refused(403, "AUTH_REAUTHENTICATION_REQUIRED", "Reauthentication required");
    }
    assert_eq!(app.get("/admin/users", Some(&root.access)).await.status, StatusCode::OK, "looking needs no proof");
    assert_eq!(app.me(&ada.access).await.body["role"], "user");
    let proof = json!({"password": PASSWORD});
    assert_eq!(app.post_as(&root.access, "/auth/reauthenticate", proof).await.status, StatusCode::NO_CONTENT);
    let role = format!("/admin/users/{id}/role");
    assert_eq!(app.bearer_json(Method::PATCH, &role, Some(&root.access), body).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_new_administrator_and_a_lost_one_are_told_to_all_of_them() {
    let app = TestApp::new();
    let root = app.admin("root@example.com").await;
    app.admin("other@example.com").await;
    let ada = app.register("ada@example.com").await;
    app.register("bob@example.com").await;
    let role = format!("/admin/users/{}/role", app.id(&ada.access).await);
    for (role_name, is_admin) in [("admin", true), ("user", false)] {
        let body = json!({"role": role_name});
        assert_eq!(app.bearer_json(Method::PATCH, &role, Some(&root.access), body).await.status, StatusCode::OK);
        let letters = app.letters().await;
        let expected = LetterContent::AdministratorChanged { account: "ada@example.com".to_owned(), is_admin };
        let mut told: Vec<_> =
            letters.iter().filter(|letter| letter.content == expected).map(|letter| &letter.to).collect();
        told.sort();
        assert_eq!(told, ["ada@example.com", "other@example.com", "root@example.com"]);
    }
    assert_eq!(
        invite(&app, &root, json!({"email": "ivy@example.com", "role": "admin"})).await.status,
        StatusCode::CREATED
    );
    let letters = app.letters().await;
    let expected = LetterContent::AdministratorChanged { account: "ivy@example.com".to_owned(), is_admin: true };
    assert_eq!(letters.iter().filter(|letter| letter.content == expected).count(), 2);

    let made = app.admin("eve@example.com").await;
    let of_eve = |is_admin| LetterContent::AdministratorChanged { account: "eve@example.com".to_owned(), is_admin };
    let readers = async |expected: LetterContent| {
        let letters = app.letters().await;
        let told = letters.iter().filter(|letter| letter.content == expected).map(|letter| letter.to.clone());
        let mut told: Vec<_> = told.collect();
        told.sort();
        told
    };
    let others = ["ivy@example.com", "other@example.com", "root@example.com"];
    assert_eq!(readers(of_eve(true)).await, others);
    let path = format!("/admin/users/{}", app.id(&made.access).await);
    assert_eq!(
        app.bearer_json(Method::DELETE, &path, Some(&root.access), json!({})).await.status,
        StatusCode::NO_CONTENT
    );
    assert_eq!(readers(of_eve(false)).await, [&["eve@example.com"], &others[..]].concat());
}

#[tokio::test]
async fn administrators_need_a_second_factor_where_the_rules_say_so() {
    let app = TestApp::ruled(|rules| rules.admins_require_second_factor = true);
    let root = app.admin("root@example.com").await;
    let refusal = (403, "ADMN_SECOND_FACTOR_REQUIRED", "Administrators need a second factor");
    app.get("/admin/users", Some(&root.access)).await.is(refusal);
    set_role(&app, &root, 1, "user").await.is(refusal);
    let user = app.register("ada@example.com").await;
    app.get("/admin/users", Some(&user.access)).await.refused(403, "AUTH_FORBIDDEN", "Admin access required");
    app.enable_second_factor(&root).await;
    assert_eq!(app.get("/admin/users", Some(&root.access)).await.status, StatusCode::OK);
}

#[tokio::test]
async fn an_administrator_sees_one_account_and_vouches_for_its_address() {
    let app = TestApp::verifying(EmailVerification::Required);
    let registered = app.post("/auth/register", json!({"email": "ada@example.com", "password": PASSWORD})).await;
    assert_eq!(registered.status, StatusCode::ACCEPTED);
    let sent = app.letters().await.remove(0);
    let root = EmailAddress::parse("root@example.com").unwrap();
    let password = NewPassword::new(Password::new(PASSWORD.to_owned()).unwrap(), PasswordPolicy::default()).unwrap();
    app.auth.create_verified_user(root, &password, Role::Admin, Origin::operator()).await.unwrap();
    let login = app.post("/auth/login", json!({"email": "root@example.com", "password": PASSWORD})).await;
    let root = login.tokens(StatusCode::OK);
    let ada = app.auth.find_user_by_email(&EmailAddress::parse("ada@example.com").unwrap()).await.unwrap().unwrap();
    let path = format!("/admin/users/{}", ada.id);
    let seen = app.get(&path, Some(&root.access)).await;
    assert_eq!((seen.status, &seen.body["email_verified"]), (StatusCode::OK, &json!(false)));
    assert_eq!(seen.body["email"], "ada@example.com");
    app.get("/admin/users/99", Some(&root.access)).await.is(NOT_FOUND);
    for _ in 0..2 {
        let answer = app.bearer(Method::PATCH, &format!("{path}/email-verified"), Some(&root.access)).await;
        assert_eq!((answer.status, &answer.body["email_verified"]), (StatusCode::OK, &json!(true)));
    }
    let login = app.post("/auth/login", json!({"email": "ada@example.com", "password": PASSWORD})).await;
    assert_eq!(login.status, StatusCode::OK);
    let events = app.get("/admin/events?type=email_verified", Some(&root.access)).await;
    assert_eq!(events.body["items"].as_array().unwrap().len(), 1, "{}", events.text);
    assert_eq!(events.body["items"][0]["user_id"].to_string(), ada.id.to_string());
    // The link that was sent is void.
    let (_, secret) = sent.content.ticket().unwrap();
    let body = json!({"token": secret.token(ada.id), "password": PASSWORD});
    assert_eq!(app.post("/auth/email/verify", body).await.body["code"], "AUTH_TICKET_INVALID");
}
