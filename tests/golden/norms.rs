//! Normalisations made of means and square roots, eps 1e-6.

use super::{Input, TIGHT, golden, near, seeded};
use cotangent::{KeepDims, Var};

const EPS: f64 = 1e-6;

/// (x - mean) / sqrt(var + eps) over some axes.
fn normal<'b>(x: Var<'b>, axes: &[isize]) -> Var<'b> {
    let centred = x - x.mean_over(axes, KeepDims::Yes);
    centred / (centred.square().mean_over(axes, KeepDims::Yes) + EPS).sqrt()
}

fn layer_norm<'b>(v: &[Var<'b>]) -> Var<'b> {
    normal(v[0], &[-1]) * v[1] + v[2]
}

/// Case 5.
#[test]
fn layer_norm_of_three() {
    let inputs: [Input<'_>; 3] =
        [(&[2, 3], &[0.1, 0.2, 0.3, 0.4, 0.5, 0.6]), (&[3], &[1.0, 0.9, 1.1]), (&[3], &[0.0, 0.1, -0.1])];
    let a = golden(&inputs, layer_norm);
    let row = [-1.224653025859, 0.1, 1.247118328445];
    near(&a.value, &[row, row].concat(), TIGHT);
    let dx = [0.612234677728, -1.224653025859, 0.612418348131];
    near(&a.gradients[0], &[dx, dx].concat(), TIGHT);
    near(&a.gradients[1], &[-2.449306051717, 0.0, 2.449306051717], TIGHT);
    near(&a.gradients[2], &[2.0; 3], TIGHT);
}

/// Case 6.
#[test]
fn layer_norm_with_seeds() {
    let inputs: [Input<'_>; 3] = [
        (&[2, 4], &[0.1, 0.2, 0.0, -0.1, -0.3, 0.5, 0.2, 0.1]),
        (&[4], &[1.0, 0.9, 1.1, 1.0]),
        (&[4], &[0.0, 0.1, -0.1, 0.0]),
    ];
    let a = seeded(&inputs, &[1.0, 2.0, 3.0, 4.0, -1.0, 0.5, 0.0, 2.0], layer_norm);
    let dx = [
        [-9.659745671308, 5.454832504337, 2.951810050868, 1.253103116104],
        [-2.295656835182, -1.870088854859, -1.702039827063, 5.867785517104],
    ];
    near(&a.gradients[0], &dx.concat(), TIGHT);
    near(&a.gradients[1], &[1.932483533921, 3.338448289011, -1.341587124088, -5.541088240575], TIGHT);
    near(&a.gradients[2], &[0.0, 2.5, 3.0, 6.0], TIGHT);
}

const CHANNELS: [Input<'static>; 3] =
    [(&[2, 2, 2], &[1.0, 2.0, 3.0, 4.0, -0.5, 0.5, 1.5, -1.0]), (&[2], &[1.0, 0.5]), (&[2], &[0.0, 0.1])];

fn channel_norm<'b>(v: &[Var<'b>]) -> Var<'b> {
    v[0].batch_norm_sample(v[1], v[2], EPS)
}

/// Case 7: the gradient of a sum of centred numbers is zero.
#[test]
fn one_sample_batch_norm() {
    let a = golden(&CHANNELS, channel_norm);
    let y = [
        [-1.341640249844, -0.447213416615, 0.447213416615, 1.341640249844],
        [-0.225472100925, 0.295283260555, 0.816038622035, -0.485849781665],
    ];
    near(&a.value, &y.concat(), TIGHT);
    near(&a.gradients[0], &[0.0; 8], TIGHT);
    near(&a.gradients[1], &[0.0; 2], TIGHT);
    near(&a.gradients[2], &[4.0; 2], TIGHT);
}

/// Case 8.
#[test]
fn one_sample_batch_norm_with_seeds() {
    let a = seeded(&CHANNELS, &[1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0], channel_norm);
    let dx = [
        [0.268328371962, -0.357770625961, -0.089442790654, 0.178885044652],
        [-0.229485305822, -0.070610961099, 0.088263383625, 0.211832883296],
    ];
    near(&a.gradients[0], &dx.concat(), TIGHT);
}

/// Case 20: statistics over samples and space, and given ones.
#[test]
fn batch_norm() {
    let x: Vec<f64> = (1..=16).map(|i| f64::from(if (i - 1) / 4 % 2 == 1 { -i } else { i })).collect();
    let inputs: [Input<'_>; 3] = [(&[2, 2, 2, 2], &x), (&[2, 1, 1], &[1.0, 0.5]), (&[2, 1, 1], &[0.0, 0.1])];
    let mean = golden(&inputs[..1], |v| v[0].mean_over(&[0, 2, 3], KeepDims::No));
    near(&mean.value, &[6.5, -10.5], TIGHT);
    let variance = golden(&inputs[..1], |v| {
        (v[0] - v[0].mean_over(&[0, 2, 3], KeepDims::Yes)).square().mean_over(&[0, 2, 3], KeepDims::No)
    });
    near(&variance.value, &[17.25; 2], TIGHT);
    let a = golden(&inputs, |v| normal(v[0], &[0, 2, 3]) * v[1] + v[2]);
    let y = [
        [-1.324244345560, -1.083472646367, -0.842700947174, -0.601929247982],
        [0.762122172780, 0.641736323183, 0.521350473587, 0.400964623991],
        [0.601929247982, 0.842700947174, 1.083472646367, 1.324244345560],
        [-0.200964623991, -0.321350473587, -0.441736323183, -0.562122172780],
    ];
    near(&a.value, &y.concat(), TIGHT);
    let given = golden(&inputs, |v| {
        let g = v[0].builder();
        let (mean, var) = (g.constant_of([2, 1, 1], [2.0, -3.0]), g.constant_of([2, 1, 1], [4.0, 9.0]));
        (v[0] - mean) / (var + EPS).sqrt() * v[1] + v[2]
    });
    near(&given.value[..4], &[-0.4999999375, 0.0, 0.4999999375, 0.999999875], TIGHT);
}
