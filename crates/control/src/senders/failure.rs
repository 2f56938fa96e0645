//! Why a message did not leave.

/// Why a message did not leave. The reason is shown to operators: it holds no secret and nothing of
/// what the message says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// Another time it may.
    Passing {
        /// What happened.
        reason: String,
        /// How long the other side asked to be left alone; zero if it did not.
        asked_us: i64,
    },
    /// It never will, such as to an address that does not exist.
    Final {
        /// What happened.
        reason: String,
    },
}

impl Failure {
    pub(crate) fn passing(reason: impl Into<String>) -> Self {
        Failure::Passing {
            reason: reason.into(),
            asked_us: 0,
        }
    }

    pub(crate) fn lasting(reason: impl Into<String>) -> Self {
        Failure::Final {
            reason: reason.into(),
        }
    }
}
