//! Convolutions and pools.

use super::{Input, TIGHT, golden, near, seeded};
use cotangent::{Conv, PadCells, Pool};

const K4: [f64; 4] = [0.2, -0.1, 0.3, 0.4];
const K8: [f64; 8] = [0.2, -0.1, 0.3, 0.4, -0.25, 0.15, 0.05, -0.35];

fn ramp(n: usize) -> Vec<f64> {
    (1..=n).map(|i| i as f64).collect()
}

/// Cases 9 and 10.
#[test]
fn kernel_of_four() {
    let inputs: [Input<'_>; 3] = [(&[1, 2, 2], &[1.0, 2.0, 3.0, 4.0]), (&[1, 1, 2, 2], &K4), (&[1], &[0.05])];
    let a = golden(&inputs, |v| v[0].conv(v[1], Some(v[2]), &Conv::new()));
    near(&a.value, &[2.55], TIGHT);
    near(&a.gradients[0], &K4, TIGHT);
    near(&a.gradients[1], &[1.0, 2.0, 3.0, 4.0], TIGHT);
    near(&a.gradients[2], &[1.0], TIGHT);
    let x = ramp(9);
    let inputs: [Input<'_>; 3] = [(&[1, 1, 3, 3], &x), (&[1, 1, 2, 2], &K4), (&[1], &[0.05])];
    let a = golden(&inputs, |v| v[0].conv(v[1], Some(v[2]), &Conv::new()));
    near(&a.value, &[3.25, 4.05, 5.65, 6.45], TIGHT);
    near(&a.gradients[0], &[0.2, 0.1, -0.1, 0.5, 0.8, 0.3, 0.3, 0.7, 0.4], TIGHT);
    near(&a.gradients[1], &[12.0, 16.0, 24.0, 28.0], TIGHT);
    near(&a.gradients[2], &[4.0], TIGHT);
}

/// Case 11.
#[test]
fn three_axes() {
    let x = ramp(27);
    let inputs: [Input<'_>; 3] = [(&[1, 3, 3, 3], &x), (&[1, 1, 2, 2, 2], &K8), (&[1], &[0.05])];
    let a = golden(&inputs, |v| v[0].conv(v[1], Some(v[2]), &Conv::new()));
    near(&a.value, &[-1.85, -1.45, -0.65, -0.25, 1.75, 2.15, 2.95, 3.35], TIGHT);
    near(&a.gradients[1], &[60.0, 68.0, 84.0, 92.0, 132.0, 140.0, 156.0, 164.0], TIGHT);
    near(&a.gradients[2], &[8.0], TIGHT);
}

/// Cases 12 and 13.
#[test]
fn transposed() {
    let x = ramp(9);
    let inputs: [Input<'_>; 3] = [(&[1, 3, 3], &x), (&[1, 1, 2, 2], &K4), (&[1], &[0.05])];
    let a = golden(&inputs, |v| v[0].conv_transpose(v[1], Some(v[2]), &Conv::new()));
    let want =
        [0.25, 0.35, 0.45, -0.25, 1.15, 1.65, 2.45, 0.65, 2.65, 4.05, 4.85, 1.55, 2.15, 5.25, 5.95, 3.65];
    near(&a.value, &want, TIGHT);
    near(&a.gradients[0], &[0.8; 9], TIGHT);
    near(&a.gradients[1], &[45.0; 4], TIGHT);
    near(&a.gradients[2], &[16.0], TIGHT);
    let x = ramp(8);
    let inputs: [Input<'_>; 3] = [(&[1, 2, 2, 2], &x), (&[1, 1, 2, 2, 2], &K8), (&[1], &[0.01])];
    let a = golden(&inputs, |v| v[0].conv_transpose(v[1], Some(v[2]), &Conv::new()));
    near(&a.value[..9], &[0.21, 0.31, -0.19, 0.91, 1.51, 0.41, 0.91, 2.41, 1.61], TIGHT);
    near(&a.gradients[0], &[0.4; 8], TIGHT);
    near(&a.gradients[1], &[36.0; 8], TIGHT);
    near(&a.gradients[2], &[27.0], TIGHT);
    let one: [Input<'_>; 2] = [(&[1, 1], &[2.0]), (&[1, 1, 3], &[1.0, 2.0, 3.0])];
    let a = golden(&one, |v| v[0].conv_transpose(v[1], None, &Conv::new().padding([1])));
    near(&a.value, &[4.0], TIGHT);
}

/// Case 17.
#[test]
fn pools_of_four_by_four() {
    let x: Vec<f64> = (0..16).map(|i| f64::from(10 * (i / 4) + i % 4)).collect();
    let inputs: [Input<'_>; 1] = [(&[1, 4, 4], &x)];
    let a = golden(&inputs, |v| v[0].max_pool(&Pool::new([2, 2])));
    near(&a.value, &[11.0, 13.0, 31.0, 33.0], TIGHT);
    let hit: Vec<f64> = (0..16).map(|i| f64::from((i / 4 % 2) * (i % 2))).collect();
    near(&a.gradients[0], &hit, TIGHT);
    let a = golden(&inputs, |v| v[0].avg_pool(&Pool::new([2, 2]), PadCells::Counted));
    near(&a.value, &[5.5, 7.5, 25.5, 27.5], TIGHT);
    near(&a.gradients[0], &[0.25; 16], TIGHT);
}

/// Cases 18 and 44.
#[test]
fn padding_never_wins() {
    let three: [Input<'_>; 1] = [(&[1, 1, 1], &[-3.0])];
    let a = golden(&three, |v| v[0].max_pool(&Pool::new([2, 2]).stride([1, 1]).padding([1, 1])));
    near(&a.value, &[-3.0; 4], 0.0);
    near(&a.gradients[0], &[4.0], 0.0);
    let four: [Input<'_>; 1] = [(&[1, 1, 1, 1], &[-3.0])];
    let pool = Pool::new([2, 2, 2]).stride([1, 1, 1]).padding([1, 1, 1]);
    let a = golden(&four, |v| v[0].max_pool(&pool));
    near(&a.value, &[-3.0; 8], 0.0);
    near(&a.gradients[0], &[8.0], 0.0);
    let a = golden(&[(&[1, 0], &[])], |v| v[0].max_pool(&Pool::new([2]).padding([1])));
    near(&a.value, &[], 0.0);
}

/// Case 19, and every order of four cells: the gradient is at the largest.
#[test]
fn largest_of_a_window() {
    let a = golden(&[(&[1, 2, 2], &[1.0, 2.0, 5.0, 3.0])], |v| v[0].max_pool(&Pool::new([2, 2])));
    near(&a.value, &[5.0], 0.0);
    near(&a.gradients[0], &[0.0, 0.0, 1.0, 0.0], 0.0);
    for (i, order) in orders().into_iter().enumerate() {
        let a = seeded(&[(&[1, 2, 2], &order)], &[2.0], |v| v[0].max_pool(&Pool::new([2, 2])));
        let hit = order.map(|x| if x == 4.0 { 2.0 } else { 0.0 });
        near(&a.gradients[0], &hit, 0.0);
        assert!(i < 24);
    }
}

fn orders() -> Vec<[f64; 4]> {
    let mut all = Vec::new();
    for code in 0..256 {
        let order = [code % 4, code / 4 % 4, code / 16 % 4, code / 64].map(|d| f64::from(d) + 1.0);
        if (1..5).all(|d| order.contains(&f64::from(d))) {
            all.push(order);
        }
    }
    all
}

/// Case 39.
#[test]
fn smooth_pools() {
    let inputs: [Input<'_>; 1] = [(&[1, 2, 2], &[1.0, 2.0, 3.0, 4.0])];
    let a = golden(&inputs, |v| v[0].smooth_max_pool(&Pool::new([2, 2]), 2.0));
    near(&a.value, &[4.072538969480391], TIGHT);
    near(&a.gradients[0], &[0.002144008784, 0.015842201179, 0.117058913239, 0.864954876799], 1e-12);
    let pool = Pool::new([2, 2]).stride([1, 1]).padding([1, 1]);
    let a = golden(&[(&[1, 1, 1], &[-3.0])], |v| v[0].smooth_max_pool(&pool, 1.0));
    near(&a.value, &[1.115071774532; 4], 1e-12);
}
