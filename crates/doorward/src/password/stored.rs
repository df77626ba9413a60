//! What a store may hold as a hash, and verifying a password against it.

use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::Verification;
use super::argon2id::{EngineError, Workspace};
use super::foreign::ForeignHash;
use super::parameters::HashParameters;
use super::pepper::{Pepper, Peppers};
use super::phc::{Argon2Hash, SALT_LENGTH};
use super::pool::Need;

/// Stands for a password that nobody knows. Django spells it so, with anything behind it.
pub(super) const UNUSABLE: &str = "!";

/// Why a text can't serve as a stored hash. Never repeats the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UnreadableHash {
    /// None of the forms that are known.
    #[error("the hash has none of the forms that are known")]
    Unknown,
    /// Of a known form, and not well formed.
    #[error("the {0} hash is malformed, or its parameters are out of bounds")]
    Malformed(&'static str),
    /// Of a form that gives passwords away: without a salt, or MD5.
    #[error("the hash is too weak to be kept: it has no salt, or is MD5 or SHA-1 of one round")]
    Weak,
    /// Verifying it would take more than is ever spent on one.
    #[error("the {algorithm} hash asks for more than is spent on one: {limit}")]
    TooExpensive {
        /// What the algorithm is called.
        algorithm: &'static str,
        /// The most that is spent.
        limit: &'static str,
    },
}

/// A stored hash, taken apart.
pub(super) enum StoredHash {
    Argon2(Argon2Hash),
    Foreign(ForeignHash),
    /// No password fits.
    Unusable,
}

impl StoredHash {
    /// Reads whichever form it is.
    pub(super) fn parse(text: &str) -> Result<Self, UnreadableHash> {
        if text.starts_with(UNUSABLE) {
            return Ok(Self::Unusable);
        }
        // Django puts the algorithm's name before the string of the library.
        let argon2 = text.strip_prefix("argon2").filter(|rest| rest.starts_with("$argon2")).unwrap_or(text);
        if argon2.starts_with("$argon2") {
            return Argon2Hash::parse(argon2).map(Self::Argon2).ok_or(UnreadableHash::Malformed("Argon2"));
        }
        ForeignHash::parse(text).map(Self::Foreign)
    }

    /// The same with the pepper that it names. One whose pepper is not here, nobody's password fits; that is logged, for
    /// somebody who had their password right is told that it is wrong.
    pub(super) fn with_its_pepper(self, peppers: &Peppers) -> Self {
        let Self::Argon2(hash) = self else { return self };
        hash.with_its_pepper(peppers).map_or_else(
            |id| {
                tracing::error!(event = "password_pepper_missing", key_id = %id);
                Self::Unusable
            },
            Self::Argon2,
        )
    }

    /// What the algorithm is called, or `None` for what no password fits.
    pub(super) const fn algorithm(&self) -> Option<&'static str> {
        match self {
            Self::Argon2(_) => Some("Argon2"),
            Self::Foreign(hash) => Some(hash.algorithm()),
            Self::Unusable => None,
        }
    }

    /// What verifying needs on a pool of these parameters.
    pub(super) fn need(&self, parameters: HashParameters) -> Need {
        let is_divisible = match self {
            Self::Argon2(hash) => hash.is_divisible(),
            Self::Foreign(_) => false,
            Self::Unusable => parameters.is_divisible(),
        };
        Need { memory_kib: self.memory_kib(parameters.memory_kib()), is_divisible }
    }

    /// The memory that verifying takes on a pool whose threads have `own_kib` each.
    ///
    /// What fills memory of its own counts as larger than a thread's, so that one is verified at a time and the
    /// pool keeps within its ceiling.
    fn memory_kib(&self, own_kib: u32) -> u32 {
        match self {
            Self::Argon2(hash) => hash.parameters.memory_kib(),
            Self::Foreign(hash) if hash.memory_kib() > 0 => hash.memory_kib().max(own_kib.saturating_add(1)),
            Self::Foreign(_) | Self::Unusable => own_kib,
        }
    }

    /// Whether `password` fits. A refusal costs at least what a new hash costs, whatever is stored: nobody learns
    /// from a quick answer that an address has an account with an old hash.
    pub(super) fn verify(
        &self,
        password: &[u8],
        workspace: &mut Workspace,
        (parameters, pepper): (HashParameters, Option<&Pepper>),
    ) -> Result<Verification, EngineError> {
        let (matches, is_costly, is_current) = match self {
            Self::Argon2(hash) => {
                let is_costly = !hash.is_weaker_than(parameters);
                let is_current = is_costly && hash.pepper_id == pepper.map(|pepper| pepper.id);
                (tag_fits(hash, password, workspace)?, is_costly, is_current)
            }
            Self::Foreign(hash) => (hash.matches(password)?, false, false),
            Self::Unusable => (false, false, false),
        };
        if !matches && !is_costly {
            tag_fits(&dummy(parameters).peppered(pepper), password, workspace)?;
        }
        Ok(Verification { matches, needs_upgrade: matches && !is_current })
    }
}

/// What is computed where there is nothing to verify. No password fits: see [`StoredHash::Unusable`].
fn dummy(parameters: HashParameters) -> Argon2Hash {
    Argon2Hash::without_tag(&[0; SALT_LENGTH], parameters)
}

fn tag_fits(hash: &Argon2Hash, password: &[u8], workspace: &mut Workspace) -> Result<bool, EngineError> {
    let tag = Zeroizing::new(workspace.tag(password, hash)?);
    Ok(tag.ct_eq(&hash.tag).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_dummy_costs_what_a_new_hash_costs() {
        let parameters = HashParameters::new(64, 2, 2).unwrap();
        let mut workspace = Workspace::reserve(64).unwrap();
        let real = workspace.hash(b"a password", &[7; SALT_LENGTH], parameters).unwrap();
        let dummy = dummy(parameters);
        assert_eq!((dummy.salt.len(), dummy.tag.len()), (real.salt.len(), real.tag.len()));
        // All that is left of a hash: variant, version, parameters.
        assert_eq!(Argon2Hash { salt: real.salt.clone(), tag: real.tag.clone(), ..dummy }, real);
    }

    #[test]
    fn a_refusal_is_never_cheaper_than_a_new_hash() {
        let parameters = HashParameters::new(64, 1, 1).unwrap();
        let cheap = "$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHRzb21lc2FsdA$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
        let pbkdf2 = "$pbkdf2-sha256$1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
        for text in ["!", cheap, pbkdf2] {
            let mut workspace = Workspace::reserve(64).unwrap();
            StoredHash::parse(text).unwrap().verify(b"wrong", &mut workspace, (parameters, None)).unwrap();
            // Only the dummy, of 64 KiB, reaches the last of the memory.
            assert!(workspace.reaches_its_end(), "{text}");
        }
    }

    #[test]
    fn every_unusable_mark_is_one() {
        for text in ["!", "!kq3Yk0bWnJtZ8w0yHbqW3LKUQ1T7s5Pp4mNcVxzA"] {
            assert!(matches!(StoredHash::parse(text), Ok(StoredHash::Unusable)), "{text}");
        }
    }
}
