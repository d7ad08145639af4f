//! Recurrent networks, as loops: the next value of a wave from those before it.

use crate::Failure;
use crate::model::{Column, Model, Recipe, uniform};
use crate::weights::Weights;
use cotangent::optim::Init;
use cotangent::{Builder, DType, LossReduction, Var};

const BATCH: usize = 8;
const TIME: usize = 12;
const WIDTH: usize = 12;

/// Long short-term memory.
pub fn lstm(dtype: DType) -> Result<Model, Failure> {
    waves(dtype, 4, |x, [h, c], w, b| x.lstm_cell([h, c], w, b))
}

/// Gated recurrent units.
pub fn gru(dtype: DType) -> Result<Model, Failure> {
    waves(dtype, 3, |x, [h, c], w, b| [x.gru_cell(h, w, b), c])
}

/// A cell: input, states, weights and biases to the next states.
type Cell = for<'b> fn(Var<'b>, [Var<'b>; 2], [Var<'b>; 2], [Var<'b>; 2]) -> [Var<'b>; 2];

fn waves(dtype: DType, gates: usize, cell: Cell) -> Result<Model, Failure> {
    let g = Builder::new();
    let mut weights = Weights::new(&g, dtype);
    let bound = 1.0 / (WIDTH as f64).sqrt();
    let spread = Init::Uniform { low: -bound, high: bound };
    let w = [
        weights.add("w_ih", &[gates * WIDTH, 1], spread)?,
        weights.add("w_hh", &[gates * WIDTH, WIDTH], spread)?,
    ];
    let b = [weights.add("b_ih", &[gates * WIDTH], spread)?, weights.add("b_hh", &[gates * WIDTH], spread)?];
    let head = weights.linear("head", WIDTH, 1)?;
    let x = g.input("x", dtype, [TIME, BATCH, 1]);
    let y = g.input("y", dtype, [BATCH, 1]);
    let nothing = g.full(dtype, [BATCH, WIDTH], 0.0);
    let (last, _) = g.scan(TIME, &[nothing; 2], &[x], |_, state, x| {
        (cell(x[0], [state[0], state[1]], w, b).to_vec(), vec![])
    });
    let loss = head.of(last[0]).mse(y, LossReduction::Mean);

    let phases = uniform(BATCH * EPOCH, [0.0, std::f64::consts::TAU], 21)?;
    let wave = |phase: f64, t: usize| {
        let t = t as f64;
        (0.6 * t + phase).sin() + 0.4 * (1.3 * t + 2.0 * phase).cos()
    };
    let recipe = Recipe { epoch: EPOCH, clip: Some(1.0), ..Recipe::adam(0.02, 120, 0.2) };
    Model::new(&g, loss, weights, recipe, move |step| {
        let phases = &phases[step % EPOCH * BATCH..][..BATCH];
        let x = (0..TIME).flat_map(|t| phases.iter().map(move |&phase| wave(phase, t)));
        let y = phases.iter().map(|&phase| wave(phase, TIME));
        vec![Column::Float(x.collect()), Column::Float(y.collect())]
    })
}

/// Batches of different waves.
const EPOCH: usize = 4;
