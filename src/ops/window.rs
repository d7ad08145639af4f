//! Windows that slide over the last axes: `unfold` views them, `fold` adds them up
//! where they overlap. Each is the transpose of the other.

use crate::graph::Shape;
use crate::ops::attr::AttrKind;
use crate::ops::emit::Emitter;
use crate::ops::error::OpError;
use crate::ops::infer;
use crate::ops::make;
use crate::ops::row::{AttrSpec, Op, Operand, Prim, Row, Rule, Types, Value};
use crate::ops::rules::{unary_jvp, unary_vjp};
use smallvec::SmallVec;

/// One entry per axis that windows slide over.
pub(super) type PerAxis = SmallVec<[usize; 4]>;

/// Most axes that windows slide over.
pub(super) const SPATIAL: usize = 3;

/// How windows lie over axes.
#[derive(Clone, Debug)]
pub(super) struct Windows {
    pub size: PerAxis,
    pub stride: PerAxis,
    pub dilation: PerAxis,
}

/// A list attribute with one entry of at least `least` for each of `count` axes.
pub(super) fn per_axis(
    op: &Op,
    attr: usize,
    count: usize,
    least: usize,
    shape: &Shape,
) -> Result<PerAxis, OpError> {
    let entries = op.attrs.ints(attr);
    let bad = |why: String| OpError::Attr { op: op.name(), attr: op.row().attrs[attr].name, why };
    if entries.len() != count {
        return Err(bad(format!("{entries:?} has not one entry for each of {count} axes (operand {shape})")));
    }
    let entry = |&v: &i64| usize::try_from(v).ok().filter(|&v| v >= least);
    entries
        .iter()
        .map(entry)
        .collect::<Option<PerAxis>>()
        .ok_or_else(|| bad(format!("{entries:?} has an entry below {least} (operand {shape})")))
}

impl Windows {
    /// Places along axis `i` of the windows over an extent, if one fits.
    pub fn places(&self, i: usize, extent: usize) -> Option<usize> {
        Some(extent.checked_sub(self.span(i)?)? / self.stride[i] + 1)
    }

    /// Entries from the first to the last of a window along axis `i`.
    pub fn span(&self, i: usize) -> Option<usize> {
        (self.size[i] - 1).checked_mul(self.dilation[i])?.checked_add(1)
    }

    /// The op that views them.
    pub fn unfold(&self) -> Op {
        make::unfold(&self.size, &self.stride, &self.dilation)
    }

    /// The op that adds them up over these extents.
    pub fn fold(&self, extents: &[usize]) -> Op {
        make::fold(extents, &self.stride, &self.dilation)
    }
}

const WINDOWS: Row = Row {
    name: "",
    min_operands: 1,
    max_operands: 1,
    attrs: &[],
    infer: infer::same,
    value: Value::Prim(Prim::Unfold),
    vjp: Rule::Missing,
    jvp: Rule::Missing,
    exact: true,
};

/// The attribute lists, of which the first gives the number of axes.
fn lists(op: &Op, shape: &Shape) -> Result<(PerAxis, PerAxis, PerAxis), OpError> {
    let count = op.attrs.ints(0).len();
    if count == 0 || count > SPATIAL {
        let why = format!("needs one to {SPATIAL} axes, got {count} (operand {shape})");
        return Err(OpError::Attr { op: op.name(), attr: op.row().attrs[0].name, why });
    }
    let least = usize::from(op.is(&UNFOLD));
    Ok((
        per_axis(op, 0, count, least, shape)?,
        per_axis(op, 1, count, 1, shape)?,
        per_axis(op, 2, count, 1, shape)?,
    ))
}

fn misfit(op: &Op, shape: &Shape, why: String) -> OpError {
    OpError::Shape { op: op.name(), shape: shape.clone(), why }
}

/// (.., s..) -> (.., o.., k..): `dst[.., o, k] = x[.., o * stride + k * dilation]`.
pub static UNFOLD: Row = Row {
    name: "unfold",
    attrs: &[
        AttrSpec::new("size", AttrKind::Ints),
        AttrSpec::new("stride", AttrKind::Ints),
        AttrSpec::new("dilation", AttrKind::Ints),
    ],
    infer: |op, operands| {
        let shape = &operands[0].ty.shape;
        let (size, stride, dilation) = lists(op, shape)?;
        let windows = Windows { size, stride, dilation };
        let count = windows.size.len();
        let Some(lead) = shape.rank().checked_sub(count) else {
            return Err(misfit(op, shape, format!("windows over {count} axes need as many")));
        };
        let mut dims = PerAxis::from_slice(&shape.dims()[..lead]);
        for (i, &n) in shape.dims()[lead..].iter().enumerate() {
            dims.push(windows.places(i, n).ok_or_else(|| {
                let (size, dilation) = (windows.size[i], windows.dilation[i]);
                misfit(op, shape, format!("size {size}, dilation {dilation} does not fit axis {}", lead + i))
            })?);
        }
        dims.extend_from_slice(&windows.size);
        infer::one(operands[0].ty.dtype, Shape::new(&dims))
    },
    vjp: Rule::By(|e, site, d| {
        unary_vjp(d, |d| {
            let (shape, attrs) = (e.shape(site.operands[0]), &site.op.attrs);
            let extents = &shape.dims()[shape.rank() - attrs.ints(0).len()..];
            e.one(make::fold(extents, &attrs.sizes(1), &attrs.sizes(2)), &[d])
        })
    }),
    jvp: Rule::By(|e, site, t| unary_jvp(t, |dx| e.one(site.op.clone(), &[dx]))),
    ..WINDOWS
};

/// (.., o.., k..) -> (.., s..): windows added where they overlap, the kernel's
/// positions row-major, from +0.
pub static FOLD: Row = Row {
    name: "fold",
    attrs: &[
        AttrSpec::new("extent", AttrKind::Ints),
        AttrSpec::new("stride", AttrKind::Ints),
        AttrSpec::new("dilation", AttrKind::Ints),
    ],
    infer: infer_fold,
    value: Value::Prim(Prim::Fold),
    vjp: Rule::By(|e, site, d| {
        unary_vjp(d, |d| {
            let (shape, attrs) = (e.shape(site.operands[0]), &site.op.attrs);
            let size = &shape.dims()[shape.rank() - attrs.ints(0).len()..];
            e.one(make::unfold(size, &attrs.sizes(1), &attrs.sizes(2)), &[d])
        })
    }),
    jvp: Rule::By(|e, site, t| unary_jvp(t, |dx| e.one(site.op.clone(), &[dx]))),
    ..WINDOWS
};

fn infer_fold(op: &Op, operands: &[Operand<'_>]) -> Result<Types, OpError> {
    let dtype = infer::float(op, operands, 0)?;
    let shape = &operands[0].ty.shape;
    let (extent, stride, dilation) = lists(op, shape)?;
    let count = extent.len();
    let Some(lead) = shape.rank().checked_sub(2 * count) else {
        return Err(misfit(op, shape, format!("windows over {count} axes need twice as many")));
    };
    let size = PerAxis::from_slice(&shape.dims()[lead + count..]);
    if size.contains(&0) {
        return Err(misfit(op, shape, "a window has no elements".into()));
    }
    let windows = Windows { size, stride, dilation };
    for (i, &n) in extent.iter().enumerate() {
        if windows.places(i, n) != Some(shape.dims()[lead + i]) {
            let why = format!("axis {} is not the number of windows over an extent of {n}", lead + i);
            return Err(misfit(op, shape, why));
        }
    }
    infer::one(dtype, shape.dims()[..lead].iter().copied().chain(extent).collect())
}

/// Padding by one number on both sides of the last axes; the value itself where
/// there is none.
pub(super) fn padded(
    e: &mut dyn Emitter,
    x: crate::graph::ValueId,
    padding: &[usize],
    fill: f64,
) -> Result<crate::graph::ValueId, OpError> {
    if padding.iter().all(|&p| p == 0) {
        return Ok(x);
    }
    let lead = e.shape(x).rank() - padding.len();
    let both: PerAxis = std::iter::repeat_n(0, lead).chain(padding.iter().copied()).collect();
    let none = vec![0; both.len()];
    e.one(make::pad(&both, &both, &none, fill), &[x])
}

pub static ROWS: &[&Row] = &[&UNFOLD, &FOLD];
