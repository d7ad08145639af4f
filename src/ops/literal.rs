//! Elements of constants.

use crate::graph::{DType, Shape, ValueType};
use crate::ops::error::OpError;
use std::hash::{Hash, Hasher};

/// Elements of one element type, row-major.
#[derive(Clone, Debug)]
pub enum Elements {
    /// Binary64.
    F64(Vec<f64>),
    /// Binary32.
    F32(Vec<f32>),
    /// Integers.
    I64(Vec<i64>),
    /// Booleans.
    Bool(Vec<bool>),
}

impl Elements {
    /// Whole numbers given as floats, as token ids often are.
    ///
    /// # Errors
    /// The first number that is negative, not whole, or too large.
    pub fn indices(numbers: &[f64]) -> Result<Elements, OpError> {
        let index = |(position, &value): (usize, &f64)| {
            let fits = value >= 0.0 && value.fract() == 0.0 && value < 9_223_372_036_854_775_808.0;
            if fits { Ok(value as i64) } else { Err(OpError::NotAnIndex { position, value }) }
        };
        Ok(Elements::I64(numbers.iter().enumerate().map(index).collect::<Result<_, _>>()?))
    }

    /// The element type.
    pub fn dtype(&self) -> DType {
        match self {
            Elements::F64(_) => DType::F64,
            Elements::F32(_) => DType::F32,
            Elements::I64(_) => DType::I64,
            Elements::Bool(_) => DType::Bool,
        }
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        match self {
            Elements::F64(v) => v.len(),
            Elements::F32(v) => v.len(),
            Elements::I64(v) => v.len(),
            Elements::Bool(v) => v.len(),
        }
    }

    /// Whether there is no element.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The bits of element `i`, widened; distinguishes -0 from +0.
    pub fn bits(&self, i: usize) -> Option<u64> {
        Some(match self {
            Elements::F64(v) => v.get(i)?.to_bits(),
            Elements::F32(v) => u64::from(v.get(i)?.to_bits()),
            Elements::I64(v) => *v.get(i)? as u64,
            Elements::Bool(v) => u64::from(*v.get(i)?),
        })
    }
}

/// A constant tensor. A literal of one element stands for a tensor filled with
/// it, whatever the shape, so that large uniform constants cost nothing.
#[derive(Clone, Debug)]
pub struct Literal {
    ty: ValueType,
    elements: Elements,
}

impl Literal {
    /// A constant from its elements; `None` unless there are as many as the
    /// shape has, or exactly one, which fills the shape.
    pub fn new(shape: impl Into<Shape>, elements: Elements) -> Option<Literal> {
        let ty = ValueType::new(elements.dtype(), shape);
        ty.checked_bytes()?;
        (elements.len() == ty.numel() || elements.len() == 1).then_some(Literal { ty, elements })
    }

    /// The bits of a real number, rounded to an element type.
    #[cfg(feature = "jit")]
    pub(crate) fn bits_of(dtype: DType, value: f64) -> u64 {
        match dtype {
            DType::F64 => value.to_bits(),
            DType::F32 => u64::from((value as f32).to_bits()),
            DType::I64 => value as i64 as u64,
            DType::Bool => u64::from(value != 0.0),
        }
    }

    /// A tensor filled with one real number, rounded to the element type.
    pub fn filled(dtype: DType, shape: impl Into<Shape>, value: f64) -> Literal {
        let elements = match dtype {
            DType::F64 => Elements::F64(vec![value]),
            DType::F32 => Elements::F32(vec![value as f32]),
            DType::I64 => Elements::I64(vec![value as i64]),
            DType::Bool => Elements::Bool(vec![value != 0.0]),
        };
        Literal { ty: ValueType::new(dtype, shape), elements }
    }

    /// Type of the tensor.
    pub fn ty(&self) -> &ValueType {
        &self.ty
    }

    /// The stored elements: one, or as many as the shape has.
    pub fn elements(&self) -> &Elements {
        &self.elements
    }

    /// The bits of every element if they are all the same and there is one.
    pub fn uniform_bits(&self) -> Option<u64> {
        let first = self.elements.bits(0)?;
        (1..self.elements.len()).all(|i| self.elements.bits(i) == Some(first)).then_some(first)
    }

    /// The bits of element `i` of the tensor, row-major.
    pub fn bits(&self, i: usize) -> u64 {
        let i = if self.elements.len() == 1 { 0 } else { i };
        self.elements.bits(i).unwrap_or(0)
    }

    /// The same elements under another shape with as many elements.
    pub fn with_shape(&self, shape: Shape) -> Literal {
        Literal { ty: ValueType { dtype: self.ty.dtype, shape }, elements: self.elements.clone() }
    }

    /// The bits of all elements, expanded to the shape.
    pub fn all_bits(&self) -> impl Iterator<Item = u64> + '_ {
        (0..self.ty.numel()).map(|i| self.bits(i))
    }
}

impl PartialEq for Literal {
    fn eq(&self, other: &Literal) -> bool {
        self.ty == other.ty
            && self.elements.len() == other.elements.len()
            && (0..self.elements.len()).all(|i| self.elements.bits(i) == other.elements.bits(i))
    }
}

impl Eq for Literal {}

impl Hash for Literal {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.ty.hash(state);
        for i in 0..self.elements.len() {
            self.elements.bits(i).hash(state);
        }
    }
}
