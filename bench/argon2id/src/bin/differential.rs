//! Compares every kernel that this processor has with the C reference over random hashes, and tells how many:
//! `differential 100000 1` for so many cases of seed 1. Unlike `argon2`, it takes long associated data.

#[path = "../reference.rs"]
mod reference;

use doorward_argon2id::{Inputs, Kernel, Parameters, Workspace};

/// The largest hash of the comparison, in KiB.
const MEMORY_KIB: u64 = 2048;

fn main() {
    let mut arguments = std::env::args().skip(1).map(|argument| argument.parse::<u64>().expect("a number"));
    let (cases, seed) = (arguments.next().unwrap_or(10_000), arguments.next().unwrap_or(1));
    let mut random = Random(seed);
    let mut workspace = Workspace::with_memory(MEMORY_KIB as u32).expect("there is memory");
    let kernels: Vec<_> = Kernel::available().collect();
    for case in 0..cases {
        let lanes = random.between(1, 16);
        let most = if case % 2 == 0 { 8 * lanes + 64 } else { MEMORY_KIB };
        let memory_kib = random.between(8 * lanes, most);
        let parameters = Parameters::new(memory_kib as u32, random.between(1, 4) as u32, lanes as u32).expect("valid");
        let [password, secret, associated_data] = [(); 3].map(|()| random.bytes(0, 300));
        let salt = random.bytes(8, 300);
        let inputs = Inputs { password: &password, salt: &salt, secret: &secret, associated_data: &associated_data };
        let mut expected = random.bytes(4, 200);
        reference::hash(&inputs, parameters, true, &mut expected);
        for &kernel in &kernels {
            let mut tag = vec![0; expected.len()];
            workspace.hash_with(kernel, &inputs, parameters, &mut tag).expect("valid");
            assert!(tag == expected, "{kernel:?} differs: case {case} of seed {seed}, {parameters:?}");
        }
    }
    println!("kernels {kernels:?}, C reference, seed {seed}: {cases} cases each, no mismatch");
}

/// SplitMix64: the same cases for the same seed.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Both bounds included.
    fn between(&mut self, least: u64, most: u64) -> u64 {
        least + self.next() % (most - least + 1)
    }

    fn bytes(&mut self, least: u64, most: u64) -> Vec<u8> {
        (0..self.between(least, most)).map(|_| self.next().to_le_bytes()[0]).collect()
    }
}
