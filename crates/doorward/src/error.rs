//! What can go wrong besides the person being refused: the same for every use case.

use crate::limits::RateLimited;
use crate::password::HashingError;
use crate::random::RandomnessError;
use crate::store::StoreError;

/// The request was not carried out, whatever was in it. Worth trying again later.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// The store cannot serve.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Passwords cannot be hashed.
    #[error(transparent)]
    Hashing(#[from] HashingError),
    /// Too many attempts came before it.
    #[error(transparent)]
    Limited(#[from] RateLimited),
    /// The operating system gave no randomness.
    #[error(transparent)]
    Randomness(#[from] RandomnessError),
}
