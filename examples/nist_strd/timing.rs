//! How long compiling (formula to graph to native code) and one gradient take.

use crate::model::{Model, ModelError};
use crate::problem::Problem;
use std::time::{Duration, Instant};

/// Times of one model.
#[derive(Clone, Copy, Debug)]
pub struct Times {
    pub compile: Duration,
    /// Nanoseconds for a value with its gradient.
    pub tape: f64,
    pub jit: f64,
}

/// Each time is measured often enough and the least one kept: what else runs on
/// the machine can only add to it.
const BUDGET: Duration = Duration::from_millis(5);

/// Times a model at given parameters, over the observations of its problem.
pub fn time(problem: &Problem, model: &mut Model, b: &[f64]) -> Result<Times, ModelError> {
    let mut db = vec![0.0; b.len()];
    let compile = least(|| Model::compile(problem).map(drop))?;
    let per_gradient = |pass: Duration| pass.as_secs_f64() * 1e9 / problem.observations.len() as f64;
    let jit = least(|| {
        let mut each = problem.observations.iter();
        each.try_for_each(|o| model.value_and_grad(b, &o.x, &mut db).map(drop))
    })?;
    let tape = least(|| {
        let mut each = problem.observations.iter();
        each.try_for_each(|o| model.value_and_grad_by_tape(b, &o.x, &mut db).map(drop))
    })?;
    Ok(Times { compile, tape: per_gradient(tape), jit: per_gradient(jit) })
}

/// The shortest of several runs.
fn least(mut run: impl FnMut() -> Result<(), ModelError>) -> Result<Duration, ModelError> {
    let (begun, mut least) = (Instant::now(), Duration::MAX);
    for _ in 0..1000 {
        let start = Instant::now();
        run()?;
        least = least.min(start.elapsed());
        if begun.elapsed() > BUDGET {
            break;
        }
    }
    Ok(least)
}
