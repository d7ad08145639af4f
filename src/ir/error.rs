//! What can be wrong with a file, its parameters or a call.

use crate::graph::{GraphError, Shape, ValueType};
use crate::tape::TapeError;
use thiserror::Error;

/// An error of reading, checking, importing, running or exporting an IR graph.
/// Every one that concerns a node names its id and kind; mistakes in the JSON
/// name line and column.
#[derive(Clone, Debug, PartialEq, Error)]
#[non_exhaustive]
#[allow(missing_docs)]
pub enum IrError {
    /// Text that is not the JSON of a graph.
    #[error("line {line}, column {column}: {message}")]
    Json { line: usize, column: usize, message: String },
    /// Another format.
    #[error("unsupported format `{got}` (expected `torchlean.ir.v1`)")]
    Format { got: String },
    /// A kind that is none of the 41.
    #[error("node {node}: unsupported kind `{kind}`")]
    UnknownKind { node: usize, kind: String },
    /// An attribute that the kind needs.
    #[error("node {node} ({kind}): missing attribute `{attribute}`")]
    MissingAttribute { node: usize, kind: String, attribute: &'static str },
    /// A `value_kind` that is neither tensor nor tuple.
    #[error("node {node} ({kind}): unsupported value_kind `{value_kind}`")]
    ValueKind { node: usize, kind: String, value_kind: String },
    /// A use of tuples that has no meaning in tensors.
    #[error("node {node} ({kind}): {why}")]
    Tuple { node: usize, kind: String, why: String },
    /// Ids that do not count up from 0.
    #[error("IR graph: id discipline violated at index {index}: nodes[{index}].id = {id}")]
    Ids { index: usize, id: usize },
    /// Too few or too many parents.
    #[error("IR graph: node {node}: bad parent count for {kind}: expected {expected}, got {got} ({summary})")]
    ParentCount { node: usize, kind: &'static str, expected: String, got: usize, summary: String },
    /// A parent that does not stand before its node.
    #[error("IR graph: node {node}: parent id {parent} is not < {node} ({summary})")]
    Parent { node: usize, parent: usize, summary: String },
    /// Parents or attributes that do not fit each other.
    #[error("IR graph: node {node}: {kind}: {why} ({summary})")]
    Shape { node: usize, kind: &'static str, why: String, summary: String },
    /// A declared shape that is not the inferred one.
    #[error("IR graph: node {node}: outShape mismatch: inferred={inferred}, declared={declared} ({summary})")]
    OutShape { node: usize, inferred: String, declared: String, summary: String },
    /// An input or output id without a node.
    #[error("IR graph: node id out of bounds: {id} ({role} of a graph of {len} nodes)")]
    NoNode { role: &'static str, id: usize, len: usize },
    /// An input id of a node of another kind.
    #[error("IR graph: node {node} is not `input` (got {kind})")]
    NotInput { node: usize, kind: &'static str },
    /// Parameters that are not given.
    #[error("missing {kind} payload for node {node} (no `{name}`)")]
    MissingPayload { node: usize, kind: &'static str, name: String },
    /// Parameters of another size.
    #[error("{kind} {node}: flat length mismatch: `{name}` has {got}, expected {}, shape {shape}", .shape.numel())]
    PayloadLength { node: usize, kind: &'static str, name: String, shape: Shape, got: usize },
    /// Parameters that no node of the graph has.
    #[error("payload `{name}`: {why}")]
    Payload { name: String, why: String },
    /// A file of parameters that cannot be read.
    #[error("safetensors: {0}")]
    SafeTensors(String),
    /// A node that cannot be expressed by our ops.
    #[error("IR graph: node {node} ({kind}): {error}")]
    Import { node: usize, kind: &'static str, error: GraphError },
    /// An input of another type.
    #[error("IR eval: {role}: shape mismatch: expected {expected}, got {got}")]
    Argument { role: String, expected: ValueType, got: ValueType },
    /// A logarithm that the guard refuses.
    #[error(
        "IR eval: log: node {node}: input contains values <= 0 (or NaN) at position {position}; use `safe_log` if you want epsilon protection"
    )]
    Log { node: usize, position: usize },
    /// An evaluation that failed.
    #[error("IR eval: {0}")]
    Tape(#[from] TapeError),
    /// A graph or node that has no form in the file.
    #[error("no IR kind for {what}: {why}")]
    Export { what: String, why: String },
}

impl IrError {
    /// The id of the node concerned.
    pub fn node(&self) -> Option<usize> {
        match self {
            IrError::UnknownKind { node, .. }
            | IrError::MissingAttribute { node, .. }
            | IrError::ValueKind { node, .. }
            | IrError::Tuple { node, .. }
            | IrError::ParentCount { node, .. }
            | IrError::Parent { node, .. }
            | IrError::Shape { node, .. }
            | IrError::OutShape { node, .. }
            | IrError::NotInput { node, .. }
            | IrError::MissingPayload { node, .. }
            | IrError::PayloadLength { node, .. }
            | IrError::Import { node, .. }
            | IrError::Log { node, .. } => Some(*node),
            IrError::Ids { index, .. } => Some(*index),
            _ => None,
        }
    }
}

/// Characters of a foreign word that an error shows.
const SHOWN: usize = 60;

/// A word of the file as an error shows it: it may be megabytes long.
pub(super) fn shown(word: &str) -> String {
    match word.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}...", &word[..end]),
        None => word.into(),
    }
}
