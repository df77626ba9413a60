//! `POST /auth/password`, and what may be a password wherever one is chosen.

use std::sync::Arc;

use axum::http::StatusCode;
use doorward::audit::{EventKind, EventQuery};
use doorward::letter::LetterContent;
use doorward::outbox::{MessageKind, Taking};
use doorward::store::OutboxStore;
use doorward::testing::amending::amend;
use doorward::ticket::{Purpose, Ticket};
use doorward::{Clock, Store, UserId};
use doorward_axum::RouterOptions;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::app::{Answer, CREDENTIALS, PASSWORD, REFRESH_INVALID, TOKEN_INVALID, TestApp, Tokens, WRONG_PASSWORD};

const NEXT: &str = "another horse, no battery";
const ADA: &str = "ada@example.com";

async fn change(app: &TestApp, tokens: &Tokens, current: &str, new: &str) -> Answer {
    let body = json!({"current_password": current, "new_password": new});
    app.post_as(&tokens.access, "/auth/password", body).await
}

async fn login(app: &TestApp, password: &str) -> Answer {
    app.post("/auth/login", json!({"email": ADA, "password": password})).await
}

async fn events(app: &TestApp) -> Vec<EventKind> {
    let query = EventQuery { user_id: UserId::new(1), kind: None, since: None, until: None, before: None, limit: 50 };
    app.store.list_events(query).await.unwrap().iter().map(|event| event.what.kind).collect()
}

fn reason(answer: &Answer) -> Value {
    answer.body["detail"][0].clone()
}

#[tokio::test]
async fn a_changed_password_ends_every_session_opens_one_and_tells_the_person() {
    let app = TestApp::new();
    let phone = app.register(ADA).await;
    let laptop = app.login(ADA).await;
    app.later(60);
    let answer = change(&app, &laptop, PASSWORD, NEXT).await;
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let new = answer.tokens(StatusCode::OK);
    // Whoever has stolen the tokens of the session that asked has nothing left either.
    for tokens in [&phone, &laptop] {
        app.me(&tokens.access).await.is(TOKEN_INVALID);
        app.refresh(&tokens.refresh).await.is(REFRESH_INVALID);
    }
    assert_eq!(app.me(&new.access).await.status, StatusCode::OK);
    assert_eq!(app.refresh(&new.refresh).await.status, StatusCode::OK);
    login(&app, PASSWORD).await.is(CREDENTIALS);
    assert_eq!(login(&app, NEXT).await.status, StatusCode::OK);
    assert!(events(&app).await.contains(&EventKind::PasswordChanged));
    let now = app.clock.now();
    let taking = Taking { kind: MessageKind::Mail, now, leased_until: now, limit: 10 };
    let messages = app.store.take_messages(taking).await.unwrap();
    let letters: Vec<_> = messages.iter().map(|message| app.auth.open_letter(message).unwrap()).collect();
    assert_eq!(letters.len(), 1);
    assert_eq!((letters[0].to.as_str(), &letters[0].content), (ADA, &LetterContent::PasswordChanged));
}

#[tokio::test]
async fn without_the_password_in_use_nothing_changes() {
    let app = TestApp::new();
    let ada = app.register(ADA).await;
    let other = app.login(ADA).await;
    let stored = async || app.store.find_account(UserId::new(1).unwrap()).await.unwrap().unwrap();
    let before = stored().await;
    change(&app, &ada, "not her password", NEXT).await.blames("current_password", WRONG_PASSWORD);
    assert_eq!(stored().await, before);
    assert_eq!(app.me(&other.access).await.status, StatusCode::OK);
    assert_eq!(events(&app).await[0], EventKind::PasswordChangeRefused);
    let body = json!({"current_password": PASSWORD, "new_password": NEXT});
    app.post("/auth/password", body).await.refused(401, "HTTP_401", "Not authenticated");
    assert_eq!(
        app.post_as(&ada.access, "/auth/password", json!({"new_password": "short"})).await.faults(),
        ["missing at body.current_password", "string_too_short at body.new_password"]
    );
    // Whose password it is says the token alone.
    app.register("bob@example.com").await;
    let body = json!({"current_password": PASSWORD, "new_password": NEXT, "user_id": 2, "email": "bob@example.com"});
    assert_eq!(app.post_as(&ada.access, "/auth/password", body).await.status, StatusCode::OK);
    app.login("bob@example.com").await;
}

#[tokio::test]
async fn guesses_at_the_password_in_use_are_counted_with_those_of_login() {
    let app = TestApp::limited(&RouterOptions::default());
    let ada = app.register(ADA).await;
    for _ in 0..5 {
        change(&app, &ada, "a wrong guess", NEXT).await.blames("current_password", WRONG_PASSWORD);
    }
    let hashed = app.auth.hashing_pool().statistics().hashed;
    for answer in [change(&app, &ada, PASSWORD, NEXT).await, login(&app, PASSWORD).await] {
        answer.refused(429, "RATE_LIMITED", "Too many requests");
    }
    assert_eq!(app.auth.hashing_pool().statistics().hashed, hashed);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_changes_at_once_one_is_made() {
    let app = Arc::new(TestApp::new());
    let ada = app.register(ADA).await;
    let mut changes = JoinSet::new();
    for index in 0..8 {
        let (app, ada) = (Arc::clone(&app), ada.clone());
        changes.spawn(async move {
            let new = format!("{NEXT} {index}");
            (change(&app, &ada, PASSWORD, &new).await, new)
        });
    }
    let mut made = Vec::new();
    for (answer, new) in changes.join_all().await {
        match answer.status {
            StatusCode::OK => made.push(new),
            // Whose session was ended before its proof was looked at.
            StatusCode::UNAUTHORIZED => answer.is(TOKEN_INVALID),
            _ => answer.blames("current_password", WRONG_PASSWORD),
        }
    }
    assert_eq!(made.len(), 1);
    assert_eq!(login(&app, &made[0]).await.status, StatusCode::OK);
    assert_eq!(events(&app).await.iter().filter(|kind| **kind == EventKind::PasswordChanged).count(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_login_that_began_before_a_change_is_over_after_it() {
    for _ in 0..10 {
        let app = Arc::new(TestApp::new());
        let ada = app.register(ADA).await;
        let mut logins = JoinSet::new();
        for _ in 0..4 {
            let app = Arc::clone(&app);
            logins.spawn(async move { login(&app, PASSWORD).await.status.as_u16() });
        }
        let ada = change(&app, &ada, PASSWORD, NEXT).await.tokens(StatusCode::OK);
        assert!(logins.join_all().await.iter().all(|status| [200, 401].contains(status)));
        let left = app.get("/auth/sessions", Some(&ada.access)).await;
        assert_eq!(left.body["items"].as_array().unwrap().len(), 1, "{}", left.text);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_refresh_and_a_changed_password_at_once_leave_no_live_token() {
    for _ in 0..10 {
        let app = Arc::new(TestApp::new());
        let phone = app.register(ADA).await;
        let laptop = app.login(ADA).await;
        let refreshes = {
            let app = Arc::clone(&app);
            tokio::spawn(async move {
                let (mut newest, mut all) = (phone.refresh, vec![phone.access]);
                while let answer = app.refresh(&newest).await
                    && answer.status == StatusCode::OK
                {
                    let tokens = answer.tokens(StatusCode::OK);
                    newest = tokens.refresh;
                    all.push(tokens.access);
                }
                (newest, all)
            })
        };
        let new = change(&app, &laptop, PASSWORD, NEXT).await.tokens(StatusCode::OK);
        let (newest, all) = refreshes.await.unwrap();
        app.refresh(&newest).await.is(REFRESH_INVALID);
        for access in all {
            app.me(&access).await.is(TOKEN_INVALID);
        }
        app.me(&laptop.access).await.is(TOKEN_INVALID);
        assert_eq!(app.me(&new.access).await.status, StatusCode::OK);
    }
}

#[tokio::test]
async fn nothing_of_composition_is_asked_for_and_no_password_expires() {
    let app = TestApp::new();
    for (index, password) in
        ["kqvwzjmxbtrplod", "zhltnpoiwmzuklr", "               .", "\t\t\t\t\t\t\t\t\t\t"].iter().enumerate()
    {
        let email = format!("u{index}@example.com");
        let registered = app.post("/auth/register", json!({"email": email, "password": password})).await;
        assert_eq!(registered.status, StatusCode::CREATED, "{password:?}");
    }
    app.register(ADA).await;
    app.later(10 * 365 * 24 * 3600);
    assert_eq!(login(&app, PASSWORD).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_link_to_recover_dies_with_the_password_and_what_must_be_changed_is() {
    let app = TestApp::new();
    let ada = app.register(ADA).await;
    let id = UserId::new(1).unwrap();
    let ticket = |purpose| Ticket {
        purpose,
        email: ADA.to_owned(),
        secret_hash: [7; 32],
        code_hash: None,
        wrong_codes: 0,
        expires_at: i64::MAX,
        code_expires_at: 0,
        session: None,
    };
    let tickets = vec![ticket(Purpose::Recover), ticket(Purpose::VerifyEmail)];
    amend(&*app.store, id, app.clock.now(), |account| {
        account.tickets = tickets;
        account.must_change_password = true;
    })
    .await;
    assert_eq!(change(&app, &ada, PASSWORD, NEXT).await.status, StatusCode::OK);
    let account = app.store.find_account(id).await.unwrap().unwrap();
    assert_eq!(account.tickets, [ticket(Purpose::VerifyEmail)]);
    assert!(!account.must_change_password);
}

#[tokio::test]
async fn a_password_that_everybody_tries_first_is_refused_with_the_reason() {
    let app = TestApp::new();
    let ada = app.register(ADA).await;
    let common = "the password is one of those that leaked most often and are tried first";
    let fifty = [
        "password",
        "12345678",
        "123456789",
        "qwertyuiop",
        "iloveyou",
        "sunshine",
        "password1",
        "password123",
        "football",
        "baseball",
        "1q2w3e4r",
        "1qaz2wsx",
        "trustno1",
        "abcd1234",
        "qwerty123",
        "princess",
        "superman",
        "letmein1",
        "starwars",
        "computer",
        "corvette",
        "michelle",
        "jennifer",
        "11111111",
        "88888888",
        "987654321",
        "asdfghjkl",
        "zaq12wsx",
        "passw0rd",
        "p@ssw0rd",
        "welcome1",
        "changeme",
        "dragon123",
        "liverpool",
        "chocolate",
        "butterfly",
        "charlie1",
        "mercedes",
        "internet",
        "whatever",
        "alexander",
        "elizabeth",
        "asdf1234",
        "1234qwer",
        "q1w2e3r4",
        "qazwsxedc",
        "samantha",
        "        ",
        "PASSWORD123",
        "zzzzzzzzzzzz",
    ];
    for password in fifty {
        let registration = app.post("/auth/register", json!({"email": "bob@example.com", "password": password})).await;
        assert_eq!(
            reason(&registration),
            json!({
                "type": "value_error", "loc": ["body", "password"],
                "msg": format!("Value error, {common}"), "ctx": {"reason": common}
            })
        );
        let changed = change(&app, &ada, PASSWORD, password).await;
        assert_eq!(changed.faults(), ["value_error at body.new_password"], "{password}");
        // The field itself is called so.
        assert!(password == "password" || !changed.text.contains(password));
    }
    // A login is not held against it: whoever has such a password gets in to change it.
    login(&app, "password123").await.is(CREDENTIALS);
}

#[tokio::test]
async fn a_password_is_not_the_address_nor_the_service() {
    let app = TestApp::ruled(|rules| rules.service_name = "Analytical Engines".to_owned());
    let ada = app.register("ada.lovelace@byron.example.com").await;
    let guessable = json!("the password is too much like the email address or the name of the service");
    for password in
        ["ada.lovelace@byron.example.com", "AdaLovelace", "ada_lovelace1815", "analytical engines", "Admin_2031"]
    {
        let body = json!({"email": "ada.lovelace@gmail.com", "password": password});
        let registration = app.post("/auth/register", body).await;
        let changed = change(&app, &ada, PASSWORD, password).await;
        for (answer, loc) in [(&changed, "new_password"), (&registration, "password")] {
            if password.contains('@') && loc == "password" {
                continue;
            }
            let fault = reason(answer);
            assert_eq!((&fault["ctx"]["reason"], &fault["loc"][1]), (&guessable, &json!(loc)), "{}", answer.text);
        }
    }
    let every_fault = app.post("/auth/register", json!({"email": "no address", "password": "Admin_2031"})).await;
    assert_eq!(every_fault.faults(), ["value_error at body.email", "value_error at body.password"]);
    // Before anything is hashed, and the one in use is no new one.
    let answer = change(&app, &ada, PASSWORD, PASSWORD).await;
    assert_eq!(reason(&answer)["msg"], "Value error, the password is the one in use");
}

#[tokio::test]
async fn lengths_are_the_operators_within_bounds() {
    let app = TestApp::ruled(|rules| {
        rules.password_policy.min_code_points = 15;
        rules.password_policy.max_bytes = 64;
    });
    let register = async |password: &str| app.post("/auth/register", json!({"email": ADA, "password": password})).await;
    let short = register("fourteen chars").await;
    assert_eq!(
        (short.faults(), reason(&short)["ctx"].clone()),
        (vec!["string_too_short at body.password".to_owned()], json!({"min_length": 15}))
    );
    let long = register(&format!("long {}", "words ".repeat(10))).await;
    assert_eq!(reason(&long)["ctx"], json!({"max_length": 64}));
    // Each code point counts one, and every printing character is taken: nothing of composition is asked for.
    assert_eq!(register("é漢😀 ~!\"#$%&'()*").await.status, StatusCode::CREATED);
    // What is longer than new passwords may be is still a wrong password at the login.
    login(&app, &"x".repeat(100)).await.is(CREDENTIALS);
}

#[tokio::test]
async fn lists_can_be_switched_off() {
    let app = TestApp::ruled(|rules| rules.password_policy.refuses_common = false);
    for (index, password) in ["password", "ada.lovelace", "12345678"].into_iter().enumerate() {
        let body = json!({"email": format!("ada.lovelace@e{index}.example.com"), "password": password});
        assert_eq!(app.post("/auth/register", body).await.status, StatusCode::CREATED);
    }
}
