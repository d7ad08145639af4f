//! Errors of compiling and of running.

use crate::check::NonFinite;
use crate::graph::{DType, GraphError, NodeId, ValueType};
use crate::jit::JitError;
use crate::lower::LowerError;
use crate::ops::CustomRole;
use std::fmt;
use std::panic::Location;
use thiserror::Error;

/// Why a graph could not be compiled.
#[derive(Clone, Debug, PartialEq, Error)]
#[non_exhaustive]
#[allow(missing_docs)]
pub enum CompileError {
    /// The graph cannot be differentiated as asked.
    #[error("{0}")]
    Graph(#[from] GraphError),
    /// It cannot be lowered.
    #[error("{0}")]
    Lower(#[from] LowerError),
    /// No code could be generated.
    #[error("{0}")]
    Jit(#[from] JitError),
    /// An input position that the graph does not have.
    #[error("no input {index} to differentiate by: the graph has {inputs} inputs")]
    NoSuchInput { index: usize, inputs: usize },
    /// The workspace would be larger than the options allow.
    #[error(
        "the program needs a workspace of {bytes} bytes, more than the {limit} of Options::max_workspace"
    )]
    WorkspaceTooLarge { bytes: usize, limit: usize },
    /// The workspace cannot be allocated.
    #[error("not enough memory for a workspace of {bytes} bytes")]
    OutOfMemory { bytes: usize },
    /// A one-line function with a custom op given as callbacks.
    #[error("callbacks of custom ops run in a Program with a Workspace, not in jit")]
    Callbacks,
}

/// What a list of arguments is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Role {
    Input,
    Output,
    Seed,
    Gradient,
    Tangent,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Role::Input => "input",
            Role::Output => "output",
            Role::Seed => "seed",
            Role::Gradient => "gradient",
            Role::Tangent => "tangent",
        })
    }
}

/// Why a call failed. Outputs are then unspecified.
#[derive(Clone, Debug, PartialEq, Error)]
#[non_exhaustive]
#[allow(missing_docs)]
pub enum RunError {
    /// Wrong number of arguments.
    #[error("expected {expected} {role}s, got {got}")]
    Count { role: Role, expected: usize, got: usize },
    /// An argument of the wrong element type.
    #[error("{role} {index}: expected {expected}, got a slice of {got}")]
    Type { role: Role, index: usize, expected: ValueType, got: DType },
    /// An argument of the wrong length.
    #[error("{role} {index}: expected {} elements for {expected}, got {got}", .expected.numel())]
    Length { role: Role, index: usize, expected: ValueType, got: usize },
    /// The function was not compiled.
    #[error("this program was compiled without {form} (see Options::forms)")]
    NotCompiled { form: &'static str },
    /// A reverse call whose forward call is missing (or failed).
    #[error("reverse before forward: call {forward} on this workspace first")]
    ReverseBeforeForward { forward: &'static str },
    /// Values or gradients read before they were computed.
    #[error("the {what} are not there: call {call} on this workspace first")]
    NotComputed { what: &'static str, call: &'static str },
    /// A workspace of another program.
    #[error("the workspace belongs to another program")]
    ForeignWorkspace,
    /// The workspace could not be allocated.
    #[error("not enough memory for a workspace of {bytes} bytes")]
    OutOfMemory { bytes: usize },
    /// An index out of range.
    #[error("{}", index_text(.op, .node, .index, .position, .len, .location))]
    Index {
        op: &'static str,
        node: NodeId,
        index: i64,
        position: u64,
        len: u64,
        location: Option<&'static Location<'static>>,
    },
    /// A callback of a custom op that returned an error, or panicked.
    #[error("{}", callback_text(.op, .role, .node, .why, .location))]
    Callback {
        op: &'static str,
        role: CustomRole,
        node: Option<NodeId>,
        why: String,
        location: Option<&'static Location<'static>>,
    },
    /// A value or a gradient became NaN or infinite ([`crate::Checked::Finite`]).
    #[error("{0}")]
    NonFinite(Box<NonFinite>),
    /// An argument at many points of the wrong length.
    #[error(
        "{role} {index}: expected {}{needed} elements for {points} points of {of}, got {got}",
        if *.exact { "" } else { "at least " }
    )]
    PointsLength {
        role: Role,
        index: usize,
        of: ValueType,
        points: usize,
        needed: usize,
        exact: bool,
        got: usize,
    },
    /// An output at many points, two elements of which are in one place.
    #[error(
        "{role} {index}: strides of {point} (points) and {element} (elements of {of}) put two elements in one place"
    )]
    PointsOverlap { role: Role, index: usize, of: ValueType, point: usize, element: usize },
    /// One of many points failed.
    #[error("point {point}: {error}")]
    AtPoint { point: usize, error: Box<RunError> },
    /// A value id that has no place in the workspace.
    #[error("value {index} has no {what} in this workspace")]
    NoSuchValue { index: usize, what: &'static str },
}

fn at(location: &Option<&'static Location<'static>>) -> String {
    location.map(|l| format!(" at {}:{}", l.file(), l.line())).unwrap_or_default()
}

fn callback_text(
    op: &str,
    role: &CustomRole,
    node: &Option<NodeId>,
    why: &str,
    location: &Option<&'static Location<'static>>,
) -> String {
    let node = node.map(|node| format!("node {node}: ")).unwrap_or_default();
    format!("{node}{op}: the {role} failed: {why}{}", at(location))
}

fn index_text(
    op: &str,
    node: &NodeId,
    index: &i64,
    position: &u64,
    len: &u64,
    location: &Option<&'static Location<'static>>,
) -> String {
    let at = at(location);
    format!(
        "node {node}: {op}: index {index} at position {position} is out of range for an axis of {len}{at}"
    )
}
