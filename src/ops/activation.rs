//! Activations of neural networks. Slopes are sums and products of what does not cancel:
//! s(-x) for 1 - s(x), s being the logistic function.

use crate::graph::ValueId;
use crate::ops::attr::AttrKind;
use crate::ops::elementwise::UNARY;
use crate::ops::emit::Emitter;
use crate::ops::make;
use crate::ops::math::{R, smooth};
use crate::ops::row::{AttrSpec, MapFn, Row, Rule, Site, Value};
use crate::ops::rules::{unary_jvp, unary_vjp};
use crate::ops::special::normal_density;
use cotangent_runtime::math::{GELU_CUBIC, GELU_LINEAR};
use smallvec::smallvec;

smooth!(SILU, "silu", Silu, |e: &mut dyn Emitter, s: &Site<'_>, d| {
    let x = s.operands[0];
    let slope = gated_slope(e, x, x, None)?;
    e.mul(d, slope)
});
// The normal distribution function and x times its density.
smooth!(GELU_ERF, "gelu_erf", GeluErf, |e: &mut dyn Emitter, s: &Site<'_>, d| {
    let x = s.operands[0];
    let below = e.unary(make::normal_cdf(), x)?;
    let density = normal_density(e, x)?;
    let moved = e.mul(x, density)?;
    let slope = e.add(below, moved)?;
    e.mul(d, slope)
});
smooth!(GELU_TANH, "gelu_tanh", GeluTanh, |e: &mut dyn Emitter, s: &Site<'_>, d| {
    let x = s.operands[0];
    let square = e.unary(make::square(), x)?;
    let bent = e.one(make::scale(GELU_CUBIC), &[square])?;
    let linear = e.scalar_like(d, GELU_LINEAR)?;
    let sum = e.add(linear, bent)?;
    let z = e.mul(x, sum)?;
    let steep = e.one(make::scale(3.0), &[bent])?;
    let dz = e.add(linear, steep)?;
    let slope = gated_slope(e, x, z, Some(dz))?;
    e.mul(d, slope)
});

/// A row of one operand that other ops define, with its slope.
macro_rules! composed {
    ($(#[$doc:meta])* $name:ident, $text:literal, $value:expr, $slope:expr) => {
        $(#[$doc])*
        pub static $name: Row = Row {
            name: $text,
            value: Value::Expand(|e, site| Ok(smallvec![$value(e, site)?])),
            vjp: Rule::By(|e, site, d| unary_vjp(d, |d| $slope(e, site, d))),
            jvp: Rule::By(|e, site, t| unary_jvp(t, |dx| $slope(e, site, dx))),
            exact: false,
            ..UNARY
        };
    };
}

composed! {
    /// log(s(x))
    LOGSIGMOID, "logsigmoid",
    |e: &mut dyn Emitter, s: &Site<'_>| {
        let minus = e.neg(s.operands[0])?;
        let other = e.unary(make::softplus(), minus)?;
        let zero = e.scalar_like(other, 0.0)?;
        e.sub(zero, other)
    },
    |e: &mut dyn Emitter, s: &Site<'_>, d| {
        let minus = e.neg(s.operands[0])?;
        let slope = e.unary(make::sigmoid(), minus)?;
        e.mul(d, slope)
    }
}

composed! {
    /// x tanh(softplus(x))
    MISH, "mish",
    |e: &mut dyn Emitter, s: &Site<'_>| {
        let gate = e.unary(make::tanh_softplus(), s.operands[0])?;
        e.mul(s.operands[0], gate)
    },
    |e: &mut dyn Emitter, s: &Site<'_>, d| {
        let x = s.operands[0];
        let gate = e.unary(make::tanh_softplus(), x)?;
        let one = e.scalar_like(d, 1.0)?;
        let gate_slope = tanh_softplus_slope(e, x, one)?;
        let moved = e.mul(x, gate_slope)?;
        let slope = e.add(gate, moved)?;
        e.mul(d, slope)
    }
}

composed! {
    /// The factor of [`MISH`], with a slope that is precise where it is nearly 1.
    TANH_SOFTPLUS, "tanh_softplus",
    |e: &mut dyn Emitter, s: &Site<'_>| {
        let soft = e.unary(make::softplus(), s.operands[0])?;
        e.unary(make::tanh(), soft)
    },
    |e: &mut dyn Emitter, s: &Site<'_>, d| tanh_softplus_slope(e, s.operands[0], d)
}

/// x for x > 0, else alpha (e^x - 1); slope alpha at 0.
pub static ELU: Row = Row {
    name: "elu",
    attrs: &[AttrSpec::new("alpha", AttrKind::Float)],
    value: Value::Expand(|e, site| {
        let (x, alpha) = (site.operands[0], site.op.attrs.float(0));
        let zero = e.scalar_like(x, 0.0)?;
        let positive = e.lt(zero, x)?;
        let rest = e.unary(make::expm1(), x)?;
        let rest = e.one(make::scale(alpha), &[rest])?;
        Ok(smallvec![e.select(positive, x, rest)?])
    }),
    vjp: Rule::By(|e, site, d| unary_vjp(d, |d| elu_slope(e, site, d))),
    jvp: Rule::By(|e, site, t| unary_jvp(t, |dx| elu_slope(e, site, dx))),
    exact: false,
    ..UNARY
};

/// x for x > 0, else slope x; the derivative at 0 is that of the negative side.
pub static LEAKY_RELU: Row = Row {
    name: "leaky_relu",
    attrs: &[AttrSpec::new("slope", AttrKind::Float)],
    value: Value::Expand(|e, site| Ok(smallvec![leaky(e, site, site.operands[0])?])),
    vjp: Rule::By(|e, site, d| unary_vjp(d, |d| leaky(e, site, d))),
    jvp: Rule::By(|e, site, t| unary_jvp(t, |dx| leaky(e, site, dx))),
    ..UNARY
};

/// x / (1 + |x|), NaN at infinity. The slope 1 / (1 + |x|)^2 is written so that nothing cancels.
pub static SOFTSIGN: Row = Row {
    name: "softsign",
    value: Value::Expand(|e, site| {
        let widened = one_plus_abs(e, site.operands[0])?;
        Ok(smallvec![e.div(site.operands[0], widened)?])
    }),
    vjp: Rule::By(|e, site, d| unary_vjp(d, |d| softsign_slope(e, site.operands[0], d))),
    jvp: Rule::By(|e, site, t| unary_jvp(t, |dx| softsign_slope(e, site.operands[0], dx))),
    ..UNARY
};

pub static ROWS: &[&Row] =
    &[&LOGSIGMOID, &SILU, &GELU_ERF, &GELU_TANH, &MISH, &TANH_SOFTPLUS, &ELU, &LEAKY_RELU, &SOFTSIGN];

fn one_plus_abs(e: &mut dyn Emitter, x: ValueId) -> R {
    let size = e.unary(make::abs(), x)?;
    let one = e.scalar_like(x, 1.0)?;
    e.add(one, size)
}

fn softsign_slope(e: &mut dyn Emitter, x: ValueId, d: ValueId) -> R {
    let widened = one_plus_abs(e, x)?;
    let square = e.unary(make::square(), widened)?;
    e.div(d, square)
}

/// s(z) (1 + x z' s(-z)), the slope of x s(z); no `dz` stands for 1.
fn gated_slope(e: &mut dyn Emitter, x: ValueId, z: ValueId, dz: Option<ValueId>) -> R {
    let minus = e.neg(z)?;
    let (gate, other) = (e.unary(make::sigmoid(), z)?, e.unary(make::sigmoid(), minus)?);
    let step = match dz {
        Some(dz) => e.mul(x, dz)?,
        None => x,
    };
    let moved = e.mul(step, other)?;
    let one = e.scalar_like(x, 1.0)?;
    let rest = e.add(one, moved)?;
    e.mul(gate, rest)
}

/// d s(x) (2q / (1 + q^2))^2 with q = s(-x).
fn tanh_softplus_slope(e: &mut dyn Emitter, x: ValueId, d: ValueId) -> R {
    let minus = e.neg(x)?;
    let (gate, other) = (e.unary(make::sigmoid(), x)?, e.unary(make::sigmoid(), minus)?);
    let square = e.unary(make::square(), other)?;
    let one = e.scalar_like(x, 1.0)?;
    let below = e.add(one, square)?;
    let twice = e.add(other, other)?;
    let ratio = e.div(twice, below)?;
    let sech2 = e.unary(make::square(), ratio)?;
    let slope = e.mul(gate, sech2)?;
    e.mul(d, slope)
}

/// d, or d alpha e^x; the branch not taken stays finite, for its own derivative.
fn elu_slope(e: &mut dyn Emitter, site: &Site<'_>, d: ValueId) -> R {
    let x = site.operands[0];
    let zero = e.scalar_like(x, 0.0)?;
    let positive = e.lt(zero, x)?;
    let negative = e.select(positive, zero, x)?;
    let power = e.unary(make::exp(), negative)?;
    let slope = e.one(make::scale(site.op.attrs.float(0)), &[power])?;
    let rest = e.mul(d, slope)?;
    e.select(positive, d, rest)
}

/// v, or the slope times v, by the sign of the operand.
fn leaky(e: &mut dyn Emitter, site: &Site<'_>, v: ValueId) -> R {
    let x = site.operands[0];
    let zero = e.scalar_like(x, 0.0)?;
    let positive = e.lt(zero, x)?;
    let rest = e.one(make::scale(site.op.attrs.float(0)), &[v])?;
    e.select(positive, v, rest)
}
