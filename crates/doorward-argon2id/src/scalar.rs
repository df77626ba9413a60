//! The compression function on plain integers: the definition, as RFC 9106 §3.5 and §3.6 have it.

use crate::block::Block;
use crate::fill::Compression;

/// Runs everywhere.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scalar;

impl Compression for Scalar {
    fn position(word: usize) -> usize {
        word
    }

    fn compress<const ACCUMULATE: bool>(
        self,
        previous: &Block,
        reference: &Block,
        destination: &mut Block,
        first_word: impl FnOnce(u64),
    ) {
        let mut sum = *previous;
        sum.0.iter_mut().zip(&reference.0).for_each(|(sum, word)| *sum ^= word);
        let mut permuted = sum;
        for row in 0..8 {
            permute(&mut permuted.0, |index| row * 16 + index);
        }
        for column in 0..8 {
            permute(&mut permuted.0, |index| index / 2 * 16 + column * 2 + index % 2);
        }
        for ((destination, permuted), sum) in destination.0.iter_mut().zip(&permuted.0).zip(&sum.0) {
            *destination = if ACCUMULATE { *destination } else { 0 } ^ permuted ^ sum;
        }
        first_word(destination.0[0]);
    }

    fn prefetch(self, _: *const Block) {}
}

/// P on the 16 words that `position` finds.
fn permute(words: &mut [u64; Block::WORDS], position: impl Fn(usize) -> usize) {
    for start in 0..4 {
        mix(words, [start, 4 + start, 8 + start, 12 + start].map(&position));
    }
    for start in 0..4 {
        mix(words, [start, 4 + (start + 1) % 4, 8 + (start + 2) % 4, 12 + (start + 3) % 4].map(&position));
    }
}

/// GB.
fn mix(words: &mut [u64; Block::WORDS], [a, b, c, d]: [usize; 4]) {
    for [first, second] in [[32, 24], [16, 63]] {
        words[a] = multiply_add(words[a], words[b]);
        words[d] = (words[d] ^ words[a]).rotate_right(first);
        words[c] = multiply_add(words[c], words[d]);
        words[b] = (words[b] ^ words[c]).rotate_right(second);
    }
}

const fn multiply_add(a: u64, b: u64) -> u64 {
    let product = (a & 0xffff_ffff) * (b & 0xffff_ffff);
    a.wrapping_add(b).wrapping_add(product.wrapping_mul(2))
}
