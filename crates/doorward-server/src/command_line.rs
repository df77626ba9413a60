//! The command line, made from the table of settings, and what it asks for.

mod audit;
mod keys;
mod mail;
mod moving;
mod users;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};

pub use audit::AuditTask;
pub use keys::KeysTask;
pub use mail::MailTask;
pub use moving::{FileFormat, ImportFrom, ImportTask, StoreCopy};
pub use users::UsersTask;

use crate::settings::{Flags, SETTINGS, Scope};

/// What was asked for.
#[derive(Debug)]
pub struct Invocation {
    /// Which command.
    pub task: Task,
    /// The settings given as flags.
    pub flags: Flags,
}

/// A command with its arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Task {
    /// `serve`
    Serve,
    /// `users …`
    Users(UsersTask),
    /// `audit …`
    Audit(AuditTask),
    /// `keys …`
    Keys(KeysTask),
    /// `mail …`
    Mail(MailTask),
    /// `backup`
    Backup {
        /// Where the copy goes.
        copy: PathBuf,
    },
    /// `healthcheck`
    Healthcheck {
        /// Whether the process answers is enough; its database may not.
        only_alive: bool,
    },
    /// `migrate`
    Migrate {
        /// Only say what would be done.
        dry_run: bool,
    },
    /// `store copy`
    StoreCopy(StoreCopy),
    /// `config show`
    ConfigShow,
    /// `config check`
    ConfigCheck,
    /// `token inspect`
    TokenInspect,
    /// `calibrate`
    Calibrate {
        /// How long one hash may take, in milliseconds.
        target_millis: u32,
        /// As JSON instead of a table.
        json: bool,
    },
}

/// Reads the command line.
///
/// # Errors
///
/// [`clap::Error`]: wrong usage, or help or version was asked for; it knows its exit status.
pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Invocation, clap::Error> {
    let matches = command().try_get_matches_from(arguments)?;
    let Some((name, matches)) = matches.subcommand() else { return Err(incomplete()) };
    let (task, leaf) = match (name, matches.subcommand()) {
        ("serve", _) => (Task::Serve, matches),
        ("audit", Some((_, leaf))) => (Task::Audit(audit::task(leaf)), leaf),
        ("keys", Some((name, leaf))) => (Task::Keys(keys::task(name, leaf).ok_or_else(incomplete)?), leaf),
        ("mail", Some((name, leaf))) => (Task::Mail(mail::task(name, leaf).ok_or_else(incomplete)?), leaf),
        ("backup", _) => (backup_task(matches)?, matches),
        ("healthcheck", _) => (Task::Healthcheck { only_alive: matches.get_flag("only-alive") }, matches),
        ("migrate", _) => (Task::Migrate { dry_run: matches.get_flag("dry-run") }, matches),
        ("store", Some((_, leaf))) => (Task::StoreCopy(moving::store_copy(leaf)?), leaf),
        ("users", Some(("import", leaf))) => (Task::Users(UsersTask::Import(Box::new(moving::import(leaf)?))), leaf),
        ("config", Some(("show", leaf))) => (Task::ConfigShow, leaf),
        ("config", Some(("check", leaf))) => (Task::ConfigCheck, leaf),
        ("token", Some((_, leaf))) => (Task::TokenInspect, leaf),
        ("calibrate", _) => (calibrate_task(matches), matches),
        ("users", Some((name, leaf))) => (Task::Users(users::task(name, leaf).ok_or_else(incomplete)?), leaf),
        _ => return Err(incomplete()),
    };
    Ok(Invocation { task, flags: flags(leaf) })
}

fn backup_task(matches: &ArgMatches) -> Result<Task, clap::Error> {
    let copy = matches.get_one::<PathBuf>("file").cloned().ok_or_else(incomplete)?;
    Ok(Task::Backup { copy })
}

fn incomplete() -> clap::Error {
    command().error(clap::error::ErrorKind::MissingSubcommand, "a command is missing")
}

/// The whole command line.
pub fn command() -> Command {
    let serving = "Example:\n  doorward serve --bind 127.0.0.1:8000 --data-dir /var/lib/doorward";
    Command::new("doorward")
        .version(env!("CARGO_PKG_VERSION"))
        .about("Password and token authentication for web backends")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .after_help("Example:\n  doorward serve\n  doorward users create --email ada@example.com --role admin")
        .subcommand(serving_command(leaf("serve", "Serve the HTTP API until SIGTERM or SIGINT", serving)))
        .subcommand(users::command())
        .subcommand(audit::command())
        .subcommand(keys::command())
        .subcommand(mail::command())
        .subcommand(with_settings(
            leaf(
                "backup",
                "Write a copy of the SQLite database, also while it is served",
                "Example:\n  doorward backup /var/backups/doorward-$(date +%F).db",
            )
            .arg(
                Arg::new("file")
                    .value_name("FILE")
                    .required(true)
                    .value_parser(value_parser!(PathBuf))
                    .help("Where the copy goes; a file that is there is left alone"),
            ),
            Scope::Everywhere,
        ))
        .subcommand(serving_command(
            leaf(
                "healthcheck",
                "Say whether the server with these settings, on this machine, can serve: exit status 0 or 1",
                "Example:\n  doorward healthcheck --bind 127.0.0.1:8000",
            )
            .arg(switch("only-alive", "Be content with a process that answers, also when its database doesn't")),
        ))
        .subcommand(with_settings(
            leaf(
                "migrate",
                "Bring the database to this version's schema",
                "Example:\n  doorward migrate --dry-run\n  doorward migrate",
            )
            .arg(switch("dry-run", "Only say what would be done")),
            Scope::Everywhere,
        ))
        .subcommand(moving::store_command())
        .subcommand(config())
        .subcommand(serving_command(calibrate()))
        .subcommand(
            group("token", "Look into tokens", "Example:\n  echo \"$TOKEN\" | doorward token inspect").subcommand(
                with_settings(
                    leaf(
                        "inspect",
                        "Read a token on standard input and say what holds and what does not",
                        "Example:\n  echo \"$TOKEN\" | doorward token inspect",
                    ),
                    Scope::Everywhere,
                ),
            ),
        )
}

fn calibrate() -> Command {
    let about = "Measure what password hashing costs here, and suggest settings";
    let example = "Example:\n  doorward calibrate --target-ms 100\n  doorward calibrate --json";
    let target = Arg::new("target-ms")
        .long("target-ms")
        .value_name("MS")
        .default_value("250")
        .value_parser(value_parser!(u32).range(1..=60_000))
        .help("How long one hash may take, in milliseconds");
    leaf("calibrate", about, example).arg(target).arg(switch("json", "Print JSON instead of a table"))
}

fn calibrate_task(matches: &ArgMatches) -> Task {
    let target_millis = matches.get_one("target-ms").copied().unwrap_or(250);
    Task::Calibrate { target_millis, json: matches.get_flag("json") }
}

fn config() -> Command {
    let show = "Print each setting, its value and where it came from; secrets as ***";
    let check = "Say whether the settings will do";
    group("config", "Show or check the settings", "Example:\n  doorward config show")
        .subcommand(serving_command(leaf("show", show, "Example:\n  doorward config show --bind 0.0.0.0:8000")))
        .subcommand(serving_command(leaf("check", check, "Example:\n  doorward config check --config doorward.toml")))
}

fn leaf(name: &'static str, about: &'static str, example: &'static str) -> Command {
    // Of a flag given twice the later wins, so that a script's defaults can be added to.
    Command::new(name).about(about).after_help(example).args_override_self(true)
}

fn group(name: &'static str, about: &'static str, example: &'static str) -> Command {
    leaf(name, about, example).subcommand_required(true).arg_required_else_help(true)
}

fn switch(name: &'static str, help: &'static str) -> Arg {
    Arg::new(name).long(name).action(ArgAction::SetTrue).help(help)
}

/// For the commands that may begin a service, when they are told to.
fn creating() -> Arg {
    switch("create", "Make the data folder and the database if they aren't there")
}

fn serving_command(command: Command) -> Command {
    with_settings(with_settings(command, Scope::Everywhere), Scope::Serving)
}

/// The command with a flag for each setting of that scope.
fn with_settings(command: Command, scope: Scope) -> Command {
    let config = Arg::new("config")
        .long("config")
        .value_name("FILE")
        .value_parser(value_parser!(PathBuf))
        .help_heading("Settings")
        .hide_short_help(true)
        .help("The settings file [default: doorward.toml, if it is there]");
    let command = if scope == Scope::Everywhere { command.arg(config) } else { command };
    command.args(SETTINGS.iter().filter(|setting| setting.scope == scope).map(|setting| {
        let default = setting.default.map_or_else(String::new, |default| format!(" [default: {default}]"));
        Arg::new(setting.key)
            .long(setting.flag())
            .value_name("VALUE")
            .allow_hyphen_values(true)
            .help_heading("Settings")
            .hide_short_help(true)
            .help(format!("{}{default}", setting.help))
    }))
}

fn flags(leaf: &ArgMatches) -> Flags {
    let text = |key: &str| leaf.try_get_one::<String>(key).ok().flatten();
    let given = |key: &'static str| text(key).map(|value| (key, value.as_str().into()));
    Flags {
        config: leaf.try_get_one::<PathBuf>("config").ok().flatten().cloned(),
        values: SETTINGS.iter().filter_map(|setting| given(setting.key)).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        command().debug_assert();
    }

    #[test]
    fn every_help_has_an_example() {
        fn walk(command: &Command) {
            let example = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(example.starts_with("Example:\n  "), "{} has no example", command.get_name());
            command.get_subcommands().for_each(walk);
        }
        walk(&command());
    }
}
