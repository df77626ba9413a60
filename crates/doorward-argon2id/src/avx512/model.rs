//! The AVX-512 instructions that the kernel uses, as Intel's manual defines them, on arrays of words and under the
//! names that `std::arch` gives them. So the kernel's tests run, slowly, on a processor without AVX-512:
//! `RUSTFLAGS='--cfg doorward_avx512_model' cargo test -p doorward-argon2id`.
#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the names and types are std::arch's; the conversions are between constants"
)]
/// A register.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
pub(super) struct __m512i([u64; 8]);

fn each(a: __m512i, b: __m512i, operation: impl Fn(u64, u64) -> u64) -> __m512i {
    __m512i(std::array::from_fn(|word| operation(a.0[word], b.0[word])))
}

pub(super) fn _mm512_setzero_si512() -> __m512i {
    __m512i([0; 8])
}

pub(super) fn _mm512_xor_si512(a: __m512i, b: __m512i) -> __m512i {
    each(a, b, |a, b| a ^ b)
}

pub(super) fn _mm512_add_epi64(a: __m512i, b: __m512i) -> __m512i {
    each(a, b, u64::wrapping_add)
}

pub(super) fn _mm512_mul_epu32(a: __m512i, b: __m512i) -> __m512i {
    each(a, b, |a, b| (a & 0xffff_ffff) * (b & 0xffff_ffff))
}

pub(super) fn _mm512_ror_epi64<const COUNT: i32>(a: __m512i) -> __m512i {
    each(a, a, |a, _| a.rotate_right(COUNT as u32))
}

/// Looks each bit up in a table of eight.
pub(super) fn _mm512_ternarylogic_epi64<const TABLE: i32>(a: __m512i, b: __m512i, c: __m512i) -> __m512i {
    let bit = |register: __m512i, word: usize, place: u32| (register.0[word] >> place) & 1;
    __m512i(std::array::from_fn(|word| {
        (0..64).fold(0, |result, place| {
            let index = bit(a, word, place) << 2 | bit(b, word, place) << 1 | bit(c, word, place);
            result | ((TABLE as u64 >> index) & 1) << place
        })
    }))
}

pub(super) fn _mm512_unpacklo_epi64(a: __m512i, b: __m512i) -> __m512i {
    __m512i(std::array::from_fn(|word| if word % 2 == 0 { a.0[word] } else { b.0[word - 1] }))
}

pub(super) fn _mm512_unpackhi_epi64(a: __m512i, b: __m512i) -> __m512i {
    __m512i(std::array::from_fn(|word| if word % 2 == 0 { a.0[word + 1] } else { b.0[word] }))
}

/// Two quarters of `a`, then two of `b`, chosen by two bits each.
pub(super) fn _mm512_shuffle_i64x2<const CHOICE: i32>(a: __m512i, b: __m512i) -> __m512i {
    __m512i(std::array::from_fn(|word| {
        let quarter = word / 2;
        let chosen = (CHOICE >> (2 * quarter)) as usize & 3;
        let source = if quarter < 2 { a } else { b };
        source.0[chosen * 2 + word % 2]
    }))
}
