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
mod blocklist;
pub mod calibration;
mod context;
mod foreign;
mod parameters;
mod pepper;
mod phc;
mod policy;
mod pool;
mod stored;

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

pub use parameters::{HashParameters, InvalidParameters, MAX_MEMORY_KIB};
pub use pepper::Peppers;
pub use policy::{
    NewPassword, NewPasswordError, PASSWORD_MAX_BYTES, Password, PasswordPolicy, PasswordRefused, PasswordTooLong,
};
pub use pool::{Durations, HashingPool, PoolSettings, PoolStatistics, Refusals};
pub use stored::UnreadableHash;

use self::argon2id::{EngineError, Workspace};
use self::phc::{Argon2Hash, SALT_LENGTH};
use self::pool::Need;
use self::stored::{StoredHash, UNUSABLE};
use crate::random::{RandomnessError, random_bytes};

/// A stored hash: a PHC string, or whatever another system left there.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash(String);

impl PasswordHash {
    /// The hash that a store kept. Nothing is checked before it is used.
    pub fn from_stored(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// What stands in the place of a hash while nobody knows a password: none fits.
    pub fn unusable() -> Self {
        Self(UNUSABLE.to_owned())
    }

    /// What the algorithm is called, if this is a hash that [`verify_password`] verifies; `None` for one that no
    /// password fits. To be asked of hashes that another system made, before they are stored.
    ///
    /// ```
    /// use doorward::password::PasswordHash;
    ///
    /// let from_django = "pbkdf2_sha256$10$salt$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc=";
    /// assert_eq!(PasswordHash::from_stored(from_django).algorithm(), Ok(Some("PBKDF2")));
    /// assert!(PasswordHash::from_stored("5f4dcc3b5aa765d61d8327deb882cf99").algorithm().is_err());
    /// ```
    ///
    /// # Errors
    ///
    /// [`UnreadableHash`]: of no known form, malformed, or too expensive.
    pub fn algorithm(&self) -> Result<Option<&'static str>, UnreadableHash> {
        StoredHash::parse(&self.0).map(|hash| hash.algorithm())
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
    /// memory, fewer iterations, a shorter salt or tag; or its pepper is not the pool's. Only together with `matches`.
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

/// Verifies a password against a stored hash: a PHC string of Argon2id, Argon2i or Argon2d, or what another
/// system made: bcrypt, scrypt or PBKDF2 as PHC strings, passlib, Django and Werkzeug spell them.
///
/// Without a stored hash (there is no such user), and with a malformed one (which is logged), a dummy is
/// computed under the pool's present parameters, so that the answer, `matches: false`, comes no sooner. It is
/// computed too when the password does not fit a hash that is to be upgraded. What remains to be seen from
/// outside: until its first login such an account answers later than others, by the time of its old hash.
///
/// Parameters of stored hashes are bounded (a GiB of memory, bcrypt's cost of 16, 10,000,000 iterations of
/// PBKDF2); what is past them counts as malformed. scrypt takes memory beside the threads' own, so one is
/// verified at a time.
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
/// use doorward::password::{HashParameters, HashingPool, Password, PoolSettings};
///
/// # pollster::block_on(async {
/// let pool = HashingPool::start(PoolSettings::new(HashParameters::default()))?;
/// let password = Password::new("correct horse battery staple".to_owned())?;
/// let address: std::net::IpAddr = "2001:db8::17".parse()?;
/// let hash = pool.for_client(Some(address)).hash_password(&password).await?;
/// assert!(doorward::verify_password(&pool, &password, Some(&hash)).await?.matches);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
#[derive(Debug, Clone, Copy)]
pub struct ClientOfPool<'a> {
    pool: &'a HashingPool,
    client: Option<IpAddr>,
}

impl HashingPool {
    /// The pool for the client of that address. It takes turns with others by its [networks](crate::network). All whose
    /// address nobody knows are one client together.
    pub const fn for_client(&self, client: Option<IpAddr>) -> ClientOfPool<'_> {
        ClientOfPool { pool: self, client }
    }
}

impl ClientOfPool<'_> {
    /// Whether one more password would be taken now; one that isn't counts as refused. For whoever has something to do
    /// first that would be in vain. Nothing is promised.
    ///
    /// # Errors
    ///
    /// [`HashingError::Overloaded`].
    pub fn look_for_place(self) -> Result<(), HashingError> {
        self.pool.look_for_place(self.client)
    }

    /// As [`hash_password`], in turns with other clients.
    ///
    /// # Errors
    ///
    /// As there.
    pub async fn hash_password(self, password: &Password) -> Result<PasswordHash, HashingError> {
        let (password, parameters) = (password.bytes(), self.pool.parameters());
        let salt = random_bytes::<SALT_LENGTH>()?;
        let need = Need { memory_kib: parameters.memory_kib(), is_divisible: parameters.is_divisible() };
        let blank = Argon2Hash::without_tag(&salt, parameters).peppered(self.pool.peppers().current());
        let work = move |workspace: &mut Workspace| workspace.complete(&password, blank);
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
        let peppers = self.pool.peppers();
        let compared = stored.map_or(StoredHash::Unusable, readable).with_its_pepper(peppers);
        let (need, pepper) = (compared.need(parameters), peppers.current().cloned());
        let work =
            move |workspace: &mut Workspace| compared.verify(&password, workspace, (parameters, pepper.as_ref()));
        Ok(self.pool.run(self.client, need, Box::new(work)).await??)
    }
}

/// What can't be read goes the same way as what nobody has: nothing but the log differs.
fn readable(stored: &PasswordHash) -> StoredHash {
    StoredHash::parse(&stored.0).unwrap_or_else(|reason| {
        tracing::error!(event = "malformed_password_hash", %reason);
        StoredHash::Unusable
    })
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
    fn nothing_secret_is_printed() {
        let password = Password::new("hunter2hunter2".to_owned()).unwrap();
        assert_eq!(format!("{password:?}"), "Password(…)");
        assert_eq!(format!("{:?}", PasswordHash::from_stored("hunter2")), "PasswordHash(…)");
    }
}
