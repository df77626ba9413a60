//! Compares every kernel that this processor has with RustCrypto's `argon2` over random hashes, and tells how many.
//!
//! ```text
//! cargo run --release -p doorward-argon2id --example differential -- --cases 100000 [--seed 1]
//! ```
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command speaks to whoever called it")]

use std::error::Error;
use std::process::ExitCode;

use doorward_argon2id::{Assistance, Inputs, Kernel, Parameters, Workspace};

/// The largest hash of the comparison, in KiB.
const MEMORY_KIB: u32 = 2048;

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let cases = number_after("--cases")?.unwrap_or(10_000);
    let seed = number_after("--seed")?.unwrap_or(1);
    let mut random = Random(seed);
    let mut workspace = Workspace::with_memory(MEMORY_KIB)?;
    let kernels: Vec<_> = Kernel::available().collect();
    let (mut mismatches, mut assisted) = (0u64, 0u64);
    for _ in 0..cases {
        let case = Case::random(&mut random)?;
        let expected = case.expected()?;
        for &kernel in &kernels {
            let mut tag = vec![0; expected.len()];
            workspace.hash_with(kernel, &case.inputs(), case.parameters, &mut tag)?;
            if tag != expected {
                mismatches += 1;
                eprintln!("{kernel:?} differs: {case:?}");
            }
            let (tag, slices) = together(&case, kernel, &mut workspace, random.between(0, 16))?;
            assisted += u64::from(slices);
            if tag != expected {
                mismatches += 1;
                eprintln!("{kernel:?} with a helper differs: {case:?}");
            }
        }
    }
    println!(
        "kernels {kernels:?}, seed {seed}: {cases} cases each, alone and with a helper ({assisted} half slices), \
         {mismatches} mismatches"
    );
    Ok(if mismatches == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The tag found by two threads, the second of which leaves after `stays_for` half slices; and how many it filled.
fn together(
    case: &Case,
    kernel: Kernel,
    workspace: &mut Workspace,
    stays_for: u32,
) -> Result<(Vec<u8>, u32), doorward_argon2id::Error> {
    let assistance = Assistance::new();
    let mut tag = vec![0; case.tag_length];
    std::thread::scope(|scope| {
        scope.spawn(|| assistance.assist(|| assistance.assisted_slices() >= stays_for));
        while stays_for > 0 && !assistance.has_helper() {
            std::thread::yield_now();
        }
        workspace.assisted(&assistance).hash_with(kernel, &case.inputs(), case.parameters, &mut tag)
    })?;
    Ok((tag, assistance.assisted_slices()))
}

fn number_after(flag: &str) -> Result<Option<u64>, std::num::ParseIntError> {
    std::env::args().skip_while(|argument| argument != flag).nth(1).map(|number| number.parse()).transpose()
}

#[derive(Debug)]
struct Case {
    parameters: Parameters,
    password: Vec<u8>,
    salt: Vec<u8>,
    secret: Vec<u8>,
    associated_data: Vec<u8>,
    tag_length: usize,
}

impl Case {
    fn random(random: &mut Random) -> Result<Self, doorward_argon2id::Error> {
        let lanes = random.between(1, 16);
        let iterations = random.between(1, 4);
        let least = 8 * lanes;
        let most = if random.between(0, 1) == 0 { least + 64 } else { MEMORY_KIB };
        Ok(Self {
            parameters: Parameters::new(random.between(least, most), iterations, lanes)?,
            password: random.bytes(0, 300),
            salt: random.bytes(8, 300),
            secret: random.bytes(0, 300),
            associated_data: random.bytes(0, 32),
            tag_length: random.between(4, 200) as usize,
        })
    }

    fn inputs(&self) -> Inputs<'_> {
        Inputs {
            password: &self.password,
            salt: &self.salt,
            secret: &self.secret,
            associated_data: &self.associated_data,
        }
    }

    fn expected(&self) -> Result<Vec<u8>, argon2::Error> {
        let params = argon2::ParamsBuilder::new()
            .m_cost(self.parameters.memory_kib())
            .t_cost(self.parameters.iterations())
            .p_cost(self.parameters.lanes())
            .data(argon2::AssociatedData::new(&self.associated_data)?)
            .build()?;
        let mut tag = vec![0; self.tag_length];
        let (algorithm, version) = (argon2::Algorithm::Argon2id, argon2::Version::V0x13);
        argon2::Argon2::new_with_secret(&self.secret, algorithm, version, params)?.hash_password_into(
            &self.password,
            &self.salt,
            &mut tag,
        )?;
        Ok(tag)
    }
}

/// SplitMix64: the same cases for the same seed.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    /// Both bounds included.
    fn between(&mut self, least: u32, most: u32) -> u32 {
        let choices = u64::from(most - least) + 1;
        u32::try_from(self.next() % choices).map_or(most, |offset| least + offset)
    }

    fn bytes(&mut self, least: u32, most: u32) -> Vec<u8> {
        (0..self.between(least, most)).map(|_| self.next().to_le_bytes()[0]).collect()
    }
}
