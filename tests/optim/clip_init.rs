//! Clipping and initial values.

use super::{Failure, assert_close};
use cotangent::optim::{Init, clip_by_norm, clip_by_percentile, clip_by_value, global_norm};

#[test]
fn by_norm() -> Result<(), Failure> {
    let mut grads = [vec![3.0, 0.0], vec![-4.0]];
    assert_eq!(clip_by_norm(&mut grads, 6.0)?, 5.0);
    assert_eq!(grads, [vec![3.0, 0.0], vec![-4.0]]);
    assert_eq!(clip_by_norm(&mut grads, 2.5)?, 5.0);
    assert_eq!(grads, [vec![1.5, 0.0], vec![-2.0]]);
    let mut narrow = [[3.0f32, -4.0]];
    assert_eq!((clip_by_norm(&mut narrow, 2.5)?, narrow), (5.0, [[1.5, -2.0]]));
    assert!(clip_by_norm(&mut [[f64::NAN, 1.0]], 1.0)?.is_nan());
    let mut infinite = [[f64::INFINITY, 1.0]];
    assert_eq!((clip_by_norm(&mut infinite, 1.0)?, infinite), (f64::INFINITY, [[f64::INFINITY, 1.0]]));
    Ok(())
}

/// Squares that overflow or vanish.
#[test]
fn norms_of_extreme_numbers() {
    for scale in [1e300, 1e160, 1.0, 1e-160, 1e-300, 5e-324 * 1024.0] {
        let norm = global_norm(&[[3.0 * scale], [-4.0 * scale]]);
        assert!((norm / (5.0 * scale) - 1.0).abs() < 1e-14, "{scale:e}: {norm:e}");
    }
    assert_eq!(global_norm::<f64, [f64; 0]>(&[]), 0.0);
    assert_eq!(global_norm(&[[0.0f32, -0.0]]), 0.0);
}

#[test]
fn by_value() -> Result<(), Failure> {
    let mut grads = [vec![3.0, -0.5], vec![-4.0, f64::INFINITY, f64::NAN]];
    clip_by_value(&mut grads, 1.0)?;
    assert_eq!(grads[0], [1.0, -0.5]);
    assert_eq!(grads[1][..2], [-1.0, 1.0]);
    assert!(grads[1][2].is_nan());
    Ok(())
}

#[test]
fn by_percentile() -> Result<(), Failure> {
    let start = [vec![3.0, -1.0], vec![-4.0, 2.0, 0.0]];
    for (percentile, limit) in [(100.0, 4.0), (75.0, 3.0), (50.0, 2.0), (62.5, 2.5), (10.0, 0.4), (0.0, 0.0)]
    {
        let mut grads = start.clone();
        assert_eq!(clip_by_percentile(&mut grads, percentile)?, limit);
        let expected =
            start.clone().map(|v| v.iter().map(|g: &f64| g.clamp(-limit, limit)).collect::<Vec<_>>());
        assert_eq!(grads, expected);
    }
    assert_eq!(clip_by_percentile::<f64, [f64; 0]>(&mut [], 50.0)?, 0.0);
    assert_eq!(clip_by_percentile(&mut [[f64::NAN, 2.0, 1.0]], 50.0)?, 1.5);
    Ok(())
}

/// The integers of the generator are known: for seed 0 the first words are these.
#[test]
fn uniform_values_are_those_integers() -> Result<(), Failure> {
    let words = [1293516399u32, 2939677055, 1326138252, 994118778];
    let unit = Init::Uniform { low: 0.0, high: 1.0 }.values::<f64>([4], 0)?;
    assert_eq!(unit, words.map(|w| f64::from(w) / 4294967296.0));
    let wide = Init::Uniform { low: -1.0, high: 3.0 }.values::<f64>([4], 0)?;
    assert_close(&wide, &words.map(|w| f64::from(w) / 1073741824.0 - 1.0), 1e-15, "stretched");
    let narrow = Init::Uniform { low: 0.0, high: 1.0 }.values::<f32>([4], 0)?;
    assert_eq!(narrow, words.map(|w| (f64::from(w) / 4294967296.0) as f32));
    let bound = (6.0f64 / 5.0).sqrt();
    let xavier = Init::XavierUniform.values::<f64>([2, 3], 0)?;
    assert_close(&xavier[..4], &unit.iter().map(|u| (2.0 * u - 1.0) * bound).collect::<Vec<_>>(), 1e-14, "");
    let normal = Init::Normal { mean: 0.0, std: 1.0 }.values::<f64>([2], 0)?;
    let expected: [f64; 2] = std::array::from_fn(|i| {
        let u1 = (f64::from(words[2 * i]) + 1.0) / 4294967297.0;
        let u2 = f64::from(words[2 * i + 1]) / 4294967296.0;
        (-2.0 * u1.ln()).sqrt() * (2.0 * std::f64::consts::PI * u2).cos()
    });
    assert_close(&normal, &expected, 1e-14, "normal");
    Ok(())
}

/// Moments of many values: mean and variance within five standard errors.
#[test]
fn moments() -> Result<(), Failure> {
    let n = 100_000usize;
    let bound = |fan: f64| 6.0 / fan / 3.0;
    // Fans of (n / 50, 2, 5, 5): 50 in, n / 2 out.
    let (fan_in, fan_out) = (50.0, n as f64 / 2.0);
    let cases = [
        (Init::Uniform { low: 1.0, high: 4.0 }, 2.5, 0.75),
        (Init::Normal { mean: -1.0, std: 2.0 }, -1.0, 4.0),
        (Init::XavierUniform, 0.0, bound(fan_in + fan_out)),
        (Init::XavierNormal, 0.0, 2.0 / (fan_in + fan_out)),
        (Init::KaimingUniform, 0.0, bound(fan_in)),
        (Init::KaimingNormal, 0.0, 2.0 / fan_in),
    ];
    for (init, mean, variance) in cases {
        let values = init.values::<f64>([n / 50, 2, 5, 5], 7)?;
        assert_eq!(values.len(), n);
        let m = values.iter().sum::<f64>() / n as f64;
        let v = values.iter().map(|x| (x - m).powi(2)).sum::<f64>() / n as f64;
        let errors = ((m - mean).abs() / (variance / n as f64).sqrt(), (v / variance - 1.0).abs());
        assert!(errors.0 < 5.0 && errors.1 < 5.0 * (2.0 / n as f64).sqrt(), "{init:?}: {m} {v}, {errors:?}");
        assert_ne!(values, init.values::<f64>([n / 50, 2, 5, 5], 8)?, "{init:?}: the seed does not matter");
    }
    assert_eq!(Init::Zeros.values::<f32>([2], 1)?, [0.0; 2]);
    assert_eq!(Init::Ones.values::<f32>((), 1)?, [1.0]);
    Ok(())
}
