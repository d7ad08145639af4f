//! Element types, shapes and the typed ids of a graph.

use smallvec::SmallVec;
use std::fmt;

/// The largest tensor a graph may hold, in bytes (2^40).
///
/// Sizes are computed with checked arithmetic against this limit, so that a
/// shape that cannot be allocated is an error of authoring, not of running.
pub const MAX_TENSOR_BYTES: u64 = 1 << 40;

/// Element type of a tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum DType {
    /// IEEE 754 binary64.
    F64,
    /// IEEE 754 binary32.
    F32,
    /// Signed 64-bit integer, for indices. Carries no gradient.
    I64,
    /// Boolean, for masks; one byte, 0 or 1. Carries no gradient.
    Bool,
}

impl DType {
    /// Bytes per element.
    pub const fn size(self) -> usize {
        match self {
            DType::F64 | DType::I64 => 8,
            DType::F32 => 4,
            DType::Bool => 1,
        }
    }

    /// Whether values of this type carry a gradient.
    pub const fn is_float(self) -> bool {
        matches!(self, DType::F64 | DType::F32)
    }

    /// The name used by the text form: `f64`, `f32`, `i64`, `bool`.
    pub const fn name(self) -> &'static str {
        match self {
            DType::F64 => "f64",
            DType::F32 => "f32",
            DType::I64 => "i64",
            DType::Bool => "bool",
        }
    }

    /// The type named by the text form.
    pub fn from_name(name: &str) -> Option<DType> {
        Some(match name {
            "f64" => DType::F64,
            "f32" => DType::F32,
            "i64" => DType::I64,
            "bool" => DType::Bool,
            _ => return None,
        })
    }

    /// Lanes of a reduction (contract C1): 16 for f64, 32 for f32.
    pub const fn lanes(self) -> usize {
        match self {
            DType::F32 => 32,
            _ => 16,
        }
    }
}

impl fmt::Display for DType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Extents of a tensor, outermost axis first; an empty shape is a scalar.
#[derive(PartialEq, Eq, Hash, Default)]
pub struct Shape(SmallVec<[usize; 4]>);

impl Clone for Shape {
    // A copy of bytes; the derived one goes extent by extent.
    #[inline]
    fn clone(&self) -> Shape {
        Shape(SmallVec::from_slice(&self.0))
    }
}

impl Shape {
    /// The shape of a scalar.
    pub fn scalar() -> Shape {
        Shape::default()
    }

    /// A shape from its extents.
    pub fn new(dims: &[usize]) -> Shape {
        Shape(SmallVec::from_slice(dims))
    }

    /// The shape of `n` such tensors along a new first axis.
    pub(crate) fn stacked(&self, n: usize) -> Shape {
        std::iter::once(n).chain(self.0.iter().copied()).collect()
    }

    /// Extents, outermost first.
    pub fn dims(&self) -> &[usize] {
        &self.0
    }

    /// Number of axes.
    pub fn rank(&self) -> usize {
        self.0.len()
    }

    /// Whether this is the shape of a scalar (rank 0).
    pub fn is_scalar(&self) -> bool {
        self.0.is_empty()
    }

    /// Number of elements. Exact for every shape of a checked graph.
    pub fn numel(&self) -> usize {
        self.0.iter().fold(1usize, |n, &d| n.saturating_mul(d))
    }

    /// Number of elements, `None` where it does not fit.
    pub fn checked_numel(&self) -> Option<usize> {
        if self.0.contains(&0) {
            return Some(0);
        }
        self.0.iter().try_fold(1usize, |n, &d| n.checked_mul(d))
    }

    /// Row-major strides in elements.
    pub fn strides(&self) -> SmallVec<[usize; 4]> {
        let mut strides: SmallVec<[usize; 4]> = SmallVec::from_elem(1, self.rank());
        for axis in (1..self.rank()).rev() {
            strides[axis - 1] = strides[axis].saturating_mul(self.0[axis]);
        }
        strides
    }
}

impl From<&[usize]> for Shape {
    fn from(dims: &[usize]) -> Shape {
        Shape::new(dims)
    }
}

impl<const N: usize> From<[usize; N]> for Shape {
    fn from(dims: [usize; N]) -> Shape {
        Shape::new(&dims)
    }
}

impl<const N: usize> From<&[usize; N]> for Shape {
    fn from(dims: &[usize; N]) -> Shape {
        Shape::new(dims)
    }
}

impl From<Vec<usize>> for Shape {
    fn from(dims: Vec<usize>) -> Shape {
        Shape(SmallVec::from_vec(dims))
    }
}

impl From<()> for Shape {
    fn from(_: ()) -> Shape {
        Shape::scalar()
    }
}

impl From<&Shape> for Shape {
    fn from(shape: &Shape) -> Shape {
        shape.clone()
    }
}

impl FromIterator<usize> for Shape {
    fn from_iter<I: IntoIterator<Item = usize>>(dims: I) -> Shape {
        Shape(dims.into_iter().collect())
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[")?;
        for (i, d) in self.0.iter().enumerate() {
            if i > 0 {
                f.write_str(",")?;
            }
            write!(f, "{d}")?;
        }
        f.write_str("]")
    }
}

impl fmt::Debug for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Element type and shape of one value.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ValueType {
    /// Element type.
    pub dtype: DType,
    /// Extents.
    pub shape: Shape,
}

impl ValueType {
    /// A type from its parts.
    pub fn new(dtype: DType, shape: impl Into<Shape>) -> ValueType {
        ValueType { dtype, shape: shape.into() }
    }

    /// The type of `n` such tensors along a new first axis.
    pub(crate) fn stacked(&self, n: usize) -> ValueType {
        ValueType { dtype: self.dtype, shape: self.shape.stacked(n) }
    }

    /// Number of elements.
    pub fn numel(&self) -> usize {
        self.shape.numel()
    }

    /// Size in bytes, `None` past [`MAX_TENSOR_BYTES`]. An empty axis makes room
    /// for no more: the other extents keep within the limit, so that no product
    /// of them overflows.
    pub fn checked_bytes(&self) -> Option<u64> {
        let room = self.shape.dims().iter().try_fold(1u64, |n, &d| n.checked_mul(d.max(1) as u64))?;
        if room > MAX_TENSOR_BYTES {
            return None;
        }
        let numel = u64::try_from(self.shape.checked_numel()?).ok()?;
        let bytes = numel.checked_mul(self.dtype.size() as u64)?;
        (bytes <= MAX_TENSOR_BYTES).then_some(bytes)
    }
}

impl fmt::Display for ValueType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.dtype, self.shape)
    }
}

macro_rules! id_type {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(u32);

        impl $name {
            /// The id with this index.
            pub const fn new(index: u32) -> $name {
                $name(index)
            }

            /// The id with this index; `None` past `u32::MAX - 1`.
            pub fn from_usize(index: usize) -> Option<$name> {
                u32::try_from(index).ok().filter(|&i| i < u32::MAX).map($name)
            }

            /// Position in the dense maps keyed by this id.
            pub const fn index(self) -> usize {
                self.0 as usize
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "{}"), self.0)
            }
        }
    };
}

id_type!(
    /// A value of a graph: an input or a result of a node. Inputs come first,
    /// then the results of the nodes in order.
    ValueId,
    "%"
);
id_type!(
    /// A node of a graph, in the order of recording.
    NodeId,
    "n"
);

/// The element types as values: `g.input("w", dtype::f64, [3])`.
#[allow(non_upper_case_globals)]
pub mod dtype {
    use super::DType;
    /// IEEE 754 binary64.
    pub const f64: DType = DType::F64;
    /// IEEE 754 binary32.
    pub const f32: DType = DType::F32;
    /// Signed 64-bit integer.
    pub const i64: DType = DType::I64;
    /// Boolean mask.
    pub const bool: DType = DType::Bool;
}
