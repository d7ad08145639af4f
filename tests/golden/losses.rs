//! Losses made of the table's ops.

use super::{Input, TIGHT, golden, near};
use cotangent::Var;

/// Case 21: cross-entropy of equal logits is log 3.
#[test]
fn cross_entropy() {
    let a = golden(&[(&[2, 3], &[0.0; 6])], |v| {
        let target = v[0].builder().constant_of([2, 1], [0i64, 2]);
        -v[0].log_softmax(1).gather(1, target).mean()
    });
    near(&a.value, &[1.0986122886681098], TIGHT);
    let (sixth, third) = (1.0 / 6.0, -1.0 / 3.0);
    near(&a.gradients[0], &[third, sixth, sixth, sixth, sixth, third], TIGHT);
}

/// Case 22: on probabilities kept within bounds.
#[test]
fn clamped_probabilities() {
    let a = golden(&[(&[3], &[0.05, 0.5, 0.95])], |v| -v[0].clamp(0.1, 0.9).log());
    near(&a.gradients[0], &[0.0, -2.0, 0.0], TIGHT);
}

fn huber<'b>(error: Var<'b>, delta: f64) -> Var<'b> {
    let size = error.abs();
    let near = size.le(error.builder().scalar(delta));
    near.select(0.5 * error.square(), delta * (size - 0.5 * delta))
}

/// Case 23.
#[test]
fn huber_loss() {
    let a = golden(&[(&[2], &[1.0, 3.0])], |v| huber(v[0], 2.0).mean());
    near(&a.value, &[2.25], TIGHT);
    near(&a.gradients[0], &[0.5, 1.0], TIGHT);
    near(&golden(&[(&[], &[3.0])], |v| huber(v[0], 2.0)).value, &[4.0], TIGHT);
}

/// Case 24: the cosine, lengths at least 0.1.
#[test]
fn cosine() {
    let inputs: [Input<'_>; 2] = [(&[2], &[0.05, 0.0]), (&[2], &[1.0, 0.0])];
    let a = golden(&inputs, |v| {
        let length = |i: usize| v[i].square().sum().sqrt();
        let least = v[0].builder().scalar(0.1);
        1.0 - v[0].dot(v[1]) / (length(0).maximum(least) * length(1).maximum(least))
    });
    near(&a.gradients[0], &[-10.0, 0.0], TIGHT);
}
