//! Texts and lists of texts that many stacks have in common, each kept once.

use std::collections::HashSet;

use contracts::{List, Text};

/// What was kept so far.
#[derive(Debug, Default)]
pub struct Texts {
    texts: HashSet<Text>,
    lists: HashSet<List<Text>>,
}

impl Texts {
    /// The text, as it is kept already if it is.
    pub fn text(&mut self, text: &str) -> Text {
        if let Some(kept) = self.texts.get(text) {
            return kept.clone();
        }
        let new = Text::from(text);
        self.texts.insert(new.clone());
        new
    }

    /// The list of these texts, likewise.
    pub fn list<T: AsRef<str>>(&mut self, texts: impl IntoIterator<Item = T>) -> List<Text> {
        let list: List<Text> = texts.into_iter().map(|text| self.text(text.as_ref())).collect();
        if let Some(kept) = self.lists.get(&list) {
            return kept.clone();
        }
        self.lists.insert(list.clone());
        list
    }
}

#[cfg(test)]
mod tests {
    use super::Texts;

    #[test]
    fn what_is_the_same_is_kept_once() {
        let mut texts = Texts::default();
        let (one, other) = (texts.text("prod"), texts.text(&["pr", "od"].concat()));
        assert!(std::ptr::eq(one.as_str(), other.as_str()));
        let (one, other) = (texts.list(["a", "prod"]), texts.list(["a", "prod"]));
        assert!(std::ptr::eq(one.as_slice(), other.as_slice()));
        assert!(std::ptr::eq(one[1].as_str(), texts.text("prod").as_str()));
        assert_ne!(texts.list(["prod", "a"]), one);
    }
}
