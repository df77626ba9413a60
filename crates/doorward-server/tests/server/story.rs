//! `docs/guide/story.md`, line by line: the real server, real mail, an authenticator.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use crate::application::Home;
use crate::authenticator::Authenticator;
use crate::readme::{steps, type_all};
use crate::sink::{Manners, Sink};

/// The authenticator: asks whoever has the secret for the next code, through files. And time that passes quickly. Typed
/// before everything else.
const OATHTOOL: &str = r#"oathtool() { [ -n "$3" ] || return 1; printf %s "$3" >asked; until [ -s shown ]; do command sleep 0.05; done; cat shown; rm shown; }; sleep() { command sleep 0.05; }"#;

/// Puts letters into the folder `mail` and shows codes for as long as the story is told.
fn attend(folder: &Path, sink: &Sink, is_told: &AtomicBool) {
    let mut phone: Option<Authenticator> = None;
    let mut delivered = 0;
    while !is_told.load(Ordering::Relaxed) {
        for letter in sink.mail().iter().skip(delivered) {
            let text = format!("Subject: {}\n\n{}", letter.header("Subject"), letter.part("text/plain"));
            put(folder, &format!("mail/{delivered:03}"), &text.replace('\r', ""));
            delivered += 1;
        }
        if let Ok(secret) = fs::read_to_string(folder.join("asked"))
            && !secret.is_empty()
        {
            fs::remove_file(folder.join("asked")).unwrap();
            let code = phone.get_or_insert_with(|| Authenticator::new(&secret)).next();
            put(folder, "shown", &code);
        }
        thread::sleep(Duration::from_millis(20));
    }
}

/// Whole or not at all.
fn put(folder: &Path, name: &str, text: &str) {
    let unfinished = folder.join("unfinished");
    fs::write(&unfinished, text).unwrap();
    fs::rename(unfinished, folder.join(name)).unwrap();
}

/// However the story ends, nobody attends any more.
struct Telling<'a>(&'a AtomicBool);

impl Drop for Telling<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn every_line_of_the_story_does_what_it_says() {
    let mut steps = steps(include_str!("../../../../docs/guide/story.md"), "the story");
    assert!(steps.len() > 40, "{}", steps.len());
    steps[0].command.insert_str(0, &format!("{OATHTOOL}; "));
    let home = Home::new();
    fs::create_dir(home.path().join("mail")).unwrap();
    let sink = Sink::start(Manners::default());
    let url = format!("smtp://127.0.0.1:{}?tls=none", sink.address.port());
    let flags = ["--mail", "smtp", "--smtp-url", &url, "--mail-from", "accounts@example.org"];
    let server = home.serve(&[&flags[..], &["--email-verification", "on"]].concat());
    let here = server.client().address.to_string();
    let is_told = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| attend(home.path(), &sink, &is_told));
        let _telling = Telling(&is_told);
        type_all(&home, &steps, &[("localhost:8000", &here)]);
    });
}
