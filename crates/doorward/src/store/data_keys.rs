//! The port for data keys: what everything is sealed under, itself sealed under a secret that is not in the store.

use std::fmt::Debug;

use uuid::Uuid;

use super::StoreResult;
use crate::clock::Timestamp;
use crate::user::UserId;

/// Keeps the data keys, and finds the second factors that hang on them.
#[async_trait::async_trait]
pub trait DataKeyStore: Debug + Send + Sync {
    /// All data keys, ordered by their ids.
    async fn data_keys(&self) -> StoreResult<Vec<StoredDataKey>>;

    /// Puts `new` in the place of all data keys, in one step, if they still are what was read. Says whether they were.
    /// Both lists are ordered by id.
    async fn replace_data_keys(&self, read: Vec<StoredDataKey>, new: Vec<StoredDataKey>) -> StoreResult<bool>;

    /// The accounts that have a second factor, by number, those after `after`, so many at most.
    async fn second_factors_after(&self, after: Option<UserId>, limit: u32) -> StoreResult<Vec<UserId>>;

    /// How many accounts have a second factor.
    async fn count_second_factors(&self) -> StoreResult<u64>;

    /// Who else uses the store at this moment.
    async fn neighbours(&self) -> StoreResult<Neighbours>;
}

/// A data key as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredDataKey {
    /// Which.
    pub id: Uuid,
    /// What it is used for.
    pub state: DataKeyState,
    /// The key, sealed.
    pub sealed: Vec<u8>,
    /// When it was made.
    pub made_at: Timestamp,
}

/// What a data key is used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DataKeyState {
    /// It opens, and will seal as soon as every node knows it.
    Staged,
    /// It seals. There is one at most.
    Active,
    /// It opens. Second factors may be sealed under it.
    Retired,
    /// It opens. No second factor is sealed under it any more.
    Past,
}

impl DataKeyState {
    /// Every state.
    pub const ALL: [Self; 4] = [Self::Staged, Self::Active, Self::Retired, Self::Past];

    /// Its name in the store.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Staged => "staged",
            Self::Active => "active",
            Self::Retired => "retired",
            Self::Past => "past",
        }
    }

    /// The state of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == name)
    }
}

/// Who else uses a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Neighbours {
    /// Nobody: it is one process' own.
    Nobody,
    /// There may be others of this version.
    Others,
    /// There are others of a version that knows no data keys.
    Older,
}
