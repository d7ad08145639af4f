//! From compiled code to callbacks of custom ops, and back without a panic: an
//! error is reported through memory.

use crate::graph::{DType, ValueType};
use crate::ops::{Arg, ArgMut, CustomOp, MAX_ARGUMENTS};
use cotangent_runtime::index::CallStatus;

/// Name of [`run`] in compiled code.
pub const SYMBOL: &str = "ct_callback";

/// How a call went: what the runtime notes, and a failed callback.
#[repr(C)]
#[derive(Debug)]
pub struct Status {
    /// First, so that the runtime finds it where it looks.
    pub call: CallStatus,
    /// The callback that failed, if one did.
    pub failure: Option<Box<Failure>>,
}

impl Status {
    /// Nothing failed.
    pub const OK: Status = Status { call: CallStatus::OK, failure: None };
}

/// A callback that failed.
#[derive(Debug)]
pub struct Failure {
    pub op: CustomOp,
    pub node: u32,
    pub why: String,
}

/// A callback as compiled code names it, by address.
pub struct Callback {
    pub op: CustomOp,
    /// The node to name in an error.
    pub node: u32,
}

/// Calls a callback whose results start as zeros. After a failure of an earlier
/// node, in the order of the graph, the results stay zeros.
///
/// # Safety
/// `callback` lives; `inputs` and `outputs` point to as many pointers as its op
/// has operands and results, each valid for the elements of that type and aligned
/// for it, the outputs exclusive; bytes of boolean inputs are 0 or 1; `status`
/// points to a [`Status`].
pub unsafe extern "C" fn run(
    callback: *const Callback,
    inputs: *const *const u8,
    outputs: *const *mut u8,
    status: *mut Status,
) {
    // SAFETY: both live, by contract.
    let (Callback { op, node }, status) = unsafe { (&*callback, &mut *status) };
    let mut given = [const { Arg::F64(&[]) }; MAX_ARGUMENTS];
    let mut taken: [ArgMut<'_>; MAX_ARGUMENTS] = std::array::from_fn(|_| ArgMut::F64(&mut []));
    for (i, (ty, slot)) in op.operands().iter().zip(&mut given).enumerate() {
        // SAFETY: a pointer per operand, valid and aligned for its type.
        *slot = unsafe { arg(ty, *inputs.add(i)) };
    }
    for (i, (ty, slot)) in op.results().iter().zip(&mut taken).enumerate() {
        // SAFETY: a pointer per result, valid, aligned and exclusive.
        *slot = unsafe { arg_mut(ty, *outputs.add(i)) };
    }
    if *node >= status.call.node {
        return;
    }
    if let Err(why) = op.call(&given[..op.operands().len()], &mut taken[..op.results().len()]) {
        status.call.record(CallStatus { node: *node, position: 0, index: 0, len: 0 });
        status.failure = Some(Box::new(Failure { op: op.clone(), node: *node, why }));
    }
}

/// # Safety
/// `at` is valid for reads of the type, aligned; bytes of booleans are 0 or 1.
unsafe fn arg<'a>(ty: &ValueType, at: *const u8) -> Arg<'a> {
    let n = ty.numel();
    // SAFETY: by contract.
    unsafe {
        match ty.dtype {
            DType::F64 => Arg::F64(std::slice::from_raw_parts(at.cast(), n)),
            DType::F32 => Arg::F32(std::slice::from_raw_parts(at.cast(), n)),
            DType::I64 => Arg::I64(std::slice::from_raw_parts(at.cast(), n)),
            DType::Bool => Arg::Bool(std::slice::from_raw_parts(at.cast(), n)),
        }
    }
}

/// # Safety
/// `at` is valid for writes of the type, aligned and exclusive.
unsafe fn arg_mut<'a>(ty: &ValueType, at: *mut u8) -> ArgMut<'a> {
    let n = ty.numel();
    // SAFETY: by contract; all bytes are zero first, which is a value of every type.
    unsafe {
        std::ptr::write_bytes(at, 0, n * ty.dtype.size());
        match ty.dtype {
            DType::F64 => ArgMut::F64(std::slice::from_raw_parts_mut(at.cast(), n)),
            DType::F32 => ArgMut::F32(std::slice::from_raw_parts_mut(at.cast(), n)),
            DType::I64 => ArgMut::I64(std::slice::from_raw_parts_mut(at.cast(), n)),
            DType::Bool => ArgMut::Bool(std::slice::from_raw_parts_mut(at.cast(), n)),
        }
    }
}
