//! Rows of element-wise ops: inputs, value, gradients of each point.

use super::{Adjoint, INF, NAN, Row, number, points};
use cotangent::Var;
use std::f64::consts::FRAC_PI_2;

pub fn rows() -> Vec<Row> {
    [arithmetic(), kinks(), transcendental(), powers(), choices()].into_iter().flatten().collect()
}

fn arithmetic() -> Vec<Row> {
    vec![
        points(
            "neg: exact signs of zero",
            |v| -v[0],
            &[[0.0, -0.0, -2.0], [-0.0, 0.0, -2.0], [NAN, NAN, -2.0]],
        ),
        points(
            "mul: 0 times inf is NaN",
            |v| v[0] * v[1],
            &[[0.0, INF, NAN, INF, 0.0], [-0.0, 3.0, -0.0, 6.0, -0.0]],
        ),
        points(
            "add: inf - inf is NaN",
            |v| v[0] + v[1],
            &[[INF, -INF, NAN, 2.0, 2.0], [-0.0, -0.0, -0.0, 2.0, 2.0]],
        ),
        points("square", |v| v[0].square(), &[[-0.0, 0.0, -0.0], [-INF, INF, -INF], [NAN, NAN, NAN]]),
        points(
            "reciprocal: IEEE at zeros and infinities",
            |v| v[0].recip(),
            &[[0.0, INF, -INF], [-0.0, -INF, -INF], [INF, 0.0, -0.0], [-INF, -0.0, -0.0], [NAN, NAN, NAN]],
        ),
        points(
            "div: IEEE at zeros and infinities",
            |v| v[0] / v[1],
            &[
                [1.0, 0.0, INF, INF, -INF],
                [1.0, -0.0, -INF, -INF, -INF],
                [-1.0, 0.0, -INF, INF, INF],
                [0.0, 0.0, NAN, INF, NAN],
                [INF, INF, NAN, 0.0, NAN],
                [0.0, INF, 0.0, 0.0, -0.0],
            ],
        ),
        points(
            "sqrt: NaN below 0, sqrt(-0) = -0, infinite slope at 0",
            |v| v[0].sqrt(),
            &[
                [-1.0, NAN, NAN],
                [-0.0, -0.0, -INF],
                [0.0, 0.0, INF],
                [4.0, 2.0, 0.5],
                [INF, INF, 0.0],
                [NAN, NAN, NAN],
            ],
        ),
    ]
}

fn kinks() -> Vec<Row> {
    vec![
        points(
            "relu: slope 0 at 0; NaN comes through, with slope 0",
            |v| v[0].relu(),
            &[
                [-3.0, 0.0, 0.0],
                [-0.0, 0.0, 0.0],
                [0.0, 0.0, 0.0],
                [3.0, 3.0, 2.0],
                [INF, INF, 2.0],
                [-INF, 0.0, 0.0],
                [NAN, NAN, 0.0],
            ],
        ),
        points(
            "abs: slope 0 at 0 and at NaN",
            |v| v[0].abs(),
            &[
                [-3.0, 3.0, -2.0],
                [-0.0, 0.0, 0.0],
                [0.0, 0.0, 0.0],
                [3.0, 3.0, 2.0],
                [-INF, INF, -2.0],
                [NAN, NAN, 0.0],
            ],
        ),
        points(
            "sign: +0 at both zeros and at NaN; slope 0 everywhere",
            |v| v[0].sign(),
            &[
                [-3.0, -1.0, 0.0],
                [-0.0, 0.0, 0.0],
                [0.0, 0.0, 0.0],
                [3.0, 1.0, 0.0],
                [-INF, -1.0, 0.0],
                [NAN, 0.0, 0.0],
            ],
        ),
        points(
            "clamp: slope 0 at both bounds; NaN comes through, with slope 0",
            |v| v[0].clamp(-1.0, 1.0),
            &[
                [-2.0, -1.0, 0.0],
                [-1.0, -1.0, 0.0],
                [-0.5, -0.5, 2.0],
                [1.0, 1.0, 0.0],
                [2.0, 1.0, 0.0],
                [-INF, -1.0, 0.0],
                [NAN, NAN, 0.0],
            ],
        ),
        points("clamp: -0 lies below a bound of +0", |v| v[0].clamp(0.0, 1.0), &[[-0.0, 0.0, 0.0]]),
        points("clamp: +0 lies above a bound of -0", |v| v[0].clamp(-1.0, -0.0), &[[0.0, -0.0, 0.0]]),
        points(
            "clamp: the upper bound wins over a lower one above it",
            |v| v[0].clamp(1.0, -1.0),
            &[[0.0, -1.0, 0.0]],
        ),
        points(
            "maximum: NaN propagates, -0 < +0; ties and NaN split the gradient in half",
            |v| v[0].maximum(v[1]),
            &[
                [1.0, 3.0, 3.0, 0.0, 2.0],
                [1.0, 1.0, 1.0, 1.0, 1.0],
                [-0.0, 0.0, 0.0, 1.0, 1.0],
                [0.0, -0.0, 0.0, 1.0, 1.0],
                [-0.0, -0.0, -0.0, 1.0, 1.0],
                [NAN, 1.0, NAN, 1.0, 1.0],
                [1.0, NAN, NAN, 1.0, 1.0],
                [NAN, INF, NAN, 1.0, 1.0],
                [INF, INF, INF, 1.0, 1.0],
                [-INF, 0.0, 0.0, 0.0, 2.0],
            ],
        ),
        points(
            "minimum: likewise",
            |v| v[0].minimum(v[1]),
            &[
                [1.0, 3.0, 1.0, 2.0, 0.0],
                [1.0, 1.0, 1.0, 1.0, 1.0],
                [-0.0, 0.0, -0.0, 1.0, 1.0],
                [0.0, -0.0, -0.0, 1.0, 1.0],
                [NAN, 1.0, NAN, 1.0, 1.0],
                [1.0, NAN, NAN, 1.0, 1.0],
                [-INF, -INF, -INF, 1.0, 1.0],
            ],
        ),
    ]
}

fn transcendental() -> Vec<Row> {
    vec![
        points(
            "exp",
            |v| v[0].exp(),
            &[[-INF, 0.0, 0.0], [INF, INF, INF], [-0.0, 1.0, 2.0], [NAN, NAN, NAN]],
        ),
        points(
            "log: NaN below 0, -inf at both zeros; the slope is 1/x also where there is no value",
            |v| v[0].log(),
            &[
                [-1.0, NAN, -2.0],
                [-0.0, -INF, -INF],
                [0.0, -INF, INF],
                [1.0, 0.0, 2.0],
                [INF, INF, 0.0],
                [NAN, NAN, NAN],
            ],
        ),
        points(
            "sin",
            |v| v[0].sin(),
            &[[0.0, 0.0, 2.0], [-0.0, -0.0, 2.0], [INF, NAN, NAN], [NAN, NAN, NAN]],
        ),
        points("cos", |v| v[0].cos(), &[[0.0, 1.0, -0.0], [-0.0, 1.0, 0.0], [-INF, NAN, NAN]]),
        points(
            "atan",
            |v| v[0].atan(),
            &[[-0.0, -0.0, 2.0], [INF, FRAC_PI_2, 0.0], [-INF, -FRAC_PI_2, 0.0], [NAN, NAN, NAN]],
        ),
        points(
            "tanh",
            |v| v[0].tanh(),
            &[[-0.0, -0.0, 2.0], [INF, 1.0, 0.0], [-INF, -1.0, 0.0], [NAN, NAN, NAN]],
        ),
        points(
            "sigmoid",
            |v| v[0].sigmoid(),
            &[[0.0, 0.5, 0.5], [INF, 1.0, 0.0], [-INF, 0.0, 0.0], [NAN, NAN, NAN]],
        ),
        points("softplus", |v| v[0].softplus(), &[[INF, INF, 2.0], [-INF, 0.0, 0.0], [NAN, NAN, NAN]]),
    ]
}

fn powers() -> Vec<Row> {
    vec![
        points(
            "pow: x^0 = 1^y = 1, even at NaN; the slope in x is 0 for y = 0, that in y is 0 for x = 0 and y >= 0",
            |v| v[0].pow(v[1]),
            &[
                [0.0, 0.0, 1.0, 0.0, 0.0],
                [NAN, 0.0, 1.0, 0.0, NAN],
                [INF, 0.0, 1.0, 0.0, INF],
                [1.0, 0.0, 1.0, 0.0, 0.0],
                [1.0, NAN, 1.0, NAN, 0.0],
                [0.0, 1.0, 0.0, 2.0, 0.0],
                [0.0, 2.0, 0.0, 0.0, 0.0],
                [-0.0, 3.0, -0.0, 0.0, 0.0],
                [0.0, 0.5, 0.0, INF, 0.0],
                [0.0, -1.0, INF, -INF, -INF],
                [-2.0, 3.0, -8.0, 24.0, NAN],
                [-2.0, 0.5, NAN, NAN, NAN],
                [-1.0, INF, 1.0, INF, NAN],
            ],
        ),
        points(
            "powi: x^0 = 1, with slope 0",
            |v| v[0].powi(0),
            &[[NAN, 1.0, 0.0], [0.0, 1.0, 0.0], [INF, 1.0, 0.0]],
        ),
        points(
            "powi: x^1 is x, with slope 1",
            |v| v[0].powi(1),
            &[[NAN, NAN, 2.0], [-0.0, -0.0, 2.0], [INF, INF, 2.0]],
        ),
        points(
            "powi: a negative power is a reciprocal",
            |v| v[0].powi(-1),
            &[[0.0, INF, -INF], [-0.0, -INF, -INF]],
        ),
        points("powi: x^2 at 0", |v| v[0].powi(2), &[[0.0, 0.0, 0.0], [-0.0, 0.0, -0.0]]),
    ]
}

fn choices() -> Vec<Row> {
    vec![
        points(
            "where: the branch not taken counts for nothing, whatever it holds",
            |v| v[0].lt(number(v[0], 0.0)).select(v[1], v[2]),
            &[
                [-1.0, 1.0, NAN, 1.0, 0.0, 2.0, 0.0],
                [1.0, INF, 2.0, 2.0, 0.0, 0.0, 2.0],
                [NAN, INF, 2.0, 2.0, 0.0, 0.0, 2.0],
            ],
        ),
        Row {
            adjoint: Adjoint::No,
            ..points(
                "where: its exact zero meets an infinite slope behind it as 0 * inf",
                |v| v[0].le(number(v[0], 0.0)).select(v[0], v[0].log()),
                &[[0.0, 0.0, NAN], [-1.0, -1.0, 2.0], [1.0, 0.0, 2.0]],
            )
        },
        points(
            "where: a guard before the op that is not wanted keeps it away",
            |v| {
                let at_zero = v[0].le(number(v[0], 0.0));
                at_zero.select(v[0], at_zero.select(number(v[0], 1.0), v[0]).log())
            },
            &[[0.0, 0.0, 2.0], [-1.0, -1.0, 2.0], [1.0, 0.0, 2.0]],
        ),
        compared("eq: zeros are equal, NaN is not", |a, b| a.eq(b), [0.0, 1.0, 0.0, 0.0]),
        compared("ne", |a, b| a.ne(b), [1.0, 0.0, 1.0, 1.0]),
        compared("lt: false for NaN, and for -0 < +0", |a, b| a.lt(b), [1.0, 0.0, 0.0, 0.0]),
        compared("le", |a, b| a.le(b), [1.0, 1.0, 0.0, 0.0]),
        compared("gt", |a, b| a.gt(b), [0.0, 0.0, 0.0, 0.0]),
        compared("ge", |a, b| a.ge(b), [0.0, 1.0, 0.0, 0.0]),
    ]
}

type Compare = for<'b> fn(Var<'b>, Var<'b>) -> Var<'b>;

/// A comparison at (1, 2), (-0, 0), (NaN, 1), (NaN, NaN), as a number by `where`.
fn compared(name: &'static str, f: Compare, value: [f64; 4]) -> Row {
    let at = [(1.0, 2.0), (-0.0, 0.0), (NAN, 1.0), (NAN, NAN)];
    let points: Vec<[f64; 5]> = at.iter().zip(value).map(|(&(a, b), y)| [a, b, y, 0.0, 0.0]).collect();
    super::points(name, move |v| f(v[0], v[1]).select(number(v[0], 1.0), number(v[0], 0.0)), &points)
}
