//! The hosts of repositories that are told the same, each in words of its own. GitHub is not among
//! them: there, an app writes check runs.

/// What such a host is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// A status of a commit or of a pull request; a [`crate::call::StatusCall`].
    Status,
    /// An answer at a pull request; a [`crate::comment::Comment`].
    Comment,
    /// What a validation found; [`crate::findings::Findings`].
    Findings,
    /// The comment that follows a pull request; a [`crate::overview::OverviewCall`].
    Overview,
}

macro_rules! forges {
    ($($(#[doc = $doc:literal])+ $variant:ident = $channel:literal, $name:literal;)*) => {
        /// One of these hosts.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Forge {
            $($(#[doc = $doc])+ $variant,)*
        }

        impl Forge {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// What it is called in configuration and delivery records.
            pub const fn channel(self) -> &'static str {
                match self { $(Self::$variant => $channel,)* }
            }

            /// What people call it.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// The kind of the calls by which it is told this.
            pub const fn kind(self, what: What) -> &'static str {
                match (self, what) {
                    $(
                        (Self::$variant, What::Status) => concat!($channel, ".status"),
                        (Self::$variant, What::Comment) => concat!($channel, ".comment"),
                        (Self::$variant, What::Findings) => concat!($channel, ".findings"),
                        (Self::$variant, What::Overview) => concat!($channel, ".overview"),
                    )*
                }
            }
        }
    };
}

forges! {
    /// GitLab, of whoever runs it.
    Gitlab = "gitlab", "GitLab";
    /// Bitbucket Cloud.
    Bitbucket = "bitbucket", "Bitbucket";
    /// Bitbucket Data Center.
    BitbucketServer = "bitbucket_server", "Bitbucket Data Center";
    /// Azure DevOps, also the server of that name.
    AzureDevops = "azure_devops", "Azure DevOps";
}

impl Forge {
    /// Whom a call of this kind tells what.
    pub fn of(kind: &str) -> Option<(Self, What)> {
        let every = [What::Status, What::Comment, What::Findings, What::Overview];
        let all = Self::ALL.iter().flat_map(|forge| every.map(|what| (*forge, what)));
        all.into_iter().find(|(forge, what)| forge.kind(*what) == kind)
    }

    /// Whether findings are shown beside the lines they are about, not listed in a comment.
    pub const fn annotates(self) -> bool {
        matches!(self, Self::Bitbucket | Self::BitbucketServer)
    }

    /// Whether the status of what is proposed is one of its pull request, not of its commit.
    pub const fn marks_pull_requests(self) -> bool {
        matches!(self, Self::AzureDevops)
    }

    /// Whether commits may be named by the beginning of their names: Bitbucket cuts them so.
    pub const fn cuts_commits(self) -> bool {
        matches!(self, Self::Bitbucket)
    }
}

#[cfg(test)]
mod tests {
    use super::{Forge, What};

    #[test]
    fn a_call_is_known_by_its_kind() {
        assert_eq!(Forge::of("gitlab.status"), Some((Forge::Gitlab, What::Status)));
        let findings = Some((Forge::BitbucketServer, What::Findings));
        assert_eq!(Forge::of("bitbucket_server.findings"), findings);
        assert_eq!((Forge::of("github.status"), Forge::of("gitlab")), (None, None));
    }
}
