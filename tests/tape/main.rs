//! The tape: its algorithms against each other, the order in which gradients are
//! added, and every error it can give.

mod accumulation;
mod algorithms;
mod duals;
mod errors;
#[path = "../support/mod.rs"]
mod support;

use cotangent::tape::Tensor;
use num_rational::BigRational;

/// A scalar of the tape.
fn scalar(x: f64) -> Tensor {
    Tensor::f64((), &[x]).unwrap()
}

/// A vector of the tape.
fn vector(x: &[f64]) -> Tensor {
    Tensor::f64([x.len()], x).unwrap()
}

/// An exact integer.
fn whole(n: i64) -> BigRational {
    BigRational::from_integer(n.into())
}
