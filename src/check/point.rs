//! Points: numbers drawn for inputs, and the same numbers in other arithmetics.

use crate::check::law::{op_error, rationals};
use crate::check::source::Source;
use crate::graph::{DType, Graph, ValueType};
use crate::ops::OpError;
use crate::tape::{Data, Dual, Duals, Exact, Numbers, Refusal, Roundings, Scalar, TapeError, Tensor};

/// How floats are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Range {
    /// -3 to 3, small integers among them.
    Any,
    /// 0 to 3, without 0.
    Positive,
    /// 0 to 1, without both.
    Unit,
    /// 1 to 4, without 1.
    AboveOne,
    /// Symmetric matrices with large diagonals.
    Definite,
}

/// Ranges in the order they are tried, over and over. Between them each tensor
/// gets its own.
pub const RANGES: [Range; 5] = [Range::Any, Range::Positive, Range::Unit, Range::Definite, Range::AboveOne];

/// One float of few bits, so that exact arithmetic stays small and f32 holds it.
fn number(source: &mut dyn Source, range: Range) -> f64 {
    match range {
        Range::Any if source.chance(1, 8) => source.below(7) as f64 - 3.0,
        Range::Any | Range::Definite => (source.below(1537) as f64 - 768.0) / 256.0,
        Range::Positive => (1 + source.below(768)) as f64 / 256.0,
        Range::Unit => (1 + source.below(255)) as f64 / 256.0,
        Range::AboveOne => (257 + source.below(767)) as f64 / 256.0,
    }
}

/// A tensor in a range; indices below `bound`.
pub fn draw(source: &mut dyn Source, ty: &ValueType, range: Range, bound: u64) -> Option<Tensor> {
    let n = ty.numel();
    let mut floats: Vec<f64> = match ty.dtype.is_float() {
        true => (0..n).map(|_| number(source, range)).collect(),
        false => Vec::new(),
    };
    if let (Range::Definite, true, [.., rows, columns]) = (range, ty.dtype.is_float(), ty.shape.dims())
        && rows == columns
    {
        let (rows, each) = (*rows, rows * columns);
        for matrix in floats.chunks_mut(each.max(1)) {
            for i in 0..rows {
                for j in 0..i {
                    matrix[j * rows + i] = matrix[i * rows + j];
                }
                matrix[i * rows + i] += 4.0 * rows as f64;
            }
        }
    }
    let data = match ty.dtype {
        DType::F64 => Data::F64(floats.into()),
        DType::F32 => Data::F32(floats.into_iter().map(|x| x as f32).collect()),
        DType::I64 => Data::I64((0..n).map(|_| (source.bits() % bound.max(1)) as i64).collect()),
        DType::Bool => Data::Bool((0..n).map(|_| source.chance(1, 2)).collect()),
    };
    Tensor::new(ty.shape.clone(), data)
}

/// Inputs for a graph, in a range, or each in one of its own.
pub fn draw_inputs(
    source: &mut dyn Source,
    graph: &Graph,
    range: Option<Range>,
    bound: u64,
) -> Option<Vec<Tensor>> {
    let mut one = |v| {
        let range = range.unwrap_or_else(|| RANGES[source.below(RANGES.len())]);
        draw(source, graph.ty(v), range, bound)
    };
    graph.input_values().map(&mut one).collect()
}

/// What to do after a point was refused: the largest index that fits, if an
/// index was out of range.
pub fn smaller_bound(error: &TapeError) -> Option<u64> {
    match op_error(error) {
        Some(OpError::RuntimeIndex { len, .. }) => Some(*len),
        _ => None,
    }
}

/// Whether all numbers are finite.
pub fn is_finite(tensor: &Tensor) -> bool {
    match tensor.data() {
        Data::F64(v) => v.iter().all(|x| x.is_finite()),
        Data::F32(v) => v.iter().all(|x| x.is_finite()),
        Data::I64(_) | Data::Bool(_) => true,
    }
}

/// Whether a number is NaN.
pub fn has_nan(tensor: &Tensor) -> bool {
    match tensor.data() {
        Data::F64(v) => v.iter().any(|x| x.is_nan()),
        Data::F32(v) => v.iter().any(|x| x.is_nan()),
        Data::I64(_) | Data::Bool(_) => false,
    }
}

/// A tensor in another arithmetic, every float by `f`.
fn convert<N: Numbers>(
    tensor: &Tensor,
    mut wide: impl FnMut(f64) -> Result<N::F64, Refusal>,
    mut narrow: impl FnMut(f64) -> Result<N::F32, Refusal>,
) -> Result<Tensor<N>, Refusal> {
    let data = match tensor.data() {
        Data::F64(v) => Data::F64(v.iter().map(|&x| wide(x)).collect::<Result<_, _>>()?),
        Data::F32(v) => Data::F32(v.iter().map(|&x| narrow(f64::from(x))).collect::<Result<_, _>>()?),
        Data::I64(v) => Data::I64(v.clone()),
        Data::Bool(v) => Data::Bool(v.clone()),
    };
    Tensor::new(tensor.ty().shape.clone(), data).ok_or("elements do not fill the shape")
}

/// The same numbers, f32 as f64.
pub fn as_wide(tensor: &Tensor) -> Tensor {
    let widened = match tensor.data() {
        Data::F32(v) => {
            Tensor::new(tensor.ty().shape.clone(), Data::F64(v.iter().map(|&x| f64::from(x)).collect()))
        }
        _ => None,
    };
    widened.unwrap_or_else(|| tensor.clone())
}

/// The nearest number of twelve significant bits.
fn simple(x: f64) -> Result<f64, Refusal> {
    const LOW: u64 = (1 << 41) - 1;
    let near = f64::from_bits((x.to_bits() + (LOW >> 1) + 1) & !LOW);
    match x == 0.0 || (1e-9..1e9).contains(&x.abs()) {
        true => Ok(near),
        false => Err("a number too large or too small for exact arithmetic"),
    }
}

/// Nearby rational numbers of few bits.
pub fn as_rationals(tensor: &Tensor) -> Result<Tensor<Exact>, Refusal> {
    let near = |x: f64| Scalar::from_f64(simple(x)?);
    convert(tensor, near, near)
}

/// The same numbers, as such that are given.
pub fn as_given(tensor: &Tensor) -> Option<Tensor<Roundings>> {
    convert(tensor, Scalar::from_f64, Scalar::from_f64).ok()
}

/// The nearest floats, of the tensor's own types.
pub fn as_floats(tensor: &Tensor<Exact>) -> Option<Tensor> {
    let data = match tensor.data() {
        Data::F64(v) => Data::F64(v.iter().map(Scalar::to_f64).collect()),
        Data::F32(v) => Data::F32(v.iter().map(|x| Scalar::to_f64(x) as f32).collect()),
        Data::I64(v) => Data::I64(v.clone()),
        Data::Bool(v) => Data::Bool(v.clone()),
    };
    Tensor::new(tensor.ty().shape.clone(), data)
}

/// Numbers that move along a direction.
pub fn as_duals(x: &Tensor<Exact>, dx: &Option<Tensor<Exact>>) -> Option<Tensor<Duals<Exact>>> {
    let pairs = || {
        let still = dx.is_none();
        let moving = dx.as_ref().map_or(&[][..], rationals);
        rationals(x).iter().enumerate().map(move |(i, value)| match still {
            true => Dual::constant(value.clone()),
            false => {
                Dual { value: value.clone(), tangent: moving.get(i).cloned().unwrap_or_else(Scalar::zero) }
            }
        })
    };
    let data = match x.data() {
        Data::F64(_) => Data::F64(pairs().collect()),
        Data::F32(_) => Data::F32(pairs().collect()),
        Data::I64(v) => Data::I64(v.clone()),
        Data::Bool(v) => Data::Bool(v.clone()),
    };
    Tensor::new(x.ty().shape.clone(), data)
}
