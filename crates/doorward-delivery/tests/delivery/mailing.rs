//! Letters through a real conversation with a mail server.

use std::time::Duration;

use doorward::outbox::MessageKind;
use doorward::{EmailAddress, Origin, Registrant, TicketProof};
use doorward_delivery::Obstacle;
use tempfile::TempDir;

use crate::sink::{Manners, Sink, certificate};
use crate::world::{World, mail, until};

const ADA: &str = "ada@example.com";

fn plain(sink: &Sink) -> String {
    format!("smtp://127.0.0.1:{}?tls=none", sink.address.port())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_letter_goes_through_starttls_and_a_login_and_opens_what_it_says() {
    let folder = TempDir::new().unwrap();
    let login = Some(("doorward".to_owned(), "s3cret:/@".to_owned()));
    let sink = Sink::start(Manners { tls: Some(certificate(folder.path())), login, ..Manners::default() });
    let roots = folder.path().join("root.pem");
    let url =
        format!("smtp://doorward:s3cret%3A%2F%40@localhost:{}?ca={}", sink.address.port(), roots.to_str().unwrap());
    let world = World::new();
    let worker = world.work(&url);
    let tokens = world.register(ADA).await;
    let letter = sink.wait_for(1).remove(0);
    assert!(letter.was_secured);
    assert_eq!(letter.user.as_deref(), Some("doorward"));
    assert_eq!(letter.to, [ADA]);
    assert_eq!(letter.header("To"), ADA);
    assert_eq!(letter.header("From"), "Example <auth@example.com>");
    assert_eq!(letter.header("Subject"), "Confirm your address for Example");
    assert!(letter.header("Message-ID").ends_with("@example.com>"));
    assert!(letter.link().starts_with("https://auth.example.com/account/verify-email?token="));
    assert!(letter.part("text/html").contains(&letter.token()));
    let who = world.auth.authenticate(tokens.access_token.reveal()).await.unwrap();
    let proof = TicketProof::code(EmailAddress::parse(ADA).unwrap(), &letter.code());
    world.auth.verify_email(&proof, Registrant::Session(&who), Origin::unknown()).await.unwrap();
    worker.stop().await;
    assert_eq!(world.outbox().await.waiting, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_promised_protection_nothing_is_sent() {
    let folder = TempDir::new().unwrap();
    let tls = certificate(folder.path());
    let no_tls = Sink::start(Manners::default());
    let strange = Sink::start(Manners { tls: Some(tls), ..Manners::default() });
    let urls = [
        // A server that offers no STARTTLS, or a man in the middle who took the offer out.
        format!("smtp://user:secret@localhost:{}", no_tls.address.port()),
        // A certificate that nobody vouches for.
        format!("smtp://user:secret@localhost:{}", strange.address.port()),
        // One of another name.
        format!(
            "smtp://user:secret@127.0.0.1:{}?ca={}",
            strange.address.port(),
            folder.path().join("root.pem").display()
        ),
    ];
    for url in urls {
        let world = World::new();
        let worker = world.work(&url);
        world.register(ADA).await;
        until("a failure", async || worker.counts().failed > 0).await;
        worker.stop().await;
        assert_eq!(world.outbox().await.waiting, 1, "it waits for a better time");
    }
    for sink in [&no_tls, &strange] {
        assert!(sink.mail().is_empty());
        assert!(!sink.commands().contains(&"AUTH".to_owned()), "{:?}", sink.commands());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_server_that_is_down_gets_the_letter_when_it_is_back() {
    let sink = Sink::start(Manners { is_down: true, ..Manners::default() });
    let world = World::new();
    let worker = world.work(&plain(&sink));
    world.register(ADA).await;
    for failures in 1..=4 {
        until("a failure", async || worker.counts().failed == failures).await;
        assert!(sink.mail().is_empty());
        world.later(60);
    }
    sink.behave(Manners::default());
    world.later(600);
    sink.wait_for(1);
    until("the note of it", async || world.outbox().await.waiting == 0).await;
    world.later(24 * 60 * 60);
    worker.stop().await;
    assert_eq!(sink.mail().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_server_says_of_an_address_is_final_and_what_it_says_of_us_is_not() {
    for (answer, is_final) in [
        ("550 5.1.1 no such user", true),
        ("553 5.1.3 bad mailbox", true),
        ("450 4.2.1 greylisted, try again", false),
        ("530 5.7.0 authentication required", false),
    ] {
        let sink = Sink::start(Manners { refused: vec![("gone@", answer)], ..Manners::default() });
        let world = World::new();
        let worker = world.work(&plain(&sink));
        world.register("gone@example.com").await;
        world.register(ADA).await;
        until(answer, async || {
            let counts = worker.counts();
            counts.sent == 1 && counts.abandoned + counts.failed == 1
        })
        .await;
        let outbox = world.outbox().await;
        assert_eq!((outbox.abandoned, outbox.waiting), if is_final { (1, 0) } else { (0, 1) }, "{answer}");
        assert_eq!(sink.wait_for(1)[0].to, [ADA]);
        worker.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_letter_whose_link_is_over_is_not_sent_any_more() {
    let sink = Sink::start(Manners { is_down: true, ..Manners::default() });
    let world = World::new();
    world.register(ADA).await;
    world.auth.take_messages(MessageKind::Mail, 10, Duration::ZERO).await.unwrap().iter().for_each(|message| {
        assert_eq!(message.kind, MessageKind::Mail);
    });
    world.later(24 * 60 * 60);
    sink.behave(Manners::default());
    let worker = world.work(&plain(&sink));
    until("the end", async || worker.counts().abandoned == 1).await;
    worker.stop().await;
    assert!(sink.mail().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn many_workers_send_each_letter_once() {
    let sink = Sink::start(Manners::default());
    let world = World::new();
    let workers: Vec<_> = (0..4).map(|_| world.work(&plain(&sink))).collect();
    for person in 0..40 {
        world.register(&format!("p{person}@example.com")).await;
    }
    sink.wait_for(40);
    until("the notes", async || world.outbox().await.waiting == 0).await;
    for worker in workers {
        worker.stop().await;
    }
    let mut ids: Vec<_> = sink.mail().iter().map(|letter| letter.header("Message-ID")).collect();
    ids.sort();
    ids.dedup();
    assert_eq!((ids.len(), sink.mail().len()), (40, 40));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_letter_that_nobody_owned_up_to_comes_again_under_the_same_id() {
    let sink = Sink::start(Manners { forgets_to_answer: true, ..Manners::default() });
    let world = World::new();
    let worker = world.work(&plain(&sink));
    world.register(ADA).await;
    until("a failure", async || worker.counts().failed == 1).await;
    sink.behave(Manners::default());
    world.later(60);
    let letters = sink.wait_for(2);
    worker.stop().await;
    assert_eq!(letters[0].header("Message-ID"), letters[1].header("Message-ID"));
    assert_eq!(letters[0].header("Date"), letters[1].header("Date"));
    assert_eq!(letters[0].token(), letters[1].token());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_stopped_finishes_what_is_under_way() {
    let sink = Sink::start(Manners { delay: Duration::from_millis(300), ..Manners::default() });
    let world = World::new();
    let worker = world.work(&plain(&sink));
    world.register(ADA).await;
    until("a conversation", async || sink.commands().iter().any(|command| command == "DATA")).await;
    worker.stop().await;
    assert_eq!((sink.mail().len(), world.outbox().await.waiting), (1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wish_to_recover_becomes_a_letter_for_an_account_and_nothing_for_nobody() {
    let sink = Sink::start(Manners::default());
    let world = World::with(|auth| auth.with_email_verification(doorward::EmailVerification::Off));
    let worker = world.work(&plain(&sink));
    world.register(ADA).await;
    for email in ["nobody@example.com", ADA] {
        world.auth.request_recovery(&EmailAddress::parse(email).unwrap(), Origin::unknown()).await.unwrap();
    }
    let letters = sink.wait_for(1);
    until("the notes", async || world.outbox().await.waiting == 0).await;
    worker.stop().await;
    assert_eq!(sink.mail().len(), 1);
    assert_eq!(
        (letters[0].to[0].as_str(), letters[0].header("Subject").as_str()),
        (ADA, "Choose a new password for Example")
    );
    assert!(letters[0].link().contains("/account/recover?token="));
}

/// H6: an address of letters beyond ASCII goes to itself and to no look-alike.
#[tokio::test(flavor = "multi_thread")]
async fn an_address_beyond_ascii_is_written_as_it_is() {
    let sink = Sink::start(Manners::default());
    let world = World::new();
    let worker = world.work(&plain(&sink));
    world.register("дмитрий@example.com").await;
    world.register("ada@bücher.example").await;
    let mut to: Vec<_> = sink.wait_for(2).into_iter().flat_map(|letter| letter.to).collect();
    worker.stop().await;
    to.sort();
    assert_eq!(to, ["ada@xn--bcher-kva.example", "дмитрий@example.com"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_letter_says_what_the_server_said() {
    let sink = Sink::start(Manners {
        refused: vec![("gone@", "550 5.1.1 gone@example.com is unknown")],
        ..Manners::default()
    });
    let mail = mail(&plain(&sink), None);
    let now = doorward::Timestamp::from_seconds(1_800_000_000);
    mail.send_test(ADA, "test-1", now).await.unwrap();
    assert_eq!(sink.wait_for(1)[0].header("Subject"), "Example can send mail");
    let refused = mail.send_test("gone@example.com", "test-2", now).await.unwrap_err();
    assert_eq!((refused.reason.as_str(), refused.obstacle), ("the mail server answered 550", Obstacle::Message));
    // Who has a mail server without TLS on the same machine is told how to use it.
    let strict = super::world::mail(&format!("smtp://localhost:{}", sink.address.port()), None);
    let refused = strict.send_test(ADA, "test-3", now).await.unwrap_err();
    assert!(refused.reason.contains("STARTTLS") && refused.reason.contains("?tls=none"), "{}", refused.reason);
}

/// A letter that has waited longer than its code lives says nothing of the code, and how long its link is still good.
#[tokio::test(flavor = "multi_thread")]
async fn a_letter_that_waited_tells_no_dead_code() {
    let sink = Sink::start(Manners::default());
    let world = World::new();
    world.register(ADA).await;
    world.later(29 * 60);
    world.register("bob@example.com").await;
    world.later(2 * 60);
    let worker = world.work(&plain(&sink));
    let mail = sink.wait_for(2);
    worker.stop().await;
    let to = |name: &str| mail.iter().find(|mail| mail.to[0].starts_with(name)).unwrap();
    let (late, fresh) = (to("ada").part("text/plain"), to("bob").part("text/plain"));
    assert!(late.contains("The link is good for 23 hours") && !late.contains("code"), "{late}");
    assert!(!to("ada").part("text/html").contains("type this code"));
    assert!(fresh.contains("type this code within 28 minutes"), "{fresh}");
    assert!(to("bob").part("text/html").contains("type this code within 28 minutes"));
}

/// Greylisting, after a night of failures: a letter is tried again while its link is good, and holds up nobody else.
#[tokio::test(flavor = "multi_thread")]
async fn who_is_put_off_comes_again_soon_also_after_many_failures() {
    let sink = Sink::start(Manners { is_down: true, ..Manners::default() });
    let world = World::new();
    let worker = world.work(&plain(&sink));
    world.register(ADA).await;
    for failures in 1..=14 {
        until("a failure", async || worker.counts().failed == failures).await;
        world.later(13 * 60);
    }
    sink.behave(Manners { refused: vec![("ada@", "451 4.7.1 greylisted, try again")], ..Manners::default() });
    until("the greylisting", async || worker.counts().failed >= 15).await;
    world.register("bob@example.com").await;
    assert_eq!(sink.wait_for(1)[0].to, ["bob@example.com"]);
    sink.behave(Manners::default());
    world.later(13 * 60);
    assert_eq!(sink.wait_for(2)[1].to, [ADA]);
    worker.stop().await;
}
