//! Primitives that `runtime/` computes on whole arrays: extents of a call from
//! the attributes and operands of a node.

use crate::graph::Shape;
use crate::ops::attr::Attrs;
use crate::ops::contract::last_two;
use cotangent_runtime::array::{ArrayDims, ArrayFn, LOWER, TRANSPOSE, UNIT};

/// The extents of a call; the shape rule of the row has passed the operands.
pub fn array_dims(f: ArrayFn, attrs: &Attrs, a: &Shape, b: Option<&Shape>) -> ArrayDims {
    if matches!(f, ArrayFn::Recurrence | ArrayFn::CumulativeSum | ArrayFn::ArgSort) {
        let [outer, n, inner] = around(a, attrs.int(0) as usize);
        return ArrayDims { outer, n, inner, flags: 0 };
    }
    let (lead, [n, _]) = last_two(a);
    let (outer, right) = (lead.numel(), b.map(|b| b.dims()));
    let (inner, flags) = match (f, right) {
        (ArrayFn::Cofactor, Some([.., k, _, _])) => (*k, 0),
        (ArrayFn::TriangularSolve, Some([.., k])) => {
            let flag = |i: usize, bit: u32| if attrs.flag(i) { bit } else { 0 };
            (*k, flag(0, LOWER) | flag(1, TRANSPOSE) | flag(2, UNIT))
        }
        (_, Some([.., k])) => (*k, 0),
        _ => (1, 0),
    };
    ArrayDims { outer, n, inner, flags }
}

/// A shape seen from an axis: outer x axis x inner.
pub fn around(shape: &Shape, axis: usize) -> [usize; 3] {
    let dims = shape.dims();
    [dims[..axis].iter().product(), dims[axis], dims[axis + 1..].iter().product()]
}
