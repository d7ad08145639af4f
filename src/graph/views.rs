//! Methods of variables that put axes elsewhere, and gathers that read 0 out of range.

use crate::graph::builder::Var;
use crate::graph::types::Shape;
use crate::ops::make;
use std::panic::Location;

impl<'b> Var<'b> {
    /// Two axes exchanged.
    #[track_caller]
    pub fn swap_axes(self, a: isize, b: isize) -> Var<'b> {
        self.rearranged("swap_axes", a, b, |axes, a, b| axes.swap(a, b))
    }

    /// Axis `from` moved to where `to` was; the others keep their order.
    #[track_caller]
    pub fn move_axis(self, from: isize, to: isize) -> Var<'b> {
        self.rearranged("move_axis", from, to, |axes, from, to| {
            let axis = axes.remove(from);
            axes.insert(to, axis);
        })
    }

    /// All elements, row-major, as a vector.
    #[track_caller]
    pub fn flatten(self) -> Var<'b> {
        let n = self.shape().numel();
        self.op1(make::reshape(&Shape::new(&[n])), Location::caller())
    }

    #[track_caller]
    fn rearranged(
        self,
        name: &'static str,
        a: isize,
        b: isize,
        change: impl FnOnce(&mut Vec<usize>, usize, usize),
    ) -> Var<'b> {
        let at = Location::caller();
        if self.id.is_none() {
            return self;
        }
        match (self.axes(name, &[a]), self.axes(name, &[b])) {
            (Ok(a), Ok(b)) => {
                let mut perm: Vec<usize> = (0..self.shape().rank()).collect();
                change(&mut perm, a[0], b[0]);
                self.op1(make::permute(&perm), at)
            }
            (Err(error), _) | (_, Err(error)) => self.fail(error, at),
        }
    }

    /// Slices along an axis by a vector of indices; out of range 0, without a gradient.
    #[track_caller]
    pub fn index_select_or_zero(self, axis: isize, index: Var<'b>) -> Var<'b> {
        let op = |axis| make::index_select(axis, true);
        self.applied_along("index_select", axis, &[index], op, Location::caller())
    }

    /// One element per index along an axis; out of range 0, without a gradient.
    #[track_caller]
    pub fn gather_or_zero(self, axis: isize, index: Var<'b>) -> Var<'b> {
        self.applied_along("gather", axis, &[index], |axis| make::gather(axis, true), Location::caller())
    }

    /// Softmax along an axis over the entries that `keep` keeps: the others are
    /// exactly 0, and so is a row of which nothing is kept.
    #[track_caller]
    pub fn masked_softmax(self, axis: isize, keep: Var<'b>) -> Var<'b> {
        self.applied_along("masked_softmax", axis, &[keep], make::masked_softmax, Location::caller())
    }
}
