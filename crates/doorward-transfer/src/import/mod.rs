//! Accounts from another service: read, checked one by one, added by the thousand.
//!
//! What is wrong with a row concerns that row: it is refused with the reason, and the others go on. Ids are kept
//! when they are whole numbers. Hashes are kept as they are; the login after replaces them.

mod accounts;
mod check;
mod files;
mod table;

use std::collections::BTreeMap;
use std::io::BufRead;

use doorward::Timestamp;

use self::accounts::Accounts;
use self::check::{Account, Checks};
use crate::{Location, Progress, TransferError};

/// How many rows are checked together, and then added in one transaction.
const BATCH: usize = 1000;

/// Where accounts come from.
pub enum Input {
    /// CSV with a line of names at its head.
    Csv(Box<dyn BufRead>),
    /// A JSON object a line.
    JsonLines(Box<dyn BufRead>),
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

/// How rows are taken.
#[derive(Debug, Clone)]
pub struct ImportRules {
    /// What the input calls the fields.
    pub columns: ColumnNames,
    /// What stands in the role's column for administrators; anything else is a user then. Without any: `user` and
    /// `admin` in whatever letter case, and nothing else.
    pub admin_values: Vec<String>,
    /// Every account gets a new id.
    pub new_ids: bool,
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

/// Reads every account of `input` and adds it to the database at `to`, which may be in use.
///
/// `on_refused` is told of every row that was not taken. Twice is harmless: what is there already is refused.
///
/// # Errors
///
/// [`TransferError`]: the input or the database failed. Accounts added before stay.
pub async fn import(
    input: Input,
    to: &Location,
    rules: &ImportRules,
    on_refused: &mut dyn FnMut(&RefusedRow) -> Result<(), TransferError>,
    progress: &mut dyn Progress,
) -> Result<ImportSummary, TransferError> {
    let mut accounts = Accounts::open(to, rules.dry_run).await?;
    let mut source = Source::open(input, &rules.columns).await?;
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
    let (added, overtaken): (Vec<_>, Vec<_>) =
        free.into_iter().partition(|account| added.contains(account.email.key()));
    let reason = "an account with this id or address was made meanwhile";
    refused.extend(overtaken.iter().map(|account| RefusedRow { line: account.line, reason: reason.to_owned() }));
    Ok(added)
}

impl ImportSummary {
    fn count(&mut self, added: &[Account], refused: usize) {
        self.added += added.len() as u64;
        self.refused += refused as u64;
        for account in added {
            self.verified += u64::from(account.email_verified_at.is_some());
            match account.algorithm {
                Some(algorithm) => *self.algorithms.entry(algorithm).or_default() += 1,
                None => self.without_password += 1,
            }
        }
    }
}

/// Rows, whichever way they come.
enum Source {
    Csv(files::CsvRows),
    JsonLines(files::JsonRows),
    Table(table::TableRows),
}

impl Source {
    async fn open(input: Input, columns: &ColumnNames) -> Result<Self, TransferError> {
        Ok(match input {
            Input::Csv(reader) => Self::Csv(files::CsvRows::open(reader, columns)?),
            Input::JsonLines(reader) => Self::JsonLines(files::JsonRows::open(reader, columns)),
            Input::Postgres { url, table } => Self::Table(table::TableRows::open(&url, &table, columns).await?),
        })
    }

    const fn total(&self) -> Option<u64> {
        match self {
            Self::Table(rows) => Some(rows.total()),
            Self::Csv(_) | Self::JsonLines(_) => None,
        }
    }

    async fn next_rows(&mut self) -> Result<Vec<RawRow>, TransferError> {
        match self {
            Self::Csv(rows) => rows.next_rows(),
            Self::JsonLines(rows) => rows.next_rows(),
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
