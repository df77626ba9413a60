//! The engine: fills caller-owned memory and gives the tag. The only file that knows which
//! implementation of Argon2 does the work.

use std::collections::TryReserveError;

use argon2::{Algorithm, Argon2, Block, Params};
use zeroize::optimization_barrier;

use super::parameters::HashParameters;
use super::phc::{Argon2Hash, Variant, Version};

/// The engine refused what [`HashParameters`] and [`Argon2Hash`] had let pass. Does not happen.
#[derive(Debug, Clone, Copy)]
pub(super) struct EngineError;

/// The memory of hashes up to a size: allocated once, used for one after the other. It never grows, for
/// growing would leave a copy behind that nobody wipes.
///
/// Wiped when dropped, and by [`wipe`](Self::wipe).
pub(super) struct Workspace {
    blocks: Vec<Block>,
    is_dirty: bool,
}

impl Workspace {
    /// Sets memory aside for hashes up to `memory_kib`, without touching it yet.
    pub(super) fn reserve(memory_kib: u32) -> Result<Self, TryReserveError> {
        let mut blocks = Vec::new();
        blocks.try_reserve_exact(memory_kib as usize)?;
        Ok(Self { blocks, is_dirty: false })
    }

    /// Has the operating system hand over every page, which takes longer than filling it.
    pub(super) fn touch(&mut self) {
        self.blocks.resize(self.blocks.capacity(), Block::new());
    }

    /// Argon2id of `password` under a fresh salt, as a hash to be stored.
    pub(super) fn hash(
        &mut self,
        password: &[u8],
        salt: &[u8],
        parameters: HashParameters,
    ) -> Result<Argon2Hash, EngineError> {
        let mut hash = Argon2Hash::without_tag(salt, parameters);
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
        self.touch();
        let blocks = self.blocks.get_mut(..params.block_count()).ok_or(EngineError)?;
        self.is_dirty = true;
        let mut tag = vec![0; like.tag.len()];
        Argon2::new(algorithm, version, params)
            .hash_password_into_with_memory(password, &like.salt, &mut tag, blocks)
            .map_err(|_| EngineError)?;
        Ok(tag)
    }

    /// Whether a hash has left something in memory: enough to guess a password without paying for memory.
    pub(super) const fn is_dirty(&self) -> bool {
        self.is_dirty
    }

    /// Where the memory is, and how many blocks.
    #[cfg(test)]
    pub(super) fn address(&self) -> (usize, usize) {
        (self.blocks.as_ptr().addr(), self.blocks.len())
    }

    /// Overwrites what was left in memory.
    pub(super) fn wipe(&mut self) {
        if std::mem::take(&mut self.is_dirty) {
            self.blocks.fill(Block::new());
            optimization_barrier(self.blocks.as_slice());
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
        let mut workspace = Workspace::reserve(hash.parameters.memory_kib()).unwrap();
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
    fn memory_serves_smaller_hashes_and_never_grows() {
        let small = HashParameters::new(64, 1, 1).unwrap();
        let large = HashParameters::new(256, 2, 2).unwrap();
        let mut workspace = Workspace::reserve(256).unwrap();
        let first = workspace.hash(b"password", &[7; 16], small).unwrap();
        let second = workspace.hash(b"password", &[7; 16], large).unwrap();
        assert!(workspace.tag(b"password", &first).unwrap() == first.tag);
        assert!(workspace.tag(b"password", &second).unwrap() == second.tag);

        let mut too_small = Workspace::reserve(64).unwrap();
        assert!(too_small.tag(b"password", &first).is_ok());
        assert!(too_small.tag(b"password", &second).is_err());
        assert_eq!(too_small.blocks.capacity(), 64);
    }

    #[test]
    fn wiping_leaves_nothing() {
        let is_zero = |workspace: &Workspace| workspace.blocks.iter().all(|block| block.as_ref() == [0; 128]);
        let mut workspace = Workspace::reserve(64).unwrap();
        workspace.hash(b"password", &[7; 16], HashParameters::new(64, 1, 1).unwrap()).unwrap();
        assert!(workspace.is_dirty() && !is_zero(&workspace));
        workspace.wipe();
        assert!(!workspace.is_dirty() && is_zero(&workspace));
    }
}
