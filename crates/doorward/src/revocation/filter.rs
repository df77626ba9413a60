//! A filter before the set of endings: says *surely not* without a lock, otherwise *maybe*.

use std::sync::atomic::{AtomicU64, Ordering};

/// 2^19 bits, 64 KiB: with ten thousand endings two requests in a hundred look into the set for nothing.
const WORDS: usize = 1 << 13;
const BITS: u32 = WORDS.trailing_zeros() + u64::BITS.trailing_zeros();

/// One bit for every key that was added; keys may share one.
///
/// Readers take no lock. Whoever changes it holds the lock of the set, so there is one writer at a time.
#[derive(Debug)]
pub(super) struct Filter {
    words: Box<[AtomicU64]>,
}

impl Default for Filter {
    fn default() -> Self {
        Self { words: (0..WORDS).map(|_| AtomicU64::new(0)).collect() }
    }
}

impl Filter {
    /// Whether `key` may have been added. `false` is certain.
    pub(super) fn may_hold(&self, key: u64) -> bool {
        let (word, bit) = place(key);
        self.words[word].load(Ordering::Acquire) & bit != 0
    }

    pub(super) fn add(&self, key: u64) {
        let (word, bit) = place(key);
        self.words[word].fetch_or(bit, Ordering::Release);
    }

    /// Clears the bits of all but `keys`. No bit of theirs is clear even for a moment.
    pub(super) fn keep_only(&self, keys: impl Iterator<Item = u64>) {
        let mut kept = vec![0; WORDS];
        for key in keys {
            let (word, bit) = place(key);
            kept[word] |= bit;
        }
        for (word, kept) in self.words.iter().zip(kept) {
            if word.load(Ordering::Relaxed) != kept {
                word.store(kept, Ordering::Release);
            }
        }
    }
}

/// The word and the bit of a key, by its highest bits.
const fn place(key: u64) -> (usize, u64) {
    #[expect(clippy::cast_possible_truncation, reason = "19 bits fit")]
    let place = (key >> (u64::BITS - BITS)) as usize;
    (place / 64, 1 << (place % 64))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_was_added_or_kept_is_never_denied(keys: Vec<u64>, kept in 0..64_usize) {
            let filter = Filter::default();
            keys.iter().for_each(|key| filter.add(*key));
            prop_assert!(keys.iter().all(|key| filter.may_hold(*key)));
            let kept = &keys[..kept.min(keys.len())];
            filter.keep_only(kept.iter().copied());
            prop_assert!(kept.iter().all(|key| filter.may_hold(*key)));
            let bits = filter.words.iter().map(|word| word.load(Ordering::Relaxed).count_ones() as usize).sum::<usize>();
            prop_assert!(bits <= kept.len());
        }
    }

    #[test]
    fn keys_are_told_apart() {
        let filter = Filter::default();
        filter.add(1 << 45);
        assert!(filter.may_hold(1 << 45));
        assert!(!filter.may_hold(1 << 46));
        assert!(!filter.may_hold(u64::MAX));
    }
}
