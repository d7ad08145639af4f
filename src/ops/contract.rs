//! Contractions. A matrix product is one fma chain per output element, k
//! ascending from +0; with a vector on the right it is a dot per row, in lanes.

use crate::graph::{Shape, ValueId};
use crate::ops::emit::Emitter;
use crate::ops::error::OpError;
use crate::ops::infer;
use crate::ops::make;
use crate::ops::reduce::REDUCTION;
use crate::ops::row::{Flow, Flows, Op, Operand, Prim, Reduction, Row, Rule, Site, Types, Value};
use crate::ops::rules::{add_tangents, seed, tangent, to};
use smallvec::{SmallVec, smallvec};

type R = Result<ValueId, OpError>;

const PRODUCT: Row = Row { min_operands: 2, max_operands: 2, attrs: &[], ..REDUCTION };

fn mismatch(op: &Op, a: &Shape, b: &Shape, why: &'static str) -> OpError {
    OpError::Shapes { op: op.name(), a: a.clone(), b: b.clone(), why }
}

/// The tangent of a bilinear op: `op(da, b) + op(a, db)`.
fn bilinear_jvp(
    e: &mut dyn Emitter,
    site: &Site<'_>,
    t: &[Option<ValueId>],
) -> Result<crate::ops::Tangents, OpError> {
    let (a, b) = (site.operands[0], site.operands[1]);
    let left = t[0].map(|da| e.one(site.op.clone(), &[da, b])).transpose()?;
    let right = t[1].map(|db| e.one(site.op.clone(), &[a, db])).transpose()?;
    let sum = add_tangents(e, &[left, right])?;
    tangent(e, site, sum)
}

/// Contributions to the two operands of a product.
fn product_vjp(
    e: &mut dyn Emitter,
    site: &Site<'_>,
    d: &[Option<ValueId>],
    left: fn(&mut dyn Emitter, ValueId, ValueId) -> R,
    right: fn(&mut dyn Emitter, ValueId, ValueId) -> R,
) -> Result<Flows, OpError> {
    let Some(d) = seed(d) else { return Ok(smallvec![Flow::Zero; 2]) };
    let mut flow = |i: usize| {
        if !site.wants(i) {
            return Ok(Flow::Zero);
        }
        let rule = if i == 0 { left } else { right };
        let v = rule(e, d, site.operands[1 - i])?;
        to(e, site, i, v)
    };
    Ok(smallvec![flow(0)?, flow(1)?])
}

/// (.., m, k) x (.., k, n) -> (.., m, n), leading axes broadcast.
pub static MATMUL: Row = Row {
    name: "matmul",
    infer: |op, operands| {
        let dtype = infer::float(op, operands, 0)?;
        infer::same_dtype(op, operands, 0, 1)?;
        let (a, b) = (&operands[0].ty.shape, &operands[1].ty.shape);
        if a.rank() < 2 || b.rank() < 2 {
            return Err(mismatch(op, a, b, "must both have two axes or more"));
        }
        let ((la, [m, k]), (lb, [k2, n])) = (last_two(a), last_two(b));
        if k != k2 {
            return Err(mismatch(op, a, b, "differ in the inner axis"));
        }
        let lead = infer::broadcast(op.name(), &la, &lb)?;
        infer::one(dtype, lead.dims().iter().copied().chain([m, n]).collect())
    },
    value: Value::Prim(Prim::Matmul),
    // dA = d B^T, dB = A^T d
    vjp: Rule::By(|e, site, d| {
        product_vjp(
            e,
            site,
            d,
            |e, d, b| {
                let bt = e.transpose_last(b)?;
                e.matmul(d, bt)
            },
            |e, d, a| {
                let at = e.transpose_last(a)?;
                e.matmul(at, d)
            },
        )
    }),
    jvp: Rule::By(bilinear_jvp),
    ..PRODUCT
};

/// Leading axes, and the extents of the last two.
pub(crate) fn last_two(shape: &Shape) -> (Shape, [usize; 2]) {
    let dims = shape.dims();
    let cut = dims.len().saturating_sub(2);
    let last = |back: usize| dims.len().checked_sub(back).map_or(1, |i| dims[i]);
    (Shape::new(&dims[..cut]), [last(2), last(1)])
}

/// (.., m, k) x (k) -> (.., m): one dot per row.
pub static MATVEC: Row = Row {
    name: "matvec",
    infer: |op, operands| {
        let dtype = infer::float(op, operands, 0)?;
        infer::same_dtype(op, operands, 0, 1)?;
        let (a, x) = (&operands[0].ty.shape, &operands[1].ty.shape);
        if a.rank() < 1 || x.rank() != 1 || a.dims()[a.rank() - 1] != x.dims()[0] {
            return Err(mismatch(op, a, x, "are not a matrix and a vector that fits it"));
        }
        infer::one(dtype, Shape::new(&a.dims()[..a.rank() - 1]))
    },
    value: Value::Prim(Prim::Reduce(Reduction::Dot)),
    // dA = d (outer) x, dx = d A
    vjp: Rule::By(|e, site, d| {
        product_vjp(e, site, d, outer, |e, d, a| {
            let shape = e.shape(a);
            let k = shape.dims()[shape.rank() - 1];
            let rows = shape.dims()[..shape.rank() - 1].iter().product();
            let d = e.reshape(d, &Shape::new(&[rows]))?;
            let a = e.reshape(a, &Shape::new(&[rows, k]))?;
            e.one(make::vecmat(), &[d, a])
        })
    }),
    jvp: Rule::By(bilinear_jvp),
    ..PRODUCT
};

/// d[.., None] * x[None, ..]
fn outer(e: &mut dyn Emitter, d: ValueId, x: ValueId) -> R {
    let dims: SmallVec<[usize; 4]> = e.shape(d).dims().iter().copied().chain([1]).collect();
    let column = e.reshape(d, &Shape::new(&dims))?;
    e.mul(column, x)
}

/// (k) x (k, n) -> (n): one fma chain per column.
pub static VECMAT: Row = Row {
    name: "vecmat",
    infer: |op, operands| {
        let dtype = infer::float(op, operands, 0)?;
        infer::same_dtype(op, operands, 0, 1)?;
        let (x, b) = (&operands[0].ty.shape, &operands[1].ty.shape);
        if x.rank() != 1 || b.rank() != 2 || x.dims()[0] != b.dims()[0] {
            return Err(mismatch(op, x, b, "are not a vector and a matrix that fits it"));
        }
        infer::one(dtype, Shape::new(&b.dims()[1..]))
    },
    value: Value::Expand(|e, site| {
        let (k, out) = (e.shape(site.operands[0]).dims()[0], e.shape(site.operands[1]).dims()[1]);
        let row = e.reshape(site.operands[0], &Shape::new(&[1, k]))?;
        let y = e.matmul(row, site.operands[1])?;
        Ok(smallvec![e.reshape(y, &Shape::new(&[out]))?])
    }),
    // dx = B d, dB = x (outer) d
    vjp: Rule::By(|e, site, d| {
        product_vjp(e, site, d, |e, d, b| e.one(make::matvec(), &[b, d]), |e, d, x| outer(e, x, d))
    }),
    jvp: Rule::By(bilinear_jvp),
    ..PRODUCT
};

/// Inner product of two vectors, in lanes.
pub static DOT: Row = Row {
    name: "dot",
    infer: |op: &Op, operands: &[Operand<'_>]| -> Result<Types, OpError> {
        let dtype = infer::float(op, operands, 0)?;
        infer::same_dtype(op, operands, 0, 1)?;
        let (a, b) = (&operands[0].ty.shape, &operands[1].ty.shape);
        if a.rank() != 1 || a != b {
            return Err(mismatch(op, a, b, "are not two vectors of one length"));
        }
        infer::one(dtype, Shape::scalar())
    },
    value: Value::Prim(Prim::Reduce(Reduction::Dot)),
    vjp: Rule::By(|e, site, d| product_vjp(e, site, d, |e, d, b| e.mul(d, b), |e, d, a| e.mul(d, a))),
    jvp: Rule::By(bilinear_jvp),
    ..PRODUCT
};

/// x w^T + b on any leading axes; the bias may be left out.
pub static LINEAR: Row = Row {
    name: "linear",
    min_operands: 2,
    max_operands: 3,
    infer: |op, operands| {
        let dtype = infer::float(op, operands, 0)?;
        let (x, w) = (&operands[0].ty.shape, &operands[1].ty.shape);
        infer::same_dtype(op, operands, 0, 1)?;
        if x.rank() < 1 || w.rank() != 2 || x.dims()[x.rank() - 1] != w.dims()[1] {
            return Err(mismatch(op, x, w, "are not an input (.., i) and a weight (o, i)"));
        }
        if let Some(b) = operands.get(2) {
            infer::same_dtype(op, operands, 0, 2)?;
            if b.ty.shape.dims() != &w.dims()[..1] {
                return Err(mismatch(op, w, &b.ty.shape, "are not a weight (o, i) and a bias (o)"));
            }
        }
        let lead = &x.dims()[..x.rank() - 1];
        infer::one(dtype, lead.iter().copied().chain([w.dims()[0]]).collect())
    },
    value: Value::Expand(|e, site| {
        let y = affine(e, site.operands[0], site.operands[1])?;
        Ok(smallvec![match site.operands.get(2) {
            Some(&b) => e.add(y, b)?,
            None => y,
        }])
    }),
    vjp: Rule::By(linear_vjp),
    jvp: Rule::By(|e, site, t| {
        let left = t[0].map(|dx| affine(e, dx, site.operands[1])).transpose()?;
        let right = t[1].map(|dw| affine(e, site.operands[0], dw)).transpose()?;
        let sum = add_tangents(e, &[left, right, t.get(2).copied().flatten()])?;
        tangent(e, site, sum)
    }),
    ..PRODUCT
};

/// Leading axes of x as rows.
fn rows(e: &mut dyn Emitter, x: ValueId) -> R {
    let shape = e.shape(x);
    let (lead, last) = shape.dims().split_at(shape.rank() - 1);
    e.reshape(x, &Shape::new(&[lead.iter().product(), last[0]]))
}

fn affine(e: &mut dyn Emitter, x: ValueId, w: ValueId) -> R {
    let shape = e.shape(x);
    if shape.rank() == 1 {
        return e.one(make::matvec(), &[w, x]);
    }
    let out = e.shape(w).dims()[0];
    let x = rows(e, x)?;
    let wt = e.transpose_last(w)?;
    let y = e.matmul(x, wt)?;
    let dims: SmallVec<[usize; 4]> = shape.dims()[..shape.rank() - 1].iter().copied().chain([out]).collect();
    e.reshape(y, &Shape::new(&dims))
}

/// dx = d W, dW = d^T x, db = sum of d over the leading axes
fn linear_vjp(e: &mut dyn Emitter, site: &Site<'_>, d: &[Option<ValueId>]) -> Result<Flows, OpError> {
    let Some(d) = seed(d) else { return Ok(site.operands.iter().map(|_| Flow::Zero).collect()) };
    let (x, w) = (site.operands[0], site.operands[1]);
    let shape = e.shape(x);
    let vector = shape.rank() == 1;
    let dx = match (site.wants(0), vector) {
        (false, _) => Flow::Zero,
        (true, true) => Flow::To(e.one(make::vecmat(), &[d, w])?),
        (true, false) => {
            let flat = rows(e, d)?;
            let v = e.matmul(flat, w)?;
            Flow::To(e.reshape(v, &shape)?)
        }
    };
    let dw = match (site.wants(1), vector) {
        (false, _) => Flow::Zero,
        (true, true) => Flow::To(outer(e, d, x)?),
        (true, false) => {
            let flat = rows(e, d)?;
            let flat_t = e.transpose_last(flat)?;
            let x = rows(e, x)?;
            Flow::To(e.matmul(flat_t, x)?)
        }
    };
    let mut flows: Flows = smallvec![dx, dw];
    if site.operands.len() == 3 {
        flows.push(if site.wants(2) { to(e, site, 2, d)? } else { Flow::Zero });
    }
    Ok(flows)
}

pub static ROWS: &[&Row] = &[&MATMUL, &MATVEC, &VECMAT, &DOT, &LINEAR];
