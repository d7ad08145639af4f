//! Random numbers while authoring. A key is an i64 vector (seed, counter): declared as
//! an input it draws anew with each call, as a constant it freezes the numbers.

use crate::graph::builder::{Builder, Var};
use crate::graph::types::{DType, Shape};
use crate::ops::{Literal, OpError, make};
use std::panic::Location;

impl Builder {
    /// Uniform numbers in [0, 1); in f32 also 1.
    #[track_caller]
    pub fn rand_uniform<'b>(&'b self, key: Var<'b>, dtype: DType, shape: impl Into<Shape>) -> Var<'b> {
        self.apply_at(make::rand_uniform(dtype, &shape.into()), &[key], Location::caller())
    }

    /// Normal numbers of mean 0 and variance 1.
    #[track_caller]
    pub fn rand_normal<'b>(&'b self, key: Var<'b>, dtype: DType, shape: impl Into<Shape>) -> Var<'b> {
        self.apply_at(make::rand_normal(dtype, &shape.into()), &[key], Location::caller())
    }
}

impl<'b> Var<'b> {
    /// A mask of 1 with this probability, one number, and 0 otherwise.
    #[track_caller]
    pub fn bernoulli_mask(self, key: Var<'b>, shape: impl Into<Shape>) -> Var<'b> {
        self.op2(make::bernoulli_mask(&shape.into()), key, Location::caller())
    }

    /// Each element dropped with probability `p`, the others scaled by 1 / (1 - p).
    /// Layers need keys of their own: a row each of an input (layers, 2), say.
    ///
    /// # Errors
    /// [`Builder::finish`] refuses a `p` outside [0, 1).
    #[track_caller]
    pub fn dropout(self, p: f64, key: Var<'b>) -> Var<'b> {
        let at = Location::caller();
        let Some(ty) = self.ty() else { return self };
        if !(0.0..1.0).contains(&p) {
            let why = format!("expected 0 <= p and (1 - p) > 0, got {p}");
            return self.fail(OpError::Attr { op: "dropout", attr: "p", why }, at);
        }
        let keep = make::constant(Literal::filled(ty.dtype, Shape::scalar(), 1.0 - p));
        let keep = self.builder.apply_at(keep, &[], at);
        let mask = keep.op2(make::bernoulli_mask(&ty.shape), key, at);
        self.op2(make::mul(), mask, at).op1(make::scale(1.0 / (1.0 - p)), at)
    }
}
