#![doc = include_str!("../README.md")]

mod assistance;
#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod block;
mod digest;
mod fill;
mod kernel;
mod memory;
mod parameters;
mod scalar;
mod share;
mod workspace;

pub use assistance::Assistance;
pub use kernel::Kernel;
pub use parameters::{Error, Inputs, MIN_SALT_LENGTH, MIN_TAG_LENGTH, Parameters};
pub use workspace::{Assisted, Workspace};
