use std::os::unix::fs::PermissionsExt;

use doorward_server::settings::SETTINGS;

use crate::application::Home;

const GUIDE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/guide/settings.md");

const SECRET: &str = "q0FkYX1tZXJyeSBkYW5jZSBvZiBkb29ycw-4711-0815-zweiundvierzig";

/// The line of a setting in `config show`, its columns.
fn shown(output: &str, key: &str) -> (String, String) {
    let line = output.lines().find(|line| line.split_whitespace().next() == Some(key)).unwrap();
    let rest = line[key.len()..].trim_start();
    let (value, source) = rest.split_once("  ").unwrap();
    (value.to_owned(), source.trim().to_owned())
}

#[test]
fn a_flag_wins_over_the_environment_and_that_over_the_file() {
    let file = "refresh_token_expire_days = 1\n";
    let variable = ("REFRESH_TOKEN_EXPIRE_DAYS", "2");
    let flag = ["--refresh-token-expire-days", "3"];
    for (in_file, in_environment, as_flag, value, source) in [
        (false, false, false, "7", "default"),
        (true, false, false, "1", "file doorward.toml"),
        (false, true, false, "2", "environment REFRESH_TOKEN_EXPIRE_DAYS"),
        (true, true, false, "2", "environment REFRESH_TOKEN_EXPIRE_DAYS"),
        (true, false, true, "3", "flag --refresh-token-expire-days"),
        (true, true, true, "3", "flag --refresh-token-expire-days"),
    ] {
        let home = Home::new();
        if in_file {
            home.write("doorward.toml", file);
        }
        let environment = if in_environment { vec![variable] } else { Vec::new() };
        let arguments = [&["config", "show"][..], if as_flag { &flag } else { &[] }].concat();
        let output = home.run_with_environment(&arguments, &environment).done();
        assert_eq!(shown(&output, "refresh_token_expire_days"), (value.to_owned(), source.to_owned()));
    }
}

#[test]
fn a_named_file_is_read_instead_and_must_be_there() {
    let home = Home::new();
    home.write("doorward.toml", "max_connections = 1");
    home.write(
        "other.toml",
        "max_connections = 2\nallowed_origins = [\"https://a.example.com\", \"https://b.example.com\"]",
    );
    let output = home.run(&["config", "show", "--config", "other.toml"]).done();
    assert_eq!(shown(&output, "max_connections").0, "2");
    assert_eq!(shown(&output, "allowed_origins").0, "https://a.example.com,https://b.example.com");
    assert!(home.run(&["config", "check", "--config", "absent.toml"]).refused().contains("absent.toml"));
}

#[test]
fn an_empty_variable_is_an_unset_one() {
    let output = Home::new().run_with_environment(&["config", "show"], &[("BIND", ""), ("METRICS_BIND", "")]).done();
    assert_eq!(shown(&output, "bind"), ("127.0.0.1:8000".to_owned(), "default".to_owned()));
    assert_eq!(shown(&output, "metrics_bind").0, "none");
}

#[test]
fn an_unknown_key_is_named_with_its_file_and_the_nearest_known_one() {
    let home = Home::new();
    home.write("doorward.toml", "refresh_token_expires_day = 1");
    let reason = home.run(&["serve"]).refused();
    for part in ["refresh_token_expires_day", "doorward.toml", "did you mean refresh_token_expire_days?"] {
        assert!(reason.contains(part), "{reason}");
    }
}

#[test]
fn all_faults_come_at_once_with_setting_source_and_remedy() {
    let home = Home::new();
    home.write("doorward.toml", "bind = \"here\"\nrate_limit_enabled = 3\n");
    let environment = [("ACCESS_TOKEN_EXPIRE_MINUTES", "0"), ("TRUSTED_PROXIES", "10.0.0.0/8, nobody")];
    let outcome = home.run_with_environment(&["config", "check", "--log-level", "loud"], &environment);
    assert_eq!(outcome.status, Some(1));
    for (line, parts) in outcome.stderr.lines().zip([
        ["bind", "file doorward.toml", "for example 127.0.0.1:8000"],
        ["access_token_expire_minutes", "environment ACCESS_TOKEN_EXPIRE_MINUTES", "from 1 to"],
        ["trusted_proxies", "environment TRUSTED_PROXIES", "\"nobody\""],
        ["rate_limit_enabled", "file doorward.toml", "neither true nor false"],
        ["log_level", "flag --log-level", "for example info"],
    ]) {
        assert!(parts.iter().all(|part| line.contains(part)), "{line}");
    }
    assert_eq!(outcome.stderr.lines().count(), 5, "{}", outcome.stderr);
}

#[test]
fn values_that_will_not_do_are_refused() {
    for (key, value) in [
        ("--bind", "localhost"),
        ("--database-url", "postgres:ada:lovelace@db/doorward"),
        ("--database-url", "mysql://x"),
        ("--database-url", "sqlite://:memory:"),
        ("--allowed-origins", "*"),
        ("--allowed-origins", "https://app.example.com/"),
        ("--allowed-origins", "app.example.com"),
        ("--log-format", "xml"),
        ("--password-hash-lanes", "0"),
        ("--password-hash-memory-kib", "9"),
        ("--password-hash-budget-mib", "1"),
        ("--max-connections", "-1"),
        ("--password-min-length", "7"),
        ("--password-min-length", "65"),
        ("--password-max-length", "63"),
        ("--password-max-length", "1025"),
        ("--session-idle-minutes", "0"),
        ("--session-absolute-days", "0"),
        ("--reauthentication-minutes", "0"),
        ("--service-name", " "),
        ("--service-name", "a:b"),
        ("--password-blocklist-enabled", "perhaps"),
    ] {
        let reason = Home::new().run(&["config", "check", key, value]).refused();
        assert!(reason.contains(&key[2..].replace('-', "_")), "{reason}");
        assert!(!reason.contains("lovelace"), "{reason}");
    }
}

#[test]
fn a_file_that_is_no_toml_is_refused_without_repeating_it() {
    let home = Home::new();
    home.write("doorward.toml", &format!("bind = \"127.0.0.1:1\"\nsecret_key = {SECRET}\n"));
    let reason = home.run(&["config", "check"]).refused();
    assert!(reason.contains("line 2") && !reason.contains("zweiundvierzig"), "{reason}");
    // What is wrong is told where it repeats nothing of the line.
    home.write("doorward.toml", "bind = \"127.0.0.1:1\"\nbind = \"127.0.0.1:2\"\n");
    assert!(home.run(&["config", "check"]).refused().contains("is not TOML in line 2: duplicate key;"));
}

#[test]
fn weak_secrets_are_refused_in_one_line_that_says_how_to_make_a_good_one() {
    let repeated = "a".repeat(64);
    for weak in ["", "secret", "31-bytes-are-not-quite-enough-!", &repeated, "abcabcabcabcabcabcabcabcabcabcabcabc"] {
        for command in [&["serve"][..], &["config", "check"], &["users", "list"]] {
            let reason = Home::new().run_with_environment(command, &[("SECRET_KEY", weak)]).refused();
            assert!(reason.contains("SECRET_KEY") && reason.contains("openssl rand -base64 48"), "{reason}");
            assert!(weak.is_empty() || weak == "secret" || !reason.contains(weak), "{reason}");
        }
    }
}

#[test]
fn weak_peppers_are_refused_like_weak_secrets() {
    let repeated = "a".repeat(64);
    for (weak, why) in
        [("", "empty"), ("secret", "fewer than 32"), (&repeated, "repeats"), (SECRET, "secret_key or sealing_key, too")]
    {
        for command in [&["serve"][..], &["config", "check"], &["users", "list"]] {
            let environment = [("PASSWORD_PEPPER", weak), ("SECRET_KEY", SECRET)];
            let reason = Home::new().run_with_environment(command, &environment).refused();
            assert!(reason.contains("PASSWORD_PEPPER") && reason.contains(why), "{reason}");
            assert!(reason.contains("openssl rand -base64 48"), "{reason}");
            assert!(weak.len() < 7 || !reason.contains(weak), "{reason}");
        }
    }
    let older = [("PASSWORD_PEPPER_PREVIOUS", "short"), ("SECRET_KEY", SECRET)];
    assert!(Home::new().run_with_environment(&["config", "check"], &older).refused().contains("fewer than 32"));
}

#[test]
fn a_secret_is_taken_from_the_file_that_a_variable_names() {
    let home = Home::new();
    home.write("secret", &format!("{SECRET}\n"));
    let named = ("SECRET_KEY_FILE", "secret");
    let output = home.run_with_environment(&["config", "show"], &[named]).done();
    assert_eq!(shown(&output, "secret_key"), ("***".to_owned(), "environment SECRET_KEY_FILE".to_owned()));
    let both = home.run_with_environment(&["config", "check"], &[named, ("SECRET_KEY", SECRET)]).refused();
    assert!(both.contains("only one"), "{both}");
    let absent = home.run_with_environment(&["config", "check"], &[("SECRET_KEY_FILE", "absent")]).refused();
    assert!(absent.contains("SECRET_KEY_FILE"), "{absent}");
}

#[test]
fn secrets_are_never_shown() {
    let home = Home::new();
    let older = format!("older-{SECRET}");
    home.write("doorward.toml", &format!("secret_key_previous = [\"{older}\"]"));
    let outcome = home.run(&["config", "show", "--secret-key", SECRET]);
    assert!(!format!("{outcome:?}").contains(SECRET));
    assert_eq!(shown(&outcome.done(), "secret_key_previous").0, "***");
}

#[test]
fn showing_and_checking_changes_nothing_on_disk() {
    let home = Home::new();
    home.run(&["config", "show"]).done();
    assert!(home.run(&["config", "check"]).done().ends_with("ok\n"));
    assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 0);
}

#[test]
fn a_secret_is_made_once_for_its_owner_only() {
    let home = Home::new();
    let mode = |name| std::fs::metadata(home.data(name)).unwrap().permissions().mode() & 0o777;
    home.serve(&[]);
    let made = std::fs::read_to_string(home.data("secret.key")).unwrap();
    assert_eq!((mode(""), mode("secret.key"), mode("doorward.db")), (0o700, 0o600, 0o600));
    home.serve(&[]);
    assert_eq!(std::fs::read_to_string(home.data("secret.key")).unwrap(), made);
}

#[test]
fn the_guide_lists_the_settings_as_they_are() {
    let escaped = |text: &str| text.replace('<', "&lt;").replace('>', "&gt;");
    let rows = SETTINGS.iter().map(|setting| {
        let default = setting.default.map_or_else(|| "none".to_owned(), |default| format!("`{default}`"));
        let help = setting.help.split(" [default").next().unwrap();
        let derived = setting.help.split_once(" [default: ").map(|(_, rest)| rest.trim_end_matches(']'));
        let default = derived.map_or(default, escaped);
        format!("| `{}` | {default} | {} |\n", setting.key, escaped(help))
    });
    let table: String = ["| setting | default | |\n| --- | --- | --- |\n".to_owned()].into_iter().chain(rows).collect();
    let guide = std::fs::read_to_string(GUIDE).unwrap();
    assert!(guide.ends_with(&table), "{GUIDE} should end with\n{table}");
}
