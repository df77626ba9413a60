//! The limits of HTTP/2, by a client that writes its frames itself (RFC 9113).

use std::io::{Read, Write};
use std::net::SocketAddr;

use serde_json::json;

use crate::application::{Home, Server};
use crate::authority::{Authority, ECDSA, Secured, TLS, connect, secure};
use crate::client::PASSWORD;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const ACK: u8 = 1;
const END_HEADERS: u8 = 4;
/// `:method: GET`, `:scheme: https`, `:path: /` by the static table of HPACK (RFC 7541), `:authority: x`.
const GET_ROOT: [u8; 6] = [0x82, 0x87, 0x84, 0x41, 1, b'x'];

struct Frame {
    kind: u8,
    flags: u8,
    stream: u32,
    payload: Vec<u8>,
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// A header line that is in no table.
fn line(name: &str, value: &str) -> Vec<u8> {
    let text = |text: &str| [&[u8::try_from(text.len()).unwrap()], text.as_bytes()].concat();
    [vec![0], text(name), text(value)].concat()
}

/// The head of a `POST` with a JSON body.
fn post(path: &str) -> Vec<u8> {
    let path = [&[0x44, u8::try_from(path.len()).unwrap()], path.as_bytes()].concat();
    [&[0x83, 0x87, 0x41, 1, b'x'][..], &path, &line("content-type", "application/json")].concat()
}

struct Client(Secured);

impl Client {
    /// Connects, says hello, and has `settings` in force.
    fn connect(site: &Site, settings: &[u8]) -> Self {
        Self::greet(connect(&site.server, &site.authority.root(), "h2").unwrap(), settings)
    }

    /// Connects from another address of this machine than everybody else.
    fn connect_from(site: &Site, from: [u8; 4]) -> Self {
        Self::greet(site.secured_from(from).unwrap(), &[])
    }

    fn greet(connection: Secured, settings: &[u8]) -> Self {
        let mut client = Self(connection);
        assert_eq!(client.0.conn.alpn_protocol(), Some(&b"h2"[..]));
        client.send(&[b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", &frame(SETTINGS, 0, 0, settings)[..]].concat());
        client
    }

    fn send(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).unwrap();
        self.0.flush().unwrap();
    }

    /// The next frame. `None`: the server has closed.
    fn next(&mut self) -> Option<Frame> {
        let mut head = [0; 9];
        self.0.read_exact(&mut head).ok()?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        let mut payload = vec![0; length];
        self.0.read_exact(&mut payload).ok()?;
        let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
        let frame = Frame { kind: head[3], flags: head[4], stream, payload };
        // The settings and pings of a server must be answered.
        if matches!(frame.kind, SETTINGS | PING) && frame.flags & ACK == 0 {
            let payload = if frame.kind == PING { &frame.payload[..] } else { &[] };
            let _ = self.0.write_all(&self::frame(frame.kind, ACK, 0, payload));
        }
        Some(frame)
    }

    /// The next frame of that kind.
    fn next_of(&mut self, kind: u8) -> Option<Frame> {
        std::iter::from_fn(|| self.next()).find(|frame| frame.kind == kind)
    }

    /// Everything until the server closes.
    fn rest(&mut self) -> Vec<Frame> {
        std::iter::from_fn(|| self.next()).collect()
    }
}

struct Site {
    authority: Authority,
    server: Server,
    home: Home,
}

impl Site {
    fn new(arguments: &[&str]) -> Self {
        let home = Home::new();
        let authority = Authority::new(&home, "authority");
        authority.issue(&home, &ECDSA);
        let server = home.serve(&[&TLS[..], arguments].concat());
        Self { authority, server, home }
    }

    /// A connection from that address; `None` when the server wants none.
    fn secured_from(&self, from: [u8; 4]) -> Option<Secured> {
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        socket.bind(&SocketAddr::from((from, 0)).into()).unwrap();
        socket.connect(&self.server.address("listening").into()).unwrap();
        secure(socket.into(), &self.authority.root(), "h2").ok()
    }

    /// Memory that the server has, in KiB.
    fn memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.server.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }

    fn assert_serves(&self) {
        let mut client = Client::connect(self, &[]);
        client.send(&frame(HEADERS, END_STREAM | END_HEADERS, 1, &GET_ROOT));
        assert_eq!(client.next_of(HEADERS).unwrap().stream, 1);
    }
}

/// The error code of a GOAWAY.
fn code(goaway: &Frame) -> u32 {
    u32::from_be_bytes(goaway.payload[4..8].try_into().unwrap())
}

#[test]
fn a_rapid_reset_gets_the_client_sent_away() {
    let site = Site::new(&[]);
    let mut client = Client::connect(&site, &[]);
    let before = site.memory();
    let cancel = 8_u32.to_be_bytes();
    let mut sent = 0;
    'flood: for burst in 0..200_u32 {
        let streams = (0..100).map(|index| 2 * (burst * 100 + index) + 1);
        let bytes: Vec<u8> = streams
            .flat_map(|stream| {
                let head = frame(HEADERS, END_STREAM | END_HEADERS, stream, &GET_ROOT);
                [head, frame(RST_STREAM, 0, stream, &cancel)].concat()
            })
            .collect();
        if client.0.write_all(&bytes).is_err() {
            break 'flood;
        }
        sent += 100;
    }
    let goaway = client.rest().into_iter().rfind(|frame| frame.kind == GOAWAY);
    println!("sent away after at most {sent} requests, {:?}", goaway.as_ref().map(code));
    // ENHANCE_YOUR_CALM, unless the connection broke before it could be read.
    assert!(goaway.is_none_or(|goaway| code(&goaway) == 11));
    assert!(sent < 20_000, "nobody stopped it");
    assert!(site.memory() - before < 20 * 1024, "{} KiB", site.memory() - before);
    site.assert_serves();
}

#[test]
fn a_head_without_end_is_not_collected() {
    let site = Site::new(&[]);
    let mut client = Client::connect(&site, &[]);
    let before = site.memory();
    client.send(&frame(HEADERS, END_STREAM, 1, &GET_ROOT));
    let lines: Vec<u8> = (0..60).flat_map(|_| line("x-bomb", &"y".repeat(120))).collect();
    let stopped = (0..5000).any(|_| client.0.write_all(&frame(CONTINUATION, 0, 1, &lines)).is_err());
    assert!(stopped, "forty megabytes were taken");
    assert!(site.memory() - before < 20 * 1024, "{} KiB", site.memory() - before);
    site.assert_serves();
}

#[test]
fn heads_are_bounded_as_they_are_on_http1() {
    let site = Site::new(&[]);
    let mut client = Client::connect(&site, &[]);
    // A table entry of four kilobytes named over and over: small to send, large to have (RFC 7541, 7.3).
    let mut head = GET_ROOT.to_vec();
    head.extend([0x40, 1, b'x', 0x7f, 0xf0, 0x1e]);
    head.extend(std::iter::repeat_n(b'y', 127 + 0xf0 - 0x80 + (0x1e << 7)));
    head.extend(std::iter::repeat_n(0xbe, 8000));
    client.send(&frame(HEADERS, END_STREAM | END_HEADERS, 1, &head));
    // 431, or the end of the stream or connection.
    let answer = std::iter::from_fn(|| client.next()).find(|frame| matches!(frame.kind, HEADERS | RST_STREAM | GOAWAY));
    assert!(answer.is_none_or(|frame| frame.kind != HEADERS || !frame.payload.contains(&0x88)));
    site.assert_serves();
}

#[test]
fn streams_past_the_bound_are_refused() {
    let site = Site::new(&[]);
    let mut client = Client::connect(&site, &[]);
    let settings = client.next_of(SETTINGS).unwrap();
    let pairs: Vec<_> = settings.payload.chunks(6).map(|pair| (pair[1], pair[2..].to_vec())).collect();
    assert!(pairs.contains(&(3, 100_u32.to_be_bytes().to_vec())), "{pairs:?}");
    assert!(pairs.contains(&(6, 16_384_u32.to_be_bytes().to_vec())), "{pairs:?}");
    let head = post("/auth/login");
    let heads: Vec<u8> = (0..110).flat_map(|index| frame(HEADERS, END_HEADERS, 2 * index + 1, &head)).collect();
    client.send(&heads);
    // REFUSED_STREAM for those too many, with the first bodies still to come.
    for _ in 0..10 {
        let refusal = client.next_of(RST_STREAM).unwrap();
        assert!(refusal.stream > 200 && refusal.payload == 7_u32.to_be_bytes());
    }
    site.assert_serves();
}

#[test]
fn requests_at_once_are_bounded_over_all_connections() {
    let site = Site::new(&["--max-connections", "3"]);
    let mut clients = [Client::connect(&site, &[]), Client::connect(&site, &[])];
    for client in &mut clients {
        client.send(&[1, 3].map(|stream| frame(HEADERS, END_HEADERS, stream, &post("/auth/login"))).concat());
    }
    // Four are under way and there is room for three.
    let refused = clients.iter_mut().any(|client| {
        client.send(&frame(PING, 0, 0, &[7; 8]));
        let frames = std::iter::from_fn(|| client.next());
        let mut until = frames.take_while(|frame| frame.kind != PING || frame.flags & ACK == 0);
        until.any(|frame| frame.kind == HEADERS)
    });
    let refused = refused || clients.iter_mut().any(|client| client.next_of(DATA).is_some());
    assert!(refused);
}

/// Forty connections of requests whose bodies never come were all it took to have everybody refused.
#[test]
fn one_host_cannot_hold_every_place_with_requests_that_it_never_finishes() {
    let site = Site::new(&["--max-connections", "16"]);
    let heads: Vec<u8> =
        (0..10).flat_map(|index| frame(HEADERS, END_HEADERS, 2 * index + 1, &post("/auth/login"))).collect();
    let mut attackers = [Client::connect_from(&site, [127, 0, 0, 2]), Client::connect_from(&site, [127, 0, 0, 2])];
    // One host has a quarter of sixteen places: four of the first ten wait for their bodies, all others are refused.
    for (attacker, refused) in attackers.iter_mut().zip([6, 10]) {
        attacker.send(&heads);
        for _ in 0..refused {
            attacker.next_of(HEADERS).unwrap();
        }
    }
    // Asked how the service is, it answers everybody.
    let mut health = vec![0x82, 0x87, 0x44, 7];
    health.extend(b"/health");
    health.extend([0x41, 1, b'x']);
    attackers[0].send(&frame(HEADERS, END_STREAM | END_HEADERS, 21, &health));
    let answer = std::iter::from_fn(|| attackers[0].next_of(HEADERS)).find(|frame| frame.stream == 21).unwrap();
    assert_eq!(answer.payload.first(), Some(&0x88), "200");
    let mut bystander = Client::connect_from(&site, [127, 0, 0, 3]);
    let body = json!({"email": "ada@example.com", "password": PASSWORD}).to_string();
    bystander.send(&frame(HEADERS, END_HEADERS, 1, &post("/auth/register")));
    bystander.send(&frame(DATA, END_STREAM, 1, body.as_bytes()));
    let answer = bystander.next_of(DATA).unwrap();
    assert!(String::from_utf8_lossy(&answer.payload).contains("access_token"));
    // Half of the connections, too.
    let more: Vec<_> = (0..20).map_while(|_| site.secured_from([127, 0, 0, 2])).collect();
    assert_eq!(more.len() + attackers.len(), 8);
    site.assert_serves();
}

#[test]
fn a_request_under_way_is_finished_before_the_end() {
    let mut site = Site::new(&[]);
    let mut client = Client::connect(&site, &[]);
    let body = json!({"email": "ada@example.com", "password": PASSWORD}).to_string();
    client.send(&frame(HEADERS, END_HEADERS, 1, &post("/auth/register")));
    client.send(&frame(PING, 0, 0, &[7; 8]));
    while client.next_of(PING).unwrap().flags & ACK == 0 {}
    site.server.signal("-TERM");
    assert_eq!(code(&client.next_of(GOAWAY).unwrap()), 0);
    client.send(&frame(DATA, END_STREAM, 1, body.as_bytes()));
    let frames = client.rest();
    let answer: Vec<u8> =
        frames.iter().filter(|frame| frame.kind == DATA).flat_map(|frame| frame.payload.clone()).collect();
    assert!(String::from_utf8_lossy(&answer).contains("access_token"), "{}", String::from_utf8_lossy(&answer));
    assert_eq!(site.server.wait(), Some(0));
}

#[test]
fn who_asks_for_nothing_is_sent_away() {
    let site = Site::new(&["--header-timeout-seconds", "1", "--idle-timeout-seconds", "1"]);
    let mut silent = Client::connect(&site, &[]);
    assert!(silent.rest().iter().any(|frame| frame.kind == GOAWAY));

    // Pings are no requests.
    let mut client = Client::connect(&site, &[]);
    client.send(&frame(HEADERS, END_STREAM | END_HEADERS, 1, &GET_ROOT));
    let is_over = (0..3000).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(20));
        client.0.write_all(&frame(PING, 0, 0, &[7; 8])).is_err()
    });
    assert!(is_over);

    // Neither is waiting for the rest of an answer that one doesn't let come: SETTINGS_INITIAL_WINDOW_SIZE 0.
    let mut stalling = Client::connect(&site, &[0, 4, 0, 0, 0, 0]);
    stalling.send(&frame(HEADERS, END_STREAM | END_HEADERS, 1, &GET_ROOT));
    assert!(stalling.rest().iter().any(|frame| frame.kind == GOAWAY));
    drop(site.home);
}
