//! Pooling over one to three spatial axes of (N, C, spatial..) or (C, spatial..):
//! reductions over windows. An empty axis stays empty.

use crate::graph::{DType, Shape, ValueId, ValueType};
use crate::ops::attr::AttrKind;
use crate::ops::emit::Emitter;
use crate::ops::error::OpError;
use crate::ops::infer;
use crate::ops::literal::{Elements, Literal};
use crate::ops::make;
use crate::ops::row::{AttrSpec, Op, Operand, Row, Rule, Site, Types, Value};
use crate::ops::rules::{unary_jvp, unary_vjp};
use crate::ops::window::{PerAxis, SPATIAL, Windows, padded, per_axis};
use smallvec::smallvec;

type R = Result<ValueId, OpError>;

/// What a pool's operand and attributes come to.
struct Geometry {
    windows: Windows,
    padding: PerAxis,
    /// Axes before the spatial ones.
    lead: usize,
    /// Extents with padding.
    field: PerAxis,
    result: Shape,
}

impl Geometry {
    /// The axes of a window behind those of its places.
    fn inside(&self) -> Vec<usize> {
        let n = self.padding.len();
        (self.lead + n..self.lead + 2 * n).collect()
    }

    fn pads(&self) -> bool {
        self.padding.iter().any(|&p| p > 0)
    }

    /// The result with axes of extent 1 for those of a window.
    fn kept(&self) -> Shape {
        self.result.dims().iter().copied().chain(self.padding.iter().map(|_| 1)).collect()
    }
}

fn geometry(op: &Op, ty: &ValueType) -> Result<Geometry, OpError> {
    let x = &ty.shape;
    let bad = |why: String| OpError::Shape { op: op.name(), shape: x.clone(), why };
    let axes = op.attrs.ints(0).len();
    if axes == 0 || axes > SPATIAL {
        let why = format!("needs one to {SPATIAL} spatial axes, got {axes} (operand {x})");
        return Err(OpError::Attr { op: op.name(), attr: "kernel", why });
    }
    let lead = match x.rank().checked_sub(axes) {
        Some(lead @ 1..=2) => lead,
        _ => return Err(bad(format!("is not (N, C, s..) or (C, s..) with {axes} spatial axes"))),
    };
    let size = per_axis(op, 0, axes, 1, x)?;
    let windows = Windows { size, stride: per_axis(op, 1, axes, 1, x)?, dilation: smallvec![1; axes] };
    let padding = per_axis(op, 2, axes, 0, x)?;
    let (lead_dims, spatial) = x.dims().split_at(lead);
    let mut field = PerAxis::new();
    let mut places = PerAxis::new();
    for (i, &n) in spatial.iter().enumerate() {
        let both = padding[i].checked_mul(2).and_then(|p| p.checked_add(n));
        let all = both.ok_or_else(|| bad(format!("padding {} is too large", padding[i])))?;
        field.push(all);
        places.push(match windows.places(i, all) {
            _ if n == 0 => 0,
            Some(places) => places,
            None => {
                let (size, pad) = (windows.size[i], padding[i]);
                let why = format!("the window does not fit axis {}: kernel {size}, padding {pad}", lead + i);
                return Err(bad(why));
            }
        });
    }
    let sizes = [
        lead_dims.iter().chain(&field).copied().collect::<Shape>(),
        lead_dims.iter().chain(&places).chain(&windows.size).copied().collect(),
    ];
    for shape in sizes {
        let ty = ValueType { dtype: ty.dtype, shape };
        if ty.checked_bytes().is_none() {
            return Err(OpError::TooLarge { op: op.name(), ty });
        }
    }
    let result = lead_dims.iter().copied().chain(places).collect();
    Ok(Geometry { windows, padding, lead, field, result })
}

fn of(e: &dyn Emitter, site: &Site<'_>) -> Result<Geometry, OpError> {
    geometry(site.op, e.ty(site.operands[0]))
}

fn infer_pool(op: &Op, operands: &[Operand<'_>]) -> Result<Types, OpError> {
    let dtype = infer::float(op, operands, 0)?;
    infer::one(dtype, geometry(op, operands[0].ty)?.result)
}

/// (.., places.., kernel..), with this number in the padding.
fn windows(e: &mut dyn Emitter, x: ValueId, g: &Geometry, fill: f64) -> R {
    let x = padded(e, x, &g.padding, fill)?;
    e.one(g.windows.unfold(), &[x])
}

/// The transpose of [`windows`].
fn gathered(e: &mut dyn Emitter, d: ValueId, g: &Geometry, shape: &Shape) -> R {
    let sum = e.one(g.windows.fold(&g.field), &[d])?;
    if !g.pads() {
        return Ok(sum);
    }
    let mut start = vec![0; g.lead];
    start.extend(&g.padding);
    let stop: Vec<usize> = start.iter().zip(shape.dims()).map(|(a, n)| a + n).collect();
    e.one(make::slice(&start, &stop, &vec![1; shape.rank()]), &[sum])
}

/// Which cells of the windows are no padding, as (places.., kernel..).
fn real(e: &mut dyn Emitter, g: &Geometry, shape: &Shape, dtype: DType) -> R {
    let ones = e.full(dtype, Shape::new(&shape.dims()[g.lead..]), 1.0)?;
    let cells = padded(e, ones, &g.padding, 0.0)?;
    e.one(g.windows.unfold(), &[cells])
}

const LISTS: [AttrSpec; 3] = [
    AttrSpec::new("kernel", AttrKind::Ints),
    AttrSpec::new("stride", AttrKind::Ints),
    AttrSpec::new("padding", AttrKind::Ints),
];

/// The largest cell of each window; NaN propagates. Padding never wins: a window of
/// padding alone gives 0. The gradient goes to the first of the largest cells, row-major,
/// or to the first NaN.
pub static MAX_POOL: Row = Row {
    name: "max_pool",
    min_operands: 1,
    max_operands: 1,
    attrs: &LISTS,
    infer: infer_pool,
    value: Value::Expand(|e, site| {
        let (x, g) = (site.operands[0], of(e, site)?);
        if g.result.numel() == 0 {
            return Ok(smallvec![empty(e, x, &g)?]);
        }
        let windows = windows(e, x, &g, f64::NEG_INFINITY)?;
        let best = e.one(make::reduce_max(&g.inside(), false), &[windows])?;
        Ok(smallvec![if_any(e, best, x, &g)?])
    }),
    vjp: Rule::By(|e, site, d| {
        unary_vjp(d, |d| {
            let (x, g) = (site.operands[0], of(e, site)?);
            if g.result.numel() == 0 {
                return e.zeros_like(x);
            }
            let first = first(e, x, &g)?;
            let d = e.reshape(d, &g.kept())?;
            let d = e.select_or_zero(first, d)?;
            let shape = e.shape(x);
            gathered(e, d, &g, &shape)
        })
    }),
    jvp: Rule::By(|e, site, t| {
        unary_jvp(t, |dx| {
            let (x, g) = (site.operands[0], of(e, site)?);
            if g.result.numel() == 0 {
                return empty(e, x, &g);
            }
            let first = first(e, x, &g)?;
            let windows = windows(e, dx, &g, 0.0)?;
            let picked = e.select_or_zero(first, windows)?;
            e.sum(picked, &g.inside(), false)
        })
    }),
    exact: true,
};

fn empty(e: &mut dyn Emitter, x: ValueId, g: &Geometry) -> R {
    let dtype = e.dtype(x);
    e.full(dtype, g.result.clone(), 0.0)
}

/// y, but 0 for windows of padding alone.
fn if_any(e: &mut dyn Emitter, y: ValueId, x: ValueId, g: &Geometry) -> R {
    // The windows at the ends reach further in than they reach out.
    if g.padding.iter().zip(&g.windows.size).all(|(p, k)| p < k) {
        return Ok(y);
    }
    let (shape, dtype) = (e.shape(x), e.dtype(x));
    let cells = real(e, g, &shape, dtype)?;
    let axes = g.padding.len();
    let any = e.one(make::reduce_max(&(axes..2 * axes).collect::<Vec<_>>(), false), &[cells])?;
    let any = e.cast(any, DType::Bool)?;
    e.select_or_zero(any, y)
}

/// In each window the first cell that attains the maximum, or the first NaN, as a mask.
fn first(e: &mut dyn Emitter, x: ValueId, g: &Geometry) -> R {
    let cells = windows(e, x, g, f64::NEG_INFINITY)?;
    let best = e.one(make::reduce_max(&g.inside(), true), &[cells])?;
    let largest = e.eq(cells, best)?;
    let nan = e.one(make::ne(), &[cells, cells])?;
    let mut may = e.or(largest, nan)?;
    if g.pads() {
        let (shape, dtype) = (e.shape(x), e.dtype(x));
        let real = real(e, g, &shape, dtype)?;
        let real = e.cast(real, DType::Bool)?;
        may = e.and(may, real)?;
    }
    // Positions count down, so that the first is the largest.
    let size = Shape::new(&g.windows.size);
    let position = countdown(e, &size)?;
    let none = e.full(DType::F64, Shape::scalar(), 0.0)?;
    let score = e.select(may, position, none)?;
    let most = e.one(make::reduce_max(&g.inside(), true), &[score])?;
    let first = e.eq(score, most)?;
    e.and(first, may)
}

/// n, n - 1, .. 1, row-major in a shape of n elements: blocks of a few literals, however
/// large.
fn countdown(e: &mut dyn Emitter, shape: &Shape) -> R {
    const BLOCK: usize = 1 << 12;
    let n = shape.numel();
    let ramp = |e: &mut dyn Emitter, count: usize, step: usize| {
        let values = (0..count).map(|i| ((count - 1 - i) * step) as f64).collect();
        let literal = Literal::new([count], Elements::F64(values));
        let why = || OpError::BadRule { op: "max_pool", rule: "VJP", why: "counts wrongly".into() };
        e.one(make::constant(literal.ok_or_else(why)?), &[])
    };
    let blocks = n.div_ceil(BLOCK);
    let mut all = ramp(e, n.min(BLOCK), 1)?;
    if blocks > 1 {
        let starts = ramp(e, blocks, BLOCK)?;
        let starts = e.reshape(starts, &Shape::new(&[blocks, 1]))?;
        all = e.add(starts, all)?;
        all = e.reshape(all, &Shape::new(&[blocks * BLOCK]))?;
        all = e.one(make::slice(&[blocks * BLOCK - n], &[blocks * BLOCK], &[1]), &[all])?;
    }
    let one = e.full(DType::F64, Shape::scalar(), 1.0)?;
    let all = e.add(all, one)?;
    e.reshape(all, shape)
}

/// The mean of each window. Zeros in the padding are counted, unless
/// `count_include_pad` is false; a window of padding alone gives 0.
pub static AVG_POOL: Row = Row {
    name: "avg_pool",
    attrs: &[LISTS[0], LISTS[1], LISTS[2], AttrSpec::new("count_include_pad", AttrKind::Bool)],
    value: Value::Expand(|e, site| {
        let (x, g) = (site.operands[0], of(e, site)?);
        if g.result.numel() == 0 {
            return Ok(smallvec![empty(e, x, &g)?]);
        }
        let windows = windows(e, x, &g, 0.0)?;
        let sum = e.sum(windows, &g.inside(), false)?;
        let count = if site.op.attrs.flag(3) || !g.pads() {
            let cells = g.windows.size.iter().map(|&k| k as f64).product();
            e.scalar_like(x, cells)?
        } else {
            let (shape, dtype) = (e.shape(x), e.dtype(x));
            let cells = real(e, &g, &shape, dtype)?;
            let axes = g.padding.len();
            let count = e.sum(cells, &(axes..2 * axes).collect::<Vec<_>>(), false)?;
            let one = e.scalar_like(count, 1.0)?;
            e.one(make::maximum(), &[count, one])?
        };
        Ok(smallvec![e.div(sum, count)?])
    }),
    vjp: Rule::ByDefinition,
    jvp: Rule::ByDefinition,
    ..MAX_POOL
};

/// log(sum exp(beta x)) / beta over each window, in a stable form; a cell of the padding
/// counts as exp(0) = 1.
pub static SMOOTH_MAX_POOL: Row = Row {
    name: "smooth_max_pool",
    attrs: &[LISTS[0], LISTS[1], LISTS[2], AttrSpec::new("beta", AttrKind::Float)],
    infer: |op, operands| {
        let beta = op.attrs.float(3);
        if !beta.is_finite() || beta == 0.0 {
            let why =
                format!("{beta} is not a finite number other than 0 (operand {})", operands[0].ty.shape);
            return Err(OpError::Attr { op: op.name(), attr: "beta", why });
        }
        infer_pool(op, operands)
    },
    value: Value::Expand(|e, site| {
        let (x, g) = (site.operands[0], of(e, site)?);
        if g.result.numel() == 0 {
            return Ok(smallvec![empty(e, x, &g)?]);
        }
        let beta = e.scalar_like(x, site.op.attrs.float(3))?;
        let steep = e.mul(x, beta)?;
        let windows = windows(e, steep, &g, 0.0)?;
        let log = e.one(make::logsumexp(&g.inside(), false), &[windows])?;
        Ok(smallvec![e.div(log, beta)?])
    }),
    exact: false,
    ..AVG_POOL
};

pub static ROWS: &[&Row] = &[&MAX_POOL, &AVG_POOL, &SMOOTH_MAX_POOL];
