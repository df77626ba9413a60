//! Access tokens (HS256 JWTs) and refresh tokens (opaque).

pub mod access;
pub mod keyring;
pub mod refresh;
