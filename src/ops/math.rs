//! Transcendental functions and the smooth activations, in forms that keep full
//! relative precision in the tails.

use crate::graph::ValueId;
use crate::ops::elementwise::{BINARY, UNARY};
use crate::ops::emit::Emitter;
use crate::ops::error::OpError;
use crate::ops::make;
use crate::ops::row::{Flow, MapFn, Row, Rule, Site, Value};
use crate::ops::rules::{add_tangents, seed, tangent, to, unary_jvp, unary_vjp};
use smallvec::smallvec;

type R = Result<ValueId, OpError>;

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
smooth!(TANH, "tanh", Tanh, tanh_slope);
smooth!(SIGMOID, "sigmoid", Sigmoid, sigmoid_slope);
smooth!(SOFTPLUS, "softplus", Softplus, |e: &mut dyn Emitter, s: &Site<'_>, d| {
    let slope = e.unary(make::sigmoid(), s.operands[0])?;
    e.mul(d, slope)
});

/// x^y for real y; NaN for x < 0 unless y is an integer.
pub static POW: Row = Row {
    name: "pow",
    value: Value::Map(MapFn::Pow),
    vjp: Rule::By(|e, site, d| {
        let Some(d) = seed(d) else { return Ok(smallvec![Flow::Zero; 2]) };
        let dx = if site.wants(0) {
            let slope = pow_slope_base(e, site)?;
            let v = e.mul(d, slope)?;
            to(e, site, 0, v)?
        } else {
            Flow::Zero
        };
        let dy = if site.wants(1) {
            let slope = pow_slope_exponent(e, site)?;
            let v = e.mul(d, slope)?;
            to(e, site, 1, v)?
        } else {
            Flow::Zero
        };
        Ok(smallvec![dx, dy])
    }),
    jvp: Rule::By(|e, site, t| {
        let mut terms = [None, None];
        if let Some(dx) = t[0] {
            let slope = pow_slope_base(e, site)?;
            terms[0] = Some(e.mul(slope, dx)?);
        }
        if let Some(dy) = t[1] {
            let slope = pow_slope_exponent(e, site)?;
            terms[1] = Some(e.mul(slope, dy)?);
        }
        let sum = add_tangents(e, &terms)?;
        tangent(e, site, sum)
    }),
    exact: false,
    ..BINARY
};

pub static ROWS: &[&Row] = &[&EXP, &LOG, &SIN, &COS, &ATAN, &TANH, &SIGMOID, &SOFTPLUS, &POW];

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
