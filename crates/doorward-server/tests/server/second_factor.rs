//! The second factor over real sockets, on real stores.

use serde_json::json;

use crate::application::{Home, UNLIMITED};
use crate::authenticator::Authenticator;
use crate::client::{Answer, Client, PASSWORD};
use crate::on_postgresql::Site;
use crate::races::{at_once, count};

const ADA: &str = "ada@example.com";

impl Client {
    /// Enables a second factor: the authenticator and the recovery codes.
    pub(crate) fn guard(self, access: &str) -> (Authenticator, Vec<String>) {
        let enrolment = self.send("POST", "/auth/totp", Some(access), Some(json!({"password": PASSWORD}))).body;
        let mut phone = Authenticator::new(enrolment["secret"].as_str().unwrap());
        let body = json!({"enrolment": enrolment["enrolment"], "code": phone.next()});
        let confirmed = self.send("POST", "/auth/totp/confirm", Some(access), Some(body));
        assert_eq!(confirmed.status, 200, "{}", confirmed.text);
        let codes = confirmed.body["recovery_codes"].as_array().unwrap();
        (phone, codes.iter().map(|code| code.as_str().unwrap().to_owned()).collect())
    }

    pub(crate) fn challenge(self) -> String {
        let answer = self.login(ADA, PASSWORD);
        assert_eq!(answer.code(), "AUTH_SECOND_FACTOR_REQUIRED", "{}", answer.text);
        answer.body["challenge"].as_str().unwrap().to_owned()
    }

    pub(crate) fn second_step(self, challenge: &str, code: &str) -> Answer {
        let body = json!({"challenge": challenge, "code": code});
        self.send("POST", "/auth/login/second-factor", None, Some(body))
    }
}

/// Fifty uses of one code at once, over these servers in turns: one is let in.
fn one_of_fifty(clients: &[Client], challenge: &str, code: &str) {
    let answers = at_once(50, |index| clients[index % clients.len()].second_step(challenge, code));
    assert_eq!((count(&answers, 200, ""), count(&answers, 401, "AUTH_CODE_INVALID")), (1, 49));
}

#[test]
fn of_fifty_uses_of_one_code_over_sockets_one_is_let_in() {
    let home = Home::new();
    let server = home.serve(&UNLIMITED);
    let client = server.client();
    let (mut phone, codes) = client.guard(&client.register(ADA, PASSWORD).tokens().access);
    let challenge = client.challenge();
    one_of_fifty(&[client], &challenge, &phone.next());
    one_of_fifty(&[client], &challenge, &codes[0]);
}

#[test]
fn of_fifty_uses_of_one_code_over_two_nodes_one_is_let_in_on_postgresql() {
    let site = Site::migrated();
    let (one, other) = (site.node_with(&UNLIMITED), site.node_with(&UNLIMITED));
    let (mut phone, codes) = one.client().guard(&one.client().register(ADA, PASSWORD).tokens().access);
    let challenge = one.client().challenge();
    let clients = [one.client(), other.client()];
    one_of_fifty(&clients, &challenge, &phone.next());
    one_of_fifty(&clients, &challenge, &codes[0]);
}

#[test]
fn an_operator_lets_in_who_has_lost_everything_at_the_command_line() {
    let home = Home::new();
    let server = home.serve(&[]);
    let client = server.client();
    let access = client.register(ADA, PASSWORD).tokens().access;
    client.guard(&access);
    let told = home.run(&["users", "remove-second-factor", "ADA@example.com"]).done();
    assert!(told.contains("password alone"), "{told}");
    client.login(ADA, PASSWORD).tokens();
    assert!(home.run(&["users", "remove-second-factor", "bob@example.com"]).refused().contains("bob@example.com"));
}

#[test]
fn no_code_and_no_secret_of_it_is_in_the_log() {
    let home = Home::new();
    let server = home.serve(&["--log-level", "trace"]);
    let client = server.client();
    let access = client.register(ADA, PASSWORD).tokens().access;
    let enrolment = client.send("POST", "/auth/totp", Some(&access), Some(json!({"password": PASSWORD}))).body;
    let text = |name: &str| enrolment[name].as_str().unwrap().to_owned();
    let mut phone = Authenticator::new(&text("secret"));
    let code = phone.next();
    let body = json!({"enrolment": enrolment["enrolment"], "code": code});
    let codes = client.send("POST", "/auth/totp/confirm", Some(&access), Some(body)).body;
    let challenge = client.challenge();
    client.second_step(&challenge, "wrong-code-of-the-log-test");
    let next = phone.next();
    client.second_step(&challenge, &next).tokens();
    let (_, log) = server.stop();
    let mut secrets = vec![text("secret"), text("enrolment"), challenge, "wrong-code-of-the-log-test".to_owned()];
    secrets.extend(codes["recovery_codes"].as_array().unwrap().iter().map(|code| code.as_str().unwrap().to_owned()));
    // Six digits may stand in a time or a duration by chance; in quotes they don't.
    secrets.extend([code, next].map(|code| format!("\"{code}\"")));
    assert!(log.contains("second_factor_enabled"), "{log}");
    for secret in secrets {
        assert!(!log.contains(&secret), "{secret} is in the log");
    }
}
