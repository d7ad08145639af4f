//! Small dense linear algebra on the last two axes: triangular and general
//! systems, inverse, determinant, Cholesky factor. Leading axes are batches.

use crate::graph::{Shape, ValueId};
use crate::ops::attr::AttrKind;
use crate::ops::contract::last_two;
use crate::ops::emit::Emitter;
use crate::ops::error::OpError;
use crate::ops::infer;
use crate::ops::make;
use crate::ops::row::{AttrSpec, Flow, Op, Operand, Prim, Row, Rule, Site, Types, Value};
use crate::ops::rules::{add_tangents, seed, unary_jvp, unary_vjp};
use cotangent_runtime::array::ArrayFn;
use cotangent_runtime::linalg::MAX_DIRECTIONS;
use smallvec::{SmallVec, smallvec};

type R = Result<ValueId, OpError>;

const MATRIX: Row = Row {
    name: "",
    min_operands: 1,
    max_operands: 1,
    attrs: &[],
    infer: |op, operands| {
        square(op, operands)?;
        infer::same(op, operands)
    },
    value: Value::Prim(Prim::Array(ArrayFn::Cholesky)),
    vjp: Rule::Missing,
    jvp: Rule::Missing,
    exact: true,
};

/// Leading axes and extent of square float matrices, the first operand.
fn square(op: &Op, operands: &[Operand<'_>]) -> Result<(Shape, usize), OpError> {
    infer::float(op, operands, 0)?;
    let shape = &operands[0].ty.shape;
    match (shape.rank(), last_two(shape)) {
        (2.., (lead, [m, n])) if m == n => Ok((lead, n)),
        _ => {
            let why = "is not a square matrix, or several of them".into();
            Err(OpError::Shape { op: op.name(), shape: shape.clone(), why })
        }
    }
}

/// A determinant: no matrix is left.
fn infer_det(op: &Op, operands: &[Operand<'_>]) -> Result<Types, OpError> {
    let (lead, _) = square(op, operands)?;
    infer::one(operands[0].ty.dtype, lead)
}

/// A system: the right side has as many rows, and the same leading axes.
fn infer_system(op: &Op, operands: &[Operand<'_>]) -> Result<Types, OpError> {
    let (lead, n) = square(op, operands)?;
    infer::same_dtype(op, operands, 0, 1)?;
    let (a, b) = (&operands[0].ty.shape, &operands[1].ty.shape);
    let (right, [rows, _]) = last_two(b);
    if b.rank() < 2 || right != lead || rows != n {
        let why = "are not a square matrix and a right side with as many rows and the same leading axes";
        return Err(OpError::Shapes { op: op.name(), a: a.clone(), b: b.clone(), why });
    }
    infer::same(op, &operands[1..])
}

/// a b^T
fn times_transposed(e: &mut dyn Emitter, a: ValueId, b: ValueId) -> R {
    let bt = e.transpose_last(b)?;
    e.matmul(a, bt)
}

/// Identity matrices, as many as `like` holds.
fn identity(e: &mut dyn Emitter, like: ValueId) -> R {
    let (dtype, shape) = (e.dtype(like), e.shape(like));
    let (_, [n, _]) = last_two(&shape);
    let ones = e.full(dtype, Shape::new(&[n, n]), 1.0)?;
    let upper = e.one(make::triu(0), &[ones])?;
    let unit = e.one(make::tril(0), &[upper])?;
    e.broadcast_to(unit, &shape)
}

/// x with a x = b, by elimination with partial pivoting; where a is singular, a
/// division by zero gives infinities or NaN.
pub static SOLVE: Row = Row {
    name: "solve",
    min_operands: 2,
    max_operands: 2,
    infer: infer_system,
    value: Value::Prim(Prim::Array(ArrayFn::Solve)),
    // db = a^-T d, da = -db x^T
    vjp: Rule::By(|e, site, d| {
        let Some(d) = seed(d) else { return Ok(smallvec![Flow::Zero; 2]) };
        let at = e.transpose_last(site.operands[0])?;
        let db = e.one(make::solve(), &[at, d])?;
        let da = match site.wants(0) {
            true => {
                let product = times_transposed(e, db, site.results[0])?;
                Flow::To(e.neg(product)?)
            }
            false => Flow::Zero,
        };
        Ok(smallvec![da, Flow::To(db)])
    }),
    // dx = a^-1 (db - da x)
    jvp: Rule::By(|e, site, t| {
        let Some(right) = residual(e, t[0], t[1], site.results[0])? else { return Ok(smallvec![None]) };
        Ok(smallvec![Some(e.one(make::solve(), &[site.operands[0], right])?)])
    }),
    ..MATRIX
};

/// db - da x
fn residual(
    e: &mut dyn Emitter,
    da: Option<ValueId>,
    db: Option<ValueId>,
    x: ValueId,
) -> Result<Option<ValueId>, OpError> {
    let Some(da) = da else { return Ok(db) };
    let product = e.matmul(da, x)?;
    Ok(Some(match db {
        Some(db) => e.sub(db, product)?,
        None => e.neg(product)?,
    }))
}

/// x with op(T) x = b, T being a triangle of a. The other triangle, and with
/// `unit_diagonal` the diagonal, are not read.
pub static TRIANGULAR_SOLVE: Row = Row {
    name: "triangular_solve",
    min_operands: 2,
    max_operands: 2,
    attrs: &[
        AttrSpec::new("lower", AttrKind::Bool),
        AttrSpec::new("transpose", AttrKind::Bool),
        AttrSpec::new("unit_diagonal", AttrKind::Bool),
    ],
    infer: infer_system,
    value: Value::Prim(Prim::Array(ArrayFn::TriangularSolve)),
    // db = op(T)^-T d; da is the triangle of -db x^T or, transposed, of -x db^T
    vjp: Rule::By(|e, site, d| {
        let Some(d) = seed(d) else { return Ok(smallvec![Flow::Zero; 2]) };
        let [lower, transpose, unit] = flags(site);
        let db = e.one(make::triangular_solve(lower, !transpose, unit), &[site.operands[0], d])?;
        if !site.wants(0) {
            return Ok(smallvec![Flow::Zero, Flow::To(db)]);
        }
        let (left, right) = if transpose { (site.results[0], db) } else { (db, site.results[0]) };
        let product = times_transposed(e, left, right)?;
        let minus = e.neg(product)?;
        Ok(smallvec![Flow::To(triangle(e, site, minus)?), Flow::To(db)])
    }),
    jvp: Rule::By(|e, site, t| {
        let da = match t[0] {
            Some(da) => {
                let triangle = triangle(e, site, da)?;
                Some(if flags(site)[1] { e.transpose_last(triangle)? } else { triangle })
            }
            None => None,
        };
        let Some(right) = residual(e, da, t[1], site.results[0])? else { return Ok(smallvec![None]) };
        Ok(smallvec![Some(e.one(site.op.clone(), &[site.operands[0], right])?)])
    }),
    ..MATRIX
};

fn flags(site: &Site<'_>) -> [bool; 3] {
    [0, 1, 2].map(|i| site.op.attrs.flag(i))
}

/// The part of a matrix that a triangular system reads, 0 elsewhere.
fn triangle(e: &mut dyn Emitter, site: &Site<'_>, x: ValueId) -> R {
    let [lower, _, unit] = flags(site);
    let strictly = i64::from(unit);
    e.one(if lower { make::tril(-strictly) } else { make::triu(strictly) }, &[x])
}

/// The matrix whose product with a is the identity.
pub static INVERSE: Row = Row {
    name: "inverse",
    value: Value::Expand(|e, site| {
        let unit = identity(e, site.operands[0])?;
        Ok(smallvec![e.one(make::solve(), &[site.operands[0], unit])?])
    }),
    // da = -y^T d y^T
    vjp: Rule::By(|e, site, d| {
        unary_vjp(d, |d| {
            let y = site.results[0];
            let yt = e.transpose_last(y)?;
            let left = e.matmul(yt, d)?;
            let product = times_transposed(e, left, y)?;
            e.neg(product)
        })
    }),
    // dy = -y da y
    jvp: Rule::By(|e, site, t| {
        unary_jvp(t, |da| {
            let y = site.results[0];
            let left = e.matmul(y, da)?;
            let product = e.matmul(left, y)?;
            e.neg(product)
        })
    }),
    ..MATRIX
};

/// Sums over the last two axes of products: <a, b> of matrices.
fn inner(e: &mut dyn Emitter, a: ValueId, b: ValueId) -> R {
    let product = e.mul(a, b)?;
    let rank = e.shape(product).rank();
    e.sum(product, &[rank - 2, rank - 1], false)
}

/// A number per matrix as a factor of matrices.
fn per_matrix(e: &mut dyn Emitter, d: ValueId) -> R {
    let dims: SmallVec<[usize; 4]> = e.shape(d).dims().iter().copied().chain([1, 1]).collect();
    e.reshape(d, &Shape::new(&dims))
}

/// Determinant; its derivatives are exact at singular matrices too.
pub static DET: Row = Row {
    name: "det",
    infer: infer_det,
    value: Value::Prim(Prim::Array(ArrayFn::Det)),
    vjp: Rule::By(|e, site, d| {
        unary_vjp(d, |d| {
            let (cofactors, d) = (cofactors(e, site.operands[0])?, per_matrix(e, d)?);
            e.mul(d, cofactors)
        })
    }),
    jvp: Rule::By(|e, site, t| {
        unary_jvp(t, |da| {
            let cofactors = cofactors(e, site.operands[0])?;
            inner(e, cofactors, da)
        })
    }),
    ..MATRIX
};

/// Logarithm of the absolute value of the determinant.
pub static LOGABSDET: Row = Row {
    name: "logabsdet",
    infer: infer_det,
    value: Value::Prim(Prim::Array(ArrayFn::LogAbsDet)),
    vjp: Rule::By(|e, site, d| {
        unary_vjp(d, |d| {
            let inverse = e.one(make::inverse(), &[site.operands[0]])?;
            let (slope, d) = (e.transpose_last(inverse)?, per_matrix(e, d)?);
            e.mul(d, slope)
        })
    }),
    jvp: Rule::By(|e, site, t| {
        unary_jvp(t, |da| {
            let inverse = e.one(make::inverse(), &[site.operands[0]])?;
            let slope = e.transpose_last(inverse)?;
            inner(e, slope, da)
        })
    }),
    exact: false,
    ..MATRIX
};

/// The matrix of cofactors.
fn cofactors(e: &mut dyn Emitter, a: ValueId) -> R {
    let (dtype, shape) = (e.dtype(a), e.shape(a));
    let none = e.full(dtype, directions(&shape, 0), 0.0)?;
    e.one(make::cofactor(), &[a, none])
}

/// The shape of `k` matrices for each of these.
fn directions(shape: &Shape, k: usize) -> Shape {
    let (lead, [n, _]) = last_two(shape);
    lead.dims().iter().copied().chain([k, n, n]).collect()
}

/// Derivatives of the determinant of a: with directions e (.., k, n, n) the matrix
/// c for which <c, x> is the derivative of order k + 1 along all of e and x. It is
/// symmetric in them, so its own derivatives are of the same kind.
pub static COFACTOR: Row = Row {
    name: "cofactor",
    min_operands: 2,
    max_operands: 2,
    infer: |op, operands| {
        square(op, operands)?;
        infer::same_dtype(op, operands, 0, 1)?;
        let (a, b) = (&operands[0].ty.shape, &operands[1].ty.shape);
        let k = b.rank().checked_sub(3).map(|i| b.dims()[i]);
        match k {
            Some(k) if k > MAX_DIRECTIONS => {
                let why = format!("has more than {MAX_DIRECTIONS} directions");
                Err(OpError::Shape { op: op.name(), shape: b.clone(), why })
            }
            Some(k) if *b == directions(a, k) => infer::same(op, operands),
            _ => {
                let why = "are not matrices (.., n, n) and directions (.., k, n, n)";
                Err(OpError::Shapes { op: op.name(), a: a.clone(), b: b.clone(), why })
            }
        }
    },
    value: Value::Prim(Prim::Array(ArrayFn::Cofactor)),
    vjp: Rule::By(|e, site, d| {
        let Some(d) = seed(d) else { return Ok(smallvec![Flow::Zero; 2]) };
        let (a, given) = (site.operands[0], site.operands[1]);
        let k = direction_count(e, given);
        let da = if site.wants(0) { Flow::To(along(e, a, given, k, k, d)?) } else { Flow::Zero };
        if !site.wants(1) || k == 0 {
            return Ok(smallvec![da, Flow::Zero]);
        }
        let single = directions(&e.shape(a), 1);
        let mut parts: SmallVec<[ValueId; 4]> = SmallVec::new();
        for i in 0..k {
            let part = along(e, a, given, i, i + 1, d)?;
            parts.push(e.reshape(part, &single)?);
        }
        let axis = single.rank() - 3;
        Ok(smallvec![da, Flow::To(e.one(make::concat(axis), &parts)?)])
    }),
    jvp: Rule::By(|e, site, t| {
        let (a, given) = (site.operands[0], site.operands[1]);
        let k = direction_count(e, given);
        let mut terms = vec![t[0].map(|da| along(e, a, given, k, k, da)).transpose()?];
        if let Some(moved) = t[1] {
            for i in 0..k {
                let one = part_of(e, moved, i, i + 1)?;
                terms.push(Some(along(e, a, given, i, i + 1, one)?));
            }
        }
        Ok(smallvec![add_tangents(e, &terms)?])
    }),
    ..MATRIX
};

fn direction_count(e: &mut dyn Emitter, given: ValueId) -> usize {
    let shape = e.shape(given);
    shape.dims()[shape.rank() - 3]
}

/// Directions `from..to`.
fn part_of(e: &mut dyn Emitter, given: ValueId, from: usize, to: usize) -> R {
    let axis = e.shape(given).rank() - 3;
    crate::ops::arrange::part(e, given, axis, from, to)
}

/// The derivative of the determinant with `x` in place of directions `from..to`.
fn along(e: &mut dyn Emitter, a: ValueId, given: ValueId, from: usize, to: usize, x: ValueId) -> R {
    let k = direction_count(e, given);
    let single = directions(&e.shape(a), 1);
    let mut parts: SmallVec<[ValueId; 3]> = SmallVec::new();
    if from > 0 {
        parts.push(part_of(e, given, 0, from)?);
    }
    parts.push(e.reshape(x, &single)?);
    if to < k {
        parts.push(part_of(e, given, to, k)?);
    }
    let all = e.one(make::concat(single.rank() - 3), &parts)?;
    e.one(make::cofactor(), &[a, all])
}

/// The lower factor of (a + a^T) / 2 = L L^T; NaN where that is not positive
/// definite. Rules: Murray, Differentiation of the Cholesky decomposition (2016).
pub static CHOLESKY: Row = Row {
    name: "cholesky",
    // da = sym(L^-T phi(L^T d) L^-1), phi: the lower triangle with half the diagonal
    vjp: Rule::By(|e, site, d| {
        unary_vjp(d, |d| {
            let l = site.results[0];
            let lt = e.transpose_last(l)?;
            let product = e.matmul(lt, d)?;
            let half = half_lower(e, product)?;
            let both = between(e, l, half, true)?;
            symmetric(e, both)
        })
    }),
    // dL = L phi(L^-1 sym(da) L^-T)
    jvp: Rule::By(|e, site, t| {
        unary_jvp(t, |da| {
            let l = site.results[0];
            let da = symmetric(e, da)?;
            let both = between(e, l, da, false)?;
            let half = half_lower(e, both)?;
            e.matmul(l, half)
        })
    }),
    exact: false,
    ..MATRIX
};

/// (x + x^T) / 2
fn symmetric(e: &mut dyn Emitter, x: ValueId) -> R {
    let xt = e.transpose_last(x)?;
    let sum = e.add(x, xt)?;
    e.one(make::scale(0.5), &[sum])
}

/// The lower triangle with half the diagonal.
fn half_lower(e: &mut dyn Emitter, x: ValueId) -> R {
    let (lower, strict) = (e.one(make::tril(0), &[x])?, e.one(make::tril(-1), &[x])?);
    let sum = e.add(lower, strict)?;
    e.one(make::scale(0.5), &[sum])
}

/// op(L)^-1 x op(L)^-T
fn between(e: &mut dyn Emitter, l: ValueId, x: ValueId, transpose: bool) -> R {
    let op = make::triangular_solve(true, transpose, false);
    let left = e.one(op.clone(), &[l, x])?;
    let turned = e.transpose_last(left)?;
    let right = e.one(op, &[l, turned])?;
    e.transpose_last(right)
}

pub static ROWS: &[&Row] = &[&SOLVE, &TRIANGULAR_SOLVE, &INVERSE, &DET, &LOGABSDET, &COFACTOR, &CHOLESKY];
