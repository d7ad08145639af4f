//! A Kolmogorov-Arnold network: on every edge a function of one variable, here
//! piecewise linear on a grid, a sum of hats.

use crate::Failure;
use crate::model::{Column, Model, Recipe, uniform};
use crate::weights::Weights;
use cotangent::optim::Init;
use cotangent::{Builder, DType, LossReduction, Var};

const POINTS: usize = 64;
const KNOTS: usize = 9;

/// Sums over the inputs of a function each: x (n, i) and heights (i knots, o) of the
/// functions at knots that cover [-1, 1] evenly.
fn edges<'b>(x: Var<'b>, heights: Var<'b>, knots: Var<'b>) -> Var<'b> {
    let (n, inputs) = (x.shape().dims()[0], x.shape().dims()[1]);
    let spacing = 2.0 / (KNOTS - 1) as f64;
    let distance = (x.reshape([n, inputs, 1]) - knots).abs().scale(1.0 / spacing);
    let hats = (1.0 - distance).relu();
    hats.reshape([n, inputs * KNOTS]).matmul(heights)
}

/// exp(sin(pi a) + b^2) from a and b.
pub fn kan(dtype: DType) -> Result<Model, Failure> {
    let g = Builder::new();
    let mut weights = Weights::new(&g, dtype);
    let start = Init::Normal { mean: 0.0, std: 0.2 };
    let first = weights.add("first", &[2 * KNOTS, 4], start)?;
    let second = weights.add("second", &[4 * KNOTS, 1], start)?;
    let x = g.input("x", dtype, [POINTS, 2]);
    let y = g.input("y", dtype, [POINTS, 1]);
    let knots: Vec<f64> = (0..KNOTS).map(|i| 2.0 * i as f64 / (KNOTS - 1) as f64 - 1.0).collect();
    let knots = g.constant(&knots).cast(dtype);
    let inner = edges(x, first, knots).tanh();
    let loss = edges(inner, second, knots).mse(y, LossReduction::Mean);

    let points = uniform(2 * POINTS, [-1.0, 1.0], 31)?;
    let y = points.chunks(2).map(|p| ((std::f64::consts::PI * p[0]).sin() + p[1] * p[1]).exp());
    let data = vec![Column::Float(points.clone()), Column::Float(y.collect())];
    Model::new(&g, loss, weights, Recipe::adam(0.05, 150, 0.02), move |_| data.clone())
}
