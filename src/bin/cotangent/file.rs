//! Graphs from files, and places in them.

use crate::message::{Failure, located};
use cotangent::graph::{GraphError, GraphErrorKind, NodeId};
use cotangent::ir::{ImportOptions, IrError, IrGraph, Payload, Trainable};
use cotangent::{CompileError, DType, Graph, RunError, ValueId};
use std::io::Read;
use std::path::Path;

/// A graph with the text it was read from.
pub struct GraphFile {
    pub graph: Graph,
    name: String,
    text: String,
    /// The value of each node of an interchange file.
    nodes: Option<Vec<ValueId>>,
}

impl GraphFile {
    /// Reads a file, or standard input for `-`.
    ///
    /// What begins with a brace is an interchange file; its parameters become inputs,
    /// named like the tensors that go with it (`1.W`).
    pub fn read(path: &Path, single: bool) -> Result<GraphFile, Failure> {
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
        if text.trim_start().starts_with('{') {
            let options = ImportOptions::default().trainable(Trainable::All);
            let options = options.dtype(if single { DType::F32 } else { DType::F64 });
            let read = IrGraph::parse(&text).and_then(|graph| graph.import(&Payload::new(), &options));
            return match read {
                Ok(made) => {
                    let (graph, nodes) = (made.graph().clone(), Some(made.values().to_vec()));
                    Ok(GraphFile { graph, name, text, nodes })
                }
                Err(error) => Err(Failure { code: 2, text: ir_error(&name, &text, &error) }),
            };
        }
        if single {
            return Err(Failure::usage(
                "--f32 is for interchange files: the text form says its types itself",
            ));
        }
        match Graph::parse(&text) {
            Ok(graph) => Ok(GraphFile { graph, name, text, nodes: None }),
            Err(error) => Err(Failure { code: 2, text: parse_error(&name, &text, &error) }),
        }
    }

    /// An error at a node, at its line of the file.
    pub fn at_node(&self, node: NodeId, message: &str) -> String {
        if let Some(nodes) = &self.nodes {
            // A node of the file may have become several: the last has its value.
            let result = self.graph.node(node).result();
            let later = nodes.iter().enumerate().filter(|(_, v)| **v >= result);
            let of_file = later.min_by_key(|(_, v)| **v).map(|(id, _)| id);
            // Where tuples were lowered, the ids of the file are others.
            let same_ids = self.text.matches("\"id\"").count() == nodes.len();
            return at_ir_node(&self.name, &self.text, of_file.filter(|_| same_ids), message);
        }
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

fn ir_error(name: &str, text: &str, error: &IrError) -> String {
    match error {
        IrError::Json { line, column, message } => located(name, text, *line, *column, message),
        other => at_ir_node(name, text, other.node(), &other.to_string()),
    }
}

/// An error at a node of an interchange file, at its id.
fn at_ir_node(name: &str, text: &str, node: Option<usize>, message: &str) -> String {
    let of_id = |at: usize| {
        let value = text[at..].strip_prefix("\"id\"")?.trim_start().strip_prefix(':')?.trim_start();
        value[..value.find(|c: char| !c.is_ascii_digit()).unwrap_or(value.len())].parse::<usize>().ok()
    };
    let mut places = text.match_indices("\"id\"").map(|(at, _)| at);
    match places.find(|&at| node.is_some() && of_id(at) == node) {
        Some(at) => {
            let before = &text[..at];
            let line = before.matches('\n').count() + 1;
            let column = before.chars().rev().take_while(|&c| c != '\n').count() + 1;
            located(name, text, line, column, message)
        }
        None => format!("error: {name}: {message}"),
    }
}
