//! Errors of authoring, parsing and differentiating graphs.

use crate::graph::types::{NodeId, ValueId, ValueType};
use crate::ops::OpError;
use std::fmt;
use std::panic::Location;
use thiserror::Error;

/// What is wrong with a graph.
#[derive(Clone, Debug, PartialEq, Error)]
#[non_exhaustive]
#[allow(missing_docs)]
pub enum GraphErrorKind {
    /// An op does not fit its operands.
    #[error("{0}")]
    Op(#[from] OpError),
    /// A value of another builder, or of none.
    #[error("{op}: operand {operand} belongs to another graph")]
    ForeignVariable { op: &'static str, operand: usize },
    /// A request to the builder of a body that only that of a graph takes.
    #[error("{what}: the builder of a loop's body gives no graph of its own and has no inputs of its own")]
    OfBody { what: &'static str },
    /// An input after the first node.
    #[error("input \"{name}\": inputs must be declared before the first operation")]
    LateInput { name: String },
    /// Two inputs of one name.
    #[error("input \"{name}\" is declared twice")]
    DuplicateInput { name: String },
    /// Elements that do not fill their shape.
    #[error("constant: shape {ty} needs {} elements, got {got}", .ty.numel())]
    ConstantLength { ty: ValueType, got: usize },
    /// An id out of range.
    #[error("no value {id}: the graph has {len}")]
    NoSuchValue { id: ValueId, len: usize },
    /// An input position out of range.
    #[error("no input {index}: the graph has {inputs}")]
    NoSuchInput { index: usize, inputs: usize },
    /// No node to take the last value of.
    #[error("compiled graph has no output node")]
    NoOutputNode,
    /// A gradient of something that is not one number.
    #[error("output {id} has type {ty}: a gradient needs one floating-point number (or seeds)")]
    NotScalar { id: ValueId, ty: ValueType },
    /// A gradient of several outputs.
    #[error("a gradient needs one output, the graph has {got} (give seeds instead)")]
    OneOutput { got: usize },
    /// A request to differentiate an integer or a mask.
    #[error("value {id} has type {ty}, which carries no derivative")]
    NotDifferentiable { id: ValueId, ty: ValueType },
    /// A line of the text form that cannot be read.
    #[error("line {line}, column {column}: {message}")]
    Parse { line: usize, column: usize, message: String },
}

/// An error of authoring, parsing or differentiating, with where it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct GraphError {
    kind: Box<GraphErrorKind>,
    node: Option<NodeId>,
    operands: Vec<String>,
    location: Option<&'static Location<'static>>,
}

impl GraphError {
    /// What is wrong.
    pub fn kind(&self) -> &GraphErrorKind {
        &self.kind
    }

    /// The node concerned.
    pub fn node(&self) -> Option<NodeId> {
        self.node
    }

    /// The source line that authored the node.
    pub fn location(&self) -> Option<&'static Location<'static>> {
        self.location
    }

    pub(crate) fn at(mut self, location: Option<&'static Location<'static>>) -> GraphError {
        self.location = self.location.or(location);
        self
    }

    pub(crate) fn on(mut self, node: NodeId) -> GraphError {
        self.node = Some(node);
        self
    }

    pub(crate) fn with_operands(mut self, operands: Vec<String>) -> GraphError {
        self.operands = operands;
        self
    }
}

impl From<GraphErrorKind> for GraphError {
    fn from(kind: GraphErrorKind) -> GraphError {
        GraphError { kind: Box::new(kind), node: None, operands: Vec::new(), location: None }
    }
}

impl From<OpError> for GraphError {
    fn from(error: OpError) -> GraphError {
        GraphErrorKind::Op(error).into()
    }
}

impl fmt::Display for GraphError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(node) = self.node {
            write!(f, "node {node}: ")?;
        }
        write!(f, "{}", self.kind)?;
        if !self.operands.is_empty() {
            write!(f, " (operands {})", self.operands.join(", "))?;
        }
        if let Some(at) = self.location {
            write!(f, " at {}:{}", at.file(), at.line())?;
        }
        Ok(())
    }
}

impl std::error::Error for GraphError {}
