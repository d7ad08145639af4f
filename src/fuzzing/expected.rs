//! What the tape says of a case, and how compiled code parts from it.

use crate::fuzzing::case::{Case, Config};
use crate::fuzzing::forms::Form;
use crate::graph::{Graph, GraphErrorKind, NodeId};
use crate::ops::OpError;
use crate::program::RunError;
use crate::tape::{Native, Tape, TapeError, Tensor};
use std::fmt;

/// Where tape and compiled code part.
#[derive(Clone, Debug)]
pub struct Difference {
    /// The form, `None` where the tape itself failed.
    pub form: Option<Form>,
    /// How it was compiled.
    pub config: Option<Config>,
    /// The set of inputs.
    pub set: u64,
    /// Of what: a value, a gradient, an error.
    pub what: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.form, self.config) {
            (Some(form), Some(config)) => write!(f, "{form:?}, {config:?}, inputs {}: ", self.set)?,
            _ => write!(f, "inputs {}: ", self.set)?,
        }
        f.write_str(&self.what)
    }
}

/// An index out of range, as both sides report it.
#[derive(Debug, PartialEq)]
pub struct OutOfRange {
    /// The node that reads or adds.
    pub node: Option<NodeId>,
    /// The index.
    pub index: i64,
    /// Its position among the indices.
    pub position: u64,
    /// The extent of the axis.
    pub len: u64,
}

/// What the tape reports.
pub fn tape_index(error: &TapeError) -> Option<OutOfRange> {
    let TapeError::Graph(graph) = error else { return None };
    match graph.kind() {
        GraphErrorKind::Op(OpError::RuntimeIndex { index, position, len, .. }) => {
            Some(OutOfRange { node: graph.node(), index: *index, position: *position, len: *len })
        }
        _ => None,
    }
}

/// What compiled code reports.
pub fn code_index(error: &RunError) -> Option<OutOfRange> {
    match error {
        RunError::Index { node, index, position, len, .. } => {
            Some(OutOfRange { node: Some(*node), index: *index, position: *position, len: *len })
        }
        _ => None,
    }
}

/// The values of one set of inputs, on the tape.
pub struct Expected<'g> {
    /// The set.
    pub set: u64,
    /// The inputs.
    pub inputs: Vec<Tensor<Native>>,
    /// The tape, or an index out of range.
    pub tape: Result<Tape<'g, Native>, TapeError>,
}

impl<'g> Expected<'g> {
    /// Evaluates a set. An error other than an index out of range is a difference.
    pub fn new(case: &Case, graph: &'g Graph, set: u64) -> Result<Expected<'g>, Difference> {
        let inputs = case.inputs(set);
        let tape = Tape::compile(graph, inputs.clone());
        match &tape {
            Err(error) if tape_index(error).is_none() => {
                Err(Difference { form: None, config: None, set, what: format!("the tape failed: {error}") })
            }
            _ => Ok(Expected { set, inputs, tape }),
        }
    }

    /// Whether all indices were in range.
    pub fn is_valid(&self) -> bool {
        self.tape.is_ok()
    }
}
