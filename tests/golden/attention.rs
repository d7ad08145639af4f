//! Softmax with a mask, attention in heads.

use super::{Input, TIGHT, along, golden, near, seeded};
use cotangent::{Builder, Var, dtype};

/// Case 29: what is blocked is exactly 0, and so is a row of which nothing is kept.
#[test]
fn masked_softmax() {
    let a = golden(&[(&[2, 2], &[1000.0, -1000.0, 3.0, 4.0])], |v| {
        let keep = v[0].builder().constant_of([2, 2], [false, true, false, false]);
        v[0].masked_softmax(1, keep)
    });
    near(&a.value, &[0.0, 1.0, 0.0, 0.0], 0.0);
    near(&a.gradients[0], &[0.0; 4], 0.0);
    near(&a.tangent, &[0.0; 4], 0.0);
}

/// Nothing that is blocked shows, be it infinite, NaN, or the largest; with
/// everything kept it is the softmax, bit for bit.
#[test]
fn blocked_scores_take_no_part() {
    let x = [f64::NAN, 0.5, -0.25, f64::INFINITY, 1e300, 0.125];
    let keep = [false, true, true, false, false, true];
    let (all, few): (Input<'_>, Input<'_>) = ((&[6], &x), (&[3], &[0.5, -0.25, 0.125]));
    let seed = [f64::NAN, 1.0, -2.0, f64::INFINITY, 7.0, 0.5];
    let a = seeded(&[all], &seed, |v| v[0].masked_softmax(0, v[0].builder().constant(keep)));
    let b = seeded(&[few], &[1.0, -2.0, 0.5], |v| v[0].softmax(0));
    for (masked, plain) in [(&a.value, &b.value), (&a.gradients[0], &b.gradients[0])] {
        near(&[masked[1], masked[2], masked[5]], plain, TIGHT);
        near(&[masked[0], masked[3], masked[4]], &[0.0; 3], 0.0);
    }
    let c = seeded(&[few], &[1.0, -2.0, 0.5], |v| v[0].masked_softmax(0, v[0].builder().constant([true])));
    assert_eq!(c.value, b.value);
}

const QUERY: [f64; 16] =
    [0.01, 0.02, 0.03, 0.04, 0.05, 0.06, 0.07, 0.08, 0.09, 0.1, 0.11, 0.12, 0.13, 0.14, 0.15, 0.16];
const KEY: [f64; 16] =
    [0.02, 0.01, 0.04, 0.03, 0.06, 0.05, 0.08, 0.07, 0.1, 0.09, 0.12, 0.11, 0.14, 0.13, 0.16, 0.15];
const VALUE: [f64; 16] =
    [0.03, 0.0, 0.01, 0.02, 0.0, 0.03, 0.02, 0.01, 0.01, 0.02, 0.03, 0.0, 0.02, 0.01, 0.0, 0.03];
const OUT: [f64; 16] =
    [0.05, 0.0, 0.01, 0.02, 0.0, 0.05, 0.02, 0.01, 0.01, 0.02, 0.05, 0.0, 0.02, 0.01, 0.0, 0.05];
const TOKENS: [f64; 8] = [0.1, -0.2, 0.05, 0.3, -0.05, 0.25, -0.1, 0.15];
const SEED: [f64; 8] = [1.0, 2.0, 3.0, 4.0, -1.0, 0.5, 0.0, 2.0];

fn inputs() -> [Input<'static>; 5] {
    let w: &[usize] = &[4, 4];
    [(w, &QUERY), (w, &KEY), (w, &VALUE), (w, &OUT), (&[2, 4], &TOKENS)]
}

fn attention<'b>(v: &[Var<'b>], keep: &[bool]) -> Var<'b> {
    let mask = v[0].builder().constant_of([2, 2], keep.to_vec());
    v[4].multi_head_attention([v[0], v[1], v[2], v[3]], 2, Some(mask))
}

/// Case 30: two heads, the second token sees only itself.
#[test]
fn multi_head_attention() {
    let a = seeded(&inputs(), &SEED, |v| attention(v, &[true, true, false, true]));
    let y = [
        [4.000734401080e-4, 1.999265598920e-4, 9.996041616384e-5, 5.000395838362e-4],
        [1.6e-4, 4.4e-4, 2.2e-4, 3.8e-4],
    ];
    near(&a.value, &y.concat(), 1e-15);
    let row = [-7.636752534077e-8, -7.636752534077e-8, 2.545584107920e-8, 2.545584107920e-8];
    near(&a.gradients[0][..4], &row, 1e-18);
    let dx = [
        [0.005801891369, 0.00620185064, 0.005801567231, 0.006201560443],
        [0.00719810354, 0.00839810354, 0.006598346219, 0.008998312278],
    ];
    near(&a.gradients[4], &dx.concat(), TIGHT);
}

/// Forward and reverse mode agree, in the direction of all ones.
#[test]
fn heads_are_adjoint() {
    let ones: Vec<Vec<f64>> = inputs().iter().map(|(_, v)| vec![1.0; v.len()]).collect();
    let a = along(&inputs(), &ones, &SEED, |v| attention(v, &[true, true, false, true]));
    let left: f64 = a.tangent.iter().zip(SEED).map(|(t, s)| t * s).sum();
    let right: f64 = a.gradients.iter().flatten().sum();
    near(&[left], &[right], TIGHT);
}

/// A token that sees nothing gets zeros, and so do its gradients.
#[test]
fn blocked_queries_are_zero() {
    let a = seeded(&inputs(), &[0.0, 0.0, 0.0, 0.0, 1.0, 2.0, 3.0, 4.0], |v| {
        attention(v, &[true, true, false, false])
    });
    near(&a.value[4..], &[0.0; 4], 0.0);
    for gradient in &a.gradients {
        assert!(gradient.iter().all(|&x| x == 0.0), "{gradient:?}");
    }
}

/// Batches of inputs, each as on its own.
#[test]
fn batches() -> Result<(), Box<dyn std::error::Error>> {
    let twice = [TOKENS, TOKENS.map(|x| 0.5 - x)].concat();
    let mut wide = inputs().to_vec();
    wide[4] = (&[2, 2, 4], &twice);
    let keep = [true, true, false, true];
    let both = golden(&wide, |v| attention(v, &keep));
    for (i, half) in twice.chunks(8).enumerate() {
        let mut one = inputs().to_vec();
        one[4] = (&[2, 4], half);
        near(&both.value[8 * i..8 * i + 8], &golden(&one, |v| attention(v, &keep)).value, 1e-18);
    }
    let g = Builder::new();
    let w = g.input("w", dtype::f64, [4, 6]);
    let (o, x) = (g.input("o", dtype::f64, [6, 4]), g.input("x", dtype::f64, [2, 4]));
    let error = g.finish(&[x.multi_head_attention([w, w, w, o], 4, None)]).unwrap_err().to_string();
    assert!(error.contains("4 heads do not part 6 columns"), "{error}");
    Ok(())
}
