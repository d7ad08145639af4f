//! Operands of linear algebra: square matrices, well conditioned for the most part
//! and singular now and then, and right sides that fit them.

use crate::fuzzing::draft::Slot;
use crate::fuzzing::generate::Generator;
use crate::graph::{DType, Shape, ValueType};
use crate::ops::{Elements, Literal, Row, make};

/// Larger matrices take too long where each minor is a term.
const FEW_ROWS: usize = 4;

impl Generator<'_> {
    /// Operands of a row that takes square matrices.
    pub(super) fn matrices(&mut self, row: &'static Row) -> Option<Vec<Slot>> {
        let largest = if row.name == "cofactor" { FEW_ROWS } else { usize::MAX };
        let a = self.square(largest)?;
        let ty = self.ty(a).clone();
        let (lead, n) = (&ty.shape.dims()[..ty.shape.rank() - 2], *ty.shape.dims().last()?);
        match row.name {
            "solve" | "triangular_solve" => {
                let right: Vec<usize> = lead.iter().copied().chain([n]).collect();
                let found = self.pick(|t| {
                    let last = t.shape.rank().saturating_sub(1);
                    t.dtype == ty.dtype && last >= 1 && t.shape.dims()[..last] == right
                });
                let b = match found.filter(|_| self.source.chance(3, 4)) {
                    Some(b) => b,
                    None => {
                        let columns = self.extent();
                        let dims: Vec<usize> = right.into_iter().chain([columns]).collect();
                        self.make(ValueType::new(ty.dtype, dims), None)?
                    }
                };
                Some(vec![a, b])
            }
            "cofactor" => {
                let k = self.source.below(3);
                let dims: Vec<usize> = lead.iter().copied().chain([k, n, n]).collect();
                Some(vec![a, self.pick_or_make(ValueType::new(ty.dtype, dims), None)?])
            }
            _ => Some(vec![a]),
        }
    }

    fn square(&mut self, largest: usize) -> Option<Slot> {
        let is_square = |t: &ValueType| match t.shape.dims() {
            [.., m, n] => m == n && *n <= largest && t.dtype.is_float(),
            _ => false,
        };
        let found = if self.source.chance(1, 2) { self.pick(is_square) } else { None };
        let a = match found {
            Some(a) => a,
            None => {
                let n = 1 + self.source.below(5.min(largest));
                let mut dims = vec![n, n];
                if self.source.chance(1, 4) {
                    dims.insert(0, self.extent());
                }
                let dtype = self.float_type();
                self.make(ValueType::new(dtype, dims), None)?
            }
        };
        // Most random matrices are neither positive definite nor far from singular.
        if self.source.chance(1, 2) {
            let ty = self.ty(a).clone();
            let n = *ty.shape.dims().last()?;
            let unit = self.constant(make::constant(diagonal(ty.dtype, n)?))?;
            if self.append(make::add(), vec![a, unit]) {
                return Some(self.draft.values.len() - 1);
            }
        }
        Some(a)
    }
}

/// A multiple of the unit matrix.
fn diagonal(dtype: DType, n: usize) -> Option<Literal> {
    if n > 1 << 10 {
        return None;
    }
    let at = |i: usize| if i.is_multiple_of(n + 1) { 8.0 } else { 0.0 };
    let elements = match dtype {
        DType::F32 => Elements::F32((0..n * n).map(|i| at(i) as f32).collect()),
        _ => Elements::F64((0..n * n).map(at).collect()),
    };
    Literal::new(Shape::new(&[n, n]), elements)
}
