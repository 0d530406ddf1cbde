//! Parts of the sentences that reasons are made of.

/// How many things a sentence names before it only counts.
const NAMED: usize = 5;

/// `a, b and 3 more`; the first few of many.
pub(crate) fn list<T: AsRef<str>>(things: impl IntoIterator<Item = T>) -> String {
    behind("", things)
}

/// The same behind some words. Each step of a chain has such a sentence, so it is written in one go.
pub(crate) fn behind<T: AsRef<str>>(words: &str, things: impl IntoIterator<Item = T>) -> String {
    let mut things = things.into_iter();
    let named: [Option<T>; NAMED] = std::array::from_fn(|_| things.next());
    let more = match things.count() {
        0 => String::new(),
        more => format!("{more} more"),
    };
    let named = named.iter().flatten().map(AsRef::as_ref);
    let parts = || named.clone().chain((!more.is_empty()).then_some(more.as_str()));
    let last = parts().count().saturating_sub(1);
    let len = parts().map(|part| part.len() + " and ".len()).sum::<usize>();
    let mut text = String::with_capacity(words.len() + len);
    text.push_str(words);
    for (place, part) in parts().enumerate() {
        text.push_str(match place {
            0 => "",
            _ if place == last => " and ",
            _ => ", ",
        });
        text.push_str(part);
    }
    if last == 0 && parts().next().is_none() {
        text.push_str("none");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{behind, list};

    #[test]
    fn a_list_names_the_first_few_and_counts_the_rest() {
        assert_eq!(list::<&str>([]), "none");
        assert_eq!(list(["a"]), "a");
        assert_eq!(list(["a", "b"]), "a and b");
        assert_eq!(list(["a", "b", "c"]), "a, b and c");
        assert_eq!(list(["a", "b", "c", "d", "e"]), "a, b, c, d and e");
        assert_eq!(list(["a", "b", "c", "d", "e", "f"]), "a, b, c, d, e and 1 more");
        assert_eq!(list(["a", "b", "c", "d", "e", "f", "g"]), "a, b, c, d, e and 2 more");
    }

    #[test]
    fn a_sentence_goes_on_with_a_list() {
        assert_eq!(behind("depends on ", ["a", "b"]), "depends on a and b");
        assert_eq!(behind::<&str>("depends on ", []), "depends on none");
    }
}
