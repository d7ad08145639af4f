//! Element-wise arithmetic, exact over the rationals except the square root.

use crate::graph::ValueId;
use crate::ops::attr::AttrKind;
use crate::ops::emit::Emitter;
use crate::ops::error::OpError;
use crate::ops::infer;
use crate::ops::make;
use crate::ops::row::{AttrSpec, Flow, Flows, MapFn, Row, Rule, Site, Tangents, Value};
use crate::ops::rules::{add_tangents, seed, tangent, to, unary_jvp, unary_vjp};
use smallvec::smallvec;

type D<'a> = &'a [Option<ValueId>];

/// A row of one operand; the other fields are set by the ops below.
pub(super) const UNARY: Row = Row {
    name: "",
    min_operands: 1,
    max_operands: 1,
    attrs: &[],
    infer: infer::elementwise,
    value: Value::Map(MapFn::Neg),
    vjp: Rule::Missing,
    jvp: Rule::Missing,
    exact: true,
};

pub(super) const BINARY: Row = Row { min_operands: 2, max_operands: 2, ..UNARY };

pub static ADD: Row = Row {
    name: "add",
    value: Value::Map(MapFn::Add),
    vjp: Rule::By(|e, site, d| both(e, site, d, |_, d| Ok((d, d)))),
    jvp: Rule::By(|e, site, t| {
        let sum = add_tangents(e, t)?;
        tangent(e, site, sum)
    }),
    ..BINARY
};

pub static SUB: Row = Row {
    name: "sub",
    value: Value::Map(MapFn::Sub),
    vjp: Rule::By(|e, site, d| {
        let Some(d) = seed(d) else { return Ok(smallvec![Flow::Zero; 2]) };
        let a = to(e, site, 0, d)?;
        let b = if site.wants(1) {
            let minus = e.neg(d)?;
            to(e, site, 1, minus)?
        } else {
            Flow::Zero
        };
        Ok(smallvec![a, b])
    }),
    jvp: Rule::By(|e, site, t| {
        let diff = match (t[0], t[1]) {
            (Some(a), Some(b)) => Some(e.sub(a, b)?),
            (None, Some(b)) => Some(e.neg(b)?),
            (a, None) => a,
        };
        tangent(e, site, diff)
    }),
    ..BINARY
};

pub static MUL: Row = Row {
    name: "mul",
    value: Value::Map(MapFn::Mul),
    vjp: Rule::By(|e, site, d| {
        let Some(d) = seed(d) else { return Ok(smallvec![Flow::Zero; 2]) };
        let mut flow = |i: usize| {
            if !site.wants(i) {
                return Ok(Flow::Zero);
            }
            let v = e.mul(d, site.operands[1 - i])?;
            to(e, site, i, v)
        };
        Ok(smallvec![flow(0)?, flow(1)?])
    }),
    jvp: Rule::By(|e, site, t| {
        let (a, b) = (site.operands[0], site.operands[1]);
        let left = t[0].map(|da| e.mul(da, b)).transpose()?;
        let right = t[1].map(|db| e.mul(a, db)).transpose()?;
        let sum = add_tangents(e, &[left, right])?;
        tangent(e, site, sum)
    }),
    ..BINARY
};

pub static DIV: Row = Row {
    name: "div",
    value: Value::Map(MapFn::Div),
    // d/db (a/b) = -(a/b)/b
    vjp: Rule::By(|e, site, d| {
        let Some(d) = seed(d) else { return Ok(smallvec![Flow::Zero; 2]) };
        let b = site.operands[1];
        let da = if site.wants(0) {
            let v = e.div(d, b)?;
            to(e, site, 0, v)?
        } else {
            Flow::Zero
        };
        let db = if site.wants(1) {
            let slope = e.div(site.results[0], b)?;
            let v = e.mul(d, slope)?;
            let v = e.neg(v)?;
            to(e, site, 1, v)?
        } else {
            Flow::Zero
        };
        Ok(smallvec![da, db])
    }),
    jvp: Rule::By(|e, site, t| {
        let b = site.operands[1];
        let left = t[0].map(|da| e.div(da, b)).transpose()?;
        let right = match t[1] {
            Some(db) => {
                let slope = e.div(site.results[0], b)?;
                Some(e.mul(slope, db)?)
            }
            None => None,
        };
        let sum = match (left, right) {
            (Some(l), Some(r)) => Some(e.sub(l, r)?),
            (None, Some(r)) => Some(e.neg(r)?),
            (l, None) => l,
        };
        tangent(e, site, sum)
    }),
    ..BINARY
};

pub static NEG: Row = Row {
    name: "neg",
    value: Value::Map(MapFn::Neg),
    vjp: Rule::By(|e, _, d| unary_vjp(d, |d| e.neg(d))),
    jvp: Rule::By(|e, _, t| unary_jvp(t, |dx| e.neg(dx))),
    ..UNARY
};

/// x * c with a constant factor.
pub static SCALE: Row = Row {
    name: "scale",
    attrs: &[AttrSpec::new("factor", AttrKind::Float)],
    value: Value::Expand(|e, site| {
        let c = e.scalar_like(site.operands[0], site.op.attrs.float(0))?;
        Ok(smallvec![e.mul(site.operands[0], c)?])
    }),
    vjp: Rule::By(|e, site, d| unary_vjp(d, |d| e.one(make::scale(site.op.attrs.float(0)), &[d]))),
    jvp: Rule::By(|e, site, t| unary_jvp(t, |dx| e.one(make::scale(site.op.attrs.float(0)), &[dx]))),
    ..UNARY
};

pub static ABS: Row = Row {
    name: "abs",
    value: Value::Map(MapFn::Abs),
    vjp: Rule::By(|e, site, d| unary_vjp(d, |d| signed(e, site.operands[0], d))),
    jvp: Rule::By(|e, site, t| unary_jvp(t, |dx| signed(e, site.operands[0], dx))),
    ..UNARY
};

pub static SIGN: Row =
    Row { name: "sign", value: Value::Map(MapFn::Sign), vjp: Rule::Zero, jvp: Rule::Zero, ..UNARY };

/// The next integer below.
pub static FLOOR: Row = Row { name: "floor", value: Value::Map(MapFn::Floor), ..SIGN };
/// The next integer above.
pub static CEIL: Row = Row { name: "ceil", value: Value::Map(MapFn::Ceil), ..SIGN };
/// The nearest integer; of two, the even one.
pub static ROUND_EVEN: Row = Row { name: "round_even", value: Value::Map(MapFn::RoundEven), ..SIGN };

pub static SQUARE: Row = Row {
    name: "square",
    value: Value::Map(MapFn::Square),
    vjp: Rule::By(|e, site, d| unary_vjp(d, |d| twice_times(e, site.operands[0], d))),
    jvp: Rule::By(|e, site, t| unary_jvp(t, |dx| twice_times(e, site.operands[0], dx))),
    ..UNARY
};

pub static RECIP: Row = Row {
    name: "reciprocal",
    value: Value::Map(MapFn::Recip),
    vjp: Rule::By(|e, site, d| unary_vjp(d, |d| minus_square_times(e, site.results[0], d))),
    jvp: Rule::By(|e, site, t| unary_jvp(t, |dx| minus_square_times(e, site.results[0], dx))),
    ..UNARY
};

pub static SQRT: Row = Row {
    name: "sqrt",
    value: Value::Map(MapFn::Sqrt),
    vjp: Rule::By(|e, site, d| unary_vjp(d, |d| over_twice(e, site.results[0], d))),
    jvp: Rule::By(|e, site, t| unary_jvp(t, |dx| over_twice(e, site.results[0], dx))),
    exact: false,
    ..UNARY
};

pub static RELU: Row = Row {
    name: "relu",
    value: Value::Map(MapFn::Relu),
    vjp: Rule::By(|e, site, d| unary_vjp(d, |d| positive(e, site.operands[0], d))),
    jvp: Rule::By(|e, site, t| unary_jvp(t, |dx| positive(e, site.operands[0], dx))),
    ..UNARY
};

/// min(hi, max(lo, x)); the derivative is 0 at both bounds.
pub static CLAMP: Row = Row {
    name: "clamp",
    attrs: &[AttrSpec::new("min", AttrKind::Float), AttrSpec::new("max", AttrKind::Float)],
    value: Value::Expand(|e, site| {
        let x = site.operands[0];
        let lo = e.scalar_like(x, site.op.attrs.float(0))?;
        let hi = e.scalar_like(x, site.op.attrs.float(1))?;
        let low = e.one(make::maximum(), &[lo, x])?;
        Ok(smallvec![e.one(make::minimum(), &[hi, low])?])
    }),
    vjp: Rule::By(|e, site, d| unary_vjp(d, |d| inside(e, site, d))),
    jvp: Rule::By(|e, site, t| unary_jvp(t, |dx| inside(e, site, dx))),
    ..UNARY
};

/// IEEE 754-2019 maximum; ties and unordered operands split the gradient in half.
pub static MAXIMUM: Row = Row {
    name: "maximum",
    value: Value::Map(MapFn::Maximum),
    vjp: Rule::By(|e, site, d| extremum_vjp(e, site, d, false)),
    jvp: Rule::By(|e, site, t| extremum_jvp(e, site, t, false)),
    ..BINARY
};

/// IEEE 754-2019 minimum.
pub static MINIMUM: Row = Row {
    name: "minimum",
    value: Value::Map(MapFn::Minimum),
    vjp: Rule::By(|e, site, d| extremum_vjp(e, site, d, true)),
    jvp: Rule::By(|e, site, t| extremum_jvp(e, site, t, true)),
    ..BINARY
};

/// x^n for an integer n by repeated squaring; x^-n is the reciprocal of x^n.
pub static POWI: Row = Row {
    name: "powi",
    attrs: &[AttrSpec::new("exponent", AttrKind::Int)],
    infer: |op, operands| {
        let n = op.attrs.int(0);
        if i32::try_from(n).is_err() {
            return Err(OpError::Attr {
                op: op.name(),
                attr: "exponent",
                why: format!("{n} is not a 32-bit integer"),
            });
        }
        infer::elementwise(op, operands)
    },
    value: Value::Expand(|e, site| Ok(smallvec![integer_power(e, site.operands[0], site.op.attrs.int(0))?])),
    vjp: Rule::By(|e, site, d| unary_vjp(d, |d| power_slope(e, site, d))),
    jvp: Rule::By(|e, site, t| unary_jvp(t, |dx| power_slope(e, site, dx))),
    ..UNARY
};

pub static ROWS: &[&Row] = &[
    &ADD,
    &SUB,
    &MUL,
    &DIV,
    &NEG,
    &SCALE,
    &ABS,
    &SIGN,
    &FLOOR,
    &CEIL,
    &ROUND_EVEN,
    &SQUARE,
    &RECIP,
    &SQRT,
    &RELU,
    &CLAMP,
    &MAXIMUM,
    &MINIMUM,
    &POWI,
];

type R = Result<ValueId, OpError>;
type Pair = Result<(ValueId, ValueId), OpError>;

/// Contributions to both operands of a broadcasting binary op.
fn both(
    e: &mut dyn Emitter,
    site: &Site<'_>,
    d: D<'_>,
    f: impl FnOnce(&mut dyn Emitter, ValueId) -> Pair,
) -> Result<Flows, OpError> {
    let Some(d) = seed(d) else { return Ok(smallvec![Flow::Zero; 2]) };
    let (a, b) = f(e, d)?;
    let mut flow = |i: usize, v: ValueId| if site.wants(i) { to(e, site, i, v) } else { Ok(Flow::Zero) };
    Ok(smallvec![flow(0, a)?, flow(1, b)?])
}

/// sign(x) * d without 0 * inf: a dead direction carries exactly zero.
fn signed(e: &mut dyn Emitter, x: ValueId, d: ValueId) -> R {
    let zero = e.scalar_like(x, 0.0)?;
    let negative = e.lt(x, zero)?;
    let positive = e.lt(zero, x)?;
    let minus = e.neg(d)?;
    let low = e.select_or_zero(negative, minus)?;
    e.select(positive, d, low)
}

/// (2 d) x: doubling is exact.
fn twice_times(e: &mut dyn Emitter, x: ValueId, d: ValueId) -> R {
    let twice = e.add(d, d)?;
    e.mul(twice, x)
}

fn minus_square_times(e: &mut dyn Emitter, y: ValueId, d: ValueId) -> R {
    let dy = e.mul(d, y)?;
    let dyy = e.mul(dy, y)?;
    e.neg(dyy)
}

fn over_twice(e: &mut dyn Emitter, y: ValueId, d: ValueId) -> R {
    let twice = e.add(y, y)?;
    e.div(d, twice)
}

fn positive(e: &mut dyn Emitter, x: ValueId, d: ValueId) -> R {
    let zero = e.scalar_like(x, 0.0)?;
    let on = e.lt(zero, x)?;
    e.select_or_zero(on, d)
}

fn inside(e: &mut dyn Emitter, site: &Site<'_>, d: ValueId) -> R {
    let x = site.operands[0];
    let lo = e.scalar_like(x, site.op.attrs.float(0))?;
    let hi = e.scalar_like(x, site.op.attrs.float(1))?;
    let above = e.lt(lo, x)?;
    let below = e.lt(x, hi)?;
    let on = e.and(above, below)?;
    e.select_or_zero(on, d)
}

/// The share of operand `i` in d: all where it wins, half at a tie or NaN.
fn share(e: &mut dyn Emitter, site: &Site<'_>, i: usize, d: ValueId, minimum: bool) -> R {
    let (mine, other) = (site.operands[i], site.operands[1 - i]);
    let (wins, loses) = if minimum {
        (e.lt(mine, other)?, e.lt(other, mine)?)
    } else {
        (e.lt(other, mine)?, e.lt(mine, other)?)
    };
    let half = e.one(make::scale(0.5), &[d])?;
    let zero = e.scalar_like(d, 0.0)?;
    let rest = e.select(loses, zero, half)?;
    e.select(wins, d, rest)
}

fn extremum_vjp(e: &mut dyn Emitter, site: &Site<'_>, d: D<'_>, minimum: bool) -> Result<Flows, OpError> {
    let Some(d) = seed(d) else { return Ok(smallvec![Flow::Zero; 2]) };
    let mut flow = |i: usize| {
        if !site.wants(i) {
            return Ok(Flow::Zero);
        }
        let v = share(e, site, i, d, minimum)?;
        to(e, site, i, v)
    };
    Ok(smallvec![flow(0)?, flow(1)?])
}

fn extremum_jvp(e: &mut dyn Emitter, site: &Site<'_>, t: D<'_>, minimum: bool) -> Result<Tangents, OpError> {
    let a = t[0].map(|da| share(e, site, 0, da, minimum)).transpose()?;
    let b = t[1].map(|db| share(e, site, 1, db, minimum)).transpose()?;
    let sum = add_tangents(e, &[a, b])?;
    tangent(e, site, sum)
}

fn integer_power(e: &mut dyn Emitter, x: ValueId, n: i64) -> R {
    if n == 0 {
        let ty = e.ty(x).clone();
        return e.full(ty.dtype, ty.shape, 1.0);
    }
    let mut rest = n.unsigned_abs();
    let mut square = x;
    let mut product = None;
    while rest > 0 {
        if rest & 1 == 1 {
            product = Some(match product {
                None => square,
                Some(p) => e.mul(p, square)?,
            });
        }
        rest >>= 1;
        if rest > 0 {
            square = e.unary(make::square(), square)?;
        }
    }
    let product = product.unwrap_or(x);
    if n < 0 { e.unary(make::recip(), product) } else { Ok(product) }
}

/// n x^(n-1) d
fn power_slope(e: &mut dyn Emitter, site: &Site<'_>, d: ValueId) -> R {
    let (x, n) = (site.operands[0], site.op.attrs.int(0));
    match n {
        0 => e.zeros_like(d),
        1 => Ok(d),
        _ => {
            let power = e.one(make::powi(n - 1), &[x])?;
            let slope = e.one(make::scale(n as f64), &[power])?;
            e.mul(d, slope)
        }
    }
}
