//! What code compiled by cotangent, and its interpreter, call at run time.
//!
//! Every function has one definition and gives the same bits on every CPU: fused
//! multiply-adds round once whether an instruction or software does them, and nothing
//! depends on the platform's math library.
#![warn(missing_docs)]
#![warn(unsafe_op_in_unsafe_fn)]

pub mod array;
pub mod elementwise;
pub mod index;
pub mod linalg;
pub mod math;
pub mod matmul;
pub mod overlap;
pub mod points;
pub mod random;
pub mod reduce;
pub mod scan;
pub mod symbols;
