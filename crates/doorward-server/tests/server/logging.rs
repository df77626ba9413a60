//! What the log holds, and a log that nobody reads.

use std::io::{BufRead, BufReader, Write};
use std::process::Stdio;

use serde_json::Value;

use crate::application::{CHEAP, Home, PATIENCE};
use crate::client::PASSWORD;

/// More lines than a pipe and the server's own memory for them hold.
const REQUESTS: usize = 12_000;

#[test]
fn a_log_that_nobody_reads_stops_no_request() {
    let home = Home::new();
    let arguments = [&["serve", "--bind", "127.0.0.1:0", "--log-format", "json"], &CHEAP[..]].concat();
    let mut child = home.command(&arguments).stderr(Stdio::piped()).spawn().unwrap();
    let mut log = BufReader::new(child.stderr.take().unwrap());
    let address = loop {
        let mut line = String::new();
        assert_ne!(log.read_line(&mut line).unwrap(), 0, "it ended");
        let entry: Value = serde_json::from_str(&line).unwrap();
        if entry["event"] == "listening" {
            let message = entry["message"].as_str().unwrap();
            break message.split("://").nth(1).unwrap().split('/').next().unwrap().to_owned();
        }
    };

    let mut stream = std::net::TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut answers = BufReader::new(stream.try_clone().unwrap());
    let request = format!("GET /nowhere HTTP/1.1\r\nHost: t\r\nX-Request-Id: {}\r\n\r\n", "x".repeat(64));
    for _ in 0..REQUESTS {
        stream.write_all(request.as_bytes()).unwrap();
        let mut seen = String::new();
        while !seen.ends_with('}') {
            // The last line of an answer, its body, ends with no end of a line but with an object's.
            let piece = answers.fill_buf().unwrap();
            assert!(!piece.is_empty(), "the connection ended");
            seen.push_str(std::str::from_utf8(piece).unwrap());
            let length = piece.len();
            answers.consume(length);
        }
        assert!(seen.starts_with("HTTP/1.1 404 "), "{seen}");
    }

    let mut requests = 0;
    let lost = loop {
        let mut line = String::new();
        assert_ne!(log.read_line(&mut line).unwrap(), 0, "it ended");
        let entry: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
        match entry["event"].as_str() {
            Some("request") => requests += 1,
            Some("log_lines_lost") => break entry["lines"].as_u64().unwrap(),
            _ => {}
        }
    };
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(lost > 0);
    assert_eq!(requests + lost, REQUESTS as u64);
}

/// Balancers ask every few seconds.
#[test]
fn probes_that_go_well_are_logged_for_who_debugs() {
    let home = Home::new();
    for (flags, expected) in [(&[][..], &["none"][..]), (&["--log-level", "debug"], &["/health", "/ready", "none"])] {
        let server = home.serve(flags);
        for path in ["/health", "/ready", "/nowhere"] {
            server.get(path);
        }
        let (_, log) = server.stop();
        let entries = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let requests = entries.filter(|entry| entry["event"] == "request");
        let routes: Vec<_> = requests.map(|entry| entry["route"].as_str().unwrap().to_owned()).collect();
        assert_eq!(routes, expected);
    }
}

#[test]
fn lines_say_what_was_looked_for_by_whom_and_details_are_json() {
    let home = Home::new();
    let server = home.serve(&[]);
    let client = server.client();
    client.register("ada@example.com", PASSWORD).tokens();
    for _ in 0..6 {
        client.login("ada@example.com", "a wrong guess");
    }
    let long = format!("/wp-admin/{}", "x".repeat(300));
    client.get(&long, None);
    client.get("/%22%0a", None);
    let (_, log) = server.stop();
    let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |event: &str| lines.iter().filter(|line| line["event"] == event).collect::<Vec<_>>();
    assert_eq!(of("login_refused")[0]["details"]["reason"], "credentials");
    assert_eq!(of("login_refused")[0]["user_id"], 1);
    assert_eq!(of("rate_limited")[0]["client"], "127.0.0.1");
    let unknown: Vec<_> = of("request").into_iter().filter(|line| line["status"] == 404).collect();
    assert_eq!(unknown[0]["path"].as_str().unwrap().len(), 128);
    assert!(unknown[0]["path"].as_str().unwrap().starts_with("/wp-admin/x"));
    assert_eq!(unknown[1]["path"], "/%22%0a");
    assert!(of("request").iter().all(|line| (line["status"] == 404) != line["path"].is_null()));
}

#[test]
fn on_a_terminal_what_happened_comes_first() {
    let home = Home::new();
    let ended = home.command(&["serve", "--log-format", "text", "--bind", "192.0.2.1:1"]).output().unwrap();
    let refused = String::from_utf8(ended.stderr).unwrap();
    let line = refused.lines().last().unwrap();
    let (moment, rest) = line.split_once(' ').unwrap();
    assert!(moment.ends_with('Z') && rest.starts_with("ERROR cannot listen on bind"), "{refused}");
    assert!(rest.ends_with("  event=failed"), "{refused}");
}
