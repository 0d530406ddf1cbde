//! The labels of stacks that are for Stackly, each written here alone: the code of a stack says them,
//! or a person sets them at Spacelift, and whoever heeds one looks for what stands here.

/// What each begins with.
pub const OURS: &str = "stackly:";

macro_rules! labels {
    ($($(#[$about:meta])* $name:ident = $said:literal;)*) => {
        $($(#[$about])* pub const $name: &str = concat!("stackly:", $said);)*

        /// All of them, in the order of the alphabet.
        pub const ALL: &[&str] = &[$($name),*];
    };
}

labels! {
    /// Its step runs, whether or not what it reads changed.
    ALWAYS = "always";
    /// How often a step is tried.
    ATTEMPTS = "attempts=";
    /// Its step goes in the first wave.
    CANARY = "canary";
    /// A check that must hold after its wave.
    CHECK = "check=";
    /// An account, project or subscription at a cloud that it touches.
    CLOUD_ACCOUNT = "cloud-account=";
    /// Stacks that it waits for.
    DEPENDS_ON = "depends-on:";
    /// Its chains stop at their first failure.
    FAIL_FAST = "fail-fast";
    /// A hook, and when it is called.
    HOOK = "hook=";
    /// A variable, and the output of another stack that it takes.
    INPUT = "input=";
    /// When it goes on, of several that it waits for.
    JOIN = "join=";
    /// Tags that deliver it; `*` and `?` stand for any text and any character.
    ON_TAG = "on-tag=";
    /// It goes on only if what it waits for has failed, or however that has ended.
    ON = "on=";
    /// On which branches or in which environments it waits for others.
    ONLY = "only=";
    /// Its chains are planned as a whole before anything is applied.
    PLAN_ALL = "plan-all";
    /// A policy that it is held to.
    POLICY = "policy=";
    /// A provider that its code needs.
    PROVIDER = "provider=";
    /// It reads nothing of those it waits for but their outputs.
    READS_OUTPUTS = "reads=outputs";
    /// A region that it touches.
    REGION = "region=";
    /// The same as [`INPUT`], where nobody may read the value.
    SENSITIVE_INPUT = "sensitive-input=";
    /// How long its wave is watched before the next begins.
    SOAK = "soak=";
    /// Its chains give way to newer ones of the same branch.
    SUPERSEDE = "supersede";
    /// How long its run may take.
    TIMEOUT = "timeout=";
    /// The wave that its step goes in; `=` or `:` and a number follow.
    WAVE = "wave";
}

/// Whether a label is for Stackly, and nobody heeds it: whoever does looks for what stands here, to
/// the letter.
pub fn is_unknown(label: &str) -> bool {
    let Some(said) = label.strip_prefix(OURS) else { return false };
    let is_heeded = |known: &&str| match *known {
        // In any case, and with spaces, as people write it for others than us, too.
        DEPENDS_ON => said.split_once(':').is_some_and(|(key, _)| {
            ["depends-on", "dependson"].iter().any(|it| it.eq_ignore_ascii_case(key.trim()))
        }),
        WAVE => label.strip_prefix(WAVE).is_some_and(|it| it.starts_with(['=', ':'])),
        known if known.ends_with('=') => label.starts_with(known),
        known => label == known,
    };
    !ALL.iter().any(is_heeded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_for_stackly_and_heeded_by_nobody_is_unknown() {
        for known in ["stackly:wave:2", "stackly:soak= 1h", "stackly:dependsOn : a", "env:prod"] {
            assert!(!is_unknown(known), "{known}");
        }
        let unheeded = ["stackly:on = failure:dns", "stackly:canary=true", "stackly:wave"];
        for unknown in ["stackly:wavy=1", "stackly:", "stackly:Wave=1"].iter().chain(&unheeded) {
            assert!(is_unknown(unknown), "{unknown}");
        }
        let named = ALL.iter().filter(|label| **label != WAVE);
        assert!(ALL.is_sorted() && named.into_iter().all(|label| !is_unknown(label)));
    }
}
