//! Every kind of token at every door: it opens its own and no other.

use std::collections::BTreeMap;

use axum::http::Method;
use doorward::Clock;
use doorward::outbox::MessageKind;
use doorward::testing::Authenticator;
use serde_json::{Value, json};

use crate::app::{Answer, PASSWORD, TestApp};

/// One of each kind, alive, by the name of its door.
struct Tokens {
    by_door: BTreeMap<&'static str, String>,
    /// Of the account whose enrolment is under way, and of the one that is asked for a code.
    phones: [Authenticator; 2],
    /// The access token of who enrols.
    enrolling: String,
}

const DOORS: [&str; 9] = [
    "access token",
    "enrolment",
    "challenge",
    "link to verify",
    "link to recover",
    "link of a change",
    "link that keeps",
    "invitation",
    "refresh token",
];

impl TestApp {
    /// The tokens of the links of all letters, by the letters' names.
    async fn links(&self) -> BTreeMap<&'static str, String> {
        for message in self.messages().await {
            if message.kind == MessageKind::Recovery {
                self.auth.handle_recovery(&message).await.unwrap();
            }
        }
        let mut links = BTreeMap::new();
        for message in self.messages().await {
            let Some(letter) = self.auth.open_letter(&message) else { continue };
            if let Some((_, secret)) = letter.content.ticket() {
                links.insert(letter.content.name(), secret.token(message.user_id.unwrap()));
            }
        }
        links
    }

    async fn one_of_each(&self) -> Tokens {
        let ada = self.register("ada@example.com").await;
        self.bearer(Method::POST, "/auth/email/verification", Some(&ada.access)).await;
        self.register("eve@example.com").await;
        self.post("/auth/recovery", json!({"email": "eve@example.com"})).await;
        let dan = self.register("dan@example.com").await;
        self.post_as(&dan.access, "/auth/email", json!({"email": "dan@example.net", "password": PASSWORD})).await;
        let root = self.admin("root@example.com").await;
        self.post_as(&root.access, "/admin/users", json!({"email": "ivy@example.com"})).await;
        let links = self.links().await;
        let link = |name: &str| links[name].clone();
        let carol = self.guarded("carol@example.com").await;
        let fay = self.register("fay@example.com").await;
        let enrolment = self.post_as(&fay.access, "/auth/totp", json!({"password": PASSWORD})).await.body;
        let text = |name: &str| enrolment[name].as_str().unwrap().to_owned();
        let by_door = BTreeMap::from([
            ("access token", ada.access),
            ("refresh token", self.register("gil@example.com").await.refresh),
            ("enrolment", text("enrolment")),
            ("challenge", self.challenge("carol@example.com").await),
            ("link to verify", link("verify_email")),
            ("link to recover", link("recover")),
            ("link of a change", link("change_email")),
            ("link that keeps", self.keeping_link().await),
            ("invitation", link("invitation")),
        ]);
        let phones = [Authenticator::new(&text("secret")).unwrap(), carol.phone];
        Tokens { by_door, phones, enrolling: fay.access }
    }

    /// Of an account of its own: the change that it calls off is another kind's.
    async fn keeping_link(&self) -> String {
        let hal = self.register("hal@example.com").await;
        self.post_as(&hal.access, "/auth/email", json!({"email": "hal@example.net", "password": PASSWORD})).await;
        let messages = self.messages().await;
        let mut links = messages.iter().filter_map(|message| {
            let letter = self.auth.open_letter(message).filter(|letter| letter.to == "hal@example.com")?;
            letter.content.ticket().map(|(_, secret)| secret.token(message.user_id.unwrap()))
        });
        links.next().unwrap()
    }

    async fn knock(&self, door: &str, token: &str, tokens: &Tokens) -> Answer {
        let [enrolling, asked] = tokens.phones.each_ref().map(|phone| phone.code(self.clock.now()));
        let post = |path: &'static str, body: Value| async move { self.post(path, body).await };
        match door {
            "access token" => self.me(token).await,
            "refresh token" => self.refresh(token).await,
            "enrolment" => {
                let body = json!({"enrolment": token, "code": enrolling});
                self.post_as(&tokens.enrolling, "/auth/totp/confirm", body).await
            }
            "challenge" => post("/auth/login/second-factor", json!({"challenge": token, "code": asked})).await,
            "link to verify" => post("/auth/email/verify", json!({"token": token, "password": PASSWORD})).await,
            "link to recover" => {
                post("/auth/recovery/complete", json!({"token": token, "password": "another passphrase"})).await
            }
            "link of a change" => post("/auth/email/confirm", json!({"token": token})).await,
            "link that keeps" => post("/auth/email/keep", json!({"token": token})).await,
            "invitation" => {
                post("/auth/invitation/accept", json!({"token": token, "password": "another passphrase"})).await
            }
            _ => unreachable!("{door}"),
        }
    }
}

/// H20: what is good for one thing is good for nothing else.
#[tokio::test]
async fn every_kind_of_token_opens_its_own_door_and_no_other() {
    let app = TestApp::new();
    let tokens = app.one_of_each().await;
    for door in DOORS {
        for (kind, token) in &tokens.by_door {
            if *kind != door {
                let answer = app.knock(door, token, &tokens).await;
                assert!([401, 403].contains(&answer.status.as_u16()), "{kind} at {door}: {}", answer.text);
            }
        }
    }
    for door in DOORS {
        let answer = app.knock(door, &tokens.by_door[door], &tokens).await;
        assert!(answer.status.is_success(), "{door}: {} {}", answer.status, answer.text);
    }
}
