//! `store copy` and `users import`: what moves many accounts at once.

use std::path::PathBuf;

use clap::error::ErrorKind;
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use doorward_transfer::import::{ColumnNames, Service};

use super::{creating, group, leaf, switch, with_settings};
use crate::settings::{Database, Scope};

/// What `store copy` is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreCopy {
    /// The source; `None`: the database of the settings.
    pub from: Option<Database>,
    /// The target; `None`: the database of the settings.
    pub to: Option<Database>,
    /// What an unfinished copy has brought is removed first.
    pub start_over: bool,
}

/// What `users import` is to do.
#[derive(Debug, Clone)]
pub struct ImportTask {
    /// Where accounts come from.
    pub from: ImportFrom,
    /// What the input calls the fields of an account.
    pub columns: ColumnNames,
    /// The service that the input is of, by its name, instead.
    pub service: Option<String>,
    /// Where the hash parameters of a Firebase project stand.
    pub firebase_config: Option<PathBuf>,
    /// What stands for administrators.
    pub admin_values: Vec<String>,
    /// Nobody keeps an id.
    pub new_ids: bool,
    /// Whose hash can't be kept is to choose another password.
    pub must_change_password: bool,
    /// Where old and new ids are written.
    pub id_map: Option<PathBuf>,
    /// Everything but the writing is done.
    pub dry_run: bool,
    /// The database is made if it isn't there.
    pub create: bool,
    /// Where every refused row is written.
    pub report: Option<PathBuf>,
}

/// What stands in a file of accounts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileFormat {
    /// CSV.
    Csv,
    /// JSON lines.
    JsonLines,
    /// One JSON document.
    Document,
}

/// Where accounts come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ImportFrom {
    /// A file, or standard input when it is `-`.
    File {
        /// Its path.
        path: PathBuf,
        /// What stands in it.
        format: FileFormat,
    },
    /// A table of another application.
    Table {
        /// Its database, or the file that holds the database's URL.
        database: Result<Database, PathBuf>,
        /// Its name.
        table: String,
    },
}

impl PartialEq for ImportTask {
    fn eq(&self, other: &Self) -> bool {
        self.from == other.from && self.dry_run == other.dry_run && self.report == other.report
    }
}

impl Eq for ImportTask {}

pub(super) fn store_command() -> Command {
    let copy = leaf(
        "copy",
        "Copy everything to another database that is empty; one of --from and --to may be left to database_url",
        "Example:\n  doorward store copy --from sqlite:///var/lib/doorward/doorward.db --to postgres://doorward@db/doorward\n  \
         DATABASE_URL_FILE=/run/secrets/db doorward store copy --from sqlite:///var/lib/doorward/doorward.db",
    )
    .arg(url("from", "The database that is copied; nobody may be using it"))
    .arg(url("to", "The database that is filled; its tables are made if need be"))
    .arg(switch("start-over", "Remove what an unfinished copy has brought, and begin again"));
    group("store", "Move what is stored", "Example:\n  doorward store copy --help")
        .subcommand(with_settings(copy, Scope::Everywhere))
}

pub(super) fn import_command() -> Command {
    let file = Arg::new("file").value_name("FILE").value_parser(value_parser!(PathBuf));
    let format = Arg::new("format").long("format").value_name("FORMAT").value_parser(["csv", "jsonl"]);
    let report = Arg::new("report").long("report").value_name("FILE").value_parser(value_parser!(PathBuf));
    let admin = Arg::new("admin-value").long("admin-value").value_name("VALUE").action(ArgAction::Append);
    let url_file = Arg::new("from-postgres-file").long("from-postgres-file").value_name("FILE");
    leaf(
        "import",
        "Bring accounts over from another service: ids, roles, states and password hashes",
        "Example:\n  doorward users import users.csv --dry-run\n  doorward users import realm.json --from keycloak --id-map ids.csv\n  \
         doorward users import --from-postgres postgres://app@db/app --table users --admin-value ADMIN --report refused.csv",
    )
    .arg(file.help("CSV with a line of names at its head, or a JSON object a line; - for standard input"))
    .arg(format.help("What FILE is [default: by its ending]"))
    .arg(
        Arg::new("from")
            .long("from")
            .value_name("NAME")
            .value_parser(Service::NAMES)
            .conflicts_with_all(COLUMNS.map(|(name, _)| name))
            .help("Read what that service exports, or its table"),
    )
    .arg(
        Arg::new("firebase-config")
            .long("firebase-config")
            .value_name("FILE")
            .value_parser(value_parser!(PathBuf))
            .help("With --from firebase: the project's hash_config { … }, as its console shows it"),
    )
    .arg(url("from-postgres", "The database of the other service, in PostgreSQL").conflicts_with("file"))
    .arg(
        url_file
            .value_parser(value_parser!(PathBuf))
            .conflicts_with_all(["file", "from-postgres"])
            .help("The same, its URL read from a file: one on the command line is seen by everybody on the machine"),
    )
    .arg(named("table", "The table of accounts, or SCHEMA.TABLE [default: users, or that of --from]"))
    .args(COLUMNS.map(|(name, help)| named(name, help)))
    .arg(admin.help("What stands in the role's column for administrators; all others become users. May be repeated"))
    .arg(switch("new-ids", "Give every account a new id"))
    .arg(
        Arg::new("id-map")
            .long("id-map")
            .value_name("FILE")
            .value_parser(value_parser!(PathBuf))
            .help("Write every account's old and new id and its address to this file, as CSV"),
    )
    .arg(switch(
        "must-change-password",
        "Bring accounts over whose hash can't be kept, without it, and send their owners a letter",
    ))
    .arg(switch("dry-run", "Do everything but write"))
    .arg(creating())
    .arg(report.help("Write every refused row's line and reason to this file, as CSV"))
}

const COLUMNS: [(&str, &str); 8] = [
    ("id-column", "The column of ids [default: id, user_id]"),
    ("email-column", "The column of addresses [default: email, email_address, mail]"),
    ("hash-column", "The column of password hashes [default: password_hash, hashed_password, hash, password]"),
    ("role-column", "The column of roles [default: role]"),
    ("active-column", "The column that says who is active [default: is_active, active]"),
    ("created-column", "The column that says since when [default: created_at, date_joined, created]"),
    ("name-column", "The column of people's names [default: full_name, name]"),
    (
        "verified-column",
        "The column that says whether the address was verified, or when [default: email_verified, is_verified, \
         email_verified_at, email_confirmed_at, verified]",
    ),
];

fn named(name: &'static str, help: &'static str) -> Arg {
    Arg::new(name).long(name).value_name("NAME").help(help)
}

/// Read by [`database`], not by clap, which would repeat what it refuses.
fn url(name: &'static str, help: &'static str) -> Arg {
    Arg::new(name).long(name).value_name("URL").help(help)
}

pub(super) fn store_copy(leaf: &ArgMatches) -> Result<StoreCopy, clap::Error> {
    let copy =
        StoreCopy { from: database(leaf, "from")?, to: database(leaf, "to")?, start_over: leaf.get_flag("start-over") };
    if copy.from.is_none() && copy.to.is_none() {
        return Err(misused("name the source with --from, the target with --to, or both"));
    }
    Ok(copy)
}

pub(super) fn import(leaf: &ArgMatches) -> Result<ImportTask, clap::Error> {
    let text = |name: &str| leaf.get_one::<String>(name).cloned();
    Ok(ImportTask {
        from: import_from(leaf)?,
        columns: ColumnNames {
            id: text("id-column"),
            email: text("email-column"),
            hash: text("hash-column"),
            role: text("role-column"),
            active: text("active-column"),
            created: text("created-column"),
            name: text("name-column"),
            verified: text("verified-column"),
        },
        admin_values: leaf.get_many("admin-value").into_iter().flatten().cloned().collect(),
        service: text("from"),
        firebase_config: leaf.get_one::<PathBuf>("firebase-config").cloned(),
        new_ids: leaf.get_flag("new-ids"),
        must_change_password: leaf.get_flag("must-change-password"),
        id_map: leaf.get_one::<PathBuf>("id-map").cloned(),
        dry_run: leaf.get_flag("dry-run"),
        create: leaf.get_flag("create"),
        report: leaf.get_one::<PathBuf>("report").cloned(),
    })
}

fn import_from(leaf: &ArgMatches) -> Result<ImportFrom, clap::Error> {
    let service = leaf.get_one::<String>("from").map(String::as_str);
    if (service == Some("firebase")) != leaf.contains_id("firebase-config") {
        return Err(misused("--from firebase and --firebase-config go together"));
    }
    let of_service = service.and_then(Service::table_of);
    let table = leaf.get_one::<String>("table").cloned().unwrap_or_else(|| of_service.unwrap_or("users").to_owned());
    if let Some(file) = leaf.get_one::<PathBuf>("from-postgres-file") {
        return Ok(ImportFrom::Table { database: Err(file.clone()), table });
    }
    match database(leaf, "from-postgres")? {
        Some(database @ Database::Postgres(_)) => return Ok(ImportFrom::Table { database: Ok(database), table }),
        Some(Database::Sqlite(_)) => return Err(misused("--from-postgres begins with postgres://")),
        None => {}
    }
    let path =
        leaf.get_one::<PathBuf>("file").ok_or_else(|| misused("name a FILE, or a database with --from-postgres"))?;
    let format = leaf.get_one::<String>("format").map(String::as_str);
    let ending = path.extension().and_then(|ending| ending.to_str());
    let format = match format.or(ending) {
        _ if service.is_some_and(Service::has_documents) => FileFormat::Document,
        Some("csv") => FileFormat::Csv,
        Some("jsonl" | "ndjson") => FileFormat::JsonLines,
        // What Auth0 calls its lines.
        Some("json") if service == Some("auth0") => FileFormat::JsonLines,
        _ => return Err(misused("the name of FILE ends neither in .csv nor in .jsonl: say what it is with --format")),
    };
    Ok(ImportFrom::File { path: path.clone(), format })
}

fn database(leaf: &ArgMatches, name: &str) -> Result<Option<Database>, clap::Error> {
    let parsed = leaf.get_one::<String>(name).map(|text| Database::parse(text));
    parsed.transpose().map_err(|problem| misused(&format!("--{name} {problem}")))
}

fn misused(problem: &str) -> clap::Error {
    super::command().error(ErrorKind::ValueValidation, problem)
}
