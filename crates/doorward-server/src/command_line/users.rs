//! `users …`: accounts, as an operator handles them.

use std::str::FromStr;

use clap::{Arg, ArgMatches, Command};
use doorward::Role;

use super::{ImportTask, creating, group, leaf, moving, switch, with_settings};
use crate::settings::Scope;

/// What is to be done about accounts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UsersTask {
    /// Make an account.
    Create {
        /// Its address.
        email: String,
        /// Its role.
        role: Role,
        /// The password comes on standard input instead of being asked for.
        password_stdin: bool,
        /// The address is known to be the person's.
        verified: bool,
        /// The database is made if it isn't there.
        create: bool,
    },
    /// Make an account whose owner is sent a letter to choose the password.
    Invite {
        /// Its address.
        email: String,
        /// The person's name.
        full_name: Option<String>,
        /// Its role.
        role: Role,
    },
    /// Print every account.
    List {
        /// As JSON instead of a table.
        json: bool,
    },
    /// Print one account.
    Show(String),
    /// Switch an account off.
    Deactivate(String),
    /// Switch an account on.
    Reactivate(String),
    /// Take the address for the person's from now on.
    Verify(String),
    /// Let a login ask for the password alone.
    RemoveSecondFactor(String),
    /// Remove an account, and from its events what tells of the person.
    Erase {
        /// Its address.
        email: String,
        /// That it is meant.
        yes: bool,
    },
    /// Give an account another role.
    SetRole(String, Role),
    /// Bring accounts over from another service.
    Import(Box<ImportTask>),
}

pub(super) fn command() -> Command {
    let email = || Arg::new("email").value_name("EMAIL").required(true).help("The account's address");
    let role = || Arg::new("role").value_name("ROLE").value_parser(Role::from_str).help("user or admin");
    let create = leaf(
        "create",
        "Make an account; asks for its password without showing it",
        "Example:\n  doorward users create --email ada@example.com --role admin\n  \
         echo \"$PASSWORD\" | doorward users create --email ada@example.com --password-stdin",
    )
    .arg(email().long("email"))
    .arg(role().long("role").default_value("user"))
    .arg(switch("password-stdin", "Read the password from standard input, up to the end of its line"))
    .arg(switch("verified", "The address is known to be the person's: no letter asks to verify it"))
    .arg(creating());
    let invite = leaf(
        "invite",
        "Make an account and send its owner a letter to choose the password",
        "Example:\n  doorward users invite --email ada@example.com --full-name 'Ada Lovelace'",
    )
    .arg(email().long("email"))
    .arg(Arg::new("full-name").long("full-name").value_name("NAME").help("The person's name, for the letter"))
    .arg(role().long("role").default_value("user"));
    let list = leaf("list", "List all accounts, newest first", "Example:\n  doorward users list --json")
        .arg(switch("json", "Print JSON instead of a table"));
    let about_one =
        |name: &'static str, about: &'static str, example: &'static str| leaf(name, about, example).arg(email());
    let set_role = about_one(
        "set-role",
        "Give an account another role",
        "Example:\n  doorward users set-role ada@example.com admin",
    )
    .arg(role().required(true));
    let erase = about_one(
        "erase",
        "Remove an account for good; its events stay, without the person",
        "Example:\n  doorward users erase ada@example.com --yes",
    )
    .arg(switch("yes", "Do it: nothing brings the account back"));
    let commands = [
        create,
        invite,
        list,
        about_one("show", "Show an account", "Example:\n  doorward users show ada@example.com"),
        about_one(
            "deactivate",
            "Switch an account off and end its sessions",
            "Example:\n  doorward users deactivate ada@example.com",
        ),
        about_one(
            "reactivate",
            "Switch an account on; its old tokens stay dead",
            "Example:\n  doorward users reactivate ada@example.com",
        ),
        about_one(
            "verify",
            "Take the address of an account for its owner's, as if a letter had been answered",
            "Example:\n  doorward users verify ada@example.com",
        ),
        about_one(
            "remove-second-factor",
            "Let somebody in who has lost the authenticator and the recovery codes",
            "Example:\n  doorward users remove-second-factor ada@example.com",
        ),
        set_role,
        erase,
        moving::import_command(),
    ];
    group("users", "Make, list, change and remove accounts", "Example:\n  doorward users list")
        .subcommands(commands.map(|command| with_settings(command, Scope::Everywhere)))
}

pub(super) fn task(name: &str, leaf: &ArgMatches) -> Option<UsersTask> {
    let switched_on = |name: &str| leaf.get_flag(name);
    let email = || leaf.get_one::<String>("email").cloned();
    let role = || leaf.get_one::<Role>("role").copied();
    Some(match name {
        "create" => UsersTask::Create {
            email: email()?,
            role: role()?,
            password_stdin: switched_on("password-stdin"),
            verified: switched_on("verified"),
            create: switched_on("create"),
        },
        "invite" => UsersTask::Invite { email: email()?, full_name: leaf.get_one("full-name").cloned(), role: role()? },
        "list" => UsersTask::List { json: switched_on("json") },
        "show" => UsersTask::Show(email()?),
        "deactivate" => UsersTask::Deactivate(email()?),
        "reactivate" => UsersTask::Reactivate(email()?),
        "verify" => UsersTask::Verify(email()?),
        "remove-second-factor" => UsersTask::RemoveSecondFactor(email()?),
        "erase" => UsersTask::Erase { email: email()?, yes: switched_on("yes") },
        "set-role" => UsersTask::SetRole(email()?, role()?),
        _ => return None,
    })
}
