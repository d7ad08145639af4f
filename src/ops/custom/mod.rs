//! Ops that the user gives: the value and the rules as graphs or as callbacks.

mod make;
mod row;

use crate::graph::{Graph, ValueType};
use crate::ops::args::{Arg, ArgMut};
use crate::ops::attr::Attr;
use crate::ops::row::{JvpFn, Op, Rule, VjpFn};
use std::fmt;
use std::hash::{Hash, Hasher};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// Operands and results that a callback may have, each.
pub(crate) const MAX_ARGUMENTS: usize = 64;

type Function = dyn Fn(&[Arg<'_>], &mut [ArgMut<'_>]) -> Result<(), String> + Send + Sync;

/// An op of the user's own: a name, types of operands and results, the value and
/// the derivative rules. Cheap to clone.
///
/// Given as graphs it is like any op: it is differentiated to any order, and
/// compiled code is simplified and fused across it. Given as callbacks it is
/// called, by the tape and by compiled code alike: its results start as zeros,
/// and it must be a function of its inputs alone, for how often it is called is
/// not promised. Its error, or its panic, is the error of the whole call, which
/// then names op and node. (A program built to abort on panics aborts.) Exact
/// arithmetic and dual numbers refuse callbacks.
///
/// Rules are given the operands, the results, and then
///
/// * the VJP rule a cotangent for each float result; it gives a contribution for
///   each float operand,
/// * the JVP rule a tangent for each float operand; it gives a tangent for each
///   float result.
///
/// A cotangent that no seed reaches, and a tangent of what does not move, is a
/// tensor of zeros. Differentiating by a rule that was not given is an error.
///
/// # Example
/// ```
/// use cotangent::ops::{CustomOp, CustomRule};
/// use cotangent::tape::Tensor;
/// use cotangent::{Builder, Tape, dtype};
///
/// // exp, whose rules use its result.
/// let scaled = |other| {
///     let g = Builder::new();
///     let [_x, y, d] = ["x", "y", other].map(|name| g.input(name, dtype::f64, [2]));
///     g.finish(&[y * d])
/// };
/// let g = Builder::new();
/// let forward = g.finish(&[g.input("x", dtype::f64, [2]).exp()])?;
/// let op = CustomOp::from_graphs("my_exp", forward, scaled("dy")?, scaled("dx")?)?;
///
/// let g = Builder::new();
/// let x = g.input("x", dtype::f64, [2]);
/// let graph = g.finish(&[g.apply(&op, &[x]).sum()])?;
/// let hessian = cotangent::hessian(&graph, &[0])?;
/// let tape = Tape::compile(&hessian, vec![Tensor::f64([2], &[0.0, 0.0]).ok_or("length")?])?;
/// assert_eq!(tape.outputs()[0].to_f64(), [1.0, 0.0, 0.0, 1.0]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct CustomOp(Arc<Custom>);

#[derive(Clone)]
struct Custom {
    name: &'static str,
    role: CustomRole,
    operands: Vec<ValueType>,
    results: Vec<ValueType>,
    body: Body,
    vjp: CustomRule,
    jvp: CustomRule,
    depth: usize,
    nodes: u64,
}

#[derive(Clone)]
enum Body {
    Graph(Arc<Graph>),
    Callback(Arc<Function>),
}

/// What a custom op is for: it may be the rule of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CustomRole {
    /// An op of its own.
    Value,
    /// The callback of a VJP rule; its operands start with this many of the op's.
    Vjp(usize),
    /// The callback of a JVP rule; its operands start with this many of the op's.
    Jvp(usize),
}

impl CustomRole {
    /// What the text form puts behind the name.
    pub(crate) fn suffix(self) -> &'static str {
        match self {
            CustomRole::Value => "",
            CustomRole::Vjp(_) => "_vjp",
            CustomRole::Jvp(_) => "_jvp",
        }
    }
}

impl fmt::Display for CustomRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            CustomRole::Value => "callback",
            CustomRole::Vjp(_) => "callback of the VJP rule",
            CustomRole::Jvp(_) => "callback of the JVP rule",
        })
    }
}

/// A derivative rule of a [`CustomOp`].
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub enum CustomRule {
    /// There is none: differentiating through the op is an error that names it.
    #[default]
    Missing,
    /// It follows from the graph of the value.
    ByDefinition,
    /// A graph.
    Graph(Arc<Graph>),
    /// Another custom op, which may have rules of its own.
    Op(CustomOp),
}

impl From<Graph> for CustomRule {
    fn from(graph: Graph) -> CustomRule {
        CustomRule::Graph(Arc::new(graph))
    }
}

impl From<CustomOp> for CustomRule {
    fn from(op: CustomOp) -> CustomRule {
        CustomRule::Op(op)
    }
}

fn floats(types: &[ValueType]) -> impl Iterator<Item = &ValueType> {
    types.iter().filter(|ty| ty.dtype.is_float())
}

impl CustomOp {
    /// The name.
    pub fn name(&self) -> &'static str {
        self.0.name
    }

    /// Types of the operands.
    pub fn operands(&self) -> &[ValueType] {
        &self.0.operands
    }

    /// Types of the results.
    pub fn results(&self) -> &[ValueType] {
        &self.0.results
    }

    /// The graph of the value; `None` where it is a callback.
    pub fn graph(&self) -> Option<&Graph> {
        match &self.0.body {
            Body::Graph(graph) => Some(graph),
            Body::Callback(_) => None,
        }
    }

    /// What it is for.
    pub fn role(&self) -> CustomRole {
        self.0.role
    }

    /// The rule ops that were given as such: they stand in derived graphs.
    pub(crate) fn rule_ops(&self) -> impl Iterator<Item = &CustomOp> {
        [&self.0.vjp, &self.0.jvp].into_iter().filter_map(|rule| match rule {
            CustomRule::Op(op) => Some(op),
            _ => None,
        })
    }

    /// Whether value and rules are made of ops that are exact over the rationals.
    pub fn is_exact(&self) -> bool {
        let exact = |graph: &Graph| graph.nodes().iter().all(|node| node.op.is_exact());
        let rule = |rule: &CustomRule| match rule {
            CustomRule::Graph(graph) => exact(graph),
            CustomRule::Op(op) => op.is_exact(),
            CustomRule::Missing | CustomRule::ByDefinition => true,
        };
        self.graph().is_some_and(exact) && rule(&self.0.vjp) && rule(&self.0.jvp)
    }

    /// As an op of a graph.
    pub fn op(&self) -> Op {
        let row = match self.0.body {
            Body::Graph(_) => &row::CUSTOM,
            Body::Callback(_) => &row::CALLBACK,
        };
        Op::with(row, vec![Attr::Custom(self.clone())])
    }

    /// Runs the callback; a panic of it is an error.
    pub(crate) fn call(&self, inputs: &[Arg<'_>], outputs: &mut [ArgMut<'_>]) -> Result<(), String> {
        let Body::Callback(f) = &self.0.body else { return Err("is a graph, not a callback".into()) };
        match catch_unwind(AssertUnwindSafe(|| f(inputs, outputs))) {
            Ok(done) => done,
            Err(cause) => {
                let text = cause.downcast_ref::<String>().map(String::as_str);
                let text = text.or_else(|| cause.downcast_ref::<&str>().copied());
                let why = format!("it panicked: {}", text.unwrap_or("without a message"));
                // A payload may panic in its own destructor.
                std::mem::forget(cause);
                Err(why)
            }
        }
    }

    pub(super) fn vjp_rule(&self) -> Rule<VjpFn> {
        self.rule(&self.0.vjp, row::vjp)
    }

    pub(super) fn jvp_rule(&self) -> Rule<JvpFn> {
        self.rule(&self.0.jvp, row::jvp)
    }

    fn rule<F>(&self, rule: &CustomRule, by: F) -> Rule<F> {
        match rule {
            // Nothing to differentiate, or nothing to differentiate by.
            _ if floats(&self.0.operands).next().is_none() => Rule::Zero,
            _ if floats(&self.0.results).next().is_none() => Rule::Zero,
            CustomRule::Missing => Rule::Missing,
            CustomRule::ByDefinition => Rule::ByDefinition,
            CustomRule::Graph(_) | CustomRule::Op(_) => Rule::By(by),
        }
    }
}

impl From<&CustomOp> for Op {
    fn from(op: &CustomOp) -> Op {
        op.op()
    }
}

impl fmt::Debug for CustomOp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CustomOp({}{})", self.name(), self.role().suffix())
    }
}

// Two ops are the same if they were made as one: code cannot be compared.
impl PartialEq for CustomOp {
    fn eq(&self, other: &CustomOp) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for CustomOp {}

impl Hash for CustomOp {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Arc::as_ptr(&self.0).addr().hash(state);
    }
}
