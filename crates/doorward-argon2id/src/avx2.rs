//! The compression function on AVX2: 256-bit registers, four words each.
//!
//! A permutation works on four rows, or four columns, at once. A register holds two consecutive words of one of
//! them in its lower half and of its neighbour in the upper. So turning the diagonals of a 4 × 4 matrix takes
//! shuffles within halves only, which cost one cycle where those across cost three to six.
//!
//! Four registers always go through the same step side by side. Each is a chain of operations that wait for one
//! another; a processor looks about a hundred instructions ahead, too few to find the next chain by itself.

use std::arch::asm;
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

/// One row of the 4 × 4 matrices of two pairs of rows or columns: two registers a pair.
type Four = [__m256i; 4];

/// GB on the columns of the matrices (RFC 9106 §3.6).
///
/// This and `permute` are macros because a function with target features can't be forced inline, and passing 16
/// registers through memory would cost a third of the speed.
macro_rules! mix {
    ($a:ident, $b:ident, $c:ident, $d:ident) => {
        $a = multiply_add($a, $b);
        $d = exchange_words(xor($d, $a));
        $c = multiply_add($c, $d);
        $b = rotate_24(xor($b, $c));
        $a = multiply_add($a, $b);
        $d = rotate_16(xor($d, $a));
        $c = multiply_add($c, $d);
        $b = rotate_63(xor($b, $c));
    };
}

/// P (RFC 9106 §3.6) on the four rows or columns that `$state`, a `[Four; 4]`, holds.
macro_rules! permute {
    ($state:expr) => {{
        let [mut a, mut b, mut c, mut d] = $state;
        mix!(a, b, c, d);
        // Row b turns by one word, c by two, d by three: diagonals become columns.
        b = join(swap(b), b);
        c = swap(c);
        d = join(d, swap(d));
        mix!(a, b, c, d);
        b = join(b, swap(b));
        c = swap(c);
        d = join(swap(d), d);
        [a, b, c, d]
    }};
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
    let permuted = [
        permute_rows::<ACCUMULATE>(0, previous, reference, destination),
        permute_rows::<ACCUMULATE>(1, previous, reference, destination),
    ];
    permute_columns(0, &permuted, destination);
    first_word(_mm_cvtsi128_si64(_mm256_castsi256_si128(destination[0])).cast_unsigned());
    permute_columns(1, &permuted, destination);
}

/// Permutes one half of the sum's rows, and puts their sum into the result.
#[target_feature(enable = "avx2")]
#[inline]
#[expect(clippy::needless_range_loop, reason = "the same index means another register on either side")]
fn permute_rows<const ACCUMULATE: bool>(
    half: usize,
    previous: &Registers,
    reference: &Registers,
    destination: &mut Registers,
) -> [__m256i; REGISTERS / 2] {
    let mut state = [[_mm256_setzero_si256(); 4]; 4];
    for pair in 0..2 {
        for quarter in 0..4 {
            let upper = half * 16 + pair * 8 + quarter;
            let lower = upper + 4;
            let first = _mm256_xor_si256(previous[upper], reference[upper]);
            let second = _mm256_xor_si256(previous[lower], reference[lower]);
            for (at, sum) in [(upper, first), (lower, second)] {
                destination[at] = if ACCUMULATE { _mm256_xor_si256(destination[at], sum) } else { sum };
            }
            [state[quarter][pair * 2], state[quarter][pair * 2 + 1]] = exchange_halves(first, second);
        }
    }
    let state = permute!(state);
    let mut permuted = [_mm256_setzero_si256(); REGISTERS / 2];
    for pair in 0..2 {
        for quarter in 0..4 {
            let at = pair * 8 + quarter;
            [permuted[at], permuted[at + 4]] = exchange_halves(state[quarter][pair * 2], state[quarter][pair * 2 + 1]);
        }
    }
    permuted
}

/// Permutes one half of the columns, and adds them to the result.
#[target_feature(enable = "avx2")]
#[inline]
fn permute_columns(half: usize, rows: &[[__m256i; REGISTERS / 2]; 2], destination: &mut Registers) {
    let mut state = [[_mm256_setzero_si256(); 4]; 4];
    for pair in 0..2 {
        for row in 0..8 {
            state[row / 2][pair * 2 + row % 2] = rows[row / 4][row % 4 * 4 + half * 2 + pair];
        }
    }
    let state = permute!(state);
    for pair in 0..2 {
        for row in 0..8 {
            let at = row * 4 + half * 2 + pair;
            destination[at] = _mm256_xor_si256(destination[at], state[row / 2][pair * 2 + row % 2]);
        }
    }
}

/// Both lower halves, and both upper halves. Its own inverse.
#[target_feature(enable = "avx2")]
#[inline]
fn exchange_halves(first: __m256i, second: __m256i) -> [__m256i; 2] {
    [_mm256_permute2x128_si256::<0x20>(first, second), _mm256_permute2x128_si256::<0x31>(first, second)]
}

/// The registers of each pair, exchanged: a turn by two words, which costs nothing.
const fn swap([first, second, third, fourth]: Four) -> Four {
    [second, first, fourth, third]
}

/// Of each half the second word of `before`, then the first of `after`.
#[target_feature(enable = "avx2")]
#[inline]
fn join(after: Four, before: Four) -> Four {
    let mut joined = after;
    for index in 0..4 {
        joined[index] = _mm256_alignr_epi8::<8>(after[index], before[index]);
    }
    joined
}

/// a + b + 2 · low(a) · low(b).
#[target_feature(enable = "avx2")]
#[inline]
fn multiply_add(mut a: Four, b: Four) -> Four {
    for index in 0..4 {
        let product = _mm256_mul_epu32(a[index], b[index]);
        let sum = _mm256_add_epi64(a[index], b[index]);
        a[index] = _mm256_add_epi64(sum, _mm256_add_epi64(product, product));
    }
    side_by_side(a)
}

#[target_feature(enable = "avx2")]
#[inline]
fn xor(mut a: Four, b: Four) -> Four {
    for index in 0..4 {
        a[index] = _mm256_xor_si256(a[index], b[index]);
    }
    a
}

/// A rotation by 32 bits.
#[target_feature(enable = "avx2")]
#[inline]
fn exchange_words(mut words: Four) -> Four {
    for word in &mut words {
        *word = _mm256_shuffle_epi32::<0b10_11_00_01>(*word);
    }
    words
}

#[target_feature(enable = "avx2")]
#[inline]
fn rotate_24(words: Four) -> Four {
    const BYTES: [u8; 16] = [3, 4, 5, 6, 7, 0, 1, 2, 11, 12, 13, 14, 15, 8, 9, 10];
    shuffle(words, BYTES)
}

#[target_feature(enable = "avx2")]
#[inline]
fn rotate_16(words: Four) -> Four {
    const BYTES: [u8; 16] = [2, 3, 4, 5, 6, 7, 0, 1, 10, 11, 12, 13, 14, 15, 8, 9];
    shuffle(words, BYTES)
}

/// Puts the byte number `bytes[i]` of each half at place `i`.
#[target_feature(enable = "avx2")]
#[inline]
fn shuffle(mut words: Four, bytes: [u8; 16]) -> Four {
    let [low, high] = [0, 8].map(|at| i64::from_le_bytes(std::array::from_fn(|index| bytes[at + index])));
    let mut mask = _mm256_set_epi64x(high, low, high, low);
    // The compiler would make two instructions of the one, did it know the mask.
    // SAFETY: no instruction at all.
    unsafe { asm!("/* {} */", inout(ymm_reg) mask, options(pure, nomem, nostack, preserves_flags)) };
    for word in &mut words {
        *word = _mm256_shuffle_epi8(*word, mask);
    }
    words
}

#[target_feature(enable = "avx2")]
#[inline]
fn rotate_63(mut words: Four) -> Four {
    for word in &mut words {
        *word = _mm256_xor_si256(_mm256_srli_epi64::<63>(*word), _mm256_add_epi64(*word, *word));
    }
    words
}

/// Keeps the compiler from computing one chain after the other, which it prefers, for that takes fewer registers.
#[target_feature(enable = "avx2")]
#[inline]
fn side_by_side([mut first, mut second, mut third, mut fourth]: Four) -> Four {
    // SAFETY: no instruction at all; the four values come out as they went in.
    unsafe {
        asm!(
            "/* {} {} {} {} */",
            inout(ymm_reg) first,
            inout(ymm_reg) second,
            inout(ymm_reg) third,
            inout(ymm_reg) fourth,
            options(pure, nomem, nostack, preserves_flags),
        );
    }
    [first, second, third, fourth]
}
