//! Log-likelihood of a Gaussian mixture with a Wishart prior on the inverse
//! covariance factors, as ADBench defines it.

use super::{Bench, Failure, Meter};
use cotangent::{Builder, Graph, KeepDims, dtype};
use std::f64::consts::{LN_2, PI};

/// Dimensions, components, points.
#[derive(Clone, Copy)]
struct Size {
    d: usize,
    k: usize,
    n: usize,
}

impl Size {
    fn lower(self) -> usize {
        self.d * (self.d - 1) / 2
    }

    fn parameters(self) -> usize {
        self.k * (1 + 2 * self.d + self.lower())
    }
}

/// The prior's parameters.
struct Wishart {
    gamma: f64,
    m: usize,
}

pub fn run<M: Meter>(bench: &mut Bench<M>) -> Result<(), Failure> {
    for name in bench.data.names("w2_d")? {
        if !bench.wants(&name) {
            continue;
        }
        let mut data = bench.data.f64s(&name)?;
        let size = size(&name, data.len()).ok_or_else(|| format!("{name}: not a mixture"))?;
        let rest = data.split_off(size.parameters());
        let (points, prior) = rest.split_at(size.n * size.d);
        let prior = Wishart { gamma: prior[0], m: prior[1] as usize };
        bench.gradient::<1, _>(&name, [(&data).into()], || mixture(size, points, &prior))?;
    }
    Ok(())
}

/// Dimensions and components stand in the name, the points are what is left.
fn size(name: &str, len: usize) -> Option<Size> {
    let (d, k) = name.strip_prefix("w2_d")?.split_once('k')?;
    let (d, k) = (d.parse().ok().filter(|&d| d > 0)?, k.parse().ok()?);
    let n = len.checked_sub(Size { d, k, n: 0 }.parameters() + 2)? / d;
    Some(Size { d, k, n })
}

fn mixture(size: Size, points: &[f64], prior: &Wishart) -> Result<Graph, Failure> {
    let Size { d, k, n } = size;
    let (lower, gamma) = (size.lower(), prior.gamma);
    let g = Builder::new();
    let p = g.input("p", dtype::f64, [size.parameters()]);
    let alpha = p.narrow(0, 0, k);
    let mu = p.narrow(0, k, k + k * d).reshape([k, 1, d]);
    let icf = p.narrow(0, k + k * d, size.parameters()).reshape([k, d + lower]);
    let (log_q, l) = (icf.narrow(1, 0, d), icf.narrow(1, d, d + lower));
    let q = log_q.exp();
    let sum_q = log_q.sum_over(&[1], KeepDims::No);
    // The factors: exp(log q) on the diagonal, l below it by columns, 0 above.
    let entries = q.concat(&[l, g.full(dtype::f64, [k, 1], 0.0)], 1);
    let factors = entries.index_select(1, g.constant(factor_index(d))).reshape([k, d, d]);
    let x = g.constant_of([1, n, d], points);
    let scaled = (x - mu).matmul(factors.transpose());
    let square = scaled.square().sum_over(&[2], KeepDims::No);
    let main = (alpha + sum_q).reshape([k, 1]) - square * 0.5;
    let likelihood =
        main.logsumexp(&[0], KeepDims::No).sum() - alpha.logsumexp(&[0], KeepDims::No) * (n as f64);
    let frobenius = q.square().sum() + l.square().sum();
    let prior_term = frobenius * (0.5 * gamma * gamma) - sum_q.sum() * (prior.m as f64);
    Ok(g.finish(&[likelihood + prior_term + constant(size, prior)])?)
}

/// For each entry of a d x d factor, transposed layout kept: where it stands in
/// diagonal, lower columns, zero.
fn factor_index(d: usize) -> Vec<i64> {
    let zero = d + d * (d - 1) / 2;
    let mut index = vec![zero as i64; d * d];
    let mut next = d;
    for column in 0..d {
        index[column * d + column] = column as i64;
        for row in column + 1..d {
            index[row * d + column] = next as i64;
            next += 1;
        }
    }
    index
}

/// What does not depend on the parameters.
fn constant(size: Size, prior: &Wishart) -> f64 {
    let (n, d, k) = (size.n as f64, size.d as f64, size.k as f64);
    let degrees = d + prior.m as f64 + 1.0;
    let normaliser = degrees * d * (prior.gamma.ln() - 0.5 * LN_2) - log_gamma_distribution(size.d, prior.m);
    -n * d * 0.5 * (2.0 * PI).ln() - k * normaliser
}

/// Logarithm of the multivariate gamma function at (d + m + 1) / 2.
fn log_gamma_distribution(d: usize, m: usize) -> f64 {
    let terms = (0..d).map(|j| log_gamma_of_half(d + m + 1 - j));
    0.25 * (d * (d - 1)) as f64 * PI.ln() + terms.sum::<f64>()
}

/// log Gamma(n / 2), from Gamma(1) or Gamma(1/2) upwards.
fn log_gamma_of_half(n: usize) -> f64 {
    let start = if n.is_multiple_of(2) { 0.0 } else { 0.5 * PI.ln() };
    let first = if n.is_multiple_of(2) { 2 } else { 1 };
    start + (first..n).step_by(2).map(|i| (i as f64 / 2.0).ln()).sum::<f64>()
}
