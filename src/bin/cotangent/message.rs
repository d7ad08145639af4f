//! What is said on standard error.

use indicatif::{ProgressBar, ProgressStyle};
use std::fmt::Display;

/// Why the tool stops, and with which exit code.
#[derive(Debug)]
pub struct Failure {
    pub code: u8,
    pub text: String,
}

impl Failure {
    /// Bad usage or a bad file.
    pub fn usage(text: impl Display) -> Failure {
        Failure { code: 2, text: format!("error: {text}") }
    }

    /// A call that failed, a rule that is wrong.
    pub fn run(text: impl Display) -> Failure {
        Failure { code: 1, text: format!("error: {text}") }
    }
}

/// A bar on standard error; nothing where that is no terminal.
pub fn progress(steps: u64, what: &str) -> ProgressBar {
    let bar = ProgressBar::new(steps);
    if let Ok(style) = ProgressStyle::with_template("{msg} [{bar:30}] {pos}/{len} {eta}") {
        bar.set_style(style.progress_chars("=> "));
    }
    bar.set_message(what.to_string());
    bar
}

/// Characters of a line that an error shows.
const SHOWN: usize = 100;

/// An error at a place of a file: the line with a caret below. Line and column
/// count from 1, columns in characters.
pub fn located(name: &str, text: &str, line: usize, column: usize, message: &str) -> String {
    let mut out = format!("error: {message}\n --> {name}:{line}:{column}");
    let Some(shown) = text.lines().nth(line.saturating_sub(1)) else { return out };
    let column = column.max(1);
    // A long line is cut around the place.
    let from = if column > SHOWN { column - SHOWN / 2 } else { 1 };
    let part: String =
        shown.chars().skip(from - 1).take(SHOWN).map(|c| if c == '\t' { ' ' } else { c }).collect();
    let left = if from > 1 { "..." } else { "" };
    let right = if shown.chars().count() > from - 1 + SHOWN { "..." } else { "" };
    let number = line.to_string();
    let margin = " ".repeat(number.len());
    let caret = " ".repeat(left.len() + column - from);
    out += &format!("\n{margin} |\n{number} | {left}{part}{right}\n{margin} | {caret}^");
    out
}
