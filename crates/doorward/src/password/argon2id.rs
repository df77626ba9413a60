//! The engine: fills caller-owned memory and gives the tag. The only file that knows which
//! implementation of Argon2 does the work.

use argon2::{Algorithm, Argon2, Block, Params};
use zeroize::Zeroize;

use super::parameters::HashParameters;
use super::phc::{Argon2Hash, TAG_LENGTH, Variant, Version};

/// The engine refused what [`HashParameters`] and [`Argon2Hash`] had let pass. Does not happen.
#[derive(Debug, Clone, Copy)]
pub(super) struct EngineError;

/// The memory of one hashing thread: allocated at the first hash, used for every other.
///
/// Wiped when dropped, and by [`wipe`](Self::wipe).
#[derive(Default)]
pub(super) struct Workspace {
    blocks: Vec<Block>,
    is_dirty: bool,
}

impl Workspace {
    /// Argon2id of `password` under a fresh salt, as a hash to be stored.
    pub(super) fn hash(
        &mut self,
        password: &[u8],
        salt: &[u8],
        parameters: HashParameters,
    ) -> Result<Argon2Hash, EngineError> {
        let mut hash = Argon2Hash {
            variant: Variant::Argon2id,
            version: Version::V19,
            parameters,
            salt: salt.to_vec(),
            tag: vec![0; TAG_LENGTH],
        };
        hash.tag = self.tag(password, &hash)?;
        Ok(hash)
    }

    /// The tag that `password` has under the salt and the parameters of `like`.
    pub(super) fn tag(&mut self, password: &[u8], like: &Argon2Hash) -> Result<Vec<u8>, EngineError> {
        let algorithm = match like.variant {
            Variant::Argon2d => Algorithm::Argon2d,
            Variant::Argon2i => Algorithm::Argon2i,
            Variant::Argon2id => Algorithm::Argon2id,
        };
        let version = match like.version {
            Version::V16 => argon2::Version::V0x10,
            Version::V19 => argon2::Version::V0x13,
        };
        let (memory, iterations, lanes) =
            (like.parameters.memory_kib(), like.parameters.iterations(), like.parameters.lanes());
        let params = Params::new(memory, iterations, lanes, Some(like.tag.len())).map_err(|_| EngineError)?;
        let blocks = params.block_count();
        if self.blocks.len() < blocks {
            self.blocks.resize(blocks, Block::default());
        }
        self.is_dirty = true;
        let mut tag = vec![0; like.tag.len()];
        Argon2::new(algorithm, version, params)
            .hash_password_into_with_memory(password, &like.salt, &mut tag, &mut self.blocks[..blocks])
            .map_err(|_| EngineError)?;
        Ok(tag)
    }

    /// Overwrites what the last hash left in memory.
    pub(super) fn wipe(&mut self) {
        if std::mem::take(&mut self.is_dirty) {
            self.blocks.iter_mut().for_each(Zeroize::zeroize);
        }
    }

    /// Gives back what a larger hash than `parameters`' needed.
    pub(super) fn shrink_to(&mut self, parameters: HashParameters) {
        let blocks = parameters.memory_kib() as usize;
        if self.blocks.len() > blocks {
            self.wipe();
            self.blocks.truncate(blocks);
            self.blocks.shrink_to_fit();
        }
    }
}

impl Drop for Workspace {
    fn drop(&mut self) {
        self.wipe();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(phc: &str, password: &[u8]) {
        let hash = Argon2Hash::parse(phc).unwrap();
        let mut workspace = Workspace::default();
        for _ in 0..2 {
            assert!(workspace.tag(password, &hash).unwrap() == hash.tag, "{phc}");
        }
        workspace.wipe();
        assert!(workspace.tag(password, &hash).unwrap() == hash.tag, "{phc} after wiping");
        assert!(workspace.tag(b"another", &hash).unwrap() != hash.tag, "{phc}");
    }

    /// From the reference implementation's own test.
    #[test]
    fn known_answer_of_the_reference_implementation() {
        check("$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc", b"password");
    }

    #[test]
    fn memory_of_any_size_serves_smaller_and_larger_hashes() {
        let mut workspace = Workspace::default();
        let small = HashParameters::new(64, 1, 1).unwrap();
        let large = HashParameters::new(256, 2, 2).unwrap();
        let first = workspace.hash(b"password", &[7; 16], small).unwrap();
        let second = workspace.hash(b"password", &[7; 16], large).unwrap();
        workspace.shrink_to(small);
        assert_eq!(workspace.blocks.len(), 64);
        assert!(workspace.tag(b"password", &first).unwrap() == first.tag);
        assert!(workspace.tag(b"password", &second).unwrap() == second.tag);
    }
}
