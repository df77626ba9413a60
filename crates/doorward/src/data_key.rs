//! Data keys: random keys, one a database, under which everything is sealed that only this service may read or make.
//!
//! The store keeps them, sealed under a key derived from the signing secret or, where there is one, from the sealing
//! secret. So a secret can be exchanged without anybody who has an authenticator noticing, and who has the signing secret
//! alone makes access tokens and nothing more.
//!
//! A key begins as [staged](DataKeyState::Staged): every node gets to know it before one seals under it. Before there
//! were data keys the signing secret sealed. What it left behind still opens: the keys of those uses are kept as a
//! retired data key of their own, and second factors are sealed anew.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use uuid::Uuid;
use zeroize::Zeroizing;

use crate::account::{Account, Amendment};
use crate::admin::AdminError;
use crate::auth::{AmendRefusal, Auth};
use crate::clock::{Clock, SystemClock, Timestamp};
use crate::error::Fault;
use crate::origin::Origin;
use crate::password::HashingPool;
use crate::random::{RandomnessError, random_bytes, random_uuid};
use crate::sealing::{DerivedKey, KEY_BYTES, Label, Sealer, SealingKey, open_under, seal_under};
use crate::second_factor::{self, SecondFactor};
use crate::store::data_keys::{DataKeyState, Neighbours, StoredDataKey};
use crate::store::{Store, StoreError, UserQuery};
use crate::token::keyring::{Keyring, SigningKey};
use crate::user::UserId;
use crate::{letter, recovery, ticket, webhook};

/// Sets the key under which data keys are sealed apart from every other use of a secret.
const WRAPPING_LABEL: &[u8] = b"doorward data key v1";
/// What outlives the signing secret that it was sealed under or made with.
const INHERITED: [Label; 6] = [
    second_factor::SECRET_LABEL,
    second_factor::RECOVERY_CODES_LABEL,
    ticket::CODE_LABEL,
    letter::LETTER_LABEL,
    recovery::RECOVERY_LABEL,
    webhook::WEBHOOK_LABEL,
];
/// How long a node goes by the data keys that it has read.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long a data key is staged: every node has looked meanwhile.
const STAGED_FOR: Duration = Duration::from_secs(4);
/// How many second factors are looked at in one go.
const AT_ONCE: u32 = 200;

/// Why an [`Auth`] could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// None of the secrets opens the store's data key.
    #[error("the data key can't be opened with any of the secrets")]
    DataKeyLost {
        /// How many second factors hang on it.
        second_factors: u64,
    },
    /// Something else is to blame.
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl From<StoreError> for OpenError {
    fn from(error: StoreError) -> Self {
        Self::Fault(error.into())
    }
}

impl From<RandomnessError> for OpenError {
    fn from(error: RandomnessError) -> Self {
        Self::Fault(error.into())
    }
}

/// What [`Auth::look_after_data_keys`] has done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DataKeyWork {
    /// Nothing: there is nothing to do.
    Settled,
    /// Nothing yet: nodes of a version that knows no data keys still run.
    WaitsForOlderNodes,
    /// Nothing yet, or a key was staged: the nodes get to know it.
    Staged,
    /// A staged key seals from now on.
    Activated,
    /// So many second factors were sealed anew under the active key. To be called again until it is settled.
    Resealed(u64),
}

/// The data keys as this process has read them last.
pub(crate) struct DataKeys(Mutex<Read>);

/// Data keys by their ids.
type Keys = BTreeMap<Uuid, SealingKey>;

struct Read {
    rows: Vec<StoredDataKey>,
    keys: Keys,
    sealer: Arc<Sealer>,
    /// When that was, by the time that has passed; `None`: it is time to look again.
    at: Option<Duration>,
    /// The staged key, and since when this process knows it.
    staged: Option<(Uuid, Duration)>,
}

impl DataKeys {
    fn read(&self) -> MutexGuard<'_, Read> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether it is time to look again: one asker is told so, who then looks for all.
    fn is_due(&self, now: Duration) -> bool {
        let mut read = self.read();
        let is_due = read.at.is_none_or(|at| now.abs_diff(at) >= LOOK_EVERY);
        if is_due {
            read.at = Some(now);
        }
        is_due
    }

    /// Goes by these rows from now on, if each of them is known or can be opened; says whether.
    fn take_in(&self, rows: Vec<StoredDataKey>, keyring: &Keyring, now: Duration) -> bool {
        let mut read = self.read();
        let Some(keys) = keys_of(&rows, keyring, &read.keys) else { return false };
        let sealer = Arc::new(sealer_of(&rows, &keys, keyring));
        *read = Read { rows, keys, sealer, at: Some(now), staged: read.staged };
        true
    }

    /// How long this process has known the staged key of that id.
    fn staged_for(&self, id: Uuid, now: Duration) -> Duration {
        let mut read = self.read();
        let (_, since) = read.staged.filter(|(known, _)| *known == id).unwrap_or((id, now));
        read.staged = Some((id, since));
        now.saturating_sub(since)
    }
}

impl fmt::Debug for DataKeys {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("DataKeys(…)")
    }
}

impl Auth {
    /// Authentication on `store`, hashing in `pool`, signing with `keyring`; the machine's clock and the
    /// default rules (15 minutes, 7 days, the limits of [`LimitRules`](crate::limits::LimitRules)).
    ///
    /// Opens the store's data key, or makes one where there is none; seals it anew when an older secret of `keyring`
    /// opened it, which may go then. While nodes of a version that knows no data keys serve from the same store, the
    /// signing secret seals as it did for them, until [`look_after_data_keys`](Self::look_after_data_keys) finds them
    /// gone.
    ///
    /// # Errors
    ///
    /// [`OpenError`]: no secret opens the data key, or the store can't serve.
    pub async fn open(store: Arc<dyn Store>, pool: HashingPool, keyring: Keyring) -> Result<Self, OpenError> {
        let mut rows = store.data_keys().await?;
        if rows.is_empty() {
            let anybody = UserQuery { limit: 1, ..UserQuery::default() };
            let has_accounts = store.list_users(anybody).await?.total > 0;
            // Where there are accounts, a node that knows nothing of data keys may be about.
            if !has_accounts || store.neighbours().await? == Neighbours::Nobody {
                let secrets = if has_accounts { keyring.keys().collect() } else { Vec::new() };
                let began = begin(DataKeyState::Active, &secrets, &keyring, SystemClock.now())?;
                store.replace_data_keys(Vec::new(), began).await?;
                rows = store.data_keys().await?;
            }
        }
        if let Some(again) = sealed_anew(&rows, &keyring)? {
            store.replace_data_keys(rows, again).await?;
            rows = store.data_keys().await?;
        }
        Self::with_rows(store, pool, keyring, rows).await
    }

    /// As [`open`](Self::open) for a short command beside a server, of whatever version that is: it makes no data key
    /// and seals none anew.
    ///
    /// # Errors
    ///
    /// As of [`open`](Self::open).
    pub async fn open_beside(store: Arc<dyn Store>, pool: HashingPool, keyring: Keyring) -> Result<Self, OpenError> {
        let rows = store.data_keys().await?;
        Self::with_rows(store, pool, keyring, rows).await
    }

    /// As [`open`](Self::open) where the data key is lost: gives it up for a new one. What was sealed under it opens no
    /// more; [`remove_unreadable_second_factors`](Self::remove_unreadable_second_factors) lets its owners in again.
    ///
    /// # Errors
    ///
    /// [`Fault`] when the store can't serve, or somebody else changed its data keys at the same moment.
    pub async fn open_giving_up_data_key(
        store: Arc<dyn Store>,
        pool: HashingPool,
        keyring: Keyring,
    ) -> Result<Self, OpenError> {
        let rows = store.data_keys().await?;
        if keys_of(&rows, &keyring, &Keys::new()).is_none() {
            let secrets: Vec<_> = keyring.keys().collect();
            let began = begin(DataKeyState::Active, &secrets, &keyring, SystemClock.now())?;
            if !store.replace_data_keys(rows, began).await? {
                return Err(StoreError::Contended.into());
            }
        }
        Self::open(store, pool, keyring).await
    }

    async fn with_rows(
        store: Arc<dyn Store>,
        pool: HashingPool,
        keyring: Keyring,
        rows: Vec<StoredDataKey>,
    ) -> Result<Self, OpenError> {
        let Some(keys) = keys_of(&rows, &keyring, &Keys::new()) else {
            return Err(OpenError::DataKeyLost { second_factors: store.count_second_factors().await? });
        };
        let sealer = Arc::new(sealer_of(&rows, &keys, &keyring));
        let read = Read { rows, keys, sealer, at: None, staged: None };
        Ok(Self::of_parts(store, pool, keyring, DataKeys(Mutex::new(read))))
    }

    /// What seals, as this process knows it.
    pub(crate) fn sealer(&self) -> Arc<Sealer> {
        Arc::clone(&self.data_keys.read().sealer)
    }

    /// The same when the store was asked within the last second.
    pub(crate) async fn fresh_sealer(&self) -> Result<Arc<Sealer>, Fault> {
        if self.data_keys.is_due(self.clock.elapsed()) {
            self.read_data_keys().await?;
        }
        Ok(self.sealer())
    }

    async fn read_data_keys(&self) -> Result<Vec<StoredDataKey>, Fault> {
        let mut rows = self.store.data_keys().await?;
        let known = self.data_keys.read().rows.clone();
        if rows.is_empty() && !known.is_empty() {
            // The store went back to before there were any. What is sealed meanwhile must open later.
            self.store.replace_data_keys(Vec::new(), known.clone()).await?;
            rows = self.store.data_keys().await?;
        }
        if rows != known && !self.data_keys.take_in(rows.clone(), &self.keyring, self.clock.elapsed()) {
            tracing::error!(event = "data_key_unreadable");
            return Err(StoreError::unavailable("none of this process' secrets opens the data key").into());
        }
        Ok(rows)
    }

    /// Does the next step of what there is to do about data keys: makes the first one when nodes of older versions are
    /// gone, lets a staged one seal, seals second factors anew. For a server to call every few seconds, from any number
    /// of nodes at once; what is cut short goes on where it was.
    ///
    /// # Errors
    ///
    /// [`Fault`] when the store can't serve.
    pub async fn look_after_data_keys(&self) -> Result<DataKeyWork, Fault> {
        let rows = self.read_data_keys().await?;
        if rows.is_empty() {
            if self.store.neighbours().await? == Neighbours::Older {
                return Ok(DataKeyWork::WaitsForOlderNodes);
            }
            let secrets: Vec<_> = self.keyring.keys().collect();
            let began = begin(DataKeyState::Staged, &secrets, &self.keyring, self.clock.now())?;
            self.change_data_keys(rows, began).await?;
            return Ok(DataKeyWork::Staged);
        }
        if let Some(staged) = in_state(&rows, DataKeyState::Staged) {
            if self.data_keys.staged_for(staged.id, self.clock.elapsed()) < STAGED_FOR {
                return Ok(DataKeyWork::Staged);
            }
            let step = |state| match state {
                DataKeyState::Staged => DataKeyState::Active,
                DataKeyState::Active => DataKeyState::Retired,
                other => other,
            };
            let changed = with_states(&rows, step);
            self.change_data_keys(rows, changed).await?;
            return Ok(DataKeyWork::Activated);
        }
        if in_state(&rows, DataKeyState::Retired).is_none() {
            return Ok(DataKeyWork::Settled);
        }
        let resealed = self.reseal_second_factors().await?;
        if resealed == 0 {
            let step = |state| if state == DataKeyState::Retired { DataKeyState::Past } else { state };
            let changed = with_states(&rows, step);
            self.change_data_keys(rows, changed).await?;
        }
        Ok(DataKeyWork::Resealed(resealed))
    }

    /// Stages a new data key in the place of the active one, for who has to fear that it leaked.
    /// [`look_after_data_keys`](Self::look_after_data_keys) does the rest. One that is staged already is as good. Says
    /// whether there is a data key at all.
    ///
    /// # Errors
    ///
    /// [`Fault`] when the store can't serve.
    pub async fn renew_data_key(&self) -> Result<bool, Fault> {
        let rows = self.read_data_keys().await?;
        if rows.is_empty() || in_state(&rows, DataKeyState::Staged).is_some() {
            return Ok(!rows.is_empty());
        }
        let key = new_key(DataKeyState::Staged, &self.keyring, self.clock.now())?;
        let mut changed = rows.clone();
        changed.push(key);
        changed.sort_by_key(|row| row.id);
        self.change_data_keys(rows, changed).await?;
        Ok(true)
    }

    /// Removes the second factors that no key here opens: with their owners told by mail, as
    /// [`remove_second_factor`](Self::remove_second_factor) does. Says how many those were.
    ///
    /// # Errors
    ///
    /// [`Fault`] when the store can't serve.
    pub async fn remove_unreadable_second_factors(&self, origin: Origin<'_>) -> Result<u64, Fault> {
        let sealer = self.fresh_sealer().await?;
        let (mut after, mut removed) = (None, 0);
        while let Some(accounts) = self.next_second_factors(&mut after).await? {
            for account in accounts {
                let Some(factor) = &account.second_factor else { continue };
                if second_factor::open(&sealer, account.user.id, &factor.sealed_secret).is_some() {
                    continue;
                }
                match self.remove_second_factor(account.user.id, origin).await {
                    Ok(()) => removed += 1,
                    Err(AdminError::Fault(fault)) => return Err(fault),
                    // The account is gone.
                    Err(_) => {}
                }
            }
        }
        Ok(removed)
    }

    async fn change_data_keys(&self, read: Vec<StoredDataKey>, new: Vec<StoredDataKey>) -> Result<(), Fault> {
        // Whoever else changed them at the same moment took the same step.
        self.store.replace_data_keys(read, new).await?;
        self.read_data_keys().await?;
        Ok(())
    }

    /// Seals anew every second factor that isn't sealed under the active key; says how many those were.
    async fn reseal_second_factors(&self) -> Result<u64, Fault> {
        let sealer = self.sealer();
        let (mut after, mut resealed) = (None, 0);
        while let Some(accounts) = self.next_second_factors(&mut after).await? {
            for account in accounts {
                let now = self.clock.now();
                let changed: Result<bool, ResealError> = self
                    .amend(account.user.id, |account| {
                        let Some(factor) = &account.second_factor else { return Ok((None, false)) };
                        let Some(again) = second_factor::sealed_anew(&sealer, account.user.id, factor)? else {
                            return Ok((None, false));
                        };
                        Ok((Some(with_factor(account, again, now)), true))
                    })
                    .await;
                match changed {
                    Ok(is_changed) => resealed += u64::from(is_changed),
                    Err(ResealError::Fault(fault)) => return Err(fault),
                    Err(ResealError::Gone) => {}
                }
            }
        }
        Ok(resealed)
    }

    /// The next accounts with a second factor after those of the call before; `None` at the end.
    async fn next_second_factors(&self, after: &mut Option<UserId>) -> Result<Option<Vec<Account>>, Fault> {
        let ids = self.store.second_factors_after(*after, AT_ONCE).await?;
        let Some(last) = ids.last() else { return Ok(None) };
        *after = Some(*last);
        let mut accounts = Vec::with_capacity(ids.len());
        for id in ids {
            accounts.extend(self.store.find_account(id).await?);
        }
        Ok(Some(accounts))
    }
}

fn with_factor(account: &Account, factor: SecondFactor, now: Timestamp) -> Amendment {
    Amendment::new(account, Account { second_factor: Some(factor), ..account.clone() }, now)
}

/// Why a second factor was not sealed anew.
enum ResealError {
    Gone,
    Fault(Fault),
}

impl<E: Into<Fault>> From<E> for ResealError {
    fn from(error: E) -> Self {
        Self::Fault(error.into())
    }
}

impl From<AmendRefusal> for ResealError {
    fn from(_: AmendRefusal) -> Self {
        Self::Gone
    }
}

/// The first data key, and what is needed of the secrets that have sealed until now.
fn begin(
    state: DataKeyState,
    secrets: &[&SigningKey],
    keyring: &Keyring,
    now: Timestamp,
) -> Result<Vec<StoredDataKey>, RandomnessError> {
    let mut rows = vec![new_key(state, keyring, now)?];
    for secret in secrets {
        let inherited = SealingKey::of_secret(secret).parts(&INHERITED);
        rows.push(sealed_row(DataKeyState::Retired, &inherited.to_bytes(), keyring, now)?);
    }
    rows.sort_by_key(|row| row.id);
    Ok(rows)
}

fn new_key(state: DataKeyState, keyring: &Keyring, now: Timestamp) -> Result<StoredDataKey, RandomnessError> {
    let key = Zeroizing::new(random_bytes::<KEY_BYTES>()?);
    sealed_row(state, &Zeroizing::new(key.to_vec()), keyring, now)
}

fn sealed_row(
    state: DataKeyState,
    plain: &[u8],
    keyring: &Keyring,
    made_at: Timestamp,
) -> Result<StoredDataKey, RandomnessError> {
    let id = random_uuid()?;
    Ok(StoredDataKey { id, state, sealed: wrap(id, plain, keyring)?, made_at })
}

/// Seals a data key, bound to its id.
fn wrap(id: Uuid, plain: &[u8], keyring: &Keyring) -> Result<Vec<u8>, RandomnessError> {
    let bound = Zeroizing::new([id.as_bytes(), plain].concat());
    seal_under(&wrapping_keys(keyring).next().unwrap_or_default(), &bound)
}

/// The data key of `row`, and whether it was the present secret that opened it.
fn unwrap(row: &StoredDataKey, keyring: &Keyring) -> Option<(Zeroizing<Vec<u8>>, bool)> {
    wrapping_keys(keyring).enumerate().find_map(|(place, key)| {
        let bound = open_under(&key, &row.sealed)?;
        let plain = bound.strip_prefix(row.id.as_bytes())?;
        Some((Zeroizing::new(plain.to_vec()), place == 0))
    })
}

fn wrapping_keys(keyring: &Keyring) -> impl Iterator<Item = DerivedKey> {
    keyring.wrapping_derived(WRAPPING_LABEL).map(Zeroizing::new)
}

/// The keys of the rows: those that are known already, and those that a secret opens; `None` when one can't be opened.
fn keys_of(rows: &[StoredDataKey], keyring: &Keyring, known: &Keys) -> Option<Keys> {
    let key = |row: &StoredDataKey| match known.get(&row.id) {
        Some(key) => Some((row.id, key.clone())),
        None => Some((row.id, SealingKey::from_bytes(&unwrap(row, keyring)?.0)?)),
    };
    rows.iter().map(key).collect()
}

/// What the rows seal and open with. Without an active key the signing secret seals, as it did before there were any.
fn sealer_of(rows: &[StoredDataKey], keys: &Keys, keyring: &Keyring) -> Sealer {
    let (active, mut others): (Vec<_>, Vec<_>) = rows.iter().partition(|row| row.state == DataKeyState::Active);
    let key_of = |row: &StoredDataKey| keys.get(&row.id).cloned();
    let mut others: Vec<_> = others.drain(..).filter_map(key_of).collect();
    let active = active.into_iter().find_map(key_of).unwrap_or_else(|| {
        others.extend(keyring.keys().skip(1).map(SealingKey::of_secret));
        SealingKey::of_secret(keyring.current())
    });
    Sealer::new(active, others)
}

/// The rows sealed under the present secret; `None` when they are, or can't be opened.
fn sealed_anew(rows: &[StoredDataKey], keyring: &Keyring) -> Result<Option<Vec<StoredDataKey>>, RandomnessError> {
    let Some(opened) = rows.iter().map(|row| unwrap(row, keyring)).collect::<Option<Vec<_>>>() else {
        return Ok(None);
    };
    if opened.iter().all(|(_, by_the_present)| *by_the_present) {
        return Ok(None);
    }
    let rows = rows.iter().zip(&opened);
    let again =
        rows.map(|(row, (plain, _))| Ok(StoredDataKey { sealed: wrap(row.id, plain, keyring)?, ..row.clone() }));
    again.collect::<Result<_, RandomnessError>>().map(Some)
}

fn in_state(rows: &[StoredDataKey], state: DataKeyState) -> Option<&StoredDataKey> {
    rows.iter().find(|row| row.state == state)
}

fn with_states(rows: &[StoredDataKey], step: impl Fn(DataKeyState) -> DataKeyState) -> Vec<StoredDataKey> {
    rows.iter().map(|row| StoredDataKey { state: step(row.state), ..row.clone() }).collect()
}

impl SealingKey {
    /// As it is stored: a data key's bytes, or one part after the other, each a byte that counts its label's, the label
    /// and the key.
    fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let mut bytes = Zeroizing::new(Vec::new());
        if let Self::Parts(parts) = self {
            for (label, key) in parts {
                bytes.push(u8::try_from(label.len()).unwrap_or(u8::MAX));
                bytes.extend_from_slice(label.as_bytes());
                bytes.extend_from_slice(&**key);
            }
        }
        bytes
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        if let Ok(key) = bytes.try_into() {
            return Some(Self::new(key));
        }
        let (mut parts, mut rest) = (BTreeMap::new(), bytes);
        while let Some((length, behind)) = rest.split_first() {
            let (label, behind) = behind.split_at_checked(usize::from(*length))?;
            let (key, behind) = behind.split_first_chunk::<KEY_BYTES>()?;
            parts.insert(std::str::from_utf8(label).ok()?.to_owned(), Zeroizing::new(*key));
            rest = behind;
        }
        Some(Self::Parts(parts))
    }
}
