//! Randomness: the operating system's, and no other.

use std::cell::RefCell;

use uuid::{Builder, Uuid};
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::clock::Timestamp;

/// The bytes of a UUID.
const UUID: usize = 16;
/// How many UUIDs are fetched at once.
const RESERVE: usize = 64;

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
pub(crate) fn random_uuid() -> Result<Uuid, RandomnessError> {
    Ok(Builder::from_random_bytes(random_bytes()?).into_uuid())
}

/// A version 4 UUID from what the thread fetched in the second of `now`: for names that are no secrets and that many
/// are needed of. What holds of it after a fork is in `docs/decisions/0002`.
pub(crate) fn reserved_uuid(now: Timestamp) -> Result<Uuid, RandomnessError> {
    // A thread at its end has no reserve any more.
    match RESERVED.try_with(|reserved| reserved.borrow_mut().draw(now.seconds())) {
        Ok(drawn) => Ok(Builder::from_random_bytes(drawn?).into_uuid()),
        Err(_) => random_uuid(),
    }
}

thread_local! {
    static RESERVED: RefCell<Reserve> = const { RefCell::new(Reserve::EMPTY) };
}

/// Random bytes fetched ahead, good for one second of the clock. Each is wiped as it is taken.
#[derive(Zeroize, ZeroizeOnDrop)]
struct Reserve {
    bytes: [[u8; UUID]; RESERVE],
    left: usize,
    second: i64,
}

impl Reserve {
    const EMPTY: Self = Self { bytes: [[0; UUID]; RESERVE], left: 0, second: 0 };

    fn draw(&mut self, second: i64) -> Result<[u8; UUID], RandomnessError> {
        if self.left == 0 || self.second != second {
            // Should this fail, nothing is left of what was there before either.
            self.left = 0;
            getrandom::fill(self.bytes.as_flattened_mut())?;
            (self.left, self.second) = (RESERVE, second);
        }
        self.left -= 1;
        Ok(std::mem::take(&mut self.bytes[self.left]))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_name_is_given_twice_on_any_thread() {
        let draw = || (0..10 * RESERVE).map(|_| reserved_uuid(Timestamp::from_seconds(1)).unwrap()).collect::<Vec<_>>();
        let threads: Vec<_> = (0..4).map(|_| std::thread::spawn(draw)).collect();
        let names: Vec<Uuid> = threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
        assert!(names.iter().all(|name| name.get_version_num() == 4 && name.get_variant() == uuid::Variant::RFC4122));
        assert_eq!(names.iter().collect::<HashSet<_>>().len(), 4 * 10 * RESERVE);
    }

    #[test]
    fn what_was_drawn_is_wiped_and_a_reserve_lasts_for_a_second() {
        let mut reserve = Reserve::EMPTY;
        reserve.draw(7).unwrap();
        assert_eq!((reserve.bytes[RESERVE - 1], reserve.left), ([0; UUID], RESERVE - 1));
        let next = reserve.bytes[RESERVE - 2];
        assert_ne!(next, [0; UUID]);
        assert_ne!(reserve.draw(8).unwrap(), next, "of the second before");
        assert_eq!(reserve.left, RESERVE - 1);
        for _ in 0..RESERVE {
            reserve.draw(8).unwrap();
        }
        assert_eq!(reserve.left, RESERVE - 1);
    }
}
