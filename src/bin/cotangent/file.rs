//! Graphs from files, and places in them.

use crate::message::{Failure, located};
use cotangent::graph::{GraphError, GraphErrorKind, NodeId};
use cotangent::{CompileError, Graph, RunError, ValueId};
use std::io::Read;
use std::path::Path;

/// A graph with the text it was read from.
pub struct GraphFile {
    pub graph: Graph,
    name: String,
    text: String,
}

impl GraphFile {
    /// Reads a file, or standard input for `-`.
    pub fn read(path: &Path) -> Result<GraphFile, Failure> {
        let stdin = path.as_os_str() == "-";
        let name = if stdin { "<stdin>".to_string() } else { path.display().to_string() };
        let mut bytes = Vec::new();
        let read = match stdin {
            true => std::io::stdin().lock().read_to_end(&mut bytes).map(|_| ()),
            false => std::fs::read(path).map(|read| bytes = read),
        };
        read.map_err(|error| Failure::usage(format!("cannot read {name}: {error}")))?;
        let text = match String::from_utf8(bytes) {
            Ok(text) => text,
            Err(error) => {
                let at = error.utf8_error().valid_up_to();
                return Err(Failure::usage(format!("{name} is not UTF-8 (byte {at})")));
            }
        };
        match Graph::parse(&text) {
            Ok(graph) => Ok(GraphFile { graph, name, text }),
            Err(error) => Err(Failure { code: 2, text: parse_error(&name, &text, &error) }),
        }
    }

    /// An error at a node, at its line of the file.
    pub fn at_node(&self, node: NodeId, message: &str) -> String {
        let nodes = self.text.lines().enumerate().filter(|(_, line)| line.trim_start().starts_with('%'));
        match nodes.map(|(at, line)| (at + 1, line)).nth(node.index()) {
            Some((at, line)) => {
                // The op stands behind the equals sign.
                let equals = line.chars().position(|c| c == '=').map_or(0, |i| i + 1);
                let blank = line.chars().skip(equals).take_while(|c| c.is_whitespace()).count();
                located(&self.name, &self.text, at, equals + blank + 1, message)
            }
            None => format!("error: {message} (node {node})"),
        }
    }

    /// An error of differentiating.
    pub fn graph_error(&self, error: &GraphError) -> Failure {
        let text = match error.node() {
            Some(node) => self.at_node(node, &error.to_string()),
            None => format!("error: {error}"),
        };
        Failure { code: 1, text }
    }

    /// An error of compiling.
    pub fn compile_error(&self, error: &CompileError) -> Failure {
        match error {
            CompileError::Graph(error) => self.graph_error(error),
            other => Failure::run(other),
        }
    }

    /// An error of a call.
    pub fn run_error(&self, error: &RunError) -> Failure {
        let node = match error {
            RunError::Index { node, .. } => Some(*node),
            RunError::NonFinite(found) => found.node.map(|(node, _)| node),
            _ => None,
        };
        match node {
            Some(node) => Failure { code: 1, text: self.at_node(node, &error.to_string()) },
            None => Failure::run(error),
        }
    }

    /// The input of this name, or with this id (`%0`).
    pub fn input(&self, name: &str) -> Result<ValueId, Failure> {
        let inputs = || self.graph.input_values().zip(self.graph.inputs());
        let by_id = name.strip_prefix('%').and_then(|id| id.parse::<usize>().ok());
        let found = inputs().find(|(v, input)| &*input.name == name || by_id == Some(v.index()));
        found.map(|(v, _)| v).ok_or_else(|| {
            let known: Vec<String> = inputs().map(|(v, _)| self.graph.describe(v)).collect();
            Failure::usage(format!("{} has no input {name}; it has {}", self.name, known.join(", ")))
        })
    }
}

fn parse_error(name: &str, text: &str, error: &GraphError) -> String {
    match error.kind() {
        GraphErrorKind::Parse { line, column, message } => located(name, text, *line, *column, message),
        _ => format!("error: {name}: {error}"),
    }
}
