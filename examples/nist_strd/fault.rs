//! What is wrong with a file, and where.

use std::fmt;
use std::path::{Path, PathBuf};

/// A fault of one data file: printed as `path:line: text`.
#[derive(Debug)]
pub struct Fault {
    path: PathBuf,
    line: Option<usize>,
    text: String,
}

/// A fault that does not know its file yet; lines count from 1.
#[derive(Debug)]
pub struct Trouble {
    pub line: Option<usize>,
    pub text: String,
}

impl Trouble {
    /// Trouble with a file as a whole.
    pub fn new(text: impl Into<String>) -> Trouble {
        Trouble { line: None, text: text.into() }
    }

    /// Trouble at a line.
    pub fn at(line: usize, text: impl Into<String>) -> Trouble {
        Trouble { line: Some(line), text: text.into() }
    }

    /// Names the file.
    pub fn in_file(self, path: &Path) -> Fault {
        Fault { path: path.to_owned(), line: self.line, text: self.text }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}: {}", self.path.display(), self.text),
            None => write!(f, "{}: {}", self.path.display(), self.text),
        }
    }
}
