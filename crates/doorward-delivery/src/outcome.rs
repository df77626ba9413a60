//! Why a message was not delivered, and whether there is a point in trying again.

/// Why a message was not delivered. Says nothing of its content nor whom it was for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Undelivered {
    /// What went wrong, in a form that may stand in a log.
    pub reason: String,
    /// Whether it will never be otherwise.
    pub is_final: bool,
}

impl Undelivered {
    pub(crate) fn for_now(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), is_final: false }
    }

    pub(crate) fn for_ever(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), is_final: true }
    }
}
