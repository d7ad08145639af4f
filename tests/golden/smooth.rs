//! Element-wise functions, softmax and its kin, a scan written out.

use super::{Input, TIGHT, along, golden, near, seeded};
use cotangent::KeepDims;

const ROWS: Input<'static> = (&[2, 3], &[0.1, -0.2, 0.3, 0.05, 0.25, -0.15]);
const SEED: [f64; 6] = [1.0, 0.0, 0.0, 0.0, 2.0, -1.0];

/// Case 2.
#[test]
fn quotient() {
    let a = golden(&[(&[2], &[6.0, 8.0]), (&[2], &[2.0, 4.0])], |v| v[0] / v[1]);
    near(&a.value, &[3.0, 2.0], 0.0);
    near(&a.gradients[0], &[0.5, 0.25], 0.0);
    near(&a.gradients[1], &[-1.5, -0.5], 0.0);
}

/// Case 31: the Jacobian is symmetric.
#[test]
fn softmax() {
    let a = along(&[ROWS], &[SEED.to_vec()], &SEED, |v| v[0].softmax(-1));
    let y = [0.337584537799, 0.250088776622, 0.412326685580, 0.328932922289, 0.401759578533, 0.269307499178];
    let dx =
        [0.223621217638, -0.084426104064, -0.139195113573, -0.175719801750, 0.588894506546, -0.413174704795];
    near(&a.value, &y, TIGHT);
    near(&a.gradients[0], &dx, TIGHT);
    near(&a.tangent, &dx, TIGHT);
}

/// The weights sum to 1 only up to rounding, which must not show where all
/// seeds are equal.
#[test]
fn softmax_of_equal_seeds() {
    let mut rounded = 0;
    for i in 0..20 {
        let x = [0.1 * f64::from(i), 0.3, -0.7, 1.1, 0.05];
        let a = golden(&[(&[5], &x)], |v| v[0].softmax(0));
        rounded += u32::from(a.value.iter().sum::<f64>() != 1.0);
        near(&a.gradients[0], &[0.0; 5], f64::EPSILON * f64::EPSILON);
        near(&a.tangent, &[0.0; 5], f64::EPSILON * f64::EPSILON);
    }
    assert!(rounded >= 5, "{rounded} of 20 sums are off");
}

/// Case 32: that of its logarithm is not.
#[test]
fn log_softmax() {
    let a = along(&[ROWS], &[SEED.to_vec()], &SEED, |v| v[0].log_softmax(-1));
    let vjp =
        [0.662415462201, -0.250088776622, -0.412326685580, -0.328932922289, 1.598240421467, -1.269307499178];
    let jvp =
        [0.662415462201, -0.337584537799, -0.337584537799, -0.534211657889, 1.465788342111, -1.534211657889];
    near(&a.gradients[0], &vjp, TIGHT);
    near(&a.tangent, &jvp, TIGHT);
}

/// Case 36: mean of squares, and the square with seeds 1 and 10.
#[test]
fn squares() {
    let x: Input<'_> = (&[2], &[0.5, -1.2]);
    let a = golden(&[x], |v| v[0].square().mean());
    near(&a.value, &[0.845], TIGHT);
    near(&a.gradients[0], &[0.5, -1.2], TIGHT);
    near(&seeded(&[x], &[1.0, 10.0], |v| v[0].square()).gradients[0], &[1.0, -24.0], TIGHT);
    for (i, column) in [[1.0, 0.0], [0.0, -2.4]].iter().enumerate() {
        let mut unit = vec![0.0; 2];
        unit[i] = 1.0;
        near(&along(&[x], &[unit], &[1.0], |v| v[0].square()).tangent, column, TIGHT);
    }
}

/// Case 37.
#[test]
fn scalars() {
    let half: Input<'_> = (&[], &[0.5]);
    near(&golden(&[half], |v| v[0].exp()).gradients[0], &[1.6487212707001282], TIGHT);
    near(&golden(&[half], |v| 3.0 * v[0] + 1.0).gradients[0], &[3.0], 0.0);
    near(&golden(&[half], |v| (-2.0 * v[0]).exp()).gradients[0], &[-0.7357588823428847], TIGHT);
}

/// Case 33: twenty functions one after another.
#[test]
fn chain() {
    let (a, b) = ([0.1, -0.2, 0.3, -0.15, 0.05], [0.2, 0.1, -0.25, 0.4, -0.05]);
    let y = golden(&[(&[5], &a), (&[5], &b)], |v| {
        let (a, b) = (v[0], v[1]);
        let low = (((a + b) - a.scale(0.3)) * b).maximum(a).minimum(b);
        let high = low.relu().sigmoid().tanh().softplus().exp().abs();
        let root = high.clamp(1e-3, 10.0).sqrt_nonneg();
        (root.recip() + root.log() + root.safe_log(1e-6)).sum()
    });
    near(&y.value, &[8.413694003644869], TIGHT);
    near(&y.gradients[0], &[0.067054346072, 0.0, 0.0, 0.018717839596, 0.0], TIGHT);
    near(&y.gradients[1], &[0.0, 0.0, 0.0, 0.046460351854, 0.0], TIGHT);
}

/// Case 38: log(softplus(x) + 1e-6).
#[test]
fn safe_log() {
    let a = golden(&[(&[5], &[-5.0, 0.0, 0.3, 1.0, 10.0])], |v| v[0].safe_log(1e-6));
    near(
        &a.value,
        &[-5.003210651727, -0.366511477888, -0.157407024086, 0.272514641965, 2.302589732873],
        TIGHT,
    );
    let slope = [0.996501437519, 0.721346479761, 0.672368839733, 0.556673531943, 0.099994996247];
    near(&a.gradients[0], &slope, TIGHT);
}

/// Case 39: a smooth maximum, with beta 2 and 1.
#[test]
fn smooth_maximum() {
    let a = golden(&[(&[4], &[1.0, 2.0, 3.0, 4.0])], |v| (v[0] * 2.0).logsumexp(&[0], KeepDims::No) / 2.0);
    near(&a.value, &[4.072538969480391], TIGHT);
    near(&a.gradients[0], &[0.002144008784, 0.015842201179, 0.117058913239, 0.864954876799], TIGHT);
    let corner = golden(&[(&[1], &[-3.0])], |v| v[0].pad(&[(0, 3)], 0.0).logsumexp(&[0], KeepDims::No));
    near(&corner.value, &[1.115071774532], TIGHT);
}

/// Case 40: h = A h + B x, step by step.
#[test]
fn scan() {
    let inputs: [Input<'_>; 4] = [
        (&[2], &[0.5, 0.25]),
        (&[2], &[1.0, 2.0]),
        (&[3, 2], &[2.0, 1.0, 4.0, -2.0, 0.0, 3.0]),
        (&[2], &[1.0, -1.0]),
    ];
    let a = golden(&inputs, |v| {
        let mut states = vec![v[3]];
        for i in 0..3 {
            states.push(v[0] * states[i] + v[1] * v[2].at(i));
        }
        states[1].concat(&states[2..], 0)
    });
    near(&a.value, &[2.5, 1.75, 5.25, -3.5625, 2.625, 5.109375], 0.0);
    near(&a.gradients[0], &[10.75, -2.6875], 0.0);
    near(&a.gradients[1], &[9.5, 1.8125], 0.0);
    near(&a.gradients[2], &[1.75, 2.625, 1.5, 2.5, 1.0, 2.0], 0.0);
    near(&a.gradients[3], &[0.875, 0.328125], 0.0);
}

/// Case 43: x times x counts both operands.
#[test]
fn a_value_times_itself() {
    near(&seeded(&[(&[], &[3.0])], &[2.0], |v| v[0] * v[0]).gradients[0], &[12.0], 0.0);
}

/// One rounding: 0.1 is not a tenth, and what is over shows.
#[test]
fn product_and_sum_at_once() {
    let tenth: Input<'_> = (&[1], &[0.1]);
    let a = golden(&[tenth, (&[1], &[10.0]), (&[1], &[-1.0])], |v| v[0].mul_add(v[1], v[2]));
    near(&a.value, &[5.551115123125783e-17], 0.0);
    near(&[a.gradients[0][0], a.gradients[1][0], a.gradients[2][0]], &[10.0, 0.1, 1.0], 0.0);
    near(&a.tangent, &[11.1], TIGHT);
}
