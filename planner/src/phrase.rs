//! Parts of the sentences that reasons are made of.

/// How many things a sentence names before it only counts.
const NAMED: usize = 5;

/// `a, b and 3 more`; the first few of many.
pub(crate) fn list<T: AsRef<str>>(things: impl IntoIterator<Item = T>) -> String {
    let things: Vec<T> = things.into_iter().collect();
    let named: Vec<&str> = things.iter().take(NAMED).map(AsRef::as_ref).collect();
    match (named.as_slice(), things.len() - named.len()) {
        ([], _) => "none".to_owned(),
        ([one], _) => (*one).to_owned(),
        ([firsts @ .., last], 0) => format!("{} and {last}", firsts.join(", ")),
        (named, more) => format!("{} and {more} more", named.join(", ")),
    }
}

/// `1 stack`, `2 stacks`.
pub(crate) fn count(number: usize, thing: &str) -> String {
    if number == 1 { format!("1 {thing}") } else { format!("{number} {thing}s") }
}

/// A commit as people write it.
pub(crate) fn short(commit: &str) -> &str {
    commit.get(..8).unwrap_or(commit)
}

#[cfg(test)]
mod tests {
    use super::{count, list, short};

    #[test]
    fn a_list_names_the_first_few_and_counts_the_rest() {
        assert_eq!(list::<&str>([]), "none");
        assert_eq!(list(["a"]), "a");
        assert_eq!(list(["a", "b", "c"]), "a, b and c");
        assert_eq!(list(["a", "b", "c", "d", "e", "f", "g"]), "a, b, c, d, e and 2 more");
    }

    #[test]
    fn one_thing_is_not_many() {
        assert_eq!((count(1, "file"), count(0, "file")), ("1 file".into(), "0 files".into()));
        assert_eq!((short("0123456789"), short("é")), ("01234567", "é"));
    }
}
