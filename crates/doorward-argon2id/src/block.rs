//! The 1 KiB block that Argon2's memory is made of.

/// 128 words, in the order that the kernel at work prefers. A cache line holds eight of them.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
pub(crate) struct Block(pub(crate) [u64; Block::WORDS]);

impl Block {
    pub(crate) const WORDS: usize = 128;
    pub(crate) const BYTES: usize = 1024;
    pub(crate) const ZERO: Self = Self([0; Self::WORDS]);
}

const _: () = assert!(size_of::<Block>() == Block::BYTES);
