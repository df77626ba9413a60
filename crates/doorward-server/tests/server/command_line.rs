use crate::application::Home;

#[test]
fn every_help_has_an_example_and_none_has_a_secret() {
    let commands: [&[&str]; 14] = [
        &[],
        &["serve"],
        &["users"],
        &["users", "create"],
        &["users", "list"],
        &["users", "show"],
        &["users", "deactivate"],
        &["users", "reactivate"],
        &["users", "set-role"],
        &["migrate"],
        &["config", "show"],
        &["config", "check"],
        &["token", "inspect"],
        &["calibrate"],
    ];
    let secret = ("SECRET_KEY", "a secret that must never be printed anywhere at all");
    for command in commands {
        let help = Home::new().run_with_environment(&[command, &["--help"]].concat(), &[secret]).done();
        assert!(help.contains("Example:\n  "), "{command:?}: {help}");
        assert!(!help.contains(secret.1));
    }
}

#[test]
fn the_version_is_told() {
    assert_eq!(Home::new().run(&["--version"]).done(), format!("doorward {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn wrong_usage_is_status_2() {
    for wrong in [
        &["dance"][..],
        &["serve", "--dance"],
        &["users", "create"],
        &["users", "list", "--bind", "127.0.0.1:1"],
        &["users", "set-role", "a@example.com", "king"],
        &["calibrate", "--target-ms", "0"],
    ] {
        let outcome = Home::new().run(wrong);
        assert_eq!(outcome.status, Some(2), "{outcome:?}");
    }
}

#[test]
fn migrating_is_done_once() {
    let home = Home::new();
    assert!(home.run(&["migrate"]).done().starts_with("applied 0001_"));
    assert_eq!(home.run(&["migrate"]).done(), "nothing to do: the database is up to date\n");
}
