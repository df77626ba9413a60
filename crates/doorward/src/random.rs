//! Randomness: the operating system's, and no other.

/// The operating system gave no random bytes. On a running Linux this does not happen.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("the operating system gave no randomness: {0}")]
pub struct RandomnessError(#[from] getrandom::Error);

/// `N` fresh bytes from the operating system.
pub(crate) fn random_bytes<const N: usize>() -> Result<[u8; N], RandomnessError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)?;
    Ok(bytes)
}

/// A fresh version 4 UUID (RFC 9562, section 5.4).
pub(crate) fn random_uuid() -> Result<uuid::Uuid, RandomnessError> {
    Ok(uuid::Builder::from_random_bytes(random_bytes()?).into_uuid())
}
