//! Webhooks against a real receiver, their signatures checked by Python's own `hmac`.

use std::io::Write;
use std::process::{Command, Stdio};

use doorward::{EmailAddress, Origin};
use doorward_delivery::{WebhookSecret, Webhooks};
use serde_json::Value;
use tokio::net::TcpListener;

use crate::receiver::{Posted, Receiver};
use crate::sink::{Manners, Sink};
use crate::world::{World, mail, until};

const SECRET: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
const NEXT_SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// What the specification says, in another language and with other libraries.
const CHECK: &str = r"
import base64, hashlib, hmac, json, sys
asked = json.load(sys.stdin)
key = base64.b64decode(asked['secret'].removeprefix('whsec_'))
signed = '.'.join([asked['id'], asked['timestamp'], asked['body']]).encode()
expected = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
given = [text.split(',', 1) for text in asked['signature'].split(' ')]
print(any(version == 'v1' and hmac.compare_digest(text, expected) for version, text in given))
";

fn is_signed(posted: &Posted, secret: &str, body: &str) -> bool {
    let asked = serde_json::json!({
        "secret": secret,
        "id": posted.header("webhook-id"),
        "timestamp": posted.header("webhook-timestamp"),
        "signature": posted.header("webhook-signature"),
        "body": body,
    });
    let mut python =
        Command::new("python3").args(["-c", CHECK]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    python.stdin.take().unwrap().write_all(asked.to_string().as_bytes()).unwrap();
    let output = python.wait_with_output().unwrap();
    assert!(output.status.success(), "this test needs python3");
    String::from_utf8(output.stdout).unwrap().trim() == "True"
}

fn hooks(receiver: &Receiver, secrets: &[&str]) -> Webhooks {
    let secrets = secrets.iter().map(|secret| WebhookSecret::parse(secret).unwrap()).collect();
    Webhooks::new(&format!("http://{}/hooks?from=auth", receiver.address), secrets).unwrap()
}

fn world() -> (World, Sink) {
    let world = World::with(|auth| auth.with_webhooks().with_email_verification(doorward::EmailVerification::Off));
    (world, Sink::start(Manners::default()))
}

fn smtp(sink: &Sink) -> String {
    format!("smtp://127.0.0.1:{}?tls=none", sink.address.port())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_is_posted_once_and_signed_as_the_specification_says() {
    let receiver = Receiver::start(&[]);
    let (world, sink) = world();
    let worker = world.run(mail(&smtp(&sink), None), Some(hooks(&receiver, &[SECRET, NEXT_SECRET])));
    world.register("ada@example.com").await;
    until("a webhook", async || !receiver.posted().is_empty()).await;
    until("the note", async || world.outbox().await.waiting == 0).await;
    worker.stop().await;
    let posted = receiver.posted();
    assert_eq!(posted.len(), 1);
    let posted = &posted[0];
    assert_eq!(posted.line, "POST /hooks?from=auth HTTP/1.1");
    assert_eq!(posted.header("content-type"), "application/json");
    for secret in [SECRET, NEXT_SECRET] {
        assert!(is_signed(posted, secret, &posted.body));
        assert!(!is_signed(posted, secret, &posted.body.replace("registered", "erased")));
    }
    assert!(!is_signed(posted, "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", &posted.body));
    let told: Value = serde_json::from_str(&posted.body).unwrap();
    assert_eq!(told["type"], "user_registered");
    assert_eq!(told["data"]["user_id"], 1);
    assert_eq!(told["data"]["email"], "ada@example.com");
    assert!(told["timestamp"].as_str().unwrap().ends_with('Z'));
}

#[tokio::test(flavor = "multi_thread")]
async fn anything_but_a_2xx_is_tried_again_under_the_same_id() {
    // No redirect is followed: a receiver can't send the events on.
    let elsewhere = Receiver::start(&[]);
    let redirect = format!("307 Temporary Redirect\r\nLocation: http://{}/", elsewhere.address);
    let receiver = Receiver::start(&["500 Oops", &redirect, "404 Not Found", "200 OK"]);
    let (world, sink) = world();
    let worker = world.run(mail(&smtp(&sink), None), Some(hooks(&receiver, &[SECRET])));
    world.register("ada@example.com").await;
    for failures in 1..=3 {
        until("a failure", async || worker.counts().failed == failures).await;
        world.later(120);
    }
    until("the note", async || world.outbox().await.waiting == 0).await;
    worker.stop().await;
    let posted = receiver.posted();
    assert_eq!(posted.len(), 4);
    assert!(elsewhere.posted().is_empty());
    for request in &posted {
        assert_eq!(request.header("webhook-id"), posted[0].header("webhook-id"));
        assert!(is_signed(request, SECRET, &request.body));
    }
    // Each attempt says when it was made, so that a receiver can refuse what is replayed.
    assert!(posted[3].header("webhook-timestamp") > posted[0].header("webhook-timestamp"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_is_gone_for_a_day_is_given_up() {
    let receiver = Receiver::start(&vec!["503 Service Unavailable"; 100]);
    let (world, sink) = world();
    let worker = world.run(mail(&smtp(&sink), None), Some(hooks(&receiver, &[SECRET])));
    world.register("ada@example.com").await;
    let mut attempts = 0;
    while worker.counts().abandoned == 0 {
        until("an attempt", async || worker.counts().failed > attempts || worker.counts().abandoned == 1).await;
        attempts = worker.counts().failed;
        world.later(3 * 60 * 60 + 40 * 60);
    }
    worker.stop().await;
    let outbox = world.outbox().await;
    assert_eq!((outbox.waiting, outbox.abandoned), (0, 1));
}

/// Takes connections and answers nobody.
async fn silent() -> (TcpListener, Webhooks) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hooks", listener.local_addr().unwrap());
    (listener, Webhooks::new(&url, vec![WebhookSecret::parse(SECRET).unwrap()]).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_hangs_holds_up_no_letter() {
    let (world, sink) = world();
    for number in 0..20 {
        world.register(&format!("person{number}@example.com")).await;
    }
    let (listener, hooks) = silent().await;
    let worker = world.run(mail(&smtp(&sink), None), Some(hooks));
    until("twenty webhooks", async || world.outbox().await.waiting == 20).await;
    let person = EmailAddress::parse("person7@example.com").unwrap();
    world.auth.request_recovery(&person, Origin::unknown()).await.unwrap();
    until("the letter", async || !sink.mail().is_empty()).await;
    assert!(world.outbox().await.waiting >= 20);
    drop(listener);
    worker.stop().await;
}

/// Or each of them would spend its attempts on it, and be given up the sooner.
#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_is_gone_is_left_alone_for_a_while() {
    let (world, sink) = world();
    for number in 0..60 {
        world.register(&format!("person{number}@example.com")).await;
    }
    let (listener, hooks) = silent().await;
    drop(listener);
    let worker = world.run(mail(&smtp(&sink), None), Some(hooks));
    until("five failures", async || worker.counts().failed >= 5).await;
    // Letters show that the worker goes on.
    let person = EmailAddress::parse("person7@example.com").unwrap();
    world.auth.request_recovery(&person, Origin::unknown()).await.unwrap();
    until("the letter", async || !sink.mail().is_empty()).await;
    assert!(worker.counts().failed < 20, "{:?}", worker.counts());
    worker.stop().await;
}
