//! Rosenbrock's function of n numbers.

use super::{Bench, Failure, Meter};
use cotangent::{Builder, Graph, Var, dtype};

/// From here on slices say it better than a loop.
const TENSOR: usize = 100;

pub fn run<M: Meter>(bench: &mut Bench<M>) -> Result<(), Failure> {
    for name in bench.data.names("w1_n")? {
        if bench.wants(&name) {
            let x = bench.data.f64s(&name)?;
            // Few numbers: an array in, an array out.
            match x.len() {
                2 => array::<2, M>(bench, &name, &x)?,
                10 => array::<10, M>(bench, &name, &x)?,
                _ => program(bench, &name, &x)?,
            }
        }
    }
    Ok(())
}

fn program<M: Meter>(bench: &mut Bench<M>, name: &str, x: &[f64]) -> Result<(), Failure> {
    bench.gradient::<1, _>(name, [x.into()], || match x.len() {
        n @ ..TENSOR => scalars(n),
        n => slices(n),
    })
}

fn array<const N: usize, M: Meter>(bench: &mut Bench<M>, name: &str, x: &[f64]) -> Result<(), Failure> {
    let x: &[f64; N] = x.try_into()?;
    bench.array(name, x, |x| terms(x.len(), |i| x[i]).unwrap_or_else(|| x[0] * 0.0))
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
