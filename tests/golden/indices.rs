//! Gathers, heads, masks, sums over an axis.

use super::{TIGHT, golden, near};
use cotangent::ops::make;
use cotangent::{KeepDims, Var};

/// `index_select` that reads 0 out of range.
fn select<'b>(x: Var<'b>, index: &[i64]) -> Var<'b> {
    let g = x.builder();
    g.apply(make::index_select(0, true), &[x, g.constant(index)])
}

/// Case 25.
#[test]
fn one_element() {
    let a = golden(&[(&[3], &[4.0, 5.0, 6.0])], |v| v[0].at(1));
    near(&a.value, &[5.0], 0.0);
    near(&a.gradients[0], &[0.0, 1.0, 0.0], 0.0);
}

/// Case 26.
#[test]
fn elements_with_one_out_of_range() {
    let a = golden(&[(&[3], &[1.0, 2.0, 3.0])], |v| select(v[0], &[2, 0, 2, 10]));
    near(&a.value, &[3.0, 1.0, 3.0, 0.0], 0.0);
    near(&a.gradients[0], &[1.0, 0.0, 2.0], 0.0);
}

/// Case 27.
#[test]
fn rows_with_one_out_of_range() {
    let x = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
    let a = golden(&[(&[3, 2], &x)], |v| select(v[0], &[2, 10, 2]));
    near(&a.value, &[5.0, 6.0, 0.0, 0.0, 5.0, 6.0], 0.0);
    near(&a.gradients[0], &[0.0, 0.0, 0.0, 0.0, 2.0, 2.0], 0.0);
}

/// Case 28.
#[test]
fn split_heads() {
    let x: Vec<f64> = (0..8).map(f64::from).collect();
    let a = golden(&[(&[2, 4], &x)], |v| v[0].reshape([2, 2, 2]).permute(&[1, 0, 2]));
    near(&a.value, &[0.0, 1.0, 4.0, 5.0, 2.0, 3.0, 6.0, 7.0], 0.0);
}

/// Case 29: masked softmax; a row of which nothing is kept is zero.
#[test]
fn masked_softmax() {
    let a = golden(&[(&[2, 2], &[1000.0, -1000.0, 3.0, 4.0])], |v| {
        let g = v[0].builder();
        let keep = g.constant_of([2, 2], [false, true, false, false]);
        let largest = keep.select(v[0], g.scalar(f64::MIN)).reduce_max_over(&[1], KeepDims::Yes);
        let weights = keep.select((v[0] - largest).minimum(g.scalar(0.0)).exp(), g.scalar(0.0));
        let sum = weights.sum_over(&[1], KeepDims::Yes);
        weights / sum.eq(g.scalar(0.0)).select(g.scalar(1.0), sum)
    });
    near(&a.value, &[0.0, 1.0, 0.0, 0.0], 0.0);
    near(&a.gradients[0], &[0.0; 4], TIGHT);
}

/// Case 44.
#[test]
fn sums_over_the_last_axis() {
    let x: Vec<f64> = (0..24).map(f64::from).collect();
    let a = golden(&[(&[2, 3, 4], &x)], |v| v[0].sum_over(&[2], KeepDims::No));
    near(&a.value, &[6.0, 22.0, 38.0, 54.0, 70.0, 86.0], 0.0);
    near(&a.gradients[0], &[1.0; 24], 0.0);
}
