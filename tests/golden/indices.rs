//! Gathers, heads, masks, sums over an axis.

use super::{golden, near};
use cotangent::ops::Elements;
use cotangent::{KeepDims, Var};

/// `index_select` that reads 0 out of range.
fn select<'b>(x: Var<'b>, index: &[i64]) -> Var<'b> {
    x.index_select_or_zero(0, x.builder().constant(index))
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

/// Case 44.
#[test]
fn sums_over_the_last_axis() {
    let x: Vec<f64> = (0..24).map(f64::from).collect();
    let a = golden(&[(&[2, 3, 4], &x)], |v| v[0].sum_over(&[2], KeepDims::No));
    near(&a.value, &[6.0, 22.0, 38.0, 54.0, 70.0, 86.0], 0.0);
    near(&a.gradients[0], &[1.0; 24], 0.0);
}

/// Case 41: token ids that come as floats.
#[test]
fn token_ids() {
    let ids = Elements::indices(&[0.0, 2.0, 5.0]).unwrap();
    assert!(matches!(ids, Elements::I64(v) if v == [0, 2, 5]));
    for bad in [1.5, -1.0, f64::NAN, f64::INFINITY, 1e19] {
        let error = Elements::indices(&[3.0, bad]).unwrap_err().to_string();
        assert_eq!(error, format!("index {bad} at position 1 is not a whole number of 0 or more"));
    }
}
