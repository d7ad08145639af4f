//! Text to tokens.

use crate::data::number;
use crate::fault::Trouble;
use std::fmt;

#[derive(Clone, Debug, PartialEq)]
pub enum Token {
    Number(f64),
    Name(String),
    Add,
    Subtract,
    Multiply,
    Divide,
    Power,
    Equals,
    Open(char),
    Close(char),
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Token::Number(value) => write!(f, "number {value}"),
            Token::Name(name) => write!(f, "name '{name}'"),
            Token::Add => f.write_str("'+'"),
            Token::Subtract => f.write_str("'-'"),
            Token::Multiply => f.write_str("'*'"),
            Token::Divide => f.write_str("'/'"),
            Token::Power => f.write_str("'**'"),
            Token::Equals => f.write_str("'='"),
            Token::Open(c) | Token::Close(c) => write!(f, "'{c}'"),
        }
    }
}

/// A token and the line it is on.
pub type Located = (usize, Token);

/// The tokens of one line.
pub fn tokens(line: usize, text: &str) -> Result<Vec<Located>, Trouble> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let (token, length) = match first {
            '0'..='9' | '.' => {
                let length = number_length(rest);
                (Token::Number(number(line, &rest[..length])?), length)
            }
            'a'..='z' | 'A'..='Z' | '_' => {
                let length = prefix(rest, |c| c.is_ascii_alphanumeric() || c == '_');
                (Token::Name(rest[..length].to_ascii_lowercase()), length)
            }
            '*' if rest.starts_with("**") => (Token::Power, 2),
            '^' => (Token::Power, 1),
            '*' => (Token::Multiply, 1),
            '/' => (Token::Divide, 1),
            '+' => (Token::Add, 1),
            '-' => (Token::Subtract, 1),
            '=' => (Token::Equals, 1),
            '(' | '[' | '{' => (Token::Open(first), 1),
            ')' | ']' | '}' => (Token::Close(first), 1),
            _ => return Err(Trouble::at(line, format!("unexpected character '{first}' in the formula"))),
        };
        tokens.push((line, token));
        rest = rest[length..].trim_start();
    }
    Ok(tokens)
}

fn prefix(text: &str, keep: impl Fn(char) -> bool) -> usize {
    text.find(|c| !keep(c)).unwrap_or(text.len())
}

/// Digits, a point, digits, and an exponent only if digits follow: in `2*e` the `e` is a name.
fn number_length(text: &str) -> usize {
    let digits = |from: usize| from + prefix(&text[from..], |c| c.is_ascii_digit());
    let mut end = digits(0);
    if text[end..].starts_with('.') {
        end = digits(end + 1);
    }
    if text[end..].starts_with(['e', 'E', 'd', 'D']) {
        let sign = usize::from(text[end + 1..].starts_with(['+', '-']));
        let power = digits(end + 1 + sign);
        if power > end + 1 + sign {
            end = power;
        }
    }
    end
}
