//! What the log holds, and a log that nobody reads.

use std::io::{BufRead, BufReader, Write};
use std::process::Stdio;

use serde_json::Value;

use crate::application::{CHEAP, Home, PATIENCE};

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
