//! Accounts, and what is done to one in one step: written anew or removed, if it still is as it was read.

use doorward::account::{Account, Amended, Amendment, Erasure, SessionChange};
use doorward::clock::Timestamp;
use doorward::revocation::EndingKind;
use doorward::second_factor::SecondFactor;
use doorward::session::EndReason;
use doorward::ticket;
use doorward::user::UserId;
use rusqlite::{Connection, named_params};

use crate::error::Fault;
use crate::{endings, events, outbox, rows, sessions};

const FIND: &str = "
    SELECT id, email, email_key, full_name, role, is_active, email_verified_at, created_at,
           password_hash, credential_version, must_change_password, second_factor, tickets, revision
    FROM users WHERE id = ?1";

const FIND_BY_EMAIL: &str = "
    SELECT id, email, email_key, full_name, role, is_active, email_verified_at, created_at,
           password_hash, credential_version, must_change_password, second_factor, tickets, revision
    FROM users WHERE email_key = ?1";

/// What an amendment depends on. The terms of the administrators are those of the index over them.
const LOOK: &str = "
    SELECT revision = :revision,
           EXISTS (SELECT 1 FROM users AS other WHERE other.role = 'admin' AND other.is_active = 1 AND other.id <> :id),
           EXISTS (SELECT 1 FROM users AS other WHERE other.email_key = :email_key AND other.id <> :id)
    FROM users WHERE id = :id";

const UPDATE: &str = "
    UPDATE users
    SET email = :email, email_key = :email_key, full_name = :full_name, role = :role, is_active = :is_active,
        email_verified_at = :email_verified_at, password_hash = :password_hash,
        credential_version = :credential_version, must_change_password = :must_change_password,
        second_factor = :second_factor, tickets = :tickets, revision = revision + 1
    WHERE id = :id AND revision = :revision";

const DELETE: &str = "DELETE FROM users WHERE id = ?1";

#[cfg(test)]
pub(crate) const STATEMENTS: &[&str] = &[FIND, FIND_BY_EMAIL, LOOK, UPDATE, DELETE];

pub(crate) fn find(connection: &Connection, id: UserId) -> Result<Option<Account>, Fault> {
    let mut statement = connection.prepare_cached(FIND)?;
    statement.query_and_then([id.value()], rows::account)?.next().transpose()
}

pub(crate) fn find_by_email(connection: &Connection, email_key: &str) -> Result<Option<Account>, Fault> {
    let mut statement = connection.prepare_cached(FIND_BY_EMAIL)?;
    statement.query_and_then([email_key], rows::account)?.next().transpose()
}

pub(crate) fn amend(connection: &Connection, amendment: &Amendment) -> Result<Amended, Fault> {
    let Amendment { account, sessions, endings, needs_other_admin, record, now } = amendment;
    let id = account.user.id;
    // Asked before anything is written: what else is in the transaction is to be committed all the same.
    let amended = look(connection, account, *needs_other_admin)?;
    if amended == Amended::Done {
        update(connection, account)?;
        events::write(connection, Some(id), None, record)?;
        sessions::change(connection, id, *sessions, *now)?;
        if !endings.is_empty() {
            let at = sessions::after_all_tokens_of(connection, id, *now)?;
            endings.iter().try_for_each(|what| endings::record(connection, *what, at))?;
        }
    }
    Ok(amended)
}

pub(crate) fn erase(connection: &Connection, erasure: &Erasure) -> Result<Amended, Fault> {
    let id = erasure.account.user.id;
    let amended = look(connection, &erasure.account, erasure.needs_other_admin())?;
    if amended == Amended::Done {
        let all = SessionChange::EndAllBut(None, EndReason::Deactivated);
        sessions::change(connection, id, all, erasure.now)?;
        let at = sessions::after_all_tokens_of(connection, id, erasure.now)?;
        sessions::delete_all_of(connection, id)?;
        connection.prepare_cached(DELETE)?.execute([id.value()])?;
        outbox::delete_all_of(connection, id)?;
        events::write(connection, Some(id), None, &erasure.record)?;
        events::forget_person(connection, id)?;
        endings::record(connection, EndingKind::Deactivated(id), at)?;
    }
    Ok(amended)
}

fn look(connection: &Connection, account: &Account, needs_other_admin: bool) -> Result<Amended, Fault> {
    let mut statement = connection.prepare_cached(LOOK)?;
    let values = named_params! {
        ":id": account.user.id.value(),
        ":revision": account.revision.0,
        ":email_key": account.user.email.key(),
    };
    let read = |row: &rusqlite::Row<'_>| Ok::<_, Fault>((row.get(0)?, row.get(1)?, row.get(2)?));
    let found: Option<(bool, bool, bool)> = statement.query_and_then(values, read)?.next().transpose()?;
    Ok(match found {
        None | Some((false, _, _)) => Amended::Stale,
        Some((true, false, _)) if needs_other_admin => Amended::LastAdmin,
        Some((true, _, true)) => Amended::AddressTaken,
        Some((true, _, false)) => Amended::Done,
    })
}

fn update(connection: &Connection, account: &Account) -> Result<(), Fault> {
    let user = &account.user;
    let changed = connection.prepare_cached(UPDATE)?.execute(named_params! {
        ":id": user.id.value(),
        ":revision": account.revision.0,
        ":email": user.email.as_str(),
        ":email_key": user.email.key(),
        ":full_name": user.full_name,
        ":role": user.role.as_str(),
        ":is_active": user.is_active,
        ":email_verified_at": user.email_verified_at.map(Timestamp::micros),
        ":password_hash": account.password_hash.as_str(),
        ":credential_version": account.version.0,
        ":must_change_password": account.must_change_password,
        ":second_factor": account.second_factor.as_ref().map(SecondFactor::to_stored),
        ":tickets": ticket::to_stored(&account.tickets),
    })?;
    // It was looked for in the same transaction.
    if changed == 1 { Ok(()) } else { Err(Fault::Unreadable("account")) }
}
