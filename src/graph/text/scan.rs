//! Reading the words of a text, with where they stand.

use crate::graph::error::{GraphError, GraphErrorKind};

pub(super) type Result<T> = std::result::Result<T, GraphError>;

/// Characters of garbage that an error shows.
const SHOWN: usize = 24;
/// Characters of an error.
const MESSAGE: usize = 400;

/// A place in a text. Statements end with their line, so that an offset names a
/// place of the current line and columns are counted only for an error.
#[derive(Clone, Copy)]
pub(super) struct Scan<'t> {
    text: &'t str,
    at: usize,
    line: usize,
    line_start: usize,
}

impl<'t> Scan<'t> {
    pub(super) fn new(text: &'t str) -> Scan<'t> {
        Scan { text, at: 0, line: 1, line_start: 0 }
    }

    /// An error at an offset in the current line.
    pub(super) fn error(&self, at: usize, message: impl Into<String>) -> GraphError {
        let before = self.text.get(self.line_start..at).unwrap_or_default();
        let (line, column) = (self.line, before.chars().count() + 1);
        // A shape or a name in it may be megabytes long.
        let mut message = message.into();
        if let Some((end, _)) = message.char_indices().nth(MESSAGE) {
            message.truncate(end);
            message.push_str("...");
        }
        GraphErrorKind::Parse { line, column, message }.into()
    }

    /// An error here: something else was expected.
    pub(super) fn expected(&mut self, what: impl AsRef<str>) -> GraphError {
        let at = self.here();
        let rest = self.text.get(at..).unwrap_or_default();
        let end = |c: char| c.is_whitespace() || "=:,[]{}\"%#".contains(c);
        let found: String = rest.chars().take(SHOWN).take_while(|&c| !end(c)).collect();
        let found = match (rest.chars().next(), found.is_empty()) {
            (None, _) => "the end of the text".to_string(),
            (Some('\n'), _) => "the end of the line".to_string(),
            (Some('"'), _) => "`\"`".to_string(),
            (Some(c), true) => format!("`{}`", c.escape_debug()),
            (_, false) => format!("`{}`", found.escape_debug()),
        };
        self.error(at, format!("expected {}, found {found}", what.as_ref()))
    }

    /// The offset of the next word of the line.
    pub(super) fn here(&mut self) -> usize {
        self.peek();
        self.at
    }

    /// The next byte of the statement; `None` at the end of its line.
    pub(super) fn peek(&mut self) -> Option<u8> {
        self.skip(|b| matches!(b, b' ' | b'\t' | b'\r'));
        if self.byte() == Some(b'#') {
            self.skip(|b| b != b'\n');
        }
        self.byte().filter(|&b| b != b'\n')
    }

    /// Moves to the next line with a statement on it; `false` at the end.
    pub(super) fn statement(&mut self) -> bool {
        while self.peek().is_none() {
            if self.byte().is_none() {
                return false;
            }
            self.at += 1;
            self.line += 1;
            self.line_start = self.at;
        }
        true
    }

    /// The statement ends here.
    pub(super) fn end(&mut self, or: &str) -> Result<()> {
        match self.peek() {
            None => Ok(()),
            Some(_) => Err(self.expected(format!("{or}the end of the line"))),
        }
    }

    fn byte(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// Passes over ASCII, or to a newline: stays between characters.
    fn skip(&mut self, pass: impl Fn(u8) -> bool) {
        let rest = self.text.as_bytes().get(self.at..).unwrap_or_default();
        self.at += rest.iter().position(|&b| !pass(b)).unwrap_or(rest.len());
    }

    fn take(&mut self, pass: impl Fn(u8) -> bool) -> &'t str {
        let start = self.here();
        self.skip(pass);
        self.text.get(start..self.at).unwrap_or_default()
    }

    /// Passes over one ASCII character if it is next.
    pub(super) fn eat(&mut self, b: u8) -> bool {
        let found = self.peek() == Some(b);
        self.at += usize::from(found);
        found
    }

    /// Passes over one ASCII character, which must be next.
    pub(super) fn expect(&mut self, b: u8, what: &str) -> Result<()> {
        if self.eat(b) { Ok(()) } else { Err(self.expected(what)) }
    }

    /// A name of letters, digits and underscores.
    pub(super) fn word(&mut self, what: &str) -> Result<&'t str> {
        match self.take(|b| b.is_ascii_alphanumeric() || b == b'_') {
            "" => Err(self.expected(what)),
            word => Ok(word),
        }
    }

    /// A number, or whatever `read` makes of one word.
    pub(super) fn number<T>(&mut self, what: &str, read: impl FnOnce(&str) -> Option<T>) -> Result<T> {
        let at = self.here();
        let pass = |b: u8| b.is_ascii_alphanumeric() || b"_+-.".contains(&b);
        let mut word = self.take(pass);
        let payload = self.text.get(self.at..).is_some_and(|rest| rest.starts_with(":0x"));
        if payload && word == "nan" {
            self.at += 1;
            self.skip(pass);
            word = self.text.get(at..self.at).unwrap_or_default();
        }
        match (read(word), word.get(..SHOWN).unwrap_or(word)) {
            (Some(number), _) => Ok(number),
            (None, "") => Err(self.expected(what)),
            (None, found) => Err(self.error(at, format!("expected {what}, found `{found}`"))),
        }
    }

    /// A value id, `%` and its number.
    pub(super) fn id(&mut self, what: &str) -> Result<usize> {
        self.numbered(b'%', what)
    }

    /// A body, `@` and its number.
    pub(super) fn body(&mut self, what: &str) -> Result<usize> {
        self.numbered(b'@', what)
    }

    fn numbered(&mut self, mark: u8, what: &str) -> Result<usize> {
        let at = self.here();
        self.expect(mark, what)?;
        let digits = self.take(|b| b.is_ascii_digit());
        match (digits.parse(), digits.get(..SHOWN).unwrap_or(digits)) {
            (Ok(id), _) => Ok(id),
            (Err(_), "") => Err(self.expected("the number of the id")),
            (Err(_), found) => {
                Err(self.error(at, format!("expected {what}, found {}{found}", char::from(mark))))
            }
        }
    }

    /// Items between brackets, with commas between them.
    pub(super) fn list<T>(&mut self, mut item: impl FnMut(&mut Self) -> Result<T>) -> Result<Vec<T>> {
        self.expect(b'[', "`[`")?;
        let mut items = Vec::new();
        if self.eat(b']') {
            return Ok(items);
        }
        loop {
            items.push(item(self)?);
            if !self.eat(b',') {
                self.expect(b']', "`,` or `]`")?;
                return Ok(items);
            }
        }
    }

    /// Passes over a list without reading its items.
    pub(super) fn skip_list(&mut self) -> Result<()> {
        self.expect(b'[', "`[`")?;
        self.skip(|b| !matches!(b, b']' | b'\n' | b'#'));
        self.expect(b']', "`]`")
    }

    /// A name in quotes.
    pub(super) fn string(&mut self) -> Result<String> {
        let start = self.here();
        self.expect(b'"', "a name in quotes")?;
        let mut name = String::new();
        loop {
            let c = self.text.get(self.at..).and_then(|rest| rest.chars().next());
            match c {
                None | Some('\n') => {
                    return Err(self.error(start, "expected `\"` before the end of the line"));
                }
                Some('"') => {
                    self.at += 1;
                    return Ok(name);
                }
                Some('\\') => name.push(self.escape()?),
                Some(c) if c.is_control() => {
                    return Err(self.error(self.at, format!("expected {} as an escape", c.escape_unicode())));
                }
                Some(c) => {
                    self.at += c.len_utf8();
                    name.push(c);
                }
            }
        }
    }

    fn escape(&mut self) -> Result<char> {
        let start = self.at;
        self.at += 1;
        let kind = self.byte();
        self.at += usize::from(kind.is_some_and(|b| b.is_ascii()));
        let c = match kind {
            Some(b'"') => Some('"'),
            Some(b'\\') => Some('\\'),
            Some(b'n') => Some('\n'),
            Some(b'r') => Some('\r'),
            Some(b't') => Some('\t'),
            Some(b'u') => self.code_point(),
            _ => None,
        };
        c.ok_or_else(|| self.error(start, "expected \\\", \\\\, \\n, \\r, \\t or \\u{hexadecimal}"))
    }

    /// `{`, up to six hexadecimal digits, `}`
    fn code_point(&mut self) -> Option<char> {
        let rest = self.text.get(self.at..)?.strip_prefix('{')?;
        let digits = rest.bytes().take_while(u8::is_ascii_hexdigit).take(7).count();
        if !(1..=6).contains(&digits) || !rest.get(digits..)?.starts_with('}') {
            return None;
        }
        self.at += digits + 2;
        char::from_u32(u32::from_str_radix(rest.get(..digits)?, 16).ok()?)
    }
}
