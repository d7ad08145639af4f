//! Tensors unrolled to scalars: views become renamings, reductions and
//! products become the trees and chains of contract C1.

use crate::graph::{DType, Shape, ValueId};
use crate::lower::LowerError;
use crate::lower::core::{CoreNode, Kind};
use crate::lower::plan::{Args, Def, ScalarId};
use crate::lower::schedule::{Scalars, Scheduler, by_many};
use crate::ops::{Literal, MapFn, Prim, Reduction, around};
use cotangent_runtime::array::ArrayFn;
use smallvec::{SmallVec, smallvec};

/// Unrolls one node whose operands have been scheduled.
pub fn explode(s: &mut Scheduler<'_>, id: ValueId) -> Result<(), LowerError> {
    let core = s.core;
    let node = core.node(id);
    let elements = match node.kind {
        // Loaded where they are used.
        Kind::Input(_) | Kind::Prim(Prim::Const) => return Ok(()),
        // The extents beside an empty one may be vast.
        _ if node.ty.numel() == 0 => Scalars::default(),
        // Its elements are read from there.
        Kind::Map(_) if by_many(node) && !s.how.limits.points => {
            s.memory[id.index()] = Some(s.call(id)?);
            return Ok(());
        }
        // Most nodes of large graphs.
        Kind::Map(f) if node.ty.numel() == 1 => {
            let args = match *node.operands {
                [a] => Args::new(&[s.element(a, 0)?]),
                [a, b] => Args::new(&[s.element(a, 0)?, s.element(b, 0)?]),
                [a, b, c] => Args::new(&[s.element(a, 0)?, s.element(b, 0)?, s.element(c, 0)?]),
                _ => return Err(LowerError::Internal("a function of many operands")),
            };
            let scalar = s.scalar(node.ty.dtype, Def::Map(f, args));
            return s.elements.set(id, &[scalar]);
        }
        Kind::Map(f) => map(s, node, f)?,
        Kind::Callback(_) | Kind::Bodies(_) => {
            return Err(LowerError::Internal("a callback or a body to unroll"));
        }
        Kind::Prim(prim) => match prim {
            Prim::Const => return Ok(()),
            Prim::Cast => {
                let x = s.scalars(node.operands[0])?;
                x.iter().map(|&v| s.scalar(node.ty.dtype, Def::Cast(v))).collect()
            }
            Prim::Reshape => s.scalars(node.operands[0])?,
            Prim::Broadcast | Prim::Permute | Prim::Slice | Prim::Flip | Prim::Unfold => view(s, node, prim)?,
            Prim::Pad => pad(s, node)?,
            Prim::Concat => concat(s, node)?,
            Prim::Reduce(kind) => reduce(s, node, kind)?,
            Prim::Fold => fold(s, node)?,
            Prim::Matmul => matmul(s, node)?,
            Prim::IndexSelect | Prim::Gather => read(s, node, prim)?,
            Prim::IndexAdd | Prim::ScatterAdd => add(s, node, prim)?,
            Prim::Array(ArrayFn::Recurrence | ArrayFn::CumulativeSum) => recurrence(s, node)?,
            Prim::Array(_) => return Err(LowerError::Internal("a function of arrays unrolled")),
            Prim::RandomBits => return Err(LowerError::Internal("random bits are not unrolled")),
        },
    };
    s.elements.set(id, &elements)
}

fn map(s: &mut Scheduler<'_>, node: CoreNode<'_>, f: MapFn) -> Result<Scalars, LowerError> {
    let operands =
        node.operands.iter().map(|&v| s.scalars(v)).collect::<Result<SmallVec<[Scalars; 3]>, _>>()?;
    Ok((0..node.ty.numel())
        .map(|i| {
            let args: SmallVec<[ScalarId; 3]> = operands.iter().map(|x| x[i]).collect();
            s.scalar(node.ty.dtype, Def::Map(f, Args::new(&args)))
        })
        .collect())
}

/// Row-major offsets of an index space under strides.
fn offsets(dims: &[usize], strides: &[isize], start: isize) -> Vec<usize> {
    if dims.contains(&0) {
        return Vec::new();
    }
    let mut out = vec![start];
    for (&n, &stride) in dims.iter().zip(strides) {
        out = out.iter().flat_map(|&base| (0..n as isize).map(move |i| base + i * stride)).collect();
    }
    out.into_iter().map(|v| v as usize).collect()
}

fn signed_strides(shape: &Shape) -> SmallVec<[isize; 4]> {
    shape.strides().iter().map(|&v| v as isize).collect()
}

fn view(s: &mut Scheduler<'_>, node: CoreNode<'_>, prim: Prim) -> Result<Scalars, LowerError> {
    let source = node.operands[0];
    let from = s.core.node(source).shape().clone();
    let own = signed_strides(&from);
    let sizes = |i: usize| node.attrs.sizes(i);
    let (strides, start): (SmallVec<[isize; 4]>, isize) = match prim {
        Prim::Broadcast => {
            let lead = node.shape().rank() - from.rank();
            let stride = |a: usize| match a.checked_sub(lead) {
                Some(i) if from.dims()[i] != 1 => own[i],
                _ => 0,
            };
            ((0..node.shape().rank()).map(stride).collect(), 0)
        }
        Prim::Permute => (sizes(0).iter().map(|&p| own[p]).collect(), 0),
        Prim::Slice => {
            let (first, step) = (sizes(0), sizes(2));
            let start = (0..own.len()).map(|a| first[a] as isize * own[a]).sum();
            ((0..own.len()).map(|a| own[a] * step[a] as isize).collect(), start)
        }
        Prim::Unfold => (windows(&own, &sizes(1), &sizes(2)), 0),
        _ => {
            let axes = sizes(0);
            let start = axes.iter().map(|&a| own[a] * (from.dims()[a] as isize - 1)).sum();
            let stride = |a: usize| if axes.contains(&a) { -own[a] } else { own[a] };
            ((0..own.len()).map(stride).collect(), start)
        }
    };
    offsets(node.shape().dims(), &strides, start).into_iter().map(|at| s.element(source, at)).collect()
}

/// Strides over windows `(.., o.., k..)` of what has strides `own`.
fn windows(own: &[isize], stride: &[usize], dilation: &[usize]) -> SmallVec<[isize; 4]> {
    let lead = own.len() - stride.len();
    let steps =
        |by: &[usize]| -> Vec<isize> { own[lead..].iter().zip(by).map(|(s, &k)| s * k as isize).collect() };
    own[..lead].iter().copied().chain(steps(stride)).chain(steps(dilation)).collect()
}

/// Sums of overlapping windows: for one place the kernel's positions ascend.
fn fold(s: &mut Scheduler<'_>, node: CoreNode<'_>) -> Result<Scalars, LowerError> {
    let x = s.scalars(node.operands[0])?;
    let zero = constant(s, node.ty.dtype, 0.0);
    let mut out: Scalars = smallvec![zero; node.ty.numel()];
    let dims = s.core.node(node.operands[0]).shape().clone();
    let own = signed_strides(&dims);
    let (stride, dilation) = (node.attrs.sizes(1), node.attrs.sizes(2));
    let places = windows(&signed_strides(node.shape()), &stride, &dilation);
    let cut = node.shape().rank();
    // The window axes outermost.
    let turned = |strides: &[isize]| [&strides[cut..], &strides[..cut]].concat();
    let order = [&dims.dims()[cut..], &dims.dims()[..cut]].concat();
    let from = offsets(&order, &turned(&own), 0);
    for (v, at) in from.into_iter().zip(offsets(&order, &turned(&places), 0)) {
        out[at] = s.scalar(node.ty.dtype, Def::Map(MapFn::Add, Args::new(&[out[at], x[v]])));
    }
    Ok(out)
}

fn constant(s: &mut Scheduler<'_>, dtype: DType, value: f64) -> ScalarId {
    s.scalar(dtype, Def::Const(Literal::bits_of(dtype, value)))
}

fn pad(s: &mut Scheduler<'_>, node: CoreNode<'_>) -> Result<Scalars, LowerError> {
    let x = s.scalars(node.operands[0])?;
    let fill = constant(s, node.ty.dtype, node.attrs.float(3));
    let mut out = vec![fill; node.ty.numel()];
    let (lo, inner) = (node.attrs.sizes(0), node.attrs.sizes(2));
    let own = signed_strides(node.shape());
    let start = (0..own.len()).map(|a| lo[a] as isize * own[a]).sum();
    let strides: SmallVec<[isize; 4]> = (0..own.len()).map(|a| own[a] * (inner[a] as isize + 1)).collect();
    if !x.is_empty() {
        let dims = s.core.node(node.operands[0]).shape().clone();
        for (at, &v) in offsets(dims.dims(), &strides, start).into_iter().zip(x.iter()) {
            out[at] = v;
        }
    }
    Ok(out.into())
}

fn concat(s: &mut Scheduler<'_>, node: CoreNode<'_>) -> Result<Scalars, LowerError> {
    let axis = node.attrs.int(0) as usize;
    let outer: usize = node.shape().dims()[..axis].iter().product();
    let mut parts = Vec::with_capacity(node.operands.len());
    for &v in node.operands {
        let run: usize = s.core.node(v).shape().dims()[axis..].iter().product();
        parts.push((s.scalars(v)?, run));
    }
    let mut out = Vec::with_capacity(node.ty.numel());
    for o in 0..outer {
        for (part, run) in &parts {
            out.extend_from_slice(&part[o * run..(o + 1) * run]);
        }
    }
    Ok(out.into())
}

fn join(s: &mut Scheduler<'_>, kind: Reduction, dtype: DType, a: ScalarId, b: ScalarId) -> ScalarId {
    let f = if kind == Reduction::Max { MapFn::Maximum } else { MapFn::Add };
    s.scalar(dtype, Def::Map(f, Args::new(&[a, b])))
}

/// Lanes, then the halving tree; absent lanes are skipped.
fn lanes(
    s: &mut Scheduler<'_>,
    kind: Reduction,
    dtype: DType,
    terms: impl Iterator<Item = (ScalarId, Option<ScalarId>)>,
) -> ScalarId {
    let full = dtype.lanes();
    let mut lanes: SmallVec<[ScalarId; 32]> = SmallVec::new();
    for (r, (a, factor)) in terms.enumerate() {
        let next = |s: &mut Scheduler<'_>, acc: Option<ScalarId>| match (acc, factor) {
            (None, None) => a,
            (None, Some(b)) => s.scalar(dtype, Def::Map(MapFn::Mul, Args::new(&[a, b]))),
            (Some(acc), None) => join(s, kind, dtype, acc, a),
            (Some(acc), Some(b)) => s.scalar(dtype, Def::Map(MapFn::Fma, Args::new(&[a, b, acc]))),
        };
        if r < full {
            let lane = next(s, None);
            lanes.push(lane);
        } else {
            lanes[r % full] = next(s, Some(lanes[r % full]));
        }
    }
    put_together(lanes, dtype, |a, b| join(s, kind, dtype, a, b)).unwrap_or_else(|| constant(s, dtype, 0.0))
}

/// The lanes of a reduction by halves; `None` if there are none.
pub fn put_together<T: Copy>(
    mut lanes: SmallVec<[T; 32]>,
    dtype: DType,
    mut join: impl FnMut(T, T) -> T,
) -> Option<T> {
    let mut width = dtype.lanes() / 2;
    while width > 0 {
        for i in 0..width.min(lanes.len()) {
            if i + width < lanes.len() {
                lanes[i] = join(lanes[i], lanes[i + width]);
            }
        }
        lanes.truncate(width);
        width /= 2;
    }
    lanes.first().copied()
}

fn reduce(s: &mut Scheduler<'_>, node: CoreNode<'_>, kind: Reduction) -> Result<Scalars, LowerError> {
    let dtype = node.ty.dtype;
    let x = s.scalars(node.operands[0])?;
    if kind == Reduction::Dot {
        let y = s.scalars(node.operands[1])?;
        let k = y.len();
        return Ok((0..node.ty.numel())
            .map(|row| lanes(s, kind, dtype, (0..k).map(|i| (x[row * k + i], Some(y[i])))))
            .collect());
    }
    let shape = s.core.node(node.operands[0]).shape().clone();
    let axes = node.attrs.sizes(0);
    let own = signed_strides(&shape);
    let pick = |reduced: bool| -> (Vec<usize>, Vec<isize>) {
        (0..shape.rank()).filter(|a| axes.contains(a) == reduced).map(|a| (shape.dims()[a], own[a])).unzip()
    };
    let (kept, red) = (pick(false), pick(true));
    let inner = offsets(&red.0, &red.1, 0);
    Ok(offsets(&kept.0, &kept.1, 0)
        .into_iter()
        .map(|base| lanes(s, kind, dtype, inner.iter().map(|&at| (x[base + at], None))))
        .collect())
}

fn matmul(s: &mut Scheduler<'_>, node: CoreNode<'_>) -> Result<Scalars, LowerError> {
    let dtype = node.ty.dtype;
    let (a, b) = (s.scalars(node.operands[0])?, s.scalars(node.operands[1])?);
    let (a_shape, b_shape) = (s.core.node(node.operands[0]).shape(), s.core.node(node.operands[1]).shape());
    let dims = node.shape().dims();
    let (lead, m, n) = (&dims[..dims.len() - 2], dims[dims.len() - 2], dims[dims.len() - 1]);
    let k = a_shape.dims()[a_shape.rank() - 1];
    let batch = |shape: &Shape, per: usize| {
        let own = Shape::new(&shape.dims()[..shape.rank() - 2]);
        let strides = own.strides();
        let skip = lead.len() - own.rank();
        let stride = |axis: usize| match axis.checked_sub(skip) {
            Some(i) if own.dims()[i] != 1 => (strides[i] * per) as isize,
            _ => 0,
        };
        offsets(lead, &(0..lead.len()).map(stride).collect::<SmallVec<[isize; 4]>>(), 0)
    };
    let (ao, bo) = (batch(a_shape, m * k), batch(b_shape, k * n));
    let zero = constant(s, dtype, 0.0);
    let mut out = Vec::with_capacity(node.ty.numel());
    for (ao, bo) in ao.into_iter().zip(bo) {
        for i in 0..m {
            for j in 0..n {
                let mut acc = zero;
                for p in 0..k {
                    let args = Args::new(&[a[ao + i * k + p], b[bo + p * n + j], acc]);
                    acc = s.scalar(dtype, Def::Map(MapFn::Fma, args));
                }
                out.push(acc);
            }
        }
    }
    Ok(out.into())
}

fn recurrence(s: &mut Scheduler<'_>, node: CoreNode<'_>) -> Result<Scalars, LowerError> {
    let dtype = node.ty.dtype;
    let (factors, mut y) = match *node.operands {
        [a, b] => (Some(s.scalars(a)?), s.scalars(b)?),
        [b] => (None, s.scalars(b)?),
        _ => return Err(LowerError::Internal("a recurrence of many operands")),
    };
    let [outer, n, inner] = around(node.shape(), node.attrs.int(0) as usize);
    let one = constant(s, dtype, 1.0);
    for o in 0..outer {
        for at in o * n * inner + inner..(o + 1) * n * inner {
            let before = y[at - inner];
            let step = match factors.as_ref().map(|a| a[at]).filter(|&factor| factor != one) {
                // One rounding either way.
                None => Def::Map(MapFn::Add, Args::new(&[before, y[at]])),
                Some(factor) => Def::Map(MapFn::Fma, Args::new(&[factor, before, y[at]])),
            };
            y[at] = s.scalar(dtype, step);
        }
    }
    Ok(y)
}

/// For each element of the indexed side the element of the source side.
fn sources(s: &Scheduler<'_>, node: CoreNode<'_>, prim: Prim) -> Vec<Option<usize>> {
    let Some(index) = s.core.literal(node.operands[1]) else { return Vec::new() };
    let shape = s.core.node(node.operands[0]).shape();
    let axis = node.attrs.int(0) as usize;
    let dims = shape.dims();
    let outer: usize = dims[..axis].iter().product();
    let (len, inner): (usize, usize) = (dims[axis], dims[axis + 1..].iter().product());
    let whole = matches!(prim, Prim::IndexSelect | Prim::IndexAdd);
    let count = if whole { index.ty().numel() } else { index.ty().shape.dims()[axis] };
    let mut out = Vec::with_capacity(outer * count * inner);
    for o in 0..outer {
        for c in 0..count {
            for i in 0..inner {
                let position = if whole { c } else { (o * count + c) * inner + i };
                let value = usize::try_from(index.bits(position) as i64).ok().filter(|&v| v < len);
                out.push(value.map(|v| (o * len + v) * inner + i));
            }
        }
    }
    out
}

fn read(s: &mut Scheduler<'_>, node: CoreNode<'_>, prim: Prim) -> Result<Scalars, LowerError> {
    let zero = constant(s, node.ty.dtype, 0.0);
    sources(s, node, prim)
        .into_iter()
        .map(|at| at.map_or(Ok(zero), |at| s.element(node.operands[0], at)))
        .collect()
}

fn add(s: &mut Scheduler<'_>, node: CoreNode<'_>, prim: Prim) -> Result<Scalars, LowerError> {
    let mut out = s.scalars(node.operands[0])?;
    let update = s.scalars(node.operands[2])?;
    for (at, &v) in sources(s, node, prim).into_iter().zip(update.iter()) {
        if let Some(at) = at {
            out[at] = s.scalar(node.ty.dtype, Def::Map(MapFn::Add, Args::new(&[out[at], v])));
        }
    }
    Ok(out)
}
