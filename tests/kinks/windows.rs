//! Rows of pools and convolutions: ties, NaN, padding, windows of padding alone.

use super::{Adjoint, INF, NAN, Row, whole};
use cotangent::{Conv, PadCells, Pool, Var};

pub fn rows() -> Vec<Row> {
    [largest(), means(), products()].into_iter().flatten().collect()
}

/// One channel along one axis.
fn line(v: Var<'_>) -> Var<'_> {
    v.reshape([1, v.shape().numel()])
}

fn pool(kernel: usize, padding: usize) -> Pool {
    Pool::new([kernel]).stride([1]).padding([padding])
}

fn max(kernel: usize, padding: usize) -> impl for<'b> Fn(&[Var<'b>]) -> Var<'b> + 'static {
    move |v| line(v[0]).max_pool(&pool(kernel, padding))
}

fn largest() -> Vec<Row> {
    vec![
        whole("max_pool: of two the first", max(3, 0), &[&[1.0, 3.0, 3.0]], &[3.0], &[&[0.0, 2.0, 0.0]]),
        whole(
            "max_pool: each window by itself",
            max(2, 0),
            &[&[1.0, 3.0, 3.0, 1.0]],
            &[3.0, 3.0, 3.0],
            &[&[0.0, 4.0, 2.0, 0.0]],
        ),
        whole(
            "max_pool: zeros of both signs tie, the value is +0",
            max(2, 0),
            &[&[-0.0, 0.0]],
            &[0.0],
            &[&[2.0, 0.0]],
        ),
        whole(
            "max_pool: NaN propagates, and the first takes the gradient",
            max(4, 0),
            &[&[INF, NAN, 5.0, NAN]],
            &[NAN],
            &[&[0.0, 2.0, 0.0, 0.0]],
        ),
        whole("max_pool: padding does not win over -inf", max(2, 1), &[&[-INF]], &[-INF, -INF], &[&[4.0]]),
        whole(
            "max_pool: a window of padding alone is 0 and takes no gradient",
            max(1, 1),
            &[&[-5.0]],
            &[0.0, -5.0, 0.0],
            &[&[2.0]],
        ),
        whole("max_pool: an empty axis stays empty", max(3, 1), &[&[]], &[], &[&[]]),
    ]
}

fn means() -> Vec<Row> {
    vec![
        whole(
            "avg_pool: zeros of the padding are counted",
            |v| line(v[0]).avg_pool(&pool(2, 1), PadCells::Counted),
            &[&[6.0]],
            &[3.0, 3.0],
            &[&[2.0]],
        ),
        whole(
            "avg_pool: or left out",
            |v| line(v[0]).avg_pool(&pool(2, 1), PadCells::LeftOut),
            &[&[6.0]],
            &[6.0, 6.0],
            &[&[4.0]],
        ),
        whole(
            "avg_pool: a window of padding alone is 0",
            |v| line(v[0]).avg_pool(&pool(1, 1), PadCells::LeftOut),
            &[&[6.0]],
            &[0.0, 6.0, 0.0],
            &[&[2.0]],
        ),
        whole(
            "smooth_max_pool: does not overflow",
            |v| line(v[0]).smooth_max_pool(&pool(2, 0), 1.0),
            &[&[1000.0, 0.0]],
            &[1000.0],
            &[&[2.0, 0.0]],
        ),
        whole(
            "smooth_max_pool: -inf weighs nothing beside padding, which counts as exp(0)",
            |v| line(v[0]).smooth_max_pool(&pool(2, 1), 4.0),
            &[&[-INF]],
            &[0.0, 0.0],
            &[&[0.0]],
        ),
    ]
}

fn products() -> Vec<Row> {
    vec![
        Row {
            adjoint: Adjoint::No,
            ..whole(
                "conv: zeros of the padding are multiplied, 0 times inf is NaN",
                |v| line(v[0]).conv(v[1].reshape([1, 1, 1]), None, &Conv::new().padding([1])),
                &[&[1.0, 2.0], &[INF]],
                &[NAN, INF, INF, NAN],
                &[&[INF, INF], &[6.0]],
            )
        },
        whole(
            "conv: sums start from +0",
            |v| line(v[0]).conv(v[1].reshape([1, 1, 1]), None, &Conv::new()),
            &[&[-0.0, 1.0], &[1.0]],
            &[0.0, 1.0],
            &[&[2.0, 2.0], &[2.0]],
        ),
        whole(
            "fold: sums start from +0",
            |v| v[0].reshape([2, 1]).fold(&[3], &[2], &[1]),
            &[&[-0.0, 1.0]],
            &[0.0, 0.0, 1.0],
            &[&[2.0, 2.0]],
        ),
    ]
}
