//! Five hundred people log in at once.

use std::net::TcpStream;
use std::process::Command;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::application::{Home, Server};
use crate::client::PASSWORD;

const PEOPLE: usize = 500;

#[test]
fn a_rush_of_logins_costs_bounded_memory_and_nobody_elses_time() {
    let home = Home::new();
    // The recommended parameters, and memory for one hash at a time.
    let server = home.serve_with_full_hashes(&["--password-hash-budget-mib", "64", "--rate-limit-enabled", "false"]);
    let client = server.client();
    let mut tokens = client.register("ada@example.com", PASSWORD).tokens();
    let before = memory_kib(&server, "VmHWM");

    let barrier = Barrier::new(PEOPLE + 1);
    let is_over = AtomicBool::new(false);
    let (mut served, mut refused) = (0, 0);
    let (mut health, mut refresh) = (Vec::new(), Vec::new());
    std::thread::scope(|scope| {
        let people: Vec<_> = (0..PEOPLE)
            .map(|_| {
                let barrier = &barrier;
                std::thread::Builder::new()
                    .stack_size(128 * 1024)
                    .spawn_scoped(scope, move || {
                        barrier.wait();
                        client.login("ada@example.com", PASSWORD)
                    })
                    .unwrap()
            })
            .collect();
        let observer = scope.spawn(|| {
            barrier.wait();
            while !is_over.load(Ordering::SeqCst) {
                health.push(timed(|| assert_eq!(client.get("/health", None).status, 200)));
                refresh.push(timed(|| tokens = client.refresh(&tokens.refresh).tokens()));
                std::thread::sleep(Duration::from_millis(20));
            }
        });
        for person in people {
            let answer = person.join().unwrap();
            match answer.status {
                200 => served += 1,
                503 => {
                    assert_eq!(answer.code(), "OVERLOADED");
                    assert!(answer.header("retry-after").unwrap().parse::<u64>().unwrap() >= 1);
                    refused += 1;
                }
                status => panic!("{status} {}", answer.text),
            }
        }
        is_over.store(true, Ordering::SeqCst);
        observer.join().unwrap();
    });

    let grown = memory_kib(&server, "VmHWM") - before;
    println!(
        "{served} logged in, {refused} refused; /health p99 {:?}, /auth/refresh p99 {:?} of {}; memory grew {grown} KiB",
        p99(&mut health),
        p99(&mut refresh),
        refresh.len(),
    );
    assert!(served > 0 && refused > 0);
    // The one buffer is there since the registration; connections and queue must fit in what is left.
    assert!(grown < 50 * 1024, "memory grew by {grown} KiB");
    // Who was refused before may come now.
    assert_eq!(client.login("ada@example.com", PASSWORD).status, 200);
}

/// One that the system drops tries again only after a second.
#[test]
fn a_rush_of_connections_is_let_in_while_the_server_is_busy() {
    let home = Home::new();
    let server = home.serve(&[]);
    let signal =
        |name| assert!(Command::new("kill").arg(name).arg(server.id().to_string()).status().unwrap().success());
    signal("-STOP");
    let address = server.address("listening");
    let connected: Vec<_> =
        (0..PEOPLE).map(|_| TcpStream::connect_timeout(&address, Duration::from_millis(500))).collect();
    signal("-CONT");
    let refused = connected.iter().filter(|connection| connection.is_err()).count();
    assert_eq!(refused, 0);
}

#[expect(clippy::disallowed_methods, reason = "the figure is printed, not judged")]
fn timed(act: impl FnOnce()) -> Duration {
    let start = Instant::now();
    act();
    start.elapsed()
}

fn p99(samples: &mut [Duration]) -> Duration {
    samples.sort_unstable();
    samples[samples.len() * 99 / 100]
}

fn memory_kib(server: &Server, field: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.id())).unwrap();
    let line = status.lines().find(|line| line.starts_with(field)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}
