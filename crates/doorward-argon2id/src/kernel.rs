//! Which implementation computes, and the test that it must pass first.

use std::sync::OnceLock;

use crate::parameters::{Inputs, Parameters};
use crate::workspace::Workspace;

/// An implementation of Argon2id. All give the same tags.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kernel {
    /// 512-bit registers: the whole block is in registers.
    Avx512,
    /// 256-bit registers.
    Avx2,
    /// RustCrypto's `argon2`, on any processor. It takes 32 bytes of associated data at most; for more there is
    /// this crate's engine on plain integers.
    Portable,
}

impl Kernel {
    /// All of them, the fastest first.
    pub const ALL: [Self; 3] = [Self::Avx512, Self::Avx2, Self::Portable];

    /// The fastest kernel that the processor has and that passes its self-test. The first call computes known
    /// answers, a matter of a few milliseconds; a kernel that gets one wrong is never used, and an error is logged.
    pub fn detect() -> Self {
        static CHOICE: OnceLock<Kernel> = OnceLock::new();
        *CHOICE.get_or_init(|| choose(Self::is_available))
    }

    /// Those that can be asked for here, the fastest first.
    pub fn available() -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(|kernel| kernel.is_available())
    }

    /// Whether the processor and the operating system have what it needs.
    pub fn is_supported(self) -> bool {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => crate::avx512::Avx512::detect().is_some(),
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => crate::avx2::Avx2::detect().is_some(),
            #[cfg(not(target_arch = "x86_64"))]
            Self::Avx512 | Self::Avx2 => false,
            Self::Portable => true,
        }
    }

    /// Whether it [is supported](Self::is_supported) and has passed its self-test, which is made at the first
    /// question.
    pub fn is_available(self) -> bool {
        static PASSED: [OnceLock<bool>; 3] = [const { OnceLock::new() }; 3];
        let [avx512, avx2, portable] = &PASSED;
        let passed = match self {
            Self::Avx512 => avx512,
            Self::Avx2 => avx2,
            Self::Portable => portable,
        };
        self.is_supported() && *passed.get_or_init(|| self.passes(&KNOWN_ANSWERS))
    }

    /// Whether it finds these answers.
    fn passes(self, answers: &[KnownAnswer]) -> bool {
        let passes = answers.iter().all(|answer| answer.is_found_by(self));
        if !passes {
            tracing::error!(event = "argon2id_self_test_failed", kernel = ?self, "not used: it computes wrong tags");
        }
        passes
    }
}

/// There is always the portable one: where even that is wrong, hashing is refused.
fn choose(is_available: impl Fn(Kernel) -> bool) -> Kernel {
    Kernel::ALL.into_iter().find(|kernel| is_available(*kernel)).unwrap_or(Kernel::Portable)
}

struct KnownAnswer {
    inputs: Inputs<'static>,
    cost: [u32; 3],
    tag: [u8; 32],
}

impl KnownAnswer {
    fn is_found_by(&self, kernel: Kernel) -> bool {
        let [memory_kib, iterations, lanes] = self.cost;
        let Ok(parameters) = Parameters::new(memory_kib, iterations, lanes) else { return false };
        let Ok(mut workspace) = Workspace::with_memory(memory_kib) else { return false };
        let mut tag = [0; 32];
        workspace.compute(kernel, &self.inputs, (parameters, None), &mut tag).is_ok() && tag == self.tag
    }
}

/// Few and small, yet every branch of an engine is in them: several lanes, passes, and blocks of addresses;
/// memory that is no multiple of 4p.
const KNOWN_ANSWERS: [KnownAnswer; 3] = [
    // RFC 9106 §5.3.
    KnownAnswer {
        inputs: Inputs { password: &[1; 32], salt: &[2; 16], secret: &[3; 8], associated_data: &[4; 12] },
        cost: [32, 3, 4],
        tag: *b"\x0d\x64\x0d\xf5\x8d\x78\x76\x6c\x08\xc0\x37\xa3\x4a\x8b\x53\xc9\
                \xd0\x1e\xf0\x45\x2d\x75\xb6\x5e\xb5\x25\x20\xe9\x6b\x01\xe6\x59",
    },
    // The reference implementation's own test.
    KnownAnswer {
        inputs: Inputs { password: b"password", salt: b"somesalt", secret: &[], associated_data: &[] },
        cost: [256, 2, 2],
        tag: *b"\x6d\x09\x3c\x50\x1f\xd5\x99\x96\x45\xe0\xea\x3b\xf6\x20\xd7\xb8\
                \xbe\x7f\xd2\xdb\x59\xc2\x0d\x9f\xff\x95\x39\xda\x2b\xf5\x70\x37",
    },
    // Computed by the reference implementation.
    KnownAnswer {
        inputs: Inputs { password: b"password", salt: b"somesalt", secret: &[], associated_data: &[] },
        cost: [1670, 2, 3],
        tag: *b"\xee\x5b\x6b\x13\x95\xcb\x06\x53\xdc\x0d\xad\x0a\xf5\x27\x83\x9a\
                \xa2\x45\x06\x74\x29\x51\x10\xdd\xab\x64\x27\xcc\x12\x1d\x7a\xd5",
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_answer_fails_the_self_test_of_every_kernel() {
        for kernel in Kernel::ALL.into_iter().filter(|kernel| kernel.is_supported()) {
            assert!(kernel.passes(&KNOWN_ANSWERS), "{kernel:?}");
            for index in 0..KNOWN_ANSWERS.len() {
                let mut answers = KNOWN_ANSWERS;
                answers[index].tag[31] ^= 1;
                assert!(!kernel.passes(&answers), "{kernel:?} {index}");
            }
        }
    }

    #[test]
    fn the_fastest_that_passes_is_chosen() {
        assert_eq!(choose(|_| true), Kernel::Avx512);
        assert_eq!(choose(|kernel| kernel != Kernel::Avx512), Kernel::Avx2);
        assert_eq!(choose(|kernel| kernel == Kernel::Portable), Kernel::Portable);
        assert_eq!(choose(|_| false), Kernel::Portable);
        assert_eq!(Kernel::available().next(), Some(Kernel::detect()));
    }
}
