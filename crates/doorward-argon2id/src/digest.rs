//! The parts of Argon2 that are BLAKE2b: the initial hash H₀ and the variable-length hash H′.

use blake2::Blake2bVarCore;
use blake2::digest::block_api::{UpdateCore, VariableOutputCore};
use blake2::digest::block_buffer::LazyBuffer;
use zeroize::{Zeroize, Zeroizing};

use crate::parameters::{Error, Inputs, Parameters};

const VERSION: u32 = 0x13;
pub(crate) const ARGON2ID: u32 = 2;

/// The longest output of BLAKE2b, in bytes.
const LONGEST: usize = 64;

/// H₀ (RFC 9106 §3.2): everything that the tag depends on.
pub(crate) type InitialHash = Zeroizing<[u8; LONGEST]>;

/// H₀ of `inputs`, whose lengths [`Inputs::check`] has found to fit 32 bits.
pub(crate) fn initial_hash(
    inputs: &Inputs<'_>,
    parameters: Parameters,
    tag_length: usize,
) -> Result<InitialHash, Error> {
    let Inputs { password, salt, secret, associated_data } = *inputs;
    let Parameters { memory_kib, iterations, lanes } = parameters;
    let mut hash = InitialHash::new([0; LONGEST]);
    let parts: [&[u8]; 14] = [
        &lanes.to_le_bytes(),
        &length(tag_length),
        &memory_kib.to_le_bytes(),
        &iterations.to_le_bytes(),
        &VERSION.to_le_bytes(),
        &ARGON2ID.to_le_bytes(),
        &length(password.len()),
        password,
        &length(salt.len()),
        salt,
        &length(secret.len()),
        secret,
        &length(associated_data.len()),
        associated_data,
    ];
    blake2b(&parts, &mut *hash)?;
    Ok(hash)
}

/// H′ (RFC 9106 §3.3): fills `output` from the concatenation of `parts`, three at most.
pub(crate) fn variable_length_hash(parts: [&[u8]; 3], output: &mut [u8]) -> Result<(), Error> {
    let prefix = length(output.len());
    let [first, second, third] = parts;
    let parts: [&[u8]; 4] = [&prefix, first, second, third];
    if output.len() <= LONGEST {
        return blake2b(&parts, output);
    }
    let mut link = Zeroizing::new([0; LONGEST]);
    blake2b(&parts, &mut *link)?;
    // Half of each link is output, until what is left fits the last.
    let mut rest = output;
    loop {
        let (half, after) = rest.split_at_mut(LONGEST / 2);
        half.copy_from_slice(&link[..LONGEST / 2]);
        rest = after;
        if rest.len() <= LONGEST {
            return blake2b(&[link.as_slice()], rest);
        }
        let before = Zeroizing::new(*link);
        blake2b(&[before.as_slice()], &mut *link)?;
    }
}

/// BLAKE2b without a key of the concatenation of `parts`, as long as `output`: 1 to 64 bytes.
fn blake2b(parts: &[&[u8]], output: &mut [u8]) -> Result<(), Error> {
    let mut core = Blake2bVarCore::new(output.len()).map_err(|_| Error::Defect)?;
    let mut buffer = LazyBuffer::default();
    for part in parts {
        buffer.digest_blocks(part, |blocks| core.update_blocks(blocks));
    }
    let mut full = Default::default();
    core.finalize_variable_core(&mut buffer, &mut full);
    output.copy_from_slice(&full[..output.len()]);
    full.as_mut_slice().zeroize();
    Ok(())
}

/// A length as the RFC's LE32 wants it. [`Inputs::check`] has refused what doesn't fit.
#[expect(clippy::cast_possible_truncation, reason = "lengths are checked before anything is hashed")]
const fn length(bytes: usize) -> [u8; 4] {
    (bytes as u32).to_le_bytes()
}
