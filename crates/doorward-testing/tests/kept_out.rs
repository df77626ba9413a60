//! The server never has any of this in it.
#![expect(clippy::unwrap_used, reason = "a test's failures are panics")]

use std::process::Command;

/// What is built into that package: a line a package and feature, whatever features are chosen.
fn built_into(package: &str, edges: &str) -> String {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--offline", "--package", package, "--all-features", "--edges", edges, "--prefix", "none"])
        .args(["--format", "{p} {f}"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn has_testing(tree: &str) -> bool {
    tree.lines().any(|line| {
        let is_this_crate = line.starts_with("doorward-testing ");
        let is_the_feature = line.starts_with("doorward ") && line.split([' ', ',']).any(|word| word == "testing");
        is_this_crate || is_the_feature
    })
}

#[test]
fn the_server_has_nothing_of_it_whatever_features_are_chosen() {
    let server = built_into("doorward-server", "normal,build");
    assert!(server.contains("doorward-axum ") && server.contains("doorward-sqlite "), "{server}");
    assert!(!has_testing(&server), "{server}");
}

#[test]
fn the_look_would_find_it() {
    assert!(has_testing(&built_into("doorward-testing", "normal")));
    assert!(has_testing("doorward v0.1.0 (/somewhere) default,testing"));
}
