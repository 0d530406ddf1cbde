//! Why an app was given nothing.

type Source = Box<dyn std::error::Error + Send + Sync>;

/// Why an app was given no token.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// GitHub cannot be reached now.
    #[error("cannot reach {url}")]
    Unreachable {
        /// GitHub's API.
        url: String,
        /// Why.
        #[source]
        source: Source,
    },
    /// GitHub gives nothing, and will not before somebody does something about it.
    #[error("{url} refuses: {advice}")]
    Refused {
        /// GitHub's API.
        url: String,
        /// What may help.
        advice: &'static str,
        /// Why.
        #[source]
        source: Source,
    },
}
