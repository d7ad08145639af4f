//! Scalar functions as Cranelift instructions, on one lane or on a vector.

use crate::graph::DType;
use crate::ops::MapFn;
use cranelift_codegen::ir::condcodes::{FloatCC, IntCC};
use cranelift_codegen::ir::{InstBuilder, MemFlagsData, Type, Value, types};
use cranelift_frontend::FunctionBuilder;

/// How many elements one value holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Width {
    /// One element.
    Scalar,
    /// 128 bits: two f64 or four f32.
    Vector,
}

/// Elements of a 128-bit vector.
pub fn vector_lanes(dtype: DType) -> usize {
    16 / dtype.size()
}

/// The Cranelift type of one element.
pub fn scalar_type(dtype: DType) -> Type {
    match dtype {
        DType::F64 => types::F64,
        DType::F32 => types::F32,
        DType::I64 => types::I64,
        DType::Bool => types::I8,
    }
}

/// The Cranelift type of a lane value.
pub fn lane_type(dtype: DType, width: Width) -> Type {
    match (width, dtype) {
        (Width::Scalar, _) => scalar_type(dtype),
        (Width::Vector, DType::F32) => types::F32X4,
        (Width::Vector, _) => types::F64X2,
    }
}

/// A constant from its bits.
pub fn constant(b: &mut FunctionBuilder<'_>, dtype: DType, bits: u64) -> Value {
    match dtype {
        DType::F64 => b.ins().f64const(f64::from_bits(bits)),
        DType::F32 => b.ins().f32const(f32::from_bits(bits as u32)),
        DType::I64 => b.ins().iconst(types::I64, bits as i64),
        DType::Bool => b.ins().iconst(types::I8, i64::from(bits != 0)),
    }
}

/// The bits of a small number of a float type.
pub fn bits_of(dtype: DType, value: f64) -> u64 {
    if dtype == DType::F32 { u64::from((value as f32).to_bits()) } else { value.to_bits() }
}

/// A constant in every lane.
pub fn uniform(b: &mut FunctionBuilder<'_>, dtype: DType, width: Width, bits: u64) -> Value {
    let one = constant(b, dtype, bits);
    match width {
        Width::Scalar => one,
        Width::Vector => b.ins().splat(lane_type(dtype, width), one),
    }
}

fn compare(b: &mut FunctionBuilder<'_>, f: MapFn, dtype: DType, x: Value, y: Value) -> Value {
    if dtype == DType::I64 {
        let code = match f {
            MapFn::Eq => IntCC::Equal,
            MapFn::Ne => IntCC::NotEqual,
            MapFn::Lt => IntCC::SignedLessThan,
            _ => IntCC::SignedLessThanOrEqual,
        };
        return b.ins().icmp(code, x, y);
    }
    let code = match f {
        MapFn::Eq => FloatCC::Equal,
        MapFn::Ne => FloatCC::NotEqual,
        MapFn::Lt => FloatCC::LessThan,
        _ => FloatCC::LessThanOrEqual,
    };
    b.ins().fcmp(code, x, y)
}

fn select(b: &mut FunctionBuilder<'_>, width: Width, mask: Value, x: Value, y: Value) -> Value {
    match width {
        Width::Scalar => b.ins().select(mask, x, y),
        Width::Vector => {
            let ty = b.func.dfg.value_type(x);
            let mask = b.ins().bitcast(ty, MemFlagsData::new(), mask);
            b.ins().bitselect(mask, x, y)
        }
    }
}

/// One scalar function that is a few instructions. `dtype` is the element type
/// of the operands (of the branches for a select). Masks are bytes 0 and 1, or
/// all-ones lanes in a vector.
pub fn map(
    b: &mut FunctionBuilder<'_>,
    f: MapFn,
    dtype: DType,
    width: Width,
    args: &[Value],
) -> Option<Value> {
    let number = |b: &mut FunctionBuilder<'_>, v: f64| uniform(b, dtype, width, bits_of(dtype, v));
    Some(match (f, args) {
        (MapFn::Neg, &[x]) => b.ins().fneg(x),
        (MapFn::Abs, &[x]) => b.ins().fabs(x),
        (MapFn::Sqrt, &[x]) => b.ins().sqrt(x),
        (MapFn::Floor, &[x]) => b.ins().floor(x),
        (MapFn::Ceil, &[x]) => b.ins().ceil(x),
        (MapFn::RoundEven, &[x]) => b.ins().nearest(x),
        (MapFn::Square, &[x]) => b.ins().fmul(x, x),
        (MapFn::Recip, &[x]) => {
            let one = number(b, 1.0);
            b.ins().fdiv(one, x)
        }
        (MapFn::Relu, &[x]) => {
            // x where it is positive or NaN; + 0 turns -0 into +0.
            let zero = number(b, 0.0);
            let negative = b.ins().fcmp(FloatCC::LessThan, x, zero);
            let kept = select(b, width, negative, zero, x);
            b.ins().fadd(kept, zero)
        }
        (MapFn::Sign, &[x]) => {
            let (zero, one, minus) = (number(b, 0.0), number(b, 1.0), number(b, -1.0));
            let negative = b.ins().fcmp(FloatCC::LessThan, x, zero);
            let positive = b.ins().fcmp(FloatCC::GreaterThan, x, zero);
            let low = select(b, width, negative, minus, zero);
            select(b, width, positive, one, low)
        }
        (MapFn::Add, &[x, y]) => b.ins().fadd(x, y),
        (MapFn::Sub, &[x, y]) => b.ins().fsub(x, y),
        (MapFn::Mul, &[x, y]) => b.ins().fmul(x, y),
        (MapFn::Div, &[x, y]) => b.ins().fdiv(x, y),
        (MapFn::Maximum, &[x, y]) => b.ins().fmax(x, y),
        (MapFn::Minimum, &[x, y]) => b.ins().fmin(x, y),
        (MapFn::Fma, &[x, y, z]) => b.ins().fma(x, y, z),
        (MapFn::Eq | MapFn::Ne | MapFn::Lt | MapFn::Le, &[x, y]) => compare(b, f, dtype, x, y),
        (MapFn::And, &[x, y]) => b.ins().band(x, y),
        (MapFn::Or, &[x, y]) => b.ins().bor(x, y),
        (MapFn::Xor, &[x, y]) => b.ins().bxor(x, y),
        (MapFn::Not, &[x]) => match width {
            Width::Scalar => b.ins().bxor_imm_s(x, 1),
            Width::Vector => b.ins().bnot(x),
        },
        (MapFn::Select, &[mask, x, y]) => select(b, width, mask, x, y),
        _ => return None,
    })
}

/// An element converted; on one lane only.
pub fn cast(b: &mut FunctionBuilder<'_>, from: DType, to: DType, x: Value) -> Value {
    match (from, to) {
        (DType::F64, DType::F32) => b.ins().fdemote(types::F32, x),
        (DType::F32, DType::F64) => b.ins().fpromote(types::F64, x),
        (DType::F64 | DType::F32, DType::I64) => b.ins().fcvt_to_sint_sat(types::I64, x),
        (DType::F64 | DType::F32, DType::Bool) => {
            let zero = constant(b, from, 0);
            b.ins().fcmp(FloatCC::NotEqual, x, zero)
        }
        (DType::I64, DType::F64 | DType::F32) => b.ins().fcvt_from_sint(scalar_type(to), x),
        (DType::I64, DType::Bool) => b.ins().icmp_imm_s(IntCC::NotEqual, x, 0),
        (DType::Bool, DType::F64 | DType::F32) => {
            let (zero, one) = (constant(b, to, 0), constant(b, to, bits_of(to, 1.0)));
            b.ins().select(x, one, zero)
        }
        (DType::Bool, DType::I64) => b.ins().uextend(types::I64, x),
        _ => x,
    }
}
