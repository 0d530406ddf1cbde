//! What people may say about a gate.

use chrono::{DateTime, TimeDelta, Utc};
use contracts::{Code, gate::Outcome};
use uuid::Uuid;

use super::Gate;
use crate::{
    evaluate::{self, Ineligible, may_break_glass, may_reject, standings, unknown_to},
    model::PolicySet,
    people::People,
    review::{Review, ReviewRefused, Word, newest},
};

impl Gate {
    /// Whether this review may be taken down.
    pub fn accepts(&self, set: &PolicySet, review: &Review) -> Result<(), ReviewRefused> {
        let gate = self.request.gate;
        let by = review.by.clone();
        if by.trim().is_empty() {
            return Err(ReviewRefused::Nameless);
        }
        if self.is_over() {
            return Err(ReviewRefused::Decided { gate, decision: self.sentence() });
        }
        if self.heard_since(&set.people, review) {
            return Err(ReviewRefused::SaidSince { by, gate });
        }
        match review.word {
            Word::Override { .. } if review.note.is_none() => Err(ReviewRefused::Reasonless),
            Word::Override { .. } => match may_break_glass(set, &self.case(review.at), &by) {
                Some(_) => Ok(()),
                None => Err(ReviewRefused::NotTrusted { by, gate }),
            },
            Word::Withdraw => {
                let said = newest(&set.people, &self.reviews);
                match said.iter().any(|said| set.people.same(&said.by, &by)) {
                    true => Ok(()),
                    false => Err(ReviewRefused::NothingSaid { by, gate }),
                }
            }
            Word::Approve | Word::Reject => self.accepts_vote(set, review),
        }
    }

    /// Whether a review was taken down before.
    pub(super) fn knows(&self, review: &Review) -> bool {
        self.reviews.iter().any(|other| other.id == review.id)
    }

    /// Takes down what was said about its commit, as far as it counts: by the same rules as what is said
    /// about the gate itself, and all of it before anything is decided. Returns whether anything was.
    pub fn hear(&mut self, set: &PolicySet, mut words: Vec<Review>) -> bool {
        words.retain(|word| !self.knows(word) && self.accepts(set, word).is_ok());
        let is_heard = !words.is_empty();
        self.reviews.append(&mut words);
        is_heard
    }

    /// Whether the same person said something else later that came sooner.
    fn heard_since(&self, people: &People, review: &Review) -> bool {
        let is_later = |other: &Review| {
            other.is_vote() && other.at > review.at && people.same(&other.by, &review.by)
        };
        review.is_vote() && self.reviews.iter().any(is_later)
    }

    /// Whether this word, which is taken down, took nothing back.
    pub fn took_nothing_back(&self, people: &People, id: Uuid) -> bool {
        let Some(index) = self.reviews.iter().position(|review| review.id == id) else {
            return false;
        };
        let (before, review) = (&self.reviews[..index], &self.reviews[index]);
        let is_own = |other: &Review| people.same(&other.by, &review.by);
        let broken_until = |other: &Review| match other.word {
            Word::Override { until, .. } => Some(until),
            _ => None,
        };
        let is_mended = |other: &Review| broken_until(other) == Some(review.at);
        review.word == Word::Withdraw
            && !newest(people, before).into_iter().any(is_own)
            && !before.iter().any(|other| is_own(other) && is_mended(other))
    }

    /// Takes back what somebody broke: what it was not used for yet is not passed over any more. Returns
    /// whether there was anything. Of a gate that is decided, what holds for its chain is left.
    pub fn mend(&mut self, people: &People, review: &Review) -> bool {
        let (is_over, is_known) = (self.is_over(), self.knows(review));
        let mut is_mended = false;
        let own = self.reviews.iter_mut().filter(|other| people.same(&other.by, &review.by));
        for other in own.filter(|_| review.word == Word::Withdraw && !is_known) {
            if let Word::Override { until, whole_chain } = &mut other.word
                && other.at <= review.at
                && *until > review.at
                && (*whole_chain || !is_over)
            {
                *until = review.at;
                is_mended = true;
            }
        }
        if is_mended {
            self.reviews.push(review.clone());
        }
        is_mended
    }

    fn accepts_vote(&self, set: &PolicySet, review: &Review) -> Result<(), ReviewRefused> {
        let (gate, by) = (self.request.gate, review.by.clone());
        let approve = review.word == Word::Approve;
        let standings = standings(set, &self.case(review.at));
        let refusals = standings.iter().map(|standing| match standing.eligible(review) {
            // Whoever made a change may take it back; and where everybody may, it matters not who.
            Err(Ineligible::Author | Ineligible::Unknown | Ineligible::NoAuthor) if !approve => {
                None
            }
            Err(why) => Some((standing, why)),
            Ok(()) => None,
        });
        let refusals: Vec<_> = refusals.collect();
        // A program may want people, too, also while a window is closed: then a reason says so.
        let wants_people = matches!(self.outcome, Outcome::HoldForApprovals { .. })
            || self.reasons.iter().any(|reason| reason.code == Code::ApprovalNeeded);
        match refusals.first() {
            None if approve && !wants_people => {
                Err(ReviewRefused::NotAsked { gate, waits_for: self.sentence() })
            }
            None if !approve
                && !wants_people
                && !may_reject(set, &self.case(review.at), review) =>
            {
                Err(ReviewRefused::MayNotReject { by, gate, chain: self.request.chain })
            }
            None if approve && let Some(policy) = unknown_to(set, &self.case(review.at), &by) => {
                Err(ReviewRefused::Unknown { by, policy: policy.to_owned() })
            }
            Some(Some((standing, why))) if refusals.iter().all(Option::is_some) => {
                let policy = standing.policy.to_owned();
                let who = match standing.left() {
                    Some(left) if left.is_empty() => String::new(),
                    Some(left) => format!("; ask {}", left.join(", ")),
                    None => "; ask somebody else".to_owned(),
                };
                Err(match why {
                    Ineligible::Author => ReviewRefused::SelfApproval { by, policy, who },
                    Ineligible::NotListed => ReviewRefused::NotAllowed { by, policy, who },
                    Ineligible::Unknown => ReviewRefused::Unknown { by, policy },
                    Ineligible::NoAuthor => {
                        let authors = standing.strangers.join(", ");
                        ReviewRefused::NoAuthor { policy, authors }
                    }
                })
            }
            _ => Ok(()),
        }
    }

    /// Until when a glass broken now stays broken, as asked for and as allowed.
    pub fn glass_until(
        &self,
        set: &PolicySet,
        by: &str,
        wanted: Option<TimeDelta>,
        now: DateTime<Utc>,
    ) -> DateTime<Utc> {
        let allowed = may_break_glass(set, &self.case(now), by).map(|block| block.expires);
        let allowed = allowed.and_then(|span| TimeDelta::from_std(span).ok()).unwrap_or_default();
        let span = wanted.map_or(allowed, |wanted| wanted.min(allowed)).max(TimeDelta::zero());
        now.checked_add_signed(span).unwrap_or_else(evaluate::never)
    }
}
