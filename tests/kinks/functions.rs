//! Rows of the other element-wise functions: inputs, value, gradients of each point.

use super::{INF, NAN, Row, points};
use std::f64::consts::{FRAC_2_SQRT_PI, FRAC_PI_2, FRAC_PI_4, LN_2, LOG2_E, PI};

pub fn rows() -> Vec<Row> {
    [rounding(), exponentials(), angles(), hyperbolic(), roots(), special(), activations(), pairs()]
        .into_iter()
        .flatten()
        .collect()
}

fn rounding() -> Vec<Row> {
    vec![
        points(
            "floor: keeps the sign of zero; slope 0 everywhere",
            |v| v[0].floor(),
            &[
                [-0.5, -1.0, 0.0],
                [-0.0, -0.0, 0.0],
                [0.5, 0.0, 0.0],
                [1.0, 1.0, 0.0],
                [-INF, -INF, 0.0],
                [NAN, NAN, 0.0],
            ],
        ),
        points(
            "ceil: -0 for what lies just below 0",
            |v| v[0].ceil(),
            &[[-0.5, -0.0, 0.0], [-0.0, -0.0, 0.0], [0.5, 1.0, 0.0], [INF, INF, 0.0], [NAN, NAN, 0.0]],
        ),
        points(
            "round_even: halves go to the even neighbour",
            |v| v[0].round_even(),
            &[
                [0.5, 0.0, 0.0],
                [1.5, 2.0, 0.0],
                [2.5, 2.0, 0.0],
                [-0.5, -0.0, 0.0],
                [-1.5, -2.0, 0.0],
                [-0.0, -0.0, 0.0],
                [INF, INF, 0.0],
                [NAN, NAN, 0.0],
            ],
        ),
    ]
}

fn exponentials() -> Vec<Row> {
    vec![
        points("exp2", |v| v[0].exp2(), &[[-INF, 0.0, 0.0], [-0.0, 1.0, 2.0 * LN_2], [INF, INF, INF]]),
        points(
            "expm1",
            |v| v[0].expm1(),
            &[[-INF, -1.0, 0.0], [-0.0, -0.0, 2.0], [INF, INF, INF], [NAN, NAN, NAN]],
        ),
        points(
            "log2: NaN below 0, -inf at both zeros; the slope is there also where there is no value",
            |v| v[0].log2(),
            &[
                [0.0, -INF, INF],
                [-0.0, -INF, -INF],
                [1.0, 0.0, 2.0 * LOG2_E],
                [-1.0, NAN, -2.0 * LOG2_E],
                [INF, INF, 0.0],
            ],
        ),
        points(
            "log1p: likewise, from -1",
            |v| v[0].log1p(),
            &[[-1.0, -INF, INF], [-2.0, NAN, -2.0], [-0.0, -0.0, 2.0], [INF, INF, 0.0], [NAN, NAN, NAN]],
        ),
    ]
}

fn angles() -> Vec<Row> {
    vec![
        points("tan", |v| v[0].tan(), &[[-0.0, -0.0, 2.0], [INF, NAN, NAN], [NAN, NAN, NAN]]),
        points(
            "asin: infinite slope at both ends, none outside",
            |v| v[0].asin(),
            &[
                [1.0, FRAC_PI_2, INF],
                [-1.0, -FRAC_PI_2, INF],
                [2.0, NAN, NAN],
                [-0.0, -0.0, 2.0],
                [INF, NAN, NAN],
            ],
        ),
        points(
            "acos",
            |v| v[0].acos(),
            &[[1.0, 0.0, -INF], [-1.0, PI, -INF], [2.0, NAN, NAN], [0.0, FRAC_PI_2, -2.0]],
        ),
    ]
}

fn hyperbolic() -> Vec<Row> {
    vec![
        points("sinh", |v| v[0].sinh(), &[[-0.0, -0.0, 2.0], [INF, INF, INF], [-INF, -INF, INF]]),
        points("cosh", |v| v[0].cosh(), &[[0.0, 1.0, 0.0], [-0.0, 1.0, -0.0], [-INF, INF, -INF]]),
        points(
            "asinh",
            |v| v[0].asinh(),
            &[[-0.0, -0.0, 2.0], [INF, INF, 0.0], [-INF, -INF, 0.0], [NAN, NAN, NAN]],
        ),
        points(
            "acosh: neither value nor slope below 1",
            |v| v[0].acosh(),
            &[[1.0, 0.0, INF], [0.5, NAN, NAN], [-2.0, NAN, NAN], [INF, INF, 0.0]],
        ),
        points(
            "atanh: the slope is there also where there is no value",
            |v| v[0].atanh(),
            &[[1.0, INF, INF], [-1.0, -INF, INF], [3.0, NAN, -0.25], [-0.0, -0.0, 2.0]],
        ),
    ]
}

fn roots() -> Vec<Row> {
    vec![
        points(
            "cbrt: infinite slope at both zeros",
            |v| v[0].cbrt(),
            &[[0.0, 0.0, INF], [-0.0, -0.0, INF], [INF, INF, 0.0], [-INF, -INF, 0.0], [NAN, NAN, NAN]],
        ),
        points(
            "rsqrt: the sign of zero counts",
            |v| v[0].rsqrt(),
            &[
                [0.0, INF, -INF],
                [-0.0, -INF, INF],
                [-1.0, NAN, NAN],
                [4.0, 0.5, -0.125],
                [INF, 0.0, -0.0],
                [NAN, NAN, NAN],
            ],
        ),
        points(
            "sqrt_nonneg: neither value nor slope below 0, no slope at 0 or NaN",
            |v| v[0].sqrt_nonneg(),
            &[
                [-4.0, 0.0, 0.0],
                [-INF, 0.0, 0.0],
                [-0.0, 0.0, 0.0],
                [0.0, 0.0, 0.0],
                [4.0, 2.0, 0.5],
                [INF, INF, 0.0],
                [NAN, NAN, 0.0],
            ],
        ),
        points(
            "safe_log: bounded below by log(eps)",
            |v| v[0].safe_log(1.0),
            &[[INF, INF, 0.0], [-INF, 0.0, 0.0], [NAN, NAN, NAN]],
        ),
        points("safe_log: not without eps", |v| v[0].safe_log(0.0), &[[-INF, -INF, NAN]]),
    ]
}

fn special() -> Vec<Row> {
    vec![
        points(
            "erf",
            |v| v[0].erf(),
            &[[-0.0, -0.0, 2.0 * FRAC_2_SQRT_PI], [INF, 1.0, 0.0], [-INF, -1.0, 0.0], [NAN, NAN, NAN]],
        ),
        points("erfc", |v| v[0].erfc(), &[[INF, 0.0, -0.0], [-INF, 2.0, -0.0], [NAN, NAN, NAN]]),
        points("normal_cdf", |v| v[0].normal_cdf(), &[[INF, 1.0, 0.0], [-INF, 0.0, 0.0], [NAN, NAN, NAN]]),
        points(
            "lgamma: inf at its poles; the slope there has a sign only at zeros",
            |v| v[0].lgamma(),
            &[
                [0.0, INF, -INF],
                [-0.0, INF, INF],
                [-1.0, INF, NAN],
                [INF, INF, INF],
                [-INF, INF, NAN],
                [NAN, NAN, NAN],
            ],
        ),
        points(
            "polygamma: order 1 is even at its poles, order 2 is not",
            |v| v[0].polygamma(1),
            &[
                [0.0, INF, -INF],
                [-0.0, INF, INF],
                [-1.0, INF, NAN],
                [INF, 0.0, -0.0],
                [-INF, NAN, NAN],
                [NAN, NAN, NAN],
            ],
        ),
        points("polygamma: no order above 170", |v| v[0].polygamma(171), &[[1.0, NAN, NAN]]),
    ]
}

fn activations() -> Vec<Row> {
    vec![
        points(
            "logsigmoid: +0 at inf",
            |v| v[0].logsigmoid(),
            &[[INF, 0.0, 0.0], [-INF, -INF, 2.0], [NAN, NAN, NAN]],
        ),
        points(
            "silu: a product, so that infinities meet zeros as 0 * inf",
            |v| v[0].silu(),
            &[[-0.0, -0.0, 1.0], [0.0, 0.0, 1.0], [INF, INF, NAN], [-INF, NAN, NAN], [NAN, NAN, NAN]],
        ),
        points(
            "gelu_erf: likewise",
            |v| v[0].gelu_erf(),
            &[[-0.0, -0.0, 1.0], [0.0, 0.0, 1.0], [INF, INF, NAN], [-INF, NAN, NAN], [NAN, NAN, NAN]],
        ),
        points(
            "gelu_tanh: likewise",
            |v| v[0].gelu_tanh(),
            &[[-0.0, -0.0, 1.0], [0.0, 0.0, 1.0], [INF, INF, NAN], [-INF, NAN, NAN], [NAN, NAN, NAN]],
        ),
        points("mish: likewise", |v| v[0].mish(), &[[INF, INF, NAN], [-INF, NAN, NAN], [NAN, NAN, NAN]]),
        points(
            "softsign: slope 1 at 0, NaN at infinity",
            |v| v[0].softsign(),
            &[[0.0, 0.0, 2.0], [-0.0, -0.0, 2.0], [3.0, 0.75, 0.125], [-INF, NAN, 0.0], [NAN, NAN, NAN]],
        ),
        points(
            "elu: slope alpha at 0",
            |v| v[0].elu(0.5),
            &[
                [0.0, 0.0, 1.0],
                [-0.0, -0.0, 1.0],
                [3.0, 3.0, 2.0],
                [INF, INF, 2.0],
                [-INF, -0.5, 0.0],
                [NAN, NAN, NAN],
            ],
        ),
        points(
            "leaky_relu: the slope of the negative side at 0 and at NaN",
            |v| v[0].leaky_relu(0.25),
            &[
                [0.0, 0.0, 0.5],
                [-0.0, -0.0, 0.5],
                [2.0, 2.0, 2.0],
                [-4.0, -1.0, 0.5],
                [INF, INF, 2.0],
                [-INF, -INF, 0.5],
                [NAN, NAN, 0.5],
            ],
        ),
    ]
}

fn pairs() -> Vec<Row> {
    vec![
        points(
            "atan2: the quadrant by the signs of zeros; no slope at the origin",
            |v| v[0].atan2(v[1]),
            &[
                [0.0, 0.0, 0.0, NAN, NAN],
                [0.0, -0.0, PI, NAN, NAN],
                [-0.0, 0.0, -0.0, NAN, NAN],
                [INF, INF, FRAC_PI_4, NAN, NAN],
                [1.0, 0.0, FRAC_PI_2, 0.0, -2.0],
            ],
        ),
        points(
            "hypot: slope 0 at the origin; inf even beside NaN",
            |v| v[0].hypot(v[1]),
            &[
                [0.0, 0.0, 0.0, 0.0, 0.0],
                [-8.0, 0.0, 8.0, -2.0, 0.0],
                [INF, 0.0, INF, NAN, 0.0],
                [NAN, INF, INF, NAN, NAN],
                [NAN, 1.0, NAN, NAN, NAN],
            ],
        ),
        points(
            "mul_add: signs of zero and infinities as in a product and a sum",
            |v| v[0].mul_add(v[1], v[2]),
            &[
                [-1.0, 0.0, 0.0, 0.0, 0.0, -2.0, 2.0],
                [-1.0, 0.0, -0.0, -0.0, 0.0, -2.0, 2.0],
                [INF, 0.0, 1.0, NAN, 0.0, INF, 2.0],
                [INF, 1.0, -INF, NAN, 2.0, INF, 2.0],
            ],
        ),
        points(
            "logaddexp: equal infinities share the gradient in halves",
            |v| v[0].logaddexp(v[1]),
            &[
                [INF, INF, INF, 1.0, 1.0],
                [-INF, -INF, -INF, 1.0, 1.0],
                [INF, -INF, INF, 2.0, 0.0],
                [-INF, 1.0, 1.0, 0.0, 2.0],
                [NAN, 1.0, NAN, NAN, NAN],
            ],
        ),
    ]
}
