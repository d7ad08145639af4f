//! An embeddable autodiff engine: a static-shape tensor graph goes in, native
//! code for its value and its gradients comes out, in milliseconds.
//!
//! 1. A [`Builder`] records a [`Graph`]: inputs first, then operations on `Copy`
//!    variables ([`Var`]). Mistakes surface in [`Builder::finish`], with their
//!    source line.
//! 2. `Program::compile` differentiates the graph, lowers it and generates code.
//!    A `Program` is immutable and shared between threads; each thread brings a
//!    `Workspace`, and a call allocates nothing. (Feature `jit`, on by default.)
//! 3. A [`Tape`] runs the same graph as it stands, over `f64`, `f32`, exact
//!    rationals and dual numbers. It is the oracle of compiled code: both give
//!    the same bits, forward and reverse.
//!
//! [`gradient`], [`jacobian`], [`hessian`], [`hvp`], [`vjp`] and [`jvp`] turn a
//! graph into the graph of a derivative, as often as wanted; [`mod@derive`] has
//! them by value id. [`ops`] is the table of operations, with their rules;
//! [`optim`] has optimisers.
//!
//! ```
//! use cotangent::tape::Tensor;
//! use cotangent::{Builder, Tape, dtype};
//!
//! let g = Builder::new();
//! let x = g.input("x", dtype::f64, [2]);
//! let graph = g.finish(&[x.square().sum()])?;
//! let point = Tensor::f64([2], &[3.0, -1.0]).ok_or("wrong length")?;
//! let tape = Tape::compile(&graph, vec![point])?;
//! let gradients = tape.backward_scalar(graph.outputs()[0])?;
//! let x = graph.input_values().next().ok_or("no input")?;
//! assert_eq!(gradients[&x].to_f64(), [6.0, -2.0]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![warn(missing_docs)]

pub mod check;
pub mod derive;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
pub mod graph;
#[cfg(feature = "ir")]
pub mod ir;
#[cfg(feature = "jit")]
mod jit;
#[cfg(feature = "jit")]
mod lower;
pub mod ops;
pub mod optim;
#[cfg(feature = "jit")]
pub mod program;
pub mod tape;

pub use check::{CheckOptions, check_rules};
pub use derive::orders::{
    gradient, hessian, hvp, jacobian, jacobian_in, jvp, value_and_grad, value_and_jacobian, vjp,
};
pub use derive::{Connection, Derivative, Mode, vmap};
pub use graph::{
    Builder, Checkpoints, Conv, DType, Graph, GraphError, KeepDims, PadCells, Pool, Shape, Triangle, ValueId,
    ValueType, Var, dtype,
};
pub use ops::{Arg, ArgMut, CustomOp, CustomRule, LossReduction};
#[cfg(feature = "jit")]
pub use program::{
    BatchWorkspace, Batched, CacheStats, Checked, Checks, CompileError, Forms, Jit, Listing, OptLevel,
    Options, Points, PointsMut, Program, ProgramCache, Report, RunError, Stage, Stages, Tier, VectorWidth,
    Workspace, jit, jit_with,
};
pub use tape::Tape;

/// The examples of the README are tests.
#[cfg(all(doctest, feature = "jit"))]
#[doc = include_str!("../README.md")]
struct Readme;
