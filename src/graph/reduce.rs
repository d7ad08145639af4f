//! Methods of variables: reductions over axes, and what is shifted by them.

use crate::graph::builder::Var;
use crate::ops::make;
use std::panic::Location;

/// Whether a reduction keeps the reduced axes with extent 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeepDims {
    /// Reduced axes disappear.
    No,
    /// Reduced axes stay, with extent 1.
    Yes,
}

impl KeepDims {
    pub(super) fn flag(self) -> bool {
        self == KeepDims::Yes
    }
}

impl<'b> Var<'b> {
    /// Sum of all elements.
    #[track_caller]
    pub fn sum(self) -> Var<'b> {
        self.over("sum", &self.all_axes(), Location::caller(), |axes| make::sum(axes, false))
    }

    /// Sum over a set of axes.
    #[track_caller]
    pub fn sum_over(self, axes: &[isize], keepdims: KeepDims) -> Var<'b> {
        self.over("sum", axes, Location::caller(), |axes| make::sum(axes, keepdims.flag()))
    }

    /// Mean of all elements.
    #[track_caller]
    pub fn mean(self) -> Var<'b> {
        self.over("mean", &self.all_axes(), Location::caller(), |axes| make::mean(axes, false))
    }

    /// Mean over a set of axes.
    #[track_caller]
    pub fn mean_over(self, axes: &[isize], keepdims: KeepDims) -> Var<'b> {
        self.over("mean", axes, Location::caller(), |axes| make::mean(axes, keepdims.flag()))
    }

    /// Largest of all elements; ties share the gradient.
    #[track_caller]
    pub fn reduce_max(self) -> Var<'b> {
        self.over("reduce_max", &self.all_axes(), Location::caller(), |axes| make::reduce_max(axes, false))
    }

    /// Largest element over a set of axes.
    #[track_caller]
    pub fn reduce_max_over(self, axes: &[isize], keepdims: KeepDims) -> Var<'b> {
        self.over("reduce_max", axes, Location::caller(), |axes| make::reduce_max(axes, keepdims.flag()))
    }

    /// log sum exp over a set of axes.
    #[track_caller]
    pub fn logsumexp(self, axes: &[isize], keepdims: KeepDims) -> Var<'b> {
        self.over("logsumexp", axes, Location::caller(), |axes| make::logsumexp(axes, keepdims.flag()))
    }

    /// Softmax along an axis.
    #[track_caller]
    pub fn softmax(self, axis: isize) -> Var<'b> {
        self.along("softmax", axis, Location::caller(), make::softmax)
    }

    /// Logarithm of the softmax along an axis.
    #[track_caller]
    pub fn log_softmax(self, axis: isize) -> Var<'b> {
        self.along("log_softmax", axis, Location::caller(), make::log_softmax)
    }
}
