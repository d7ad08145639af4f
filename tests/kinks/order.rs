//! Sorting, cumulative ops and linear algebra where there is a choice.

use super::{INF, NAN, Row, whole};
use cotangent::{DType, Var};

/// Numbers in the element type of a variable, so that positions can be told apart.
fn weighted<'b>(v: Var<'b>, weights: &[f64]) -> Var<'b> {
    let w = v.builder().constant_of([weights.len()], weights);
    v * w.cast(v.ty().map_or(DType::F64, |ty| ty.dtype))
}

fn two_by_two(v: Var<'_>) -> Var<'_> {
    v.reshape([2, 2])
}

pub fn rows() -> Vec<Row> {
    vec![
        whole(
            "sort: equal elements stay in order, and so do their gradients",
            |v| weighted(v[0].sort(0), &[1.0, 2.0, 3.0, 4.0, 5.0]),
            &[&[2.0, 1.0, 2.0, 1.0, 1.0]],
            &[1.0, 2.0, 3.0, 8.0, 10.0],
            &[&[8.0, 2.0, 10.0, 4.0, 6.0]],
        ),
        whole(
            "sort: NaN comes last, zeros are equal",
            |v| weighted(v[0].sort(-1), &[1.0, 2.0, 3.0, 4.0]),
            &[&[NAN, 0.0, -0.0, -1.0]],
            &[-1.0, 0.0, -0.0, NAN],
            &[&[8.0, 4.0, 6.0, 2.0]],
        ),
        whole(
            "cumsum: what is not finite stays to the end",
            |v| v[0].cumsum(0),
            &[&[1.0, INF, -INF, 2.0]],
            &[1.0, INF, NAN, NAN],
            &[&[8.0, 6.0, 4.0, 2.0]],
        ),
        whole("cumsum: -0 alone stays", |v| v[0].cumsum(0), &[&[-0.0, -0.0]], &[-0.0, -0.0], &[&[4.0, 2.0]]),
        whole(
            "cumprod: the gradient of a zero is the product of the others",
            |v| v[0].cumprod(0),
            &[&[2.0, 0.0, 3.0, 0.0]],
            &[2.0, 0.0, 0.0, 0.0],
            &[&[2.0, 16.0, 0.0, 0.0]],
        ),
        whole(
            "recurrence: the first factor is not read",
            |v| v[1].recurrence(v[0], 0),
            &[&[NAN, 2.0], &[1.0, 3.0]],
            &[1.0, 5.0],
            &[&[0.0, 2.0], &[6.0, 2.0]],
        ),
        whole(
            "det: at a singular matrix the gradient are the cofactors",
            |v| two_by_two(v[0]).det() + 1.0,
            &[&[1.0, 2.0, 2.0, 4.0]],
            &[1.0],
            &[&[8.0, -4.0, -4.0, 2.0]],
        ),
        whole(
            "logabsdet: of a singular matrix",
            |v| two_by_two(v[0]).logabsdet().exp(),
            &[&[0.0; 4]],
            &[0.0],
            &[&[NAN; 4]],
        ),
        whole(
            "solve: of a singular matrix is not finite",
            |v| two_by_two(v[0]).solve(v[1]),
            &[&[1.0, 2.0, 2.0, 4.0], &[1.0, 1.0]],
            &[-INF, INF],
            &[&[-INF, INF, INF, -INF], &[-INF, INF]],
        ),
        whole(
            "cholesky: of a matrix that is not positive definite is NaN",
            |v| two_by_two(v[0]).cholesky().reshape([4]),
            &[&[1.0, 2.0, 2.0, 1.0]],
            &[NAN, 0.0, NAN, NAN],
            &[&[NAN; 4]],
        ),
    ]
}
