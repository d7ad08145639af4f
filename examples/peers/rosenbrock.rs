//! Rosenbrock's function of n numbers.

use crate::harness::{Failure, Harness};
use cotangent::{Builder, Forms, Graph, Var, dtype};

/// From here on slices say it better than a loop.
const TENSOR: usize = 100;

pub fn run(h: &mut Harness) -> Result<(), Failure> {
    for name in h.files("w1_n")? {
        if h.wants(&name) {
            let x = h.f64s(&name)?;
            // Few numbers: an array in, an array out.
            match x.len() {
                2 => array::<2>(h, &name, &x)?,
                10 => array::<10>(h, &name, &x)?,
                _ => program(h, &name, &x)?,
            }
        }
    }
    Ok(())
}

fn program(h: &mut Harness, name: &str, x: &[f64]) -> Result<(), Failure> {
    let made = h.prepare(Forms::VALUE_AND_GRAD, || match x.len() {
        n @ ..TENSOR => scalars(n),
        n => slices(n),
    })?;
    h.gradient(name, [x.into()], &made)
}

fn array<const N: usize>(h: &mut Harness, name: &str, x: &[f64]) -> Result<(), Failure> {
    let x: &[f64; N] = x.try_into()?;
    h.array(name, x, |x| terms(x.len(), |i| x[i]).unwrap_or_else(|| x[0] * 0.0))
}

/// The sum over neighbours, term by term.
fn terms<'b>(n: usize, x: impl Fn(usize) -> Var<'b>) -> Option<Var<'b>> {
    let term = |i: usize| {
        let (this, next) = (x(i - 1), x(i));
        (next - this.square()).square() * 100.0 + (1.0 - this).square()
    };
    (1..n).map(term).reduce(|a, b| a + b)
}

fn scalars(n: usize) -> Result<Graph, Failure> {
    let g = Builder::new();
    let x = g.input("x", dtype::f64, [n]);
    let sum = terms(n, |i| x.at(i)).unwrap_or_else(|| g.scalar(0.0));
    Ok(g.finish(&[sum])?)
}

fn slices(n: usize) -> Result<Graph, Failure> {
    let g = Builder::new();
    let x = g.input("x", dtype::f64, [n]);
    let (this, next) = (x.narrow(0, 0, n - 1), x.narrow(0, 1, n));
    let terms = (next - this.square()).square() * 100.0 + (1.0 - this).square();
    Ok(g.finish(&[terms.sum()])?)
}
