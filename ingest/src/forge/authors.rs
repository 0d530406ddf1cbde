//! Who wrote the commits of a push, as far as their host says.

use crate::payload::plain;

/// The most names an event carries.
const AUTHORS_MAX: usize = 500;
/// No address is longer.
const MAIL_BYTES_MAX: usize = 254;
/// What hosts make of the address of who does not want to show theirs, before and behind the login.
const HIDDEN: [(char, &str); 2] =
    [('+', "@users.noreply.github.com"), ('-', "@users.noreply.gitlab.com")];
/// The line of a message that names somebody who wrote a commit together with its author.
const TOGETHER: &str = "co-authored-by:";

/// Names, once each, in the order in which they come.
#[derive(Debug, Default)]
pub(crate) struct Authors(Vec<String>);

impl Authors {
    /// Who wrote a commit: by login, or where the host names none, by address.
    pub(crate) fn wrote(&mut self, login: Option<&str>, mail: Option<&str>) {
        match login.filter(|login| !login.is_empty()) {
            Some(login) => self.add(plain(login)),
            None => self.by_mail(mail.unwrap_or_default()),
        }
    }

    /// Those whom the message of a commit names beside its author.
    pub(crate) fn together(&mut self, message: &str) {
        for line in message.lines() {
            let line = line.trim();
            let is_one =
                line.get(..TOGETHER.len()).is_some_and(|it| it.eq_ignore_ascii_case(TOGETHER));
            if is_one {
                self.by_mail(address(&line[TOGETHER.len()..]));
            }
        }
    }

    /// All but who pushed, who is named anyway.
    pub(crate) fn but(self, author: &str) -> Vec<String> {
        self.0.into_iter().filter(|name| name != author).collect()
    }

    fn by_mail(&mut self, mail: &str) {
        let mail = mail.trim();
        if !mail.contains('@') || mail.len() > MAIL_BYTES_MAX {
            return;
        }
        self.add(hidden(mail).map_or_else(|| plain(mail), plain));
    }

    fn add(&mut self, name: String) {
        if self.0.len() < AUTHORS_MAX && !self.0.contains(&name) {
            self.0.push(name);
        }
    }
}

/// The address in `Name <address>`.
pub(crate) fn address(text: &str) -> &str {
    let address = text.rsplit_once('<').and_then(|(_, rest)| rest.split_once('>'));
    address.map_or("", |(address, _)| address)
}

/// The login in the address that a host makes for who hides theirs: `583231+octocat@users.…`.
fn hidden(mail: &str) -> Option<&str> {
    HIDDEN.iter().find_map(|(behind, host)| {
        let local = mail.strip_suffix(host)?;
        let is_number = |text: &str| !text.is_empty() && text.bytes().all(|it| it.is_ascii_digit());
        let login = match local.split_once(*behind) {
            Some((number, login)) if is_number(number) => login,
            _ => local,
        };
        (!login.is_empty()).then_some(login)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_wrote_commits_is_known_by_login_else_by_address_and_named_once() {
        let mut authors = Authors::default();
        authors.wrote(Some("jane"), Some("jane@acme.example"));
        authors.wrote(None, Some("583231+octocat@users.noreply.github.com"));
        authors.wrote(None, Some("octocat@users.noreply.github.com"));
        authors.wrote(Some(""), Some("42-ann-lee@users.noreply.gitlab.com"));
        authors.wrote(None, Some("carol@acme.example"));
        authors.wrote(None, Some("carol@acme.example"));
        authors.wrote(None, Some("nobody"));
        authors.wrote(None, None);
        assert_eq!(authors.but("jane"), ["octocat", "ann-lee", "carol@acme.example"]);
    }

    #[test]
    fn who_is_named_beside_the_author_wrote_it_too() {
        let mut authors = Authors::default();
        authors.together(
            "Add a zone\n\nthanks to co-authored-by: nobody\n\nCo-authored-by: Carol <carol@acme.example>\n\
             CO-AUTHORED-BY: Dan <7+dan@users.noreply.github.com>\nCo-authored-by: é\n",
        );
        assert_eq!(authors.but("jane"), ["carol@acme.example", "dan"]);
    }
}
