//! Convolutions over one to three spatial axes, as one matrix product over the
//! columns of all windows: an output is one fma chain, channels first, then the
//! kernel row-major. Layout (N, C, spatial..) or (C, spatial..).

use crate::graph::{Shape, ValueId, ValueType};
use crate::ops::attr::AttrKind;
use crate::ops::emit::Emitter;
use crate::ops::error::OpError;
use crate::ops::infer;
use crate::ops::make;
use crate::ops::row::{AttrSpec, Op, Operand, Row, Rule, Types, Value};
use crate::ops::window::{PerAxis, SPATIAL, Windows, padded, per_axis};
use smallvec::smallvec;

type R = Result<ValueId, OpError>;

/// What a convolution's operands and attributes come to.
struct Geometry {
    windows: Windows,
    padding: PerAxis,
    groups: usize,
    /// Samples; `None` without a batch axis.
    batch: Option<usize>,
    /// Channels of the operand and of the result, by group.
    from: usize,
    to: usize,
    /// Extents of the operand and of the result.
    input: PerAxis,
    output: PerAxis,
    /// Extents of what the windows slide over.
    field: PerAxis,
}

impl Geometry {
    fn samples(&self) -> usize {
        self.batch.unwrap_or(1)
    }

    /// Elements of a kernel.
    fn kernel(&self) -> usize {
        self.windows.size.iter().product()
    }

    fn result(&self) -> Shape {
        self.batch.into_iter().chain([self.groups * self.to]).chain(self.output.iter().copied()).collect()
    }

    /// Axes (a, N, places.., kernel..) as (a, kernel.., N, places..).
    fn kernel_first(&self) -> Vec<usize> {
        let n = self.windows.size.len();
        [0].into_iter().chain(2 + n..2 + 2 * n).chain(1..2 + n).collect()
    }
}

fn transposed(op: &Op) -> bool {
    op.is(&CONV_TRANSPOSE)
}

fn geometry(op: &Op, dtype: crate::graph::DType, x: &Shape, w: &Shape) -> Result<Geometry, OpError> {
    let bad = |why: &'static str| OpError::Shapes { op: op.name(), a: x.clone(), b: w.clone(), why };
    let transposed = transposed(op);
    let axes = match w.rank().checked_sub(2) {
        Some(axes @ 1..=SPATIAL) => axes,
        _ => return Err(bad("are not an input and a kernel with one to three spatial axes")),
    };
    let (batch, channels, input) = match *x.dims() {
        [n, c, ref s @ ..] if s.len() == axes => (Some(n), c, s),
        [c, ref s @ ..] if s.len() == axes => (None, c, s),
        _ => return Err(bad("do not have the same spatial axes")),
    };
    let size = PerAxis::from_slice(&w.dims()[2..]);
    if size.contains(&0) {
        return Err(bad("have a kernel without elements"));
    }
    let stride = per_axis(op, 0, axes, 1, x)?;
    let padding = per_axis(op, 1, axes, 0, x)?;
    let extra = if transposed { per_axis(op, 2, axes, 0, x)? } else { smallvec![0; axes] };
    let (dilation, groups) = if transposed { (3, 4) } else { (2, 3) };
    let windows = Windows { size, stride, dilation: per_axis(op, dilation, axes, 1, x)? };
    let groups = op.attrs.int(groups);
    let divides = |n: usize, groups: usize| groups > 0 && n.is_multiple_of(groups);
    let by_group = if transposed { channels } else { w.dims()[0] };
    let groups = usize::try_from(groups).ok().filter(|&g| divides(by_group, g)).ok_or_else(|| {
        let why = format!("{groups} does not divide the channels of {x} and {w}");
        OpError::Attr { op: op.name(), attr: "groups", why }
    })?;
    let (from, to) = match transposed {
        true if w.dims()[0] != channels => return Err(bad("differ in the input channels")),
        true => (channels / groups, w.dims()[1]),
        false if w.dims()[1].checked_mul(groups) != Some(channels) => {
            return Err(bad("differ in the input channels by group"));
        }
        false => (w.dims()[1], w.dims()[0] / groups),
    };
    let mut field = PerAxis::new();
    let mut output = PerAxis::new();
    for (i, &n) in input.iter().enumerate() {
        let misfit = |why: &str| {
            let (size, stride, pad) = (windows.size[i], windows.stride[i], padding[i]);
            let axis = x.rank() - axes + i;
            let why =
                format!("{why} axis {axis}: kernel {size}, stride {stride}, padding {pad} on both sides");
            OpError::Shape { op: op.name(), shape: x.clone(), why }
        };
        let both = padding[i].checked_mul(2).ok_or_else(|| misfit("too large for"))?;
        if transposed {
            if extra[i] >= windows.stride[i].max(windows.dilation[i]) {
                let why = format!("{} is not below stride or dilation of axis {i} (operand {x})", extra[i]);
                return Err(OpError::Attr { op: op.name(), attr: "output_padding", why });
            }
            let reach = n.saturating_sub(1).checked_mul(windows.stride[i]);
            let all =
                reach.and_then(|r| r.checked_add(windows.span(i)?)).ok_or_else(|| misfit("too large for"))?;
            let all = if n == 0 { 0 } else { all };
            field.push(all);
            let cut = all.checked_add(extra[i]).and_then(|v| v.checked_sub(both));
            output.push(if n == 0 { 0 } else { cut.ok_or_else(|| misfit("nothing is left of"))? });
        } else {
            let all = n.checked_add(both).ok_or_else(|| misfit("too large for"))?;
            field.push(all);
            output.push(windows.places(i, all).ok_or_else(|| misfit("the window does not fit"))?);
        }
    }
    let input = PerAxis::from_slice(input);
    let g = Geometry { windows, padding, groups, batch, from, to, input, output, field };
    // The columns and what the windows slide over are tensors, too.
    let (ends, places) = if transposed { (g.to, &g.input) } else { (g.from, &g.output) };
    let lead = [g.samples(), g.groups, ends];
    let sizes = [
        lead.iter().chain(places).chain(&g.windows.size).copied().collect::<Shape>(),
        lead.iter().chain(&g.field).copied().collect(),
        [g.groups, g.to].iter().chain(&g.output).copied().collect(),
    ];
    for shape in sizes {
        let ty = ValueType { dtype, shape };
        if ty.checked_bytes().is_none() {
            return Err(OpError::TooLarge { op: op.name(), ty });
        }
    }
    Ok(g)
}

fn infer_conv(op: &Op, operands: &[Operand<'_>]) -> Result<Types, OpError> {
    let dtype = infer::float(op, operands, 0)?;
    infer::same_dtype(op, operands, 0, 1)?;
    let w = &operands[1].ty.shape;
    let g = geometry(op, dtype, &operands[0].ty.shape, w)?;
    if let Some(b) = operands.get(2) {
        infer::same_dtype(op, operands, 0, 2)?;
        if b.ty.shape.dims() != [g.groups * g.to] {
            let why = "are not a kernel and a bias by output channel";
            return Err(OpError::Shapes { op: op.name(), a: w.clone(), b: b.ty.shape.clone(), why });
        }
    }
    infer::one(dtype, g.result())
}

const LISTS: [AttrSpec; 4] = [
    AttrSpec::new("stride", AttrKind::Ints),
    AttrSpec::new("padding", AttrKind::Ints),
    AttrSpec::new("dilation", AttrKind::Ints),
    AttrSpec::new("groups", AttrKind::Int),
];

/// Cross-correlation of x (N, C, s..) with a kernel (D, C / groups, k..), and a bias
/// (D). Padded zeros are multiplied like any other number.
pub static CONV: Row = Row {
    name: "conv",
    min_operands: 2,
    max_operands: 3,
    attrs: &LISTS,
    infer: infer_conv,
    value: Value::Expand(|e, site| {
        let (x, w) = (site.operands[0], site.operands[1]);
        let g = geometry(site.op, e.dtype(x), &e.shape(x), &e.shape(w))?;
        let columns = columns(e, x, &g)?;
        let w = e.reshape(w, &Shape::new(&[g.groups, g.to, g.from * g.kernel()]))?;
        let y = e.matmul(w, columns)?;
        let y = channels_second(e, y, &g, g.groups * g.to, &g.output)?;
        let y = e.reshape(y, &g.result())?;
        Ok(smallvec![biased(e, y, site.operands.get(2).copied(), &g)?])
    }),
    vjp: Rule::ByDefinition,
    jvp: Rule::ByDefinition,
    exact: true,
};

/// The transpose of a convolution in x: of x (N, C, s..) and a kernel
/// (C, D / groups, k..), with a bias (D).
pub static CONV_TRANSPOSE: Row = Row {
    name: "conv_transpose",
    attrs: &[LISTS[0], LISTS[1], AttrSpec::new("output_padding", AttrKind::Ints), LISTS[2], LISTS[3]],
    value: Value::Expand(|e, site| {
        let (x, w) = (site.operands[0], site.operands[1]);
        let g = geometry(site.op, e.dtype(x), &e.shape(x), &e.shape(w))?;
        let y = if g.input.contains(&0) {
            let dtype = e.dtype(x);
            e.full(dtype, g.result(), 0.0)?
        } else {
            spread(e, x, w, &g)?
        };
        Ok(smallvec![biased(e, y, site.operands.get(2).copied(), &g)?])
    }),
    ..CONV
};

/// (N, C, s..) as (C, N, s..), which is the same where N is 1.
fn channels_first(e: &mut dyn Emitter, x: ValueId, g: &Geometry, extents: &[usize]) -> R {
    let channels = g.groups * g.from;
    let shape = |a: usize, b: usize| [a, b].iter().chain(extents).copied().collect::<Shape>();
    if g.samples() == 1 {
        return e.reshape(x, &shape(channels, 1));
    }
    let order: Vec<usize> = [1, 0].into_iter().chain(2..2 + extents.len()).collect();
    e.permute(x, &order)
}

/// (C, N, s..), its axes merged anyhow, as (N, C, s..).
fn channels_second(e: &mut dyn Emitter, x: ValueId, g: &Geometry, channels: usize, extents: &[usize]) -> R {
    let n = g.samples();
    let shape = |a: usize, b: usize| [a, b].iter().chain(extents).copied().collect::<Shape>();
    if n == 1 {
        return e.reshape(x, &shape(1, channels));
    }
    let x = e.reshape(x, &shape(channels, n))?;
    let order: Vec<usize> = [1, 0].into_iter().chain(2..2 + extents.len()).collect();
    e.permute(x, &order)
}

/// The windows of x as columns (groups, C k, N places).
fn columns(e: &mut dyn Emitter, x: ValueId, g: &Geometry) -> R {
    let x = padded(e, x, &g.padding, 0.0)?;
    let x = channels_first(e, x, g, &g.field)?;
    let x = if g.kernel() == 1 {
        every(e, x, &g.windows.stride, &g.output)?
    } else {
        let windows = e.one(g.windows.unfold(), &[x])?;
        e.permute(windows, &g.kernel_first())?
    };
    let places: usize = g.output.iter().product();
    e.reshape(x, &Shape::new(&[g.groups, g.from * g.kernel(), g.samples() * places]))
}

/// Entries of the last axes a stride apart, `count` of them.
fn every(e: &mut dyn Emitter, x: ValueId, stride: &[usize], count: &[usize]) -> R {
    if stride.iter().all(|&s| s == 1) {
        return Ok(x);
    }
    let shape = e.shape(x);
    let lead = shape.rank() - stride.len();
    let (mut stop, mut step) = (shape.dims().to_vec(), vec![1; shape.rank()]);
    for (i, (&s, &n)) in stride.iter().zip(count).enumerate() {
        stop[lead + i] = (n - 1) * s + 1;
        step[lead + i] = s;
    }
    e.one(make::slice(&vec![0; shape.rank()], &stop, &step), &[x])
}

/// x times the kernel, added up where the windows overlap, and cut.
fn spread(e: &mut dyn Emitter, x: ValueId, w: ValueId, g: &Geometry) -> R {
    let (n, kernel) = (g.samples(), g.kernel());
    let places: usize = g.input.iter().product();
    let x = channels_first(e, x, g, &g.input)?;
    let x = e.reshape(x, &Shape::new(&[g.groups, g.from, n * places]))?;
    let w = e.reshape(w, &Shape::new(&[g.groups, g.from, g.to * kernel]))?;
    let w = e.transpose_last(w)?;
    let columns = e.matmul(w, x)?;
    let channels = g.groups * g.to;
    let shape = [channels].iter().chain(&g.windows.size).chain([&n]).chain(&g.input).copied().collect();
    let columns = e.reshape(columns, &shape)?;
    // (C, k.., N, s..) as (N, C, s.., k..)
    let axes = g.input.len();
    let order: Vec<usize> =
        [1 + axes, 0].into_iter().chain(2 + axes..2 + 2 * axes).chain(1..1 + axes).collect();
    let windows = e.permute(columns, &order)?;
    let mut y = e.one(g.windows.fold(&g.field), &[windows])?;
    let cut = |i: usize| (g.padding[i], g.padding[i] + g.output[i]);
    if (0..axes).any(|i| cut(i).1 > g.field[i]) {
        let none = vec![0; 2 + axes];
        let more = (0..axes).map(|i| cut(i).1.saturating_sub(g.field[i]));
        let more: Vec<usize> = [0, 0].into_iter().chain(more).collect();
        y = e.one(make::pad(&none, &more, &none, 0.0), &[y])?;
    }
    let shape = e.shape(y);
    let (mut start, mut stop) = (vec![0; 2 + axes], shape.dims().to_vec());
    for i in 0..axes {
        (start[2 + i], stop[2 + i]) = cut(i);
    }
    if stop != shape.dims() || start.iter().any(|&s| s > 0) {
        y = e.one(make::slice(&start, &stop, &vec![1; 2 + axes]), &[y])?;
    }
    e.reshape(y, &g.result())
}

fn biased(e: &mut dyn Emitter, y: ValueId, b: Option<ValueId>, g: &Geometry) -> R {
    let Some(b) = b else { return Ok(y) };
    let ones = std::iter::repeat_n(1, g.output.len());
    let b = e.reshape(b, &[g.groups * g.to].into_iter().chain(ones).collect())?;
    e.add(y, b)
}

pub static ROWS: &[&Row] = &[&CONV, &CONV_TRANSPOSE];
