//! Chance that comes to the same each time: SplitMix64 (Steele, Lea and Flood, 2014).

pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) const fn of(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number under `end`, which is not zero.
    pub(crate) fn under(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    /// A place in a list of that length, which is not zero.
    pub(crate) fn place(&mut self, length: usize) -> usize {
        usize::try_from(self.under(length as u64)).unwrap_or(0)
    }
}
