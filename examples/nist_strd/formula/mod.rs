//! The formula of a model, as the file writes it, parsed into a list of nodes.

mod lex;
mod lower;
mod parse;
#[cfg(test)]
mod tests;

pub use lower::{model_graph, response_graph};
pub use parse::parse;

/// A node's place in its formula.
pub type NodeId = usize;

/// An equation `response = model`. Nodes use earlier nodes only, so nothing
/// that walks a formula recurses.
#[derive(Debug)]
pub struct Formula {
    pub nodes: Vec<Node>,
    /// The left side, in the response alone; often just `y`.
    pub response: NodeId,
    /// The left side as written.
    pub response_text: String,
    /// The right side, without its error term.
    pub model: NodeId,
    /// Where the equation begins.
    pub line: usize,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Node {
    Number(f64),
    Parameter(usize),
    Predictor(usize),
    Response,
    Negate(NodeId),
    Binary(Binary, NodeId, NodeId),
    Call(Function, NodeId),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Binary {
    Add,
    Subtract,
    Multiply,
    Divide,
    Power,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Function {
    Exp,
    Log,
    Log10,
    Sqrt,
    Abs,
    Sin,
    Cos,
    Tan,
    Arcsin,
    Arccos,
    Arctan,
    Sinh,
    Cosh,
    Tanh,
}

impl Function {
    pub fn named(name: &str) -> Option<Function> {
        Some(match name {
            "exp" => Function::Exp,
            "log" | "ln" => Function::Log,
            "log10" => Function::Log10,
            "sqrt" => Function::Sqrt,
            "abs" => Function::Abs,
            "sin" => Function::Sin,
            "cos" => Function::Cos,
            "tan" => Function::Tan,
            "arcsin" | "asin" => Function::Arcsin,
            "arccos" | "acos" => Function::Arccos,
            "arctan" | "atan" => Function::Arctan,
            "sinh" => Function::Sinh,
            "cosh" => Function::Cosh,
            "tanh" => Function::Tanh,
            _ => return None,
        })
    }
}

/// The names a formula may use besides functions and its own definitions.
#[derive(Debug)]
pub struct Names<'a> {
    pub parameters: Vec<&'a str>,
    pub predictors: Vec<&'a str>,
    pub response: &'a str,
}

impl Names<'_> {
    pub fn find(&self, name: &str) -> Option<Node> {
        if name == self.response {
            return Some(Node::Response);
        }
        let place = |names: &[&str]| names.iter().position(|&known| known == name);
        place(&self.parameters).map(Node::Parameter).or_else(|| place(&self.predictors).map(Node::Predictor))
    }
}
