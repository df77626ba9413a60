//! Whether a row is an account.

use std::collections::HashMap;

use doorward::password::PasswordHash;
use doorward::user::UserId;
use doorward::{EmailAddress, Role, Timestamp};
use uuid::Uuid;

use super::{Fields, ImportRules, RawRow, Reading, RefusedRow};

/// The longest name of a person, in characters.
const MAX_NAME: usize = 256;

/// An account that may be added if its id and address are free.
#[derive(Debug)]
pub(super) struct Account {
    pub(super) line: u64,
    /// As it was spelled, for whoever keeps it elsewhere.
    pub(super) old_id: Option<String>,
    /// `None`: a new one.
    pub(super) id: Option<UserId>,
    pub(super) email: EmailAddress,
    pub(super) full_name: Option<String>,
    pub(super) role: Role,
    pub(super) is_active: bool,
    pub(super) hash: PasswordHash,
    /// Of the hash; `None` when no password fits.
    pub(super) algorithm: Option<&'static str>,
    /// Whether its hash could not be kept, and another password is to be chosen.
    pub(super) must_change: bool,
    pub(super) created_at: Timestamp,
    pub(super) email_verified_at: Option<Timestamp>,
}

/// Whether ids are kept. The first row decides for all: ids given to some rows could be those of later ones.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ids {
    Undecided,
    Kept,
    New,
}

/// What is known of the rows so far.
pub(super) struct Checks<'a> {
    rules: &'a ImportRules,
    ids: Ids,
    seen_emails: HashMap<String, u64>,
    seen_ids: HashMap<i64, u64>,
}

impl<'a> Checks<'a> {
    pub(super) fn new(rules: &'a ImportRules) -> Self {
        let has_names = matches!(&rules.reading, Reading::Service(service, _) if service.names_accounts());
        let ids = if rules.new_ids || has_names { Ids::New } else { Ids::Undecided };
        Self { rules, ids, seen_emails: HashMap::new(), seen_ids: HashMap::new() }
    }

    pub(super) fn gives_new_ids(&self) -> bool {
        self.ids == Ids::New
    }

    /// Those of the rows that are accounts; the others become refused ones.
    pub(super) fn check(&mut self, rows: Vec<RawRow>, refused: &mut Vec<RefusedRow>) -> Vec<Account> {
        let mut accounts = Vec::with_capacity(rows.len());
        for RawRow { line, fields } in rows {
            match fields.and_then(|fields| self.account(line, &fields)) {
                Ok(account) => accounts.push(account),
                Err(reason) => refused.push(RefusedRow { line, reason }),
            }
        }
        accounts
    }

    fn account(&mut self, line: u64, fields: &Fields) -> Result<Account, String> {
        let id = self.id(present(fields.id.as_deref()))?;
        let email = present(fields.email.as_deref()).ok_or("there is no address")?;
        let email = EmailAddress::parse(email).map_err(|invalid| invalid.reason().to_owned())?;
        let (hash, algorithm, must_change) = match hash(present(fields.hash.as_deref())) {
            Ok((hash, algorithm)) => (hash, algorithm, false),
            Err(_) if self.rules.must_change_password => (PasswordHash::unusable(), None, true),
            Err(reason) => return Err(reason),
        };
        let account = Account {
            line,
            old_id: present(fields.id.as_deref()).map(str::to_owned),
            id,
            full_name: full_name(present(fields.name.as_deref()))?,
            role: self.role(present(fields.role.as_deref()))?,
            is_active: active(present(fields.active.as_deref()))?,
            hash,
            algorithm,
            must_change,
            created_at: created(present(fields.created.as_deref()), self.rules.now)?,
            email_verified_at: verified(present(fields.verified.as_deref()), self.rules.now)?,
            email,
        };
        // Last, so that a refused row keeps nobody out.
        if let Some(earlier) = self.seen_emails.get(account.email.key()) {
            return Err(format!("line {earlier} has the same address"));
        }
        if let Some(earlier) = id.and_then(|id| self.seen_ids.get(&id.value())) {
            return Err(format!("line {earlier} has the same id"));
        }
        self.seen_emails.insert(account.email.key().to_owned(), line);
        self.seen_ids.extend(id.map(|id| (id.value(), line)));
        Ok(account)
    }

    fn id(&mut self, text: Option<&str>) -> Result<Option<UserId>, String> {
        if self.ids == Ids::Undecided {
            let is_other = text.is_none_or(|text| Uuid::try_parse(text).is_ok());
            self.ids = if is_other { Ids::New } else { Ids::Kept };
        }
        match (self.ids, text) {
            (Ids::New, _) => Ok(None),
            (_, None) => Err("there is no id, although rows before it had one".to_owned()),
            (_, Some(text)) => {
                // The highest leaves room for accounts to come.
                let id = text.parse().ok().filter(|id: &UserId| id.value() < i64::MAX / 2);
                id.map(Some).ok_or_else(|| "the id is not a positive whole number (--new-ids gives others)".to_owned())
            }
        }
    }

    fn role(&self, text: Option<&str>) -> Result<Role, String> {
        let Some(text) = text else { return Ok(Role::User) };
        if !self.rules.admin_values.is_empty() {
            let is_admin = self.rules.admin_values.iter().any(|value| value == text);
            return Ok(if is_admin { Role::Admin } else { Role::User });
        }
        let known = text.to_lowercase().parse().ok();
        known.ok_or_else(|| "the role is neither user nor admin (--admin-value names the administrators')".to_owned())
    }
}

fn present(text: Option<&str>) -> Option<&str> {
    text.map(str::trim).filter(|text| !text.is_empty())
}

/// The hash to store and its algorithm. Without one there is an account that nobody gets into by a password.
fn hash(text: Option<&str>) -> Result<(PasswordHash, Option<&'static str>), String> {
    let Some(text) = text else { return Ok((PasswordHash::unusable(), None)) };
    if !text.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ') {
        return Err("the hash has characters that no hash has".to_owned());
    }
    let hash = PasswordHash::from_stored(text);
    match hash.algorithm() {
        Ok(Some(algorithm)) => Ok((hash, Some(algorithm))),
        Ok(None) => Ok((PasswordHash::unusable(), None)),
        Err(unreadable) => {
            Err(format!("{unreadable} (--must-change-password brings such accounts over and sends a letter)"))
        }
    }
}

fn full_name(text: Option<&str>) -> Result<Option<String>, String> {
    match text {
        Some(text) if text.chars().count() > MAX_NAME => Err(format!("the name is longer than {MAX_NAME} characters")),
        Some(text) if text.chars().any(char::is_control) => Err("the name has control characters".to_owned()),
        other => Ok(other.map(str::to_owned)),
    }
}

fn active(text: Option<&str>) -> Result<bool, String> {
    let Some(text) = text else { return Ok(true) };
    truth(text).ok_or_else(|| "whether it is active is neither true nor false".to_owned())
}

pub(super) fn truth(text: &str) -> Option<bool> {
    match text.to_lowercase().as_str() {
        "true" | "t" | "1" | "yes" | "y" => Some(true),
        "false" | "f" | "0" | "no" | "n" => Some(false),
        _ => None,
    }
}

/// A truth, or the moment at which it became one. Of a mere truth the moment is that of the import.
fn verified(text: Option<&str>, now: Timestamp) -> Result<Option<Timestamp>, String> {
    let Some(text) = text else { return Ok(None) };
    match truth(text) {
        Some(is_verified) => Ok(is_verified.then_some(now)),
        None => moment(text)
            .map(Some)
            .ok_or_else(|| "whether the address is verified is neither true nor false nor a moment".to_owned()),
    }
}

/// Seconds since 1970, or a date and a time; without an offset they are taken for UTC.
fn created(text: Option<&str>, now: Timestamp) -> Result<Timestamp, String> {
    let Some(text) = text else { return Ok(now) };
    let unreadable = "when it was made is neither a date with a time nor seconds since 1970";
    moment(text).ok_or_else(|| unreadable.to_owned())
}

pub(super) fn moment(text: &str) -> Option<Timestamp> {
    let moment = if let Ok(seconds) = text.parse::<i64>() {
        jiff::Timestamp::from_second(seconds).ok()
    } else if let Ok(moment) = text.parse::<jiff::Timestamp>() {
        Some(moment)
    } else {
        let civil = text.parse::<jiff::civil::DateTime>().ok();
        civil.and_then(|civil| civil.to_zoned(jiff::tz::TimeZone::UTC).ok()).map(|zoned| zoned.timestamp())
    };
    moment.map(|moment| Timestamp::from_micros(moment.as_microsecond()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::import::ColumnNames;

    fn rules() -> ImportRules {
        let (columns, now) = (ColumnNames::default(), Timestamp::from_seconds(7));
        let reading = Reading::Columns(columns);
        let (new_ids, must_change_password, dry_run) = (false, false, false);
        ImportRules { reading, admin_values: Vec::new(), new_ids, must_change_password, dry_run, now }
    }

    #[test]
    fn moments_are_read_as_databases_write_them() {
        let read = |text| created(Some(text), Timestamp::from_seconds(7)).map(Timestamp::micros);
        let expected = Ok(1_704_164_645_250_000);
        for text in [
            "2024-01-02T03:04:05.25Z",
            "2024-01-02 03:04:05.25+00",
            "2024-01-02 05:04:05.25+02:00",
            "2024-01-02 03:04:05.25",
            "2024-01-02T03:04:05.250000",
        ] {
            assert_eq!(read(text), expected, "{text}");
        }
        assert_eq!(read("1704164645"), Ok(1_704_164_645_000_000));
        assert_eq!(read("2024-01-02"), Ok(1_704_153_600_000_000));
        assert!(read("yesterday").is_err());
        assert!(read("99999999999999999999").is_err());
    }

    #[test]
    fn an_address_is_verified_by_a_truth_or_a_moment() {
        let now = Timestamp::from_seconds(7);
        let read = |text| verified(text, now);
        for unverified in [None, Some("false"), Some("F"), Some("0")] {
            assert_eq!(read(unverified), Ok(None), "{unverified:?}");
        }
        for truth in ["true", "t", "1", "Yes"] {
            assert_eq!(read(Some(truth)), Ok(Some(now)), "{truth}");
        }
        let moment = Some(Timestamp::from_seconds(1_704_164_645));
        assert_eq!(read(Some("2024-01-02 03:04:05+00")), Ok(moment));
        assert_eq!(read(Some("1704164645")), Ok(moment));
        assert!(read(Some("perhaps")).is_err());
    }

    #[test]
    fn the_first_row_decides_about_ids() {
        let rules = rules();
        let mut kept = Checks::new(&rules);
        assert_eq!(kept.id(Some("7")), Ok(UserId::new(7)));
        for other in [None, Some("0"), Some("-1"), Some("1.0"), Some("9223372036854775807"), Some("x")] {
            assert!(kept.id(other).is_err(), "{other:?}");
        }
        for first in [None, Some("0b5e7a54-3c1d-4f7e-9a7c-2f6d1c8e4b90")] {
            let mut given = Checks::new(&rules);
            assert_eq!(given.id(first), Ok(None));
            assert_eq!(given.id(Some("7")), Ok(None));
            assert!(given.gives_new_ids());
        }
    }

    proptest! {
        #[test]
        fn no_field_makes_it_panic(text in "\\PC{0,40}", other in "[0-9TZ:. +-]{0,30}") {
            let rules = rules();
            let some = |text: &String| Some(text.clone());
            let fields = Fields {
                id: some(&other), email: some(&text), hash: some(&text), role: some(&text), active: some(&text),
                created: some(&other), name: some(&text), verified: some(&other),
            };
            let _ = Checks::new(&rules).account(1, &fields);
            let _ = created(Some(&other), rules.now);
            let _ = hash(Some(&text));
        }
    }
}
