//! Checked mode: the first value that became NaN or infinite.

use crate::graph::{Graph, NodeId, Origin, Source, ValueId, ValueType};
use crate::ops::{MapFn, Value};
use std::fmt;

/// An operand of the op that gave a number that is not finite.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Blamed {
    /// The operand, by name and id.
    pub name: String,
    /// Its type.
    pub ty: ValueType,
    /// Its element at the place of the result, where the op works element by element.
    pub element: Option<f64>,
}

/// The first number, in the order of values and elements, that is NaN or
/// infinite. Infinite constants, and infinities that may come from them, are
/// meant to be there: of what depends on them only NaN counts.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct NonFinite {
    /// The value.
    pub value: ValueId,
    /// Its name (of an input) or id.
    pub name: String,
    /// Its type.
    pub ty: ValueType,
    /// Position of the element, row-major.
    pub element: usize,
    /// The number.
    pub number: f64,
    /// The node that gave it and the name of its op; `None` for an input, which
    /// was not finite when it came.
    pub node: Option<(NodeId, &'static str)>,
    /// Operands of that node.
    pub operands: Vec<Blamed>,
    /// Line of the program that authored the node.
    pub source: Source,
}

impl NonFinite {
    /// Position of the element, axis by axis.
    pub fn index(&self) -> Vec<usize> {
        let (mut rest, dims) = (self.element, self.ty.shape.dims());
        let mut index = vec![0; dims.len()];
        for (at, &extent) in index.iter_mut().zip(dims).rev() {
            (*at, rest) = (rest % extent.max(1), rest / extent.max(1));
        }
        index
    }

    /// Whether this is a logarithm of a number that has none: zero or negative.
    pub fn is_log_of_non_positive(&self) -> bool {
        matches!(self.node, Some((_, "log" | "log2")))
            && self.operands.iter().any(|o| o.element.is_some_and(|x| x <= 0.0))
    }
}

impl fmt::Display for NonFinite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.node {
            Some((id, op)) => write!(f, "node {id}: {op}: ")?,
            None => f.write_str("input ")?,
        }
        write!(f, "element {:?} of {}: {} is {}", self.index(), self.name, self.ty, self.number)?;
        if self.is_log_of_non_positive() {
            f.write_str(": log of a value <= 0; use safe_log for protection by an epsilon")?;
        }
        if !self.operands.is_empty() {
            f.write_str(" (operands ")?;
            for (i, operand) in self.operands.iter().enumerate() {
                let comma = if i > 0 { ", " } else { "" };
                write!(f, "{comma}{}: {}", operand.name, operand.ty)?;
                if let Some(x) = operand.element {
                    write!(f, " with {x} there")?;
                }
            }
            f.write_str(")")?;
        }
        match self.source {
            Some(at) => write!(f, " at {}:{}", at.file(), at.line()),
            None => Ok(()),
        }
    }
}

/// Values that are infinite constants or may be infinite because of one.
pub(crate) fn excused(graph: &Graph) -> Vec<bool> {
    let mut excused = vec![false; graph.len()];
    for node in graph.nodes() {
        let constant = graph.literal(node.result()).is_some_and(|literal| match literal.elements() {
            crate::ops::Elements::F64(v) => v.iter().any(|x| !x.is_finite()),
            crate::ops::Elements::F32(v) => v.iter().any(|x| !x.is_finite()),
            _ => false,
        });
        if constant || node.operands().iter().any(|v| excused[v.index()]) {
            for result in node.results() {
                excused[result.index()] = true;
            }
        }
    }
    excused
}

/// The first element that is NaN or, unless that is excused, infinite.
pub(crate) fn first_in<T: Copy + Into<f64>>(elements: &[T], excused: bool) -> Option<(usize, f64)> {
    let bad = |x: f64| if excused { x.is_nan() } else { !x.is_finite() };
    let at = elements.iter().position(|&x| bad(x.into()))?;
    Some((at, elements[at].into()))
}

/// The report on an element; `element` reads one of another value.
pub(crate) fn report(
    graph: &Graph,
    value: ValueId,
    (element, number): (usize, f64),
    read: &dyn Fn(ValueId, usize) -> Option<f64>,
) -> NonFinite {
    let ty = graph.ty(value);
    let (mut node, mut operands, mut source) = (None, Vec::new(), None);
    if let Origin::Node(id) = graph.origin(value) {
        let made = graph.node(id);
        (node, source) = (Some((id, made.op.name())), made.source());
        let by_element = match made.op.row().value {
            Value::Map(f) => f != MapFn::Select,
            _ => made.operands().len() == 1,
        };
        for &v in made.operands() {
            let given = graph.ty(v);
            let at = match given.shape == ty.shape {
                true => Some(element),
                false => (given.numel() == 1).then_some(0),
            };
            let element = at.filter(|_| by_element).and_then(|at| read(v, at));
            operands.push(Blamed { name: graph.describe(v), ty: given.clone(), element });
        }
    }
    NonFinite { value, name: graph.describe(value), ty: ty.clone(), element, number, node, operands, source }
}
