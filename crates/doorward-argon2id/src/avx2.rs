//! The compression function on AVX2: 256-bit registers, four words each.
//!
//! A permutation works on eight registers that hold two rows, or two columns, side by side: one in the lower
//! half, one in the upper. The half-register of a row or column is two consecutive words of it. So turning the
//! diagonals of its 4 × 4 matrix takes shuffles within halves only, which cost one cycle where those across cost
//! three to six, and there are always two independent chains to work at.

use std::arch::x86_64::*;

use crate::block::Block;
use crate::fill::Compression;

/// Proof that this processor has AVX2.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Avx2(());

impl Avx2 {
    pub(crate) fn detect() -> Option<Self> {
        is_x86_feature_detected!("avx2").then_some(Self(()))
    }
}

impl Compression for Avx2 {
    fn position(word: usize) -> usize {
        word
    }

    #[inline]
    fn compress<const ACCUMULATE: bool>(
        self,
        previous: &Block,
        reference: &Block,
        destination: &mut Block,
        first_word: impl FnOnce(u64),
    ) {
        // SAFETY: `self` exists only where AVX2 does.
        unsafe { compress::<ACCUMULATE>(previous, reference, destination, first_word) }
    }

    #[inline]
    fn prefetch(self, block: *const Block) {
        prefetch(block);
    }
}

/// Asks for a block's 16 cache lines.
#[inline]
pub(crate) fn prefetch(block: *const Block) {
    for line in 0..Block::BYTES / 64 {
        // SAFETY: a prefetch reads nothing that the program could see and doesn't fault, whatever the address.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(block.cast::<i8>().wrapping_add(line * 64)) }
    }
}

/// A row is four registers; a block eight rows.
const REGISTERS: usize = 32;
type Registers = [__m256i; REGISTERS];

const fn registers(block: &Block) -> &Registers {
    // SAFETY: same size, and a block is aligned to 64 bytes, the registers to 32; any bits are either.
    unsafe { &*std::ptr::from_ref(block).cast() }
}

const fn registers_mut(block: &mut Block) -> &mut Registers {
    // SAFETY: as in `registers`; the borrow stays exclusive.
    unsafe { &mut *std::ptr::from_mut(block).cast() }
}

#[target_feature(enable = "avx2")]
fn compress<const ACCUMULATE: bool>(
    previous: &Block,
    reference: &Block,
    destination: &mut Block,
    first_word: impl FnOnce(u64),
) {
    let (previous, reference) = (registers(previous), registers(reference));
    let destination = registers_mut(destination);
    let mut permuted = [_mm256_setzero_si256(); REGISTERS];
    for rows in 0..4 {
        let (upper, lower) = (rows * 8, rows * 8 + 4);
        let mut state = [_mm256_setzero_si256(); 8];
        for quarter in 0..4 {
            let first = _mm256_xor_si256(previous[upper + quarter], reference[upper + quarter]);
            let second = _mm256_xor_si256(previous[lower + quarter], reference[lower + quarter]);
            // The sum goes into the result once more.
            for (at, sum) in [(upper + quarter, first), (lower + quarter, second)] {
                destination[at] = if ACCUMULATE { _mm256_xor_si256(destination[at], sum) } else { sum };
            }
            [state[2 * quarter], state[2 * quarter + 1]] = exchange_halves(first, second);
        }
        permute(&mut state);
        for quarter in 0..4 {
            [permuted[upper + quarter], permuted[lower + quarter]] =
                exchange_halves(state[2 * quarter], state[2 * quarter + 1]);
        }
    }
    finish_columns(0, &permuted, destination);
    first_word(_mm_cvtsi128_si64(_mm256_castsi256_si128(destination[0])).cast_unsigned());
    for columns in 1..4 {
        finish_columns(columns, &permuted, destination);
    }
}

/// Permutes two columns and adds them to the result.
#[target_feature(enable = "avx2")]
#[inline]
fn finish_columns(columns: usize, permuted: &Registers, destination: &mut Registers) {
    let mut state = [_mm256_setzero_si256(); 8];
    for row in 0..8 {
        state[row] = permuted[row * 4 + columns];
    }
    permute(&mut state);
    for row in 0..8 {
        let at = row * 4 + columns;
        destination[at] = _mm256_xor_si256(destination[at], state[row]);
    }
}

/// Both lower halves, and both upper halves. Its own inverse.
#[target_feature(enable = "avx2")]
#[inline]
fn exchange_halves(first: __m256i, second: __m256i) -> [__m256i; 2] {
    [_mm256_permute2x128_si256::<0x20>(first, second), _mm256_permute2x128_si256::<0x31>(first, second)]
}

/// P (RFC 9106 §3.6) on two rows or two columns at once. Two registers are a row of each 4 × 4 matrix.
#[target_feature(enable = "avx2")]
#[inline]
fn permute(state: &mut [__m256i; 8]) {
    let [mut a0, mut a1, mut b0, mut b1, mut c0, mut c1, mut d0, mut d1] = *state;
    mix(&mut a0, &mut b0, &mut c0, &mut d0);
    mix(&mut a1, &mut b1, &mut c1, &mut d1);
    // Row b turns by one word, c by two, d by three: diagonals become columns.
    (b0, b1) = (_mm256_alignr_epi8::<8>(b1, b0), _mm256_alignr_epi8::<8>(b0, b1));
    (c0, c1) = (c1, c0);
    (d0, d1) = (_mm256_alignr_epi8::<8>(d0, d1), _mm256_alignr_epi8::<8>(d1, d0));
    mix(&mut a0, &mut b0, &mut c0, &mut d0);
    mix(&mut a1, &mut b1, &mut c1, &mut d1);
    (b0, b1) = (_mm256_alignr_epi8::<8>(b0, b1), _mm256_alignr_epi8::<8>(b1, b0));
    (c0, c1) = (c1, c0);
    (d0, d1) = (_mm256_alignr_epi8::<8>(d1, d0), _mm256_alignr_epi8::<8>(d0, d1));
    *state = [a0, a1, b0, b1, c0, c1, d0, d1];
}

/// GB, four at a time.
#[target_feature(enable = "avx2")]
#[inline]
fn mix(a: &mut __m256i, b: &mut __m256i, c: &mut __m256i, d: &mut __m256i) {
    *a = multiply_add(*a, *b);
    *d = _mm256_shuffle_epi32::<0b10_11_00_01>(_mm256_xor_si256(*d, *a));
    *c = multiply_add(*c, *d);
    *b = rotate_bytes::<3>(_mm256_xor_si256(*b, *c));
    *a = multiply_add(*a, *b);
    *d = rotate_bytes::<2>(_mm256_xor_si256(*d, *a));
    *c = multiply_add(*c, *d);
    let mixed = _mm256_xor_si256(*b, *c);
    *b = _mm256_xor_si256(_mm256_srli_epi64::<63>(mixed), _mm256_add_epi64(mixed, mixed));
}

/// a + b + 2 · low(a) · low(b).
#[target_feature(enable = "avx2")]
#[inline]
fn multiply_add(a: __m256i, b: __m256i) -> __m256i {
    let product = _mm256_mul_epu32(a, b);
    _mm256_add_epi64(_mm256_add_epi64(a, b), _mm256_add_epi64(product, product))
}

/// Rotates each word to the right by whole bytes.
#[target_feature(enable = "avx2")]
#[inline]
fn rotate_bytes<const BYTES: i64>(words: __m256i) -> __m256i {
    let turn = |start: i64| (0..8).fold(0, |bytes, index| bytes | (start + (index + BYTES) % 8) << (8 * index));
    _mm256_shuffle_epi8(words, _mm256_set_epi64x(turn(8), turn(0), turn(8), turn(0)))
}
