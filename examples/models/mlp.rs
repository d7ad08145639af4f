//! Two regressions by networks of one hidden layer.

use crate::Failure;
use crate::model::{Column, Model, Recipe, normal, rows, uniform};
use crate::weights::Weights;
use cotangent::{Builder, DType, LossReduction};

/// 2-8-1 on a grid of 5 x 5 points, all at once.
pub fn grid(dtype: DType) -> Result<Model, Failure> {
    let g = Builder::new();
    let mut weights = Weights::new(&g, dtype);
    let hidden = weights.linear("hidden", 2, 8)?;
    let output = weights.linear("output", 8, 1)?;
    let x = g.input("x", dtype, [25, 2]);
    let y = g.input("y", dtype, [25, 1]);
    let loss = output.of(hidden.of(x).tanh()).mse(y, LossReduction::Mean);

    let place = |i: usize| i as f64 / 2.0 - 1.0;
    let points: Vec<[f64; 2]> = (0..25).map(|i| [place(i / 5), place(i % 5)]).collect();
    let y: Vec<f64> = points.iter().map(|[a, b]| (2.0 * a).sin() * b + 0.5 * a * a).collect();
    let data = vec![Column::Float(points.concat()), Column::Float(y)];
    Model::new(&g, loss, weights, Recipe::adam(0.03, 200, 0.05), move |_| data.clone())
}

const CARS: usize = 40;
const FEATURES: usize = 7;
const BATCH: usize = 5;

/// 7-32-1 on features of cars like those of the Auto MPG data, in batches of 5. The
/// cars are made up: what they drink grows with weight and power and falls with the
/// year, in standardised units and with noise.
pub fn cars(dtype: DType) -> Result<Model, Failure> {
    let g = Builder::new();
    let mut weights = Weights::new(&g, dtype);
    let hidden = weights.linear("hidden", FEATURES, 32)?;
    let output = weights.linear("output", 32, 1)?;
    let x = g.input("x", dtype, [BATCH, FEATURES]);
    let y = g.input("y", dtype, [BATCH, 1]);
    let loss = output.of(hidden.of(x).relu()).mse(y, LossReduction::Mean);

    let features = uniform(CARS * FEATURES, [-1.7, 1.7], 11)?;
    let noise = normal(CARS, 12)?;
    let consumption = |(car, noise): (&[f64], f64)| {
        let [weight, power, year] = [car[3], car[2], car[5]];
        0.1 * noise + 0.4 * year - 0.6 * weight - 0.3 * power + 0.2 * weight * power
    };
    let y: Vec<f64> = features.chunks(FEATURES).zip(noise).map(consumption).collect();
    let recipe = Recipe { epoch: CARS / BATCH, ..Recipe::adam(1e-3, 320, 0.2) };
    Model::new(&g, loss, weights, recipe, move |step| {
        vec![Column::Float(rows(&features, FEATURES, BATCH, step)), Column::Float(rows(&y, 1, BATCH, step))]
    })
}
