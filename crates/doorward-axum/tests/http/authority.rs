//! Which proof leads where: a table of the routes that change how an account is got into, held against the router, and
//! searched for every way from a single stolen thing to the account.
//!
//! What the search finds is printed in `docs/reports/authority.md`, each way with the sentence that allows it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt::Write;

use axum::http::Method;
use doorward::Clock;
use doorward::outbox::MessageKind;
use serde_json::{Value, json};

use crate::app::{PASSWORD, TestApp, Tokens};
use crate::second_factor::Guarded;

/// Something that somebody has, or has brought about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fact {
    /// A live access token of the account.
    Bearer,
    /// A live refresh token of the account.
    Refresh,
    /// The password.
    Password,
    /// What the second factor asks for.
    Code,
    /// The mail to the account's address.
    Mailbox,
    /// An enrolment of the session that the bearer token is of.
    Enrolment,
    /// The link of a change of address that is under way.
    Change,
}

use Fact::{Bearer, Change, Code, Enrolment, Mailbox, Password, Refresh};

/// One thing that can be asked for.
struct Route {
    name: &'static str,
    /// Whether there must be a second factor, or none; `None`: either.
    with_factor: Option<bool>,
    /// What it takes, the code only where there is a second factor.
    needs: &'static [Fact],
    gives: &'static [Fact],
    /// Whether there is a second factor afterwards, where it changes that.
    leaves_factor: Option<bool>,
}

const fn route(name: &'static str, needs: &'static [Fact], gives: &'static [Fact]) -> Route {
    Route { name, with_factor: None, needs, gives, leaves_factor: None }
}

/// Whoever has the password and the code has the account: what else they get is listed to be complete.
const ROUTES: [Route; 11] = [
    route("POST /auth/login", &[Password, Code], &[Bearer, Refresh]),
    route("POST /auth/refresh", &[Refresh], &[Bearer, Refresh]),
    route("POST /auth/reauthenticate", &[Bearer, Password, Code], &[]),
    route("POST /auth/password", &[Bearer, Password, Code], &[Password, Bearer, Refresh]),
    route("POST /auth/email", &[Bearer, Password, Code], &[Change]),
    route("POST /auth/email/confirm", &[Change], &[Mailbox]),
    route("POST /auth/recovery/complete", &[Mailbox], &[Password]),
    route("DELETE /auth/me", &[Bearer, Password, Code], &[]),
    Route { with_factor: Some(false), ..route("POST /auth/totp", &[Bearer, Password], &[Enrolment]) },
    Route {
        with_factor: Some(false),
        leaves_factor: Some(true),
        ..route("POST /auth/totp/confirm", &[Bearer, Enrolment], &[Code])
    },
    Route { with_factor: Some(true), ..route("POST /auth/recovery-codes", &[Bearer, Password, Code], &[Code]) },
];

/// Kept apart: what it leaves is an account without a second factor.
const DISABLE: Route = Route {
    with_factor: Some(true),
    leaves_factor: Some(false),
    ..route("DELETE /auth/totp", &[Bearer, Password, Code], &[])
};

fn routes() -> impl Iterator<Item = &'static Route> {
    ROUTES.iter().chain([&DISABLE])
}

impl Route {
    fn needs(&self, has_factor: bool) -> Vec<Fact> {
        self.needs.iter().copied().filter(|fact| *fact != Code || has_factor).collect()
    }
}

/// Somebody whose account is asked for, and everything that could be stolen of them.
struct Owner {
    app: TestApp,
    tokens: Tokens,
    guarded: Option<Guarded>,
    links: BTreeMap<&'static str, String>,
}

impl Owner {
    async fn new(has_factor: bool) -> Self {
        let app = TestApp::new();
        let (tokens, guarded) = if has_factor {
            let guarded = app.guarded("ada@example.com").await;
            (guarded.tokens.clone(), Some(guarded))
        } else {
            (app.register("ada@example.com").await, None)
        };
        let mut owner = Self { app, tokens, guarded, links: BTreeMap::new() };
        let mut change = owner.proof(&[Password, Code]);
        change["email"] = json!("mallory@example.com");
        owner.app.post_as(&owner.tokens.access, "/auth/email", change).await;
        owner.app.post("/auth/recovery", json!({"email": "ada@example.com"})).await;
        owner.read_links().await;
        owner.app.later(30);
        owner
    }

    async fn read_links(&mut self) {
        for message in self.app.messages().await {
            if message.kind == MessageKind::Recovery {
                self.app.auth.handle_recovery(&message).await.unwrap();
            }
        }
        for message in self.app.messages().await {
            let Some(letter) = self.app.auth.open_letter(&message) else { continue };
            if let Some((purpose, secret)) = letter.content.ticket() {
                self.links.insert(purpose.as_str(), secret.token(message.user_id.unwrap()));
            }
        }
    }

    fn code(&self) -> Option<String> {
        self.guarded.as_ref().map(|guarded| guarded.phone.code(self.app.clock.now()))
    }

    /// The members of a proof that somebody with these facts can send.
    fn proof(&self, facts: &[Fact]) -> Value {
        let mut proof = json!({});
        if facts.contains(&Password) {
            proof["password"] = json!(PASSWORD);
        }
        if let Some(code) = self.code().filter(|_| facts.contains(&Code)) {
            proof["code"] = json!(code);
        }
        proof
    }

    /// What `known` is worth to somebody with these facts.
    fn stolen(facts: &[Fact], fact: Fact, known: &str) -> String {
        if facts.contains(&fact) { known.to_owned() } else { "made-up".to_owned() }
    }

    /// Whether the router does it for somebody with these facts and nothing else.
    async fn does(&self, route: &Route, facts: &[Fact]) -> bool {
        let (method, path) = route.name.split_once(' ').unwrap();
        let mut body = self.proof(facts);
        match path {
            "/auth/login" => return self.logs_in(facts).await,
            "/auth/refresh" => {
                body = json!({"refresh_token": Self::stolen(facts, Refresh, &self.tokens.refresh)});
            }
            "/auth/password" => {
                body["current_password"] = body["password"].take();
                if body["current_password"].is_null() {
                    body["current_password"] = json!("a wrong guess");
                }
                body["new_password"] = json!("another horse, no battery");
            }
            "/auth/email" => body["email"] = json!("mallory@example.net"),
            "/auth/email/confirm" => {
                body = json!({"token": Self::stolen(facts, Change, &self.links["change_email"])});
            }
            "/auth/recovery/complete" => {
                let token = Self::stolen(facts, Mailbox, &self.links["recover"]);
                body = json!({"token": token, "password": "another horse, no battery"});
            }
            "/auth/totp/confirm" => body = self.confirmation(facts).await,
            _ => {}
        }
        let token = facts.contains(&Bearer).then_some(self.tokens.access.as_str());
        let method: Method = method.parse().unwrap();
        self.app.bearer_json(method, path, token, body).await.status.is_success()
    }

    async fn logs_in(&self, facts: &[Fact]) -> bool {
        let password = if facts.contains(&Password) { PASSWORD } else { "a wrong guess" };
        let body = json!({"email": "ada@example.com", "password": password});
        let first = self.app.post("/auth/login", body).await;
        let Some(challenge) = first.body["challenge"].as_str() else { return first.status.is_success() };
        let code = self.code().filter(|_| facts.contains(&Code)).unwrap_or_else(|| "000000".to_owned());
        let body = json!({"challenge": challenge, "code": code});
        self.app.post("/auth/login/second-factor", body).await.status.is_success()
    }

    async fn confirmation(&self, facts: &[Fact]) -> Value {
        let proof = self.proof(&[Password]);
        let enrolment = self.app.post_as(&self.tokens.access, "/auth/totp", proof).await.body;
        let phone = doorward::testing::Authenticator::new(enrolment["secret"].as_str().unwrap()).unwrap();
        let sealed = Self::stolen(facts, Enrolment, enrolment["enrolment"].as_str().unwrap());
        json!({"enrolment": sealed, "code": phone.code(self.app.clock.now())})
    }
}

/// A table that says less than the router asks for would find ways that aren't there, and one that says more would miss
/// some.
#[tokio::test]
async fn every_route_asks_for_exactly_what_the_table_says() {
    for has_factor in [false, true] {
        for route in routes().filter(|route| route.with_factor.is_none_or(|wanted| wanted == has_factor)) {
            let needs = route.needs(has_factor);
            let owner = Owner::new(has_factor).await;
            assert!(owner.does(route, &needs).await, "{} with {needs:?}, factor: {has_factor}", route.name);
            for missing in &needs {
                let owner = Owner::new(has_factor).await;
                let fewer: Vec<_> = needs.iter().copied().filter(|fact| fact != missing).collect();
                assert!(!owner.does(route, &fewer).await, "{} without {missing:?}, factor: {has_factor}", route.name);
            }
        }
    }
}

type State = (BTreeSet<Fact>, bool);

/// Whoever is in that state can open sessions of the account as they like.
fn has_the_account((facts, has_factor): &State) -> bool {
    facts.contains(&Password) && (facts.contains(&Code) || !has_factor)
}

/// The shortest way to the account, as the routes on it.
fn way_to_the_account(start: State) -> Option<Vec<&'static str>> {
    let mut seen = BTreeSet::from([start.clone()]);
    let mut waiting = VecDeque::from([(start, Vec::new())]);
    while let Some((state, way)) = waiting.pop_front() {
        if has_the_account(&state) {
            return Some(way);
        }
        let (facts, has_factor) = &state;
        for route in routes().filter(|route| route.with_factor.is_none_or(|wanted| wanted == *has_factor)) {
            if route.needs(*has_factor).iter().all(|fact| facts.contains(fact)) {
                let more = facts.iter().copied().chain(route.gives.iter().copied()).collect();
                let next = (more, route.leaves_factor.unwrap_or(*has_factor));
                if seen.insert(next.clone()) {
                    waiting.push_back((next, way.iter().copied().chain([route.name]).collect()));
                }
            }
        }
    }
    None
}

/// What may be stolen alone, and the sentence that allows the way from it where there is one: without a second factor,
/// and with one.
const STARTS: [(&str, &[Fact], [&str; 2]); 5] = [
    ("an access token", &[Bearer], ["", ""]),
    ("an access token and the refresh token of its session", &[Bearer, Refresh], ["", ""]),
    (
        "the mail of the account's address",
        &[Mailbox],
        ["Who reads the mail recovers the account: that is what recovery by mail is.", ""],
    ),
    ("the password", &[Password], ["Where there is no second factor the password is the account.", ""]),
    ("a code of the second factor", &[Code], ["", ""]),
];

/// The rows of the report, as the search finds them.
fn report() -> String {
    let mut rows = String::new();
    for (name, facts, sentences) in STARTS {
        for (has_factor, sentence) in [false, true].into_iter().zip(sentences) {
            let way = way_to_the_account((facts.iter().copied().collect(), has_factor));
            assert_eq!(way.is_some(), !sentence.is_empty(), "{name}, second factor: {has_factor}: {way:?}");
            let factor = if has_factor { "yes" } else { "no" };
            let way =
                way.map_or("none".to_owned(), |way| if way.is_empty() { "at once".to_owned() } else { way.join(", ") });
            let _ = writeln!(rows, "| {name} | {factor} | {way} | {sentence} |");
        }
    }
    rows
}

#[test]
fn the_ways_to_an_account_are_those_of_the_report() {
    let expected = report();
    let written = include_str!("../../../../docs/reports/authority.md");
    assert!(written.contains(&expected), "docs/reports/authority.md is to hold:\n{expected}");
}
