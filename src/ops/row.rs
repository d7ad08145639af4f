//! The row of an operation: everything the project knows about it.

use crate::graph::{ValueId, ValueType};
use crate::ops::attr::{Attr, AttrKind, Attrs};
use crate::ops::custom::CustomOp;
use crate::ops::emit::Emitter;
use crate::ops::error::OpError;
use crate::ops::literal::Literal;
use crate::ops::loops::Body;
use cotangent_runtime::array::ArrayFn;
use cotangent_runtime::math::{Many, many};
use smallvec::SmallVec;
use std::fmt;
use std::hash::{Hash, Hasher};

/// Types of the results of a node.
pub type Types = SmallVec<[ValueType; 1]>;
/// Results of a node.
pub type Results = SmallVec<[ValueId; 1]>;

/// What a shape rule may look at: the operand's type and, where it is a
/// constant of integers, its elements (so that a constant index is checked at
/// build time).
#[derive(Clone, Copy, Debug)]
pub struct Operand<'a> {
    /// Type of the operand.
    pub ty: &'a ValueType,
    /// Elements, where the operand is a constant of integers.
    pub literal: Option<&'a Literal>,
}

/// One node as a rule sees it: handles are valid in the emitter at hand.
#[derive(Clone, Copy)]
pub struct Site<'a> {
    /// The operation and its attributes.
    pub op: &'a Op,
    /// Operands.
    pub operands: &'a [ValueId],
    /// Results (empty while the value itself is being defined).
    pub results: &'a [ValueId],
    /// Which operands the caller wants a gradient for.
    pub wanted: &'a [bool],
    /// The gradients of the operands so far, where a rule may go on from them.
    pub so_far: &'a [Option<ValueId>],
}

impl<'a> Site<'a> {
    /// A node whose results nobody has, as a definition sees it; all gradients are wanted.
    pub fn of(op: &'a Op, operands: &'a [ValueId]) -> Site<'a> {
        Site { op, operands, results: &[], wanted: &[], so_far: &[] }
    }

    /// Whether a contribution to operand `i` is of use.
    #[inline]
    pub fn wants(&self, i: usize) -> bool {
        self.wanted.get(i).copied().unwrap_or(true)
    }

    /// The gradient of operand `i` so far, if there is one to go on from.
    pub fn so_far(&self, i: usize) -> Option<ValueId> {
        self.so_far.get(i).copied().flatten()
    }
}

/// What a VJP rule says of one operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// The derivative is zero by definition (or was not wanted).
    Zero,
    /// The contribution to the operand's gradient.
    To(ValueId),
    /// The operand's gradient so far, which the rule was given, with the contribution in it.
    Onto(ValueId),
}

/// The contributions of one node, one entry per operand.
pub type Flows = SmallVec<[Flow; 4]>;
/// The tangents of a node's results; `None` is a tangent known to be zero.
pub type Tangents = SmallVec<[Option<ValueId>; 1]>;

/// A shape rule.
pub type Infer = fn(&Op, &[Operand<'_>]) -> Result<Types, OpError>;
/// A definition of an op by others.
pub type Expand = fn(&mut dyn Emitter, &Site<'_>) -> Result<Results, OpError>;
/// A vector-Jacobian rule: cotangents of the results (`None`: not reached) to
/// contributions to the operands.
pub type VjpFn = fn(&mut dyn Emitter, &Site<'_>, &[Option<ValueId>]) -> Result<Flows, OpError>;
/// A Jacobian-vector rule: tangents of the operands to tangents of the results.
pub type JvpFn = fn(&mut dyn Emitter, &Site<'_>, &[Option<ValueId>]) -> Result<Tangents, OpError>;

/// A derivative rule, or the reason that there is none.
#[derive(Clone, Copy)]
pub enum Rule<F> {
    /// The rule.
    By(F),
    /// It follows from the definition of the op by others.
    ByDefinition,
    /// The results carry no derivative (integers, booleans, constants).
    Zero,
    /// No rule has been given: differentiating through this op is an error.
    Missing,
}

/// How the value of an op is defined.
#[derive(Clone, Copy)]
pub enum Value {
    /// One scalar function applied to every element, operands broadcast.
    Map(MapFn),
    /// A primitive that tape and lowering each implement.
    Prim(Prim),
    /// By other ops of the table.
    Expand(Expand),
    /// By a callback of the user's.
    Callback,
    /// By a graph that is run for each step.
    Loop,
    /// By one of two graphs.
    Branch,
}

/// Scalar functions: the vocabulary that tape, constant folder and code
/// generator share. Every function has one definition, in `runtime/`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum MapFn {
    Neg,
    Abs,
    Sign,
    Sqrt,
    Square,
    Recip,
    Floor,
    Ceil,
    RoundEven,
    Exp,
    Exp2,
    Expm1,
    Log,
    Log2,
    Log1p,
    Sin,
    Cos,
    Tan,
    Asin,
    Acos,
    Atan,
    Sinh,
    Cosh,
    Tanh,
    Asinh,
    Acosh,
    Atanh,
    Cbrt,
    Erf,
    Erfc,
    Lgamma,
    NormalCdf,
    Sigmoid,
    Softplus,
    Silu,
    GeluErf,
    GeluTanh,
    Relu,
    Not,
    Add,
    Sub,
    Mul,
    Div,
    Pow,
    Atan2,
    Hypot,
    /// `polygamma(order, x)`
    Polygamma,
    Maximum,
    Minimum,
    Eq,
    Ne,
    Lt,
    Le,
    And,
    Or,
    Xor,
    /// `select(condition, a, b)`
    Select,
    /// `fma(a, b, c)`: a * b + c with one rounding
    Fma,
}

impl MapFn {
    /// Number of operands.
    pub const fn arity(self) -> usize {
        use MapFn::*;
        match self {
            Add | Sub | Mul | Div | Pow | Atan2 | Hypot | Polygamma | Maximum | Minimum | Eq | Ne | Lt
            | Le | And | Or | Xor => 2,
            Select | Fma => 3,
            _ => 1,
        }
    }

    /// Whether the result is a boolean.
    #[inline]
    pub const fn is_predicate(self) -> bool {
        use MapFn::*;
        matches!(self, Eq | Ne | Lt | Le | And | Or | Xor | Not)
    }

    /// Whether operands are booleans.
    pub const fn is_logical(self) -> bool {
        matches!(self, MapFn::And | MapFn::Or | MapFn::Xor | MapFn::Not)
    }
}

macro_rules! runtime_functions {
    ($($f:ident $name:literal,)*) => {
        impl MapFn {
            /// The function of `runtime/` that computes it, if it takes more than a few instructions.
            pub const fn runtime_name(self) -> Option<&'static str> {
                match self {
                    $(MapFn::$f => Some($name),)*
                    _ => None,
                }
            }

            /// The entry points of that function: for f64 and for f32.
            pub const fn runtime_symbols(self) -> Option<[&'static str; 2]> {
                match self {
                    $(MapFn::$f => Some([concat!("ct_", $name, "_f64"), concat!("ct_", $name, "_f32")]),)*
                    _ => None,
                }
            }

            /// The same of many numbers at once, where `runtime/` has that.
            pub fn many(self) -> Option<&'static Many> {
                // Asked of every node; the table is short.
                self.runtime_name().and_then(many)
            }
        }
    };
}

runtime_functions! {
    Exp "exp", Exp2 "exp2", Expm1 "expm1", Log "log", Log2 "log2", Log1p "log1p",
    Sin "sin", Cos "cos", Tan "tan", Asin "asin", Acos "acos", Atan "atan", Atan2 "atan2",
    Sinh "sinh", Cosh "cosh", Tanh "tanh", Asinh "asinh", Acosh "acosh", Atanh "atanh",
    Pow "pow", Cbrt "cbrt", Hypot "hypot",
    Erf "erf", Erfc "erfc", NormalCdf "normal_cdf", Lgamma "lgamma", Polygamma "polygamma",
    Sigmoid "sigmoid", Softplus "softplus", Silu "silu", GeluErf "gelu_erf", GeluTanh "gelu_tanh",
}

/// How a reduction combines elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reduction {
    /// Sum in the lane order of contract C1.
    Sum,
    /// Maximum; NaN propagates, -0 < +0.
    Max,
    /// Sum of products of two operands, fma'd into the lanes.
    Dot,
}

/// Primitives that are not element-wise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum Prim {
    Const,
    Cast,
    Broadcast,
    Reshape,
    Permute,
    Slice,
    Flip,
    Pad,
    Concat,
    /// Sliding windows over trailing axes: `dst[.., o, k] = src[.., o * stride + k * dilation]`
    Unfold,
    /// Its transpose: windows added where they overlap, k ascending from +0
    Fold,
    Reduce(Reduction),
    Matmul,
    /// `dst[o, c, i] = src[o, index[c], i]`
    IndexSelect,
    /// `dst = base; dst[o, index[c], i] += update[o, c, i]`
    IndexAdd,
    /// `dst[o, c, i] = src[o, index[o, c, i], i]`
    Gather,
    /// `dst = base; dst[o, index[o, c, i], i] += update[o, c, i]`
    ScatterAdd,
    /// A function of whole arrays.
    Array(ArrayFn),
    /// Random bits of a key.
    RandomBits,
}

/// Name, kind and default of one attribute.
#[derive(Clone, Copy, Debug)]
pub struct AttrSpec {
    /// Name in the text form.
    pub name: &'static str,
    /// Kind.
    pub kind: AttrKind,
}

impl AttrSpec {
    /// An attribute of this name and kind.
    pub const fn new(name: &'static str, kind: AttrKind) -> AttrSpec {
        AttrSpec { name, kind }
    }
}

/// One row of the op table.
pub struct Row {
    /// Standard name (NumPy/PyTorch), also in the text form.
    pub name: &'static str,
    /// Smallest number of operands.
    pub min_operands: usize,
    /// Largest number of operands.
    pub max_operands: usize,
    /// Attributes, in order.
    pub attrs: &'static [AttrSpec],
    /// Shape rule.
    pub infer: Infer,
    /// Value.
    pub value: Value,
    /// Reverse rule.
    pub vjp: Rule<VjpFn>,
    /// Forward rule.
    pub jvp: Rule<JvpFn>,
    /// Whether value and rules are exact over the rationals (contract C5).
    pub exact: bool,
}

impl fmt::Debug for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Row({})", self.name)
    }
}

/// An operation: a row of the table and its attributes. Cheap to clone.
#[derive(Clone)]
pub struct Op {
    row: &'static Row,
    /// Attributes, in the order of the row.
    pub attrs: Attrs,
}

impl Op {
    /// An operation from its row and attributes, checked against the row's list.
    pub fn new(row: &'static Row, attrs: Vec<Attr>) -> Result<Op, OpError> {
        if attrs.len() != row.attrs.len() {
            return Err(OpError::AttrCount { op: row.name, expected: row.attrs.len(), got: attrs.len() });
        }
        for (attr, spec) in attrs.iter().zip(row.attrs) {
            if attr.kind() != spec.kind {
                return Err(OpError::AttrKind {
                    op: row.name,
                    attr: spec.name,
                    expected: spec.kind,
                    got: attr.kind(),
                });
            }
        }
        Ok(Op { row, attrs: Attrs::new(attrs) })
    }

    /// An operation without attributes. Rows that need some are refused when
    /// the node is checked.
    pub const fn plain(row: &'static Row) -> Op {
        Op { row, attrs: Attrs::NONE }
    }

    /// An operation whose attributes match the row by construction.
    pub(crate) fn with(row: &'static Row, attrs: Vec<Attr>) -> Op {
        debug_assert!(attrs.len() == row.attrs.len(), "attributes of {}", row.name);
        Op { row, attrs: Attrs::new(attrs) }
    }

    /// The op's row.
    #[inline]
    pub fn row(&self) -> &'static Row {
        self.row
    }

    /// The op's name.
    pub fn name(&self) -> &'static str {
        self.custom().map_or(self.row.name, CustomOp::name)
    }

    /// The op of the user's own that this is, if it is one.
    pub fn custom(&self) -> Option<&CustomOp> {
        self.attrs.custom()
    }

    /// The graphs that the op runs inside it.
    pub fn bodies(&self) -> impl Iterator<Item = &Body> {
        self.attrs.bodies()
    }

    /// The reverse rule.
    pub fn vjp(&self) -> Rule<VjpFn> {
        self.custom().map_or(self.row.vjp, CustomOp::vjp_rule)
    }

    /// The forward rule.
    pub fn jvp(&self) -> Rule<JvpFn> {
        self.custom().map_or(self.row.jvp, CustomOp::jvp_rule)
    }

    /// Whether value and rules are exact over the rationals (contract C5).
    pub fn is_exact(&self) -> bool {
        let exact = |body: &Body| body.graph().nodes().iter().all(|node| node.op.is_exact());
        self.custom().map_or(self.row.exact, CustomOp::is_exact) && self.bodies().all(exact)
    }

    /// Whether this is the op of that row.
    pub fn is(&self, row: &'static Row) -> bool {
        std::ptr::eq(self.row, row)
    }

    /// Whether this is a function of numbers whose result has the type of its operands
    /// where they are floats of one type, as most nodes of large graphs are.
    #[inline]
    fn keeps_type(&self) -> bool {
        matches!(self.row.value, Value::Map(f) if !f.is_predicate() && f != MapFn::Select)
    }

    /// What [`Op::infer`] gives for `n` operands of one float type, where it does not
    /// take a look at that: the same type.
    #[inline]
    pub(crate) fn keeps_type_of(&self, n: usize) -> bool {
        let row = self.row;
        self.keeps_type()
            && (row.min_operands..=row.max_operands).contains(&n)
            && self.attrs.all().len() == row.attrs.len()
    }

    /// Types of the results, or what is wrong with the operands.
    pub fn infer(&self, operands: &[Operand<'_>]) -> Result<Types, OpError> {
        let row = self.row;
        if self.attrs.all().len() != row.attrs.len() {
            return Err(OpError::AttrCount {
                op: row.name,
                expected: row.attrs.len(),
                got: self.attrs.all().len(),
            });
        }
        if operands.len() < row.min_operands || operands.len() > row.max_operands {
            return Err(OpError::Arity {
                op: row.name,
                min: row.min_operands,
                max: row.max_operands,
                got: operands.len(),
            });
        }
        if let [first, rest @ ..] = operands
            && self.keeps_type()
            && first.ty.dtype.is_float()
            && rest.iter().all(|o| o.ty == first.ty)
        {
            return Ok(SmallVec::from_buf([first.ty.clone()]));
        }
        let types = (row.infer)(self, operands)?;
        for ty in &types {
            if ty.checked_bytes().is_none() {
                return Err(OpError::TooLarge { op: row.name, ty: ty.clone() });
            }
        }
        Ok(types)
    }
}

impl PartialEq for Op {
    fn eq(&self, other: &Op) -> bool {
        std::ptr::eq(self.row, other.row) && self.attrs == other.attrs
    }
}

impl Eq for Op {}

impl Hash for Op {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.row as *const Row as usize).hash(state);
        self.attrs.hash(state);
    }
}

impl fmt::Debug for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.row.name)?;
        if !self.attrs.all().is_empty() {
            write!(f, "{:?}", self.attrs.all())?;
        }
        Ok(())
    }
}
