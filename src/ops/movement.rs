//! Ops that move elements: broadcast, reshape, permute, slice, flip, pad,
//! concat, split, cast. All exact.

use crate::graph::{DType, Shape, ValueId, ValueType};
use crate::ops::attr::AttrKind;
use crate::ops::emit::Emitter;
use crate::ops::error::OpError;
use crate::ops::infer;
use crate::ops::make;
use crate::ops::row::{AttrSpec, Flow, Flows, Op, Operand, Prim, Row, Rule, Site, Types, Value};
use crate::ops::rules::{seed, unary_jvp, unary_vjp};
use smallvec::{SmallVec, smallvec};

const MOVE: Row = Row {
    name: "",
    min_operands: 1,
    max_operands: 1,
    attrs: &[],
    infer: infer::same,
    value: Value::Prim(Prim::Reshape),
    vjp: Rule::Missing,
    jvp: Rule::Missing,
    exact: true,
};

const SHAPE: &[AttrSpec] = &[AttrSpec::new("shape", AttrKind::Ints)];

/// The same op on the tangent: all ops of this file are linear.
macro_rules! linear {
    () => {
        Rule::By(|e, site, t| unary_jvp(t, |dx| e.one(site.op.clone(), &[dx])))
    };
}

pub static BROADCAST_TO: Row = Row {
    name: "broadcast_to",
    attrs: SHAPE,
    infer: |op, operands| {
        let (from, to) = (&operands[0].ty.shape, infer::extents(op, "shape", op.attrs.ints(0))?);
        if infer::broadcast(op.name(), from, &to)? != to {
            return Err(OpError::Shapes { op: op.name(), a: from.clone(), b: to, why: "do not broadcast" });
        }
        infer::one(operands[0].ty.dtype, to)
    },
    value: Value::Prim(Prim::Broadcast),
    vjp: Rule::By(|e, site, d| {
        unary_vjp(d, |d| {
            let shape = e.shape(site.operands[0]);
            e.sum_to(d, &shape)
        })
    }),
    jvp: linear!(),
    ..MOVE
};

pub static RESHAPE: Row = Row {
    name: "reshape",
    attrs: SHAPE,
    infer: |op, operands| {
        let (from, to) = (&operands[0].ty.shape, infer::extents(op, "shape", op.attrs.ints(0))?);
        if to.checked_numel() != Some(from.numel()) {
            return Err(OpError::Shapes {
                op: op.name(),
                a: from.clone(),
                b: to,
                why: "have different numbers of elements",
            });
        }
        infer::one(operands[0].ty.dtype, to)
    },
    value: Value::Prim(Prim::Reshape),
    vjp: Rule::By(|e, site, d| {
        unary_vjp(d, |d| {
            let shape = e.shape(site.operands[0]);
            e.reshape(d, &shape)
        })
    }),
    jvp: linear!(),
    ..MOVE
};

/// Result axis `i` is operand axis `perm[i]` (NumPy's transpose).
pub static PERMUTE: Row = Row {
    name: "permute",
    attrs: &[AttrSpec::new("perm", AttrKind::Ints)],
    infer: |op, operands| {
        let shape = &operands[0].ty.shape;
        let perm = op.attrs.ints(0);
        let mut sorted = perm.to_vec();
        sorted.sort_unstable();
        if !sorted.iter().copied().eq(0..shape.rank() as i64) {
            return Err(OpError::Attr {
                op: op.name(),
                attr: "perm",
                why: format!("{perm:?} is not a permutation of the axes of {shape}"),
            });
        }
        infer::one(operands[0].ty.dtype, perm.iter().map(|&p| shape.dims()[p as usize]).collect())
    },
    value: Value::Prim(Prim::Permute),
    vjp: Rule::By(|e, site, d| {
        unary_vjp(d, |d| {
            let perm = site.op.attrs.sizes(0);
            let mut inverse = vec![0; perm.len()];
            for (i, &p) in perm.iter().enumerate() {
                inverse[p] = i;
            }
            e.permute(d, &inverse)
        })
    }),
    jvp: linear!(),
    ..MOVE
};

/// Half-open ranges with positive steps, one per axis.
pub static SLICE: Row = Row {
    name: "slice",
    attrs: &[
        AttrSpec::new("start", AttrKind::Ints),
        AttrSpec::new("stop", AttrKind::Ints),
        AttrSpec::new("step", AttrKind::Ints),
    ],
    infer: infer_slice,
    value: Value::Prim(Prim::Slice),
    vjp: Rule::By(|e, site, d| {
        unary_vjp(d, |d| {
            let full = e.shape(site.operands[0]);
            let part = e.shape(d);
            let (start, step) = (site.op.attrs.sizes(0), site.op.attrs.sizes(2));
            let (mut lo, mut hi, mut inner) = (vec![], vec![], vec![]);
            for axis in 0..full.rank() {
                let n = part.dims()[axis];
                // An empty slice has nothing to spread: all of the axis is padding.
                let span = if n == 0 { 0 } else { (n - 1) * step[axis] + 1 };
                let first = if n == 0 { 0 } else { start[axis] };
                lo.push(first);
                hi.push(full.dims()[axis] - first - span);
                inner.push(step[axis] - 1);
            }
            e.one(make::pad(&lo, &hi, &inner, 0.0), &[d])
        })
    }),
    jvp: linear!(),
    ..MOVE
};

fn infer_slice(op: &Op, operands: &[Operand<'_>]) -> Result<Types, OpError> {
    let shape = &operands[0].ty.shape;
    let (start, stop, step) = (op.attrs.ints(0), op.attrs.ints(1), op.attrs.ints(2));
    let bad = |why: String| OpError::Shape { op: op.name(), shape: shape.clone(), why };
    if start.len() != shape.rank() || stop.len() != shape.rank() || step.len() != shape.rank() {
        return Err(bad("start, stop and step need one entry per axis".into()));
    }
    let mut dims: SmallVec<[usize; 4]> = SmallVec::new();
    for axis in 0..shape.rank() {
        let (a, b, s, n) = (start[axis], stop[axis], step[axis], shape.dims()[axis] as i64);
        if s <= 0 {
            return Err(bad(format!("step {s} of axis {axis} is not positive")));
        }
        if a < 0 || b < a || b > n {
            return Err(bad(format!("range {a}..{b} of axis {axis} is not within 0..{n}")));
        }
        dims.push(((b - a) as usize).div_ceil(s as usize));
    }
    infer::one(operands[0].ty.dtype, Shape::new(&dims))
}

/// The order of elements reversed along a set of axes.
pub static FLIP: Row = Row {
    name: "flip",
    attrs: &[AttrSpec::new("axes", AttrKind::Ints)],
    infer: |op, operands| {
        infer::axes(op, op.attrs.ints(0), &operands[0].ty.shape)?;
        infer::same(op, operands)
    },
    value: Value::Prim(Prim::Flip),
    vjp: Rule::By(|e, site, d| unary_vjp(d, |d| e.one(site.op.clone(), &[d]))),
    jvp: linear!(),
    ..MOVE
};

/// Padding before, after and between (`interior`) the elements of each axis.
pub static PAD: Row = Row {
    name: "pad",
    attrs: &[
        AttrSpec::new("lo", AttrKind::Ints),
        AttrSpec::new("hi", AttrKind::Ints),
        AttrSpec::new("interior", AttrKind::Ints),
        AttrSpec::new("value", AttrKind::Float),
    ],
    infer: infer_pad,
    value: Value::Prim(Prim::Pad),
    vjp: Rule::By(|e, site, d| {
        unary_vjp(d, |d| {
            let shape = e.shape(site.operands[0]);
            if shape.numel() == 0 {
                return e.zeros_like(site.operands[0]);
            }
            let (lo, inner) = (site.op.attrs.sizes(0), site.op.attrs.sizes(2));
            let step: Vec<usize> = inner.iter().map(|i| i + 1).collect();
            let stop: Vec<usize> =
                (0..shape.rank()).map(|a| lo[a] + (shape.dims()[a] - 1) * step[a] + 1).collect();
            e.one(make::slice(&lo, &stop, &step), &[d])
        })
    }),
    jvp: Rule::By(|e, site, t| {
        unary_jvp(t, |dx| {
            let a = &site.op.attrs;
            e.one(make::pad(&a.sizes(0), &a.sizes(1), &a.sizes(2), 0.0), &[dx])
        })
    }),
    ..MOVE
};

fn infer_pad(op: &Op, operands: &[Operand<'_>]) -> Result<Types, OpError> {
    let ty = operands[0].ty;
    let (lo, hi, inner) = (op.attrs.ints(0), op.attrs.ints(1), op.attrs.ints(2));
    let bad = |why: &str| OpError::Shape { op: op.name(), shape: ty.shape.clone(), why: why.into() };
    if ty.dtype == DType::Bool {
        return Err(OpError::DType { op: op.name(), operand: 0, got: ty.dtype, expected: "f64, f32 or i64" });
    }
    if [lo.len(), hi.len(), inner.len()] != [ty.shape.rank(); 3] {
        return Err(bad("lo, hi and interior need one entry per axis"));
    }
    let mut dims: SmallVec<[usize; 4]> = SmallVec::new();
    for axis in 0..ty.shape.rank() {
        let n = ty.shape.dims()[axis] as i64;
        if lo[axis] < 0 || hi[axis] < 0 || inner[axis] < 0 {
            return Err(bad("padding is negative"));
        }
        let size = n
            .checked_add((n - 1).max(0).checked_mul(inner[axis]).ok_or_else(|| bad("padding is too large"))?)
            .and_then(|v| v.checked_add(lo[axis]))
            .and_then(|v| v.checked_add(hi[axis]))
            .and_then(|v| usize::try_from(v).ok())
            .ok_or_else(|| bad("padding is too large"))?;
        dims.push(size);
    }
    infer::one(ty.dtype, Shape::new(&dims))
}

/// Tensors joined along one axis.
pub static CONCAT: Row = Row {
    name: "concat",
    min_operands: 1,
    max_operands: usize::MAX,
    attrs: &[AttrSpec::new("axis", AttrKind::Int)],
    infer: infer_concat,
    value: Value::Prim(Prim::Concat),
    vjp: Rule::By(concat_vjp),
    jvp: Rule::By(|e, site, t| {
        if t.iter().all(Option::is_none) {
            return Ok(smallvec![None]);
        }
        let mut parts = Vec::with_capacity(t.len());
        for (i, dx) in t.iter().enumerate() {
            parts.push(match dx {
                Some(dx) => *dx,
                None => e.zeros_like(site.operands[i])?,
            });
        }
        Ok(smallvec![Some(e.one(site.op.clone(), &parts)?)])
    }),
    ..MOVE
};

fn infer_concat(op: &Op, operands: &[Operand<'_>]) -> Result<Types, OpError> {
    let first = operands[0].ty;
    let axis = infer::axis(op, op.attrs.int(0), &first.shape)?;
    let mut dims: SmallVec<[usize; 4]> = SmallVec::from_slice(first.shape.dims());
    for i in 1..operands.len() {
        infer::same_dtype(op, operands, 0, i)?;
        let shape = &operands[i].ty.shape;
        let fits =
            shape.rank() == dims.len() && (0..dims.len()).all(|a| a == axis || shape.dims()[a] == dims[a]);
        if !fits {
            return Err(OpError::Shapes {
                op: op.name(),
                a: first.shape.clone(),
                b: shape.clone(),
                why: "differ outside the joined axis",
            });
        }
        dims[axis] = dims[axis]
            .checked_add(shape.dims()[axis])
            .ok_or_else(|| OpError::TooLarge { op: op.name(), ty: first.clone() })?;
    }
    infer::one(first.dtype, Shape::new(&dims))
}

fn concat_vjp(e: &mut dyn Emitter, site: &Site<'_>, d: &[Option<ValueId>]) -> Result<Flows, OpError> {
    let Some(d) = seed(d) else { return Ok(site.operands.iter().map(|_| Flow::Zero).collect()) };
    let axis = site.op.attrs.int(0) as usize;
    let mut at = 0;
    let mut flows = Flows::new();
    for i in 0..site.operands.len() {
        let size = e.shape(site.operands[i]).dims()[axis];
        flows.push(if site.wants(i) { Flow::To(part(e, d, axis, at, size)?) } else { Flow::Zero });
        at += size;
    }
    Ok(flows)
}

/// `size` entries from `at` along one axis.
fn part(e: &mut dyn Emitter, v: ValueId, axis: usize, at: usize, size: usize) -> Result<ValueId, OpError> {
    let shape = e.shape(v);
    let mut start = vec![0; shape.rank()];
    let mut stop = shape.dims().to_vec();
    (start[axis], stop[axis]) = (at, at + size);
    e.one(make::slice(&start, &stop, &vec![1; shape.rank()]), &[v])
}

/// One tensor cut along an axis into parts of given sizes: several results.
pub static SPLIT: Row = Row {
    name: "split",
    attrs: &[AttrSpec::new("axis", AttrKind::Int), AttrSpec::new("sizes", AttrKind::Ints)],
    infer: |op, operands| {
        let ty = operands[0].ty;
        let axis = infer::axis(op, op.attrs.int(0), &ty.shape)?;
        let sizes = op.attrs.ints(1);
        let total = sizes.iter().try_fold(0i64, |sum, &s| (s >= 0).then(|| sum.checked_add(s)).flatten());
        if total != Some(ty.shape.dims()[axis] as i64) || sizes.is_empty() {
            return Err(OpError::Attr {
                op: op.name(),
                attr: "sizes",
                why: format!("{sizes:?} do not add up to axis {axis} of {}", ty.shape),
            });
        }
        Ok(sizes
            .iter()
            .map(|&s| {
                let mut dims: SmallVec<[usize; 4]> = SmallVec::from_slice(ty.shape.dims());
                dims[axis] = s as usize;
                ValueType::new(ty.dtype, Shape::new(&dims))
            })
            .collect())
    },
    value: Value::Expand(|e, site| {
        let axis = site.op.attrs.int(0) as usize;
        let mut at = 0;
        let mut parts = crate::ops::Results::new();
        for size in site.op.attrs.sizes(1) {
            parts.push(part(e, site.operands[0], axis, at, size)?);
            at += size;
        }
        Ok(parts)
    }),
    vjp: Rule::By(|e, site, d| {
        if d.iter().all(Option::is_none) {
            return Ok(smallvec![Flow::Zero]);
        }
        let mut parts = Vec::with_capacity(d.len());
        for (i, d) in d.iter().enumerate() {
            parts.push(match d {
                Some(d) => *d,
                None => e.zeros_like(site.results[i])?,
            });
        }
        Ok(smallvec![Flow::To(e.one(make::concat(site.op.attrs.int(0) as usize), &parts)?)])
    }),
    jvp: Rule::By(|e, site, t| match seed(t) {
        Some(dx) => Ok(e.emit(site.op.clone(), &[dx])?.into_iter().map(Some).collect()),
        None => Ok(site.results.iter().map(|_| None).collect()),
    }),
    ..MOVE
};

/// Element type changed: floats round to nearest, floats to integers truncate
/// and saturate (NaN gives 0), numbers to masks compare with 0.
pub static CAST: Row = Row {
    name: "cast",
    attrs: &[AttrSpec::new("dtype", AttrKind::DType)],
    infer: |op, operands| infer::one(op.attrs.dtype(0), operands[0].ty.shape.clone()),
    value: Value::Prim(Prim::Cast),
    vjp: Rule::By(|e, site, d| {
        let dtype = e.dtype(site.operands[0]);
        if !dtype.is_float() {
            return Ok(smallvec![Flow::Zero]);
        }
        unary_vjp(d, |d| e.cast(d, dtype))
    }),
    jvp: Rule::By(|e, site, t| {
        if !site.op.attrs.dtype(0).is_float() {
            return Ok(smallvec![None]);
        }
        unary_jvp(t, |dx| e.cast(dx, site.op.attrs.dtype(0)))
    }),
    ..MOVE
};

pub static ROWS: &[&Row] = &[&BROADCAST_TO, &RESHAPE, &PERMUTE, &SLICE, &FLIP, &PAD, &CONCAT, &SPLIT, &CAST];
