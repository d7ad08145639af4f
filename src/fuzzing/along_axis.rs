//! Drafts of the rows that act along one axis with several operands: the axis
//! decides which operands fit.

use crate::fuzzing::draft::Slot;
use crate::fuzzing::generate::{Generator, op};
use crate::graph::{DType, Shape, ValueType};
use crate::ops::{Attr, Op, Row};

impl Generator<'_> {
    pub(super) fn concat(&mut self, row: &'static Row) -> Option<(Op, Vec<Slot>)> {
        let first = self.pick(|t| t.shape.rank() > 0)?;
        let ty = self.ty(first).clone();
        let axis = self.source.below(ty.shape.rank());
        let mut operands = vec![first];
        for _ in 0..self.source.below(4) {
            let fits = |t: &ValueType| t.dtype == ty.dtype && agree(&ty.shape, &t.shape, axis);
            operands.push(self.pick(fits)?);
        }
        // Sweeps treat many operands in a way of their own.
        if self.source.chance(1, 8) {
            for i in 0..14 + self.source.below(10) {
                operands.push(operands[i / 2]);
            }
        }
        Some((op(row, vec![Attr::Int(axis as i64)])?, operands))
    }

    /// Gathers and scatters. A run-time index keeps to the axis by its bound,
    /// or the op reads 0 for it; neither in few graphs, to compare errors.
    pub(super) fn indexed(&mut self, row: &'static Row, vector: bool) -> Option<(Op, Vec<Slot>)> {
        let adds = row.max_operands == 3;
        let x = self.pick(|t| t.shape.rank() > 0 && (!adds || t.dtype.is_float()))?;
        let ty = self.ty(x).clone();
        let axis = self.source.below(ty.shape.rank());
        let len = ty.shape.dims()[axis];
        let zero = self.source.chance(1, 3);
        let index = self.index(&ty.shape, axis, len, vector, zero || self.stray)?;
        let mut operands = vec![x, index];
        if adds {
            let shape = if vector {
                let mut dims = ty.shape.dims().to_vec();
                dims[axis] = self.ty(index).shape.dims()[0];
                Shape::new(&dims)
            } else {
                self.ty(index).shape.clone()
            };
            operands.push(self.pick_or_make(ValueType::new(ty.dtype, shape), None)?);
        }
        Some((op(row, vec![Attr::Int(axis as i64), Attr::Bool(zero)])?, operands))
    }

    fn index(&mut self, shape: &Shape, axis: usize, len: usize, vector: bool, any: bool) -> Option<Slot> {
        let n = self.draft.values.len();
        let start = self.source.below(n);
        let fits = |v: Slot| {
            let value = &self.draft.values[v];
            let t = &value.ty;
            t.dtype == DType::I64
                && (if vector { t.shape.rank() == 1 } else { agree(shape, &t.shape, axis) })
                && (any || value.bound.is_some_and(|b| b <= len))
        };
        if let Some(v) = (0..n).map(|i| (start + i) % n).find(|&v| fits(v))
            && self.source.chance(1, 2)
        {
            return Some(v);
        }
        let count = self.extent();
        let dims = if vector {
            vec![count]
        } else {
            let mut dims = shape.dims().to_vec();
            dims[axis] = count;
            dims
        };
        let bound = if self.stray || any && self.source.chance(1, 2) { None } else { Some(len) };
        self.make(ValueType::new(DType::I64, dims), bound)
    }
}

/// Whether two shapes are equal outside an axis.
fn agree(a: &Shape, b: &Shape, axis: usize) -> bool {
    a.rank() == b.rank() && (0..a.rank()).all(|i| i == axis || a.dims()[i] == b.dims()[i])
}
