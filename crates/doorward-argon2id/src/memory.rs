//! Memory from the operating system: zeroed, aligned, not touched before it is used, given back when dropped.

use std::fmt;
use std::io;
use std::ptr::NonNull;

use crate::block::Block;

/// What a huge page covers on x86-64, and a multiple of every page size in use.
const HUGE_PAGE: usize = 2 << 20;

/// A number of blocks, all zero at first.
pub(crate) struct Memory {
    start: NonNull<Block>,
    blocks: usize,
    /// Bytes to give back, from `start` on.
    mapped: usize,
}

// SAFETY: `Memory` alone owns what it points to, like a `Box<[Block]>`.
unsafe impl Send for Memory {}
// SAFETY: as above; a shared reference gives shared references to plain numbers.
unsafe impl Sync for Memory {}

impl Memory {
    /// Asks for `blocks` of 1 KiB. From 2 MiB on they begin on a huge page's boundary, and huge pages are asked for.
    pub(crate) fn reserve(blocks: usize) -> io::Result<Self> {
        let too_large = || io::Error::from(io::ErrorKind::OutOfMemory);
        let bytes = blocks.max(1).checked_mul(Block::BYTES).ok_or_else(too_large)?;
        if bytes < HUGE_PAGE {
            return Ok(Self { start: system::map(bytes, HUGE_PAGE)?, blocks, mapped: bytes });
        }
        let mapped = bytes.checked_next_multiple_of(HUGE_PAGE).ok_or_else(too_large)?;
        let start = system::map(mapped, HUGE_PAGE)?;
        system::ask_for_huge_pages(start, mapped);
        Ok(Self { start, blocks, mapped })
    }

    pub(crate) const fn as_slice(&self) -> &[Block] {
        // SAFETY: `start` is aligned and followed by `blocks` blocks that belong to `self`, zeroed by the system
        // or written since; any bits are a block. The borrow of `self` keeps others from writing.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.blocks) }
    }

    pub(crate) const fn as_mut_slice(&mut self) -> &mut [Block] {
        // SAFETY: as in `as_slice`; the exclusive borrow of `self` makes this the only reference.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr(), self.blocks) }
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // SAFETY: `start` and `mapped` are what `system::map` gave and was asked for; nothing borrows `self` any more.
        unsafe { system::unmap(self.start, self.mapped) }
    }
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memory").field("blocks", &self.blocks).finish_non_exhaustive()
    }
}

#[cfg(all(unix, not(miri)))]
mod system {
    use std::io;
    use std::ptr::{self, NonNull};

    use crate::block::Block;

    /// Maps `bytes` zeroed bytes. From `alignment` on they are a multiple of it and aligned to it; fewer have the
    /// alignment of a page.
    pub(super) fn map(bytes: usize, alignment: usize) -> io::Result<NonNull<Block>> {
        if bytes < alignment {
            return map_pages(bytes).map(NonNull::cast);
        }
        let total = bytes.checked_add(alignment).ok_or(io::ErrorKind::OutOfMemory)?;
        let start = map_pages(total)?;
        let before = start.addr().get().next_multiple_of(alignment) - start.addr().get();
        // SAFETY: `before` is less than `alignment`, so all offsets lie within the `total` bytes that were mapped.
        let (aligned, end) = unsafe { (start.add(before), start.add(before + bytes)) };
        if before > 0 {
            // SAFETY: the pages before `aligned` were mapped above and nobody uses them.
            unsafe { unmap_pages(start, before) };
        }
        if before < alignment {
            // SAFETY: likewise the pages past `end`.
            unsafe { unmap_pages(end, alignment - before) };
        }
        Ok(aligned.cast())
    }

    fn map_pages(bytes: usize) -> io::Result<NonNull<u8>> {
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: a new private mapping at an address of the system's choice touches nobody's memory.
        let start =
            unsafe { libc::mmap(ptr::null_mut(), bytes, protection, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS, -1, 0) };
        if start == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        keep_out_of_dumps(start, bytes);
        NonNull::new(start.cast()).ok_or_else(|| io::ErrorKind::OutOfMemory.into())
    }

    /// A wish: what is made of passwords has no business in a core dump.
    fn keep_out_of_dumps(start: *mut libc::c_void, bytes: usize) {
        #[cfg(target_os = "linux")]
        // SAFETY: the advice changes what a dump holds of the mapping, not the mapping.
        let _ = unsafe { libc::madvise(start, bytes, libc::MADV_DONTDUMP) };
        #[cfg(not(target_os = "linux"))]
        let _ = (start, bytes);
    }

    /// # Safety
    ///
    /// The pages must have been mapped by [`map_pages`], and nobody may use them any more.
    unsafe fn unmap_pages(start: NonNull<u8>, bytes: usize) {
        // SAFETY: the caller's promise. It fails only for a range that was never mapped.
        let _ = unsafe { libc::munmap(start.as_ptr().cast(), bytes) };
    }

    /// # Safety
    ///
    /// `start` and `bytes` must be one [`map`]'s, and nobody may use the memory any more.
    pub(super) unsafe fn unmap(start: NonNull<Block>, bytes: usize) {
        // SAFETY: the caller's promise.
        unsafe { unmap_pages(start.cast(), bytes) }
    }

    /// A wish: without huge pages hashing is slower and no less right.
    pub(super) fn ask_for_huge_pages(start: NonNull<Block>, bytes: usize) {
        #[cfg(target_os = "linux")]
        // SAFETY: the advice changes how the mapping is backed, not what it holds.
        let _ = unsafe { libc::madvise(start.as_ptr().cast(), bytes, libc::MADV_HUGEPAGE) };
        #[cfg(not(target_os = "linux"))]
        let _ = (start, bytes);
    }
}

#[cfg(not(all(unix, not(miri))))]
mod system {
    use std::alloc::{Layout, alloc_zeroed, dealloc};
    use std::io;
    use std::ptr::NonNull;

    use crate::block::Block;

    fn layout(bytes: usize) -> io::Result<Layout> {
        Layout::from_size_align(bytes, align_of::<Block>()).map_err(|_| io::ErrorKind::OutOfMemory.into())
    }

    /// Allocates `bytes`, more than none, zeroed; only a block's alignment is promised.
    pub(super) fn map(bytes: usize, _alignment: usize) -> io::Result<NonNull<Block>> {
        let layout = layout(bytes)?;
        // SAFETY: the layout is not empty: `Memory::reserve` asks for at least one block.
        let start = unsafe { alloc_zeroed(layout) };
        NonNull::new(start.cast()).ok_or_else(|| io::ErrorKind::OutOfMemory.into())
    }

    /// # Safety
    ///
    /// `start` and `bytes` must be one [`map`]'s, and nobody may use the memory any more.
    pub(super) unsafe fn unmap(start: NonNull<Block>, bytes: usize) {
        if let Ok(layout) = layout(bytes) {
            // SAFETY: the caller's promise; the layout is the one that `map` made of the same size.
            unsafe { dealloc(start.as_ptr().cast(), layout) }
        }
    }

    pub(super) fn ask_for_huge_pages(_start: NonNull<Block>, _bytes: usize) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_zero_aligned_and_all_of_it_writable() {
        for blocks in [0, 1, 3, 2047, 2048, 2049, 5000] {
            let mut memory = Memory::reserve(blocks).unwrap();
            assert_eq!(memory.as_slice().len(), blocks);
            assert!(memory.as_slice().iter().all(|block| block.0 == [0; Block::WORDS]), "{blocks}");
            memory.as_mut_slice().fill(Block([u64::MAX; Block::WORDS]));
            if blocks >= 2048 && cfg!(all(unix, not(miri))) {
                assert_eq!(memory.as_slice().as_ptr().addr() % HUGE_PAGE, 0, "{blocks}");
            }
        }
    }

    #[test]
    fn more_than_there_is_is_an_error() {
        assert!(Memory::reserve(usize::MAX).is_err());
        assert!(Memory::reserve(usize::MAX / Block::BYTES).is_err());
        assert!(Memory::reserve(1 << 40).is_err());
    }
}
