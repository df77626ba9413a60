//! What a hash is computed from, checked against the RFC's bounds.

/// What a hash costs: memory, passes over it, and lanes (RFC 9106 §3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Parameters {
    pub(crate) memory_kib: u32,
    pub(crate) iterations: u32,
    pub(crate) lanes: u32,
}

impl Parameters {
    /// The most lanes that RFC 9106 §3.1 allows.
    pub const MAX_LANES: u32 = (1 << 24) - 1;

    /// Checks the cost: `memory_kib` (m) in KiB, `iterations` (t), `lanes` (p).
    ///
    /// # Errors
    ///
    /// Unless 1 ≤ p < 2²⁴, t ≥ 1 and m ≥ 8p.
    pub const fn new(memory_kib: u32, iterations: u32, lanes: u32) -> Result<Self, Error> {
        if lanes < 1 || lanes > Self::MAX_LANES {
            return Err(Error::Lanes);
        }
        if memory_kib < 8 * lanes {
            return Err(Error::TooLittleMemory);
        }
        if iterations < 1 {
            return Err(Error::NoIterations);
        }
        Ok(Self { memory_kib, iterations, lanes })
    }

    /// Memory in KiB: m.
    pub const fn memory_kib(self) -> u32 {
        self.memory_kib
    }

    /// Passes over the memory: t.
    pub const fn iterations(self) -> u32 {
        self.iterations
    }

    /// Lanes: p.
    pub const fn lanes(self) -> u32 {
        self.lanes
    }

    /// Blocks of a lane that lie between two synchronisation points. What m has beyond a multiple of 4p is unused.
    pub(crate) const fn segment_length(self) -> usize {
        self.memory_kib as usize / (SLICES * self.lanes as usize)
    }

    /// Blocks in use: m′ of the RFC.
    pub(crate) const fn block_count(self) -> usize {
        self.segment_length() * SLICES * self.lanes as usize
    }
}

/// Segments of a lane, with a synchronisation point after each (RFC 9106 §3.4).
pub(crate) const SLICES: usize = 4;

/// What is hashed. All of it may be secret but the salt.
#[derive(Clone, Copy, Default)]
pub struct Inputs<'a> {
    /// The message P: a password.
    pub password: &'a [u8],
    /// The nonce S: at least 8 bytes, 16 are recommended.
    pub salt: &'a [u8],
    /// The secret value K, known as pepper; may be empty.
    pub secret: &'a [u8],
    /// The associated data X; may be empty.
    pub associated_data: &'a [u8],
}

/// Tells lengths only.
impl std::fmt::Debug for Inputs<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inputs")
            .field("password_length", &self.password.len())
            .field("salt_length", &self.salt.len())
            .field("secret_length", &self.secret.len())
            .field("associated_data_length", &self.associated_data.len())
            .finish()
    }
}

/// The shortest tag that RFC 9106 §3.1 allows, in bytes.
pub const MIN_TAG_LENGTH: usize = 4;

/// The shortest salt, in bytes: the reference implementation's bound, which the RFC leaves open.
pub const MIN_SALT_LENGTH: usize = 8;

impl Inputs<'_> {
    /// Checks the lengths that RFC 9106 §3.1 bounds, `tag_length` among them.
    pub(crate) fn check(&self, tag_length: usize) -> Result<(), Error> {
        if self.salt.len() < MIN_SALT_LENGTH {
            return Err(Error::SaltTooShort);
        }
        if tag_length < MIN_TAG_LENGTH {
            return Err(Error::TagTooShort);
        }
        let lengths = [self.password.len(), self.salt.len(), self.secret.len(), self.associated_data.len(), tag_length];
        if lengths.into_iter().any(|length| u32::try_from(length).is_err()) {
            return Err(Error::TooLong);
        }
        Ok(())
    }
}

/// Why there is no hash. None of these depends on what the secret inputs hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No lanes, or 2²⁴ and more.
    #[error("lanes must be between 1 and 2^24 - 1")]
    Lanes,
    /// Less than 8 KiB a lane.
    #[error("memory must be at least 8 KiB a lane")]
    TooLittleMemory,
    /// No iterations.
    #[error("there must be at least one iteration")]
    NoIterations,
    /// Salt of less than [`MIN_SALT_LENGTH`] bytes.
    #[error("the salt must have at least 8 bytes")]
    SaltTooShort,
    /// Tag of less than [`MIN_TAG_LENGTH`] bytes.
    #[error("the tag must have at least 4 bytes")]
    TagTooShort,
    /// An input or the tag of 4 GiB or more.
    #[error("inputs and tag must be shorter than 4 GiB")]
    TooLong,
    /// Parameters that ask for more memory than the workspace owns.
    #[error("the workspace has less memory than the parameters ask for")]
    WorkspaceTooSmall,
    /// A kernel that this processor lacks, or that failed its self-test.
    #[error("this kernel is not available here")]
    KernelUnavailable,
    /// An engine went astray; it gave no tag. Does not happen.
    #[error("a defect of the Argon2id engine")]
    Defect,
}
