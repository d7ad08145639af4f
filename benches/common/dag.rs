//! Random scalar graphs: most operands are recent, some come from anywhere, as
//! in a reverse sweep.

use super::Lcg;
use cotangent::{Builder, Graph, Var, dtype};

const INPUTS: usize = 32;
const RECENT: usize = 32;

/// A graph of `ops` scalar operations: add, mul, sub, div, sqrt in 100 parts
/// 40, 40, 14, 4, 2.
pub fn random(ops: usize) -> Graph {
    let (g, mut random) = (Builder::new(), Lcg::new(7));
    let mut values: Vec<Var<'_>> = (0..INPUTS).map(|i| g.input(&format!("x{i}"), dtype::f64, ())).collect();
    for _ in 0..ops {
        let mut pick = || {
            let n = values.len();
            values[if random.below(100) < 95 { n - 1 - random.below(RECENT) } else { random.below(n) }]
        };
        let (a, b) = (pick(), pick());
        values.push(match random.below(100) {
            0..40 => a + b,
            40..80 => a * b,
            80..94 => a - b,
            94..98 => a / b,
            _ => a.sqrt(),
        });
    }
    g.finish(&values[values.len() - 1..]).expect("scalars fit each other")
}

/// A chain of `ops` scalar operations, a quarter of each kind of arithmetic. What a product does
/// to the gradient a quotient undoes: at the edge of the normal range the CPU itself takes ten times as long.
pub fn chain(ops: usize) -> Graph {
    let g = Builder::new();
    let [x, a, b] = ["x", "a", "b"].map(|name| g.input(name, dtype::f64, ()));
    let last = (0..ops).fold(x, |v, i| match i % 4 {
        0 => v * a,
        1 => v + b,
        2 => v / a,
        _ => v - b,
    });
    g.finish(&[last]).expect("scalars fit each other")
}

/// A chain of `ops` element-wise operations on `n` numbers, then their sum.
pub fn elements(ops: usize, n: usize) -> Graph {
    let g = Builder::new();
    let [x, a, b] = ["x", "a", "b"].map(|name| g.input(name, dtype::f64, [n]));
    let last = (0..ops).fold(x, |v, i| match i % 4 {
        0 | 2 => v * a,
        1 => v + b,
        _ => v - b,
    });
    g.finish(&[last.sum()]).expect("shapes fit each other")
}

/// The Rosenbrock function of `n` variables with every op a node on scalars, as a traced loop gives
/// it: seven nodes a term.
pub fn rosenbrock(n: usize) -> Graph {
    let g = Builder::new();
    let x = g.input("x", dtype::f64, [n]);
    let at: Vec<Var<'_>> = (0..n).map(|i| x.at(i)).collect();
    let terms = at.windows(2).map(|pair| {
        let [a, b] = [pair[0], pair[1]];
        (b - a * a).square() * 100.0 + (1.0 - a).square()
    });
    let sum = terms.reduce(|sum, term| sum + term);
    g.finish(sum.as_slice()).expect("scalars fit each other")
}
