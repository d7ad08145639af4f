//! Rosenbrock's function of n numbers.

use crate::harness::{Failure, Harness};
use cotangent::{Builder, Forms, Graph, dtype};

/// From here on slices say it better than a loop.
const TENSOR: usize = 100;

pub fn run(h: &mut Harness) -> Result<(), Failure> {
    for name in h.files("w1_n")? {
        if h.wants(&name) {
            let x = h.f64s(&name)?;
            let made = h.prepare(Forms::VALUE_AND_GRAD, || match x.len() {
                n @ ..TENSOR => scalars(n),
                n => slices(n),
            })?;
            h.gradient(&name, [(&x).into()], &made)?;
        }
    }
    Ok(())
}

fn scalars(n: usize) -> Result<Graph, Failure> {
    let g = Builder::new();
    let x = g.input("x", dtype::f64, [n]);
    let terms = (1..n).map(|i| {
        let (this, next) = (x.at(i - 1), x.at(i));
        (next - this.square()).square() * 100.0 + (1.0 - this).square()
    });
    let sum = terms.reduce(|a, b| a + b).unwrap_or_else(|| g.scalar(0.0));
    Ok(g.finish(&[sum])?)
}

fn slices(n: usize) -> Result<Graph, Failure> {
    let g = Builder::new();
    let x = g.input("x", dtype::f64, [n]);
    let (this, next) = (x.narrow(0, 0, n - 1), x.narrow(0, 1, n));
    let terms = (next - this.square()).square() * 100.0 + (1.0 - this).square();
    Ok(g.finish(&[terms.sum()])?)
}
