//! Random graphs and what they check: tape against compiled code bit for bit,
//! adjointness over the rationals, the text form, compilation of anything.
//!
//! The bodies of the fuzz targets live here, so that tests and fuzzers run the
//! same code.

#[cfg(feature = "jit")]
mod campaign;
#[cfg(feature = "jit")]
mod case;
#[cfg(feature = "jit")]
mod compare;
mod composed;
#[cfg(feature = "jit")]
mod differential;
#[cfg(feature = "jit")]
mod expected;
#[cfg(feature = "jit")]
mod forms;
#[cfg(feature = "jit")]
mod orders;
#[cfg(feature = "jit")]
mod points;
#[cfg(feature = "jit")]
mod shrink;
#[cfg(feature = "jit")]
mod targets;

pub mod adjoint;
mod along_axis;
mod attributes;
mod coverage;
mod custom;
mod digest;
mod draft;
mod generate;
mod integers;
#[cfg(all(feature = "ir", feature = "jit"))]
mod ir;
mod loops;
mod matrices;
mod numbers;
mod operands;
mod source;
mod traced;
mod windows;

pub use coverage::Coverage;
pub use digest::Digest;
pub use draft::{Draft, DraftNode, DraftValue, Drafted, Slot};
pub use generate::{Admit, CustomOps, Generator, Profile, generate};
pub use source::{Bytes, Rng, Source};

#[cfg(feature = "jit")]
pub use campaign::{Campaign, Failure, Found};
#[cfg(feature = "jit")]
pub use case::{CONFIGS, Case, Config};
#[cfg(feature = "jit")]
pub use compare::Compared;
#[cfg(feature = "jit")]
pub use differential::{Verdict, check, check_forms, draw};
#[cfg(feature = "jit")]
pub use expected::Difference;
#[cfg(feature = "jit")]
pub use forms::{CALLS, FORMS, Form};
#[cfg(all(feature = "ir", feature = "jit"))]
pub use ir::ir_graph;
#[cfg(feature = "jit")]
pub use shrink::shrink;
#[cfg(feature = "jit")]
pub use targets::Target;
