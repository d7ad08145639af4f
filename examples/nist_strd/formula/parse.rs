//! Tokens to nodes, by recursive descent of bounded depth.
//!
//!     sum     = product { (+|-) product }
//!     product = factor { (*|/) factor }
//!     factor  = (+|-) factor | atom [ ** factor ]      so -x**2 = -(x**2), a**b**c = a**(b**c)
//!     atom    = number | name | function ( sum ) | ( sum )

use super::lex::{Located, Token, tokens};
use super::{Binary, Formula, Function, Names, Node, NodeId};
use crate::fault::Trouble;
use std::collections::HashMap;

/// Deeper nesting than any formula has, and far less than a stack holds.
const DEPTH: usize = 200;

/// Reads the equation and the definitions (`pi = 3.14`) before it.
pub fn parse(lines: &[(usize, String)], names: &Names<'_>) -> Result<Formula, Trouble> {
    let mut parser = Parser::new(names);
    let mut equation: Option<Formula> = None;
    for statement in statements(lines)? {
        let (line, left, right, text) = statement;
        if let [(_, Token::Name(name))] = &left[..]
            && names.find(name).is_none()
        {
            let value = parser.whole(line, right)?;
            parser.defined.insert(name.clone(), value);
            continue;
        }
        if equation.is_some() {
            return Err(Trouble::at(line, "a second equation; only models of one response are fitted"));
        }
        let response = parser.whole(line, left)?;
        let model = parser.whole(line, without_error_term(right, &parser))?;
        equation = Some(Formula { nodes: Vec::new(), response, response_text: text.to_owned(), model, line });
    }
    let first = lines.first().map_or(0, |l| l.0);
    let Some(mut formula) = equation else {
        return Err(Trouble::at(first, format!("no equation for the response {}", names.response)));
    };
    formula.nodes = parser.nodes;
    check(&formula, names)?;
    Ok(formula)
}

/// Line, left side, right side, and the text of the left side.
type Statement<'a> = (usize, Vec<Located>, Vec<Located>, &'a str);

/// A statement begins on the line of its `=` and goes on over lines without one.
fn statements(lines: &[(usize, String)]) -> Result<Vec<Statement<'_>>, Trouble> {
    let mut statements: Vec<Statement<'_>> = Vec::new();
    for (line, text) in lines {
        let found = tokens(*line, text)?;
        let mut sides = found.split(|(_, token)| *token == Token::Equals);
        match (sides.next(), sides.next(), sides.next()) {
            (Some(left), Some(right), None) => {
                let written = text.split('=').next().unwrap_or_default().trim();
                statements.push((*line, left.to_vec(), right.to_vec(), written));
            }
            (Some(more), None, None) => match statements.last_mut() {
                Some(statement) => statement.2.extend_from_slice(more),
                None => return Err(Trouble::at(*line, "a formula without '='")),
            },
            _ => return Err(Trouble::at(*line, "more than one '=' on a line")),
        }
    }
    Ok(statements)
}

/// The right side without a last `+ e`, unless `e` is a name of the file.
fn without_error_term(mut right: Vec<Located>, parser: &Parser<'_>) -> Vec<Located> {
    let known = parser.names.find("e").is_some() || parser.defined.contains_key("e");
    if let [.., (_, Token::Add), (_, Token::Name(name))] = &right[..]
        && name == "e"
        && !known
    {
        right.truncate(right.len() - 2);
    }
    right
}

/// The left side is in the response, the right side is not, and uses every parameter.
fn check(formula: &Formula, names: &Names<'_>) -> Result<(), Trouble> {
    let fail = |text: String| Err(Trouble::at(formula.line, text));
    let (left, right) = (formula.leaves(formula.response), formula.leaves(formula.model));
    if left != [Node::Response] {
        return fail(format!("the left side must be in {} alone", names.response));
    }
    if right.contains(&Node::Response) {
        return fail(format!("{} is on the right side too", names.response));
    }
    match (0..names.parameters.len()).find(|&i| !right.contains(&Node::Parameter(i))) {
        Some(i) => fail(format!("the formula does not use parameter {}", names.parameters[i])),
        None => Ok(()),
    }
}

struct Parser<'a> {
    names: &'a Names<'a>,
    nodes: Vec<Node>,
    defined: HashMap<String, NodeId>,
    tokens: Vec<Located>,
    next: usize,
    depth: usize,
    /// Where errors are when the tokens have run out.
    line: usize,
}

impl<'a> Parser<'a> {
    /// Knows `pi`, which a file may define with more digits.
    fn new(names: &'a Names<'a>) -> Parser<'a> {
        let nodes = vec![Node::Number(std::f64::consts::PI)];
        let defined = HashMap::from([("pi".to_owned(), 0)]);
        Parser { names, nodes, defined, tokens: Vec::new(), next: 0, depth: 0, line: 0 }
    }

    /// One side of a statement, all of it.
    fn whole(&mut self, line: usize, tokens: Vec<Located>) -> Result<NodeId, Trouble> {
        (self.tokens, self.next, self.line) = (tokens, 0, line);
        let node = self.sum()?;
        match self.tokens.get(self.next) {
            None => Ok(node),
            Some((line, token)) => Err(Trouble::at(*line, format!("unexpected {token} in the formula"))),
        }
    }

    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.next).map(|(_, token)| token)
    }

    /// An error at the token before the next one.
    fn fail<T>(&self, text: String) -> Result<T, Trouble> {
        let read = self.next.min(self.tokens.len());
        let line = read.checked_sub(1).map_or(self.line, |i| self.tokens[i].0);
        Err(Trouble::at(line, text))
    }

    fn push(&mut self, node: Node) -> NodeId {
        self.nodes.push(node);
        self.nodes.len() - 1
    }

    fn chain(
        &mut self,
        operators: [(Token, Binary); 2],
        part: fn(&mut Self) -> Result<NodeId, Trouble>,
    ) -> Result<NodeId, Trouble> {
        let mut left = part(self)?;
        while let Some(&(_, op)) = operators.iter().find(|(token, _)| Some(token) == self.peek()) {
            self.next += 1;
            let right = part(self)?;
            left = self.push(Node::Binary(op, left, right));
        }
        Ok(left)
    }

    fn sum(&mut self) -> Result<NodeId, Trouble> {
        self.chain([(Token::Add, Binary::Add), (Token::Subtract, Binary::Subtract)], Self::product)
    }

    fn product(&mut self) -> Result<NodeId, Trouble> {
        self.chain([(Token::Multiply, Binary::Multiply), (Token::Divide, Binary::Divide)], Self::factor)
    }

    /// Every way to nest goes through here.
    fn factor(&mut self) -> Result<NodeId, Trouble> {
        if self.depth == DEPTH {
            return self.fail(format!("a formula nested deeper than {DEPTH} levels"));
        }
        self.depth += 1;
        let node = match self.peek() {
            Some(Token::Add) => {
                self.next += 1;
                self.factor()
            }
            Some(Token::Subtract) => {
                self.next += 1;
                self.factor().map(|node| self.push(Node::Negate(node)))
            }
            _ => self.power(),
        };
        self.depth -= 1;
        node
    }

    fn power(&mut self) -> Result<NodeId, Trouble> {
        let base = self.atom()?;
        if self.peek() != Some(&Token::Power) {
            return Ok(base);
        }
        self.next += 1;
        let exponent = self.factor()?;
        Ok(self.push(Node::Binary(Binary::Power, base, exponent)))
    }

    fn atom(&mut self) -> Result<NodeId, Trouble> {
        let token = self.peek().cloned();
        self.next += 1;
        match token {
            Some(Token::Number(value)) => Ok(self.push(Node::Number(value))),
            Some(Token::Open(open)) => self.bracket(open),
            Some(Token::Name(name)) => self.name(&name),
            Some(other) => self.fail(format!("unexpected {other} in the formula")),
            None => self.fail("the formula ends too early".to_owned()),
        }
    }

    fn name(&mut self, name: &str) -> Result<NodeId, Trouble> {
        if let Some(node) = self.names.find(name) {
            return Ok(self.push(node));
        }
        if let Some(&node) = self.defined.get(name) {
            return Ok(node);
        }
        let Some(function) = Function::named(name) else {
            return self.fail(format!("unknown name '{name}' in the formula"));
        };
        let Some(&Token::Open(open)) = self.peek() else {
            return self.fail(format!("expected a bracket after {name}"));
        };
        self.next += 1;
        let argument = self.bracket(open)?;
        Ok(self.push(Node::Call(function, argument)))
    }

    /// What is inside a bracket that was just opened, and its end.
    fn bracket(&mut self, open: char) -> Result<NodeId, Trouble> {
        let close = match open {
            '(' => ')',
            '[' => ']',
            _ => '}',
        };
        let inside = self.sum()?;
        if self.peek() != Some(&Token::Close(close)) {
            return self.fail(format!("'{open}' without its '{close}'"));
        }
        self.next += 1;
        Ok(inside)
    }
}
