//! A service in the test's hands: its router, its clock, and people who log in.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap};
use axum::http::{Method, Request, StatusCode};
use doorward::email::EmailAddress;
use doorward::letter::Letter;
use doorward::outbox::{Message, MessageKind, Taking};
use doorward::password::{HashParameters, HashingPool, NewPassword, Password, PasswordPolicy, PoolSettings};
use doorward::session::RefreshRules;
use doorward::store::OutboxStore;
use doorward::testing::{MemoryStore, TestClock, block_on};
use doorward::token::keyring::{Keyring, SecretKey};
use doorward::{AccountRules, Auth, Clock, EmailVerification, Origin, Role, Store};
use doorward_axum::{RouterOptions, router};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::ServiceExt;

pub(crate) const PASSWORD: &str = "correct horse battery staple";
pub(crate) const SECRET: &str = "wAyJ2tq8Zk5vN0xR7mB4cH9eL1gT6uPd";

pub(crate) struct TestApp {
    pub(crate) auth: Arc<Auth>,
    pub(crate) clock: Arc<TestClock>,
    pub(crate) store: Arc<MemoryStore>,
    router: Router,
}

pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
    pub(crate) text: String,
}

#[derive(Debug, Clone)]
pub(crate) struct Tokens {
    pub(crate) access: String,
    pub(crate) refresh: String,
}

impl TestApp {
    pub(crate) fn new() -> Self {
        Self::with(RefreshRules::default(), &RouterOptions::default())
    }

    pub(crate) fn with(rules: RefreshRules, options: &RouterOptions) -> Self {
        // What is limited has tests of its own; in the others everybody comes from one unknown address.
        Self::made(rules, options, Auth::danger_without_limits)
    }

    /// Asking that of the addresses of new accounts.
    pub(crate) fn verifying(verification: EmailVerification) -> Self {
        Self::made(RefreshRules::default(), &RouterOptions::default(), |auth| {
            auth.danger_without_limits().with_email_verification(verification)
        })
    }

    /// With the limits that are on by default.
    pub(crate) fn limited(options: &RouterOptions) -> Self {
        Self::made(RefreshRules::default(), options, |auth| auth)
    }

    /// With other rules for accounts.
    pub(crate) fn ruled(change: impl FnOnce(&mut AccountRules)) -> Self {
        let mut account_rules = AccountRules::default();
        change(&mut account_rules);
        Self::made(RefreshRules::default(), &RouterOptions::default(), |auth| {
            auth.danger_without_limits().with_account_rules(account_rules)
        })
    }

    pub(crate) fn made(rules: RefreshRules, options: &RouterOptions, finish: impl FnOnce(Auth) -> Auth) -> Self {
        let store = Arc::new(MemoryStore::new());
        let clock = Arc::new(TestClock::default());
        let parameters = HashParameters::new(8, 1, 1).unwrap();
        let pool =
            HashingPool::start(PoolSettings { workers: NonZeroUsize::MIN, ..PoolSettings::new(parameters) }).unwrap();
        let keyring = Keyring::new(SecretKey::new(SECRET).unwrap(), Vec::new());
        let auth = block_on(Auth::open(Arc::clone(&store) as Arc<dyn Store>, pool, keyring))
            .unwrap()
            .with_clock(Arc::clone(&clock) as Arc<dyn doorward::Clock>)
            .with_refresh_rules(rules);
        let auth = Arc::new(finish(auth));
        let router = router(Arc::clone(&auth), options);
        Self { auth, clock, store, router }
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        let body = serde_json::from_str(&text).unwrap_or(Value::Null);
        Answer { status: parts.status, headers: parts.headers, body, text }
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        self.post_bytes(path, "application/json", body.to_string()).await
    }

    pub(crate) async fn post_bytes(&self, path: &str, content_type: &str, body: impl Into<Body>) -> Answer {
        let request = Request::post(path).header(CONTENT_TYPE, content_type).body(body.into()).unwrap();
        self.send(request).await
    }

    /// A body sent with an access token.
    pub(crate) async fn post_as(&self, token: &str, path: &str, body: Value) -> Answer {
        let request = Request::post(path).header(CONTENT_TYPE, "application/json");
        let request = request.header(AUTHORIZATION, format!("Bearer {token}"));
        self.send(request.body(Body::from(body.to_string())).unwrap()).await
    }

    pub(crate) async fn get(&self, path: &str, token: Option<&str>) -> Answer {
        self.bearer(Method::GET, path, token).await
    }

    pub(crate) async fn bearer(&self, method: Method, path: &str, token: Option<&str>) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        if let Some(token) = token {
            request = request.header(AUTHORIZATION, format!("Bearer {token}"));
        }
        self.send(request.body(Body::empty()).unwrap()).await
    }

    pub(crate) async fn bearer_json(&self, method: Method, path: &str, token: Option<&str>, body: Value) -> Answer {
        let mut request = Request::builder().method(method).uri(path).header(CONTENT_TYPE, "application/json");
        if let Some(token) = token {
            request = request.header(AUTHORIZATION, format!("Bearer {token}"));
        }
        self.send(request.body(Body::from(body.to_string())).unwrap()).await
    }

    /// The body of a `GET`, as it comes.
    pub(crate) async fn stream(&self, path: &str, token: &str) -> Body {
        let request = Request::get(path).header(AUTHORIZATION, format!("Bearer {token}"));
        let response = self.router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        response.into_body()
    }

    /// The kinds of what happened to whoever has the tokens, the latest first.
    pub(crate) async fn event_kinds(&self, tokens: &Tokens) -> Vec<String> {
        let answer = self.get("/auth/events?limit=100", Some(&tokens.access)).await;
        let items = answer.body["items"].as_array().unwrap();
        items.iter().map(|event| event["type"].as_str().unwrap().to_owned()).collect()
    }

    /// Every message that waits in the outbox; they stay there.
    pub(crate) async fn messages(&self) -> Vec<Message> {
        let now = self.clock.now();
        let mut messages = Vec::new();
        for kind in MessageKind::ALL {
            let taking = Taking { kind, now, leased_until: now, limit: 1_000 };
            messages.extend(self.store.take_messages(taking).await.unwrap());
        }
        messages
    }

    /// Every letter that waits in the outbox; they stay there.
    pub(crate) async fn letters(&self) -> Vec<Letter> {
        self.messages().await.iter().filter_map(|message| self.auth.open_letter(message)).collect()
    }

    pub(crate) async fn register(&self, email: &str) -> Tokens {
        self.post("/auth/register", json!({"email": email, "password": PASSWORD})).await.tokens(StatusCode::CREATED)
    }

    pub(crate) async fn login(&self, email: &str) -> Tokens {
        self.post("/auth/login", json!({"email": email, "password": PASSWORD})).await.tokens(StatusCode::OK)
    }

    pub(crate) async fn refresh(&self, token: &str) -> Answer {
        self.post("/auth/refresh", json!({"refresh_token": token})).await
    }

    pub(crate) async fn logout(&self, token: &str) -> Answer {
        self.post("/auth/logout", json!({"refresh_token": token})).await
    }

    pub(crate) async fn me(&self, token: &str) -> Answer {
        self.get("/auth/me", Some(token)).await
    }

    pub(crate) async fn admin(&self, email: &str) -> Tokens {
        let address = EmailAddress::parse(email).unwrap();
        let password =
            NewPassword::new(Password::new(PASSWORD.to_owned()).unwrap(), PasswordPolicy::default()).unwrap();
        self.auth.create_user(address, &password, Role::Admin, Origin::operator()).await.unwrap();
        self.login(email).await
    }

    pub(crate) async fn id(&self, token: &str) -> i64 {
        self.me(token).await.body["id"].as_i64().unwrap()
    }

    pub(crate) fn later(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }
}

impl Answer {
    pub(crate) fn tokens(&self, status: StatusCode) -> Tokens {
        assert_eq!(self.status, status, "{}", self.text);
        let text = |name: &str| self.body[name].as_str().unwrap().to_owned();
        Tokens { access: text("access_token"), refresh: text("refresh_token") }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    #[track_caller]
    pub(crate) fn refused(&self, status: u16, code: &str, detail: &str) {
        assert_eq!((self.status.as_u16(), &self.body), (status, &json!({"detail": detail, "code": code})));
        assert_eq!(self.header("content-type"), Some("application/json"));
    }

    /// As [`refused`](Self::refused), with one field to blame.
    #[track_caller]
    pub(crate) fn blames(&self, field: &str, (status, code, detail): (u16, &str, &str)) {
        let body = json!({"detail": detail, "code": code, "field": field});
        assert_eq!((self.status.as_u16(), &self.body), (status, &body));
    }

    /// The faults of a 422 as `type at loc`, in their order.
    #[track_caller]
    pub(crate) fn faults(&self) -> Vec<String> {
        assert_eq!(
            (self.status.as_u16(), self.body["code"].as_str()),
            (422, Some("VALIDATION_ERROR")),
            "{}",
            self.text
        );
        let faults = self.body["detail"].as_array().unwrap();
        let loc = |fault: &Value| {
            fault["loc"].as_array().unwrap().iter().map(|part| part.as_str().unwrap()).collect::<Vec<_>>().join(".")
        };
        faults.iter().map(|fault| format!("{} at {}", fault["type"].as_str().unwrap(), loc(fault))).collect()
    }
}

pub(crate) const TOKEN_INVALID: (u16, &str, &str) = (401, "AUTH_TOKEN_INVALID", "Invalid access token");
pub(crate) const REFRESH_INVALID: (u16, &str, &str) = (401, "AUTH_REFRESH_INVALID", "Invalid or expired refresh token");
pub(crate) const REUSE: (u16, &str, &str) =
    (401, "AUTH_TOKEN_REUSE", "Refresh token reuse detected — all sessions revoked");
pub(crate) const DEACTIVATED: (u16, &str, &str) =
    (403, "AUTH_ACCOUNT_DEACTIVATED", "Account deactivated. Contact support.");
pub(crate) const INACTIVE: (u16, &str, &str) = (401, "AUTH_USER_INACTIVE", "User not found or inactive");
pub(crate) const WRONG_PASSWORD: (u16, &str, &str) = (403, "AUTH_PASSWORD_INVALID", "Wrong password");
pub(crate) const CREDENTIALS: (u16, &str, &str) = (401, "AUTH_INVALID_CREDENTIALS", "Invalid email or password");

impl Answer {
    #[track_caller]
    pub(crate) fn is(&self, (status, code, detail): (u16, &str, &str)) {
        self.refused(status, code, detail);
    }
}
