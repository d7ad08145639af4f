//! The tensor graph: what is authored, checked, differentiated and compiled.

mod bodies;
mod branch;
mod builder;
mod checkpoints;
mod data;
mod defined;
mod dot;
mod draw;
mod einsum;
mod error;
mod intern;
mod linear;
mod loops;
mod movement;
mod random;
mod reduce;
mod text;
mod types;
mod var;
mod views;
mod window;

pub use builder::{Builder, IntoElements, Var};
pub use checkpoints::Checkpoints;
pub use data::{Graph, Input, Node, Origin, Recorder, Source};
pub(crate) use data::{Step, Trace};
pub use error::{GraphError, GraphErrorKind};
#[cfg(feature = "jit")]
pub(crate) use intern::{TypeId, TypeTable};
pub use linear::Triangle;
pub use reduce::KeepDims;
pub use types::{DType, MAX_TENSOR_BYTES, NodeId, Shape, ValueId, ValueType, dtype};
pub use window::{Conv, PadCells, Pool};
