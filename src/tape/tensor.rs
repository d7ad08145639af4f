//! Tensors of the tape.

use crate::graph::{DType, Shape, ValueType};
use crate::ops::{Elements, Literal};
use crate::tape::buf::{Buf, Element};
use crate::tape::scalar::{Native, Numbers, Refusal, Scalar};
use std::borrow::Cow;

/// Elements of one type, row-major.
#[derive(Clone, Debug)]
pub enum Data<N: Numbers> {
    /// Stands for f64.
    F64(Buf<N::F64>),
    /// Stands for f32.
    F32(Buf<N::F32>),
    /// Indices.
    I64(Buf<i64>),
    /// Masks.
    Bool(Buf<bool>),
}

/// A tensor of one arithmetic: a shape and as many elements.
#[derive(Clone, Debug)]
pub struct Tensor<N: Numbers = Native> {
    pub(super) ty: ValueType,
    pub(super) data: Data<N>,
}

/// The same expression for each element type: `each!(data, v => expression in v)`.
macro_rules! each {
    ($data:expr, $v:ident => $body:expr) => {
        match $data {
            Data::F64($v) => Data::F64($body),
            Data::F32($v) => Data::F32($body),
            Data::I64($v) => Data::I64($body),
            Data::Bool($v) => Data::Bool($body),
        }
    };
}
pub(super) use each;

impl<N: Numbers> Data<N> {
    fn dtype(&self) -> DType {
        match self {
            Data::F64(_) => DType::F64,
            Data::F32(_) => DType::F32,
            Data::I64(_) => DType::I64,
            Data::Bool(_) => DType::Bool,
        }
    }

    fn len(&self) -> usize {
        match self {
            Data::F64(v) => v.len(),
            Data::F32(v) => v.len(),
            Data::I64(v) => v.len(),
            Data::Bool(v) => v.len(),
        }
    }
}

impl<N: Numbers> Tensor<N> {
    /// A tensor from its elements; `None` unless there are as many as the shape has.
    pub fn new(shape: impl Into<Shape>, data: Data<N>) -> Option<Tensor<N>> {
        let ty = ValueType::new(data.dtype(), shape);
        (ty.shape.checked_numel() == Some(data.len())).then_some(Tensor { ty, data })
    }

    /// Elements that fit the type by construction.
    pub(super) fn made(ty: ValueType, data: Data<N>) -> Tensor<N> {
        debug_assert!(ty.numel() == data.len() && ty.dtype == data.dtype(), "tensor {ty} of {}", data.len());
        Tensor { ty, data }
    }

    /// The type.
    pub fn ty(&self) -> &ValueType {
        &self.ty
    }

    /// The elements.
    pub fn data(&self) -> &Data<N> {
        &self.data
    }

    /// Refuses numbers that are too large to go on with.
    pub(super) fn check(&self) -> Result<(), Refusal> {
        match &self.data {
            Data::F64(v) => v.iter().try_for_each(Scalar::check),
            Data::F32(v) => v.iter().try_for_each(Scalar::check),
            Data::I64(_) | Data::Bool(_) => Ok(()),
        }
    }

    /// A tensor of one number.
    pub fn filled(ty: ValueType, value: f64) -> Result<Tensor<N>, Refusal> {
        let n = ty.numel();
        let data = match ty.dtype {
            DType::F64 => Data::F64(Buf::filled(N::F64::from_f64(value)?, n)),
            DType::F32 => Data::F32(Buf::filled(N::F32::from_f64(value)?, n)),
            DType::I64 => Data::I64(Buf::filled(value as i64, n)),
            DType::Bool => Data::Bool(Buf::filled(value != 0.0, n)),
        };
        Ok(Tensor { ty, data })
    }

    /// A constant of the graph.
    pub fn from_literal(literal: &Literal) -> Result<Tensor<N>, Refusal> {
        let ty = literal.ty().clone();
        let n = ty.numel();
        fn spread<T: Clone, U: Element>(
            v: &[T],
            n: usize,
            f: impl Fn(&T) -> Result<U, Refusal>,
        ) -> Result<Buf<U>, Refusal> {
            match v {
                [x] => Ok(Buf::filled(f(x)?, n)),
                _ => v.iter().map(f).collect(),
            }
        }
        let data = match literal.elements() {
            Elements::F64(v) => Data::F64(spread(v, n, |&x| N::F64::from_f64(x))?),
            Elements::F32(v) => Data::F32(spread(v, n, |&x| N::F32::from_f64(f64::from(x)))?),
            Elements::I64(v) => Data::I64(spread(v, n, |&x| Ok(x))?),
            Elements::Bool(v) => Data::Bool(spread(v, n, |&x| Ok(x))?),
        };
        Ok(Tensor { ty, data })
    }

    /// The part of this type at a place along the first axis.
    pub(super) fn part(&self, ty: ValueType, place: usize) -> Tensor<N> {
        let n = ty.numel();
        let of = place * n..(place + 1) * n;
        Tensor::made(ty, each!(&self.data, v => v[of].iter().cloned().collect()))
    }

    /// Writes such a part.
    pub(super) fn put(&mut self, place: usize, part: &Tensor<N>) {
        let n = part.ty.numel();
        let of = place * n..(place + 1) * n;
        match (&mut self.data, &part.data) {
            (Data::F64(to), Data::F64(from)) => to[of].clone_from_slice(from),
            (Data::F32(to), Data::F32(from)) => to[of].clone_from_slice(from),
            (Data::I64(to), Data::I64(from)) => to[of].clone_from_slice(from),
            (Data::Bool(to), Data::Bool(from)) => to[of].clone_from_slice(from),
            _ => debug_assert!(false, "a part of another element type"),
        }
    }

    /// Every float as an f64, for reports; indices and masks as numbers.
    pub fn to_f64(&self) -> Vec<f64> {
        match &self.data {
            Data::F64(v) => v.iter().map(Scalar::to_f64).collect(),
            Data::F32(v) => v.iter().map(Scalar::to_f64).collect(),
            Data::I64(v) => v.iter().map(|&x| x as f64).collect(),
            Data::Bool(v) => v.iter().map(|&x| f64::from(u8::from(x))).collect(),
        }
    }
}

impl<N: Numbers> Tensor<N> {
    /// The elements as f64 numbers of this arithmetic, if they are.
    pub fn as_f64(&self) -> Option<&[N::F64]> {
        match &self.data {
            Data::F64(v) => Some(v),
            _ => None,
        }
    }

    /// The elements as f32 numbers of this arithmetic, if they are.
    pub fn as_f32(&self) -> Option<&[N::F32]> {
        match &self.data {
            Data::F32(v) => Some(v),
            _ => None,
        }
    }
}

macro_rules! native_from {
    ($($name:ident $t:ty => $variant:ident),*) => {
        impl Tensor<Native> {
            $(
                #[doc = concat!("A tensor of ", stringify!($t), "; `None` unless the elements fill the shape.")]
                pub fn $name(shape: impl Into<Shape>, elements: &[$t]) -> Option<Tensor<Native>> {
                    Tensor::new(shape, Data::$variant(elements.to_vec().into()))
                }
            )*
        }
    };
}
native_from!(f64 f64 => F64, f32 f32 => F32, i64 i64 => I64, bool bool => Bool);

/// A value as the evaluator holds it: one number without its own allocation.
#[derive(Clone, Debug)]
pub(super) enum Slot<N: Numbers> {
    /// A scalar that stands for f64.
    F64(N::F64),
    /// A scalar that stands for f32.
    F32(N::F32),
    /// Anything else, and how many values have it as their gradient.
    Tensor(Box<Tensor<N>>, u32),
}

impl<N: Numbers> From<Tensor<N>> for Slot<N> {
    fn from(mut tensor: Tensor<N>) -> Slot<N> {
        if tensor.ty.shape.is_scalar() {
            let one = match &mut tensor.data {
                Data::F64(v) => v.pop().map(Slot::F64),
                Data::F32(v) => v.pop().map(Slot::F32),
                _ => None,
            };
            if let Some(one) = one {
                return one;
            }
        }
        Slot::Tensor(Box::new(tensor), 0)
    }
}

impl<N: Numbers> Slot<N> {
    /// The value as a tensor; a scalar is copied into one.
    pub(super) fn tensor(&self) -> Cow<'_, Tensor<N>> {
        match self {
            Slot::F64(x) => {
                Cow::Owned(Tensor::made(ValueType::new(DType::F64, ()), Data::F64(Buf::filled(x.clone(), 1))))
            }
            Slot::F32(x) => {
                Cow::Owned(Tensor::made(ValueType::new(DType::F32, ()), Data::F32(Buf::filled(x.clone(), 1))))
            }
            Slot::Tensor(t, _) => Cow::Borrowed(t),
        }
    }
}
