//! Passwords: what may be one, how it is hashed, and the threads that hash.
//!
//! ```
//! use doorward::password::{HashParameters, HashingPool, Password, PoolSettings};
//! use doorward::{hash_password, verify_password};
//!
//! # pollster::block_on(async {
//! let pool = HashingPool::start(PoolSettings::new(HashParameters::default()))?;
//! let password = Password::new("correct horse battery staple".to_owned())?;
//!
//! let hash = hash_password(&pool, &password).await?;
//! assert!(hash.as_str().starts_with("$argon2id$v=19$m=65536,t=3,p=4$"));
//!
//! let verification = verify_password(&pool, &password, Some(&hash)).await?;
//! assert!(verification.matches && !verification.needs_upgrade);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # }).unwrap();
//! ```

mod argon2id;
pub mod calibration;
mod parameters;
mod phc;
mod policy;
mod pool;

use std::fmt;
use std::time::Duration;

use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

pub use parameters::{HashParameters, InvalidParameters, MAX_MEMORY_KIB};
pub use policy::{NewPassword, PASSWORD_MAX_BYTES, Password, PasswordPolicy, PasswordRefused, PasswordTooLong};
pub use pool::{ClientKey, Durations, HashingPool, PoolSettings, PoolStatistics, Refusals};

use self::argon2id::{EngineError, Workspace};
use self::phc::{Argon2Hash, SALT_LENGTH};
use self::pool::Need;
use crate::random::{RandomnessError, random_bytes};

/// A stored hash: a PHC string, or whatever another system left there.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash(String);

impl PasswordHash {
    /// The hash that a store kept. Nothing is checked before it is used.
    pub fn from_stored(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text for the store.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("PasswordHash(…)")
    }
}

/// What verifying a password found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verification {
    /// The password is the one that was hashed.
    pub matches: bool,
    /// The stored hash is of another algorithm or version, or weaker than the pool's parameters: less
    /// memory, fewer iterations, a shorter salt or tag. Only together with `matches`.
    pub needs_upgrade: bool,
}

/// Why a password could not be hashed.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[non_exhaustive]
pub enum HashingError {
    /// More passwords are waiting than can be hashed in time.
    #[error("too many passwords are waiting to be hashed")]
    Overloaded {
        /// When it is worth trying again.
        retry_after: Duration,
    },
    /// The pool was stopped, or this hash failed on its thread (the log says why). Others are still hashed.
    #[error("the hashing of the password was cut short")]
    Stopped,
    /// The operating system gave no salt.
    #[error(transparent)]
    Randomness(#[from] RandomnessError),
}

impl From<EngineError> for HashingError {
    fn from(EngineError: EngineError) -> Self {
        Self::Stopped
    }
}

/// Hashes a password with Argon2id (RFC 9106), the pool's parameters, a fresh 16-byte salt and a 32-byte tag.
///
/// Runs on the pool's threads, never on the caller's. The result is a PHC string that every Argon2
/// library reads.
///
/// ```
/// use doorward::password::{HashParameters, HashingPool, Password, PoolSettings};
///
/// # pollster::block_on(async {
/// let pool = HashingPool::start(PoolSettings::new(HashParameters::default()))?;
/// let password = Password::new("correct horse battery staple".to_owned())?;
/// let hash = doorward::hash_password(&pool, &password).await?;
/// assert!(hash.as_str().starts_with("$argon2id$v=19$m=65536,t=3,p=4$"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
///
/// # Errors
///
/// [`HashingError`]: the pool is overloaded or stopped, or the operating system gave no salt.
pub async fn hash_password(pool: &HashingPool, password: &Password) -> Result<PasswordHash, HashingError> {
    pool.for_client(None).hash_password(password).await
}

/// Verifies a password against a stored hash: a PHC string of Argon2id, Argon2i or Argon2d.
///
/// Without a stored hash (there is no such user), and with a malformed one (which is logged), a dummy is
/// computed under the pool's present parameters, so that the answer, `matches: false`, comes no sooner.
/// (A hash of other parameters takes its own time until it is upgraded.)
///
/// ```
/// use doorward::password::{HashParameters, HashingPool, Password, PasswordHash, PoolSettings};
///
/// # pollster::block_on(async {
/// let pool = HashingPool::start(PoolSettings::new(HashParameters::default()))?;
/// let password = Password::new("password".to_owned())?;
/// let stored = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
/// let stored = PasswordHash::from_stored(stored);
///
/// let verification = doorward::verify_password(&pool, &password, Some(&stored)).await?;
/// assert!(verification.matches);
/// assert!(verification.needs_upgrade, "two passes are fewer than the pool's three");
///
/// let nobody = doorward::verify_password(&pool, &password, None).await?;
/// assert!(!nobody.matches);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
///
/// # Errors
///
/// [`HashingError`]: the pool is overloaded or stopped.
pub async fn verify_password(
    pool: &HashingPool,
    password: &Password,
    stored: Option<&PasswordHash>,
) -> Result<Verification, HashingError> {
    pool.for_client(None).verify_password(password, stored).await
}

/// A pool as one client uses it: in turns with the others. Made by [`HashingPool::for_client`].
///
/// ```
/// use doorward::password::{ClientKey, HashParameters, HashingPool, Password, PoolSettings};
///
/// # pollster::block_on(async {
/// let pool = HashingPool::start(PoolSettings::new(HashParameters::default()))?;
/// let password = Password::new("correct horse battery staple".to_owned())?;
/// let address: std::net::IpAddr = "2001:db8::17".parse()?;
/// let hash = pool.for_client(Some(ClientKey::from(address))).hash_password(&password).await?;
/// assert!(doorward::verify_password(&pool, &password, Some(&hash)).await?.matches);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
#[derive(Debug, Clone, Copy)]
pub struct ClientOfPool<'a> {
    pool: &'a HashingPool,
    client: Option<ClientKey>,
}

impl HashingPool {
    /// The pool for one client. All that come without a key are one client together.
    pub const fn for_client(&self, client: Option<ClientKey>) -> ClientOfPool<'_> {
        ClientOfPool { pool: self, client }
    }
}

impl ClientOfPool<'_> {
    /// As [`hash_password`], in turns with other clients.
    ///
    /// # Errors
    ///
    /// As there.
    pub async fn hash_password(self, password: &Password) -> Result<PasswordHash, HashingError> {
        let (password, parameters) = (password.bytes(), self.pool.parameters());
        let salt = random_bytes::<SALT_LENGTH>()?;
        let need = Need { memory_kib: parameters.memory_kib(), is_divisible: parameters.is_divisible() };
        let work = move |workspace: &mut Workspace| workspace.hash(&password, &salt, parameters);
        let hash = self.pool.run(self.client, need, Box::new(work)).await??;
        Ok(PasswordHash(hash.write()))
    }

    /// As [`verify_password`], in turns with other clients.
    ///
    /// # Errors
    ///
    /// As there.
    pub async fn verify_password(
        self,
        password: &Password,
        stored: Option<&PasswordHash>,
    ) -> Result<Verification, HashingError> {
        let (password, parameters) = (password.bytes(), self.pool.parameters());
        let (compared, is_real) = real_or_dummy(stored, parameters);
        let need = Need { memory_kib: compared.parameters.memory_kib(), is_divisible: compared.is_divisible() };
        let work = move |workspace: &mut Workspace| {
            let tag = Zeroizing::new(workspace.tag(&password, &compared)?);
            let matches = bool::from(tag.ct_eq(&compared.tag)) && is_real;
            Ok::<_, EngineError>(Verification {
                matches,
                needs_upgrade: matches && compared.is_weaker_than(parameters),
            })
        };
        Ok(self.pool.run(self.client, need, Box::new(work)).await??)
    }
}

/// What is verified, and whether it is what was stored. A dummy goes the same way as a real hash, so that
/// nothing but the outcome differs.
fn real_or_dummy(stored: Option<&PasswordHash>, parameters: HashParameters) -> (Argon2Hash, bool) {
    match stored.and_then(readable) {
        Some(hash) => (hash, true),
        None => (Argon2Hash::without_tag(&[0; SALT_LENGTH], parameters), false),
    }
}

fn readable(stored: &PasswordHash) -> Option<Argon2Hash> {
    let hash = Argon2Hash::parse(&stored.0);
    if hash.is_none() {
        tracing::error!(event = "malformed_password_hash");
    }
    hash
}

/// The hash in `text` as this library writes it; for fuzzing its reader.
#[cfg(feature = "testing")]
#[doc(hidden)]
pub fn rewritten(text: &str) -> Option<String> {
    Argon2Hash::parse(text).map(|hash| hash.write())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_dummy_costs_what_a_new_hash_costs() {
        let parameters = HashParameters::new(64, 2, 2).unwrap();
        let pool = HashingPool::start(PoolSettings::new(parameters)).unwrap();
        let password = Password::new("a password".to_owned()).unwrap();
        let hash = pollster::block_on(hash_password(&pool, &password)).unwrap();

        let (real, is_real) = real_or_dummy(Some(&hash), parameters);
        assert!(is_real);
        for stored in [None, Some(&PasswordHash::from_stored("malformed"))] {
            let (dummy, is_real) = real_or_dummy(stored, parameters);
            assert!(!is_real);
            assert_eq!((dummy.salt.len(), dummy.tag.len()), (real.salt.len(), real.tag.len()));
            // All that is left of a hash: variant, version, parameters.
            assert_eq!(Argon2Hash { salt: real.salt.clone(), tag: real.tag.clone(), ..dummy }, real);
        }
    }

    #[test]
    fn nothing_secret_is_printed() {
        let password = Password::new("hunter2hunter2".to_owned()).unwrap();
        assert_eq!(format!("{password:?}"), "Password(…)");
        assert_eq!(format!("{:?}", PasswordHash::from_stored("hunter2")), "PasswordHash(…)");
    }
}
