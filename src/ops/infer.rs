//! Pieces of shape rules that several families share.

use crate::graph::{DType, Graph, Recorder, Shape, ValueId, ValueType};
use crate::ops::error::OpError;
use crate::ops::row::{Op, Operand, Site, Types, Value};
use smallvec::{SmallVec, smallvec};

/// NumPy's broadcast of two shapes: aligned at the right, 1 stretches.
pub fn broadcast(op: &'static str, a: &Shape, b: &Shape) -> Result<Shape, OpError> {
    if a == b {
        return Ok(a.clone());
    }
    let rank = a.rank().max(b.rank());
    let at = |s: &Shape, axis: usize| {
        let lead = rank - s.rank();
        if axis < lead { 1 } else { s.dims()[axis - lead] }
    };
    (0..rank)
        .map(|axis| match (at(a, axis), at(b, axis)) {
            (x, y) if x == y => Ok(x),
            (1, y) => Ok(y),
            (x, 1) => Ok(x),
            _ => Err(OpError::Shapes { op, a: a.clone(), b: b.clone(), why: "do not broadcast" }),
        })
        .collect::<Result<SmallVec<[usize; 4]>, _>>()
        .map(|dims| Shape::new(&dims))
}

/// Operand `i` must be a floating-point tensor.
pub fn float(op: &Op, operands: &[Operand<'_>], i: usize) -> Result<DType, OpError> {
    let dtype = operands[i].ty.dtype;
    if dtype.is_float() {
        Ok(dtype)
    } else {
        Err(OpError::DType { op: op.name(), operand: i, got: dtype, expected: "f64 or f32" })
    }
}

/// Operands `i` and `j` must have the same element type.
pub fn same_dtype(op: &Op, operands: &[Operand<'_>], i: usize, j: usize) -> Result<DType, OpError> {
    let (a, b) = (operands[i].ty.dtype, operands[j].ty.dtype);
    if a == b { Ok(a) } else { Err(OpError::DTypes { op: op.name(), a, b }) }
}

/// Operand `i` must be an integer tensor.
pub fn index(op: &Op, operands: &[Operand<'_>], i: usize) -> Result<(), OpError> {
    match operands[i].ty.dtype {
        DType::I64 => Ok(()),
        got => Err(OpError::DType { op: op.name(), operand: i, got, expected: "i64" }),
    }
}

/// A single result.
pub fn one(dtype: DType, shape: Shape) -> Result<Types, OpError> {
    Ok(smallvec![ValueType { dtype, shape }])
}

/// Element-wise over floats: all operands of one float type, broadcast.
pub fn elementwise(op: &Op, operands: &[Operand<'_>]) -> Result<Types, OpError> {
    let dtype = float(op, operands, 0)?;
    let mut shape = operands[0].ty.shape.clone();
    for i in 1..operands.len() {
        same_dtype(op, operands, 0, i)?;
        shape = broadcast(op.name(), &shape, &operands[i].ty.shape)?;
    }
    one(dtype, shape)
}

/// The same type as the single operand, which may be of any element type.
pub fn same(_: &Op, operands: &[Operand<'_>]) -> Result<Types, OpError> {
    Ok(smallvec![operands[0].ty.clone()])
}

/// The types that an op's definition by others gives. Says of operands that do not
/// fit what the inner op says, so what can be wrong is checked before.
pub fn by_definition(op: &Op, operands: &[Operand<'_>]) -> Result<Types, OpError> {
    let Value::Expand(expand) = op.row().value else {
        return Err(OpError::MissingRule { op: op.name(), rule: "shape" });
    };
    let mut graph = Graph::new();
    let mut ids: SmallVec<[ValueId; 4]> = SmallVec::new();
    for operand in operands {
        ids.push(graph.push_input("", operand.ty.clone())?);
    }
    let mut recorder = Recorder::new(graph);
    let results = expand(&mut recorder, &Site::of(op, &ids))?;
    Ok(results.iter().map(|&v| recorder.graph().ty(v).clone()).collect())
}

/// An axis attribute in range.
pub fn axis(op: &Op, axis: i64, shape: &Shape) -> Result<usize, OpError> {
    usize::try_from(axis).ok().filter(|&a| a < shape.rank()).ok_or_else(|| OpError::Axis {
        op: op.name(),
        axis,
        shape: shape.clone(),
    })
}

/// A set of axes: each in range, ascending, distinct.
pub fn axes(op: &Op, axes: &[i64], shape: &Shape) -> Result<SmallVec<[usize; 4]>, OpError> {
    let checked = axes.iter().map(|&a| axis(op, a, shape)).collect::<Result<SmallVec<[usize; 4]>, _>>()?;
    if checked.windows(2).any(|w| w[0] >= w[1]) {
        return Err(OpError::Axes { op: op.name(), axes: axes.to_vec(), shape: shape.clone() });
    }
    Ok(checked)
}

/// Extents given as an attribute: none negative.
pub fn extents(op: &Op, attr: &'static str, ints: &[i64]) -> Result<Shape, OpError> {
    ints.iter()
        .map(|&d| {
            usize::try_from(d).map_err(|_| OpError::Attr {
                op: op.name(),
                attr,
                why: format!("{ints:?} has a negative extent"),
            })
        })
        .collect::<Result<SmallVec<[usize; 4]>, _>>()
        .map(|dims| Shape::new(&dims))
}
