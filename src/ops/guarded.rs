//! Functions with a guard: a product-sum with one rounding, a square root and a
//! logarithm that are defined where their plain forms are not.

use crate::graph::ValueId;
use crate::ops::attr::AttrKind;
use crate::ops::elementwise::UNARY;
use crate::ops::emit::Emitter;
use crate::ops::error::OpError;
use crate::ops::make;
use crate::ops::row::{AttrSpec, Flow, MapFn, Row, Rule, Site, Value};
use crate::ops::rules::{add_tangents, seed, tangent, to, unary_jvp, unary_vjp};
use smallvec::smallvec;

type R = Result<ValueId, OpError>;

/// a * b + c with one rounding.
pub static MUL_ADD: Row = Row {
    name: "mul_add",
    min_operands: 3,
    max_operands: 3,
    value: Value::Map(MapFn::Fma),
    vjp: Rule::By(|e, site, d| {
        let Some(d) = seed(d) else { return Ok(smallvec![Flow::Zero; 3]) };
        let mut flow = |i: usize| {
            if !site.wants(i) {
                return Ok(Flow::Zero);
            }
            let v = if i == 2 { d } else { e.mul(d, site.operands[1 - i])? };
            to(e, site, i, v)
        };
        Ok(smallvec![flow(0)?, flow(1)?, flow(2)?])
    }),
    jvp: Rule::By(|e, site, t| {
        let (a, b) = (site.operands[0], site.operands[1]);
        let left = t[0].map(|da| e.mul(da, b)).transpose()?;
        let right = t[1].map(|db| e.mul(a, db)).transpose()?;
        let sum = add_tangents(e, &[left, right, t[2]])?;
        tangent(e, site, sum)
    }),
    ..UNARY
};

/// sqrt(max(x, 0)); the derivative is 0 where x <= 0.
pub static SQRT_NONNEG: Row = Row {
    name: "sqrt_nonneg",
    value: Value::Expand(|e, site| {
        let x = site.operands[0];
        let zero = e.scalar_like(x, 0.0)?;
        let high = e.one(make::maximum(), &[x, zero])?;
        Ok(smallvec![e.unary(make::sqrt(), high)?])
    }),
    vjp: Rule::By(|e, site, d| unary_vjp(d, |d| root_slope(e, site, d))),
    jvp: Rule::By(|e, site, t| unary_jvp(t, |dx| root_slope(e, site, dx))),
    exact: false,
    ..UNARY
};

/// d / (2 y), or 0; the branch not taken stays finite, for its own derivative.
fn root_slope(e: &mut dyn Emitter, site: &Site<'_>, d: ValueId) -> R {
    let x = site.operands[0];
    let (zero, one) = (e.scalar_like(x, 0.0)?, e.scalar_like(x, 1.0)?);
    let positive = e.lt(zero, x)?;
    let root = e.select(positive, site.results[0], one)?;
    let twice = e.add(root, root)?;
    let slope = e.div(d, twice)?;
    e.select(positive, slope, zero)
}

/// log(softplus(x) + eps): the logarithm of a number that is positive for every x.
pub static SAFE_LOG: Row = Row {
    name: "safe_log",
    attrs: &[AttrSpec::new("eps", AttrKind::Float)],
    value: Value::Expand(|e, site| {
        let raised = raised(e, site)?;
        Ok(smallvec![e.unary(make::log(), raised)?])
    }),
    vjp: Rule::By(|e, site, d| unary_vjp(d, |d| log_slope(e, site, d))),
    jvp: Rule::By(|e, site, t| unary_jvp(t, |dx| log_slope(e, site, dx))),
    exact: false,
    ..UNARY
};

/// softplus(x) + eps
fn raised(e: &mut dyn Emitter, site: &Site<'_>) -> R {
    let x = site.operands[0];
    let eps = e.scalar_like(x, site.op.attrs.float(0))?;
    let high = e.unary(make::softplus(), x)?;
    e.add(high, eps)
}

/// d s(x) / (softplus(x) + eps), s being the logistic function.
fn log_slope(e: &mut dyn Emitter, site: &Site<'_>, d: ValueId) -> R {
    let rise = e.unary(make::sigmoid(), site.operands[0])?;
    let raised = raised(e, site)?;
    let slope = e.div(rise, raised)?;
    e.mul(d, slope)
}

pub static ROWS: &[&Row] = &[&MUL_ADD, &SQRT_NONNEG, &SAFE_LOG];
