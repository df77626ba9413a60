//! `/auth/totp`, `/auth/recovery-codes` and the second step of a login: what an attacker would try, one after the other.

use axum::http::{Method, StatusCode};
use doorward::Clock;
use doorward::audit::{EventKind, EventQuery};
use doorward::testing::Authenticator;
use serde_json::{Value, json};

use crate::app::{
    Answer, CREDENTIALS, DEACTIVATED, PASSWORD, REFRESH_INVALID, TOKEN_INVALID, TestApp, Tokens, WRONG_PASSWORD,
};

const CODE_AT_LOGIN: (u16, &str, &str) = (401, "AUTH_CODE_INVALID", "Invalid code");
const CODE: (u16, &str, &str) = (403, "AUTH_CODE_INVALID", "Invalid code");
const CHALLENGE: (u16, &str, &str) = (401, "AUTH_CHALLENGE_INVALID", "Invalid or expired challenge");
const ENROLMENT: (u16, &str, &str) = (403, "AUTH_ENROLMENT_INVALID", "Invalid or expired enrolment");
const NOT_RECENT: (u16, &str, &str) = (403, "AUTH_REAUTHENTICATION_REQUIRED", "Reauthentication required");
const ENABLED: (u16, &str, &str) = (409, "AUTH_SECOND_FACTOR_ENABLED", "A second factor is enabled already");
const NOT_ENABLED: (u16, &str, &str) = (409, "AUTH_SECOND_FACTOR_NOT_ENABLED", "No second factor is enabled");

/// Somebody with a second factor.
pub(crate) struct Guarded {
    pub(crate) tokens: Tokens,
    pub(crate) phone: Authenticator,
    pub(crate) recovery_codes: Vec<String>,
}

impl TestApp {
    fn shown_by(&self, phone: &Authenticator) -> String {
        phone.code(self.clock.now())
    }

    async fn ask_to_enrol(&self, access: &str) -> Answer {
        self.post_as(access, "/auth/totp", json!({"password": PASSWORD})).await
    }

    async fn enrol(&self, access: &str) -> (Authenticator, String) {
        let answer = self.ask_to_enrol(access).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
        let text = |name: &str| answer.body[name].as_str().unwrap().to_owned();
        (Authenticator::new(&text("secret")).unwrap(), text("enrolment"))
    }

    async fn confirm(&self, access: &str, enrolment: &str, code: &str) -> Answer {
        self.post_as(access, "/auth/totp/confirm", json!({"enrolment": enrolment, "code": code})).await
    }

    /// Enables, and lets a step pass so that the phone shows a code that isn't used up.
    pub(crate) async fn enable_second_factor(&self, tokens: &Tokens) -> Guarded {
        let (phone, enrolment) = self.enrol(&tokens.access).await;
        let answer = self.confirm(&tokens.access, &enrolment, &self.shown_by(&phone)).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
        self.later(30);
        Guarded { tokens: tokens.clone(), phone, recovery_codes: codes(&answer) }
    }

    /// Registers, and enables.
    pub(crate) async fn guarded(&self, email: &str) -> Guarded {
        self.enable_second_factor(&self.register(email).await).await
    }

    async fn first_step(&self, email: &str) -> Answer {
        self.post("/auth/login", json!({"email": email, "password": PASSWORD})).await
    }

    pub(crate) async fn challenge(&self, email: &str) -> String {
        let answer = self.first_step(email).await;
        assert_eq!((answer.status.as_u16(), &answer.body["code"]), (403, &json!("AUTH_SECOND_FACTOR_REQUIRED")));
        answer.body["challenge"].as_str().unwrap().to_owned()
    }

    async fn second_step(&self, challenge: &str, code: &str) -> Answer {
        self.post("/auth/login/second-factor", json!({"challenge": challenge, "code": code})).await
    }

    async fn disable(&self, access: &str, code: &str) -> Answer {
        let proof = json!({"password": PASSWORD, "code": code});
        self.bearer_json(Method::DELETE, "/auth/totp", Some(access), proof).await
    }

    async fn renew(&self, access: &str, code: &str) -> Answer {
        self.post_as(access, "/auth/recovery-codes", json!({"password": PASSWORD, "code": code})).await
    }

    async fn events(&self, kind: EventKind) -> usize {
        let query = EventQuery { user_id: None, kind: Some(kind), since: None, until: None, before: None, limit: 100 };
        doorward::Store::list_events(&*self.store, query).await.unwrap().len()
    }

    async fn letter_names(&self) -> Vec<String> {
        self.letters().await.iter().map(|letter| letter.content.name().to_owned()).collect()
    }
}

fn codes(answer: &Answer) -> Vec<String> {
    let codes = answer.body["recovery_codes"].as_array().unwrap();
    codes.iter().map(|code| code.as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_second_factor_is_enabled_and_asked_for_at_the_next_login() {
    let app = TestApp::new();
    let ada = app.guarded("ada@example.com").await;
    let answer = app.first_step("ada@example.com").await;
    let challenge = answer.body["challenge"].as_str().unwrap();
    let expected = json!({
        "detail": "Second factor required", "code": "AUTH_SECOND_FACTOR_REQUIRED",
        "challenge": challenge, "expires_in": 300,
    });
    assert_eq!((answer.status.as_u16(), &answer.body), (403, &expected));
    let tokens = app.second_step(challenge, &app.shown_by(&ada.phone)).await.tokens(StatusCode::OK);
    assert_eq!(app.me(&tokens.access).await.status, StatusCode::OK);
    assert_eq!(app.letter_names().await, ["second_factor_enabled"]);
    for kind in [EventKind::SecondFactorEnabled, EventKind::SecondFactorRequired, EventKind::Login] {
        assert_eq!(app.events(kind).await, 1, "{kind}");
    }
}

#[tokio::test]
async fn an_enrolment_says_what_an_authenticator_needs_and_is_shown_once() {
    let app = TestApp::new();
    let ada = app.register("ada@example.com").await;
    let answer = app.ask_to_enrol(&ada.access).await;
    let text = |name: &str| answer.body[name].as_str().unwrap();
    let secret = text("secret");
    assert_eq!(secret.len(), 32);
    assert_eq!(
        text("uri"),
        format!(
            "otpauth://totp/Doorward:ada%40example.com?secret={secret}&issuer=Doorward&algorithm=SHA1&digits=6&period=30"
        )
    );
    assert!(text("qr_svg").starts_with("<svg ") && !text("qr_svg").contains(secret));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    // Every time another one, and nothing gives it again.
    let (phone, enrolment) = app.enrol(&ada.access).await;
    assert_ne!(app.shown_by(&phone), app.shown_by(&Authenticator::new(secret).unwrap()));
    assert_eq!(app.confirm(&ada.access, &enrolment, &app.shown_by(&phone)).await.status, StatusCode::OK);
    app.ask_to_enrol(&ada.access).await.is(ENABLED);
    let shown = app.get("/auth/totp", Some(&ada.access)).await;
    let expected = json!({"enabled": true, "enabled_at": "2027-01-15T08:00:00Z", "recovery_codes_left": 10});
    assert_eq!((shown.status, &shown.body), (StatusCode::OK, &expected));
    let account = doorward::Store::find_account(&*app.store, doorward::UserId::new(1).unwrap()).await.unwrap().unwrap();
    assert!(!format!("{account:?}").contains(secret) && !app.me(&ada.access).await.text.contains(secret));
}

#[tokio::test]
async fn enabling_takes_a_code_of_that_very_secret_in_time_by_that_very_account() {
    let app = TestApp::new();
    let ada = app.register("ada@example.com").await;
    let eve = app.register("eve@example.com").await;
    let (phone, enrolment) = app.enrol(&ada.access).await;
    let (other_phone, _) = app.enrol(&ada.access).await;
    let wrong = [String::new(), "abcdef".to_owned(), "12345".to_owned(), app.shown_by(&other_phone)];
    for code in &wrong {
        app.confirm(&ada.access, &enrolment, code).await.blames("code", CODE);
    }
    let code = app.shown_by(&phone);
    app.confirm(&eve.access, &enrolment, &code).await.blames("enrolment", ENROLMENT);
    let mut bytes = enrolment.clone().into_bytes();
    bytes[40] = if bytes[40] == b'A' { b'B' } else { b'A' };
    app.confirm(&ada.access, &String::from_utf8(bytes).unwrap(), &code).await.blames("enrolment", ENROLMENT);
    assert_eq!(app.login("ada@example.com").await.access.split('.').count(), 3, "nothing is enabled yet");
    app.later(15 * 60 - 30);
    let in_time = app.shown_by(&phone);
    app.later(30);
    let ada = app.refresh(&ada.refresh).await.tokens(StatusCode::OK);
    app.confirm(&ada.access, &enrolment, &in_time).await.blames("enrolment", ENROLMENT);
}

#[tokio::test]
async fn enabling_ends_every_other_session_and_makes_older_enrolments_void() {
    let app = TestApp::new();
    let first = app.register("ada@example.com").await;
    let second = app.login("ada@example.com").await;
    let (_, older) = app.enrol(&second.access).await;
    let (phone, enrolment) = app.enrol(&second.access).await;
    let answer = app.confirm(&second.access, &enrolment, &app.shown_by(&phone)).await;
    assert_eq!((answer.status, codes(&answer).len()), (StatusCode::OK, 10));
    app.me(&first.access).await.is(TOKEN_INVALID);
    app.refresh(&first.refresh).await.is(REFRESH_INVALID);
    assert_eq!(app.me(&second.access).await.status, StatusCode::OK);
    app.confirm(&second.access, &older, "123456").await.blames("enrolment", ENROLMENT);
    app.confirm(&second.access, &enrolment, &app.shown_by(&phone)).await.blames("enrolment", ENROLMENT);
}

#[tokio::test]
async fn a_code_is_good_once() {
    let app = TestApp::new();
    let ada = app.guarded("ada@example.com").await;
    let code = app.shown_by(&ada.phone);
    let challenge = app.challenge("ada@example.com").await;
    assert_eq!(app.second_step(&challenge, &code).await.status, StatusCode::OK);
    app.second_step(&challenge, &code).await.blames("code", CODE_AT_LOGIN);
    app.second_step(&app.challenge("ada@example.com").await, &code).await.blames("code", CODE_AT_LOGIN);
    let reused = json!({"password": PASSWORD, "code": code});
    app.post_as(&ada.tokens.access, "/auth/reauthenticate", reused).await.blames("code", CODE);
    app.disable(&ada.tokens.access, &code).await.blames("code", CODE);
    assert_eq!(app.events(EventKind::SecondFactorRefused).await, 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_fifty_uses_of_one_code_at_once_one_is_let_in() {
    let app = std::sync::Arc::new(TestApp::new());
    let ada = app.guarded("ada@example.com").await;
    let challenge = app.challenge("ada@example.com").await;
    let all_at_once = async |code: String| {
        let tries: Vec<_> = (0..50)
            .map(|_| {
                let (app, challenge, code) = (std::sync::Arc::clone(&app), challenge.clone(), code.clone());
                tokio::spawn(async move { app.second_step(&challenge, &code).await.status })
            })
            .collect();
        let mut statuses = Vec::new();
        for one in tries {
            statuses.push(one.await.unwrap());
        }
        let let_in = statuses.iter().filter(|status| **status == StatusCode::OK).count();
        let refused = statuses.iter().filter(|status| **status == StatusCode::UNAUTHORIZED).count();
        (let_in, refused)
    };
    assert_eq!(all_at_once(app.shown_by(&ada.phone)).await, (1, 49));
    assert_eq!(all_at_once(ada.recovery_codes[0].clone()).await, (1, 49));
}

#[tokio::test]
async fn a_code_is_good_a_step_early_and_a_step_late_and_no_further() {
    let app = TestApp::new();
    let ada = app.guarded("ada@example.com").await;
    let now = app.clock.now();
    let of_step = |steps: i64| ada.phone.code(doorward::Timestamp::from_seconds(now.seconds() + 30 * steps));
    // Each from a fresh state: a later step makes earlier ones void.
    for (steps, good) in [(-2, false), (-1, false), (2, false), (0, true)] {
        let answer = app.second_step(&app.challenge("ada@example.com").await, &of_step(steps)).await;
        assert_eq!(answer.status == StatusCode::OK, good, "{steps}: {}", answer.text);
    }
    app.second_step(&app.challenge("ada@example.com").await, &of_step(1)).await.tokens(StatusCode::OK);
    app.second_step(&app.challenge("ada@example.com").await, &of_step(0)).await.blames("code", CODE_AT_LOGIN);
    app.later(120);
    let late = ada.phone.code(doorward::Timestamp::from_seconds(app.clock.now().seconds() - 30));
    let challenge = app.challenge("ada@example.com").await;
    app.second_step(&challenge, &late).await.tokens(StatusCode::OK);
}

#[tokio::test]
async fn guesses_are_counted_before_they_are_looked_at_and_only_both_factors_forget_them() {
    let app = TestApp::limited(&doorward_axum::RouterOptions::default());
    let ada = app.guarded("ada@example.com").await;
    let challenge = app.challenge("ada@example.com").await;
    let mut statuses = Vec::new();
    for _ in 0..7 {
        statuses.push(app.second_step(&challenge, "000000").await.status.as_u16());
    }
    assert_eq!(statuses, [401, 401, 401, 401, 401, 429, 429]);
    let right = app.shown_by(&ada.phone);
    app.second_step(&challenge, &right).await.refused(429, "RATE_LIMITED", "Too many requests");
    app.later(10);
    // What codes wait for, passwords don't: a challenge is to be had when the wait is over, however long it was.
    let challenge = app.challenge("ada@example.com").await;
    app.second_step(&challenge, &app.shown_by(&ada.phone)).await.tokens(StatusCode::OK);
    // Both factors together forget what passwords owed here.
    for _ in 0..5 {
        app.challenge("ada@example.com").await;
    }
    app.first_step("ada@example.com").await.refused(429, "RATE_LIMITED", "Too many requests");
}

/// Or a stranger who registers her address would keep its owner out, also after a recovery.
#[tokio::test]
async fn an_address_that_nobody_has_proven_gets_no_second_factor() {
    let app = TestApp::verifying(doorward::EmailVerification::On);
    let stranger = app.register("ada@example.com").await;
    let answer = app.ask_to_enrol(&stranger.access).await;
    answer.is((403, "AUTH_EMAIL_NOT_VERIFIED", "Email address not verified"));
    let letter = app.letters().await.remove(0);
    let code = letter.content.ticket().unwrap().1.code.clone();
    let proof = json!({"email": "ada@example.com", "code": code});
    assert_eq!(app.post_as(&stranger.access, "/auth/email/verify", proof).await.status, StatusCode::NO_CONTENT);
    app.enrol(&stranger.access).await;
}

#[tokio::test]
async fn who_knows_the_password_only_becomes_familiar_nowhere() {
    let app = TestApp::limited(&doorward_axum::RouterOptions::default());
    app.guarded("ada@example.com").await;
    // Right passwords without a code use up what a network has for one account, as wrong ones do.
    let mut statuses = Vec::new();
    for _ in 0..7 {
        statuses.push(app.first_step("ada@example.com").await.status.as_u16());
    }
    assert_eq!(statuses, [403, 403, 403, 403, 403, 429, 429]);
}

#[tokio::test]
async fn recovery_codes_are_good_once_and_new_ones_make_the_old_void() {
    let app = TestApp::new();
    let ada = app.guarded("ada@example.com").await;
    let [first, second, ..] = &ada.recovery_codes[..] else { panic!() };
    let challenge = app.challenge("ada@example.com").await;
    let typed = first.to_lowercase().replace('-', " ");
    let tokens = app.second_step(&challenge, &typed).await.tokens(StatusCode::OK);
    app.second_step(&challenge, first).await.blames("code", CODE_AT_LOGIN);
    let shown = app.get("/auth/totp", Some(&tokens.access)).await;
    assert_eq!(shown.body["recovery_codes_left"], 9);
    assert_eq!(app.letter_names().await, ["second_factor_enabled", "recovery_code_used"]);
    assert_eq!(app.events(EventKind::RecoveryCodeUsed).await, 1);
    let renewed = app.renew(&tokens.access, &app.shown_by(&ada.phone)).await;
    assert!(app.letter_names().await.contains(&"recovery_codes_renewed".to_owned()));
    let new = codes(&renewed);
    assert!(new.len() == 10 && new.iter().all(|code| !ada.recovery_codes.contains(code)));
    app.second_step(&challenge, second).await.blames("code", CODE_AT_LOGIN);
    app.second_step(&challenge, &new[9]).await.tokens(StatusCode::OK);
    let account = doorward::Store::find_account(&*app.store, doorward::UserId::new(1).unwrap()).await.unwrap().unwrap();
    let stored = account.second_factor.unwrap().to_stored();
    assert!(new.iter().all(|code| !stored.contains(code) && !stored.contains(&code.replace('-', ""))));
}

#[tokio::test]
async fn disabling_takes_the_password_and_a_code_in_the_request() {
    let app = TestApp::new();
    let ada = app.guarded("ada@example.com").await;
    let access = &ada.tokens.access;
    app.disable(access, "000000").await.blames("code", CODE);
    app.later(10 * 60);
    let refresh = app.refresh(&ada.tokens.refresh).await.tokens(StatusCode::OK);
    let access = &refresh.access;
    // The password alone is no proof any more.
    for body in [json!({"password": PASSWORD}), json!({"password": PASSWORD, "code": "000000"})] {
        app.post_as(access, "/auth/reauthenticate", body).await.blames("code", CODE);
    }
    assert_eq!(app.disable(access, &app.shown_by(&ada.phone)).await.status, StatusCode::NO_CONTENT);
    app.login("ada@example.com").await;
    assert_eq!(app.letter_names().await, ["second_factor_enabled", "second_factor_disabled"]);
    app.disable(access, "000000").await.is(NOT_ENABLED);
    app.renew(access, "000000").await.is(NOT_ENABLED);
    let shown = app.get("/auth/totp", Some(access)).await;
    assert_eq!(shown.body, json!({"enabled": false, "enabled_at": null, "recovery_codes_left": 0}));
}

#[tokio::test]
async fn a_challenge_is_good_for_five_minutes_for_one_account_and_one_password() {
    let app = TestApp::new();
    let ada = app.guarded("ada@example.com").await;
    let bob = app.guarded("bob@example.com").await;
    app.later(30);
    let (hers, his) = (app.challenge("ada@example.com").await, app.challenge("bob@example.com").await);
    // Swapped between the steps.
    app.second_step(&hers, &app.shown_by(&bob.phone)).await.blames("code", CODE_AT_LOGIN);
    app.second_step(&his, &app.shown_by(&ada.phone)).await.blames("code", CODE_AT_LOGIN);
    app.second_step(&hers, &bob.recovery_codes[0]).await.blames("code", CODE_AT_LOGIN);
    // A part of the one and a part of the other.
    let spliced = format!("{}{}", &hers[..40], &his[40..]);
    app.second_step(&spliced, &app.shown_by(&ada.phone)).await.blames("challenge", CHALLENGE);
    app.later(5 * 60 - 1);
    app.second_step(&hers, &app.shown_by(&ada.phone)).await.tokens(StatusCode::OK);
    app.later(1);
    app.second_step(&his, &app.shown_by(&bob.phone)).await.blames("challenge", CHALLENGE);
    // Another second factor makes the challenge void.
    let his = app.challenge("bob@example.com").await;
    assert_eq!(app.disable(&bob.tokens.access, &app.shown_by(&bob.phone)).await.status, StatusCode::NO_CONTENT);
    app.later(30);
    app.second_step(&his, &app.shown_by(&bob.phone)).await.blames("challenge", CHALLENGE);
}

#[tokio::test]
async fn a_wrong_password_says_nothing_of_a_second_factor() {
    let app = TestApp::new();
    app.guarded("ada@example.com").await;
    app.post("/auth/login", json!({"email": "ada@example.com", "password": "a wrong one"})).await.is(CREDENTIALS);
    assert_eq!(app.events(EventKind::SecondFactorRequired).await, 0);
}

#[tokio::test]
async fn a_deactivated_account_gets_neither_a_challenge_nor_past_one() {
    let app = TestApp::new();
    let ada = app.guarded("ada@example.com").await;
    let admin = app.admin("root@example.com").await;
    let challenge = app.challenge("ada@example.com").await;
    app.bearer(Method::PATCH, "/admin/users/1/deactivate", Some(&admin.access)).await;
    app.first_step("ada@example.com").await.is(DEACTIVATED);
    app.second_step(&challenge, &app.shown_by(&ada.phone)).await.is(DEACTIVATED);
}

#[tokio::test]
async fn bodies_are_checked() {
    let app = TestApp::new();
    let ada = app.register("ada@example.com").await;
    let long = "1".repeat(65);
    let answer = app.post("/auth/login/second-factor", json!({"code": long})).await;
    assert_eq!(answer.faults(), ["missing at body.challenge", "string_too_long at body.code"]);
    let answer = app.post_as(&ada.access, "/auth/totp/confirm", json!({"enrolment": 1, "code": 123_456})).await;
    assert_eq!(answer.faults(), ["string_type at body.enrolment", "string_type at body.code"]);
    for challenge in ["", "A", "AAAA", "é", &"A".repeat(10_000)] {
        app.second_step(challenge, "123456").await.blames("challenge", CHALLENGE);
    }
}

/// A kind of token, and where each kind of token is taken.
#[tokio::test]
async fn no_token_is_taken_for_one_of_another_kind() {
    let app = TestApp::new();
    let ada = app.guarded("ada@example.com").await;
    let bob = app.register("bob@example.com").await;
    let (_, enrolment) = app.enrol(&bob.access).await;
    let tokens = [
        ("access", ada.tokens.access.clone()),
        ("refresh", ada.tokens.refresh.clone()),
        ("challenge", app.challenge("ada@example.com").await),
        ("enrolment", enrolment),
        ("recovery", ada.recovery_codes[0].clone()),
    ];
    let mut taken = Vec::new();
    for (kind, token) in &tokens {
        let code = app.shown_by(&ada.phone);
        let body = |name: &str| json!({name: token, "code": "000000"});
        let answers: [(&str, Answer); 5] = [
            ("bearer", app.me(token).await),
            ("second step", app.post("/auth/login/second-factor", body("challenge")).await),
            ("confirm", app.post_as(&bob.access, "/auth/totp/confirm", body("enrolment")).await),
            ("code", app.second_step(&app.challenge("ada@example.com").await, token).await),
            // Last, since it spends or ends what it takes.
            ("refresh", app.refresh(token).await),
        ];
        drop(code);
        for (place, answer) in answers {
            let refused_as_such =
                ["AUTH_TOKEN_INVALID", "AUTH_CHALLENGE_INVALID", "AUTH_ENROLMENT_INVALID", "AUTH_REFRESH_INVALID"];
            let is_code = place == "code" && answer.status != StatusCode::OK;
            let refused = is_code || refused_as_such.iter().any(|code| answer.body["code"] == json!(code));
            if !refused {
                taken.push(format!("{kind} as {place}: {}", answer.status.as_u16()));
            }
        }
    }
    let expected = [
        "access as bearer: 200",
        "refresh as refresh: 200",
        "challenge as second step: 401",
        "enrolment as confirm: 403",
        "recovery as code: 200",
    ];
    assert_eq!(taken, expected);
}

#[tokio::test]
async fn no_final_step_is_reached_without_the_one_before() {
    let app = TestApp::new();
    let ada = app.guarded("ada@example.com").await;
    let code = app.shown_by(&ada.phone);
    for body in [
        json!({"code": code}),
        json!({"challenge": null, "code": code}),
        json!({"email": "ada@example.com", "code": code}),
        json!({"email": "ada@example.com", "password": PASSWORD, "code": code}),
    ] {
        assert_eq!(app.post("/auth/login/second-factor", body).await.status.as_u16(), 422);
    }
    // What the first step never reads changes nothing of it.
    let with_code = json!({"email": "ada@example.com", "password": PASSWORD, "code": code, "challenge": "x"});
    assert_eq!(app.post("/auth/login", with_code).await.status.as_u16(), 403);
    assert_eq!(app.events(EventKind::Login).await, 0);
    let untouched: Value = app.get("/auth/totp", Some(&ada.tokens.access)).await.body;
    assert_eq!(untouched["recovery_codes_left"], 10);
}

#[tokio::test]
async fn an_operator_lets_in_who_has_lost_everything() {
    let app = TestApp::new();
    let ada = app.guarded("ada@example.com").await;
    let challenge = app.challenge("ada@example.com").await;
    let id = doorward::UserId::new(1).unwrap();
    for _ in 0..2 {
        app.auth.remove_second_factor(id, doorward::Origin::operator()).await.unwrap();
    }
    app.me(&ada.tokens.access).await.is(TOKEN_INVALID);
    app.second_step(&challenge, &app.shown_by(&ada.phone)).await.blames("challenge", CHALLENGE);
    app.login("ada@example.com").await;
    assert_eq!(app.letter_names().await, ["second_factor_enabled", "second_factor_disabled"]);
    assert_eq!(app.events(EventKind::SecondFactorDisabled).await, 1);
}

/// A stolen token, however fresh its session's login is, neither takes the second factor away nor brings one along.
#[tokio::test]
async fn a_bearer_token_alone_changes_nothing_of_how_an_account_is_got_into() {
    let app = TestApp::new();
    let ada = app.guarded("ada@example.com").await;
    let bob = app.register("bob@example.com").await;
    let (hers, his) = (Some(ada.tokens.access.as_str()), Some(bob.access.as_str()));
    let code = json!({"code": ada.recovery_codes[0]});
    for (method, path, token) in [
        (Method::POST, "/auth/totp", his),
        (Method::DELETE, "/auth/totp", hers),
        (Method::POST, "/auth/recovery-codes", hers),
        (Method::DELETE, "/auth/me", hers),
    ] {
        app.bearer(method.clone(), path, token).await.is(NOT_RECENT);
        app.bearer_json(method.clone(), path, token, code.clone()).await.is(NOT_RECENT);
        let wrong = json!({"password": "a wrong guess", "code": ada.recovery_codes[0]});
        app.bearer_json(method, path, token, wrong).await.blames("password", WRONG_PASSWORD);
    }
    app.post_as(&bob.access, "/auth/email", json!({"email": "mallory@example.com"})).await.is(NOT_RECENT);
    assert_eq!(app.letter_names().await, ["second_factor_enabled"]);
    assert_eq!(app.get("/auth/totp", hers).await.body["recovery_codes_left"], 10);
}

#[tokio::test]
async fn recovery_codes_prove_nothing_in_the_session_that_made_them() {
    let app = TestApp::new();
    let ada = app.guarded("ada@example.com").await;
    let access = &ada.tokens.access;
    app.disable(access, &ada.recovery_codes[0]).await.blames("code", CODE);
    let renewed = codes(&app.renew(access, &app.shown_by(&ada.phone)).await);
    app.disable(access, &renewed[0]).await.blames("code", CODE);
    app.renew(access, &renewed[0]).await.blames("code", CODE);
    assert_eq!(app.get("/auth/totp", Some(access)).await.body["recovery_codes_left"], 10, "a refusal spends none");
    // They open the next session, and prove in it what they are to prove.
    app.later(1);
    let challenge = app.challenge("ada@example.com").await;
    let next = app.second_step(&challenge, &renewed[0]).await.tokens(StatusCode::OK);
    assert_eq!(app.disable(&next.access, &renewed[1]).await.status, StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn an_enrolment_is_good_in_the_session_that_asked_for_it_alone() {
    let app = TestApp::new();
    let thief = app.register("ada@example.com").await;
    let (phone, enrolment) = app.enrol(&thief.access).await;
    let owner = app.login("ada@example.com").await;
    assert_eq!(app.bearer(Method::POST, "/auth/logout-all", Some(&owner.access)).await.status, StatusCode::NO_CONTENT);
    app.confirm(&thief.access, &enrolment, &app.shown_by(&phone)).await.is(TOKEN_INVALID);
    let owner = app.login("ada@example.com").await;
    app.confirm(&owner.access, &enrolment, &app.shown_by(&phone)).await.blames("enrolment", ENROLMENT);
}
