//! Optimisers for gradients computed by a [`crate::Tape`] or a compiled program:
//! update rules, groups of parameters, learning-rate schedules, clipping and
//! initial values. Parameters and gradients are the caller's slices, `f64` or
//! `f32`, updated in place; there are no layers and no training loop.
//!
//! A parameter's id is its position in the list that is passed to
//! [`Optimizer::step`]. All arithmetic is that of the element type, in the order of
//! the formulas of [`Method`]; no function of the platform's math library is called,
//! so a run gives the same bits everywhere.
//!
//! ```
//! use cotangent::optim::{Optimizer, Rule, Schedule};
//!
//! let mut optimizer = Optimizer::new(Rule::adam(), Schedule::constant(0.1))?;
//! let mut params = [vec![3.0, -2.0]];
//! for _ in 0..200 {
//!     let grads = [params[0].iter().map(|p| 2.0 * p).collect::<Vec<f64>>()];
//!     optimizer.step(&mut params, &grads)?;
//! }
//! assert!(params[0].iter().all(|p| p.abs() < 1e-3));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod clip;
mod error;
mod init;
mod optimizer;
mod real;
mod rule;
mod schedule;
mod state;

pub use clip::{clip_by_norm, clip_by_percentile, clip_by_value, global_norm};
pub use error::OptimError;
pub use init::Init;
pub use optimizer::{Group, Optimizer};
pub use real::Real;
pub use rule::{Method, Rule};
pub use schedule::{Anneal, Cycle, Schedule};
pub use state::StateDict;
