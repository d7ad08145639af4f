//! Whole small trainings whose losses were worked out elsewhere.

use super::{Failure, assert_close, value_and_grads};
use cotangent::optim::{Optimizer, Rule, Schedule};
use cotangent::{Builder, LossReduction, dtype};

/// A 2-3-1 network with relu, mean squared error, plain gradient descent.
#[test]
fn gradient_descent_on_a_small_network() -> Result<(), Failure> {
    let shapes: [&[usize]; 4] = [&[3, 2], &[3], &[1, 3], &[1]];
    let g = Builder::new();
    let [w1, b1, w2, b2] = std::array::from_fn(|i| g.input("", dtype::f64, shapes[i]));
    let x = g.constant([0.5, 0.8]);
    let y = x.linear(w1, Some(b1)).relu().linear(w2, Some(b2));
    let graph = g.finish(&[y.mse(g.constant([1.0]), LossReduction::Mean)])?;
    let mut params =
        [vec![0.1, 0.2, 0.3, 0.4, 0.5, 0.6], vec![0.1, 0.2, 0.3], vec![0.7, 0.8, 0.9], vec![0.4]];
    let mut optimizer = Optimizer::new(Rule::sgd(), Schedule::constant(0.1))?;
    let mut losses = Vec::new();
    for _ in 0..7 {
        let (loss, grads) = value_and_grads(&graph, &shapes, &params)?;
        losses.push(loss);
        optimizer.step(&mut params, &grads)?;
    }
    let expected = [
        1.1664,
        0.01605741827321399,
        6.079914821873465e-4,
        1.8116969466631106e-5,
        5.116816886166e-7,
        1.43146828304e-8,
        3.99821067681e-10,
    ];
    for (got, expected) in losses.iter().zip(expected) {
        assert!((got - expected).abs() <= 1e-12 + 1e-10 * expected, "{losses:?}");
    }
    Ok(())
}

/// A line through four points by AdamW with linear warm-up.
#[test]
fn adamw_with_warmup_on_a_line() -> Result<(), Failure> {
    let g = Builder::new();
    let [w, b] = std::array::from_fn(|_| g.input("", dtype::f64, ()));
    let (x, y) = (g.constant([0.0, 1.0, 2.0, 3.0]), g.constant([1.0, 3.0, 5.0, 7.0]));
    let graph = g.finish(&[(w * x + b).mse(y, LossReduction::Mean)])?;
    let shapes: [&[usize]; 2] = [&[], &[]];
    let mut params = [vec![0.5], vec![0.0]];
    let warmup = Schedule::LinearWarmup { start: 0.05, target: 0.2, steps: 2 };
    let mut optimizer = Optimizer::new(Rule::adamw(), warmup)?;
    let (mut losses, mut rates) = (Vec::new(), Vec::new());
    for _ in 0..5 {
        let (loss, grads) = value_and_grads(&graph, &shapes, &params)?;
        losses.push(loss);
        rates.push(optimizer.rate(0).ok_or("no group")?);
        optimizer.step(&mut params, &grads)?;
    }
    assert_close(&rates, &[0.05, 0.125, 0.2, 0.2, 0.2], 1e-15, "rates");
    let expected = [13.375, 12.393750096225, 10.107247494807, 6.950670724117, 4.419493172048];
    assert_close(&losses, &expected, 1e-12, "losses");
    assert_close(&[params[0][0], params[1][0]], &[1.260503328030, 0.759618184754], 1e-11, "parameters");
    assert_close(&[value_and_grads(&graph, &shapes, &params)?.0], &[2.505061721723], 1e-12, "loss");
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
