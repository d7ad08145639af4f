//! Primitives that move, reduce and contract, evaluated naively: this is what
//! compiled code is compared with, so it is written to be believed by reading.

use crate::graph::{DType, Shape, ValueType};
use crate::ops::{Op, Prim, Reduction};
use crate::tape::buf::Buf;
use crate::tape::scalar::{Numbers, Refusal, Scalar};
use crate::tape::strided::{pick, row_major, stretch, walk};
use crate::tape::tensor::{Data, Tensor, each};
use cotangent_runtime::random;
use smallvec::SmallVec;

/// Moves elements: broadcast, permute, slice, flip, unfold, reshape.
pub fn movement<N: Numbers>(prim: Prim, op: &Op, x: &Tensor<N>, out: &ValueType) -> Tensor<N> {
    if prim == Prim::Reshape {
        return Tensor::made(out.clone(), x.data.clone());
    }
    let from = &x.ty.shape;
    let own = row_major(from);
    let mut start = 0;
    let strides = match prim {
        Prim::Broadcast => stretch(&out.shape, from),
        Prim::Permute => op.attrs.sizes(0).iter().map(|&p| own[p]).collect(),
        Prim::Slice => {
            let (first, step) = (op.attrs.sizes(0), op.attrs.sizes(2));
            start = (0..own.len()).map(|a| first[a] as isize * own[a]).sum();
            (0..own.len()).map(|a| own[a] * step[a] as isize).collect()
        }
        Prim::Unfold => windows(&own, &op.attrs.sizes(1), &op.attrs.sizes(2)),
        _ => {
            let axes = op.attrs.sizes(0);
            let flipped = |a: usize| axes.contains(&a);
            start =
                (0..own.len()).filter(|&a| flipped(a)).map(|a| own[a] * (from.dims()[a] as isize - 1)).sum();
            (0..own.len()).map(|a| if flipped(a) { -own[a] } else { own[a] }).collect()
        }
    };
    Tensor::made(out.clone(), each!(&x.data, v => pick(v, out.shape.dims(), &strides, start)))
}

/// Strides that walk `(.., o.., k..)` over an array of strides `own`: the last axes at
/// `o * stride + k * dilation`.
fn windows(own: &[isize], stride: &[usize], dilation: &[usize]) -> SmallVec<[isize; 4]> {
    let (lead, moved) = own.split_at(own.len() - stride.len());
    let scaled = |by: &[usize]| moved.iter().zip(by).map(|(&s, &k)| s * k as isize).collect::<Vec<_>>();
    [lead, &scaled(stride), &scaled(dilation)].concat().into()
}

/// Windows `(.., o.., k..)` added where they overlap, k ascending from +0.
pub fn fold<N: Numbers>(op: &Op, x: &Tensor<N>, out: &ValueType) -> Result<Tensor<N>, Refusal> {
    fn add<S: Scalar>(x: &[S], to: &mut [S], dims: [&[usize]; 2], from: [&[isize]; 2], at: [&[isize]; 2]) {
        let mut starts = Vec::new();
        walk(dims[1], from[1], 0, |start| starts.push(start as isize));
        let mut ends = Vec::new();
        walk(dims[1], at[1], 0, |end| ends.push(end as isize));
        for (start, end) in starts.into_iter().zip(ends) {
            let mut places = Vec::new();
            walk(dims[0], at[0], end, |place| places.push(place));
            let mut places = places.into_iter();
            walk(dims[0], from[0], start, |v| {
                if let Some(place) = places.next() {
                    to[place] = S::add(&to[place], &x[v]);
                }
            });
        }
    }
    let mut sum = Tensor::filled(out.clone(), 0.0)?;
    if x.ty.numel() == 0 {
        return Ok(sum);
    }
    let (stride, dilation) = (op.attrs.sizes(1), op.attrs.sizes(2));
    let at = windows(&row_major(&out.shape), &stride, &dilation);
    let own = row_major(&x.ty.shape);
    let cut = out.shape.rank();
    let (dims, from, at) = (x.ty.shape.dims().split_at(cut), own.split_at(cut), at.split_at(cut));
    let (dims, from, at) = ([dims.0, dims.1], [from.0, from.1], [at.0, at.1]);
    match (&x.data, &mut sum.data) {
        (Data::F64(a), Data::F64(b)) => add(a, b, dims, from, at),
        (Data::F32(a), Data::F32(b)) => add(a, b, dims, from, at),
        _ => return Err("adds floats only"),
    }
    Ok(sum)
}

/// Padding before, after and between elements.
pub fn pad<N: Numbers>(op: &Op, x: &Tensor<N>, out: &ValueType) -> Result<Tensor<N>, Refusal> {
    let mut padded = Tensor::filled(out.clone(), op.attrs.float(3))?;
    let (lo, inner) = (op.attrs.sizes(0), op.attrs.sizes(2));
    let own = row_major(&out.shape);
    let start = (0..own.len()).map(|a| lo[a] as isize * own[a]).sum();
    let strides: SmallVec<[isize; 4]> = (0..own.len()).map(|a| own[a] * (inner[a] as isize + 1)).collect();
    fn place<T: Clone>(src: &[T], dst: &mut [T], dims: &[usize], strides: &[isize], start: isize) {
        let mut from = src.iter();
        walk(dims, strides, start, |at| {
            if let Some(v) = from.next() {
                dst[at] = v.clone();
            }
        });
    }
    let dims = x.ty.shape.dims();
    match (&x.data, &mut padded.data) {
        (Data::F64(a), Data::F64(b)) => place(a, b, dims, &strides, start),
        (Data::F32(a), Data::F32(b)) => place(a, b, dims, &strides, start),
        (Data::I64(a), Data::I64(b)) => place(a, b, dims, &strides, start),
        _ => return Err("pads numbers only"),
    }
    Ok(padded)
}

/// Random bits of a key: seed and counter.
pub fn random_bits<N: Numbers>(key: &Tensor<N>, out: &ValueType) -> Result<Tensor<N>, Refusal> {
    match &key.data {
        Data::I64(key) if key.len() == 2 => {
            let key = random::key(key[0] as u64, key[1] as u64);
            let bits = (0..out.numel() as u64).map(|i| i64::from(random::bits(key, i))).collect();
            Ok(Tensor::made(out.clone(), Data::I64(bits)))
        }
        _ => Err("takes a seed and a counter"),
    }
}

/// Tensors joined along an axis.
pub fn concat<N: Numbers>(op: &Op, parts: &[&Tensor<N>], out: &ValueType) -> Result<Tensor<N>, Refusal> {
    // The extents beside an empty one may be vast.
    if out.numel() == 0 {
        return Tensor::filled(out.clone(), 0.0);
    }
    let axis = op.attrs.int(0) as usize;
    let outer: usize = out.shape.dims()[..axis].iter().product();
    macro_rules! join {
        ($variant:ident) => {{
            let mut joined = Buf::with_capacity(out.numel());
            for o in 0..outer {
                for part in parts {
                    let Data::$variant(v) = &part.data else { return Err("joins one element type") };
                    let run: usize = part.ty.shape.dims()[axis..].iter().product();
                    joined.extend(v[o * run..(o + 1) * run].iter().cloned());
                }
            }
            Data::$variant(joined)
        }};
    }
    let data = match out.dtype {
        DType::F64 => join!(F64),
        DType::F32 => join!(F32),
        DType::I64 => join!(I64),
        DType::Bool => join!(Bool),
    };
    Ok(Tensor::made(out.clone(), data))
}

/// Lanes joined by a halving tree; absent ones are skipped.
fn join_lanes<S: Scalar>(mut lanes: SmallVec<[S; 32]>, full: usize, join: impl Fn(&S, &S) -> S) -> S {
    let mut width = full / 2;
    while width > 0 {
        for i in 0..width {
            if i + width < lanes.len() {
                lanes[i] = join(&lanes[i], &lanes[i + width]);
            }
        }
        lanes.truncate(lanes.len().min(width));
        width /= 2;
    }
    lanes.into_iter().next().unwrap_or_else(S::zero)
}

/// The reduced elements of one result, row-major, by their offsets.
enum Reduced {
    /// That many neighbours.
    Run(usize),
    Offsets(Vec<usize>),
}

/// The reduced elements of one result, and the walk over the results.
struct Split {
    reduced: Reduced,
    kept_dims: SmallVec<[usize; 4]>,
    kept_strides: SmallVec<[isize; 4]>,
}

fn split(shape: &Shape, axes: &[usize]) -> Split {
    let own = row_major(shape);
    let (mut dims, mut strides) = (SmallVec::<[usize; 4]>::new(), SmallVec::<[isize; 4]>::new());
    let mut kept = (SmallVec::new(), SmallVec::new());
    for a in 0..shape.rank() {
        if axes.contains(&a) {
            dims.push(shape.dims()[a]);
            strides.push(own[a]);
        } else {
            kept.0.push(shape.dims()[a]);
            kept.1.push(own[a]);
        }
    }
    let n: usize = dims.iter().product();
    let mut inner = n;
    let neighbours = dims.iter().zip(&strides).all(|(&dim, &stride)| {
        inner /= dim.max(1);
        dim == 1 || stride == inner as isize
    });
    let reduced = match neighbours {
        true => Reduced::Run(n),
        false => {
            let mut offsets = Vec::with_capacity(n);
            walk(&dims, &strides, 0, |at| offsets.push(at));
            Reduced::Offsets(offsets)
        }
    };
    Split { reduced, kept_dims: kept.0, kept_strides: kept.1 }
}

/// Sum or maximum over axes, in the lane order of contract C1.
pub fn reduce<N: Numbers>(
    kind: Reduction,
    op: &Op,
    x: &Tensor<N>,
    out: &ValueType,
) -> Result<Tensor<N>, Refusal> {
    fn over<S: Scalar>(kind: Reduction, x: &[S], split: &Split, full: usize) -> Buf<S> {
        match kind {
            Reduction::Max => lanes(x, split, full, S::max),
            _ => lanes(x, split, full, S::add),
        }
    }
    fn lanes<S: Scalar>(x: &[S], split: &Split, full: usize, join: impl Fn(&S, &S) -> S) -> Buf<S> {
        let mut out = Buf::with_capacity(split.kept_dims.iter().product());
        walk(&split.kept_dims, &split.kept_strides, 0, |base| {
            let mut lanes: SmallVec<[S; 32]> = SmallVec::new();
            match &split.reduced {
                &Reduced::Run(n) => {
                    let mut chunks = x[base..base + n].chunks(full);
                    lanes.extend(chunks.next().unwrap_or_default().iter().cloned());
                    for chunk in chunks {
                        lanes.iter_mut().zip(chunk).for_each(|(acc, v)| *acc = join(acc, v));
                    }
                }
                Reduced::Offsets(offsets) => {
                    for chunk in offsets.chunks(full) {
                        for (lane, &offset) in chunk.iter().enumerate() {
                            let v = &x[base + offset];
                            match lanes.get_mut(lane) {
                                Some(acc) => *acc = join(acc, v),
                                None => lanes.push(v.clone()),
                            }
                        }
                    }
                }
            }
            out.push(join_lanes(lanes, full, &join));
        });
        out
    }
    // The extents beside an empty one may be vast.
    if out.numel() == 0 {
        return Tensor::filled(out.clone(), 0.0);
    }
    let split = split(&x.ty.shape, &op.attrs.sizes(0));
    let lanes = x.ty.dtype.lanes();
    let data = match &x.data {
        Data::F64(v) => Data::F64(over(kind, v, &split, lanes)),
        Data::F32(v) => Data::F32(over(kind, v, &split, lanes)),
        _ => return Err("reduces floats only"),
    };
    Ok(Tensor::made(out.clone(), data))
}

/// A dot per row of `a` with the vector `b`: products fma'd into their lanes.
pub fn dot<N: Numbers>(a: &Tensor<N>, b: &Tensor<N>, out: &ValueType) -> Result<Tensor<N>, Refusal> {
    fn rows<S: Scalar>(a: &[S], b: &[S], full: usize, rows: usize) -> Buf<S> {
        let k = b.len();
        (0..rows)
            .map(|row| {
                let mut lanes: SmallVec<[S; 32]> = SmallVec::new();
                let a = &a[row * k..(row + 1) * k];
                for (a, b) in a.chunks(full).zip(b.chunks(full)) {
                    for (lane, (a, b)) in a.iter().zip(b).enumerate() {
                        match lanes.get_mut(lane) {
                            Some(acc) => *acc = S::fma(a, b, acc),
                            None => lanes.push(S::mul(a, b)),
                        }
                    }
                }
                join_lanes(lanes, full, S::add)
            })
            .collect()
    }
    let (n, lanes) = (out.numel(), a.ty.dtype.lanes());
    let data = match (&a.data, &b.data) {
        (Data::F64(a), Data::F64(b)) => Data::F64(rows(a, b, lanes, n)),
        (Data::F32(a), Data::F32(b)) => Data::F32(rows(a, b, lanes, n)),
        _ => return Err("multiplies floats of one type"),
    };
    Ok(Tensor::made(out.clone(), data))
}

/// Matrix product: one fma chain per element, k ascending from +0.
pub fn matmul<N: Numbers>(a: &Tensor<N>, b: &Tensor<N>, out: &ValueType) -> Result<Tensor<N>, Refusal> {
    let dims = out.shape.dims();
    let lead = Shape::new(&dims[..dims.len() - 2]);
    let (m, n) = (dims[dims.len() - 2], dims[dims.len() - 1]);
    let k = a.ty.shape.dims()[a.ty.shape.rank() - 1];
    let offsets = |t: &Tensor<N>, per: usize| {
        let own = Shape::new(&t.ty.shape.dims()[..t.ty.shape.rank() - 2]);
        let strides = stretch(&lead, &own);
        let mut v = Vec::new();
        // Batches of empty matrices may be vast.
        if out.numel() > 0 {
            walk(lead.dims(), &strides, 0, |at| v.push(at * per));
        }
        v
    };
    let (ao, bo) = (offsets(a, m * k), offsets(b, k * n));
    fn product<S: Scalar>(a: &[S], b: &[S], at: [(&[usize], usize); 2], [m, n, k]: [usize; 3]) -> Buf<S> {
        let mut out = Buf::with_capacity(at[0].0.len() * m * n);
        for (&ao, &bo) in at[0].0.iter().zip(at[1].0) {
            for i in 0..m {
                for j in 0..n {
                    out.push(
                        (0..k).fold(S::zero(), |acc, p| S::fma(&a[ao + i * k + p], &b[bo + p * n + j], &acc)),
                    );
                }
            }
        }
        out
    }
    let at = [(ao.as_slice(), m * k), (bo.as_slice(), k * n)];
    let data = match (&a.data, &b.data) {
        (Data::F64(a), Data::F64(b)) => Data::F64(product(a, b, at, [m, n, k])),
        (Data::F32(a), Data::F32(b)) => Data::F32(product(a, b, at, [m, n, k])),
        _ => return Err("multiplies floats of one type"),
    };
    Ok(Tensor::made(out.clone(), data))
}

/// Element type changed.
pub fn cast<N: Numbers>(x: &Tensor<N>, out: &ValueType) -> Result<Tensor<N>, Refusal> {
    fn to_int<S: Scalar>(v: &S) -> i64 {
        v.to_f64() as i64
    }
    fn to_bool<S: Scalar>(v: &S) -> bool {
        S::compare(v, &S::zero()) != Some(std::cmp::Ordering::Equal)
    }
    let data = match (&x.data, out.dtype) {
        (Data::F64(v), DType::F32) => Data::F32(v.iter().map(N::narrow).collect()),
        (Data::F32(v), DType::F64) => Data::F64(v.iter().map(N::widen).collect()),
        (Data::F64(v), DType::I64) => Data::I64(v.iter().map(to_int).collect()),
        (Data::F32(v), DType::I64) => Data::I64(v.iter().map(to_int).collect()),
        (Data::F64(v), DType::Bool) => Data::Bool(v.iter().map(to_bool).collect()),
        (Data::F32(v), DType::Bool) => Data::Bool(v.iter().map(to_bool).collect()),
        (Data::I64(v), DType::F64) => Data::F64(v.iter().map(|&i| N::F64::from_i64(i)).collect()),
        (Data::I64(v), DType::F32) => Data::F32(v.iter().map(|&i| N::F32::from_i64(i)).collect()),
        (Data::I64(v), DType::Bool) => Data::Bool(v.iter().map(|&i| i != 0).collect()),
        (Data::Bool(v), DType::F64) => Data::F64(v.iter().map(|&b| N::F64::from_i64(b.into())).collect()),
        (Data::Bool(v), DType::F32) => Data::F32(v.iter().map(|&b| N::F32::from_i64(b.into())).collect()),
        (Data::Bool(v), DType::I64) => Data::I64(v.iter().map(|&b| b.into()).collect()),
        (same, _) => same.clone(),
    };
    Ok(Tensor::made(out.clone(), data))
}
