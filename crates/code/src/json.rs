//! JSON with the lines its parts stand in, for `.tf.json`.

/// A value and the line it begins in.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Json {
    pub(crate) line: usize,
    pub(crate) value: Part,
}

/// What a value is.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Part {
    Null,
    Bool(bool),
    Number(serde_json::Number),
    Text(String),
    List(Vec<Json>),
    /// Keys in their order, each with its line; they may repeat.
    Map(Vec<(String, usize, Json)>),
}

/// Why a text is no JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NotJson {
    /// The byte it breaks at.
    pub(crate) at: usize,
    pub(crate) what: &'static str,
}

/// How deep lists and maps may lie in each other.
const DEPTH_MAX: usize = 64;

/// Reads a whole text.
pub(crate) fn parse(text: &str) -> Result<Json, NotJson> {
    let mut reader = Reader { text, at: 0, line: 1 };
    let json = reader.value(0)?;
    reader.blank();
    if reader.at < text.len() {
        Err(reader.fault("expected the end of the file"))
    } else {
        Ok(json)
    }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    line: usize,
}

impl Reader<'_> {
    fn fault(&self, what: &'static str) -> NotJson {
        NotJson { at: self.at, what }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn blank(&mut self) {
        while let Some(byte @ (b' ' | b'\t' | b'\r' | b'\n')) = self.peek() {
            self.line += usize::from(byte == b'\n');
            self.at += 1;
        }
    }

    fn takes(&mut self, byte: u8) -> bool {
        self.blank();
        let is_there = self.peek() == Some(byte);
        self.at += usize::from(is_there);
        is_there
    }

    fn value(&mut self, depth: usize) -> Result<Json, NotJson> {
        self.blank();
        if depth > DEPTH_MAX {
            return Err(self.fault("lists and objects lie too deep in each other"));
        }
        let line = self.line;
        let value = match self.peek() {
            Some(b'{') => self.map(depth)?,
            Some(b'[') => self.list(depth)?,
            Some(b'"') => Part::Text(self.string()?),
            Some(_) => self.word()?,
            None => return Err(self.fault("expected a value")),
        };
        Ok(Json { line, value })
    }

    fn map(&mut self, depth: usize) -> Result<Part, NotJson> {
        self.at += 1;
        let mut map = Vec::new();
        if self.takes(b'}') {
            return Ok(Part::Map(map));
        }
        loop {
            self.blank();
            let line = self.line;
            if self.peek() != Some(b'"') {
                return Err(self.fault("expected a key in double quotes"));
            }
            let key = self.string()?;
            if !self.takes(b':') {
                return Err(self.fault("expected `:` after a key"));
            }
            map.push((key, line, self.value(depth + 1)?));
            if self.takes(b'}') {
                return Ok(Part::Map(map));
            }
            if !self.takes(b',') {
                return Err(self.fault("expected `,` or `}`"));
            }
        }
    }

    fn list(&mut self, depth: usize) -> Result<Part, NotJson> {
        self.at += 1;
        let mut list = Vec::new();
        if self.takes(b']') {
            return Ok(Part::List(list));
        }
        loop {
            list.push(self.value(depth + 1)?);
            if self.takes(b']') {
                return Ok(Part::List(list));
            }
            if !self.takes(b',') {
                return Err(self.fault("expected `,` or `]`"));
            }
        }
    }

    /// A string, with its escapes read by the library that knows them all.
    fn string(&mut self) -> Result<String, NotJson> {
        let begin = self.at;
        let bytes = self.text.as_bytes();
        let mut end = begin + 1;
        loop {
            match bytes.get(end) {
                None | Some(b'\n') => return Err(self.fault("this string does not end")),
                Some(b'"') => break,
                Some(b'\\') => end += 2,
                Some(_) => end += 1,
            }
        }
        let text = serde_json::from_str(self.text.get(begin..=end).unwrap_or_default());
        let text = text.map_err(|_| self.fault("this string cannot be read"))?;
        self.at = end + 1;
        Ok(text)
    }

    /// A number, `true`, `false` or `null`.
    fn word(&mut self) -> Result<Part, NotJson> {
        let rest = &self.text[self.at..];
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && !"+-.".contains(c));
        let word = &rest[..end.unwrap_or(rest.len())];
        let part = match word {
            "true" => Part::Bool(true),
            "false" => Part::Bool(false),
            "null" => Part::Null,
            number => match serde_json::from_str(number) {
                Ok(number) => Part::Number(number),
                Err(_) => return Err(self.fault("expected a value")),
            },
        };
        self.at += word.len();
        Ok(part)
    }
}
