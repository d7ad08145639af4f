//! The interchange form `torchlean.ir.v1`: graphs that leave and enter TorchLean as
//! one JSON object. Here they are also differentiated.
//!
//! ```
//! use cotangent::ir::{ImportOptions, IrGraph, Payload, Trainable};
//! use cotangent::Tape;
//!
//! let text = r#"{
//!   "format": "torchlean.ir.v1",
//!   "input_id": 0,
//!   "output_id": 2,
//!   "nodes": [
//!     {"id": 0, "kind": "input", "parents": [], "shape": [2]},
//!     {"id": 1, "kind": "linear", "parents": [0], "shape": [1]},
//!     {"id": 2, "kind": "sum", "parents": [1], "shape": []}
//!   ]
//! }
//! "#;
//! let graph = IrGraph::parse(text)?;
//! assert_eq!(graph.to_string(), text);
//!
//! // Parameters are not in the file. Here they are inputs, so that they have gradients.
//! let payload = Payload::new().linear(1, [3.0, -1.0], [0.5]);
//! let exec = graph.import(&payload, &ImportOptions::default().trainable(Trainable::All))?;
//! assert_eq!(exec.denote_all(&[2.0, 4.0])?[2].1, [2.5]);
//!
//! let tape: Tape<'_> = Tape::compile(exec.graph(), exec.inputs(&[2.0, 4.0])?)?;
//! let gradients = tape.backward_scalar(exec.graph().outputs()[0])?;
//! assert_eq!(exec.parameters()[0].parameter.key(), "1.W");
//! assert_eq!(gradients[&exec.parameters()[0].value].to_f64(), [2.0, 4.0]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! * [`File`] is a file as it stands, tuples and all. [`IrGraph`] is the checked graph of
//!   tensors that it stands for, of 41 kinds ([`Kind`]). Both print back with keys in a fixed
//!   order, byte for byte what is read again.
//! * [`Payload`] holds the parameters, given by the caller or read from a safetensors file
//!   with names `"<node id>.<name>"`.
//! * [`IrGraph::import`] makes our graph of it; [`exec_graph_of_ir`] is the same by TorchLean's
//!   name. [`ExecGraph`] knows which value belongs to which node, so that any can be read or
//!   asked for its gradient; its graph compiles like any other.
//! * [`export()`] goes the other way, for ops that have a kind.
//!
//! What the form says, and what is ours:
//!
//! * `broadcast_to` aligns shapes from the left: `[3]` to `[3, 3]` repeats along the last
//!   axis. It is imported as a reshape and a broadcast.
//! * `sqrt` is sqrt(max(x, 0)) with derivative 0 up to 0. `log` is IEEE's; the error that
//!   TorchLean gives where x <= 0 is [`LogGuard::On`].
//! * Random numbers have key (seed, node id), so a file gives the same ones each time.
//! * `layernorm` has eps 1e-6 and no weights; an `eps` in the file goes before, also for
//!   `batch_norm2d_nchw_eval`.
//! * Images are (C, H, W) or, as an extension, (N, C, H, W); `linear` takes leading axes.
//! * `multihead_attention` of one head becomes ten nodes. Nodes are numbered anew then, and
//!   parameters are keyed by the new ids, those of [`IrGraph::nodes`].
//! * Keys that are not known are passed over; a known key with a value of a wrong type is an
//!   error with line and column.

mod broadcast;
mod check;
mod error;
mod exec;
mod export;
mod file;
mod graph;
mod import;
mod infer;
mod kind;
mod payload;
mod print;
mod read;

pub use error::IrError;
pub use exec::{ExecGraph, InputParameter};
pub use export::export;
pub use file::{File, FileNode, FileValue, Heads};
pub use graph::{IrGraph, IrNode};
pub use import::{ImportOptions, LogGuard, Trainable, exec_graph_of_ir};
pub use kind::{Conv, Kind, Window};
pub use payload::{Parameter, Payload};
