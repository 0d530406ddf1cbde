//! Parts of the sentences that reasons are made of.

/// How many things a sentence names before it only counts.
const NAMED: usize = 5;

/// `a, b and 3 more`; the first few of many.
pub(crate) fn list<T: AsRef<str>>(things: impl IntoIterator<Item = T>) -> String {
    behind("", things)
}

/// The same behind some words. Each step of a chain has such a sentence, so it is written in one go.
pub(crate) fn behind<T: AsRef<str>>(words: &str, things: impl IntoIterator<Item = T>) -> String {
    let mut things = things.into_iter().fuse();
    let named: [Option<T>; NAMED] = std::array::from_fn(|_| things.next());
    let more = match things.count() {
        0 => String::new(),
        more => format!("{more} more"),
    };
    let mut parts = [""; NAMED + 1];
    let mut count = 0;
    let more = (!more.is_empty()).then_some(more.as_str());
    for part in named.iter().flatten().map(AsRef::as_ref).chain(more) {
        parts[count] = part;
        count += 1;
    }
    let parts = if count == 0 { &["none"] } else { &parts[..count] };
    let len: usize = parts.iter().map(|part| part.len() + ", ".len()).sum();
    let mut text = String::with_capacity(words.len() + len + " and ".len());
    text.push_str(words);
    for (place, part) in parts.iter().enumerate() {
        text.push_str(match place {
            0 => "",
            _ if place + 1 == parts.len() => " and ",
            _ => ", ",
        });
        text.push_str(part);
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
