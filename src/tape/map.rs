//! Scalar functions applied to tensors, operands broadcast.

use crate::graph::{DType, ValueType};
use crate::ops::MapFn;
use crate::tape::buf::{Buf, Element};
use crate::tape::scalar::{Numbers, Refusal, Scalar, holds};
use crate::tape::strided::Broadcast;
use crate::tape::tensor::{Data, Tensor};

fn binary<S: Scalar>(f: MapFn, a: &[S], b: &[S], shape: &Broadcast) -> Result<Buf<S>, Refusal> {
    match shape.pairs(a, b) {
        Some(pairs) => S::binary_slice(f, pairs),
        None => shape.zip(a, b, |a, b| S::binary(f, a, b)),
    }
}

fn compare<S: Scalar>(f: MapFn, a: &[S], b: &[S], shape: &Broadcast) -> Result<Buf<bool>, Refusal> {
    shape.zip(a, b, |a, b| Ok(holds(f, S::compare(a, b))))
}

fn logical(f: MapFn, a: bool, b: bool) -> Result<bool, Refusal> {
    Ok(match f {
        MapFn::And => a & b,
        MapFn::Or => a | b,
        MapFn::Xor => a ^ b,
        _ => return Err("is not a logical function"),
    })
}

fn select<T: Element>(c: &[bool], a: &[T], b: &[T], shapes: [&Broadcast; 2]) -> Result<Buf<T>, Refusal> {
    // Two broadcasts: the branches with each other, then with the condition.
    let pairs: Buf<(T, T)> = shapes[0].zip(a, b, |a, b| Ok((a.clone(), b.clone())))?;
    shapes[1].zip(c, &pairs, |&c, (a, b)| Ok(if c { a.clone() } else { b.clone() }))
}

fn fma<S: Scalar>(a: &[S], b: &[S], c: &[S], shapes: [&Broadcast; 2]) -> Result<Buf<S>, Refusal> {
    let pairs: Buf<(S, S)> = shapes[0].zip(a, b, |a, b| Ok((a.clone(), b.clone())))?;
    shapes[1].zip(&pairs, c, |(a, b), c| Ok(S::fma(a, b, c)))
}

/// Applies a scalar function element by element; `out` is the inferred type.
pub fn map<N: Numbers>(f: MapFn, operands: &[&Tensor<N>], out: &ValueType) -> Result<Tensor<N>, Refusal> {
    const MIXED: Refusal = "operands of different element types";
    let data = match operands {
        [x] => match (&x.data, f) {
            (Data::F64(x), _) => Data::F64(Scalar::unary_slice(f, x)?),
            (Data::F32(x), _) => Data::F32(Scalar::unary_slice(f, x)?),
            (Data::Bool(x), MapFn::Not) => Data::Bool(x.iter().map(|b| !b).collect()),
            _ => return Err(MIXED),
        },
        [a, b] => {
            let shape = Broadcast::new(&out.shape, &a.ty.shape, &b.ty.shape);
            match (&a.data, &b.data) {
                (Data::F64(a), Data::F64(b)) if out.dtype == DType::Bool => {
                    Data::Bool(compare(f, a, b, &shape)?)
                }
                (Data::F32(a), Data::F32(b)) if out.dtype == DType::Bool => {
                    Data::Bool(compare(f, a, b, &shape)?)
                }
                (Data::I64(a), Data::I64(b)) => {
                    Data::Bool(shape.zip(a, b, |a, b| Ok(holds(f, Some(a.cmp(b)))))?)
                }
                (Data::Bool(a), Data::Bool(b)) => Data::Bool(shape.zip(a, b, |&a, &b| logical(f, a, b))?),
                (Data::F64(a), Data::F64(b)) => Data::F64(binary(f, a, b, &shape)?),
                (Data::F32(a), Data::F32(b)) => Data::F32(binary(f, a, b, &shape)?),
                _ => return Err(MIXED),
            }
        }
        [a, b, c] if f == MapFn::Fma => {
            let joined = Broadcast::joined(&a.ty.shape, &b.ty.shape);
            let inner = Broadcast::new(&joined, &a.ty.shape, &b.ty.shape);
            let shapes = [&inner, &Broadcast::new(&out.shape, &joined, &c.ty.shape)];
            match (&a.data, &b.data, &c.data) {
                (Data::F64(a), Data::F64(b), Data::F64(c)) => Data::F64(fma(a, b, c, shapes)?),
                (Data::F32(a), Data::F32(b), Data::F32(c)) => Data::F32(fma(a, b, c, shapes)?),
                _ => return Err(MIXED),
            }
        }
        [c, a, b] => {
            let Data::Bool(mask) = &c.data else { return Err(MIXED) };
            let joined = Broadcast::joined(&a.ty.shape, &b.ty.shape);
            let inner = Broadcast::new(&joined, &a.ty.shape, &b.ty.shape);
            let shapes = [&inner, &Broadcast::new(&out.shape, &c.ty.shape, &joined)];
            match (&a.data, &b.data) {
                (Data::F64(a), Data::F64(b)) => Data::F64(select(mask, a, b, shapes)?),
                (Data::F32(a), Data::F32(b)) => Data::F32(select(mask, a, b, shapes)?),
                (Data::I64(a), Data::I64(b)) => Data::I64(select(mask, a, b, shapes)?),
                _ => return Err(MIXED),
            }
        }
        _ => return Err("takes one to three operands"),
    };
    Ok(Tensor::made(out.clone(), data))
}
