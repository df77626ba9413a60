//! Why a message was not delivered, and whether there is a point in trying again.

/// Why a message was not delivered. Says nothing of its content nor whom it was for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Undelivered {
    /// What went wrong, in a form that may stand in a log.
    pub reason: String,
    /// What was in the way.
    pub obstacle: Obstacle,
}

/// What keeps a message from its receiver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Obstacle {
    /// The message itself, and for ever.
    Message,
    /// Something that may be over when it is tried again.
    Passing,
    /// Whoever takes all messages of its kind: the next one would meet the same.
    Receiver,
}

impl Undelivered {
    pub(crate) fn new(obstacle: Obstacle, reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), obstacle }
    }

    pub(crate) fn for_now(reason: impl Into<String>) -> Self {
        Self::new(Obstacle::Passing, reason)
    }

    pub(crate) fn for_ever(reason: impl Into<String>) -> Self {
        Self::new(Obstacle::Message, reason)
    }

    pub(crate) fn by_receiver(reason: impl Into<String>) -> Self {
        Self::new(Obstacle::Receiver, reason)
    }
}
