//! Which proof leads where: a table of the routes that change how an account is got into, held against the router, and
//! searched for every way from a single stolen thing to the account.
//!
//! What the search finds is printed in `docs/reports/authority.md`, each way with the sentence that allows it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt::Write;

use axum::http::{Method, StatusCode};
use doorward::outbox::MessageKind;
use doorward::ticket::YOUNG;
use doorward::{Clock, EmailAddress, Store, UserId};
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
    /// The challenge of a login whose password was right.
    Challenge,
    /// The signing secret, with which access tokens are made. Enrolments and challenges hang on the data key.
    Secret,
}

/// The account's second factor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Factor {
    Without,
    /// Added in the last three days.
    Young,
    Lasting,
}

use Factor::{Lasting, Without, Young};

const FACTORS: [Factor; 3] = [Without, Young, Lasting];

use Fact::{Bearer, Challenge, Change, Code, Enrolment, Mailbox, Password, Refresh, Secret};

/// One thing that can be asked for.
struct Route {
    name: &'static str,
    /// With which second factors it can be done.
    with: &'static [Factor],
    /// What it takes, the code only where there is a second factor.
    needs: &'static [Fact],
    gives: &'static [Fact],
    /// The second factor afterwards, where it changes that.
    leaves: Option<Factor>,
}

const fn route(name: &'static str, needs: &'static [Fact], gives: &'static [Fact]) -> Route {
    Route { name, with: &FACTORS, needs, gives, leaves: None }
}

/// Whoever has the password and the code has the account: what else they get is listed to be complete.
const ROUTES: [Route; 17] = [
    Route { with: &[Without], ..route("POST /auth/login", &[Password], &[Bearer, Refresh]) },
    Route { with: &[Young, Lasting], ..route("POST /auth/login", &[Password], &[Challenge]) },
    Route {
        with: &[Young, Lasting],
        ..route("POST /auth/login/second-factor", &[Challenge, Code], &[Bearer, Refresh])
    },
    route("POST /auth/refresh", &[Refresh], &[Bearer, Refresh]),
    route("POST /auth/reauthenticate", &[Bearer, Password, Code], &[]),
    route("POST /auth/password", &[Bearer, Password, Code], &[Password, Bearer, Refresh]),
    route("POST /auth/email", &[Bearer, Password, Code], &[Change]),
    route("POST /auth/email/confirm", &[Change], &[Mailbox]),
    route("POST /auth/recovery/complete", &[Mailbox], &[Password]),
    route("DELETE /auth/me", &[Bearer, Password, Code], &[]),
    route("POST /auth/email/keep", &[Mailbox], &[Mailbox]),
    Route { with: &[Young], leaves: Some(Without), ..route("POST /auth/email/keep", &[Mailbox], &[Mailbox]) },
    Route { with: &[Young], leaves: Some(Without), ..route(REMOVING, &[Mailbox], &[Password]) },
    Route { with: &[Without], ..route("POST /auth/totp", &[Bearer, Password], &[Enrolment]) },
    Route { with: &[Without], leaves: Some(Young), ..route("POST /auth/totp/confirm", &[Bearer, Enrolment], &[Code]) },
    Route {
        with: &[Young, Lasting],
        leaves: Some(Without),
        ..route("DELETE /auth/totp", &[Bearer, Password, Code], &[])
    },
    Route { with: &[Young, Lasting], ..route("POST /auth/recovery-codes", &[Bearer, Password, Code], &[Code]) },
];

/// No route: what whoever has the secret makes of it at home.
const FORGING: Route = route("forging", &[Secret], &[Bearer]);

/// A recovery that asks for the removal of a new second factor.
const REMOVING: &str = "POST /auth/recovery/complete with remove_new_second_factor";

impl Route {
    fn needs(&self, factor: Factor) -> Vec<Fact> {
        self.needs.iter().copied().filter(|fact| *fact != Code || factor != Without).collect()
    }

    fn works_with(&self, factor: Factor) -> bool {
        self.with.contains(&factor)
    }
}

/// Somebody whose account is asked for, and everything that could be stolen of them.
struct Owner {
    app: TestApp,
    id: UserId,
    tokens: Tokens,
    guarded: Option<Guarded>,
    challenge: Option<String>,
    links: BTreeMap<&'static str, String>,
}

impl Owner {
    async fn new(factor: Factor) -> Self {
        let app = TestApp::new();
        let (mut tokens, guarded) = if factor != Without {
            let guarded = app.guarded("ada@example.com").await;
            (guarded.tokens.clone(), Some(guarded))
        } else {
            (app.register("ada@example.com").await, None)
        };
        if factor == Lasting {
            app.later(YOUNG.as_secs());
            let body = json!({"refresh_token": tokens.refresh});
            tokens = app.post("/auth/refresh", body).await.tokens(StatusCode::OK);
        }
        let email = EmailAddress::parse("ada@example.com").unwrap();
        let id = app.auth.find_user_by_email(&email).await.unwrap().unwrap().id;
        let mut owner = Self { app, id, tokens, guarded, challenge: None, links: BTreeMap::new() };
        let mut change = owner.proof(&[Password, Code]);
        change["email"] = json!("mallory@example.com");
        owner.app.post_as(&owner.tokens.access, "/auth/email", change).await;
        owner.app.post("/auth/recovery", json!({"email": "ada@example.com"})).await;
        owner.read_links().await;
        owner.app.later(30);
        if factor != Without {
            owner.challenge = Some(owner.app.challenge("ada@example.com").await);
        }
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
        let [method, path, ..] = route.name.split(' ').collect::<Vec<_>>()[..] else { panic!() };
        let mut body = self.proof(facts);
        match path {
            "/auth/login" => {
                let password = if facts.contains(&Password) { PASSWORD } else { "a wrong guess" };
                let body = json!({"email": "ada@example.com", "password": password});
                let first = self.app.post(path, body).await;
                return first.status.is_success() || first.body["challenge"].is_string();
            }
            "/auth/login/second-factor" => {
                let challenge = Self::stolen(facts, Challenge, self.challenge.as_deref().unwrap_or_default());
                let code = self.code().filter(|_| facts.contains(&Code));
                body = json!({"challenge": challenge, "code": code.unwrap_or_else(|| "000000".to_owned())});
            }
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
                if route.name == REMOVING {
                    body["remove_new_second_factor"] = json!(true);
                }
            }
            "/auth/email/keep" => {
                body = json!({"token": Self::stolen(facts, Mailbox, &self.links["keep_email"])});
            }
            "/auth/totp/confirm" => body = self.confirmation(facts).await,
            _ => {}
        }
        let token = facts.contains(&Bearer).then_some(self.tokens.access.as_str());
        let method: Method = method.parse().unwrap();
        let is_done = self.app.bearer_json(method, path, token, body).await.status.is_success();
        if is_done && let Some(left) = route.leaves {
            assert_eq!(left != Without, self.has_factor().await, "{}", route.name);
        }
        is_done
    }

    async fn has_factor(&self) -> bool {
        self.app.store.find_account(self.id).await.unwrap().unwrap().second_factor.is_some()
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
    for factor in FACTORS {
        for route in ROUTES.iter().filter(|route| route.works_with(factor)) {
            let needs = route.needs(factor);
            let owner = Owner::new(factor).await;
            assert!(owner.does(route, &needs).await, "{} with {needs:?}, factor: {factor:?}", route.name);
            for missing in &needs {
                let owner = Owner::new(factor).await;
                let fewer: Vec<_> = needs.iter().copied().filter(|fact| fact != missing).collect();
                assert!(!owner.does(route, &fewer).await, "{} without {missing:?}, factor: {factor:?}", route.name);
            }
        }
    }
}

/// What the table says of no route: that it takes a lasting second factor away for less than a code of it.
#[tokio::test]
async fn no_route_takes_a_lasting_factor_away_without_its_code() {
    for route in ROUTES.iter().filter(|route| route.works_with(Young)) {
        let owner = Owner::new(Lasting).await;
        owner.does(&Route { leaves: None, ..*route }, &[Bearer, Refresh, Password, Mailbox, Change]).await;
        assert!(owner.has_factor().await, "{}", route.name);
    }
}

type State = (BTreeSet<Fact>, Factor);

/// Whoever is in that state can open sessions of the account as they like.
fn has_the_account((facts, factor): &State) -> bool {
    facts.contains(&Password) && (facts.contains(&Code) || *factor == Without)
}

/// The shortest way to the account, as the routes on it.
fn way_to_the_account(start: State) -> Option<Vec<&'static str>> {
    let mut seen = BTreeSet::from([start.clone()]);
    let mut waiting = VecDeque::from([(start, Vec::new())]);
    while let Some((state, way)) = waiting.pop_front() {
        if has_the_account(&state) {
            return Some(way);
        }
        let (facts, factor) = &state;
        for route in ROUTES.iter().chain([&FORGING]).filter(|route| route.works_with(*factor)) {
            if route.needs(*factor).iter().all(|fact| facts.contains(fact)) {
                let more = facts.iter().copied().chain(route.gives.iter().copied()).collect();
                let next = (more, route.leaves.unwrap_or(*factor));
                if seen.insert(next.clone()) {
                    waiting.push_back((next, way.iter().copied().chain([route.name]).collect()));
                }
            }
        }
    }
    None
}

/// What may be stolen alone, and the sentence that allows the way from it where there is one, for each of
/// [`FACTORS`].
const STARTS: [(&str, &[Fact], [&str; 3]); 6] = [
    ("an access token", &[Bearer], [""; 3]),
    ("an access token and the refresh token of its session", &[Bearer, Refresh], [""; 3]),
    (
        "the mail of the account's address",
        &[Mailbox],
        [
            "Who reads the mail recovers the account: that is what recovery by mail is.",
            "A second factor that was added lately may be an intruder's, whom its owner must be able to recover from.",
            "",
        ],
    ),
    ("the password", &[Password], ["Where there is no second factor the password is the account.", "", ""]),
    ("a code of the second factor", &[Code], [""; 3]),
    ("the signing secret", &[Secret], [""; 3]),
];

/// The rows of the report, as the search finds them.
fn report() -> String {
    let mut rows = String::new();
    for (name, facts, sentences) in STARTS {
        for (factor, sentence) in FACTORS.into_iter().zip(sentences) {
            let way = way_to_the_account((facts.iter().copied().collect(), factor));
            assert_eq!(way.is_some(), !sentence.is_empty(), "{name}, second factor: {factor:?}: {way:?}");
            let factor = match factor {
                Without => "no",
                Young => "new",
                Lasting => "yes",
            };
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
