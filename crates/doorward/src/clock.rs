//! Time, handed in: the library asks a [`Clock`] and never the machine.

use std::fmt::Debug;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// A moment: microseconds since 1970-01-01T00:00:00Z, leap seconds not counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The moment `micros` microseconds after the Unix epoch.
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// The moment `seconds` seconds after the Unix epoch; past the range of [`Timestamp`] it is clamped to it.
    pub const fn from_seconds(seconds: i64) -> Self {
        Self(seconds.saturating_mul(1_000_000))
    }

    /// Microseconds since the Unix epoch.
    pub const fn micros(self) -> i64 {
        self.0
    }

    /// Whole seconds since the Unix epoch, rounded down: a JWT's `NumericDate` (RFC 7519, section 2).
    pub const fn seconds(self) -> i64 {
        self.0.div_euclid(1_000_000)
    }

    /// The moment `duration` later, clamped to the range of [`Timestamp`].
    #[must_use]
    #[inline]
    pub fn plus(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(micros_of(duration)))
    }

    /// The moment `duration` earlier, clamped to the range of [`Timestamp`].
    #[must_use]
    pub fn minus(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(micros_of(duration)))
    }

    /// How long after `earlier` this is; nothing when it is not after it, as by a clock that was set back.
    #[inline]
    pub fn since(self, earlier: Self) -> Duration {
        self.max(earlier).distance(earlier)
    }

    /// The distance between two moments, whichever came first.
    #[inline]
    pub fn distance(self, other: Self) -> Duration {
        Duration::from_micros(self.0.abs_diff(other.0))
    }
}

#[inline]
fn micros_of(duration: Duration) -> i64 {
    // 64 bits suffice: what saturates here is clamped anyway.
    let micros = duration.as_secs().saturating_mul(1_000_000).saturating_add(duration.subsec_micros().into());
    i64::try_from(micros).unwrap_or(i64::MAX)
}

/// Tells the time. [`Auth`](crate::Auth) reads it once a request and passes the moment on as data.
pub trait Clock: Debug + Send + Sync {
    /// The present moment.
    fn now(&self) -> Timestamp;

    /// The time that has passed since some moment of the process' own. Unlike the clock it is never corrected: where the
    /// two part, the clock has leapt.
    fn elapsed(&self) -> Duration;
}

/// The machine's own clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the one place where the library reads the time")]
    fn now(&self) -> Timestamp {
        let since_epoch = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Timestamp(micros_of(since_epoch))
    }

    #[expect(clippy::disallowed_methods, reason = "and this the one where it reads what time has passed")]
    fn elapsed(&self) -> Duration {
        static START: OnceLock<Instant> = OnceLock::new();
        let start = START.get_or_init(Instant::now);
        Instant::now().duration_since(*start)
    }
}
