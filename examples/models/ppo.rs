//! Proximal policy optimisation on one batch: a pole on a cart that was pushed at
//! random (the dynamics of Barto, Sutton, Anderson 1983).

use crate::Failure;
use crate::model::{Column, Model, Recipe, uniform};
use crate::weights::Weights;
use cotangent::{Builder, DType, LossReduction};

const BATCH: usize = 128;
const HIDDEN: usize = 16;

/// Position, speed, angle and angular speed, 20 ms after a push to one side.
fn pushed([x, v, angle, spin]: [f64; 4], right: bool) -> [f64; 4] {
    const STEP: f64 = 0.02;
    const POLE: f64 = 0.1;
    const MASS: f64 = 1.1;
    const HALF_LENGTH: f64 = 0.5;
    let force = if right { 10.0 } else { -10.0 };
    let (sin, cos) = angle.sin_cos();
    let push = (force + POLE * HALF_LENGTH * spin * spin * sin) / MASS;
    let turning = (9.8 * sin - cos * push) / (HALF_LENGTH * (4.0 / 3.0 - POLE * cos * cos / MASS));
    let acceleration = push - POLE * HALF_LENGTH * turning * cos / MASS;
    [x + STEP * v, v + STEP * acceleration, angle + STEP * spin, spin + STEP * turning]
}

/// What happened: states, pushes, and how long the pole stood from then on.
struct Experience {
    states: Vec<f64>,
    pushes: Vec<i64>,
    returns: Vec<f64>,
}

fn experience() -> Result<Experience, Failure> {
    let starts = uniform(4 * BATCH, [-0.05, 0.05], 51)?;
    let choices = uniform(BATCH, [0.0, 1.0], 52)?;
    let (mut states, mut pushes, mut rewards) = (Vec::new(), Vec::new(), Vec::new());
    let mut at: Option<[f64; 4]> = None;
    for (start, choice) in starts.chunks(4).zip(choices) {
        let state = at.unwrap_or_else(|| std::array::from_fn(|i| start[i]));
        let right = choice < 0.5;
        states.extend(state);
        pushes.push(i64::from(right));
        let next = pushed(state, right);
        let stands = next[0].abs() < 2.4 && next[2].abs() < 0.2095;
        rewards.push(stands);
        at = stands.then_some(next);
    }
    let mut returns = vec![0.0; BATCH];
    let mut after = 0.0;
    for (value, &stands) in returns.iter_mut().zip(&rewards).rev() {
        after = if stands { 1.0 + 0.95 * after } else { 0.0 };
        *value = after;
    }
    Ok(Experience { states, pushes, returns })
}

pub fn ppo(dtype: DType) -> Result<Model, Failure> {
    let g = Builder::new();
    let mut weights = Weights::new(&g, dtype);
    let (body, policy) = (weights.linear("body", 4, HIDDEN)?, weights.linear("policy", HIDDEN, 2)?);
    let value = weights.linear("value", HIDDEN, 1)?;
    let states = g.input("states", dtype, [BATCH, 4]);
    let pushes = g.input("pushes", DType::I64, [BATCH, 1]);
    let before = g.input("log_probability", dtype, [BATCH, 1]);
    let advantage = g.input("advantage", dtype, [BATCH, 1]);
    let returns = g.input("returns", dtype, [BATCH, 1]);

    let hidden = body.of(states).tanh();
    let log_probabilities = policy.of(hidden).log_softmax(-1);
    let ratio = (log_probabilities.gather(1, pushes) - before).exp();
    let gain = (ratio * advantage).minimum(ratio.clamp(0.8, 1.2) * advantage).mean();
    let entropy = -(log_probabilities.exp() * log_probabilities).sum().scale(1.0 / BATCH as f64);
    let error = value.of(hidden).mse(returns, LossReduction::Mean);
    let loss = error.scale(0.5) - gain - entropy.scale(0.01);

    let Experience { states, pushes, returns } = experience()?;
    let n = BATCH as f64;
    let mean = returns.iter().sum::<f64>() / n;
    let deviation = (returns.iter().map(|r| (r - mean).powi(2)).sum::<f64>() / n).sqrt();
    let advantage: Vec<f64> = returns.iter().map(|r| (r - mean) / deviation).collect();
    let scaled = returns.iter().map(|r| r / 10.0).collect();
    let data = vec![
        Column::Float(states),
        Column::Index(pushes),
        Column::Float(vec![-std::f64::consts::LN_2; BATCH]),
        Column::Float(advantage),
        Column::Float(scaled),
    ];
    Model::new(&g, loss, weights, Recipe::adam(0.01, 80, 0.5), move |_| data.clone())
}
