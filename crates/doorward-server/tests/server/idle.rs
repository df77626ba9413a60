//! A server that has hashed nothing yet.

use crate::application::Home;

/// Each hashing thread owns 64 MiB: were they touched before the first hash, this would show it at once.
#[test]
fn memory_for_hashing_is_not_touched_before_the_first_hash() {
    let home = Home::new();
    let server = home.serve_with_full_hashes(&[]);
    assert_eq!(server.get("/health").0, 200);
    let memory_kib = || {
        let status = std::fs::read_to_string(format!("/proc/{}/status", server.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap().to_owned();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap()
    };
    let idle = memory_kib();
    println!("idle: {idle} KiB");
    // With the debug build's larger code; a release build has to stay under 25 MiB.
    assert!(idle < 40 * 1024, "{idle} KiB");
    server.client().login("nobody@example.com", "a password of nobody");
    assert!(memory_kib() > idle + 60 * 1024, "the hash took its memory elsewhere");
}
