//! Rows of reductions, contractions and ops that move elements: inputs
//! (vectors), value, gradients.

use super::{Adjoint, INF, NAN, Row, number, whole};
use cotangent::{Builder, KeepDims, LossReduction, Var, dtype, ops::make};

pub fn rows() -> Vec<Row> {
    [sums(), maxima(), exponentials(), indices()].into_iter().flatten().collect()
}

fn matrix<'b>(v: Var<'b>, rows: usize, columns: usize) -> Var<'b> {
    v.reshape([rows, columns])
}

fn sums() -> Vec<Row> {
    vec![
        whole("sum: of nothing is +0", |v| v[0].sum(), &[&[]], &[0.0], &[&[]]),
        whole(
            "sum: over an empty axis is +0",
            |v| matrix(v[0], 0, 3).sum_over(&[0], KeepDims::No),
            &[&[]],
            &[0.0; 3],
            &[&[]],
        ),
        whole(
            "sum: starts with its first element, not with +0",
            |v| v[0].sum(),
            &[&[-0.0, -0.0]],
            &[-0.0],
            &[&[2.0; 2]],
        ),
        whole("sum: -0 + 0 = +0", |v| v[0].sum(), &[&[-0.0, 0.0]], &[0.0], &[&[2.0; 2]]),
        whole(
            "sum: inf - inf is NaN, the gradient does not care",
            |v| v[0].sum(),
            &[&[INF, -INF]],
            &[NAN],
            &[&[2.0; 2]],
        ),
        whole(
            "masked_softmax: what is not kept is 0 whatever it is",
            |v| v[0].masked_softmax(0, v[0].builder().constant([false, true, false])),
            &[&[INF, 1.0, NAN]],
            &[0.0, 1.0, 0.0],
            &[&[0.0; 3]],
        ),
        whole(
            "masked_softmax: 0 where all that is kept is -inf",
            |v| v[0].masked_softmax(0, v[0].builder().constant([true, true])),
            &[&[-INF, -INF]],
            &[0.0, 0.0],
            &[&[0.0; 2]],
        ),
        Row {
            adjoint: Adjoint::No,
            ..whole(
                "masked_softmax: no gradient flows in where the mask leaves out",
                |v| v[0].masked_softmax(0, v[0].builder().constant([false, true, false])) * v[1],
                &[&[0.5, 1.0, 2.0], &[INF, 1.0, INF]],
                &[NAN, 1.0, NAN],
                &[&[0.0; 3], &[0.0, 2.0, 0.0]],
            )
        },
        whole("mean", |v| v[0].mean(), &[&[INF, 1.0]], &[INF], &[&[1.0; 2]]),
        whole("dot: of nothing is +0", |v| v[0].dot(v[1]), &[&[], &[]], &[0.0], &[&[], &[]]),
        whole(
            "dot: starts with its first product",
            |v| v[0].dot(v[1]),
            &[&[-0.0], &[1.0]],
            &[-0.0],
            &[&[2.0], &[-0.0]],
        ),
        whole(
            "matmul: a chain of fma from +0",
            |v| matrix(v[0], 1, 1).matmul(matrix(v[1], 1, 1)),
            &[&[-0.0], &[1.0]],
            &[0.0],
            &[&[2.0], &[0.0]],
        ),
        whole(
            "matmul: over an empty axis is +0",
            |v| matrix(v[0], 2, 0).matmul(matrix(v[1], 0, 2)),
            &[&[], &[]],
            &[0.0; 4],
            &[&[], &[]],
        ),
        whole(
            "matmul: 0 times inf is NaN",
            |v| matrix(v[0], 1, 2).matmul(matrix(v[1], 2, 1)),
            &[&[0.0, 1.0], &[INF, 1.0]],
            &[NAN],
            &[&[INF, 2.0], &[0.0, 2.0]],
        ),
        whole(
            "mse: the mean of nothing is +0",
            |v| v[0].mse(v[1], LossReduction::Mean),
            &[&[], &[]],
            &[0.0],
            &[&[], &[]],
        ),
    ]
}

fn maxima() -> Vec<Row> {
    vec![
        whole(
            "reduce_max: two share",
            |v| v[0].reduce_max(),
            &[&[3.0, 3.0, 1.0]],
            &[3.0],
            &[&[1.0, 1.0, 0.0]],
        ),
        whole("reduce_max: four share", |v| v[0].reduce_max(), &[&[7.0; 4]], &[7.0], &[&[0.5; 4]]),
        whole(
            "reduce_max: zeros of both signs tie, the value is +0",
            |v| v[0].reduce_max(),
            &[&[-0.0, -1.0, 0.0]],
            &[0.0],
            &[&[1.0, 0.0, 1.0]],
        ),
        whole(
            "reduce_max: of -0 alone is -0",
            |v| v[0].reduce_max(),
            &[&[-0.0, -0.0]],
            &[-0.0],
            &[&[1.0, 1.0]],
        ),
        whole(
            "reduce_max: NaN propagates and takes the gradient",
            |v| v[0].reduce_max(),
            &[&[1.0, NAN, INF]],
            &[NAN],
            &[&[0.0, 2.0, 0.0]],
        ),
        whole(
            "reduce_max: NaN elements tie",
            |v| v[0].reduce_max(),
            &[&[NAN, 5.0, NAN]],
            &[NAN],
            &[&[1.0, 0.0, 1.0]],
        ),
        whole(
            "reduce_max: infinities tie",
            |v| v[0].reduce_max(),
            &[&[INF, INF, 0.0]],
            &[INF],
            &[&[1.0, 1.0, 0.0]],
        ),
        whole("reduce_max: -inf ties", |v| v[0].reduce_max(), &[&[-INF, -INF]], &[-INF], &[&[1.0, 1.0]]),
        whole(
            "reduce_max: each row by itself",
            |v| matrix(v[0], 2, 2).reduce_max_over(&[1], KeepDims::No),
            &[&[1.0, 1.0, 2.0, 3.0]],
            &[1.0, 3.0],
            &[&[1.0, 1.0, 0.0, 2.0]],
        ),
    ]
}

fn exponentials() -> Vec<Row> {
    let no = KeepDims::No;
    vec![
        whole("logsumexp: of nothing is -inf", move |v| v[0].logsumexp(&[0], no), &[&[]], &[-INF], &[&[]]),
        whole(
            "logsumexp: of -inf alone is -inf, and nothing flows",
            move |v| v[0].logsumexp(&[0], no),
            &[&[-INF, -INF]],
            &[-INF],
            &[&[0.0, 0.0]],
        ),
        whole(
            "logsumexp: -inf weighs nothing",
            move |v| v[0].logsumexp(&[0], no),
            &[&[-INF, 0.0]],
            &[0.0],
            &[&[0.0, 2.0]],
        ),
        whole(
            "logsumexp: inf takes all, by inf / inf",
            move |v| v[0].logsumexp(&[0], no),
            &[&[INF, 1.0]],
            &[INF],
            &[&[NAN, 0.0]],
        ),
        whole(
            "logsumexp: NaN propagates",
            move |v| v[0].logsumexp(&[0], no),
            &[&[NAN, 1.0]],
            &[NAN],
            &[&[NAN, NAN]],
        ),
        whole(
            "logsumexp: neither overflows nor loses its weights",
            move |v| v[0].logsumexp(&[0], no),
            &[&[-30000.0, 30000.0]],
            &[30000.0],
            &[&[0.0, 2.0]],
        ),
        whole("softmax: of one is 1, with slope 0", |v| v[0].softmax(0), &[&[5.0]], &[1.0], &[&[0.0]]),
        whole(
            "softmax: -inf weighs nothing",
            |v| v[0].softmax(0),
            &[&[-INF, 0.0]],
            &[0.0, 1.0],
            &[&[0.0, 0.0]],
        ),
        whole(
            "softmax: of -inf alone is NaN",
            |v| v[0].softmax(0),
            &[&[-INF, -INF]],
            &[NAN, NAN],
            &[&[NAN, NAN]],
        ),
        whole("softmax: of inf is NaN", |v| v[0].softmax(0), &[&[INF, 0.0]], &[NAN, NAN], &[&[NAN, NAN]]),
        whole("softmax: of nothing", |v| v[0].softmax(0), &[&[]], &[], &[&[]]),
        whole("log_softmax: of one is 0", |v| v[0].log_softmax(0), &[&[5.0]], &[0.0], &[&[0.0]]),
        whole(
            "log_softmax: -inf stays",
            |v| v[0].log_softmax(0),
            &[&[-INF, 0.0]],
            &[-INF, 0.0],
            &[&[2.0, -2.0]],
        ),
        whole(
            "log_softmax: of -inf alone is NaN",
            |v| v[0].log_softmax(0),
            &[&[-INF, -INF]],
            &[NAN, NAN],
            &[&[NAN, NAN]],
        ),
    ]
}

fn list<'b>(b: &'b Builder, index: &[i64]) -> Var<'b> {
    b.constant(index)
}

fn indices() -> Vec<Row> {
    vec![
        whole(
            "index_select: repeated slices add up",
            |v| v[0].index_select(0, list(v[0].builder(), &[1, 1, 0])),
            &[&[3.0, NAN, 5.0]],
            &[NAN, NAN, 3.0],
            &[&[2.0, 4.0, 0.0]],
        ),
        whole(
            "index_select with zero: out of range reads 0 and takes no gradient",
            |v| v[0].builder().apply(make::index_select(0, true), &[v[0], list(v[0].builder(), &[5, -1, 0])]),
            &[&[3.0, 4.0]],
            &[0.0, 0.0, 3.0],
            &[&[2.0, 0.0]],
        ),
        whole(
            "scatter_add: repeated indices add up, in order, on top of the base",
            |v| v[0].scatter_add(0, list(v[0].builder(), &[0, 0]), v[1]),
            &[&[-0.0, -0.0], &[-0.0, 1.0]],
            &[1.0, -0.0],
            &[&[2.0, 2.0], &[2.0, 2.0]],
        ),
        whole(
            "pad: a gradient for the elements alone",
            |v| v[0].pad(&[(1, 2)], INF),
            &[&[-0.0, NAN]],
            &[INF, -0.0, NAN, INF, INF],
            &[&[2.0, 2.0]],
        ),
        whole("clamp of nothing", |v| v[0].clamp(0.0, 1.0), &[&[]], &[], &[&[]]),
        whole(
            "cast: to i64 truncates and saturates, NaN becomes 0; no gradient comes back",
            |v| v[0].cast(dtype::i64).cast(number(v[0], 0.0).ty().map_or(dtype::f64, |ty| ty.dtype)),
            &[&[-1.5, 1.5, NAN, INF]],
            &[-1.0, 1.0, 0.0, i64::MAX as f64],
            &[&[0.0; 4]],
        ),
    ]
}
