//! Attributes of an operation: what is known when the graph is built.

use crate::graph::DType;
use crate::ops::{Body, CustomOp, Literal};
use smallvec::SmallVec;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// One attribute. Its meaning is given by the op's row ([`crate::ops::AttrSpec`]).
#[derive(Clone, Debug)]
pub enum Attr {
    /// An integer: an axis, a count, an exponent.
    Int(i64),
    /// A real number, in f64; exact as a ratio on the rational tape.
    Float(f64),
    /// A choice.
    Bool(bool),
    /// A list of integers: axes, extents, starts.
    Ints(Arc<[i64]>),
    /// An element type.
    DType(DType),
    /// Elements of a constant.
    Data(Arc<Literal>),
    /// An op of the user's own.
    Custom(CustomOp),
    /// A graph that is run inside the op.
    Graph(Body),
}

/// What kind of attribute a row expects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttrKind {
    /// [`Attr::Int`]
    Int,
    /// [`Attr::Float`]
    Float,
    /// [`Attr::Bool`]
    Bool,
    /// [`Attr::Ints`]
    Ints,
    /// [`Attr::DType`]
    DType,
    /// [`Attr::Data`]
    Data,
    /// [`Attr::Custom`]
    Custom,
    /// [`Attr::Graph`]
    Graph,
}

impl Attr {
    /// The kind of this attribute.
    pub fn kind(&self) -> AttrKind {
        match self {
            Attr::Int(_) => AttrKind::Int,
            Attr::Float(_) => AttrKind::Float,
            Attr::Bool(_) => AttrKind::Bool,
            Attr::Ints(_) => AttrKind::Ints,
            Attr::DType(_) => AttrKind::DType,
            Attr::Data(_) => AttrKind::Data,
            Attr::Custom(_) => AttrKind::Custom,
            Attr::Graph(_) => AttrKind::Graph,
        }
    }
}

// Floats compare by bits: CSE must tell -0 from +0 and may merge equal NaNs.
impl PartialEq for Attr {
    fn eq(&self, other: &Attr) -> bool {
        match (self, other) {
            (Attr::Int(a), Attr::Int(b)) => a == b,
            (Attr::Float(a), Attr::Float(b)) => a.to_bits() == b.to_bits(),
            (Attr::Bool(a), Attr::Bool(b)) => a == b,
            (Attr::Ints(a), Attr::Ints(b)) => a == b,
            (Attr::DType(a), Attr::DType(b)) => a == b,
            (Attr::Data(a), Attr::Data(b)) => Arc::ptr_eq(a, b) || a == b,
            (Attr::Custom(a), Attr::Custom(b)) => a == b,
            (Attr::Graph(a), Attr::Graph(b)) => a == b,
            _ => false,
        }
    }
}

impl Eq for Attr {}

impl Hash for Attr {
    fn hash<H: Hasher>(&self, state: &mut H) {
        match self {
            Attr::Int(v) => v.hash(state),
            Attr::Float(v) => v.to_bits().hash(state),
            Attr::Bool(v) => v.hash(state),
            Attr::Ints(v) => v.hash(state),
            Attr::DType(v) => v.hash(state),
            Attr::Data(v) => v.hash(state),
            Attr::Custom(v) => v.hash(state),
            Attr::Graph(v) => v.hash(state),
        }
    }
}

/// The attributes of one operation, in the order of its row. Cheap to clone, and
/// one pointer, so that an op is passed in two registers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Attrs(Option<Arc<SmallVec<[Attr; 1]>>>);

impl Attrs {
    /// No attributes; allocates nothing.
    pub const NONE: Attrs = Attrs(None);

    /// Attributes in the order of the op's row.
    pub fn new(attrs: impl Into<Vec<Attr>>) -> Attrs {
        let attrs = SmallVec::from_vec(attrs.into());
        Attrs((!attrs.is_empty()).then(|| Arc::new(attrs)))
    }

    /// All attributes.
    pub fn all(&self) -> &[Attr] {
        self.0.as_deref().map_or(&[], SmallVec::as_slice)
    }

    /// The integer at position `i`; 0 where the attribute is of another kind.
    ///
    /// Kinds are checked once, when an op is made ([`crate::ops::Op::new`]), so
    /// the rules read them without ceremony.
    pub fn int(&self, i: usize) -> i64 {
        match self.all().get(i) {
            Some(Attr::Int(v)) => *v,
            _ => 0,
        }
    }

    /// The real number at position `i`; 0 where it is of another kind.
    pub fn float(&self, i: usize) -> f64 {
        match self.all().get(i) {
            Some(Attr::Float(v)) => *v,
            _ => 0.0,
        }
    }

    /// The choice at position `i`; `false` where it is of another kind.
    pub fn flag(&self, i: usize) -> bool {
        matches!(self.all().get(i), Some(Attr::Bool(true)))
    }

    /// The list at position `i`; empty where it is of another kind.
    pub fn ints(&self, i: usize) -> &[i64] {
        match self.all().get(i) {
            Some(Attr::Ints(v)) => v,
            _ => &[],
        }
    }

    /// The list at position `i` as extents or axes; negative entries become 0.
    pub fn sizes(&self, i: usize) -> SmallVec<[usize; 4]> {
        self.ints(i).iter().map(|&v| usize::try_from(v).unwrap_or(0)).collect()
    }

    /// The element type at position `i`; f64 where it is of another kind.
    pub fn dtype(&self, i: usize) -> DType {
        match self.all().get(i) {
            Some(Attr::DType(v)) => *v,
            _ => DType::F64,
        }
    }

    /// The op of the user's own whose attribute this is.
    pub(crate) fn custom(&self) -> Option<&CustomOp> {
        match self.all() {
            [Attr::Custom(op)] => Some(op),
            _ => None,
        }
    }

    /// The graphs that an op with these attributes holds.
    pub(crate) fn bodies(&self) -> impl Iterator<Item = &Body> {
        self.all().iter().filter_map(|attr| match attr {
            Attr::Graph(body) => Some(body),
            _ => None,
        })
    }

    /// The constant at position `i`.
    pub fn data(&self, i: usize) -> Option<&Arc<Literal>> {
        match self.all().get(i) {
            Some(Attr::Data(v)) => Some(v),
            _ => None,
        }
    }
}
