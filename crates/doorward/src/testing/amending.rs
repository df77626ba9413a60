#![expect(clippy::unwrap_used, reason = "for tests: its failures are panics")]

//! Short ways to change an account in a store, for tests.

use crate::account::{Account, Amended, Amendment, Record};
use crate::clock::Timestamp;
use crate::role::Role;
use crate::store::Store;
use crate::user::{User, UserId};

/// Changes the account of that number as `change` says; `None` when there is none.
pub async fn amend(
    store: &dyn Store,
    id: UserId,
    now: Timestamp,
    change: impl FnOnce(&mut Account),
) -> Option<(Amended, Account)> {
    let before = store.find_account(id).await.unwrap()?;
    let mut after = before.clone();
    change(&mut after);
    let amended = store.amend_account(Amendment::new(&before, after, now)).await.unwrap();
    Some((amended, store.find_account(id).await.unwrap()?))
}

/// Switches an account on or off, if it isn't so already; as it is then.
pub async fn set_active(store: &dyn Store, id: UserId, active: bool, now: Timestamp) -> Option<User> {
    amend(store, id, now, |account| account.user.is_active = active).await.map(|(_, account)| account.user)
}

/// Gives an account that role, if it hasn't it already; as it is then.
pub async fn set_role(store: &dyn Store, id: UserId, role: Role, now: Timestamp) -> Option<User> {
    amend(store, id, now, |account| account.user.role = role).await.map(|(_, account)| account.user)
}

/// Nothing to be written beside a change.
pub fn no_record() -> Record {
    Record::default()
}
