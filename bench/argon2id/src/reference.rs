//! The C reference implementation, on one thread.

use std::ffi::c_int;
use std::ptr;

use doorward_argon2id::{Inputs, Parameters};

/// `argon2_context` of the reference implementation's `argon2.h`.
#[repr(C)]
struct Context {
    out: *mut u8,
    outlen: u32,
    pwd: *const u8,
    pwdlen: u32,
    salt: *const u8,
    saltlen: u32,
    secret: *const u8,
    secretlen: u32,
    ad: *const u8,
    adlen: u32,
    t_cost: u32,
    m_cost: u32,
    lanes: u32,
    threads: u32,
    version: u32,
    allocate: Option<extern "C" fn(*mut *mut u8, usize) -> c_int>,
    free: Option<extern "C" fn(*mut u8, usize)>,
    flags: u32,
}

unsafe extern "C" {
    fn argon2_ctx(context: *mut Context, variant: c_int) -> c_int;
}

const ARGON2ID: c_int = 2;

const MEMORY_BYTES: usize = 64 << 20;

/// Memory that a thread uses again and again, on huge pages like ours.
struct Lent {
    start: *mut libc::c_void,
    aligned: usize,
}

thread_local! {
    static MEMORY: Lent = Lent::new();
}

impl Lent {
    fn new() -> Self {
        // SAFETY: a new mapping, used by nobody else.
        unsafe {
            let (protection, flags) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
            let start = libc::mmap(ptr::null_mut(), MEMORY_BYTES + (2 << 20), protection, flags, -1, 0);
            let aligned = start.expose_provenance().next_multiple_of(2 << 20);
            libc::madvise(ptr::with_exposed_provenance_mut(aligned), MEMORY_BYTES, libc::MADV_HUGEPAGE);
            Self { start, aligned }
        }
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        // SAFETY: the mapping made above; its thread has ended.
        unsafe { libc::munmap(self.start, MEMORY_BYTES + (2 << 20)) };
    }
}

extern "C" fn lend(memory: *mut *mut u8, bytes: usize) -> c_int {
    if bytes > MEMORY_BYTES {
        return -22;
    }
    let start = MEMORY.with(|memory| memory.aligned);
    // SAFETY: the reference implementation passes a valid place for the address.
    unsafe { *memory = ptr::with_exposed_provenance_mut(start) };
    0
}

extern "C" fn keep(_: *mut u8, _: usize) {}

/// Argon2id 0x13 with memory lent, or its own from `malloc`.
pub fn hash(inputs: &Inputs<'_>, parameters: Parameters, is_reused: bool, tag: &mut [u8]) {
    let mut context = Context {
        out: tag.as_mut_ptr(),
        outlen: tag.len() as u32,
        pwd: inputs.password.as_ptr(),
        pwdlen: inputs.password.len() as u32,
        salt: inputs.salt.as_ptr(),
        saltlen: inputs.salt.len() as u32,
        secret: inputs.secret.as_ptr(),
        secretlen: inputs.secret.len() as u32,
        ad: inputs.associated_data.as_ptr(),
        adlen: inputs.associated_data.len() as u32,
        t_cost: parameters.iterations(),
        m_cost: parameters.memory_kib(),
        lanes: parameters.lanes(),
        threads: 1,
        version: 0x13,
        allocate: is_reused.then_some(lend),
        free: is_reused.then_some(keep),
        flags: 0,
    };
    // SAFETY: all pointers in the context are valid for their lengths while the call lasts.
    let outcome = unsafe { argon2_ctx(&mut context, ARGON2ID) };
    assert_eq!(outcome, 0, "the reference implementation refused");
}
