//! Mail through the real binary and a mail server in the test: the whole story of an account, and what goes wrong on
//! the way.

use std::time::Duration;

use serde_json::json;

use crate::application::{Home, Server, UNLIMITED};
use crate::client::PASSWORD;
use crate::sink::{Manners, Sink, certificate};

const ADA: &str = "ada@example.com";
const NEW_PASSWORD: &str = "eleven purple umbrellas fly";
const PUBLIC: &str = "https://auth.example.com/id";

/// The flags of `serve` that send mail to `sink` without TLS.
fn flags(sink: &Sink) -> Vec<String> {
    let url = format!("smtp://127.0.0.1:{}?tls=none", sink.address.port());
    let pairs = [
        ("--mail", "smtp"),
        ("--smtp-url", &url),
        ("--mail-from", "Example <auth@example.com>"),
        ("--public-url", PUBLIC),
        ("--email-verification", "on"),
    ];
    let flags = pairs.iter().flat_map(|(flag, value)| [(*flag).to_owned(), (*value).to_owned()]);
    flags.chain(UNLIMITED.map(str::to_owned)).collect()
}

fn serve(home: &Home, flags: &[String]) -> Server {
    home.serve(&flags.iter().map(String::as_str).collect::<Vec<_>>())
}

/// Posts what a browser posts: the status and the page.
fn submit(server: &Server, path: &str, form: &str) -> (u16, String) {
    let request = format!(
        "POST {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\nContent-Type: application/x-www-form-urlencoded\r\n\
         Content-Length: {}\r\n\r\n{form}",
        form.len()
    );
    let answer = crate::client::Answer::read(&server.client().raw(request.as_bytes()).unwrap()).unwrap();
    (answer.status, answer.text)
}

#[test]
fn an_account_from_its_first_letter_to_its_new_address() {
    let (home, tls) = (Home::new(), tempfile::tempdir().unwrap());
    let login = Some(("doorward".to_owned(), "p@ss".to_owned()));
    let sink = Sink::start(Manners { tls: Some(certificate(tls.path())), login, ..Manners::default() });
    let mut all = flags(&sink);
    all[3] = format!(
        "smtp://doorward:p%40ss@localhost:{}?ca={}",
        sink.address.port(),
        tls.path().join("root.pem").display()
    );
    let server = serve(&home, &all);
    let client = server.client();

    // Verified by the link of its page, which a scanner may look at as often as it likes.
    let first = client.register(ADA, PASSWORD).tokens();
    let letter = sink.wait_for(1).remove(0);
    assert!(letter.was_secured && letter.user.is_some());
    let link = letter.link();
    let path = link.strip_prefix(PUBLIC).unwrap();
    for _ in 0..3 {
        assert_eq!(server.get(path).0, 200);
    }
    let form = format!("token={}&password={}", letter.token(), PASSWORD.replace(' ', "+"));
    assert_eq!(submit(&server, "/account/verify-email", &form).0, 200);
    assert_eq!(submit(&server, "/account/verify-email", &form).0, 403);
    assert_eq!(client.me(&first.access).status, 200);

    // Recovered by the code.
    let asked = client.send("POST", "/auth/recovery", None, Some(json!({"email": ADA})));
    assert_eq!((asked.status, asked.text.as_str()), (202, "{}"));
    let letter = sink.wait_for(2).remove(1);
    let body = json!({"email": ADA, "code": letter.code(), "password": NEW_PASSWORD});
    assert_eq!(client.send("POST", "/auth/recovery/complete", None, Some(body)).status, 204);
    assert_eq!(client.me(&first.access).status, 401);
    assert_eq!(client.login(ADA, PASSWORD).status, 401);
    let second = client.login(ADA, NEW_PASSWORD).tokens();
    assert!(sink.wait_for(3)[2].header("Subject").starts_with("Your password"));

    // Moved to another address.
    let body = json!({"email": "ada@new.example.com", "password": NEW_PASSWORD});
    assert_eq!(client.send("POST", "/auth/email", Some(&second.access), Some(body)).status, 202);
    let mut letters = sink.wait_for(5).split_off(3);
    letters.sort_by_key(|letter| letter.to.clone());
    let [told, letter] = &letters[..] else { panic!() };
    assert_eq!((&told.to[..], &letter.to[..]), (&[ADA.to_owned()][..], &["ada@new.example.com".to_owned()][..]));
    let body = json!({"token": letter.token()});
    assert_eq!(client.send("POST", "/auth/email/confirm", None, Some(body)).status, 204);
    assert_eq!(sink.wait_for(6)[5].to, [ADA]);
    assert_eq!(client.login("ada@new.example.com", NEW_PASSWORD).status, 200);

    let (status, log) = server.stop();
    assert_eq!(status, Some(0), "{log}");
    for letter in sink.mail() {
        if letter.data.contains("token=") {
            let has_code = letter.part("text/plain").contains("this code");
            let is_shown = log.contains(&letter.token()) || (has_code && log.contains(&letter.code()));
            assert!(!is_shown, "a secret in the log");
        }
    }
}

/// H31.
#[test]
fn no_header_of_a_request_says_where_links_lead() {
    let home = Home::new();
    let sink = Sink::start(Manners::default());
    let server = serve(&home, &flags(&sink));
    server.client().register(ADA, PASSWORD);
    sink.wait_for(1);
    let body = json!({"email": ADA}).to_string();
    let request = format!(
        "POST /auth/recovery HTTP/1.1\r\nHost: evil.example\r\nX-Forwarded-Host: evil.example\r\n\
         Forwarded: host=evil.example\r\nX-Forwarded-Proto: http\r\nConnection: close\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    server.client().raw(request.as_bytes()).unwrap();
    let letter = sink.wait_for(2).remove(1);
    assert!(letter.link().starts_with(&format!("{PUBLIC}/account/recover?token=")), "{}", letter.link());
    assert!(!letter.data.contains("evil"), "{}", letter.data);
}

#[test]
fn a_server_that_dies_before_it_sends_leaves_the_letter_to_the_next() {
    let home = Home::new();
    let sink = Sink::start(Manners { is_down: true, ..Manners::default() });
    let server = serve(&home, &flags(&sink));
    assert_eq!(server.client().register(ADA, PASSWORD).status, 201);
    server.kill();
    sink.behave(Manners::default());
    let server = serve(&home, &flags(&sink));
    let letters = sink.wait_for(1);
    assert_eq!(letters[0].to, [ADA]);
    // And not once more.
    server.client().register("bob@example.com", PASSWORD);
    let letters = sink.wait_for(2);
    assert_eq!(letters[1].to, ["bob@example.com"]);
    assert_eq!(server.stop().0, Some(0));
    assert_eq!(sink.mail().len(), 2);
}

#[test]
fn a_server_that_is_stopped_finishes_its_conversation() {
    let home = Home::new();
    let sink = Sink::start(Manners { delay: Duration::from_millis(500), ..Manners::default() });
    let server = serve(&home, &flags(&sink));
    server.client().register(ADA, PASSWORD);
    while !sink.commands().iter().any(|command| command == "DATA") {
        std::thread::sleep(Duration::from_millis(5));
    }
    let (status, log) = server.stop();
    assert_eq!(status, Some(0), "{log}");
    assert_eq!(sink.mail().len(), 1);
    let sink_again = Sink::start(Manners::default());
    let server = serve(&home, &flags(&sink_again));
    server.client().register("bob@example.com", PASSWORD);
    assert_eq!(sink_again.wait_for(1)[0].to, ["bob@example.com"]);
    drop(server);
}

#[test]
fn without_a_mail_server_the_log_has_the_letter() {
    let home = Home::new();
    let mut server = home.serve(&["--email-verification", "on", "--mail", "log"]);
    let port = server.address("listening").port();
    server.client().register(ADA, PASSWORD);
    let entry = server.wait_for_event("mail");
    assert_eq!((entry["level"].as_str(), entry["to"].as_str()), (Some("INFO"), Some(ADA)));
    let text = entry["message"].as_str().unwrap();
    assert!(text.contains(&format!("http://127.0.0.1:{port}/account/verify-email?token=")), "{text}");
    assert_eq!(server.stop().0, Some(0));
}

#[test]
fn links_are_in_the_log_only_where_that_was_said() {
    let home = Home::new();
    let mut server = home.serve(&["--email-verification", "on", "--log-level", "trace"]);
    let warned =
        server.log.iter().any(|line| line["message"].as_str().is_some_and(|text| text.contains("mail is not set")));
    assert!(warned, "{:?}", server.log);
    server.client().register(ADA, PASSWORD);
    let entry = server.wait_for_event("mail_not_sent");
    assert_eq!((entry["level"].as_str(), entry["to"].as_str()), (Some("WARN"), Some(ADA)));
    let (status, log) = server.stop();
    assert_eq!(status, Some(0));
    assert!(!log.contains("token="), "{log}");
}

#[test]
fn settings_that_send_mail_nowhere_are_told() {
    let home = Home::new();
    for (flags, told) in [
        (&["--mail", "smtp"][..], "smtp_url"),
        (&["--mail", "smtp", "--smtp-url", "smtp://localhost"], "mail_from"),
        (&["--smtp-url", "smtp://localhost"], "is log, but smtp_url is set"),
        (&["--mail", "pigeon"], "neither log nor smtp"),
        (&["--public-url", "auth.example.com"], "public_url"),
        (&["--email-verification", "maybe"], "none of off, on, required"),
        (&["--webhook-url", "https://example.com"], "is not set, but webhook_url is"),
        (&["--webhook-secret", "whsec_AAAA"], "webhook_secret"),
        (&["--mail-template-dir", "nowhere"], "mail_template_dir"),
    ] {
        let refused = home.run(&[&["config", "check"], flags].concat()).refused();
        assert!(refused.contains(told), "{flags:?}: {refused}");
    }
    let url = "smtp://user:hunter2@mail.example.com?tls=maybe";
    let refused = home.run(&["config", "check", "--mail", "smtp", "--smtp-url", url, "--mail-from", "a@example.com"]);
    assert!(!refused.stderr.contains("hunter2"), "{refused:?}");
    let shown =
        home.run(&["config", "show", "--mail", "smtp", "--smtp-url", "smtp://u:hunter2@m", "--mail-from", "a@e.de"]);
    assert!(!shown.done().contains("hunter2"));
    let warned = home.run(&["config", "check", "--public-url", "https://auth.example.com"]).done();
    assert!(warned.contains("mail is not set"), "{warned}");
}

#[test]
fn letters_are_previewed_and_a_mail_server_is_tried() {
    let home = Home::new();
    let shown = home.run(&["mail", "preview", "recover", "--public-url", PUBLIC]).done();
    assert!(shown.starts_with("Subject: Choose a new password"), "{shown}");
    assert!(shown.contains(&format!("{PUBLIC}/account/recover?token=")), "{shown}");
    assert!(home.run(&["mail", "preview", "recover", "--html"]).done().starts_with("<!doctype html>"));
    assert!(home.run(&["mail", "preview", "recovr"]).refused().contains("verify_email"));
    home.run(&["mail", "preview", "--output", "previews"]).done();
    assert_eq!(std::fs::read_dir(home.path().join("previews")).unwrap().count(), 26);

    let sink = Sink::start(Manners { refused: vec![("gone@", "550 unknown")], ..Manners::default() });
    let all = flags(&sink);
    let with = |first: &[&str]| {
        let all: Vec<_> = first.iter().copied().chain(all.iter().map(String::as_str)).collect();
        home.run(&all)
    };
    with(&["mail", "test", ADA]).done();
    assert_eq!(sink.wait_for(1)[0].to, [ADA]);
    assert!(with(&["mail", "test", "gone@example.com"]).refused().contains("550"));
    assert!(home.run(&["mail", "test", ADA]).refused().contains("mail is log"));
}

#[test]
fn the_outbox_is_measured() {
    let home = Home::new();
    let sink = Sink::start(Manners::default());
    let mut all = flags(&sink);
    all.extend(["--metrics-bind".to_owned(), "127.0.0.1:0".to_owned()]);
    let server = serve(&home, &all);
    server.client().register(ADA, PASSWORD);
    sink.wait_for(1);
    let metrics = || crate::application::get(server.address("metrics"), "/metrics").1;
    while !metrics().contains("doorward_deliveries_total{kind=\"mail\",outcome=\"sent\"} 1") {
        std::thread::sleep(Duration::from_millis(20));
    }
    for name in ["doorward_outbox_waiting ", "doorward_outbox_oldest_seconds ", "doorward_outbox_abandoned "] {
        assert!(metrics().contains(name), "{name}");
    }
}
