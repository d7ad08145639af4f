//! Functions of whole arrays: the definitions of `runtime/`, over any arithmetic.

use crate::graph::{DType, ValueType};
use crate::ops::{MapFn, Op, array_dims};
use crate::tape::buf::{Buf, Element};
use crate::tape::scalar::{Numbers, Refusal, Scalar};
use crate::tape::tensor::{Data, Tensor};
use cotangent_runtime::array::{Arithmetic, ArrayFn};
use cotangent_runtime::scan;
use std::cmp::Ordering;
use std::marker::PhantomData;

/// The arithmetic of the tape's numbers.
struct Over<S>(PhantomData<S>);

impl<S: Scalar> Arithmetic for Over<S> {
    type Number = S;

    fn zero() -> S {
        S::zero()
    }

    fn one() -> S {
        S::from_i64(1)
    }

    fn add(a: &S, b: &S) -> S {
        S::add(a, b)
    }

    fn mul(a: &S, b: &S) -> S {
        S::mul(a, b)
    }

    fn fma(a: &S, b: &S, c: &S) -> S {
        S::fma(a, b, c)
    }

    fn neg(a: &S) -> S {
        // Unlike negation never refused, and the same.
        S::mul(&S::from_i64(-1), a)
    }

    fn div(a: &S, b: &S) -> Result<S, Refusal> {
        S::binary(MapFn::Div, a, b)
    }

    fn sqrt(a: &S) -> Result<S, Refusal> {
        S::unary(MapFn::Sqrt, a)
    }

    fn log(a: &S) -> Result<S, Refusal> {
        S::unary(MapFn::Log, a)
    }

    fn compare(a: &S, b: &S) -> Option<Ordering> {
        S::compare(a, b)
    }
}

/// `n` times the same element, refused where there is no memory for them.
fn room<T: Element>(value: T, n: usize) -> Result<Buf<T>, Refusal> {
    let mut room: Vec<T> = Vec::new();
    room.try_reserve_exact(n).map_err(|_| "has no memory for its scratch")?;
    room.resize(n, value);
    Ok(room.into())
}

/// A function of one or two tensors.
pub fn array<N: Numbers>(
    f: ArrayFn,
    op: &Op,
    operands: &[&Tensor<N>],
    out: &ValueType,
) -> Result<Tensor<N>, Refusal> {
    // The extents beside an empty one may be vast.
    if out.numel() == 0 {
        return Tensor::filled(out.clone(), 0.0);
    }
    let (a, b) = (operands[0], operands.get(1));
    let d = array_dims(f, &op.attrs, &a.ty.shape, b.map(|b| &b.ty.shape));
    let lens = f.lens(&d).ok_or("is too large")?;
    if f == ArrayFn::ArgSort {
        let (mut scratch, mut order) = (room(0, lens.scratch)?, Buf::filled(0, lens.out));
        match &a.data {
            Data::F64(x) => scan::argsort(&d, x, &mut scratch, &mut order, Scalar::compare),
            Data::F32(x) => scan::argsort(&d, x, &mut scratch, &mut order, Scalar::compare),
            Data::I64(x) => scan::argsort(&d, x, &mut scratch, &mut order, PartialOrd::partial_cmp),
            Data::Bool(_) => return Err("sorts numbers only"),
        }
        return Ok(Tensor::made(out.clone(), Data::I64(order)));
    }
    macro_rules! run {
        ($variant:ident, $S:ty) => {{
            let wrong: Refusal = "takes floats of one type";
            let Data::$variant(x) = &a.data else { return Err(wrong) };
            let y: &[$S] = match b.map(|b| &b.data) {
                Some(Data::$variant(y)) => y,
                Some(_) => return Err(wrong),
                None => &[],
            };
            let mut scratch = room(<$S>::zero(), lens.scratch)?;
            let mut result = Buf::filled(<$S>::zero(), lens.out);
            f.run::<Over<$S>>(&d, [x, y], &mut scratch, &mut result)?;
            Data::$variant(result)
        }};
    }
    let data = if out.dtype == DType::F32 { run!(F32, N::F32) } else { run!(F64, N::F64) };
    Ok(Tensor::made(out.clone(), data))
}
