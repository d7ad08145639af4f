//! The functions, from their published definitions: Moré, Garbow and Hillstrom,
//! "Testing Unconstrained Optimization Software", ACM TOMS 7 (1981) 17-41, and
//! the linear functions of MINPACK's own set. Each is a vector of residuals.

use crate::data::Run;
use cotangent::{Builder, Graph, GraphError, Var, dtype};
use std::f64::consts::PI;

/// Numbers of the functions in MINPACK's set.
pub const NAMES: [&str; 18] = [
    "linear, full rank",
    "linear, rank 1",
    "linear, rank 1, zeros",
    "Rosenbrock",
    "helical valley",
    "Powell singular",
    "Freudenstein-Roth",
    "Bard",
    "Kowalik-Osborne",
    "Meyer",
    "Watson",
    "box",
    "Jennrich-Sampson",
    "Brown-Dennis",
    "Chebyquad",
    "Brown almost linear",
    "Osborne 1",
    "Osborne 2",
];

/// The standard start, times the run's factor; a start at zero is filled with
/// the factor instead, unless it is 1.
pub fn start(run: &Run) -> Vec<f64> {
    let n = run.n;
    let standard: Vec<f64> = match run.function {
        4 => vec![-1.2, 1.0],
        5 => vec![-1.0, 0.0, 0.0],
        6 => vec![3.0, -1.0, 0.0, 1.0],
        7 => vec![0.5, -2.0],
        9 => vec![0.25, 0.39, 0.415, 0.39],
        10 => vec![0.02, 4000.0, 250.0],
        11 => vec![0.0; n],
        12 => vec![0.0, 10.0, 20.0],
        13 => vec![0.3, 0.4],
        14 => vec![25.0, 5.0, -5.0, -1.0],
        15 => (1..=n).map(|j| j as f64 / (n + 1) as f64).collect(),
        16 => vec![0.5; n],
        17 => vec![0.5, 1.5, -1.0, 0.01, 0.02],
        18 => vec![1.3, 0.65, 0.65, 0.7, 0.6, 3.0, 5.0, 7.0, 2.0, 4.5, 5.5],
        _ => vec![1.0; n],
    };
    match (run.function, run.factor) {
        (11, factor) if factor != 1.0 => vec![factor; n],
        (_, factor) => standard.iter().map(|x| x * factor).collect(),
    }
}

/// The residuals of a run as a function of its parameters.
pub fn residuals(run: &Run) -> Result<Graph, GraphError> {
    let g = Builder::new();
    let x = g.input("x", dtype::f64, [run.n]);
    let f = match run.function {
        1 => linear(x, run.m),
        2 => (along(&g, run.m, |i| i) * (along(&g, run.n, |j| j) * x).sum()) - 1.0,
        3 => linear_with_zeros(x, run.m),
        4 => column(&[10.0 * (x.at(1) - x.at(0).square()), 1.0 - x.at(0)]),
        5 => helical_valley(x),
        6 => powell_singular(x),
        7 => freudenstein_roth(x),
        8 => bard(x),
        9 => kowalik_osborne(x),
        10 => meyer(x),
        11 => watson(x, run.n),
        12 => {
            let i = along(&g, run.m, |i| i);
            let t = i * 0.1;
            (-t * x.at(0)).exp() - (-t * x.at(1)).exp() + ((-i).exp() - (-t).exp()) * x.at(2)
        }
        13 => {
            let i = along(&g, run.m, |i| i);
            2.0 + 2.0 * i - (i * x.at(0)).exp() - (i * x.at(1)).exp()
        }
        14 => {
            let t = along(&g, run.m, |i| i / 5.0);
            let (a, b) = (x.at(0) + t * x.at(1) - t.exp(), x.at(2) + t.sin() * x.at(3) - t.cos());
            a.square() + b.square()
        }
        15 => chebyquad(x, run.m, run.n),
        16 => brown_almost_linear(x, run.n),
        17 => osborne_1(x),
        _ => osborne_2(x),
    };
    g.finish(&[f])
}

/// Numbers side by side in a vector.
fn column<'b>(parts: &[Var<'b>]) -> Var<'b> {
    parts[0].stack(&parts[1..], 0)
}

/// f(1), f(2), ..., f(n).
fn along<'b>(g: &'b Builder, n: usize, f: impl Fn(f64) -> f64) -> Var<'b> {
    g.constant((1..=n).map(|i| f(i as f64)).collect::<Vec<_>>())
}

fn linear(x: Var<'_>, m: usize) -> Var<'_> {
    let n = x.shape().numel();
    let common = x.sum() * (2.0 / m as f64) + 1.0;
    x.pad(&[(0, m - n)], 0.0) - common
}

fn linear_with_zeros(x: Var<'_>, m: usize) -> Var<'_> {
    let n = x.shape().numel();
    let weight = |j: f64| if j > 1.0 && j < n as f64 { j } else { 0.0 };
    let row = |i: f64| if i > 1.0 && i < m as f64 { i - 1.0 } else { 0.0 };
    let g = x.builder();
    along(g, m, row) * (along(g, n, weight) * x).sum() - 1.0
}

fn helical_valley(x: Var<'_>) -> Var<'_> {
    let (a, b, c) = (x.at(0), x.at(1), x.at(2));
    // The angle as MINPACK has it, from -1/4 to 3/4 of a turn.
    let turn = (b / a).atan() / (2.0 * PI);
    let turn = a.lt(x.builder().scalar(0.0)).select(turn + 0.5, turn);
    column(&[10.0 * (c - 10.0 * turn), 10.0 * (a.hypot(b) - 1.0), c])
}

fn powell_singular(x: Var<'_>) -> Var<'_> {
    let (a, b, c, d) = (x.at(0), x.at(1), x.at(2), x.at(3));
    let f = [a + 10.0 * b, 5f64.sqrt() * (c - d), (b - 2.0 * c).square(), 10f64.sqrt() * (a - d).square()];
    column(&f)
}

fn freudenstein_roth(x: Var<'_>) -> Var<'_> {
    let (a, b) = (x.at(0), x.at(1));
    let f = [a - 13.0 + ((5.0 - b) * b - 2.0) * b, a - 29.0 + ((b + 1.0) * b - 14.0) * b];
    column(&f)
}

fn bard(x: Var<'_>) -> Var<'_> {
    const Y: [f64; 15] =
        [0.14, 0.18, 0.22, 0.25, 0.29, 0.32, 0.35, 0.39, 0.37, 0.58, 0.73, 0.96, 1.34, 2.1, 4.39];
    let g = x.builder();
    let u = along(g, 15, |i| i);
    let v = along(g, 15, |i| 16.0 - i);
    let w = along(g, 15, |i| i.min(16.0 - i));
    g.constant(Y) - x.at(0) - u / (v * x.at(1) + w * x.at(2))
}

fn kowalik_osborne(x: Var<'_>) -> Var<'_> {
    const U: [f64; 11] = [4.0, 2.0, 1.0, 0.5, 0.25, 0.167, 0.125, 0.1, 0.0833, 0.0714, 0.0625];
    const Y: [f64; 11] =
        [0.1957, 0.1947, 0.1735, 0.16, 0.0844, 0.0627, 0.0456, 0.0342, 0.0323, 0.0235, 0.0246];
    let g = x.builder();
    let u = g.constant(U);
    g.constant(Y) - x.at(0) * (u * (u + x.at(1))) / (u * (u + x.at(2)) + x.at(3))
}

fn meyer(x: Var<'_>) -> Var<'_> {
    const Y: [f64; 16] = [
        34780.0, 28610.0, 23650.0, 19630.0, 16370.0, 13720.0, 11540.0, 9744.0, 8261.0, 7030.0, 6005.0,
        5147.0, 4427.0, 3820.0, 3307.0, 2872.0,
    ];
    let g = x.builder();
    let t = along(g, 16, |i| 45.0 + 5.0 * i);
    x.at(0) * (x.at(1) / (t + x.at(2))).exp() - g.constant(Y)
}

fn watson(x: Var<'_>, n: usize) -> Var<'_> {
    let g = x.builder();
    let powers = |f: &dyn Fn(f64, i32) -> f64| {
        let rows = (1..=29).flat_map(|i| (0..n as i32).map(move |j| (f64::from(i) / 29.0, j)));
        g.constant_of([29, n], rows.map(|(t, j)| f(t, j)).collect::<Vec<_>>())
    };
    let slope = powers(&|t, j| if j == 0 { 0.0 } else { f64::from(j) * t.powi(j - 1) }).matmul(x);
    let value = powers(&|t, j| t.powi(j)).matmul(x);
    let (first, second) = (x.at(0), x.at(1) - x.at(0).square() - 1.0);
    (slope - value.square() - 1.0).concat(&[column(&[first, second])], 0)
}

fn chebyquad(x: Var<'_>, m: usize, n: usize) -> Var<'_> {
    let t = 2.0 * x - 1.0;
    let (mut before, mut now) = (t * 0.0 + 1.0, t);
    let mut f = Vec::new();
    for i in 1..=m {
        // The integral of the shifted polynomial over the unit interval.
        let integral = if i % 2 == 0 { -1.0 / ((i * i) as f64 - 1.0) } else { 0.0 };
        f.push(now.sum() / n as f64 - integral);
        (before, now) = (now, 2.0 * t * now - before);
    }
    column(&f)
}

fn brown_almost_linear(x: Var<'_>, n: usize) -> Var<'_> {
    let linear = x.narrow(0, 0, n - 1) + x.sum() - (n + 1) as f64;
    linear.concat(&[column(&[x.prod() - 1.0])], 0)
}

fn osborne_1(x: Var<'_>) -> Var<'_> {
    const Y: [f64; 33] = [
        0.844, 0.908, 0.932, 0.936, 0.925, 0.908, 0.881, 0.85, 0.818, 0.784, 0.751, 0.718, 0.685, 0.658,
        0.628, 0.603, 0.58, 0.558, 0.538, 0.522, 0.506, 0.49, 0.478, 0.467, 0.457, 0.448, 0.438, 0.431,
        0.424, 0.42, 0.414, 0.411, 0.406,
    ];
    let g = x.builder();
    let t = along(g, 33, |i| 10.0 * (i - 1.0));
    let decay = |k: usize| x.at(k) * (-t * x.at(k + 2)).exp();
    g.constant(Y) - x.at(0) - decay(1) - decay(2)
}

fn osborne_2(x: Var<'_>) -> Var<'_> {
    const Y: [f64; 65] = [
        1.366, 1.191, 1.112, 1.013, 0.991, 0.885, 0.831, 0.847, 0.786, 0.725, 0.746, 0.679, 0.608, 0.655,
        0.616, 0.606, 0.602, 0.626, 0.651, 0.724, 0.649, 0.649, 0.694, 0.644, 0.624, 0.661, 0.612, 0.558,
        0.533, 0.495, 0.5, 0.423, 0.395, 0.375, 0.372, 0.391, 0.396, 0.405, 0.428, 0.429, 0.523, 0.562,
        0.607, 0.653, 0.672, 0.708, 0.633, 0.668, 0.645, 0.632, 0.591, 0.559, 0.597, 0.625, 0.739, 0.71,
        0.729, 0.72, 0.636, 0.581, 0.428, 0.292, 0.162, 0.098, 0.054,
    ];
    let g = x.builder();
    let t = along(g, 65, |i| (i - 1.0) / 10.0);
    let bell = |k: usize| x.at(k) * (-(t - x.at(k + 7)).square() * x.at(k + 4)).exp();
    g.constant(Y) - x.at(0) * (-t * x.at(4)).exp() - bell(1) - bell(2) - bell(3)
}
