//! The typed graph of a file.

use crate::graph::Shape;
use crate::ir::check;
use crate::ir::error::IrError;
use crate::ir::file::File;
use crate::ir::kind::Kind;
use std::fmt;
use std::str::FromStr;

/// Parents that a summary shows.
const SHOWN: usize = 8;

/// One node: a kind, its parents and the declared shape of its value.
#[derive(Clone, Debug, PartialEq)]
pub struct IrNode {
    /// The id; in a checked graph the position.
    pub id: usize,
    /// What it computes, with its attributes.
    pub kind: Kind,
    /// Ids of its operands.
    pub parents: Vec<usize>,
    /// Declared shape of its value.
    pub shape: Shape,
}

impl IrNode {
    /// Whether shapes and attributes fit those of the nodes before it.
    #[cfg(all(feature = "fuzzing", feature = "jit"))]
    pub(crate) fn is_consistent(&self, before: &[IrNode]) -> bool {
        check::shapes(before, self).is_ok()
    }

    /// The node in one line, for errors.
    pub(super) fn summary(&self) -> String {
        let parents: Vec<String> = self.parents.iter().take(SHOWN).map(usize::to_string).collect();
        let more = if self.parents.len() > SHOWN { ",.." } else { "" };
        format!("{}: {} parents=[{}{more}] out={}", self.id, self.kind.tag(), parents.join(","), self.shape)
    }
}

/// A checked graph of tensors in the form of `torchlean.ir.v1`: ids count up
/// from 0, parents stand before their nodes, declared shapes are the inferred ones.
#[derive(Clone, Debug, PartialEq)]
pub struct IrGraph {
    nodes: Vec<IrNode>,
    input: usize,
    output: usize,
}

impl IrGraph {
    /// A graph from its nodes, checked.
    ///
    /// # Errors
    /// In this order: ids, numbers of parents, parents that do not come first,
    /// shapes, ids of input and output.
    pub fn new(nodes: Vec<IrNode>, input: usize, output: usize) -> Result<IrGraph, IrError> {
        check::check(&nodes, input, output)?;
        Ok(IrGraph { nodes, input, output })
    }

    /// Reads a file, lowers its tuples and checks the result.
    ///
    /// ```
    /// use cotangent::ir::IrGraph;
    ///
    /// let text = r#"{"format": "torchlean.ir.v1", "input_id": 0, "output_id": 1, "nodes": [
    ///     {"id": 0, "kind": "input", "parents": [], "shape": [2]},
    ///     {"id": 1, "kind": "sum", "parents": [0], "shape": [2]}]}"#;
    /// let error = IrGraph::parse(text).unwrap_err();
    /// assert!(error.to_string().starts_with("IR graph: node 1: outShape mismatch: inferred=[], declared=[2]"));
    /// ```
    ///
    /// # Errors
    /// JSON that is none, with line and column; unknown kinds and missing
    /// attributes; tuples that cannot be lowered; then those of [`IrGraph::new`].
    pub fn parse(text: &str) -> Result<IrGraph, IrError> {
        File::parse(text)?.lower()
    }

    /// Nodes; node `i` has id `i`.
    pub fn nodes(&self) -> &[IrNode] {
        &self.nodes
    }

    /// Id of the input node.
    pub fn input_id(&self) -> usize {
        self.input
    }

    /// Id of the node whose value is the output.
    pub fn output_id(&self) -> usize {
        self.output
    }
}

impl FromStr for IrGraph {
    type Err = IrError;

    fn from_str(text: &str) -> Result<IrGraph, IrError> {
        IrGraph::parse(text)
    }
}

/// Prints the file: keys in a fixed order, one node per line.
impl fmt::Display for IrGraph {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        super::print::graph(f, self)
    }
}
