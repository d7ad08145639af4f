//! Elementary transcendental functions, in forms that keep full relative precision in
//! the tails.

use crate::graph::ValueId;
use crate::ops::elementwise::{BINARY, UNARY};
use crate::ops::emit::Emitter;
use crate::ops::error::OpError;
use crate::ops::make;
use crate::ops::row::{Flow, Flows, MapFn, Row, Rule, Site, Tangents, Value};
use crate::ops::rules::{add_tangents, seed, tangent, to, unary_jvp, unary_vjp};
use smallvec::smallvec;

pub(super) type R = Result<ValueId, OpError>;

/// A row of one operand with derivative `dy = slope(x, y) * d` or any other
/// expression linear in d, the same in both modes.
macro_rules! smooth {
    ($name:ident, $text:literal, $map:ident, $slope:expr) => {
        pub static $name: Row = Row {
            name: $text,
            value: Value::Map(MapFn::$map),
            vjp: Rule::By(|e, site, d| unary_vjp(d, |d| $slope(e, site, d))),
            jvp: Rule::By(|e, site, t| unary_jvp(t, |dx| $slope(e, site, dx))),
            exact: false,
            ..UNARY
        };
    };
}

pub(super) use smooth;

smooth!(EXP, "exp", Exp, |e: &mut dyn Emitter, s: &Site<'_>, d| e.mul(d, s.results[0]));
smooth!(LOG, "log", Log, |e: &mut dyn Emitter, s: &Site<'_>, d| e.div(d, s.operands[0]));
smooth!(SIN, "sin", Sin, |e: &mut dyn Emitter, s: &Site<'_>, d| {
    let slope = e.unary(make::cos(), s.operands[0])?;
    e.mul(d, slope)
});
smooth!(COS, "cos", Cos, |e: &mut dyn Emitter, s: &Site<'_>, d| {
    let sine = e.unary(make::sin(), s.operands[0])?;
    let slope = e.mul(d, sine)?;
    e.neg(slope)
});
// 1 + x^2 may overflow; d / inf is the right 0.
smooth!(ATAN, "atan", Atan, |e: &mut dyn Emitter, s: &Site<'_>, d| {
    let square = e.unary(make::square(), s.operands[0])?;
    let one = e.scalar_like(square, 1.0)?;
    let below = e.add(one, square)?;
    e.div(d, below)
});
smooth!(EXP2, "exp2", Exp2, |e: &mut dyn Emitter, s: &Site<'_>, d| {
    let slope = e.mul(d, s.results[0])?;
    e.one(make::scale(std::f64::consts::LN_2), &[slope])
});
// y + 1 would lose everything at x = -40.
smooth!(EXPM1, "expm1", Expm1, |e: &mut dyn Emitter, s: &Site<'_>, d| {
    let slope = e.unary(make::exp(), s.operands[0])?;
    e.mul(d, slope)
});
smooth!(LOG2, "log2", Log2, |e: &mut dyn Emitter, s: &Site<'_>, d| {
    let slope = e.div(d, s.operands[0])?;
    e.one(make::scale(std::f64::consts::LOG2_E), &[slope])
});
smooth!(LOG1P, "log1p", Log1p, |e: &mut dyn Emitter, s: &Site<'_>, d| {
    let one = e.scalar_like(d, 1.0)?;
    let below = e.add(one, s.operands[0])?;
    e.div(d, below)
});
smooth!(TAN, "tan", Tan, |e: &mut dyn Emitter, s: &Site<'_>, d| {
    let square = e.unary(make::square(), s.results[0])?;
    let one = e.scalar_like(d, 1.0)?;
    let slope = e.add(one, square)?;
    e.mul(d, slope)
});
smooth!(ASIN, "asin", Asin, |e: &mut dyn Emitter, s: &Site<'_>, d| over_cosine(e, s.operands[0], d));
smooth!(ACOS, "acos", Acos, |e: &mut dyn Emitter, s: &Site<'_>, d| {
    let slope = over_cosine(e, s.operands[0], d)?;
    e.neg(slope)
});
smooth!(SINH, "sinh", Sinh, |e: &mut dyn Emitter, s: &Site<'_>, d| {
    let slope = e.unary(make::cosh(), s.operands[0])?;
    e.mul(d, slope)
});
smooth!(COSH, "cosh", Cosh, |e: &mut dyn Emitter, s: &Site<'_>, d| {
    let slope = e.unary(make::sinh(), s.operands[0])?;
    e.mul(d, slope)
});
smooth!(ASINH, "asinh", Asinh, |e: &mut dyn Emitter, s: &Site<'_>, d| {
    let one = e.scalar_like(d, 1.0)?;
    let below = e.one(make::hypot(), &[one, s.operands[0]])?;
    e.div(d, below)
});
// Root by root: x^2 - 1 would overflow, and lose everything near 1.
smooth!(ACOSH, "acosh", Acosh, |e: &mut dyn Emitter, s: &Site<'_>, d| {
    let one = e.scalar_like(d, 1.0)?;
    let (less, more) = (e.sub(s.operands[0], one)?, e.add(s.operands[0], one)?);
    let (less, more) = (e.unary(make::sqrt(), less)?, e.unary(make::sqrt(), more)?);
    let slope = e.div(d, less)?;
    e.div(slope, more)
});
smooth!(ATANH, "atanh", Atanh, |e: &mut dyn Emitter, s: &Site<'_>, d| {
    let below = e.unary(make::one_minus_square(), s.operands[0])?;
    e.div(d, below)
});
smooth!(CBRT, "cbrt", Cbrt, |e: &mut dyn Emitter, s: &Site<'_>, d| {
    let square = e.unary(make::square(), s.results[0])?;
    let below = e.one(make::scale(3.0), &[square])?;
    e.div(d, below)
});
smooth!(TANH, "tanh", Tanh, tanh_slope);
smooth!(SIGMOID, "sigmoid", Sigmoid, sigmoid_slope);
smooth!(SOFTPLUS, "softplus", Softplus, |e: &mut dyn Emitter, s: &Site<'_>, d| {
    let slope = e.unary(make::sigmoid(), s.operands[0])?;
    e.mul(d, slope)
});

/// A row of two operands with one slope for each.
macro_rules! two_slopes {
    ($(#[$doc:meta])* $name:ident, $text:literal, $value:expr, $first:expr, $second:expr) => {
        $(#[$doc])*
        pub static $name: Row = Row {
            name: $text,
            value: $value,
            vjp: Rule::By(|e, site, d| binary_vjp(e, site, d, [$first, $second])),
            jvp: Rule::By(|e, site, t| binary_jvp(e, site, t, [$first, $second])),
            exact: false,
            ..BINARY
        };
    };
}

two_slopes! {
    /// x^y for real y; NaN for x < 0 unless y is an integer.
    POW, "pow", Value::Map(MapFn::Pow), pow_slope_base, pow_slope_exponent
}

two_slopes! {
    /// The angle of the point (x, y) of operands y, x.
    ATAN2, "atan2", Value::Map(MapFn::Atan2),
    |e, site| turn(e, site.operands[1], site.operands[0]),
    |e, site| {
        let slope = turn(e, site.operands[0], site.operands[1])?;
        e.neg(slope)
    }
}

two_slopes! {
    /// sqrt(x^2 + y^2); slope 0 at the origin.
    HYPOT, "hypot", Value::Map(MapFn::Hypot),
    |e, site| e.one(make::direction(), &[site.operands[0], site.operands[1]]),
    |e, site| e.one(make::direction(), &[site.operands[1], site.operands[0]])
}

two_slopes! {
    /// x / sqrt(x^2 + y^2), and 0 at the origin: a cosine whose slopes do not cancel.
    DIRECTION, "direction",
    Value::Expand(|e, site| {
        let (x, y) = (site.operands[0], site.operands[1]);
        let length = e.one(make::hypot(), &[x, y])?;
        let value = e.div(x, length)?;
        let zero = e.scalar_like(x, 0.0)?;
        let at_origin = e.eq(length, zero)?;
        Ok(smallvec![e.select(at_origin, zero, value)?])
    }),
    |e, site| {
        let (x, y) = (site.operands[0], site.operands[1]);
        let other = e.one(make::direction(), &[y, x])?;
        let across = turn(e, y, x)?;
        e.mul(other, across)
    },
    |e, site| {
        let across = turn(e, site.operands[1], site.operands[0])?;
        let slope = e.mul(site.results[0], across)?;
        e.neg(slope)
    }
}

two_slopes! {
    /// log(e^a + e^b)
    LOGADDEXP, "logaddexp",
    Value::Expand(|e, site| {
        let (a, b) = (site.operands[0], site.operands[1]);
        let (high, low) = (e.one(make::maximum(), &[a, b])?, e.one(make::minimum(), &[a, b])?);
        let below = difference(e, low, high)?;
        let rest = e.unary(make::softplus(), below)?;
        Ok(smallvec![e.add(high, rest)?])
    }),
    |e, site| {
        let d = difference(e, site.operands[0], site.operands[1])?;
        e.unary(make::sigmoid(), d)
    },
    |e, site| {
        let d = difference(e, site.operands[1], site.operands[0])?;
        e.unary(make::sigmoid(), d)
    }
}

/// 1 / sqrt(x)
pub static RSQRT: Row = Row {
    name: "rsqrt",
    value: Value::Expand(|e, site| {
        let root = e.unary(make::sqrt(), site.operands[0])?;
        Ok(smallvec![e.unary(make::recip(), root)?])
    }),
    vjp: Rule::By(|e, site, d| unary_vjp(d, |d| rsqrt_slope(e, site, d))),
    jvp: Rule::By(|e, site, t| unary_jvp(t, |dx| rsqrt_slope(e, site, dx))),
    exact: false,
    ..UNARY
};

/// 1 - x^2 by its factors, precise near 1, with a slope that is precise near 0.
pub static ONE_MINUS_SQUARE: Row = Row {
    name: "one_minus_square",
    value: Value::Expand(|e, site| {
        let x = site.operands[0];
        let one = e.scalar_like(x, 1.0)?;
        let (less, more) = (e.sub(one, x)?, e.add(one, x)?);
        Ok(smallvec![e.mul(less, more)?])
    }),
    vjp: Rule::By(|e, site, d| unary_vjp(d, |d| minus_twice(e, site, d))),
    jvp: Rule::By(|e, site, t| unary_jvp(t, |dx| minus_twice(e, site, dx))),
    ..UNARY
};

pub static ROWS: &[&Row] = &[
    &EXP,
    &EXP2,
    &EXPM1,
    &LOG,
    &LOG2,
    &LOG1P,
    &SIN,
    &COS,
    &TAN,
    &ASIN,
    &ACOS,
    &ATAN,
    &SINH,
    &COSH,
    &TANH,
    &ASINH,
    &ACOSH,
    &ATANH,
    &CBRT,
    &SIGMOID,
    &SOFTPLUS,
    &POW,
    &ATAN2,
    &HYPOT,
    &DIRECTION,
    &LOGADDEXP,
    &RSQRT,
    &ONE_MINUS_SQUARE,
];

type Slope = fn(&mut dyn Emitter, &Site<'_>) -> R;

fn binary_vjp(
    e: &mut dyn Emitter,
    site: &Site<'_>,
    d: &[Option<ValueId>],
    slopes: [Slope; 2],
) -> Result<Flows, OpError> {
    let Some(d) = seed(d) else { return Ok(smallvec![Flow::Zero; 2]) };
    let mut flow = |i: usize| {
        if !site.wants(i) {
            return Ok(Flow::Zero);
        }
        let slope = slopes[i](e, site)?;
        let v = e.mul(d, slope)?;
        to(e, site, i, v)
    };
    Ok(smallvec![flow(0)?, flow(1)?])
}

fn binary_jvp(
    e: &mut dyn Emitter,
    site: &Site<'_>,
    t: &[Option<ValueId>],
    slopes: [Slope; 2],
) -> Result<Tangents, OpError> {
    let mut terms = [None, None];
    for i in 0..2 {
        if let Some(dx) = t[i] {
            let slope = slopes[i](e, site)?;
            terms[i] = Some(e.mul(slope, dx)?);
        }
    }
    let sum = add_tangents(e, &terms)?;
    tangent(e, site, sum)
}

/// x / (x^2 + y^2), without overflow on the way.
fn turn(e: &mut dyn Emitter, x: ValueId, y: ValueId) -> R {
    let cosine = e.one(make::direction(), &[x, y])?;
    let length = e.one(make::hypot(), &[x, y])?;
    e.div(cosine, length)
}

/// a - b, and 0 also for equal infinities.
fn difference(e: &mut dyn Emitter, a: ValueId, b: ValueId) -> R {
    let difference = e.sub(a, b)?;
    let zero = e.scalar_like(a, 0.0)?;
    let (same, none) = (e.eq(a, b)?, e.one(make::ne(), &[difference, difference])?);
    let infinite = e.and(same, none)?;
    e.select(infinite, zero, difference)
}

/// d / sqrt(1 - x^2)
fn over_cosine(e: &mut dyn Emitter, x: ValueId, d: ValueId) -> R {
    let square = e.unary(make::one_minus_square(), x)?;
    let cosine = e.unary(make::sqrt(), square)?;
    e.div(d, cosine)
}

/// -y^3 / 2
fn rsqrt_slope(e: &mut dyn Emitter, site: &Site<'_>, d: ValueId) -> R {
    let y = site.results[0];
    let square = e.unary(make::square(), y)?;
    let cube = e.mul(square, y)?;
    let slope = e.one(make::scale(-0.5), &[cube])?;
    e.mul(d, slope)
}

fn minus_twice(e: &mut dyn Emitter, site: &Site<'_>, d: ValueId) -> R {
    let twice = e.add(d, d)?;
    let v = e.mul(twice, site.operands[0])?;
    e.neg(v)
}

/// sech^2 = (1 - y)(1 + y)
fn tanh_slope(e: &mut dyn Emitter, site: &Site<'_>, d: ValueId) -> R {
    let y = site.results[0];
    let one = e.scalar_like(y, 1.0)?;
    let square = e.unary(make::square(), y)?;
    let slope = e.sub(one, square)?;
    e.mul(d, slope)
}

/// s(x) s(-x): `1 - s(x)` would lose everything at x = 40.
fn sigmoid_slope(e: &mut dyn Emitter, site: &Site<'_>, d: ValueId) -> R {
    let minus = e.neg(site.operands[0])?;
    let other = e.unary(make::sigmoid(), minus)?;
    let slope = e.mul(site.results[0], other)?;
    e.mul(d, slope)
}

/// y x^(y-1), and 0 for y = 0 also where x^-1 is infinite.
fn pow_slope_base(e: &mut dyn Emitter, site: &Site<'_>) -> R {
    let (x, y) = (site.operands[0], site.operands[1]);
    let zero = e.scalar_like(y, 0.0)?;
    let one = e.scalar_like(y, 1.0)?;
    let less = e.sub(y, one)?;
    let power = e.one(make::pow(), &[x, less])?;
    let slope = e.mul(y, power)?;
    let none = e.eq(y, zero)?;
    e.select(none, zero, slope)
}

/// x^y log x, and 0 where x = 0 and y >= 0.
fn pow_slope_exponent(e: &mut dyn Emitter, site: &Site<'_>) -> R {
    let (x, y) = (site.operands[0], site.operands[1]);
    let zero = e.scalar_like(y, 0.0)?;
    let log = e.unary(make::log(), x)?;
    let slope = e.mul(site.results[0], log)?;
    let at_zero = e.eq(x, zero)?;
    let not_negative = e.one(make::le(), &[zero, y])?;
    let flat = e.and(at_zero, not_negative)?;
    e.select(flat, zero, slope)
}
