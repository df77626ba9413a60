//! Letters asked for over HTTP, and their links and codes coming back: as JSON and on the pages.

use std::time::Duration;

use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use doorward::letter::{Letter, LetterContent};
use doorward::outbox::MessageKind;
use doorward::session::RefreshRules;
use doorward::testing::Authenticator;
use doorward::{Clock, EmailVerification};
use doorward_axum::RouterOptions;
use serde_json::{Value, json};

use crate::app::{Answer, CREDENTIALS, PASSWORD, TestApp};

const ADA: &str = "ada@example.com";
const NEW_PASSWORD: &str = "eleven purple umbrellas fly";
const TICKET_INVALID: (u16, &str, &str) = (403, "AUTH_TICKET_INVALID", "Invalid or expired link or code");

/// A letter as its reader has it.
struct Received {
    to: String,
    kind: &'static str,
    token: String,
    code: String,
}

/// Does what the worker of the outbox does, and gives the letters.
async fn letters(app: &TestApp) -> Vec<Received> {
    let mut letters = Vec::new();
    loop {
        let mut taken = Vec::new();
        for kind in MessageKind::ALL {
            taken.extend(app.auth.take_messages(kind, 100, Duration::from_secs(60)).await.unwrap());
        }
        if taken.is_empty() {
            return letters;
        }
        for message in taken {
            app.auth.message_done(message.id).await.unwrap();
            if message.kind == MessageKind::Recovery {
                app.auth.handle_recovery(&message).await.unwrap();
                continue;
            }
            let Letter { to, content, .. } = app.auth.open_letter(&message).unwrap();
            let secret = content.ticket().map(|(_, secret)| secret);
            let token = secret.map(|secret| secret.token(message.user_id.unwrap())).unwrap_or_default();
            let code = secret.map(|secret| secret.code.clone()).unwrap_or_default();
            letters.push(Received { to, kind: LetterContent::name(&content), token, code });
        }
    }
}

async fn letter(app: &TestApp) -> Received {
    let mut letters = letters(app).await;
    assert_eq!(letters.len(), 1);
    letters.remove(0)
}

/// The letter to the new address of the one change that was asked for.
async fn change(app: &TestApp) -> Received {
    let letters = letters(app).await;
    let mut changes: Vec<_> = letters.into_iter().filter(|letter| letter.kind == "change_email").collect();
    assert_eq!(changes.len(), 1);
    changes.remove(0)
}

fn app() -> TestApp {
    TestApp::verifying(EmailVerification::On)
}

async fn post_as(app: &TestApp, path: &str, token: &str, body: Value) -> Answer {
    let request = Request::post(path)
        .header("content-type", "application/json")
        .header("authorization", format!("Bearer {token}"))
        .body(Body::from(body.to_string()))
        .unwrap();
    app.send(request).await
}

async fn submit(app: &TestApp, path: &str, form: &str) -> Answer {
    app.post_bytes(path, "application/x-www-form-urlencoded", form.to_owned()).await
}

async fn login(app: &TestApp, email: &str, password: &str) -> Answer {
    app.post("/auth/login", json!({"email": email, "password": password})).await
}

async fn verified(app: &TestApp) -> bool {
    let found = app.auth.find_user_by_email(&doorward::EmailAddress::parse(ADA).unwrap()).await.unwrap();
    found.unwrap().email_verified_at.is_some()
}

#[tokio::test]
async fn an_address_is_verified_by_link_and_by_code() {
    for by_code in [false, true] {
        let app = app();
        let ada = app.register(ADA).await;
        let first = letter(&app).await;
        assert_eq!((first.to.as_str(), first.kind), (ADA, "verify_email"));
        let again = app.bearer(Method::POST, "/auth/email/verification", Some(&ada.access)).await;
        assert_eq!((again.status.as_u16(), again.text.as_str()), (202, "{}"));
        let second = letter(&app).await;
        post_as(&app, "/auth/email/verify", &ada.access, json!({"token": first.token})).await.is(TICKET_INVALID);
        let body = if by_code { json!({"code": second.code}) } else { json!({"token": second.token}) };
        assert_eq!(post_as(&app, "/auth/email/verify", &ada.access, body.clone()).await.status, 204);
        assert!(verified(&app).await);
        post_as(&app, "/auth/email/verify", &ada.access, body).await.is(TICKET_INVALID);
        assert_eq!(app.me(&ada.access).await.status, 200);
    }
}

#[tokio::test]
async fn the_password_shows_the_registrant_and_without_a_sign_the_account_is_taken_over() {
    let app = app();
    let attacker = app.register(ADA).await;
    let sent = letter(&app).await;
    let wrong = json!({"email": ADA, "code": sent.code, "password": NEW_PASSWORD});
    let refusal = app.post("/auth/email/verify", wrong).await;
    assert_eq!((refusal.status.as_u16(), refusal.body["code"].as_str()), (403, Some("AUTH_PASSWORD_INVALID")));
    assert_eq!(app.post("/auth/email/verify", json!({"email": ADA, "code": sent.code})).await.status, 204);
    assert_eq!(app.me(&attacker.access).await.status, 401);
    login(&app, ADA, PASSWORD).await.is(CREDENTIALS);
    assert_eq!(letter(&app).await.kind, "recover");
}

#[tokio::test]
async fn where_it_is_required_tokens_come_after_the_letter() {
    let app = TestApp::verifying(EmailVerification::Required);
    let answer = app.post("/auth/register", json!({"email": ADA, "password": PASSWORD})).await;
    assert_eq!((answer.status.as_u16(), answer.text.as_str()), (202, "{}"));
    let refusal = (403, "AUTH_EMAIL_NOT_VERIFIED", "Email address not verified");
    login(&app, ADA, PASSWORD).await.is(refusal);
    login(&app, ADA, NEW_PASSWORD).await.is(CREDENTIALS);
    let body = json!({"token": letter(&app).await.token, "password": PASSWORD});
    assert_eq!(app.post("/auth/email/verify", body).await.status, 204);
    assert_eq!(login(&app, ADA, PASSWORD).await.status, 200);
}

#[tokio::test]
async fn where_it_is_required_a_registration_tells_nobody_who_has_an_account() {
    let app = TestApp::verifying(EmailVerification::Required);
    let mut answers = Vec::new();
    for password in [PASSWORD, NEW_PASSWORD] {
        let answer = app.post("/auth/register", json!({"email": ADA, "password": password})).await;
        let mut headers = answer.headers.clone();
        headers.remove("x-request-id");
        answers.push((answer.status, answer.text, headers));
    }
    assert_eq!(answers[0], answers[1]);
    assert_eq!(answers[0].0, StatusCode::ACCEPTED);
    let letters = letters(&app).await;
    let mut kinds: Vec<_> = letters.iter().map(|letter| (letter.kind, letter.to.as_str())).collect();
    kinds.sort_unstable();
    assert_eq!(kinds, [("address_in_use", ADA), ("verify_email", ADA)]);
    // The first password stays.
    login(&app, ADA, NEW_PASSWORD).await.is(CREDENTIALS);
    // A password that won't do is refused the same for both.
    let weak = async |email| app.post("/auth/register", json!({"email": email, "password": "password123"})).await;
    assert_eq!(weak(ADA).await.body, weak("nobody@example.com").await.body);
}

#[tokio::test]
async fn registrations_with_a_taken_address_do_not_fill_its_mailbox() {
    let app = TestApp::made(RefreshRules::default(), &RouterOptions::default(), |auth| {
        auth.with_email_verification(EmailVerification::Required)
    });
    let mut accepted = 0;
    for _ in 0..10 {
        let answer = app.post("/auth/register", json!({"email": ADA, "password": PASSWORD})).await;
        accepted += usize::from(answer.status == StatusCode::ACCEPTED);
    }
    let told = letters(&app).await.iter().filter(|letter| letter.kind == "address_in_use").count();
    // One registration made the account; of the others the owner hears three times within a minute.
    assert_eq!((told, accepted > 4), (3, true), "{accepted} were accepted");
}

/// H3: the same bytes; the same work is shown by the library's tests.
#[tokio::test]
async fn a_request_to_recover_is_answered_alike_for_every_address() {
    let app = app();
    app.register(ADA).await;
    letters(&app).await;
    let mut answers = Vec::new();
    for email in [ADA, "nobody@example.com"] {
        let answer = app.post("/auth/recovery", json!({"email": email})).await;
        let mut headers = answer.headers.clone();
        headers.remove("x-request-id");
        answers.push((answer.status, answer.text, headers));
    }
    assert_eq!(answers[0], answers[1]);
    assert_eq!((answers[0].0, answers[0].1.as_str()), (StatusCode::ACCEPTED, "{}"));
    assert_eq!(letter(&app).await.to, ADA);
}

#[tokio::test]
async fn an_account_is_recovered_by_link_and_by_code() {
    for by_code in [false, true] {
        let app = app();
        let before = app.register(ADA).await;
        letters(&app).await;
        app.post("/auth/recovery", json!({"email": ADA})).await;
        let sent = letter(&app).await;
        let body = if by_code {
            json!({"email": ADA, "code": sent.code, "password": NEW_PASSWORD})
        } else {
            json!({"token": sent.token, "password": NEW_PASSWORD})
        };
        let weak = app.post("/auth/recovery/complete", json!({"token": sent.token, "password": "short"})).await;
        assert_eq!(weak.faults(), ["string_too_short at body.password"]);
        assert_eq!(app.post("/auth/recovery/complete", body.clone()).await.status, 204);
        app.post("/auth/recovery/complete", body).await.is(TICKET_INVALID);
        assert_eq!(app.me(&before.access).await.status, 401);
        assert_eq!(app.refresh(&before.refresh).await.status, 401);
        login(&app, ADA, PASSWORD).await.is(CREDENTIALS);
        assert_eq!(login(&app, ADA, NEW_PASSWORD).await.status, 200);
    }
}

#[tokio::test]
async fn another_address_takes_the_password_and_its_own_letter() {
    let app = app();
    let ada = app.register(ADA).await;
    letters(&app).await;
    let unproven = post_as(&app, "/auth/email", &ada.access, json!({"email": "new@example.com"})).await;
    assert_eq!(unproven.body["code"], "AUTH_REAUTHENTICATION_REQUIRED");
    assert!(letters(&app).await.is_empty());
    for email in ["new@example.com", "newer@example.com"] {
        let answer = post_as(&app, "/auth/email", &ada.access, json!({"email": email, "password": PASSWORD})).await;
        assert_eq!((answer.status.as_u16(), answer.text.as_str()), (202, "{}"));
    }
    let mut sent = letters(&app).await;
    sent.sort_by(|one, other| one.to.cmp(&other.to));
    assert_eq!(
        sent.iter().map(|letter| letter.to.as_str()).collect::<Vec<_>>(),
        [ADA, ADA, "new@example.com", "newer@example.com"]
    );
    assert!(sent[..2].iter().all(|letter| letter.kind == "email_change_requested"));
    app.post("/auth/email/confirm", json!({"token": sent[2].token})).await.is(TICKET_INVALID);
    let confirmed = post_as(&app, "/auth/email/confirm", &ada.access, json!({"code": sent[3].code})).await;
    assert_eq!(confirmed.status, 204);
    assert_eq!(app.me(&ada.access).await.body["email"], "newer@example.com");
    let told = letter(&app).await;
    assert_eq!((told.to.as_str(), told.kind), (ADA, "email_changed"));
}

#[tokio::test]
async fn a_taken_address_is_told_at_the_end() {
    let app = app();
    let ada = app.register(ADA).await;
    app.register("bob@example.com").await;
    letters(&app).await;
    assert_eq!(
        post_as(&app, "/auth/email", &ada.access, json!({"email": "bob@example.com", "password": PASSWORD}))
            .await
            .status,
        202
    );
    let answer = app.post("/auth/email/confirm", json!({"token": change(&app).await.token})).await;
    assert_eq!((answer.status.as_u16(), answer.body["code"].as_str()), (409, Some("AUTH_EMAIL_CONFLICT")));
}

#[tokio::test]
async fn what_is_sent_is_checked() {
    let app = app();
    let faults = async |path: &str, body: Value| app.post(path, body).await.faults();
    assert_eq!(faults("/auth/email/verify", json!({})).await, ["missing at body.token"]);
    assert_eq!(faults("/auth/email/verify", json!({"code": "12345678"})).await, ["missing at body.email"]);
    assert_eq!(faults("/auth/email/verify", json!({"code": 12345678})).await, ["string_type at body.code"]);
    let both = json!({"code": "1", "email": "x", "password": 7});
    assert_eq!(
        faults("/auth/recovery/complete", both).await,
        ["value_error at body.email", "string_type at body.password"]
    );
    // H7, H8.
    for email in [json!("\"a@evil.com\"@victim.com"), json!("a@x.com,b@y.com"), json!("a@x.com\r\nBcc: b@y.com")] {
        assert_eq!(faults("/auth/recovery", json!({"email": email})).await, ["value_error at body.email"], "{email}");
    }
    assert_eq!(faults("/auth/recovery", json!({"email": [ADA]})).await, ["string_type at body.email"]);
    for token in ["", "x", "\u{0}", &"A".repeat(10_000)] {
        app.post("/auth/email/verify", json!({"token": token})).await.is(TICKET_INVALID);
    }
    // A bad access token is no missing one.
    let answer = post_as(&app, "/auth/email/verify", "rubbish", json!({"token": "x"})).await;
    assert_eq!(answer.status, 401);
}

/// H20: neither is the other.
#[tokio::test]
async fn a_links_token_opens_nothing_else_and_nothing_else_is_one() {
    let app = app();
    let ada = app.register(ADA).await;
    let token = letter(&app).await.token;
    assert_eq!(app.me(&token).await.status, 401);
    assert_eq!(app.refresh(&token).await.status, 401);
    for other in [&ada.access, &ada.refresh] {
        app.post("/auth/email/verify", json!({"token": other})).await.is(TICKET_INVALID);
    }
}

/// H51: what scanners of mail do.
#[tokio::test]
async fn a_page_is_shown_as_often_as_one_likes_and_only_its_form_does_something() {
    let app = app();
    app.register(ADA).await;
    let token = letter(&app).await.token;
    let path = format!("/account/verify-email?token={token}");
    for method in [Method::GET, Method::HEAD, Method::GET] {
        let page = app.bearer(method, &path, None).await;
        assert_eq!((page.status.as_u16(), page.header("content-type")), (200, Some("text/html; charset=utf-8")));
        assert!(!verified(&app).await);
    }
    let form = format!("token={token}&password={}", PASSWORD.replace(' ', "+"));
    let done = submit(&app, "/account/verify-email", &form).await;
    assert_eq!(done.status, 200, "{}", done.text);
    assert!(verified(&app).await);
    assert_eq!(submit(&app, "/account/verify-email", &form).await.status, 403);
    assert_eq!(login(&app, ADA, PASSWORD).await.status, 200);
}

#[tokio::test]
async fn pages_are_plain_and_let_nothing_out() {
    let app = app();
    for path in ["verify-email", "recover", "invitation", "change-email", "keep-email"] {
        let page = app.get(&format!("/account/{path}?token=%22%3E%3Cscript%3Ealert(1)%3C/script%3E"), None).await;
        assert_eq!(page.status, 403);
        assert!(!page.text.contains("<script") && !page.text.contains("alert(1)"), "{}", page.text);
        let typed = submit(&app, "/account/recover", "email=%22%3E%3Cscript%3Ealert(1)%3C/script%3E").await;
        assert!(typed.text.contains("value=\"&quot;&gt;&lt;script&gt;alert(1)&lt;/script&gt;\""), "{}", typed.text);
        let policy = page.header("content-security-policy").unwrap();
        assert!(policy.starts_with("default-src 'none'; style-src 'self'; form-action 'self'"), "{policy}");
        assert!(policy.contains("frame-ancestors 'none'") && !policy.contains("unsafe"), "{policy}");
        assert_eq!(page.header("referrer-policy"), Some("no-referrer"));
        assert_eq!(page.header("cache-control"), Some("no-store"));
        assert_eq!(page.header("set-cookie"), None);
        let empty = app.get(&format!("/account/{path}?token="), None).await;
        assert_eq!(empty.status, 403);
        let json = app.post(&format!("/account/{path}"), json!({"token": "x"})).await;
        assert_eq!(json.status, 415);
    }
    let style = app.get("/account/account.css", None).await;
    assert_eq!((style.status.as_u16(), style.header("content-type")), (200, Some("text/css; charset=utf-8")));
    let mut options = doorward_axum::RouterOptions::default();
    options.account_pages = false;
    let app = TestApp::limited(&options);
    assert_eq!(app.get("/account/recover", None).await.status, 404);
}

#[tokio::test]
async fn a_password_is_recovered_on_the_pages_alone() {
    let app = app();
    app.register(ADA).await;
    letters(&app).await;
    assert_eq!(app.get("/account/recover", None).await.status, 200);
    let mut pages = Vec::new();
    for email in ["ada%40example.com", "nobody%40example.com"] {
        let page = submit(&app, "/account/recover", &format!("email={email}")).await;
        assert_eq!(page.status, 202);
        pages.push(page.text);
    }
    assert_eq!(pages[0], pages[1]);
    assert_eq!(submit(&app, "/account/recover", "email=nonsense").await.status, 422);
    let token = letter(&app).await.token;
    let weak = submit(&app, "/account/recover", &format!("token={token}&password=short")).await;
    assert_eq!(weak.status, 422);
    assert!(weak.text.contains(&token), "the form is there again");
    let form = format!("token={token}&password={}", NEW_PASSWORD.replace(' ', "%20"));
    assert_eq!(submit(&app, "/account/recover", &form).await.status, 200);
    assert_eq!(login(&app, ADA, NEW_PASSWORD).await.status, 200);
}

/// An intruder's, which would keep the owner out after a recovery.
#[tokio::test]
async fn a_young_authenticator_goes_with_a_recovery_where_that_is_asked_for() {
    let as_json = |removes: Value, token: &str| json!({"token": token, "password": NEW_PASSWORD, "remove_new_second_factor": removes});
    for (removes, is_out) in [(json!(true), true), (json!(false), false), (Value::Null, false)] {
        let app = TestApp::limited(&RouterOptions::default());
        app.guarded(ADA).await;
        letters(&app).await;
        app.post("/auth/recovery", json!({"email": ADA})).await;
        let token = letter(&app).await.token;
        let nonsense = app.post("/auth/recovery/complete", as_json(json!("yes"), &token)).await;
        assert_eq!(nonsense.body["detail"][0]["type"], "bool_parsing", "{}", nonsense.text);
        let done = app.post("/auth/recovery/complete", as_json(removes, &token)).await;
        assert_eq!(done.status, StatusCode::NO_CONTENT);
        let expected = if is_out { 200 } else { 403 };
        assert_eq!(login(&app, ADA, NEW_PASSWORD).await.status, expected);
    }
    for (field, status) in [("&second_factor=remove", 200), ("", 403)] {
        let app = TestApp::limited(&RouterOptions::default());
        app.guarded(ADA).await;
        letters(&app).await;
        app.post("/auth/recovery", json!({"email": ADA})).await;
        let token = letter(&app).await.token;
        let form = format!("token={token}&password={}{field}", NEW_PASSWORD.replace(' ', "%20"));
        assert_eq!(submit(&app, "/account/recover", &form).await.status, 200);
        assert_eq!(login(&app, ADA, NEW_PASSWORD).await.status, status);
    }
}

#[tokio::test]
async fn an_address_is_changed_on_its_page() {
    let app = app();
    let ada = app.register(ADA).await;
    letters(&app).await;
    post_as(&app, "/auth/email", &ada.access, json!({"email": "new@example.com", "password": PASSWORD})).await;
    let token = change(&app).await.token;
    assert_eq!(submit(&app, "/account/change-email", &format!("token={token}")).await.status, 200);
    assert_eq!(app.me(&ada.access).await.body["email"], "new@example.com");
}

#[tokio::test]
async fn a_page_takes_a_stranger_at_their_word() {
    let app = app();
    let attacker = app.register(ADA).await;
    let token = letter(&app).await.token;
    let wrong = submit(&app, "/account/verify-email", &format!("token={token}&password=wrong+password")).await;
    assert_eq!(wrong.status, 403);
    assert!(wrong.text.contains("not the password of this account"), "{}", wrong.text);
    assert_eq!(submit(&app, "/account/verify-email", &format!("token={token}&registrant=unknown")).await.status, 200);
    assert_eq!(app.me(&attacker.access).await.status, 401);
    assert_eq!(letter(&app).await.kind, "recover");
}

/// The one of these letters that is of that kind and went there.
fn sent(letters: Vec<Received>, kind: &str, to: &str) -> Received {
    let mut found: Vec<_> = letters.into_iter().filter(|letter| letter.kind == kind && letter.to == to).collect();
    assert_eq!(found.len(), 1, "{kind} to {to}");
    found.remove(0)
}

async fn ask_for_change(app: &TestApp, access: &str, to: &str, password: &str) {
    let body = json!({"email": to, "password": password});
    assert_eq!(app.post_as(access, "/auth/email", body).await.status, StatusCode::ACCEPTED);
}

async fn keep(app: &TestApp, letter: &Received) -> Answer {
    app.post("/auth/email/keep", json!({"token": letter.token})).await
}

#[tokio::test]
async fn the_present_address_calls_off_a_change() {
    let app = app();
    let thief = app.register(ADA).await;
    letters(&app).await;
    ask_for_change(&app, &thief.access, "thief@example.com", PASSWORD).await;
    let waiting = letters(&app).await;
    let token = waiting.iter().find(|letter| letter.kind == "change_email").unwrap().token.clone();
    let told = sent(waiting, "email_change_requested", ADA);
    assert_eq!(told.code, "");
    assert_eq!(keep(&app, &told).await.status, StatusCode::NO_CONTENT);
    keep(&app, &told).await.is(TICKET_INVALID);
    app.post("/auth/email/confirm", json!({"token": token})).await.is(TICKET_INVALID);
    // Whoever asked knew the password.
    assert_eq!(app.me(&thief.access).await.status, 401);
    login(&app, ADA, PASSWORD).await.is(CREDENTIALS);
    let recovery = letter(&app).await;
    assert_eq!((recovery.kind, recovery.to.as_str()), ("recover", ADA));
    let body = json!({"token": recovery.token, "password": NEW_PASSWORD});
    assert_eq!(app.post("/auth/recovery/complete", body).await.status, StatusCode::NO_CONTENT);
    assert_eq!(login(&app, ADA, NEW_PASSWORD).await.status, StatusCode::OK);
}

#[tokio::test]
async fn the_old_address_takes_a_change_back_whatever_the_thief_did_meanwhile() {
    const FIRST: &str = "thief@example.com";
    const SECOND: &str = "thief@example.net";
    let app = app();
    let thief = app.register(ADA).await;
    letters(&app).await;
    ask_for_change(&app, &thief.access, FIRST, PASSWORD).await;
    let change = change(&app).await;
    assert_eq!(app.post("/auth/email/confirm", json!({"token": change.token})).await.status, 204);
    let back = sent(letters(&app).await, "email_changed", ADA);

    // Another password by recovery, a second factor, and a second change.
    app.later(600);
    app.post("/auth/recovery", json!({"email": FIRST})).await;
    let recovery = sent(letters(&app).await, "recover", FIRST);
    let body = json!({"token": recovery.token, "password": NEW_PASSWORD});
    assert_eq!(app.post("/auth/recovery/complete", body).await.status, 204);
    letters(&app).await;
    let thief = login(&app, FIRST, NEW_PASSWORD).await.tokens(StatusCode::OK);
    ask_for_change(&app, &thief.access, SECOND, NEW_PASSWORD).await;
    let change = sent(letters(&app).await, "change_email", SECOND);
    assert_eq!(app.post("/auth/email/confirm", json!({"token": change.token})).await.status, 204);
    let for_the_thief = sent(letters(&app).await, "email_changed", FIRST);
    let body = json!({"password": NEW_PASSWORD});
    let enrolment = app.post_as(&thief.access, "/auth/totp", body).await.body;
    let phone = Authenticator::new(enrolment["secret"].as_str().unwrap()).unwrap();
    let body = json!({"enrolment": enrolment["enrolment"], "code": phone.code(app.clock.now())});
    assert_eq!(app.post_as(&thief.access, "/auth/totp/confirm", body).await.status, StatusCode::OK);
    letters(&app).await;

    app.later(2 * 24 * 3600);
    assert_eq!(keep(&app, &back).await.status, StatusCode::NO_CONTENT);
    let recovery = sent(letters(&app).await, "recover", ADA);
    let body = json!({"token": recovery.token, "password": PASSWORD});
    assert_eq!(app.post("/auth/recovery/complete", body).await.status, 204);
    assert_eq!(login(&app, ADA, PASSWORD).await.status, StatusCode::OK, "no second factor is asked for");
    login(&app, SECOND, NEW_PASSWORD).await.is(CREDENTIALS);
    keep(&app, &for_the_thief).await.is(TICKET_INVALID);
}

#[tokio::test]
async fn after_three_days_a_change_stays_and_a_taken_address_is_not_taken_away() {
    for (days, is_taken, outcome) in [(3, false, 403), (2, true, 409), (2, false, 204)] {
        let app = app();
        let ada = app.register(ADA).await;
        letters(&app).await;
        ask_for_change(&app, &ada.access, "ada@example.net", PASSWORD).await;
        let change = change(&app).await;
        assert_eq!(app.post("/auth/email/confirm", json!({"token": change.token})).await.status, 204);
        let back = sent(letters(&app).await, "email_changed", ADA);
        if is_taken {
            app.register(ADA).await;
        }
        app.later(days * 24 * 3600);
        assert_eq!(keep(&app, &back).await.status.as_u16(), outcome, "{days} {is_taken}");
    }
}

#[tokio::test]
async fn an_older_second_factor_stays_when_a_change_is_called_off() {
    let app = TestApp::new();
    let ada = app.guarded(ADA).await;
    app.later(4 * 24 * 3600);
    letters(&app).await;
    let body = json!({"challenge": app.challenge(ADA).await, "code": ada.phone.code(app.clock.now())});
    let access = app.post("/auth/login/second-factor", body).await.tokens(StatusCode::OK).access;
    app.later(30);
    let code = ada.phone.code(app.clock.now());
    let body = json!({"email": "ada@example.net", "password": PASSWORD, "code": code});
    assert_eq!(app.post_as(&access, "/auth/email", body).await.status, StatusCode::ACCEPTED);
    let told = sent(letters(&app).await, "email_change_requested", ADA);
    assert_eq!(keep(&app, &told).await.status, StatusCode::NO_CONTENT);
    let body = json!({"token": letter(&app).await.token, "password": NEW_PASSWORD});
    assert_eq!(app.post("/auth/recovery/complete", body).await.status, 204);
    assert_eq!(login(&app, ADA, NEW_PASSWORD).await.body["code"], "AUTH_SECOND_FACTOR_REQUIRED");
}

/// What somebody meets who comes late, twice, or with half a link: said at once, with the way on.
#[tokio::test]
async fn a_link_that_is_no_longer_good_leads_on() {
    let app = app();
    app.register(ADA).await;
    let token = letter(&app).await.token;
    let heading = |page: &Answer| page.text.split("<h1>").nth(1).unwrap().split("</h1>").next().unwrap().to_owned();
    for path in ["verify-email", "recover", "invitation", "change-email", "keep-email"] {
        // A link of another purpose is none of this page's.
        let other = if path == "verify-email" { "AAAAAAAAAAE" } else { token.as_str() };
        for bad in [other, "", "x", "AAAA"] {
            let page = app.get(&format!("/account/{path}?token={bad}"), None).await;
            assert_eq!((page.status.as_u16(), heading(&page).as_str()), (403, "This link is no longer good"), "{bad}");
            let asks_again = page.text.contains("action=\"recover\"");
            assert_eq!(asks_again, path != "change-email", "{}", page.text);
        }
    }
    // The form that such a page has works.
    assert_eq!(submit(&app, "/account/recover", "email=ada%40example.com").await.status, 202);
    let token = letter(&app).await.token;
    let path = format!("/account/recover?token={token}");
    assert_eq!(heading(&app.get(&path, None).await), "Choose a new password");
    app.later(30 * 60);
    assert_eq!(app.get(&path, None).await.status, 403);
}

#[tokio::test]
async fn a_page_says_the_rules_before_whose_password_it_is_and_where_to_go_after() {
    let app = TestApp::ruled(|rules| {
        rules.return_url = Some("https://app.example.com/?from=mail&x=\"".to_owned());
        rules.password_policy.min_code_points = 15;
    });
    app.register(ADA).await;
    app.post("/auth/recovery", json!({"email": ADA})).await;
    let token = letter(&app).await.token;
    let page = app.get(&format!("/account/recover?token={token}"), None).await;
    assert!(page.text.contains("At least 15 characters"), "{}", page.text);
    let username = "autocomplete=\"username\" value=\"ada@example.com\" readonly hidden";
    assert!(page.text.contains(username), "{}", page.text);
    assert!(page.text.contains("autocomplete=\"new-password\" aria-describedby=\"rules\""), "{}", page.text);
    let weak = submit(&app, "/account/recover", &format!("token={token}&password=short")).await;
    assert!(weak.text.contains(username) && weak.text.contains("<h1>Choose a new password</h1>"), "{}", weak.text);
    let form = format!("token={token}&password={}", NEW_PASSWORD.replace(' ', "%20"));
    let done = submit(&app, "/account/recover", &form).await;
    assert!(done.text.contains("<h1>New password set</h1>"), "{}", done.text);
    let back = "<a class=\"button\" href=\"https://app.example.com/?from=mail&amp;x=&quot;\">Go on to Doorward</a>";
    assert!(done.text.contains(back), "{}", done.text);
}
