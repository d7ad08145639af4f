//! An embeddable autodiff engine: a static-shape tensor graph goes in, native
//! code for its value and its gradients comes out, in milliseconds.
#![warn(missing_docs)]

pub mod derive;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
pub mod graph;
#[cfg(feature = "jit")]
mod jit;
#[cfg(feature = "jit")]
mod lower;
pub mod ops;
#[cfg(feature = "jit")]
pub mod program;
pub mod tape;

pub use derive::Connection;
pub use graph::{Builder, DType, Graph, GraphError, KeepDims, Shape, ValueId, ValueType, Var, dtype};
pub use ops::LossReduction;
#[cfg(feature = "jit")]
pub use program::{
    Arg, ArgMut, Checks, CompileError, Forms, Jit, Listing, OptLevel, Options, Program, Report, RunError, Tier,
    Workspace, jit,
};
pub use tape::Tape;
