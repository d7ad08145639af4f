//! A Fourier neural operator in one dimension: from the state of a viscous fluid
//! (Burgers' equation) to its state half a unit of time later.

use crate::Failure;
use crate::model::{Column, Model, Recipe, normal};
use crate::weights::Weights;
use cotangent::optim::Init;
use cotangent::{Builder, DType, LossReduction, Var};
use std::f64::consts::TAU;

const BATCH: usize = 8;
const GRID: usize = 32;
const MODES: usize = 6;
const WIDTH: usize = 8;
const LAYERS: usize = 2;

/// u_t + u u_x = nu u_xx on a ring, by central differences and Runge-Kutta's method.
fn burgers(mut u: Vec<f64>) -> Vec<f64> {
    const NU: f64 = 0.02;
    const STEPS: usize = 200;
    let (dx, dt) = (1.0 / GRID as f64, 0.5 / STEPS as f64);
    let rate = |u: &[f64]| -> Vec<f64> {
        let slope = |i: usize| {
            let (left, here, right) = (u[(i + GRID - 1) % GRID], u[i], u[(i + 1) % GRID]);
            // The flux u^2 / 2 is conserved.
            (left * left - right * right) / (4.0 * dx) + NU * (left - 2.0 * here + right) / (dx * dx)
        };
        (0..GRID).map(slope).collect()
    };
    let moved = |u: &[f64], by: f64, k: &[f64]| -> Vec<f64> {
        u.iter().zip(k).map(|(u, k)| u + by * dt * k).collect()
    };
    for _ in 0..STEPS {
        let k1 = rate(&u);
        let k2 = rate(&moved(&u, 0.5, &k1));
        let k3 = rate(&moved(&u, 0.5, &k2));
        let k4 = rate(&moved(&u, 1.0, &k3));
        for (by, k) in [(1.0 / 6.0, k1), (1.0 / 3.0, k2), (1.0 / 3.0, k3), (1.0 / 6.0, k4)] {
            u = moved(&u, by, &k);
        }
    }
    u
}

/// A smooth random state: waves of the lowest frequencies.
fn state(coefficients: &[f64]) -> Vec<f64> {
    let at = |i: usize| {
        let x = TAU * i as f64 / GRID as f64;
        let wave = |(k, c): (usize, &[f64])| {
            let turn = (k + 1) as f64 * x;
            (c[0] * turn.cos() + c[1] * turn.sin()) / (k + 1) as f64
        };
        0.5 * coefficients.chunks(2).enumerate().map(wave).sum::<f64>()
    };
    (0..GRID).map(at).collect()
}

/// Cosines and sines of the lowest frequencies, (modes, grid).
fn waves(f: fn(f64) -> f64) -> Vec<f64> {
    let turn = |k: usize, i: usize| TAU * (k * i) as f64 / GRID as f64;
    (0..MODES * GRID).map(|at| f(turn(at / GRID, at % GRID))).collect()
}

/// The lowest frequencies of x (batch, grid, width), each multiplied by a complex matrix
/// of its own (modes, width, width); both transforms are products with dense matrices.
fn spectral<'b>(x: Var<'b>, [re, im]: [Var<'b>; 2], [cos, sin]: [Var<'b>; 2]) -> Var<'b> {
    let modes = |basis: Var<'b>| basis.matmul(x).permute(&[1, 0, 2]);
    // The transform is c - i s.
    let (c, s) = (modes(cos), modes(sin));
    let real = c.matmul(re) + s.matmul(im);
    let imaginary = c.matmul(im) - s.matmul(re);
    let back = |basis: Var<'b>, y: Var<'b>| basis.transpose().matmul(y.permute(&[1, 0, 2]));
    (back(cos, real) - back(sin, imaginary)).scale(2.0 / GRID as f64)
}

pub fn fourier(dtype: DType) -> Result<Model, Failure> {
    let g = Builder::new();
    let mut weights = Weights::new(&g, dtype);
    let lift = weights.linear("lift", 2, WIDTH)?;
    let mut layers = Vec::new();
    for layer in 0..LAYERS {
        let spread = Init::Normal { mean: 0.0, std: 1.0 / WIDTH as f64 };
        let shape = [MODES, WIDTH, WIDTH];
        let kernel = [
            weights.add(&format!("re{layer}"), &shape, spread)?,
            weights.add(&format!("im{layer}"), &shape, spread)?,
        ];
        layers.push((kernel, weights.linear(&format!("skip{layer}"), WIDTH, WIDTH)?));
    }
    let lower = weights.linear("lower", WIDTH, 1)?;
    let u = g.input("u", dtype, [BATCH, GRID, 2]);
    let later = g.input("later", dtype, [BATCH, GRID, 1]);
    let basis = |f| g.constant_of([MODES, GRID], waves(f)).cast(dtype);
    let basis = [basis(f64::cos), basis(f64::sin)];
    let mut x = lift.of(u);
    for (i, &(kernel, skip)) in layers.iter().enumerate() {
        let sum = spectral(x, kernel, basis) + skip.of(x);
        x = if i + 1 < LAYERS { sum.gelu_erf() } else { sum };
    }
    let loss = lower.of(x).mse(later, LossReduction::Mean);

    let mut inputs = Vec::new();
    let mut targets = Vec::new();
    for sample in 0..BATCH as u64 {
        let start = state(&normal(6, 41 + sample)?);
        let places = start.iter().enumerate().flat_map(|(i, &u)| [u, i as f64 / GRID as f64]);
        inputs.extend(places);
        targets.extend(burgers(start));
    }
    let data = vec![Column::Float(inputs), Column::Float(targets)];
    Model::new(&g, loss, weights, Recipe::adam(0.01, 120, 0.1), move |_| data.clone())
}
