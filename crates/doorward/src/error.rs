//! What can go wrong besides the person being refused: the same for every use case.

use crate::password::HashingError;
use crate::random::RandomnessError;
use crate::store::StoreError;

/// The request could not be carried out, through no fault of whoever sent it. Worth trying again.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// The store cannot serve.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Passwords cannot be hashed.
    #[error(transparent)]
    Hashing(#[from] HashingError),
    /// The operating system gave no randomness.
    #[error(transparent)]
    Randomness(#[from] RandomnessError),
}
