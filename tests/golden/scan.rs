//! Selective scan.

use super::{golden, near};

/// Case 40: `h_t = A h_{t-1} + B x_t` from a given state.
#[test]
fn selective_scan() {
    let x = [2.0, 1.0, 4.0, -2.0, 0.0, 3.0];
    let inputs: [super::Input<'_>; 4] =
        [(&[2], &[0.5, 0.25]), (&[2], &[1.0, 2.0]), (&[2], &[1.0, -1.0]), (&[3, 2], &x)];
    let a = golden(&inputs, |v| {
        let driven = v[2].reshape([1, 2]).concat(&[v[1] * v[3]], 0);
        driven.recurrence(v[0].broadcast_to([4, 2]), 0).narrow(0, 1, 4)
    });
    near(&a.value, &[2.5, 1.75, 5.25, -3.5625, 2.625, 5.109375], 0.0);
    near(&a.gradients[0], &[10.75, -2.6875], 0.0);
    near(&a.gradients[1], &[9.5, 1.8125], 0.0);
    near(&a.gradients[2], &[0.875, 0.328125], 0.0);
    near(&a.gradients[3], &[1.75, 2.625, 1.5, 2.5, 1.0, 2.0], 0.0);
}
