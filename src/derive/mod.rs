//! Differentiation: graphs to graphs, by the rules of the op table.
//!
//! The functions here name values by id and give a graph beside what is known of
//! it. [`crate::gradient`], [`crate::jacobian`], [`crate::hessian`] and their
//! like name inputs by position and give a [`Derivative`].

mod definition;
mod forms;
mod jacobian;
pub(crate) mod orders;
pub(crate) mod sweep;
mod vmap;

#[cfg(feature = "jit")]
pub(crate) use forms::{Derived, traced_jvp, traced_value_and_grad};
pub use forms::{ReverseGraph, Seeds, dense_reverse, jvp, reverse, value_and_grad};
pub use jacobian::{Mode, value_and_jacobian};
pub use orders::Derivative;
pub use sweep::Connection;
pub use vmap::vmap;
