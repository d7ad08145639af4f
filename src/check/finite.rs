//! Checked mode: the first value or gradient that became NaN or infinite.

use crate::graph::{Graph, NodeId, Origin, Source, Step, Trace, ValueId, ValueType};
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

/// Whether a number is one of a value or of its gradient.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Quantity {
    /// Of a value.
    Value,
    /// Of the gradient of a value.
    Gradient,
}

/// The first number that is NaN or infinite: of the values, in their order and that
/// of their elements, or else of the gradients, in the order of the reverse sweep.
/// That goes through the nodes backwards, and looks at the gradient of each operand
/// of a node once the node has added its part. Infinite constants, and infinities
/// that may come from them, are meant to be there: of what depends on them only NaN
/// counts.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct NonFinite {
    /// What the number is one of.
    pub quantity: Quantity,
    /// The value, which of a gradient is the one that it is the gradient of.
    pub value: ValueId,
    /// Its name (of an input) or id.
    pub name: String,
    /// Its type.
    pub ty: ValueType,
    /// Position of the element, row-major.
    pub element: usize,
    /// The number.
    pub number: f64,
    /// The node that gave it, of a gradient by its rule, and the name of its op;
    /// `None` for an input or a seed, which was not finite when it came.
    pub node: Option<(NodeId, &'static str)>,
    /// Operands of that node.
    pub operands: Vec<Blamed>,
    /// Of a gradient: the gradients of the results of that node that its rule was given.
    pub cotangents: Vec<Blamed>,
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
        self.quantity == Quantity::Value
            && matches!(self.node, Some((_, "log" | "log2")))
            && self.operands.iter().any(|o| o.element.is_some_and(|x| x <= 0.0))
    }
}

impl fmt::Display for NonFinite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let gradient = self.quantity == Quantity::Gradient;
        match self.node {
            Some((id, op)) => write!(f, "node {id}: {op}: ")?,
            None => f.write_str(if gradient { "seed " } else { "input " })?,
        }
        let of = if gradient && self.node.is_some() { "of the gradient of" } else { "of" };
        write!(f, "element {:?} {of} {}: {} is {}", self.index(), self.name, self.ty, self.number)?;
        if self.is_log_of_non_positive() {
            f.write_str(": log of a value <= 0; use safe_log for protection by an epsilon")?;
        }
        let operands = self.operands.iter().map(|operand| ("", operand));
        let all = operands.chain(self.cotangents.iter().map(|d| ("gradient of ", d)));
        for (i, (what, given)) in all.enumerate() {
            write!(f, "{}{what}{}: {}", if i > 0 { ", " } else { " (operands " }, given.name, given.ty)?;
            if let Some(x) = given.element {
                write!(f, " with {x} there")?;
            }
        }
        if !self.operands.is_empty() {
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

/// The steps of a sweep, each with whether its infinities are excused.
pub(crate) fn steps<'t>(graph: &'t Graph, trace: &'t Trace) -> impl Iterator<Item = (Step, bool)> + 't {
    let values = excused(graph);
    let mut gradients = vec![false; graph.len()];
    trace.steps().iter().map(move |&step| {
        let excused = step.node.is_some_and(|id| {
            let node = graph.node(id);
            let of_results = |v: ValueId| values[v.index()] || gradients[v.index()];
            node.results().any(of_results) || node.operands().iter().any(|v| values[v.index()])
        });
        gradients[step.value.index()] |= excused;
        (step, gradients[step.value.index()])
    })
}

/// Reads an element of a value or of a gradient.
pub(crate) type Read<'a> = &'a dyn Fn(ValueId, usize) -> Option<f64>;

/// What a node worked on where it gave an element of a tensor of this type.
fn blamed(
    graph: &Graph,
    id: NodeId,
    (ty, element): (&ValueType, usize),
    of: impl Iterator<Item = ValueId>,
    read: Read<'_>,
) -> Vec<Blamed> {
    let node = graph.node(id);
    let by_element = match node.op.row().value {
        Value::Map(f) => f != MapFn::Select,
        _ => node.operands().len() == 1,
    };
    let each = |v: ValueId| {
        let given = graph.ty(v);
        let at = match given.shape == ty.shape {
            true => Some(element),
            false => (given.numel() == 1).then_some(0),
        };
        let element = at.filter(|_| by_element).and_then(|at| read(v, at));
        Blamed { name: graph.describe(v), ty: given.clone(), element }
    };
    of.map(each).collect()
}

impl NonFinite {
    fn new(
        graph: &Graph,
        (quantity, value): (Quantity, ValueId),
        (element, number): (usize, f64),
        node: Option<NodeId>,
        read: Read<'_>,
    ) -> NonFinite {
        let ty = graph.ty(value).clone();
        let operands = node.map(|id| {
            let given = graph.node(id).operands().iter().copied();
            blamed(graph, id, (&ty, element), given, read)
        });
        NonFinite {
            quantity,
            value,
            name: graph.describe(value),
            element,
            number,
            node: node.map(|id| (id, graph.node(id).op.name())),
            operands: operands.unwrap_or_default(),
            cotangents: Vec::new(),
            source: node.and_then(|id| graph.node(id).source()),
            ty,
        }
    }
}

/// The report on an element of a value.
pub(crate) fn report(graph: &Graph, value: ValueId, found: (usize, f64), read: Read<'_>) -> NonFinite {
    let node = match graph.origin(value) {
        Origin::Node(id) => Some(id),
        Origin::Input(_) => None,
    };
    NonFinite::new(graph, (Quantity::Value, value), found, node, read)
}

/// The report on an element of a gradient; `gradient` reads those of the results
/// of its node.
pub(crate) fn report_gradient(
    graph: &Graph,
    step: Step,
    found: (usize, f64),
    read: Read<'_>,
    gradient: Read<'_>,
) -> NonFinite {
    let report = NonFinite::new(graph, (Quantity::Gradient, step.value), found, step.node, read);
    let cotangents = step.node.map(|id| {
        let floats = graph.node(id).results().filter(|&v| graph.ty(v).dtype.is_float());
        blamed(graph, id, (&report.ty, report.element), floats, gradient)
    });
    NonFinite { cotangents: cotangents.unwrap_or_default(), ..report }
}
