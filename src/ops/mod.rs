//! The op table: one row per operation, one file per family.
//!
//! A row holds the shape rule, the value, the VJP rule and the JVP rule side by
//! side. Adding an operation touches its row and, where its value is not defined
//! by other ops, one arm in the tape and one in the lowering.

mod args;
mod attr;
mod custom;
mod emit;
mod error;
mod infer;
mod literal;
mod row;
mod rules;

mod activation;
mod arrange;
mod array;
mod contract;
mod conv;
mod elementwise;
mod guarded;
mod index;
mod linalg;
mod logic;
mod loops;
mod loss;
pub mod make;
mod math;
mod movement;
mod network;
mod norm;
mod pool;
mod random;
mod reduce;
mod scan;
mod softmax;
mod source;
mod special;
mod statistics;
mod window;

pub use args::{Arg, ArgMut};
pub(crate) use array::{around, array_dims};
pub use attr::{Attr, AttrKind, Attrs};
#[cfg(feature = "jit")]
pub(crate) use contract::last_two as contract_dims;
#[cfg(feature = "jit")]
pub(crate) use custom::MAX_ARGUMENTS;
pub use custom::{CustomOp, CustomRole, CustomRule};
pub use emit::{Emitter, Swept};
pub use error::OpError;
pub(crate) use infer::broadcast;
pub use literal::{Elements, Literal};
pub use loops::Body;
pub(crate) use loops::{Branch, Loop};
#[cfg(feature = "jit")]
pub(crate) use loops::{cut_both, cut_loop};
pub use loss::LossReduction;
pub use row::{
    AttrSpec, Expand, Flow, Flows, Infer, JvpFn, MapFn, Op, Operand, Prim, Reduction, Results, Row, Rule,
    Site, Tangents, Types, Value, VjpFn,
};

/// Every row of an op that holds no graph, by family.
pub fn table() -> impl Iterator<Item = &'static Row> {
    [
        source::ROWS,
        elementwise::ROWS,
        guarded::ROWS,
        math::ROWS,
        special::ROWS,
        activation::ROWS,
        logic::ROWS,
        reduce::ROWS,
        softmax::ROWS,
        movement::ROWS,
        contract::ROWS,
        index::ROWS,
        loss::ROWS,
        statistics::ROWS,
        arrange::ROWS,
        norm::ROWS,
        network::ROWS,
        window::ROWS,
        conv::ROWS,
        pool::ROWS,
        scan::ROWS,
        linalg::ROWS,
        random::ROWS,
    ]
    .into_iter()
    .flatten()
    .copied()
}

/// The rows of ops that hold a graph: their attributes are made, not drawn.
pub fn loops() -> impl Iterator<Item = &'static Row> {
    loops::ROWS.iter().copied()
}

/// The row with this name.
pub fn row_named(name: &str) -> Option<&'static Row> {
    table().chain(loops()).find(|row| row.name == name)
}
