//! What a hash costs.

use std::time::Duration;

/// The most memory of one hash, in KiB: what [`HashParameters::new`] takes and what is spent on a hash
/// that another system made.
pub const MAX_MEMORY_KIB: u32 = 1024 * 1024;
/// The most blocks computed for one hash, in KiB times passes.
const MAX_WORK: u64 = 4 * MAX_MEMORY_KIB as u64;
/// The least blocks that are worth a second thread, in KiB times passes: some milliseconds.
const LEAST_DIVISIBLE_WORK: u64 = 16 * 1024;
/// The most lanes of one hash.
const MAX_LANES: u32 = 64;

/// The cost parameters of Argon2 (RFC 9106, section 3.1).
///
/// The default is the RFC's second recommendation: 64 MiB, 3 passes, 4 lanes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HashParameters {
    memory_kib: u32,
    iterations: u32,
    lanes: u32,
}

/// Why parameters are no parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidParameters {
    /// Lanes are counted from 1 to 64.
    #[error("there must be from 1 to {MAX_LANES} lanes")]
    Lanes,
    /// Every lane needs eight blocks, and nobody needs more than a GiB.
    #[error("there must be at least 8 KiB of memory a lane and at most {MAX_MEMORY_KIB} KiB in all")]
    Memory,
    /// At least one pass, and memory times passes within 4 GiB.
    #[error("there must be at least one iteration, and memory times iterations within {MAX_WORK} KiB")]
    Iterations,
}

impl HashParameters {
    /// Parameters within the limits of RFC 9106 and of reason.
    ///
    /// `memory_kib` is *m* in KiB, `iterations` is *t*, `lanes` is *p*.
    ///
    /// # Errors
    ///
    /// [`InvalidParameters`] names the first limit that is passed.
    pub const fn new(memory_kib: u32, iterations: u32, lanes: u32) -> Result<Self, InvalidParameters> {
        if lanes == 0 || lanes > MAX_LANES {
            return Err(InvalidParameters::Lanes);
        }
        if memory_kib < 8 * lanes || memory_kib > MAX_MEMORY_KIB {
            return Err(InvalidParameters::Memory);
        }
        if iterations == 0 || memory_kib as u64 * iterations as u64 > MAX_WORK {
            return Err(InvalidParameters::Iterations);
        }
        Ok(Self { memory_kib, iterations, lanes })
    }

    /// *m*: the memory of one hash in KiB.
    pub const fn memory_kib(self) -> u32 {
        self.memory_kib
    }

    /// *t*: how many passes are made over the memory.
    pub const fn iterations(self) -> u32 {
        self.iterations
    }

    /// *p*: how many lanes the memory has.
    pub const fn lanes(self) -> u32 {
        self.lanes
    }

    /// Whether a hash is cheaper than OWASP ASVS 5 allows (appendix C): 46 MiB in one pass, 19 MiB in
    /// two, 12 MiB in three or more.
    pub const fn is_below_recommendation(self) -> bool {
        let least_memory = match self.iterations {
            1 => 47_104,
            2 => 19_456,
            _ => 12_288,
        };
        self.memory_kib < least_memory
    }

    /// Whether `stored` costs an attacker less than these parameters do.
    pub(super) const fn are_raised_over(self, stored: Self) -> bool {
        stored.memory_kib < self.memory_kib || stored.iterations < self.iterations
    }

    /// A first guess at the time of one hash, in microseconds, until one was measured: four blocks a microsecond,
    /// about what AVX2 does.
    pub(super) fn guessed_micros(self) -> u64 {
        self.micros_at(Duration::from_micros(1024 / 4))
    }

    /// The time of one hash, in microseconds, where a pass over a MiB takes `mebibyte`.
    pub(super) fn micros_at(self, mebibyte: Duration) -> u64 {
        let blocks = u64::from(self.memory_kib) * u64::from(self.iterations);
        let nanos = u64::try_from(mebibyte.as_nanos()).unwrap_or(u64::MAX);
        blocks.saturating_mul(nanos) / 1024 / 1000
    }

    /// Whether two threads finish a hash sooner than one: it has two lanes or more, and takes longer than meeting
    /// takes them.
    pub(super) const fn is_divisible(self) -> bool {
        self.lanes > 1 && self.memory_kib as u64 * self.iterations as u64 >= LEAST_DIVISIBLE_WORK
    }
}

impl Default for HashParameters {
    fn default() -> Self {
        Self { memory_kib: 65_536, iterations: 3, lanes: 4 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_kept() {
        assert_eq!(HashParameters::new(65_536, 3, 4), Ok(HashParameters::default()));
        assert!(HashParameters::new(8, 1, 1).is_ok());
        assert_eq!(HashParameters::new(7, 1, 1), Err(InvalidParameters::Memory));
        assert_eq!(HashParameters::new(31, 1, 4), Err(InvalidParameters::Memory));
        assert_eq!(HashParameters::new(u32::MAX, 1, 1), Err(InvalidParameters::Memory));
        assert_eq!(HashParameters::new(8, 0, 1), Err(InvalidParameters::Iterations));
        assert_eq!(HashParameters::new(8, u32::MAX, 1), Err(InvalidParameters::Iterations));
        assert_eq!(HashParameters::new(8, 1, 0), Err(InvalidParameters::Lanes));
        assert_eq!(HashParameters::new(1024, 1, 65), Err(InvalidParameters::Lanes));
    }

    #[test]
    fn the_recommendation_has_its_three_steps() {
        let is_below =
            |memory, iterations| HashParameters::new(memory, iterations, 1).unwrap().is_below_recommendation();
        for (memory, iterations) in [(47_104, 1), (19_456, 2), (12_288, 3), (12_288, 9)] {
            assert!(!is_below(memory, iterations));
            assert!(is_below(memory - 1, iterations));
        }
    }
}
