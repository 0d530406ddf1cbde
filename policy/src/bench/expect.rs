//! What a test expects, and what did not come so.

use chrono::{DateTime, Utc};
use contracts::gate::Outcome;
use located::Section;

use crate::{document::times, evaluate::Verdict};

const OUTCOMES: [(&str, &str); 4] = [
    ("pass", "pass"),
    ("deny", "deny"),
    ("hold_until", "hold_until"),
    ("hold_for_approvals", "hold_for_approvals"),
];

/// What should follow.
#[derive(Default)]
pub(super) struct Expect {
    outcome: Option<String>,
    until: Option<DateTime<Utc>>,
    given: Option<u64>,
    needed: Option<u64>,
    codes: Vec<String>,
    says: Vec<String>,
    silent: Vec<String>,
}

impl Expect {
    /// Reads it.
    pub(super) fn read(section: &Section<'_>) -> Self {
        section.only(
            &["outcome", "until", "timezone", "given", "needed", "code", "says", "silent"],
            &[],
        );
        let texts = |key: &str| section.texts(key).into_iter().map(|(text, _)| text).collect();
        let outcome = section.text("outcome").and_then(|t| section.word("outcome", &t, &OUTCOMES));
        if section.span_of("outcome").is_none() {
            section.fault("a test expects an outcome", "write `outcome = \"pass\"` or another");
        }
        Self {
            outcome: outcome.map(str::to_owned),
            until: times::instant(section, "until", times::zone(section).unwrap_or_default()),
            given: section.number("given"),
            needed: section.number("needed"),
            codes: texts("code"),
            says: texts("says"),
            silent: texts("silent"),
        }
    }

    pub(super) fn held_against(&self, verdict: &Verdict) -> Vec<String> {
        let mut wrong = Vec::new();
        let outcome = contracts::plain(&verdict.outcome);
        let found = outcome["outcome"].as_str().unwrap_or_default();
        if let Some(wanted) = self.outcome.as_deref().filter(|wanted| *wanted != found) {
            wrong.push(format!("the outcome is {found}, not {wanted}"));
        }
        let (until, given, needed) = match &verdict.outcome {
            Outcome::HoldUntil { until } => (Some(*until), None, None),
            Outcome::HoldForApprovals { given, needed } => {
                (None, Some(*given as u64), Some(*needed as u64))
            }
            Outcome::Pass | Outcome::Deny => (None, None, None),
        };
        if self.until.is_some() && self.until != until {
            let show = |at: Option<DateTime<Utc>>| {
                at.map_or_else(|| "never".to_owned(), |at| at.to_rfc3339())
            };
            wrong.push(format!("it is held until {}, not {}", show(until), show(self.until)));
        }
        for (what, wanted, found) in [("given", self.given, given), ("needed", self.needed, needed)]
        {
            if let Some(wanted) = wanted.filter(|wanted| Some(*wanted) != found) {
                let found = found.map_or_else(|| "none".to_owned(), |found| found.to_string());
                wrong.push(format!("`{what}` is {found}, not {wanted}"));
            }
        }
        let reasons: Vec<String> = verdict.reasons.iter().map(ToString::to_string).collect();
        let has = |text: &String| reasons.iter().any(|reason| reason.contains(text.as_str()));
        let has_code = |code: &&String| verdict.reasons.iter().any(|r| r.code.as_str() == **code);
        let missing = self.codes.iter().filter(|code| !has_code(code));
        wrong.extend(missing.map(|code| format!("no reason has the code {code}")));
        let unsaid = self.says.iter().filter(|text| !has(text));
        wrong.extend(unsaid.map(|text| format!("no reason says \"{text}\"")));
        let said = self.silent.iter().filter(|text| has(text));
        wrong.extend(said.map(|text| format!("a reason says \"{text}\"")));
        wrong
    }
}
