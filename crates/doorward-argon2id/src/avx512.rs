//! The compression function on AVX-512: all 128 words in 16 registers.
//!
//! A register holds a row's or a column's words at one place of its permutation, eight rows or eight columns side
//! by side, so that nothing is shuffled within a permutation; between the two, two 8 × 8 transposes. Blocks are
//! kept in memory as the columns want them, which is an order of their own: see [`position`].
//!
//! [`position`]: Avx512::position

#[cfg(doorward_avx512_model)]
mod model;
#[cfg(not(doorward_avx512_model))]
use std::arch::x86_64::*;

#[cfg(doorward_avx512_model)]
use self::model::*;
use crate::avx2::prefetch;
use crate::block::Block;
use crate::fill::Compression;

/// Proof that this processor has AVX-512F, and that the operating system keeps its registers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Avx512(());

impl Avx512 {
    pub(crate) fn detect() -> Option<Self> {
        (cfg!(doorward_avx512_model) || is_x86_feature_detected!("avx512f")).then_some(Self(()))
    }
}

impl Compression for Avx512 {
    /// Within a row of 16, the even words first, then the odd ones: a register each.
    fn position(word: usize) -> usize {
        word / 16 * 16 + word % 2 * 8 + word % 16 / 2
    }

    #[inline]
    fn compress<const ACCUMULATE: bool>(
        self,
        previous: &Block,
        reference: &Block,
        destination: &mut Block,
        first_word: impl FnOnce(u64),
    ) {
        #[cfg_attr(doorward_avx512_model, expect(unused_unsafe, reason = "the model is plain Rust"))]
        // SAFETY: `self` exists only where AVX-512F does.
        unsafe {
            compress::<ACCUMULATE>(previous, reference, destination);
        }
        first_word(destination.0[0]);
    }

    #[inline]
    fn prefetch(self, block: *const Block) {
        prefetch(block);
    }
}

/// Register 2r + b: of row r the words 2j + b, for j from 0 to 7.
type Registers = [__m512i; 16];

const fn registers(block: &Block) -> &Registers {
    // SAFETY: same size and alignment; any bits are either.
    unsafe { &*std::ptr::from_ref(block).cast() }
}

const fn registers_mut(block: &mut Block) -> &mut Registers {
    // SAFETY: as in `registers`; the borrow stays exclusive.
    unsafe { &mut *std::ptr::from_mut(block).cast() }
}

/// GB (RFC 9106 §3.6) on four quadruples of registers, step by step beside each other: four independent chains.
///
/// This and `permute` are macros because a function with target features can't be forced inline, and 16 registers
/// would go through memory at every call.
macro_rules! mix {
    ($state:ident, $([$a:literal, $b:literal, $c:literal, $d:literal]),*) => {
        $(($state[$a], $state[$d]) = half_mix::<32>($state[$a], $state[$b], $state[$d]);)*
        $(($state[$c], $state[$b]) = half_mix::<24>($state[$c], $state[$d], $state[$b]);)*
        $(($state[$a], $state[$d]) = half_mix::<16>($state[$a], $state[$b], $state[$d]);)*
        $(($state[$c], $state[$b]) = half_mix::<63>($state[$c], $state[$d], $state[$b]);)*
    };
}

/// P on eight rows or eight columns at once.
macro_rules! permute {
    ($state:ident) => {
        mix!($state, [0, 4, 8, 12], [1, 5, 9, 13], [2, 6, 10, 14], [3, 7, 11, 15]);
        mix!($state, [0, 5, 10, 15], [1, 6, 11, 12], [2, 7, 8, 13], [3, 4, 9, 14]);
    };
}

#[cfg_attr(not(doorward_avx512_model), target_feature(enable = "avx512f"))]
fn compress<const ACCUMULATE: bool>(previous: &Block, reference: &Block, destination: &mut Block) {
    let (previous, reference) = (registers(previous), registers(reference));
    let destination = registers_mut(destination);
    let mut sum = [_mm512_setzero_si512(); 16];
    for index in 0..16 {
        sum[index] = _mm512_xor_si512(previous[index], reference[index]);
    }
    let mut state = sum;
    transpose(&mut state);
    permute!(state);
    transpose(&mut state);
    permute!(state);
    for index in 0..16 {
        destination[index] = if ACCUMULATE {
            _mm512_ternarylogic_epi64::<XOR_OF_THREE>(state[index], sum[index], destination[index])
        } else {
            _mm512_xor_si512(state[index], sum[index])
        };
    }
}

/// The truth table of a ⊕ b ⊕ c.
const XOR_OF_THREE: i32 = 0b1001_0110;

/// Exchanges r and j: rows become columns.
#[cfg_attr(not(doorward_avx512_model), target_feature(enable = "avx512f"))]
#[inline]
fn transpose(state: &mut Registers) {
    for parity in 0..2 {
        let row = |index: usize| state[2 * index + parity];
        let columns = transpose_8x8([row(0), row(1), row(2), row(3), row(4), row(5), row(6), row(7)]);
        for (index, column) in columns.into_iter().enumerate() {
            state[2 * index + parity] = column;
        }
    }
}

#[cfg_attr(not(doorward_avx512_model), target_feature(enable = "avx512f"))]
#[inline]
fn transpose_8x8(rows: [__m512i; 8]) -> [__m512i; 8] {
    // In pairs of words, even columns and odd columns; then the pairs, a quarter of a register each, as 4 × 4.
    let even = |index: usize| _mm512_unpacklo_epi64(rows[2 * index], rows[2 * index + 1]);
    let odd = |index: usize| _mm512_unpackhi_epi64(rows[2 * index], rows[2 * index + 1]);
    let [column0, column2, column4, column6] = transpose_4x4([even(0), even(1), even(2), even(3)]);
    let [column1, column3, column5, column7] = transpose_4x4([odd(0), odd(1), odd(2), odd(3)]);
    [column0, column1, column2, column3, column4, column5, column6, column7]
}

/// Of quarters, 128 bits each.
#[cfg_attr(not(doorward_avx512_model), target_feature(enable = "avx512f"))]
#[inline]
fn transpose_4x4([a, b, c, d]: [__m512i; 4]) -> [__m512i; 4] {
    const EVEN: i32 = 0b10_00_10_00;
    const ODD: i32 = 0b11_01_11_01;
    let (even_ab, odd_ab) = (_mm512_shuffle_i64x2::<EVEN>(a, b), _mm512_shuffle_i64x2::<ODD>(a, b));
    let (even_cd, odd_cd) = (_mm512_shuffle_i64x2::<EVEN>(c, d), _mm512_shuffle_i64x2::<ODD>(c, d));
    [
        _mm512_shuffle_i64x2::<EVEN>(even_ab, even_cd),
        _mm512_shuffle_i64x2::<EVEN>(odd_ab, odd_cd),
        _mm512_shuffle_i64x2::<ODD>(even_ab, even_cd),
        _mm512_shuffle_i64x2::<ODD>(odd_ab, odd_cd),
    ]
}

/// a + b + 2 · low(a) · low(b), and `turned` with that added by XOR and rotated to the right.
#[cfg_attr(not(doorward_avx512_model), target_feature(enable = "avx512f"))]
#[inline]
fn half_mix<const ROTATION: i32>(a: __m512i, b: __m512i, turned: __m512i) -> (__m512i, __m512i) {
    let product = _mm512_mul_epu32(a, b);
    let a = _mm512_add_epi64(_mm512_add_epi64(a, b), _mm512_add_epi64(product, product));
    (a, _mm512_ror_epi64::<ROTATION>(_mm512_xor_si512(turned, a)))
}
