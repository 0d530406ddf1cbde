//! Paths within a repository: text with `/`, from the root, never out of it.

/// Why a path leads nowhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Astray {
    /// It climbs out of the repository.
    Outside,
    /// It begins at the root of a machine.
    Absolute,
    /// It holds what no path holds.
    Unusable,
}

impl Astray {
    /// What is wrong with it, as the end of a sentence.
    pub fn what(&self) -> &'static str {
        match self {
            Self::Outside => "leads out of the repository",
            Self::Absolute => "is absolute",
            Self::Unusable => "is not a usable path",
        }
    }

    /// What to do about it.
    pub fn advice(&self) -> &'static str {
        match self {
            Self::Outside => "name something inside of the repository: fewer `..`",
            Self::Absolute => "begin at the root of the repository, without the first `/`",
            Self::Unusable => "write a path with `/` between names, without control characters",
        }
    }
}

/// `path` as seen from `folder`, both from the root of the repository. An empty text is the root.
pub fn join(folder: &str, path: &str) -> Result<String, Astray> {
    let bytes = path.as_bytes();
    let has_drive = bytes.len() > 1 && bytes[1] == b':' && bytes[0].is_ascii_alphabetic();
    if path.starts_with('/') || path.starts_with('~') || has_drive {
        return Err(Astray::Absolute);
    }
    if path.chars().any(|c| c.is_control() || c == '\\') {
        return Err(Astray::Unusable);
    }
    let mut segments: Vec<&str> = folder.split('/').filter(|segment| !segment.is_empty()).collect();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => {
                segments.pop().ok_or(Astray::Outside)?;
            }
            segment => segments.push(segment),
        }
    }
    Ok(segments.join("/"))
}

/// The path of what is called `name` in a folder; the folder may be the root, which is empty.
pub fn within(folder: &str, name: &str) -> String {
    if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") }
}

/// The folder a path lies in; empty for the root.
pub fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

/// The last segment of a path.
pub fn name(path: &str) -> &str {
    path.rsplit_once('/').map_or(path, |(_, name)| name)
}

/// The folders a path lies in, from the root down to the path itself.
pub fn ancestors(path: &str) -> impl DoubleEndedIterator<Item = &str> {
    let inner: Vec<&str> = path.match_indices('/').map(|(slash, _)| &path[..slash]).collect();
    let own = (!path.is_empty()).then_some(path);
    std::iter::once("").chain(inner).chain(own)
}

/// Whether `path` is `folder` or lies below it.
pub fn is_within(path: &str, folder: &str) -> bool {
    folder.is_empty()
        || path.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// `path` as one would write it from `folder`: `../b` for `a/b` from `a/c`.
pub fn relative(folder: &str, path: &str) -> String {
    let from: Vec<&str> = folder.split('/').filter(|segment| !segment.is_empty()).collect();
    let to: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
    let same = from.iter().zip(&to).take_while(|(one, other)| one == other).count();
    let up = std::iter::repeat_n("..", from.len() - same);
    let written: Vec<&str> = up.chain(to[same..].iter().copied()).collect();
    if written.is_empty() { ".".to_owned() } else { written.join("/") }
}
