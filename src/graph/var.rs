//! Methods and operators of variables. Axes count from the end where negative.

use crate::graph::builder::{Builder, Var};
use crate::graph::error::GraphError;
use crate::graph::types::{DType, Shape, ValueType};
use crate::ops::{Literal, LossReduction, Op, OpError, make};
use std::ops::{Add, Div, Mul, Neg, Sub};
use std::panic::Location;

type At = &'static Location<'static>;

impl<'b> Var<'b> {
    /// Type of this value; `None` after an authoring error.
    pub fn ty(self) -> Option<ValueType> {
        self.id.map(|id| self.builder.ty(id))
    }

    /// Extents of this value; empty after an authoring error.
    pub fn shape(self) -> Shape {
        self.ty().map(|ty| ty.shape).unwrap_or_default()
    }

    /// The builder this value belongs to.
    pub fn builder(self) -> &'b Builder {
        self.builder
    }

    /// The id in the graph that `finish` gives; `None` after an authoring error.
    pub fn id(self) -> Option<crate::graph::ValueId> {
        self.id
    }

    pub(super) fn op1(self, op: Op, at: At) -> Var<'b> {
        self.builder.apply_at(op, &[self], at)
    }

    pub(super) fn op2(self, op: Op, other: Var<'b>, at: At) -> Var<'b> {
        self.builder.apply_at(op, &[self, other], at)
    }

    pub(super) fn fail(self, error: OpError, at: At) -> Var<'b> {
        let operands = self.id.iter().map(|&id| self.builder.describe(id)).collect();
        self.builder.var(Err(GraphError::from(error).with_operands(operands)), at)
    }

    /// A number as a scalar of this variable's element type.
    fn lift(self, value: f64, at: At) -> Var<'b> {
        let dtype = self.ty().map_or(DType::F64, |ty| ty.dtype);
        self.builder.apply_at(make::constant(Literal::filled(dtype, Shape::scalar(), value)), &[], at)
    }

    /// Axes counted from the front, ascending.
    pub(super) fn axes(self, op: &'static str, axes: &[isize]) -> Result<Vec<usize>, OpError> {
        let shape = self.shape();
        let mut out = Vec::with_capacity(axes.len());
        for &axis in axes {
            let from_front = if axis < 0 { axis + shape.rank() as isize } else { axis };
            match usize::try_from(from_front) {
                Ok(a) if a < shape.rank() => out.push(a),
                _ => return Err(OpError::Axis { op, axis: axis as i64, shape }),
            }
        }
        out.sort_unstable();
        Ok(out)
    }

    pub(super) fn over(
        self,
        name: &'static str,
        axes: &[isize],
        at: At,
        op: impl FnOnce(&[usize]) -> Op,
    ) -> Var<'b> {
        if self.id.is_none() {
            return self;
        }
        match self.axes(name, axes) {
            Ok(axes) => self.op1(op(&axes), at),
            Err(error) => self.fail(error, at),
        }
    }

    pub(super) fn along(
        self,
        name: &'static str,
        axis: isize,
        at: At,
        op: impl FnOnce(usize) -> Op,
    ) -> Var<'b> {
        self.over(name, &[axis], at, |axes| op(axes[0]))
    }

    pub(super) fn all_axes(self) -> Vec<isize> {
        (0..self.shape().rank() as isize).collect()
    }
}

macro_rules! unary {
    ($($(#[$doc:meta])* $name:ident;)*) => {
        impl<'b> Var<'b> {
            $(
                $(#[$doc])*
                #[track_caller]
                #[allow(clippy::should_implement_trait)]
                pub fn $name(self) -> Var<'b> {
                    self.op1(make::$name(), Location::caller())
                }
            )*
        }
    };
}

unary! {
    /// |x|; derivative 0 at 0.
    abs;
    /// 1, 0 or -1; derivative 0.
    sign;
    /// Square root; NaN below 0.
    sqrt;
    /// sqrt(max(x, 0)); derivative 0 where x <= 0.
    sqrt_nonneg;
    /// x * x.
    square;
    /// 1 / x.
    recip;
    /// e^x.
    exp;
    /// Natural logarithm; NaN below 0, -inf at 0.
    log;
    /// Sine.
    sin;
    /// Cosine.
    cos;
    /// Arc tangent.
    atan;
    /// Hyperbolic tangent.
    tanh;
    /// The next integer below; derivative 0.
    floor;
    /// The next integer above; derivative 0.
    ceil;
    /// The nearest integer, of two the even one; derivative 0.
    round_even;
    /// 2^x.
    exp2;
    /// e^x - 1, precise near 0.
    expm1;
    /// Binary logarithm.
    log2;
    /// log(1 + x), precise near 0.
    log1p;
    /// Tangent.
    tan;
    /// Arc sine.
    asin;
    /// Arc cosine.
    acos;
    /// Hyperbolic sine.
    sinh;
    /// Hyperbolic cosine.
    cosh;
    /// Inverse hyperbolic sine.
    asinh;
    /// Inverse hyperbolic cosine.
    acosh;
    /// Inverse hyperbolic tangent.
    atanh;
    /// Cube root.
    cbrt;
    /// 1 / sqrt(x).
    rsqrt;
    /// Error function.
    erf;
    /// 1 - erf(x), precise in the tail.
    erfc;
    /// Normal distribution function, precise in the tail.
    normal_cdf;
    /// Logarithm of the absolute value of the gamma function.
    lgamma;
    /// log(sigmoid(x)).
    logsigmoid;
    /// x sigmoid(x).
    silu;
    /// x times the normal distribution function.
    gelu_erf;
    /// GELU by its usual approximation with a hyperbolic tangent.
    gelu_tanh;
    /// x tanh(softplus(x)).
    mish;
    /// 1 / (1 + e^-x).
    sigmoid;
    /// log(1 + e^x), without overflow.
    softplus;
    /// max(x, 0); derivative 0 at 0.
    relu;
    /// The identity, without a derivative.
    detach;
    /// Logical not of a mask.
    not;
}

macro_rules! binary {
    ($($(#[$doc:meta])* $name:ident;)*) => {
        impl<'b> Var<'b> {
            $(
                $(#[$doc])*
                #[track_caller]
                pub fn $name(self, other: Var<'b>) -> Var<'b> {
                    self.op2(make::$name(), other, Location::caller())
                }
            )*
        }
    };
}

binary! {
    /// IEEE 754-2019 maximum: NaN propagates, -0 < +0.
    maximum;
    /// IEEE 754-2019 minimum: NaN propagates, -0 < +0.
    minimum;
    /// x^y for real y.
    pow;
    /// `y.atan2(x)`: the angle of the point (x, y).
    atan2;
    /// sqrt(x^2 + y^2), without overflow; derivative 0 at the origin.
    hypot;
    /// log(e^a + e^b), without overflow.
    logaddexp;
    /// Mask of a == b.
    eq;
    /// Mask of a != b.
    ne;
    /// Mask of a < b.
    lt;
    /// Mask of a <= b.
    le;
    /// Logical and of masks.
    and;
    /// Logical or of masks.
    or;
    /// Logical exclusive or of masks.
    xor;
    /// Inner product of two vectors.
    dot;
}

impl<'b> Var<'b> {
    /// Mask of a > b.
    #[track_caller]
    pub fn gt(self, other: Var<'b>) -> Var<'b> {
        other.op2(make::lt(), self, Location::caller())
    }

    /// Mask of a >= b.
    #[track_caller]
    pub fn ge(self, other: Var<'b>) -> Var<'b> {
        other.op2(make::le(), self, Location::caller())
    }

    /// `self ? a : b`, element by element; `self` is a mask.
    #[track_caller]
    pub fn select(self, a: Var<'b>, b: Var<'b>) -> Var<'b> {
        self.builder.apply_at(make::select(), &[self, a, b], Location::caller())
    }

    /// x * factor.
    #[track_caller]
    pub fn scale(self, factor: f64) -> Var<'b> {
        self.op1(make::scale(factor), Location::caller())
    }

    /// x^n for an integer n, by repeated squaring.
    #[track_caller]
    pub fn powi(self, n: i32) -> Var<'b> {
        self.op1(make::powi(i64::from(n)), Location::caller())
    }

    /// x^y for a constant real y.
    #[track_caller]
    pub fn powf(self, y: f64) -> Var<'b> {
        let at = Location::caller();
        self.op2(make::pow(), self.lift(y, at), at)
    }

    /// min(max, max(min, x)); derivative 0 at both bounds.
    #[track_caller]
    pub fn clamp(self, min: f64, max: f64) -> Var<'b> {
        self.op1(make::clamp(min, max), Location::caller())
    }

    /// x, or alpha (e^x - 1) below 0.
    #[track_caller]
    pub fn elu(self, alpha: f64) -> Var<'b> {
        self.op1(make::elu(alpha), Location::caller())
    }

    /// x, or slope x below 0.
    #[track_caller]
    pub fn leaky_relu(self, slope: f64) -> Var<'b> {
        self.op1(make::leaky_relu(slope), Location::caller())
    }

    /// The derivative of this order of the digamma function, which is that of
    /// [`Var::lgamma`]; NaN for orders above 170.
    #[track_caller]
    pub fn polygamma(self, order: u32) -> Var<'b> {
        let at = Location::caller();
        self.lift(f64::from(order), at).op2(make::polygamma(), self, at)
    }

    /// NumPy's matmul: inner product of two vectors, matrix times vector, vector
    /// times matrix, or matrix product with leading axes broadcast.
    #[track_caller]
    pub fn matmul(self, other: Var<'b>) -> Var<'b> {
        let at = Location::caller();
        match (self.shape().rank(), other.shape().rank()) {
            _ if self.id.is_none() || other.id.is_none() => Var { id: None, ..self },
            (1, 1) => self.op2(make::dot(), other, at),
            (1, 2) => self.op2(make::vecmat(), other, at),
            (_, 1) => self.op2(make::matvec(), other, at),
            _ => self.op2(make::matmul(), other, at),
        }
    }

    /// x w^T + b with w (out, in) and b (out).
    #[track_caller]
    pub fn linear(self, w: Var<'b>, b: Option<Var<'b>>) -> Var<'b> {
        let at = Location::caller();
        match b {
            Some(b) => self.builder.apply_at(make::linear(), &[self, w, b], at),
            None => self.op2(make::linear(), w, at),
        }
    }

    /// An op along an axis of this variable, with more operands.
    pub(super) fn applied_along(
        self,
        name: &'static str,
        axis: isize,
        rest: &[Var<'b>],
        op: impl FnOnce(usize) -> Op,
        at: At,
    ) -> Var<'b> {
        if self.id.is_none() {
            return self;
        }
        match self.axes(name, &[axis]) {
            Ok(axes) => {
                let operands: Vec<Var<'b>> = std::iter::once(self).chain(rest.iter().copied()).collect();
                self.builder.apply_at(op(axes[0]), &operands, at)
            }
            Err(error) => self.fail(error, at),
        }
    }

    /// Squared error against a target.
    #[track_caller]
    pub fn mse(self, target: Var<'b>, reduction: LossReduction) -> Var<'b> {
        self.op2(make::mse(reduction), target, Location::caller())
    }
}

macro_rules! operators {
    ($($trait:ident $method:ident $op:ident),*) => {
        $(
            impl<'b> $trait for Var<'b> {
                type Output = Var<'b>;
                #[track_caller]
                fn $method(self, other: Var<'b>) -> Var<'b> {
                    self.op2(make::$op(), other, Location::caller())
                }
            }
            impl<'b> $trait<f64> for Var<'b> {
                type Output = Var<'b>;
                #[track_caller]
                fn $method(self, other: f64) -> Var<'b> {
                    let at = Location::caller();
                    self.op2(make::$op(), self.lift(other, at), at)
                }
            }
            impl<'b> $trait<Var<'b>> for f64 {
                type Output = Var<'b>;
                #[track_caller]
                fn $method(self, other: Var<'b>) -> Var<'b> {
                    let at = Location::caller();
                    other.lift(self, at).op2(make::$op(), other, at)
                }
            }
        )*
    };
}
operators!(Add add add, Sub sub sub, Mul mul mul, Div div div);

impl<'b> Neg for Var<'b> {
    type Output = Var<'b>;
    #[track_caller]
    fn neg(self) -> Var<'b> {
        self.op1(make::neg(), Location::caller())
    }
}
