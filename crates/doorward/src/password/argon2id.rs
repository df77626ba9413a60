//! The engine: gives the tag, in memory that its caller keeps. The only file that knows which implementation of
//! Argon2 does the work: `doorward-argon2id` computes what is stored today, the `argon2` crate the variants and
//! the version that only imported hashes have.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use argon2::{Algorithm, Argon2, Params};
pub(super) use doorward_argon2id::Assistance;
use doorward_argon2id::{Inputs, Parameters};

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
    memory: doorward_argon2id::Workspace,
    /// Where the next hash may find a helper.
    assistance: Option<Arc<Assistance>>,
}

impl Workspace {
    /// Sets memory aside for hashes up to `memory_kib`, without touching it yet.
    pub(super) fn reserve(memory_kib: u32) -> io::Result<Self> {
        Ok(Self { memory: doorward_argon2id::Workspace::with_memory(memory_kib)?, assistance: None })
    }

    /// Lets the next hash be computed with whoever comes to help there.
    pub(super) fn assist_by(&mut self, assistance: Option<Arc<Assistance>>) {
        self.assistance = assistance;
    }

    /// Argon2id of `password` under a fresh salt, as a hash to be stored.
    pub(super) fn hash(
        &mut self,
        password: &[u8],
        salt: &[u8],
        parameters: HashParameters,
    ) -> Result<Argon2Hash, EngineError> {
        self.complete(password, Argon2Hash::without_tag(salt, parameters))
    }

    /// The same hash with the tag that `password` has.
    pub(super) fn complete(&mut self, password: &[u8], hash: Argon2Hash) -> Result<Argon2Hash, EngineError> {
        let tag = self.tag(password, &hash)?;
        Ok(Argon2Hash { tag, ..hash })
    }

    /// The tag that `password` has under the salt and the parameters of `like`.
    pub(super) fn tag(&mut self, password: &[u8], like: &Argon2Hash) -> Result<Vec<u8>, EngineError> {
        let mut tag = vec![0; like.tag.len()];
        match (like.variant, like.version) {
            (Variant::Argon2id, Version::V19) => self.compute(password, like, &mut tag)?,
            _ => self.compute_imported(password, like, &mut tag)?,
        }
        Ok(tag)
    }

    fn compute(&mut self, password: &[u8], like: &Argon2Hash, tag: &mut [u8]) -> Result<(), EngineError> {
        let (memory, iterations, lanes) = cost(like);
        let parameters = Parameters::new(memory, iterations, lanes).map_err(|_| EngineError)?;
        let secret = match (like.pepper_id, &like.pepper) {
            (None, _) => &[],
            (Some(_), Some(pepper)) => pepper.bytes(),
            // Who verifies finds the pepper first.
            (Some(_), None) => return Err(EngineError),
        };
        let inputs = Inputs { password, salt: &like.salt, secret, ..Inputs::default() };
        match self.assistance.take() {
            Some(assistance) => self.memory.assisted(&assistance).hash(&inputs, parameters, tag),
            None => self.memory.hash(&inputs, parameters, tag),
        }
        .map_err(|_| EngineError)
    }

    fn compute_imported(&mut self, password: &[u8], like: &Argon2Hash, tag: &mut [u8]) -> Result<(), EngineError> {
        let algorithm = match like.variant {
            Variant::Argon2d => Algorithm::Argon2d,
            Variant::Argon2i => Algorithm::Argon2i,
            Variant::Argon2id => Algorithm::Argon2id,
        };
        let version = match like.version {
            Version::V16 => argon2::Version::V0x10,
            Version::V19 => argon2::Version::V0x13,
        };
        let (memory, iterations, lanes) = cost(like);
        let params = Params::new(memory, iterations, lanes, Some(tag.len())).map_err(|_| EngineError)?;
        let blocks = self.memory.blocks(params.block_count()).map_err(|_| EngineError)?;
        Argon2::new(algorithm, version, params)
            .hash_password_into_with_memory(password, &like.salt, tag, blocks)
            .map_err(|_| EngineError)
    }

    /// Whether a hash has left something in memory: enough to guess a password without paying for memory.
    pub(super) const fn is_dirty(&self) -> bool {
        self.memory.is_dirty()
    }

    /// Where the memory is, and how many blocks.
    #[cfg(test)]
    pub(super) fn address(&mut self) -> (usize, usize) {
        let blocks = self.memory.memory_kib();
        (self.memory.blocks(0).map_or(0, |blocks| blocks.as_ptr().addr()), blocks)
    }

    /// Whether the last hash filled all of the memory.
    #[cfg(test)]
    pub(super) fn reaches_its_end(&mut self) -> bool {
        let blocks = self.memory.memory_kib();
        self.memory.blocks(blocks).is_ok_and(|all| all.last().is_some_and(|last| last.as_ref() != [0; 128]))
    }

    /// Overwrites what was left in memory.
    pub(super) fn wipe(&mut self) {
        self.memory.wipe();
    }
}

/// How long one pass over a MiB takes here: the quickest of three, in memory that is given back.
pub(super) fn time_of_a_mebibyte() -> Option<Duration> {
    let mut memory = doorward_argon2id::Workspace::with_memory(1024).ok()?;
    let parameters = Parameters::new(1024, 1, 4).ok()?;
    let inputs = Inputs { salt: &[0; 16], ..Inputs::default() };
    (0..3)
        .filter_map(|_| {
            #[expect(clippy::disallowed_methods, reason = "measures how long a hash takes")]
            let start = Instant::now();
            memory.hash(&inputs, parameters, &mut [0; 32]).ok()?;
            Some(start.elapsed())
        })
        .min()
}

/// Memory in KiB, iterations, lanes.
const fn cost(hash: &Argon2Hash) -> (u32, u32, u32) {
    (hash.parameters.memory_kib(), hash.parameters.iterations(), hash.parameters.lanes())
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
        assert_eq!(too_small.memory.memory_kib(), 64);
    }

    #[test]
    fn wiping_leaves_nothing() {
        let is_zero = |workspace: &mut Workspace| {
            workspace.memory.blocks(64).unwrap().iter().all(|block| block.as_ref() == [0; 128])
        };
        let parameters = HashParameters::new(64, 1, 1).unwrap();
        for variant in [Variant::Argon2id, Variant::Argon2d] {
            let like = Argon2Hash { variant, ..Argon2Hash::without_tag(&[7; 16], parameters) };
            let mut workspace = Workspace::reserve(64).unwrap();
            workspace.tag(b"password", &like).unwrap();
            assert!(workspace.is_dirty() && !is_zero(&mut workspace));
            workspace.wipe();
            assert!(!workspace.is_dirty() && is_zero(&mut workspace));
        }
    }
}
