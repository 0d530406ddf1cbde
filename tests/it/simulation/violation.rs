//! What a seed is found out in.

/// Something that must not be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Violation {
    /// A step was triggered again.
    TwoRuns { what: String },
    /// A stack was triggered before its parents had finished.
    TooEarly { what: String },
    /// Something accepted did not come to an end.
    Forgotten { what: String },
    /// A wait, an end or a dead letter without a reason.
    NoReason { what: String },
    /// Two answers under one id, or an answer outside of its story or trace.
    Muddled { what: String },
    /// What followed is not what must follow.
    Wrong { what: String },
    /// People were told something else than what happened.
    WrongNews { what: String },
    /// A run of ours that nobody follows.
    LeftOpen { what: String },
    /// It goes on and on.
    NeverEnds,
}
