//! Callbacks of custom ops, called on tensors.

use crate::graph::ValueType;
use crate::ops::{Arg, ArgMut, CustomOp, OpError};
use crate::tape::buf::{Buf, Element};
use crate::tape::scalar::Numbers;
use crate::tape::tensor::{Data, Tensor};
use std::any::Any;

/// The elements, if they are the machine's own numbers.
fn native<T: Element, U: Element>(elements: &Buf<T>) -> Option<&Buf<U>> {
    (elements as &dyn Any).downcast_ref()
}

fn native_mut<T: Element, U: Element>(elements: &mut Buf<T>) -> Option<&mut Buf<U>> {
    (elements as &mut dyn Any).downcast_mut()
}

/// The results of a callback.
pub fn call<N: Numbers>(
    op: &CustomOp,
    operands: &[&Tensor<N>],
    types: &[ValueType],
) -> Result<Vec<Tensor<N>>, OpError> {
    let refused = |why: &str| OpError::Refused { op: op.name(), why: why.into() };
    let foreign = || refused("a callback takes the machine's own numbers only");
    let mut results = types
        .iter()
        .map(|ty| Tensor::<N>::filled(ty.clone(), 0.0).map_err(refused))
        .collect::<Result<Vec<_>, _>>()?;
    let inputs = operands.iter().map(|tensor| {
        Some(match &tensor.data {
            Data::F64(v) => Arg::F64(native(v)?),
            Data::F32(v) => Arg::F32(native(v)?),
            Data::I64(v) => Arg::I64(v),
            Data::Bool(v) => Arg::Bool(v),
        })
    });
    let inputs: Vec<Arg<'_>> = inputs.collect::<Option<_>>().ok_or_else(foreign)?;
    let outputs = results.iter_mut().map(|tensor| {
        Some(match &mut tensor.data {
            Data::F64(v) => ArgMut::F64(native_mut(v)?),
            Data::F32(v) => ArgMut::F32(native_mut(v)?),
            Data::I64(v) => ArgMut::I64(v),
            Data::Bool(v) => ArgMut::Bool(v),
        })
    });
    let mut outputs: Vec<ArgMut<'_>> = outputs.collect::<Option<_>>().ok_or_else(foreign)?;
    let done = op.call(&inputs, &mut outputs);
    drop(outputs);
    match done {
        Ok(()) => Ok(results),
        Err(why) => Err(OpError::Callback { op: op.name(), role: op.role(), why }),
    }
}
