//! The jobs: a graph, inputs, and the same by hand.

use super::{Lcg, hand};
use cotangent::{Builder, Graph, dtype};

/// Value and gradient by hand: inputs, gradients of the wanted ones.
pub type ByHand = fn(&[Vec<f64>], &mut [Vec<f64>]) -> f64;

/// One thing to differentiate.
pub struct Job {
    pub name: String,
    pub graph: Graph,
    pub inputs: Vec<Vec<f64>>,
    /// Positions of the inputs to differentiate by.
    pub wrt: Vec<usize>,
    pub hand: ByHand,
}

/// All jobs, in the order of the report.
pub fn all() -> Vec<Job> {
    let mut jobs: Vec<Job> = [2, 10, 100, 1000].into_iter().map(rosenbrock).collect();
    jobs.extend([logistic(1000, 10), network(16), chain(64)]);
    jobs
}

fn rosenbrock(n: usize) -> Job {
    let g = Builder::new();
    let x = g.input("x", dtype::f64, [n]);
    let sum = if n < 100 {
        let term = |i: usize| (x.at(i + 1) - x.at(i).square()).square() * 100.0 + (1.0 - x.at(i)).square();
        (1..n - 1).fold(term(0), |sum, i| sum + term(i))
    } else {
        let (this, next) = (x.narrow(0, 0, n - 1), x.narrow(0, 1, n));
        ((next - this.square()).square() * 100.0 + (1.0 - this).square()).sum()
    };
    let graph = g.finish(&[sum]).expect("a graph");
    let inputs = vec![Lcg::new(1).numbers(n)];
    Job { name: format!("rosenbrock_{n}"), graph, inputs, wrt: vec![0], hand: hand::rosenbrock }
}

fn logistic(rows: usize, columns: usize) -> Job {
    let mut random = Lcg::new(2);
    let (x, beta) = (random.numbers(rows * columns), random.numbers(columns));
    let y: Vec<f64> = (0..rows).map(|_| random.below(2) as f64).collect();
    let g = Builder::new();
    let b = g.input("beta", dtype::f64, [columns]);
    let data = g.input("x", dtype::f64, [rows, columns]);
    let label = g.input("y", dtype::f64, [rows]);
    let eta = data.matmul(b);
    let posterior = (label * eta - eta.softplus()).sum() - b.square().sum() * 0.5;
    let graph = g.finish(&[posterior]).expect("a graph");
    Job {
        name: format!("logistic_{rows}x{columns}"),
        graph,
        inputs: vec![beta, x, y],
        wrt: vec![0],
        hand: hand::logistic,
    }
}

fn network(h: usize) -> Job {
    let mut random = Lcg::new(3);
    let g = Builder::new();
    let w1 = g.input("w1", dtype::f64, [2, h]);
    let b1 = g.input("b1", dtype::f64, [h]);
    let w2 = g.input("w2", dtype::f64, [h, h]);
    let b2 = g.input("b2", dtype::f64, [h]);
    let w3 = g.input("w3", dtype::f64, [h]);
    let b3 = g.input("b3", dtype::f64, ());
    let x = g.input("x", dtype::f64, [2]);
    let y = g.input("y", dtype::f64, ());
    let h1 = (x.matmul(w1) + b1).tanh();
    let h2 = (h1.matmul(w2) + b2).tanh();
    let loss = (h2.dot(w3) + b3 - y).square() * 0.5;
    let graph = g.finish(&[loss]).expect("a graph");
    let inputs = [2 * h, h, h * h, h, h, 1, 2, 1].map(|n| random.numbers(n)).to_vec();
    Job { name: format!("network_2-{h}-{h}-1"), graph, inputs, wrt: (0..6).collect(), hand: hand::network }
}

fn chain(n: usize) -> Job {
    let mut random = Lcg::new(4);
    let g = Builder::new();
    let [a, b, c] = ["a", "b", "c"].map(|name| g.input(name, dtype::f64, [n, n]));
    let loss = a.matmul(b).matmul(c).square().sum();
    let graph = g.finish(&[loss]).expect("a graph");
    let inputs = (0..3).map(|_| random.numbers(n * n)).collect();
    Job { name: format!("matmul_chain_{n}"), graph, inputs, wrt: vec![0, 1, 2], hand: hand::matmul_chain }
}
