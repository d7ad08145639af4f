//! What can be wrong with an optimiser or a step of it.

use crate::graph::Shape;
use thiserror::Error;

/// Why an optimiser was not made, or a step not taken. Nothing was changed then.
#[derive(Clone, Debug, PartialEq, Error)]
#[non_exhaustive]
#[allow(missing_docs)]
pub enum OptimError {
    /// Two groups list the same parameter.
    #[error("param id {id} appears in multiple groups")]
    DuplicateId { id: usize },
    /// Two groups take the parameters that no group lists.
    #[error("groups {first} and {second} both take the parameters that no group lists")]
    DuplicateRest { first: usize, second: usize },
    /// A parameter that no group lists.
    #[error("no param group for id {id}")]
    NoGroup { id: usize },
    /// Not one gradient for each parameter.
    #[error("expected {params} gradients, one for each parameter, got {grads}")]
    GradientCount { params: usize, grads: usize },
    /// A gradient of another length than its parameter.
    #[error("gradient shape mismatch for id {id}: {expected} elements, the gradient has {got}")]
    GradientShape { id: usize, expected: usize, got: usize },
    /// State of another length than its parameter.
    #[error("state shape mismatch for id {id}: {expected} elements, the state has {got}")]
    StateShape { id: usize, expected: usize, got: usize },
    /// Initial values that memory has no room for.
    #[error("no memory for the elements of a parameter of shape {shape}")]
    TooLarge { shape: Shape },
    /// A number outside its range.
    #[error("{name} must be {range}, got {value}")]
    Hyperparameter { name: &'static str, range: &'static str, value: f64 },
    /// A state dict of an optimiser with another number of groups.
    #[error("the state has the step counts of {got} groups, the optimizer has {expected}")]
    GroupCount { expected: usize, got: usize },
    /// A name that no rule of this optimiser keeps, or keeps once only.
    #[error("unexpected state {name:?}")]
    UnexpectedState { name: String },
    /// Some of a parameter's state is there, but not all.
    #[error("missing state {name:?}")]
    MissingState { name: String },
}

impl OptimError {
    /// `Ok` where a number is in its range.
    pub(super) fn check(
        ok: bool,
        name: &'static str,
        range: &'static str,
        value: f64,
    ) -> Result<(), OptimError> {
        if ok { Ok(()) } else { Err(OptimError::Hyperparameter { name, range, value }) }
    }
}
