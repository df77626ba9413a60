//! For tests, of this library and of applications that embed it: a store in memory, a clock that the
//! test owns, and the [`contract`] that every store must keep.
//!
//! Nothing here changes how the library behaves; the feature `testing` only adds these types.

#[doc(hidden)]
pub mod accounts;
#[doc(hidden)]
pub mod agreement;
#[doc(hidden)]
pub mod amending;
mod authenticator;
mod clock;
#[doc(hidden)]
pub mod contract;
#[doc(hidden)]
pub mod data_keys;
#[doc(hidden)]
pub mod limits;
mod memory;
#[doc(hidden)]
pub mod races;
#[doc(hidden)]
pub mod records;
#[doc(hidden)]
pub mod rotating;

pub use authenticator::Authenticator;
pub use clock::TestClock;
pub use memory::MemoryStore;

#[doc(hidden)]
pub use crate::password::rewritten as rewritten_hash;
#[doc(hidden)]
pub use pollster::block_on;
