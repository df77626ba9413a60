use std::io::{Read, Write};

use serde_json::json;

use crate::application::{CHEAP, Home, get, read_response};

#[test]
fn it_starts_answers_and_ends_on_a_signal() {
    for signal in ["-TERM", "-INT"] {
        let home = Home::new();
        let mut server = home.serve(&[]);
        let (status, body) = server.get("/health");
        assert_eq!(status, 200);
        assert_eq!(body, format!("{{\"status\":\"ok\",\"version\":\"{}\"}}", env!("CARGO_PKG_VERSION")));
        assert_eq!(server.get("/ready").0, 200);
        server.signal(signal);
        assert_eq!(server.wait(), Some(0));
        assert_eq!(server.log.last().unwrap()["event"], "stopped");
    }
}

#[test]
fn what_is_unsafe_is_said_at_the_start() {
    let home = Home::new();
    let server = home.serve(&["--rate-limit-enabled", "false", "--bind", "0.0.0.0:0"]);
    let warnings: Vec<_> = server.log.iter().filter(|entry| entry["level"] == "WARN").collect();
    for part in ["hashing is cheaper", "rate_limit_enabled", "plain HTTP"] {
        let said = |entry: &&serde_json::Value| entry["message"].as_str().unwrap().contains(part);
        assert_eq!(warnings.iter().copied().filter(said).count(), 1, "{part}: {warnings:?}");
    }
}

#[test]
fn accounts_survive_a_restart_and_tokens_too() {
    let home = Home::new();
    let account = json!({"email": "ada@example.com", "password": "a password of Ada's"});
    let mut server = home.serve(&[]);
    let (_, tokens) = server.post("/auth/register", &account);
    server.signal("-TERM");
    assert_eq!(server.wait(), Some(0));
    let server = home.serve(&[]);
    let refresh = json!({"refresh_token": tokens["refresh_token"]});
    assert_eq!(server.post("/auth/refresh", &refresh).0, 200);
    assert_eq!(server.post("/auth/login", &account).0, 200);
}

#[test]
fn a_client_that_dawdles_is_cut_while_another_is_served() {
    let home = Home::new();
    let server = home.serve(&["--header-timeout-seconds", "1"]);
    let mut dawdler = server.connect();
    dawdler.write_all(b"GET /health HTTP/1.1\r\nhost: x\r\nx-slow: ").unwrap();
    assert_eq!(server.get("/health").0, 200);
    let mut rest = Vec::new();
    let cut = dawdler.read_to_end(&mut rest);
    assert!(cut.is_ok() && !rest.starts_with(b"HTTP/1.1 200"), "{rest:?}");
}

#[test]
fn a_connection_past_the_bound_is_told_so_and_a_freed_place_is_taken() {
    let home = Home::new();
    let server = home.serve(&["--max-connections", "1"]);
    let mut first = server.connect();
    first.write_all(b"GET /health HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
    let mut start = [0; 12];
    first.read_exact(&mut start).unwrap();
    assert_eq!(&start, b"HTTP/1.1 200");
    let (status, body) = read_response(&mut server.connect());
    assert_eq!(status, 503);
    assert!(body.contains("OVERLOADED"), "{body}");
    drop(first);
    // The server learns of the closed connection a moment later.
    let served = (0..1000).any(|_| {
        let mut stream = server.connect();
        let sent = stream.write_all(b"GET /health HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        let mut text = String::new();
        sent.is_ok() && stream.read_to_string(&mut text).is_ok() && text.starts_with("HTTP/1.1 200")
    });
    assert!(served);
}

#[test]
fn heads_are_bounded() {
    let home = Home::new();
    let server = home.serve(&[]);
    let many = "x: y\r\n".repeat(100);
    let long = format!("x: {}\r\n", "y".repeat(64 * 1024));
    for headers in [many, long] {
        let mut stream = server.connect();
        // The server may close before all of it is sent.
        let _ = stream.write_all(format!("GET /health HTTP/1.1\r\nhost: x\r\n{headers}\r\n").as_bytes());
        let mut text = Vec::new();
        let _ = stream.read_to_end(&mut text);
        assert!(text.is_empty() || text.starts_with(b"HTTP/1.1 431"), "{}", String::from_utf8_lossy(&text));
    }
    assert_eq!(server.get("/health").0, 200);
}

#[test]
fn a_request_under_way_is_finished_before_the_end() {
    let home = Home::new();
    let mut server = home.serve(&[]);
    let body = json!({"email": "ada@example.com", "password": "a password of Ada's"}).to_string();
    let mut stream = server.connect();
    let head = "POST /auth/register HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\nexpect: 100-continue\r\n";
    stream.write_all(format!("{head}content-length: {}\r\n\r\n", body.len()).as_bytes()).unwrap();
    let mut interim = [0; 25];
    stream.read_exact(&mut interim).unwrap();
    assert!(interim.starts_with(b"HTTP/1.1 100"), "the request is being read");
    server.signal("-TERM");
    server.wait_for_event("stopping");
    stream.write_all(body.as_bytes()).unwrap();
    let response = read_response(&mut stream);
    assert_eq!(server.wait(), Some(0));
    assert_eq!(response.0, 201, "{response:?}");
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let home = Home::new();
    let mut server = home.serve(&["--shutdown-grace-seconds", "3600"]);
    let mut stream = server.connect();
    let head = "POST /auth/register HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\nexpect: 100-continue\r\n";
    stream.write_all(format!("{head}content-length: 9\r\n\r\n").as_bytes()).unwrap();
    stream.read_exact(&mut [0; 25]).unwrap();
    server.signal("-TERM");
    server.wait_for_event("stopping");
    server.signal("-TERM");
    assert_eq!(server.wait(), Some(1));
}

#[test]
fn metrics_have_a_listener_of_their_own() {
    let home = Home::new();
    let server = home.serve(&["--metrics-bind", "127.0.0.1:0"]);
    assert_eq!(server.get("/metrics").0, 404);
    assert_eq!(server.get("/health").0, 200);
    assert_eq!(server.client().login("nobody@example.com", "a password of nobody").status, 401);
    let (status, text) = get(server.address("metrics"), "/metrics");
    assert_eq!(status, 200);
    for line in [
        "doorward_build_info{version=",
        "doorward_http_requests_total{route=\"/health\",method=\"GET\",status=\"200\"} 1",
        "doorward_http_requests_total{route=\"none\",method=\"GET\",status=\"404\"} 1",
        "doorward_http_request_duration_seconds_count{route=\"/health\",method=\"GET\"} 1",
        "doorward_hashing_workers ",
        "doorward_hashing_done_total 1",
        "doorward_hashing_assisted_total 0",
        "doorward_hashing_refused_total{cause=\"full\"} 0",
        "doorward_hashing_refused_total{cause=\"late\"} 0",
        "doorward_hashing_refused_total{cause=\"displaced\"} 0",
        "doorward_hashing_abandoned_total 0",
        "doorward_hashing_failed_total 0",
        "doorward_hashing_waiting 0",
        "doorward_hashing_wait_seconds_bucket{le=\"+Inf\"} 1",
        "doorward_hashing_wait_seconds_count 1",
        "doorward_hashing_time_seconds_bucket{le=\"0.001\"} ",
        "doorward_hashing_time_seconds_sum ",
        "doorward_connections_open ",
        "doorward_uptime_seconds ",
    ] {
        assert!(text.lines().any(|candidate| candidate.starts_with(line)), "{line} is not in\n{text}");
    }
    assert!(text.ends_with("# EOF\n"));
}

#[test]
fn an_address_in_use_is_one_line_of_log() {
    let home = Home::new();
    let server = home.serve(&[]);
    let taken = server.address("listening").to_string();
    let arguments = [&["serve", "--bind", &taken, "--log-format", "json"], &CHEAP[..]].concat();
    let outcome = home.run(&arguments);
    assert_eq!(outcome.status, Some(1));
    let last: serde_json::Value = serde_json::from_str(outcome.stderr.lines().last().unwrap()).unwrap();
    assert_eq!((&last["level"], &last["event"]), (&json!("ERROR"), &json!("failed")));
    assert!(last["message"].as_str().unwrap().contains(&taken));
}

#[test]
fn a_limit_of_files_that_is_too_low_is_told_at_the_start() {
    let home = Home::new();
    let script = "ulimit -n 256; exec \"$0\" serve --bind 127.0.0.1:0 --log-format json";
    let mut server = std::process::Command::new("sh")
        .args(["-c", script, env!("CARGO_BIN_EXE_doorward")])
        .current_dir(home.path())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let log = std::io::BufReader::new(server.stderr.take().unwrap());
    let told = std::io::BufRead::lines(log).map_while(Result::ok).find(|line| line.contains("\"file_limit\""));
    server.kill().unwrap();
    server.wait().unwrap();
    assert!(told.unwrap().contains("the system gives 256"));
}

/// What somebody else put there they read and change.
#[test]
fn a_data_folder_that_is_another_users_or_a_link_is_refused() {
    let home = Home::new();
    let elsewhere = home.path().join("elsewhere");
    std::fs::create_dir(&elsewhere).unwrap();
    let link = home.path().join("link");
    std::os::unix::fs::symlink(&elsewhere, &link).unwrap();
    let folder = |path: &std::path::Path| ["serve", "--data-dir", path.to_str().unwrap()].map(str::to_owned);
    let refused = |path: &std::path::Path| {
        let arguments = folder(path);
        let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
        let outcome = home.run(&arguments);
        assert_eq!(outcome.status, Some(1), "{outcome:?}");
        outcome.stderr
    };
    assert!(refused(&link).contains("is a symbolic link"));
    // Another user's: one that root gives away, or else what is root's.
    let is_given_away = std::os::unix::fs::chown(&elsewhere, Some(12_345), None).is_ok();
    let foreign = if is_given_away { elsewhere } else { "/".into() };
    assert!(refused(&foreign).contains("belongs to user"));
    let own = home.path().join("own");
    std::fs::create_dir(&own).unwrap();
    std::os::unix::fs::symlink("/dev/null", own.join("secret.key")).unwrap();
    assert!(refused(&own).contains("secret.key is a symbolic link"));
}

#[test]
fn a_health_check_says_whether_the_server_can_serve() {
    let home = Home::new();
    let server = home.serve(&[]);
    let bind = server.client().address.to_string();
    assert_eq!(home.run(&["healthcheck", "--bind", &bind]).done(), "ready\n");
    assert_eq!(home.run(&["healthcheck", "--bind", &bind, "--only-alive"]).done(), "alive\n");
    // A server that listens everywhere is asked on this machine.
    let everywhere = format!("0.0.0.0:{}", server.client().address.port());
    assert_eq!(home.run(&["healthcheck", "--bind", &everywhere]).done(), "ready\n");
    // Its database goes away: it lives, and isn't ready.
    std::fs::rename(home.data("doorward.db"), home.data("elsewhere.db")).unwrap();
    std::thread::sleep(std::time::Duration::from_millis(50));
    let refused = home.run(&["healthcheck", "--bind", &bind]).refused();
    assert!(refused.contains("answers 503 to /ready"), "{refused}");
    assert_eq!(home.run(&["healthcheck", "--bind", &bind, "--only-alive"]).done(), "alive\n");
    server.stop();
    assert!(home.run(&["healthcheck", "--bind", &bind]).refused().contains("doesn't answer"));
    assert!(home.run(&["healthcheck", "--bind", "127.0.0.1:0"]).refused().contains("port 0"));
}
