//! The memory that hashes are computed in.

use std::io;

use zeroize::optimization_barrier;

use crate::assistance::Assistance;
use crate::block::Block;
use crate::digest::initial_hash;
use crate::fill::{Compression, fill};
use crate::kernel::Kernel;
use crate::memory::Memory;
use crate::parameters::{Error, Inputs, Parameters};
use crate::scalar::Scalar;

/// The memory of hashes up to a size: allocated once, used for one after the other, never grown.
///
/// What a hash leaves in memory is enough to guess the password without paying for memory. It is wiped by
/// [`wipe`](Self::wipe) and on drop, not after each hash: that would cost a tenth of it.
#[derive(Debug)]
pub struct Workspace {
    memory: Memory,
    /// Blocks from the first on that a hash may have written to since the last wipe.
    used: usize,
}

impl Workspace {
    /// Sets memory aside for hashes up to `memory_kib`, without touching it yet. From 2 MiB on it is aligned for
    /// huge pages, and these are asked for.
    ///
    /// # Errors
    ///
    /// The operating system's, when it gives no memory.
    pub fn with_memory(memory_kib: u32) -> io::Result<Self> {
        Ok(Self { memory: Memory::reserve(memory_kib as usize)?, used: 0 })
    }

    /// The largest hash that fits, in KiB.
    pub const fn memory_kib(&self) -> usize {
        self.memory.as_slice().len()
    }

    /// Computes the tag, as long as `tag`, with the kernel that [`Kernel::detect`] chose.
    ///
    /// # Errors
    ///
    /// When a length is out of the RFC's bounds or the workspace is too small. Then `tag` means nothing.
    pub fn hash(&mut self, inputs: &Inputs<'_>, parameters: Parameters, tag: &mut [u8]) -> Result<(), Error> {
        self.hash_with(Kernel::detect(), inputs, parameters, tag)
    }

    /// Computes the tag with `kernel`.
    ///
    /// # Errors
    ///
    /// As [`hash`](Self::hash), and when the kernel is not [available](Kernel::is_available).
    pub fn hash_with(
        &mut self,
        kernel: Kernel,
        inputs: &Inputs<'_>,
        parameters: Parameters,
        tag: &mut [u8],
    ) -> Result<(), Error> {
        if !kernel.is_available() {
            return Err(Error::KernelUnavailable);
        }
        self.compute(kernel, inputs, (parameters, None), tag)
    }

    /// The workspace for a hash that another thread may help with. `assistance` is ended with it.
    pub const fn assisted<'a>(&'a mut self, assistance: &'a Assistance) -> Assisted<'a> {
        Assisted { workspace: self, assistance }
    }

    /// [`hash_with`](Self::hash_with) before the self-test, which asks this.
    pub(crate) fn compute(
        &mut self,
        kernel: Kernel,
        inputs: &Inputs<'_>,
        (parameters, assistance): (Parameters, Option<&Assistance>),
        tag: &mut [u8],
    ) -> Result<(), Error> {
        inputs.check(tag.len())?;
        let cost = (parameters, assistance);
        match kernel {
            #[cfg(target_arch = "x86_64")]
            Kernel::Avx512 => {
                let compression = crate::avx512::Avx512::detect().ok_or(Error::KernelUnavailable)?;
                self.fill(compression, inputs, cost, tag)
            }
            #[cfg(target_arch = "x86_64")]
            Kernel::Avx2 => {
                let compression = crate::avx2::Avx2::detect().ok_or(Error::KernelUnavailable)?;
                self.fill(compression, inputs, cost, tag)
            }
            #[cfg(not(target_arch = "x86_64"))]
            Kernel::Avx512 | Kernel::Avx2 => Err(Error::KernelUnavailable),
            Kernel::Portable if inputs.associated_data.len() > argon2::Params::MAX_DATA_LEN => {
                self.fill(Scalar, inputs, cost, tag)
            }
            Kernel::Portable => self.hash_portably(inputs, parameters, tag),
        }
    }

    fn fill<C: Compression + Send + 'static>(
        &mut self,
        compression: C,
        inputs: &Inputs<'_>,
        (parameters, assistance): (Parameters, Option<&Assistance>),
        tag: &mut [u8],
    ) -> Result<(), Error> {
        let blocks = self.take(parameters.block_count())?;
        let initial_hash = initial_hash(inputs, parameters, tag.len())?;
        fill(compression, blocks, &initial_hash, (parameters, assistance), tag)
    }

    fn hash_portably(&mut self, inputs: &Inputs<'_>, parameters: Parameters, tag: &mut [u8]) -> Result<(), Error> {
        let data = argon2::AssociatedData::new(inputs.associated_data).map_err(|_| Error::Defect)?;
        let params = argon2::ParamsBuilder::new()
            .m_cost(parameters.memory_kib())
            .t_cost(parameters.iterations())
            .p_cost(parameters.lanes())
            .data(data)
            .output_len(tag.len())
            .build()
            .map_err(|_| Error::Defect)?;
        let blocks = self.blocks(params.block_count())?;
        argon2::Argon2::new_with_secret(inputs.secret, argon2::Algorithm::Argon2id, argon2::Version::V0x13, params)
            .and_then(|argon2| argon2.hash_password_into_with_memory(inputs.password, inputs.salt, tag, blocks))
            .map_err(|_| Error::Defect)
    }

    /// The first `count` KiB in the `argon2` crate's form, for the algorithms and versions that this crate leaves
    /// to it. They count as used: the next [`wipe`](Self::wipe) overwrites them.
    ///
    /// # Errors
    ///
    /// [`Error::WorkspaceTooSmall`].
    pub fn blocks(&mut self, count: usize) -> Result<&mut [argon2::Block], Error> {
        const { assert!(size_of::<argon2::Block>() == Block::BYTES) };
        const { assert!(align_of::<argon2::Block>() <= align_of::<Block>()) };
        let blocks = self.take(count)?;
        // SAFETY: `argon2::Block` is as large as the array of 128 words that it lends out (`AsMut<[u64; 128]>`),
        // so it is that array and nothing else: any bits are one, and whatever is written is a `Block`. It is
        // aligned no further than ours. The borrow stays exclusive.
        Ok(unsafe { std::slice::from_raw_parts_mut(blocks.as_mut_ptr().cast(), blocks.len()) })
    }

    /// The first `count` blocks, from now on in use.
    fn take(&mut self, count: usize) -> Result<&mut [Block], Error> {
        let blocks = self.memory.as_mut_slice().get_mut(..count).ok_or(Error::WorkspaceTooSmall)?;
        self.used = self.used.max(count);
        Ok(blocks)
    }

    /// Has the operating system hand over every page now, which can take longer than a hash. Wipes.
    pub fn touch(&mut self) {
        self.used = self.memory.as_slice().len();
        self.wipe();
    }

    /// Whether a hash has left something in memory.
    pub const fn is_dirty(&self) -> bool {
        self.used > 0
    }

    /// Overwrites with zeros what hashes have written to.
    pub fn wipe(&mut self) {
        let used = std::mem::take(&mut self.used);
        if let Some(blocks) = self.memory.as_mut_slice().get_mut(..used) {
            blocks.fill(Block::ZERO);
            optimization_barrier(blocks);
        }
    }
}

impl Drop for Workspace {
    fn drop(&mut self) {
        self.wipe();
    }
}

/// A [`Workspace`] for one hash that another thread may [help](Assistance::assist) with: with all kernels but the
/// portable one. The tag is the same.
#[derive(Debug)]
pub struct Assisted<'a> {
    workspace: &'a mut Workspace,
    assistance: &'a Assistance,
}

impl Assisted<'_> {
    /// As [`Workspace::hash`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn hash(self, inputs: &Inputs<'_>, parameters: Parameters, tag: &mut [u8]) -> Result<(), Error> {
        self.hash_with(Kernel::detect(), inputs, parameters, tag)
    }

    /// As [`Workspace::hash_with`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn hash_with(
        self,
        kernel: Kernel,
        inputs: &Inputs<'_>,
        parameters: Parameters,
        tag: &mut [u8],
    ) -> Result<(), Error> {
        if !kernel.is_available() {
            return Err(Error::KernelUnavailable);
        }
        self.workspace.compute(kernel, inputs, (parameters, Some(self.assistance)), tag)
    }
}

impl Drop for Assisted<'_> {
    fn drop(&mut self) {
        self.assistance.end();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INPUTS: Inputs<'_> = Inputs { password: b"password", salt: b"somesalt", secret: &[], associated_data: &[] };

    fn is_zero(workspace: &Workspace) -> bool {
        workspace.memory.as_slice().iter().all(|block| block.0 == Block::ZERO.0)
    }

    #[test]
    fn wiping_leaves_nothing_of_any_kernel() {
        for kernel in Kernel::available() {
            let mut workspace = Workspace::with_memory(4000).unwrap();
            assert!(is_zero(&workspace) && !workspace.is_dirty());
            for memory_kib in [4000, 64] {
                let parameters = Parameters::new(memory_kib, 1, 2).unwrap();
                workspace.hash_with(kernel, &INPUTS, parameters, &mut [0; 32]).unwrap();
                assert!(workspace.is_dirty() && !is_zero(&workspace), "{kernel:?}");
            }
            workspace.wipe();
            assert!(is_zero(&workspace) && !workspace.is_dirty(), "{kernel:?}");
        }
    }

    #[test]
    fn wiping_overwrites_what_others_put_into_the_blocks() {
        let mut workspace = Workspace::with_memory(64).unwrap();
        for block in workspace.blocks(64).unwrap() {
            block.as_mut().fill(u64::MAX);
        }
        assert!(workspace.is_dirty());
        workspace.wipe();
        assert!(is_zero(&workspace));
        assert_eq!(workspace.blocks(65).unwrap_err(), Error::WorkspaceTooSmall);
    }

    #[test]
    fn touching_leaves_nothing_either() {
        let mut workspace = Workspace::with_memory(64).unwrap();
        workspace.hash(&INPUTS, Parameters::new(32, 1, 1).unwrap(), &mut [0; 32]).unwrap();
        workspace.touch();
        assert!(is_zero(&workspace) && !workspace.is_dirty());
    }
}
