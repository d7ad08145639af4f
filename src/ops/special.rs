//! The error function, the normal distribution, and the gamma function.

use crate::graph::ValueId;
use crate::ops::elementwise::{BINARY, UNARY};
use crate::ops::emit::Emitter;
use crate::ops::make;
use crate::ops::math::{R, smooth};
use crate::ops::row::{Flow, MapFn, Row, Rule, Site, Value};
use crate::ops::rules::{seed, tangent, to, unary_jvp, unary_vjp};
use cotangent_runtime::math::NORMAL_DENSITY;
use smallvec::smallvec;
use std::f64::consts::FRAC_2_SQRT_PI;

smooth!(ERF, "erf", Erf, |e: &mut dyn Emitter, s: &Site<'_>, d| {
    let slope = bell(e, s.operands[0], -1.0, FRAC_2_SQRT_PI)?;
    e.mul(d, slope)
});
smooth!(ERFC, "erfc", Erfc, |e: &mut dyn Emitter, s: &Site<'_>, d| {
    let slope = bell(e, s.operands[0], -1.0, -FRAC_2_SQRT_PI)?;
    e.mul(d, slope)
});
smooth!(NORMAL_CDF, "normal_cdf", NormalCdf, |e: &mut dyn Emitter, s: &Site<'_>, d| {
    let slope = normal_density(e, s.operands[0])?;
    e.mul(d, slope)
});
smooth!(LGAMMA, "lgamma", Lgamma, |e: &mut dyn Emitter, s: &Site<'_>, d| {
    let zero = e.scalar_like(d, 0.0)?;
    let slope = e.one(make::polygamma(), &[zero, s.operands[0]])?;
    e.mul(d, slope)
});

/// `polygamma(order, x)`: the derivative of that order of the digamma function; NaN unless
/// the order is a whole number up to 170. The order carries no derivative.
pub static POLYGAMMA: Row = Row {
    name: "polygamma",
    value: Value::Map(MapFn::Polygamma),
    vjp: Rule::By(|e, site, d| {
        let Some(d) = seed(d).filter(|_| site.wants(1)) else { return Ok(smallvec![Flow::Zero; 2]) };
        let slope = next_order(e, site)?;
        let v = e.mul(d, slope)?;
        Ok(smallvec![Flow::Zero, to(e, site, 1, v)?])
    }),
    jvp: Rule::By(|e, site, t| {
        let moved = match t[1] {
            Some(dx) => {
                let slope = next_order(e, site)?;
                Some(e.mul(slope, dx)?)
            }
            None => None,
        };
        tangent(e, site, moved)
    }),
    exact: false,
    ..BINARY
};

pub static ROWS: &[&Row] = &[&ERF, &ERFC, &NORMAL_CDF, &LGAMMA, &POLYGAMMA];

fn next_order(e: &mut dyn Emitter, site: &Site<'_>) -> R {
    let (order, x) = (site.operands[0], site.operands[1]);
    let one = e.scalar_like(order, 1.0)?;
    let next = e.add(order, one)?;
    e.one(make::polygamma(), &[next, x])
}

/// exp(factor x^2) scale
fn bell(e: &mut dyn Emitter, x: ValueId, factor: f64, scale: f64) -> R {
    let square = e.unary(make::square(), x)?;
    let power = e.one(make::scale(factor), &[square])?;
    let bell = e.unary(make::exp(), power)?;
    e.one(make::scale(scale), &[bell])
}

/// The density of the normal distribution.
pub(super) fn normal_density(e: &mut dyn Emitter, x: ValueId) -> R {
    bell(e, x, -0.5, NORMAL_DENSITY)
}
