//! Whole small trainings whose losses were worked out elsewhere.

use super::{Failure, assert_close, value_and_grads};
use crate::support::training::{LINE, LINE_END, LINE_END_LOSS, LINE_RATES, NETWORK};
use cotangent::optim::{Optimizer, Rule, Schedule};
use cotangent::{Builder, LossReduction, dtype};

#[test]
fn gradient_descent_on_a_small_network() -> Result<(), Failure> {
    let shapes: [&[usize]; 4] = [&[3, 2], &[3], &[1, 3], &[1]];
    let g = Builder::new();
    let [w1, b1, w2, b2] = std::array::from_fn(|i| g.input("", dtype::f64, shapes[i]));
    let x = g.constant([0.5, 0.8]);
    let y = x.linear(w1, Some(b1)).relu().linear(w2, Some(b2));
    let graph = g.finish(&[y.mse(g.constant([1.0]), LossReduction::Mean)])?;
    let mut optimizer = Optimizer::new(Rule::sgd(), Schedule::constant(0.1))?;
    let (losses, _) =
        NETWORK.run(|p| value_and_grads(&graph, &shapes, p), |p, grads| Ok(optimizer.step(p, grads)?))?;
    for (got, expected) in losses.iter().zip(NETWORK.losses) {
        assert!((got - expected).abs() <= 1e-12 + 1e-10 * expected, "{losses:?}");
    }
    Ok(())
}

#[test]
fn adamw_with_warmup_on_a_line() -> Result<(), Failure> {
    let g = Builder::new();
    let [w, b] = std::array::from_fn(|_| g.input("", dtype::f64, ()));
    let (x, y) = (g.constant([0.0, 1.0, 2.0, 3.0]), g.constant([1.0, 3.0, 5.0, 7.0]));
    let graph = g.finish(&[(w * x + b).mse(y, LossReduction::Mean)])?;
    let loss = |p: &[Vec<f64>]| value_and_grads(&graph, &[&[], &[]], p);
    let warmup = Schedule::LinearWarmup { start: 0.05, target: 0.2, steps: 2 };
    let mut optimizer = Optimizer::new(Rule::adamw(), warmup)?;
    let mut rates = Vec::new();
    let (losses, params) = LINE.run(loss, |p, grads| {
        rates.push(optimizer.rate(0).ok_or("no group")?);
        Ok(optimizer.step(p, grads)?)
    })?;
    assert_close(&rates, &LINE_RATES, 1e-15, "rates");
    assert_close(&losses, LINE.losses, 1e-12, "losses");
    assert_close(&params.concat(), &LINE_END, 1e-11, "parameters");
    assert_close(&[loss(&params)?.0], &[LINE_END_LOSS], 1e-12, "loss");
    Ok(())
}

/// Damping counts from the first step, and Nesterov's direction uses the damped
/// gradient: by hand, with gradient 1 throughout.
#[test]
fn damped_momentum_by_hand() -> Result<(), Failure> {
    use cotangent::optim::Method;
    let run = |method: Method| -> Result<Vec<f64>, Failure> {
        let mut optimizer = Optimizer::new(method.into(), Schedule::constant(1.0))?;
        let mut p = [vec![0.0]];
        (0..3).map(|_| optimizer.step(&mut p, &[[1.0]]).map(|()| p[0][0]).map_err(Failure::from)).collect()
    };
    // Buffers 0.5, 0.75, 0.875.
    assert_eq!(run(Method::Momentum { momentum: 0.5, damping: 0.5 })?, [-0.5, -1.25, -2.125]);
    // Directions 0.5 + half of each.
    assert_eq!(run(Method::Nesterov { momentum: 0.5, damping: 0.5 })?, [-0.75, -1.625, -2.5625]);
    Ok(())
}
