//! Why a command could not do what it was asked to, in one line.

/// A refusal: exit status 1, and this line on standard error.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Failure(String);

impl Failure {
    /// A refusal for this reason.
    pub(crate) fn new(reason: impl Into<String>) -> Self {
        Self(reason.into())
    }

    /// A refusal for the reason of `error`.
    pub(crate) fn because(error: impl std::fmt::Display) -> Self {
        Self(error.to_string())
    }
}
