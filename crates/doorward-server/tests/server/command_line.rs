use crate::application::Home;

#[test]
fn every_help_has_an_example_and_none_has_a_secret() {
    let commands: [&[&str]; 19] = [
        &[],
        &["serve"],
        &["users"],
        &["users", "create"],
        &["users", "list"],
        &["users", "show"],
        &["users", "deactivate"],
        &["users", "reactivate"],
        &["users", "set-role"],
        &["users", "verify"],
        &["backup"],
        &["keys", "renew-data-key"],
        &["keys", "forget-sealed"],
        &["healthcheck"],
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
        &["backup"],
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

/// Every section of the settings at once, as an operator has them. Whatever a command makes of them, it makes it in a
/// line and an exit status.
#[test]
fn no_command_panics_with_every_section_of_the_settings_switched_on() {
    const SMTP_URLS: [&str; 4] = [
        "smtp://127.0.0.1:1?tls=none",
        "smtp://user:pass@mail.example.com:587",
        "smtps://mail.example.com",
        "smtp://mail.example.com?tls=required",
    ];
    const COMMANDS: [&[&str]; 16] = [
        &["config", "show"],
        &["config", "check"],
        &["healthcheck"],
        &["migrate"],
        &["migrate", "--dry-run"],
        &["keys", "forget-sealed"],
        &["backup", "copy.db"],
        &["users", "create", "--email", "ada@example.com", "--password-stdin"],
        &["users", "list"],
        &["users", "show", "ada@example.com"],
        &["users", "set-role", "ada@example.com", "admin"],
        &["users", "deactivate", "ada@example.com"],
        &["mail", "preview", "recover"],
        &["mail", "test", "ada@example.com"],
        &["audit", "list"],
        &["token", "inspect"],
    ];
    for url in SMTP_URLS {
        let home = Home::new();
        let settings = format!(
            "mail = \"smtp\"\nsmtp_url = \"{url}\"\nmail_from = \"Doorward <auth@example.com>\"\n\
             public_url = \"https://auth.example.com\"\nemail_verification = \"required\"\n\
             webhook_url = \"https://hooks.example.com/doorward\"\n\
             webhook_secret = \"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\"\n\
             metrics_bind = \"127.0.0.1:0\"\npassword_pepper = \"Vb7nM3kQ9wE5rT1yU8iO2pA6sD4fG0hJ\"\n\
             secret_key = \"kF4vT0x9Qm2ZrL7uYc1WbN8sHj5DgEaP\"\nadmins_require_second_factor = true\n\
             allowed_origins = [\"https://app.example.com\"]\ntrusted_proxies = [\"10.0.0.0/8\"]\n\
             session_idle_minutes = 60\nsession_absolute_days = 30\naudit_keep_days = 365\n\
             refresh_reuse_grace_seconds = 10\n"
        );
        home.write("doorward.toml", &settings);
        for command in COMMANDS {
            let reads_input = command.contains(&"--password-stdin") || command.contains(&"inspect");
            let outcome =
                if reads_input { home.run_with_input(command, "a passphrase nobody has\n") } else { home.run(command) };
            let told = format!("{outcome:?}");
            assert!(matches!(outcome.status, Some(0..=2)), "{command:?} with {url}: {told}");
            assert!(!told.contains("panicked"), "{command:?} with {url}: {told}");
            if command == ["config", "check"] {
                assert_eq!(outcome.status, Some(0), "{url}: {told}");
            }
        }
    }
}

#[test]
fn the_short_help_is_of_the_command_alone() {
    let home = Home::new();
    for command in [&["users", "create"][..], &["backup"], &["serve"], &["keys", "forget-sealed"]] {
        let (short, long) =
            (home.run(&[command, &["-h"]].concat()).done(), home.run(&[command, &["--help"]].concat()).done());
        assert!(!short.contains("--database-url") && long.contains("--database-url"), "{short}");
        assert!(short.lines().count() < 20, "{short}");
    }
    assert!(home.run(&["users", "create", "-h"]).done().contains("--email"));
}
