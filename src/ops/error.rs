//! What can be wrong with one operation.

use crate::graph::{DType, Shape, ValueType};
use crate::ops::attr::AttrKind;
use crate::ops::custom::CustomRole;
use thiserror::Error;

/// An operation that cannot be applied to its operands. Where it stands (node,
/// value names, source line) is added by [`crate::graph::GraphError`].
#[derive(Clone, Debug, PartialEq, Error)]
#[non_exhaustive]
pub enum OpError {
    /// Wrong number of operands.
    #[error("{op}: takes {} operands, got {got}", range(.min, .max))]
    #[allow(missing_docs)]
    Arity { op: &'static str, min: usize, max: usize, got: usize },
    /// Shapes that must be equal are not, or do not broadcast.
    #[error("{op}: shapes {a} and {b} {why}")]
    #[allow(missing_docs)]
    Shapes { op: &'static str, a: Shape, b: Shape, why: &'static str },
    /// A shape that the op does not take.
    #[error("{op}: shape {shape}: {why}")]
    #[allow(missing_docs)]
    Shape { op: &'static str, shape: Shape, why: String },
    /// An element type that the op does not take.
    #[error("{op}: operand {operand} has type {got}, expected {expected}")]
    #[allow(missing_docs)]
    DType { op: &'static str, operand: usize, got: DType, expected: &'static str },
    /// An operand of another type than a custom op was made for.
    #[error("{op}: operand {operand} has type {got}, expected {expected}")]
    #[allow(missing_docs)]
    OperandType { op: &'static str, operand: usize, got: ValueType, expected: ValueType },
    /// A callback that returned an error, or panicked.
    #[error("{op}: the {role} failed: {why}")]
    #[allow(missing_docs)]
    Callback { op: &'static str, role: CustomRole, why: String },
    /// Element types that must be equal are not.
    #[error("{op}: element types {a} and {b} differ (use cast)")]
    #[allow(missing_docs)]
    DTypes { op: &'static str, a: DType, b: DType },
    /// An axis out of range.
    #[error("{op}: axis {axis} is out of range for shape {shape} of rank {}", .shape.rank())]
    #[allow(missing_docs)]
    Axis { op: &'static str, axis: i64, shape: Shape },
    /// The same axis twice.
    #[error("{op}: axes {axes:?} of shape {shape} must be ascending and distinct")]
    #[allow(missing_docs)]
    Axes { op: &'static str, axes: Vec<i64>, shape: Shape },
    /// An attribute with a value that makes no sense.
    #[error("{op}: {attr}: {why}")]
    #[allow(missing_docs)]
    Attr { op: &'static str, attr: &'static str, why: String },
    /// Wrong number of attributes.
    #[error("{op}: has {expected} attributes, got {got}")]
    #[allow(missing_docs)]
    AttrCount { op: &'static str, expected: usize, got: usize },
    /// An attribute of the wrong kind.
    #[error("{op}: attribute {attr} must be {expected:?}, got {got:?}")]
    #[allow(missing_docs)]
    AttrKind { op: &'static str, attr: &'static str, expected: AttrKind, got: AttrKind },
    /// An index known at build time and out of range.
    #[error("{op}: index {index} at position {position} is out of range for axis {axis} of shape {shape}")]
    #[allow(missing_docs)]
    Index { op: &'static str, index: i64, position: usize, axis: usize, shape: Shape },
    /// A specification of named axes that cannot be read or does not fit.
    #[error("einsum: \"{spec}\", position {position}: {why}")]
    #[allow(missing_docs)]
    Einsum { spec: String, position: usize, why: String },
    /// A number that is no index.
    #[error("index {value} at position {position} is not a whole number of 0 or more")]
    #[allow(missing_docs)]
    NotAnIndex { position: usize, value: f64 },
    /// A tensor past the byte limit.
    #[error("{op}: result {ty} is larger than 2^40 bytes")]
    #[allow(missing_docs)]
    TooLarge { op: &'static str, ty: ValueType },
    /// More values than ids.
    #[error("{op}: the graph has more than 2^32 - 2 values")]
    #[allow(missing_docs)]
    TooManyValues { op: &'static str },
    /// Differentiation through an op without a rule.
    #[error("{op}: has no {rule} rule")]
    #[allow(missing_docs)]
    MissingRule { op: &'static str, rule: &'static str },
    /// An operation that the arithmetic at hand refuses (transcendental
    /// functions over rationals, division by zero in exact arithmetic).
    #[error("{op}: {why}")]
    #[allow(missing_docs)]
    Refused { op: &'static str, why: String },
    /// An index given at run time and out of range.
    #[error("{op}: index {index} at position {position} is out of range for an axis of {len}")]
    #[allow(missing_docs)]
    RuntimeIndex { op: &'static str, index: i64, position: u64, len: u64 },
    /// A rule broke its own contract: a defect of the rule, not of its input.
    #[error("{op}: the {rule} rule {why}")]
    #[allow(missing_docs)]
    BadRule { op: &'static str, rule: &'static str, why: String },
}

fn range(min: &usize, max: &usize) -> String {
    if min == max {
        format!("{min}")
    } else if *max == usize::MAX {
        format!("at least {min}")
    } else {
        format!("{min} to {max}")
    }
}
