//! The interchange form `torchlean.ir.v1`: graphs that leave and enter TorchLean as
//! one JSON object.
//!
//! ```text
//! {
//!   "format": "torchlean.ir.v1",
//!   "input_id": 0,
//!   "output_id": 1,
//!   "nodes": [
//!     {"id": 0, "kind": "input", "parents": [], "shape": [1, 4]},
//!     {"id": 1, "kind": "relu", "parents": [0], "shape": [1, 4]}
//!   ]
//! }
//! ```
//!
//! [`File`] is such a file as it stands. [`IrGraph`] is the checked graph of tensors
//! that it stands for: of 41 kinds ([`Kind`]), tuples lowered. Both print back with keys in a
//! fixed order, byte for byte what is read again. [`Payload`] holds the parameters, which
//! are not in the file.
//!
//! Images are (C, H, W) or, as an extension, (N, C, H, W). Keys that are not known are passed
//! over; a known key with a wrong type is an error with line and column.

mod broadcast;
mod check;
mod error;
mod file;
mod graph;
mod infer;
mod kind;
mod payload;
mod print;
mod read;

pub use error::IrError;
pub use file::{File, FileNode, FileValue, Heads};
pub use graph::{IrGraph, IrNode};
pub use kind::{Conv, Kind, Window};
pub use payload::{Parameter, Payload};
