//! Keys and classes: integers of a given shape. Values that happen to have it are rare, so they
//! are also given it by an op.

use crate::fuzzing::draft::Slot;
use crate::fuzzing::generate::Generator;
use crate::graph::{DType, Shape, ValueType};
use crate::ops::{Op, make};

impl Generator<'_> {
    /// Integers of this shape, below the bound if there is one: an earlier value, the result
    /// of an op, or new ones.
    pub(super) fn integers(&mut self, shape: &Shape, bound: Option<usize>) -> Option<Slot> {
        let bound = bound.filter(|_| !self.stray);
        let v = match self.source.chance(1, 2) {
            true => self.shaped(shape, bound),
            false => None,
        };
        match v.filter(|&v| self.keeps_to(v, bound)) {
            Some(v) => Some(v),
            None => self.known(shape, bound),
        }
    }

    fn keeps_to(&self, v: Slot, bound: Option<usize>) -> bool {
        bound.is_none_or(|n| self.draft.values[v].bound.is_some_and(|b| b <= n))
    }

    fn known(&mut self, shape: &Shape, bound: Option<usize>) -> Option<Slot> {
        let ty = ValueType::new(DType::I64, shape.clone());
        let n = self.draft.values.len();
        let start = self.source.below(n);
        let fits = |&v: &Slot| *self.ty(v) == ty && self.keeps_to(v, bound);
        match (0..n).map(|i| (start + i) % n).find(fits) {
            Some(v) if self.source.chance(3, 4) => Some(v),
            _ => self.make(ty, bound),
        }
    }

    /// The result of an op that is of this shape; it may pass the bound.
    fn shaped(&mut self, shape: &Shape, bound: Option<usize>) -> Option<Slot> {
        let (op, operands): (Op, Vec<Slot>) = match self.source.below(7) {
            0 => (make::random_bits(shape), vec![self.known(&[2].into(), None)?]),
            1 => {
                let dtype = match (bound, self.source.chance(1, 2)) {
                    (None, true) => self.float_type(),
                    _ => DType::Bool,
                };
                (make::cast(DType::I64), vec![self.pick_or_make(ValueType::new(dtype, shape.clone()), None)?])
            }
            2 => (make::reshape(shape), vec![self.known(&[shape.numel(), 1].into(), bound)?]),
            3 => {
                let rows = 1 + self.source.below(4);
                let index = self.known(shape, Some(rows))?;
                (make::embedding(), vec![self.known(&[rows].into(), bound)?, index])
            }
            4 => {
                let axis = self.source.below(shape.rank().max(1));
                let ty = ValueType::new(self.float_type(), shape.clone());
                (make::argsort(axis), vec![self.pick_or_make(ty, None)?])
            }
            way => {
                // One entry of the first axis comes from elsewhere.
                let mut dims = shape.dims().to_vec();
                let first = dims.first_mut().filter(|d| **d > 1)?;
                *first -= 1;
                let rest = self.known(&dims.as_slice().into(), bound)?;
                dims[0] = 1;
                if way == 5 {
                    (make::concat(0), vec![self.known(&dims.as_slice().into(), bound)?, rest])
                } else {
                    let none = vec![0; dims.len()];
                    dims[1..].fill(0);
                    (make::pad(&dims, &none, &none, 0.0), vec![rest])
                }
            }
        };
        self.appended(op, operands)
    }
}
