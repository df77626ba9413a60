//! Accounts from another service: read, checked one by one, added by the thousand.
//!
//! What is wrong with a row concerns that row: it is refused with the reason, and the others go on. Ids are kept
//! when they are whole numbers. Hashes are kept as they are; the login after replaces them.

mod accounts;
mod check;
mod files;
mod services;
mod table;

use std::collections::BTreeMap;
use std::io::BufRead;

use doorward::{Timestamp, UserId};

use self::accounts::Accounts;
use self::check::{Account, Checks};
pub use self::services::{FirebaseParameters, Service};
use crate::{Location, Progress, TransferError};

/// How many rows are checked together, and then added in one transaction.
const BATCH: usize = 1000;

/// Where accounts come from.
pub enum Input {
    /// CSV with a line of names at its head.
    Csv(Box<dyn BufRead>),
    /// A JSON object a line.
    JsonLines(Box<dyn BufRead>),
    /// One JSON document with a list `users`.
    Document(Box<dyn BufRead>),
    /// A table of another application.
    Postgres {
        /// Its database.
        url: String,
        /// Its name, or `schema.name`.
        table: String,
    },
}

impl std::fmt::Debug for Input {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::Csv(_) => "Csv(…)",
            Self::JsonLines(_) => "JsonLines(…)",
            Self::Document(_) => "Document(…)",
            Self::Postgres { .. } => "Postgres(…)",
        })
    }
}

/// What the input calls the fields of an account. `None`: the first of the usual names that it has.
#[derive(Debug, Clone, Default)]
pub struct ColumnNames {
    /// The id.
    pub id: Option<String>,
    /// The address.
    pub email: Option<String>,
    /// The password's hash.
    pub hash: Option<String>,
    /// The role.
    pub role: Option<String>,
    /// Whether the account is active.
    pub active: Option<String>,
    /// When it was made.
    pub created: Option<String>,
    /// The person's name.
    pub name: Option<String>,
    /// Whether the address was verified, or when.
    pub verified: Option<String>,
}

/// How an account is read out of a row.
#[derive(Debug, Clone)]
pub enum Reading {
    /// By the names of its fields.
    Columns(ColumnNames),
    /// As that service writes it, at that moment.
    Service(Service, Timestamp),
}

/// How rows are taken.
#[derive(Debug, Clone)]
pub struct ImportRules {
    /// How they are read.
    pub reading: Reading,
    /// What stands in the role's column for administrators; anything else is a user then. Without any: `user` and
    /// `admin` in whatever letter case, and nothing else.
    pub admin_values: Vec<String>,
    /// Every account gets a new id.
    pub new_ids: bool,
    /// Accounts whose hash can't be kept come without one: their owners are to choose another password.
    pub must_change_password: bool,
    /// Everything but the writing is done.
    pub dry_run: bool,
    /// When accounts were made of which that is not known.
    pub now: Timestamp,
}

/// What came of an import.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ImportSummary {
    /// Accounts that were added, or in a dry run would have been.
    pub added: u64,
    /// Rows that were not.
    pub refused: u64,
    /// Of those added, how many have a verified address.
    pub verified: u64,
    /// Of those added, how many have no password that fits.
    pub without_password: u64,
    /// Of those added, how many whose hash could not be kept.
    pub without_hash: u64,
    /// Those, by their ids; none in a dry run.
    pub must_change: Vec<UserId>,
    /// Of those added, how many hashes of which algorithm.
    pub algorithms: BTreeMap<&'static str, u64>,
    /// Whether new ids were given, because none were there, or none that are whole numbers, or it was asked for.
    pub new_ids: bool,
}

/// A row that was not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedRow {
    /// Its line in the file, its number in the table.
    pub line: u64,
    /// Why. Never repeats what the row holds.
    pub reason: String,
}

/// A row as it was read, all fields as text.
#[derive(Debug, Default)]
struct Fields {
    id: Option<String>,
    email: Option<String>,
    hash: Option<String>,
    role: Option<String>,
    active: Option<String>,
    created: Option<String>,
    name: Option<String>,
    verified: Option<String>,
}

/// A row, or why it can't be read.
struct RawRow {
    line: u64,
    fields: Result<Fields, String>,
}

/// Told of every row that was not taken.
pub type OnRefused<'a> = &'a mut dyn FnMut(&RefusedRow) -> Result<(), TransferError>;
/// Told of every account that was added.
pub type OnAdded<'a> = &'a mut dyn FnMut(&AddedAccount<'_>) -> Result<(), TransferError>;

/// An account that was added.
#[derive(Debug, Clone, Copy)]
pub struct AddedAccount<'a> {
    /// Its id before, as it was spelled.
    pub old_id: Option<&'a str>,
    /// The one that it has now.
    pub id: UserId,
    /// Its address.
    pub email: &'a str,
}

/// Reads every account of `input` and adds it to the database at `to`, which may be in use.
///
/// `on_refused` is told of every row that was not taken, `on_added` of every account that was added: its id before, as it
/// was spelled, the one that it has, and its address. Twice is harmless: what is there already is refused.
///
/// # Errors
///
/// [`TransferError`]: the input or the database failed. Accounts added before stay.
pub async fn import(
    input: Input,
    to: &Location,
    rules: &ImportRules,
    (on_refused, on_added): (OnRefused<'_>, OnAdded<'_>),
    progress: &mut dyn Progress,
) -> Result<ImportSummary, TransferError> {
    let mut accounts = Accounts::open(to, rules.dry_run).await?;
    let mut source = Source::open(input, &rules.reading).await?;
    let mut checks = Checks::new(rules);
    let mut summary = ImportSummary::default();
    progress.begin(if rules.dry_run { "checking accounts" } else { "importing accounts" }, source.total());
    loop {
        let rows = source.next_rows().await?;
        if rows.is_empty() {
            break;
        }
        let mut refused = Vec::new();
        let candidates = checks.check(rows, &mut refused);
        let added = add(&mut accounts, candidates, rules.dry_run, &mut refused).await?;
        refused.sort_by_key(|row| row.line);
        refused.iter().try_for_each(&mut *on_refused)?;
        for account in &added {
            let Some(id) = account.id.filter(|_| !rules.dry_run) else { continue };
            summary.must_change.extend(account.must_change.then_some(id));
            on_added(&AddedAccount { old_id: account.old_id.as_deref(), id, email: account.email.as_str() })?;
        }
        summary.count(&added, refused.len());
        progress.reach(summary.added + summary.refused);
    }
    progress.end();
    summary.new_ids = checks.gives_new_ids();
    Ok(summary)
}

/// Adds those whose id and address are free.
async fn add(
    accounts: &mut Accounts,
    candidates: Vec<Account>,
    dry_run: bool,
    refused: &mut Vec<RefusedRow>,
) -> Result<Vec<Account>, TransferError> {
    let taken = accounts.taken(&candidates).await?;
    let mut free = Vec::with_capacity(candidates.len());
    for account in candidates {
        let reason = if taken.emails.contains(account.email.key()) {
            Some("an account has this address already")
        } else if account.id.is_some_and(|id| taken.ids.contains(&id.value())) {
            Some("an account has this id already")
        } else {
            None
        };
        match reason {
            Some(reason) => refused.push(RefusedRow { line: account.line, reason: reason.to_owned() }),
            None => free.push(account),
        }
    }
    if dry_run || free.is_empty() {
        return Ok(free);
    }
    let added = accounts.add(&free).await?;
    let (mut accounts, overtaken): (Vec<_>, Vec<_>) =
        free.into_iter().partition(|account| added.contains_key(account.email.key()));
    for account in &mut accounts {
        account.id = added.get(account.email.key()).copied();
    }
    let reason = "an account with this id or address was made meanwhile";
    refused.extend(overtaken.iter().map(|account| RefusedRow { line: account.line, reason: reason.to_owned() }));
    Ok(accounts)
}

impl ImportSummary {
    fn count(&mut self, added: &[Account], refused: usize) {
        self.added += added.len() as u64;
        self.refused += refused as u64;
        for account in added {
            self.verified += u64::from(account.email_verified_at.is_some());
            self.without_hash += u64::from(account.must_change);
            match account.algorithm {
                Some(algorithm) => *self.algorithms.entry(algorithm).or_default() += 1,
                None if account.must_change => {}
                None => self.without_password += 1,
            }
        }
    }
}

/// Rows, whichever way they come.
enum Source {
    Csv(files::CsvRows),
    JsonLines(files::JsonRows),
    Document(files::DocumentRows),
    Table(table::TableRows),
}

impl Source {
    async fn open(input: Input, reading: &Reading) -> Result<Self, TransferError> {
        Ok(match input {
            Input::Csv(reader) => Self::Csv(files::CsvRows::open(reader, reading)?),
            Input::Document(reader) => Self::Document(files::DocumentRows::open(reader, reading)?),
            Input::JsonLines(reader) => Self::JsonLines(files::JsonRows::open(reader, reading)),
            Input::Postgres { url, table } => Self::Table(table::TableRows::open(&url, &table, reading).await?),
        })
    }

    fn total(&self) -> Option<u64> {
        match self {
            Self::Document(rows) => Some(rows.total()),
            Self::Table(rows) => Some(rows.total()),
            Self::Csv(_) | Self::JsonLines(_) => None,
        }
    }

    async fn next_rows(&mut self) -> Result<Vec<RawRow>, TransferError> {
        match self {
            Self::Csv(rows) => rows.next_rows(),
            Self::JsonLines(rows) => rows.next_rows(),
            Self::Document(rows) => Ok(rows.next_rows()),
            Self::Table(rows) => rows.next_rows().await,
        }
    }
}

/// The usual names of each field, the likeliest first.
mod usual {
    pub(super) const ID: &[&str] = &["id", "user_id"];
    pub(super) const EMAIL: &[&str] = &["email", "email_address", "mail"];
    pub(super) const HASH: &[&str] = &["password_hash", "hashed_password", "hash", "password"];
    pub(super) const ROLE: &[&str] = &["role"];
    pub(super) const ACTIVE: &[&str] = &["is_active", "active"];
    pub(super) const CREATED: &[&str] = &["created_at", "date_joined", "created"];
    pub(super) const NAME: &[&str] = &["full_name", "name"];
    pub(super) const VERIFIED: &[&str] =
        &["email_verified", "is_verified", "email_verified_at", "email_confirmed_at", "verified"];
}

/// How the rows of an input with names at its head are read.
enum Shape {
    Columns(Places),
    Service(Service, Timestamp, Vec<String>),
}

impl Shape {
    fn find(names: &[String], reading: &Reading) -> Result<Self, TransferError> {
        match reading {
            Reading::Columns(columns) => Places::find(names, columns).map(Self::Columns),
            Reading::Service(service, now) => {
                if let Some(missing) = service.needed().iter().find(|name| !names.iter().any(|other| other == **name)) {
                    return Err(no_column(&format!("named {missing}"), names));
                }
                Ok(Self::Service(service.clone(), *now, names.to_vec()))
            }
        }
    }

    /// Where ids are.
    fn id(&self) -> Option<usize> {
        match self {
            Self::Columns(places) => places.id,
            Self::Service(_, _, names) => names.iter().position(|name| name == "id"),
        }
    }

    fn fields(&self, value: impl Fn(usize) -> Option<String>) -> Result<Fields, String> {
        match self {
            Self::Columns(places) => Ok(places.fields(value)),
            Self::Service(service, now, names) => {
                let find = |name: &str| names.iter().position(|other| other == name).and_then(&value);
                service.fields(&find, *now)
            }
        }
    }
}

/// Where each field is among the names of an input; address and hash must be there.
struct Places {
    id: Option<usize>,
    email: usize,
    hash: usize,
    role: Option<usize>,
    active: Option<usize>,
    created: Option<usize>,
    name: Option<usize>,
    verified: Option<usize>,
}

impl Places {
    fn find(names: &[String], columns: &ColumnNames) -> Result<Self, TransferError> {
        let at = |name: &str| names.iter().position(|other| other == name);
        let find = |asked: &Option<String>, usual: &[&str]| match asked {
            Some(name) => at(name).map(Some).ok_or_else(|| no_column(&format!("named {name}"), names)),
            None => Ok(usual.iter().find_map(|name| at(name))),
        };
        let needed = |place: Option<usize>, what: &str| place.ok_or_else(|| no_column(what, names));
        Ok(Self {
            id: find(&columns.id, usual::ID)?,
            email: needed(find(&columns.email, usual::EMAIL)?, "of addresses (--email-column)")?,
            hash: needed(find(&columns.hash, usual::HASH)?, "of hashes (--hash-column)")?,
            role: find(&columns.role, usual::ROLE)?,
            active: find(&columns.active, usual::ACTIVE)?,
            created: find(&columns.created, usual::CREATED)?,
            name: find(&columns.name, usual::NAME)?,
            verified: find(&columns.verified, usual::VERIFIED)?,
        })
    }

    fn fields(&self, value: impl Fn(usize) -> Option<String>) -> Fields {
        let optional = |place: Option<usize>| place.and_then(&value);
        Fields {
            id: optional(self.id),
            email: value(self.email),
            hash: value(self.hash),
            role: optional(self.role),
            active: optional(self.active),
            created: optional(self.created),
            name: optional(self.name),
            verified: optional(self.verified),
        }
    }
}

fn no_column(what: &str, names: &[String]) -> TransferError {
    TransferError::Input(format!("the input has no column {what}; it has {}", names.join(", ")))
}
