//! What no well-behaved client sends.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::json;

use crate::application::{Home, Server};
use crate::client::{Answer, PASSWORD};

fn post(path: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("POST {path} HTTP/1.1\r\nHost: t\r\nConnection: close\r\n{headers}\r\n");
    [head.as_bytes(), body].concat()
}

/// Every odd request gets an answer of the 4xx kind and leaves the server in good health.
#[test]
fn odd_requests_get_decided_answers() {
    let home = Home::new();
    let server = home.serve(&[]);
    let client = server.client();
    let json = "Content-Type: application/json\r\n";
    let megabyte = json!({"email": "a@example.com", "password": "x".repeat(1 << 20)}).to_string();
    let length = |body: &[u8]| format!("{json}Content-Length: {}\r\n", body.len());
    let with_body = |path, body: &[u8]| post(path, &length(body), body);
    let chunked = format!("{json}Transfer-Encoding: chunked\r\n");
    let requests: Vec<(u16, Vec<u8>)> = vec![
        (413, with_body("/auth/login", megabyte.as_bytes())),
        (413, with_body("/nowhere", megabyte.as_bytes())),
        (413, post("/auth/login", &format!("{json}Content-Length: 100000000000\r\n"), b"{")),
        (422, with_body("/auth/login", b"\xff\xfe")),
        (422, with_body("/auth/login", "[".repeat(60_000).as_bytes())),
        (422, with_body("/auth/register", b"{\"email\":1e999,\"password\":-1e999}")),
        (422, post("/auth/login", &chunked, b"2\r\n{}\r\n0\r\n\r\n")),
        (400, post("/auth/login", &chunked, b"xyz\r\n{}\r\n0\r\n\r\n")),
        (400, post("/auth/login", &format!("{json}Content-Length: 2\r\nContent-Length: 3\r\n"), b"{}")),
        (400, post("/auth/login", &format!("{json}Content-Length: -1\r\n"), b"{}")),
        (400, post("/auth/login", &format!("{json}Transfer-Encoding: xchunked\r\n"), b"{}")),
        (400, b"GET /health HTTP/9.9\r\n\r\n".to_vec()),
        (400, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n".to_vec()),
        (400, b"GET /he\x00alth HTTP/1.1\r\nHost: t\r\n\r\n".to_vec()),
        (400, b"GET /health HTTP/1.1\r\nHost: t\r\nbad header: x\r\n\r\n".to_vec()),
        (404, b"GET /%00%ff HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n".to_vec()),
        (405, b"BREW /health HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n".to_vec()),
        (200, b"HEAD /health HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n".to_vec()),
    ];
    for (status, request) in requests {
        let shown = String::from_utf8_lossy(&request[..request.len().min(160)]).into_owned();
        let answer = client.raw(&request).unwrap_or_else(|error| panic!("dropped: {error} for {shown}"));
        let status_line = String::from_utf8_lossy(&answer[..answer.len().min(64)]).into_owned();
        assert!(status_line.starts_with(&format!("HTTP/1.1 {status} ")), "{status_line} for {shown}");
    }
    for bomb in [
        format!("GET /health HTTP/1.1\r\nHost: t\r\nX-Bomb: {}\r\n\r\n", "x".repeat(1 << 20)),
        format!("GET /health HTTP/1.1\r\nHost: t\r\n{}\r\n", "X-Many: 1\r\n".repeat(2000)),
        format!("GET /{} HTTP/1.1\r\nHost: t\r\n\r\n", "x".repeat(1 << 20)),
    ] {
        // Refused or cut off: it is enough that nobody reads a megabyte of headers.
        if let Ok(answer) = client.raw(bomb.as_bytes()) {
            let answer = Answer::read(&answer).unwrap();
            assert!([400, 414, 431].contains(&answer.status), "{}", answer.status);
        }
    }
    assert_eq!(client.register("ada@example.com", PASSWORD).status, 201);
    let (_, log) = server.stop();
    assert!(!log.contains("\"panic\""), "{log}");
}

#[test]
fn who_sends_nothing_holds_up_nobody() {
    let home = Home::new();
    let server = home.serve(&[]);
    let slow: Vec<_> = (0..200)
        .map(|index| {
            let mut stream = TcpStream::connect(server.client().address).unwrap();
            let begun: &[u8] = match index % 3 {
                0 => b"",
                1 => b"GET /health HTTP/1.1\r\nHost: t",
                _ => b"POST /auth/login HTTP/1.1\r\nHost: t\r\nContent-Type: application/json\r\nContent-Length: 60\r\n\r\n{",
            };
            stream.write_all(begun).unwrap();
            stream
        })
        .collect();
    assert_eq!(server.client().register("ada@example.com", PASSWORD).status, 201);
    assert_eq!(server.client().get("/health", None).status, 200);
    // The body that never comes is answered, the headers that never end are cut off.
    for (index, mut stream) in slow.into_iter().enumerate().skip(1).take(2) {
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        if index % 3 == 2 {
            assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
        }
    }
}

/// Somebody whose export is half a megabyte long.
fn with_a_long_trail(server: &Server) -> String {
    let tokens = server.client().register("ada@example.com", PASSWORD).tokens();
    for number in 0..1600 {
        let body = serde_json::json!({"full_name": format!("Ada {number}")});
        assert_eq!(server.client().send("PATCH", "/auth/me", Some(&tokens.access), Some(body)).status, 200);
    }
    tokens.access
}

/// Asks for the export, and gives the connection on which it comes.
fn ask_for_export(server: &Server, access: &str) -> TcpStream {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(16 * 1024).unwrap();
    socket.connect(&server.client().address.into()).unwrap();
    let mut stream = TcpStream::from(socket);
    let head = format!(
        "GET /auth/me/export HTTP/1.1\r\nHost: t\r\nConnection: close\r\nAuthorization: Bearer {access}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    stream
}

/// Whoever reads steadily gets all of it, however long that takes; whoever doesn't holds nothing for long.
#[test]
fn a_reader_is_cut_for_its_rate_and_not_for_its_time() {
    let home = Home::new();
    let mut server = home.serve(&["--idle-timeout-seconds", "1", "--rate-limit-enabled=false"]);
    let access = with_a_long_trail(&server);
    let mut steady = ask_for_export(&server, &access);
    let (mut read, mut part) = (Vec::new(), vec![0; 64 * 1024]);
    loop {
        match steady.read(&mut part).unwrap() {
            0 => break,
            length => read.extend_from_slice(&part[..length]),
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    let text = String::from_utf8(read).unwrap();
    assert!(text.len() > 400_000 && text.ends_with("]}\n\r\n0\r\n\r\n"), "{} {}", text.len(), &text[text.len() - 60..]);
    let mut idle = ask_for_export(&server, &access);
    server.wait_for_event("slow_reader");
    // It has a moment left to read in.
    std::thread::sleep(Duration::from_secs(2));
    let mut rest = Vec::new();
    let _ = idle.read_to_end(&mut rest);
    assert!(rest.len() < text.len(), "what the system keeps for it, and no more: {}", rest.len());
}
