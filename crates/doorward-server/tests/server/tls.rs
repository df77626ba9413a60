//! TLS at the edge: who is let in, and certificates that change while it serves.

use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use crate::application::{Home, Server, get};
use crate::authority::{Authority, ECDSA, RSA, Secured, TLS, connect};

const HEALTH: &[u8] = b"GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n";

/// What curl prints: the head of the answer, its body, and after a line of dashes the version of HTTP.
fn curl(server: &Server, root: &Path, arguments: &[&str]) -> Result<String, String> {
    let url = format!("https://localhost:{}/health", server.address("listening").port());
    let mut command = Command::new("curl");
    command.args([
        "--silent",
        "--show-error",
        "--include",
        "--write-out",
        "\n---\n%{http_version}",
        "--max-time",
        "60",
    ]);
    let output = command.arg("--cacert").arg(root).args(arguments).arg(url).output().expect("this test needs curl");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
}

/// The status line of an answer to a request for `/health`.
fn ask(stream: &mut Secured) -> std::io::Result<String> {
    stream.write_all(HEALTH)?;
    let mut answer = Vec::new();
    while !answer.ends_with(b"\"}") {
        let mut chunk = [0; 1024];
        match stream.read(&mut chunk)? {
            0 => return Err(std::io::Error::other("closed")),
            read => answer.extend_from_slice(&chunk[..read]),
        }
    }
    Ok(String::from_utf8_lossy(&answer).lines().next().unwrap().to_owned())
}

#[test]
fn curl_is_served_by_either_http_with_either_kind_of_key() {
    for kind in [&ECDSA[..], &RSA] {
        let home = Home::new();
        let authority = Authority::new(&home, "authority");
        authority.issue(&home, kind);
        let server = home.serve(&TLS);
        for (arguments, status, version) in [
            (&["--http2"][..], "HTTP/2 200", "2"),
            (&["--http1.1"], "HTTP/1.1 200 OK", "1.1"),
            (&["--http2", "--tls-max", "1.2"], "HTTP/2 200", "2"),
            (&["--http2", "--tlsv1.3"], "HTTP/2 200", "2"),
        ] {
            let output = curl(&server, &authority.root(), arguments).unwrap();
            assert!(output.starts_with(status) && output.ends_with(&format!("---\n{version}")), "{output}");
            assert!(output.contains("strict-transport-security: max-age=31536000\r\n"), "{output}");
        }
        let bind = format!("127.0.0.1:{}", server.address("listening").port());
        let check = [&["healthcheck", "--bind", &bind][..], &TLS].concat();
        assert_eq!(home.run(&check).done(), "ready\n");
        let refused =
            curl(&server, &authority.root(), &["--tlsv1.0", "--tls-max", "1.1", "--ciphers", "DEFAULT@SECLEVEL=0"]);
        assert!(refused.is_err(), "{refused:?}");
        let stranger = Authority::new(&home, "stranger");
        assert!(curl(&server, &stranger.root(), &[]).is_err());
    }
}

#[test]
fn without_tls_no_browser_is_told_to_ask_for_it() {
    let server = Home::new().serve(&[]);
    assert_eq!(server.client().get("/health", None).header("strict-transport-security"), None);
}

#[test]
fn a_new_certificate_is_taken_up_and_a_broken_one_is_not() {
    let home = Home::new();
    let (old, new) = (Authority::new(&home, "old"), Authority::new(&home, "new"));
    old.issue(&home, &ECDSA);
    let mut server = home.serve(&TLS);
    let mut kept = connect(&server, &old.root(), "http/1.1").unwrap();
    assert_eq!(ask(&mut kept).unwrap(), "HTTP/1.1 200 OK");

    let good = std::fs::read_to_string(home.path().join("tls.pem")).unwrap();
    for broken in [
        "",
        "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n",
        &std::fs::read_to_string(new.root()).unwrap(),
    ] {
        home.write("tls.pem", broken);
        let entry = server.wait_for_event("certificate_refused");
        assert!(entry["message"].as_str().unwrap().contains("tls_certificate_file tls.pem"), "{entry}");
        connect(&server, &old.root(), "http/1.1").unwrap();
    }
    home.write("tls.pem", &good);
    std::fs::remove_file(home.path().join("tls.key")).unwrap();
    let entry = server.wait_for_event("certificate_refused");
    assert!(entry["message"].as_str().unwrap().contains("tls_key_file names tls.key"), "{entry}");

    new.issue(&home, &RSA);
    server.wait_for_event("certificate_replaced");
    connect(&server, &new.root(), "http/1.1").unwrap();
    connect(&server, &old.root(), "http/1.1").map(|_| ()).unwrap_err();
    assert_eq!(ask(&mut kept).unwrap(), "HTTP/1.1 200 OK", "who is connected stays so");
}

#[test]
fn a_hangup_signal_has_the_files_read_at_once() {
    let home = Home::new();
    let (old, new) = (Authority::new(&home, "old"), Authority::new(&home, "new"));
    old.issue(&home, &ECDSA);
    let mut server = home.serve(&TLS);
    connect(&server, &old.root(), "h2").unwrap();
    new.issue(&home, &ECDSA);
    server.signal("-HUP");
    server.wait_for_event("certificate_replaced");
    connect(&server, &new.root(), "h2").unwrap();
}

#[test]
fn who_speaks_no_tls_is_sent_away_and_who_says_nothing_too() {
    let home = Home::new();
    let authority = Authority::new(&home, "authority");
    authority.issue(&home, &ECDSA);
    let server = home.serve(&[&TLS[..], &["--header-timeout-seconds", "1"]].concat());
    for begun in [HEALTH, b"", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", &[0x16; 70_000]] {
        let mut stream = server.connect();
        // The server may have closed before all of it is sent.
        let _ = stream.write_all(begun);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        // At most the seven bytes of an alert (RFC 8446, 6).
        assert!(answer.len() <= 7 && answer.first().is_none_or(|kind| *kind == 21), "{answer:?}");
    }
    // A handshake that was done doesn't buy more time for the first request.
    let mut stream = connect(&server, &authority.root(), "http/1.1").unwrap();
    assert_eq!(stream.read(&mut [0; 16]).unwrap_or(0), 0);
    curl(&server, &authority.root(), &[]).unwrap();
}

#[test]
fn what_will_not_do_is_said_at_the_start() {
    let home = Home::new();
    let authority = Authority::new(&home, "authority");
    authority.issue(&home, &ECDSA);
    let check = |arguments: &[&str]| home.run(&[&["config", "check"], arguments].concat());
    for half in [&TLS[..2], &TLS[2..]] {
        let reason = check(half).refused();
        assert!(reason.contains("tls_certificate_file") && reason.contains("tls_key_file"), "{reason}");
    }
    let with =
        |certificate: &str, key: &str| check(&["--tls-certificate-file", certificate, "--tls-key-file", key]).refused();
    assert!(with("absent.pem", "tls.key").contains("absent.pem, which cannot be read"));
    assert!(with("tls.key", "tls.key").contains("holds no certificate"));
    assert!(with("tls.pem", "tls.pem").contains("holds no private key"));
    assert!(with("authority/root.pem", "tls.key").contains("do not go together"));
    let key = home.path().join("tls.key");
    for (mode, warned) in [(0o644, true), (0o640, false), (0o600, false)] {
        std::fs::set_permissions(&key, std::fs::Permissions::from_mode(mode)).unwrap();
        assert_eq!(check(&TLS).done().contains("tls_key_file tls.key is open to everybody"), warned);
    }
}

/// Sends `begun` after an answered request and reads to the end of the connection.
fn after_an_answer(server: &Server, begun: &[u8]) -> Vec<u8> {
    let mut stream = server.connect();
    stream.write_all(HEALTH).unwrap();
    let mut answer = [0; 15];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200 OK");
    stream.write_all(begun).unwrap();
    let mut rest = Vec::new();
    let _ = stream.read_to_end(&mut rest);
    rest
}

#[test]
fn waiting_between_requests_and_dawdling_within_one_have_times_of_their_own() {
    let home = Home::new();
    let server = home.serve(&["--header-timeout-seconds", "1", "--idle-timeout-seconds", "3600"]);
    let mut stream = server.connect();
    for _ in 0..2 {
        stream.write_all(HEALTH).unwrap();
        let mut answer = vec![0; 4096];
        assert!(stream.read(&mut answer).unwrap() > 0 && answer.starts_with(b"HTTP/1.1 200 OK"));
        std::thread::sleep(std::time::Duration::from_millis(2500));
    }
    let rest = after_an_answer(&server, b"GET /hea");
    assert!(!rest.windows(8).any(|window| window == b"HTTP/1.1"), "{}", String::from_utf8_lossy(&rest));

    let server = home.serve(&["--header-timeout-seconds", "3600", "--idle-timeout-seconds", "1"]);
    after_an_answer(&server, b"");
}

/// What the metrics say of the certificate's end, in days from now.
fn days_by_metrics(server: &Server) -> String {
    let (_, text) = get(server.address("metrics"), "/metrics");
    let line = text.lines().find(|line| line.starts_with("doorward_certificate_not_after_seconds ")).unwrap();
    let seconds: f64 = line.split(' ').nth(1).unwrap().parse().unwrap();
    let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs_f64();
    format!("{:.0}", (seconds - now) / 86_400.0)
}

#[test]
fn the_end_of_a_certificate_is_warned_of_a_month_before() {
    let home = Home::new();
    let authority = Authority::new(&home, "authority");
    let arguments = [&TLS[..], &["--metrics-bind", "127.0.0.1:0"]].concat();
    authority.issue_for(&home, &ECDSA, "29");
    let mut server = home.serve(&arguments);
    let entry = server.wait_for_event("certificate_expires");
    assert_eq!(entry["level"], "WARN");
    assert!(entry["message"].as_str().unwrap().contains("tls.pem comes to its end in 28 days"), "{entry}");
    assert_eq!(days_by_metrics(&server), "29");

    // A new one is warned of for itself, and one that lasts is not.
    authority.issue_for(&home, &RSA, "12");
    let entry = server.wait_for_event("certificate_expires");
    assert_eq!(entry["days"], 11);
    authority.issue_for(&home, &ECDSA, "31");
    server.wait_for_event("certificate_replaced");
    assert_eq!(days_by_metrics(&server), "31");
    server.signal("-HUP");
    let (_, log) = server.stop();
    assert_eq!(log.matches("certificate_expires").count(), 2, "{log}");
}
