//! Methods of variables that move elements, and pick them by indices.

use crate::graph::builder::Var;
use crate::graph::types::{DType, Shape};
use crate::ops::{Op, OpError, make};
use std::panic::Location;

impl<'b> Var<'b> {
    /// NumPy broadcast to a shape.
    #[track_caller]
    pub fn broadcast_to(self, shape: impl Into<Shape>) -> Var<'b> {
        self.op1(make::broadcast_to(&shape.into()), Location::caller())
    }

    /// The same elements, row-major, under another shape.
    #[track_caller]
    pub fn reshape(self, shape: impl Into<Shape>) -> Var<'b> {
        self.op1(make::reshape(&shape.into()), Location::caller())
    }

    /// Axes permuted: result axis `i` is axis `perm[i]`.
    #[track_caller]
    pub fn permute(self, perm: &[usize]) -> Var<'b> {
        self.op1(make::permute(perm), Location::caller())
    }

    /// The last two axes exchanged.
    #[track_caller]
    pub fn transpose(self) -> Var<'b> {
        let rank = self.shape().rank();
        let mut perm: Vec<usize> = (0..rank).collect();
        if rank >= 2 {
            perm.swap(rank - 1, rank - 2);
        }
        self.op1(make::permute(&perm), Location::caller())
    }

    /// Half-open ranges, one per axis, with positive steps.
    #[track_caller]
    pub fn slice(self, start: &[usize], stop: &[usize], step: &[usize]) -> Var<'b> {
        self.op1(make::slice(start, stop, step), Location::caller())
    }

    /// Entries `start..stop` along one axis.
    #[track_caller]
    pub fn narrow(self, axis: isize, start: usize, stop: usize) -> Var<'b> {
        let shape = self.shape();
        self.along("slice", axis, Location::caller(), |axis| {
            let mut from = vec![0; shape.rank()];
            let mut to = shape.dims().to_vec();
            (from[axis], to[axis]) = (start, stop);
            make::slice(&from, &to, &vec![1; shape.rank()])
        })
    }

    /// Element or sub-tensor `index` of the first axis.
    #[track_caller]
    pub fn at(self, index: usize) -> Var<'b> {
        let at = Location::caller();
        let shape = self.shape();
        if self.id.is_none() {
            return self;
        }
        if shape.rank() == 0 || index >= shape.dims()[0] {
            return self.fail(OpError::Axis { op: "at", axis: index as i64, shape }, at);
        }
        let mut from = vec![0; shape.rank()];
        let mut to = shape.dims().to_vec();
        (from[0], to[0]) = (index, index + 1);
        let part = self.op1(make::slice(&from, &to, &vec![1; shape.rank()]), at);
        part.op1(make::reshape(&Shape::new(&shape.dims()[1..])), at)
    }

    /// The order of elements reversed along axes.
    #[track_caller]
    pub fn flip(self, axes: &[isize]) -> Var<'b> {
        self.over("flip", axes, Location::caller(), make::flip)
    }

    /// Padding with a value, `(before, after)` per axis.
    #[track_caller]
    pub fn pad(self, pads: &[(usize, usize)], value: f64) -> Var<'b> {
        let lo: Vec<usize> = pads.iter().map(|p| p.0).collect();
        let hi: Vec<usize> = pads.iter().map(|p| p.1).collect();
        self.op1(make::pad(&lo, &hi, &vec![0; pads.len()], value), Location::caller())
    }

    /// This and other tensors joined along an axis.
    #[track_caller]
    pub fn concat(self, others: &[Var<'b>], axis: isize) -> Var<'b> {
        self.applied_along("concat", axis, others, make::concat, Location::caller())
    }

    /// Parts of given sizes along an axis.
    #[track_caller]
    pub fn split(self, axis: isize, sizes: &[usize]) -> Vec<Var<'b>> {
        let at = Location::caller();
        match self.axes("split", &[axis]) {
            _ if self.id.is_none() => vec![self; sizes.len()],
            Ok(axes) => self.builder.apply_many(make::split(axes[0], sizes), &[self], sizes.len(), at),
            Err(error) => vec![self.fail(error, at); sizes.len()],
        }
    }

    /// Element type changed.
    #[track_caller]
    pub fn cast(self, dtype: DType) -> Var<'b> {
        self.op1(make::cast(dtype), Location::caller())
    }

    /// Slices along an axis, by a vector of indices.
    #[track_caller]
    pub fn index_select(self, axis: isize, index: Var<'b>) -> Var<'b> {
        self.indexed("index_select", axis, &[index], make::index_select, Location::caller())
    }

    /// One element per index along an axis.
    #[track_caller]
    pub fn gather(self, axis: isize, index: Var<'b>) -> Var<'b> {
        self.indexed("gather", axis, &[index], make::gather, Location::caller())
    }

    /// Slices of `update` added at a vector of indices along an axis.
    #[track_caller]
    pub fn index_add(self, axis: isize, index: Var<'b>, update: Var<'b>) -> Var<'b> {
        self.indexed("index_add", axis, &[index, update], make::index_add, Location::caller())
    }

    /// Elements of `update` added at indices along an axis.
    #[track_caller]
    pub fn scatter_add(self, axis: isize, index: Var<'b>, update: Var<'b>) -> Var<'b> {
        self.indexed("scatter_add", axis, &[index, update], make::scatter_add, Location::caller())
    }

    fn indexed(
        self,
        name: &'static str,
        axis: isize,
        rest: &[Var<'b>],
        op: fn(usize, bool) -> Op,
        at: &'static Location<'static>,
    ) -> Var<'b> {
        self.applied_along(name, axis, rest, |axis| op(axis, false), at)
    }
}
