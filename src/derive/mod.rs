//! Differentiation: graphs to graphs, by the rules of the op table.

mod definition;
mod forms;
pub(crate) mod sweep;

pub use forms::{ReverseGraph, Seeds, dense_reverse, jvp, reverse, value_and_grad};
pub use sweep::Connection;
