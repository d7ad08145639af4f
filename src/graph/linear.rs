//! Methods of variables: cumulative ops, sorting and linear algebra.

use crate::graph::builder::Var;
use crate::graph::types::Shape;
use crate::ops::{Op, make};
use std::panic::Location;

type At = &'static Location<'static>;

impl<'b> Var<'b> {
    /// `y_0 = b_0`, then `y_i = a_i y_{i-1} + b_i` along an axis, with b this value and
    /// a of the same shape: a linear recurrence, or selective scan. `a_0` is not read.
    #[track_caller]
    pub fn recurrence(self, a: Var<'b>, axis: isize) -> Var<'b> {
        let at = Location::caller();
        let axes = match self.axes("recurrence", &[axis]) {
            _ if self.id.is_none() || a.id.is_none() => return Var { id: None, ..self },
            Ok(axes) => axes,
            Err(error) => return self.fail(error, at),
        };
        a.op2(make::recurrence(axes[0]), self, at)
    }

    /// Sums of all elements up to each, along an axis.
    #[track_caller]
    pub fn cumsum(self, axis: isize) -> Var<'b> {
        self.along("cumsum", axis, Location::caller(), make::cumsum)
    }

    /// Products of all elements up to each, along an axis.
    #[track_caller]
    pub fn cumprod(self, axis: isize) -> Var<'b> {
        self.along("cumprod", axis, Location::caller(), make::cumprod)
    }

    /// The positions (i64) that sort an axis in ascending order; equal elements as they
    /// stand, NaN last.
    #[track_caller]
    pub fn argsort(self, axis: isize) -> Var<'b> {
        self.along("argsort", axis, Location::caller(), make::argsort)
    }

    /// Elements in ascending order along an axis, NaN last.
    #[track_caller]
    pub fn sort(self, axis: isize) -> Var<'b> {
        self.along("sort", axis, Location::caller(), make::sort)
    }

    /// x with a x = b, a being this matrix (.., n, n) and b a vector (n) or matrices
    /// (.., n, k); leading axes broadcast. Where a is singular x has infinities or NaN.
    #[track_caller]
    pub fn solve(self, b: Var<'b>) -> Var<'b> {
        self.system(make::solve(), b, Location::caller())
    }

    /// x with op(T) x = b: T is the lower or upper triangle of this matrix, the rest of
    /// which is not read, op the identity or the transpose; with a unit diagonal ones
    /// stand for that of T. Shapes as in [`Var::solve`].
    #[track_caller]
    pub fn triangular_solve(self, b: Var<'b>, triangle: Triangle) -> Var<'b> {
        let Triangle { lower, transpose, unit_diagonal } = triangle;
        self.system(make::triangular_solve(lower, transpose, unit_diagonal), b, Location::caller())
    }

    /// Inverse of this matrix, or of each along leading axes.
    #[track_caller]
    pub fn inverse(self) -> Var<'b> {
        self.op1(make::inverse(), Location::caller())
    }

    /// Determinant of this matrix, or of each along leading axes. Its derivatives hold
    /// at singular matrices too.
    #[track_caller]
    pub fn det(self) -> Var<'b> {
        self.op1(make::det(), Location::caller())
    }

    /// Logarithm of the absolute value of the determinant, -inf where that is 0.
    #[track_caller]
    pub fn logabsdet(self) -> Var<'b> {
        self.op1(make::logabsdet(), Location::caller())
    }

    /// The lower factor L of the symmetric part of this matrix, `(a + a^T) / 2 = L L^T`,
    /// or of each along leading axes. All of L is NaN where there is none.
    #[track_caller]
    pub fn cholesky(self) -> Var<'b> {
        self.op1(make::cholesky(), Location::caller())
    }

    /// A system, both sides brought to the same leading axes. What does not fit is for
    /// the op to say.
    fn system(self, op: Op, b: Var<'b>, at: At) -> Var<'b> {
        if self.id.is_none() || b.id.is_none() {
            return Var { id: None, ..self };
        }
        let (a_shape, b_shape) = (self.shape(), b.shape());
        if let [n] = *b_shape.dims() {
            let column = b.op1(make::reshape(&Shape::new(&[n, 1])), at);
            let x = self.system(op, column, at);
            let dims = x.shape();
            let Some((_, kept)) = dims.dims().split_last() else { return x };
            return x.op1(make::reshape(&Shape::new(kept)), at);
        }
        let (rank_a, rank_b) = (a_shape.rank(), b_shape.rank());
        let lead = match (rank_a.checked_sub(2), rank_b.checked_sub(2)) {
            (Some(i), Some(j)) => crate::ops::broadcast(
                op.name(),
                &Shape::new(&a_shape.dims()[..i]),
                &Shape::new(&b_shape.dims()[..j]),
            ),
            _ => return self.op2(op, b, at),
        };
        let Ok(lead) = lead else { return self.op2(op, b, at) };
        let widened = |v: Var<'b>, shape: &Shape| {
            let own = &shape.dims()[shape.rank() - 2..];
            let wide: Shape = lead.dims().iter().chain(own).copied().collect();
            if wide == *shape { v } else { v.op1(make::broadcast_to(&wide), at) }
        };
        widened(self, &a_shape).op2(op, widened(b, &b_shape), at)
    }
}

/// Which triangle of a matrix stands for it, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Triangle {
    /// The lower triangle, else the upper one.
    pub lower: bool,
    /// The transpose of the triangle.
    pub transpose: bool,
    /// Ones on the diagonal.
    pub unit_diagonal: bool,
}

impl Triangle {
    /// The lower triangle as it is.
    pub const LOWER: Triangle = Triangle { lower: true, transpose: false, unit_diagonal: false };
    /// The upper triangle as it is.
    pub const UPPER: Triangle = Triangle { lower: false, ..Triangle::LOWER };
}
