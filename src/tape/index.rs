//! Gathers and scatters. An index out of range is an error that names the
//! lowest position; with `zero` it reads 0 and adds nothing.

use crate::graph::{Shape, ValueType};
use crate::ops::{Op, OpError, Prim, around};
use crate::tape::buf::{Buf, Element};
use crate::tape::scalar::{Numbers, Refusal, Scalar};
use crate::tape::tensor::{Data, Tensor, each};

/// For every element of the indexed side, row-major, the element of the source
/// side, `None` where the index is out of range.
fn sources<N: Numbers>(
    prim: Prim,
    op: &Op,
    source: &Shape,
    index: &Tensor<N>,
) -> Result<Vec<Option<usize>>, OpError> {
    let Data::I64(indices) = &index.data else { return Ok(Vec::new()) };
    let [outer, len, inner] = around(source, op.attrs.int(0) as usize);
    let whole = matches!(prim, Prim::IndexSelect | Prim::IndexAdd);
    let count = if whole { indices.len() } else { index.ty.shape.dims()[op.attrs.int(0) as usize] };
    let mut wrong = None;
    let mut at = Vec::with_capacity(outer * count * inner);
    for o in 0..outer {
        for c in 0..count {
            for i in 0..inner {
                let position = if whole { c } else { (o * count + c) * inner + i };
                let value = indices[position];
                let valid = usize::try_from(value).ok().filter(|&v| v < len);
                if valid.is_none() && wrong.is_none_or(|(p, _)| position < p) {
                    wrong = Some((position, value));
                }
                at.push(valid.map(|v| (o * len + v) * inner + i));
            }
        }
    }
    // An index that selects nothing at all is still out of range.
    if whole && outer * inner == 0 {
        let bad = |&(_, &v): &(usize, &i64)| usize::try_from(v).map_or(true, |v| v >= len);
        wrong = indices.iter().enumerate().find(bad).map(|(p, &v)| (p, v));
    }
    match wrong {
        Some((position, index)) if !op.attrs.flag(1) => {
            Err(OpError::RuntimeIndex { op: op.name(), index, position: position as u64, len: len as u64 })
        }
        _ => Ok(at),
    }
}

/// Elements read at indices.
pub fn read<N: Numbers>(
    prim: Prim,
    op: &Op,
    x: &Tensor<N>,
    index: &Tensor<N>,
    out: &ValueType,
) -> Result<Tensor<N>, OpError> {
    let at = sources(prim, op, &x.ty.shape, index)?;
    let zero: Tensor<N> = Tensor::filled(ValueType::new(x.ty.dtype, [1]), 0.0)
        .map_err(|why| OpError::Refused { op: op.name(), why: why.into() })?;
    fn take<T: Element>(v: &[T], at: &[Option<usize>], zero: &T) -> Buf<T> {
        at.iter().map(|i| i.map_or_else(|| zero.clone(), |i| v[i].clone())).collect()
    }
    let data = match (&x.data, &zero.data) {
        (Data::F64(v), Data::F64(z)) => Data::F64(take(v, &at, &z[0])),
        (Data::F32(v), Data::F32(z)) => Data::F32(take(v, &at, &z[0])),
        (Data::I64(v), Data::I64(z)) => Data::I64(take(v, &at, &z[0])),
        (Data::Bool(v), Data::Bool(z)) => Data::Bool(take(v, &at, &z[0])),
        (same, _) => each!(same, v => v.clone()),
    };
    Ok(Tensor::made(out.clone(), data))
}

/// Elements added at indices, in row-major order of the updates.
pub fn add<N: Numbers>(
    prim: Prim,
    op: &Op,
    base: &Tensor<N>,
    index: &Tensor<N>,
    update: &Tensor<N>,
) -> Result<Tensor<N>, OpError> {
    let at = sources(prim, op, &base.ty.shape, index)?;
    let mut out = base.clone();
    fn put<S: Scalar>(dst: &mut [S], update: &[S], at: &[Option<usize>]) {
        for (v, i) in update.iter().zip(at) {
            if let Some(i) = *i {
                dst[i] = S::add(&dst[i], v);
            }
        }
    }
    match (&mut out.data, &update.data) {
        (Data::F64(d), Data::F64(u)) => put(d, u, &at),
        (Data::F32(d), Data::F32(u)) => put(d, u, &at),
        _ => {
            let why: Refusal = "adds floats of one type";
            return Err(OpError::Refused { op: op.name(), why: why.into() });
        }
    }
    Ok(out)
}
