//! Making custom ops: rules are checked against operands and results.

use crate::graph::{Graph, ValueType};
use crate::ops::args::{Arg, ArgMut};
use crate::ops::custom::{Body, Custom, CustomOp, CustomRole, CustomRule, MAX_ARGUMENTS, floats};
use crate::ops::error::OpError;
use crate::ops::loops::extent;
use std::fmt;
use std::sync::Arc;

/// Custom ops within custom ops: dropping and expanding them recurs.
const MAX_DEPTH: usize = 64;
/// Nodes that a custom op may stand for.
const MAX_NODES: u64 = 1 << 24;

fn input_types(graph: &Graph) -> Vec<ValueType> {
    graph.input_values().map(|v| graph.ty(v).clone()).collect()
}

fn output_types(graph: &Graph) -> Vec<ValueType> {
    graph.outputs().iter().map(|&v| graph.ty(v).clone()).collect()
}

impl CustomOp {
    /// Depth and size of what it expands to.
    pub(crate) fn extent(&self) -> (usize, u64) {
        (self.0.depth, self.0.nodes)
    }

    /// An op whose value is a graph. A rule is a graph, another custom op,
    /// [`CustomRule::ByDefinition`] or [`CustomRule::Missing`].
    ///
    /// The name is that of errors and of the text form; it is made of letters,
    /// digits and `_`, and no op of the table has it.
    ///
    /// # Errors
    /// A name of another form; a rule that does not fit the operands and results,
    /// by number, shape or element type; more than 64 custom ops within each other.
    pub fn from_graphs(
        name: &'static str,
        forward: Graph,
        vjp: impl Into<CustomRule>,
        jvp: impl Into<CustomRule>,
    ) -> Result<CustomOp, OpError> {
        let (operands, results) = (input_types(&forward), output_types(&forward));
        let (depth, nodes) = extent(&forward);
        let body = Body::Graph(Arc::new(forward));
        CustomOp::new(name, operands, results, body, depth, nodes)?.with_vjp(vjp)?.with_jvp(jvp)
    }

    /// An op whose value is a callback, which reads its inputs and writes its
    /// outputs in place, row-major. It has no rules until they are given.
    ///
    /// # Errors
    /// A name of another form; more than 64 operands or results.
    ///
    /// # Example
    /// ```
    /// # #[cfg(feature = "jit")] {
    /// use cotangent::ops::CustomOp;
    /// use cotangent::{Arg, ArgMut, Builder, ValueType, dtype};
    ///
    /// let numbers = [ValueType::new(dtype::f64, [2])];
    /// let halve = |inputs: &[Arg<'_>], outputs: &mut [ArgMut<'_>]| match (inputs, outputs) {
    ///     // Of the value: x. Of the rules: x, y and a cotangent or tangent.
    ///     ([.., Arg::F64(x)], [ArgMut::F64(y)]) => {
    ///         y.iter_mut().zip(x.iter()).for_each(|(y, x)| *y = x / 2.0);
    ///         Ok(())
    ///     }
    ///     _ => Err("other types"),
    /// };
    /// let op = CustomOp::from_fn("halve", &numbers, &numbers, halve)?;
    /// let op = op.with_vjp_fn(halve)?.with_jvp_fn(halve)?;
    ///
    /// let g = Builder::new();
    /// let x = g.input("x", dtype::f64, [2]);
    /// let graph = g.finish(&[g.apply(&op, &[x]).sum()])?;
    /// let gradient = cotangent::gradient(&graph, &[0])?.compile()?;
    /// let mut d = [0.0; 2];
    /// gradient.forward(&mut gradient.workspace(), &[(&[3.0, 5.0]).into()], &mut [(&mut d).into()])?;
    /// assert_eq!(d, [0.5, 0.5]);
    /// # }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn from_fn<E: fmt::Display>(
        name: &'static str,
        operands: &[ValueType],
        results: &[ValueType],
        f: impl Fn(&[Arg<'_>], &mut [ArgMut<'_>]) -> Result<(), E> + Send + Sync + 'static,
    ) -> Result<CustomOp, OpError> {
        let body = Body::Callback(Arc::new(move |i: &[Arg<'_>], o: &mut [ArgMut<'_>]| {
            f(i, o).map_err(|error| error.to_string())
        }));
        for ty in operands.iter().chain(results) {
            if ty.checked_bytes().is_none() {
                return Err(OpError::TooLarge { op: name, ty: ty.clone() });
            }
        }
        for (what, n) in [("operands", operands.len()), ("results", results.len())] {
            if n > MAX_ARGUMENTS {
                let why = format!("has {n} {what}; a callback has at most {MAX_ARGUMENTS}");
                return Err(OpError::BadRule { op: name, rule: "value", why });
            }
        }
        CustomOp::new(name, operands.to_vec(), results.to_vec(), body, 0, 1)
    }

    fn new(
        name: &'static str,
        operands: Vec<ValueType>,
        results: Vec<ValueType>,
        body: Body,
        depth: usize,
        nodes: u64,
    ) -> Result<CustomOp, OpError> {
        let fits = name.starts_with(|c: char| c.is_ascii_alphabetic())
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        if !fits || crate::ops::row_named(name).is_some() {
            let why = match fits {
                true => "is the name of an op of the table",
                false => "is no name: letters, digits and _ make one, a letter first",
            };
            return Err(OpError::Refused { op: name, why: why.into() });
        }
        if results.is_empty() {
            return Err(OpError::Refused { op: name, why: "has no result".into() });
        }
        let (vjp, jvp) = (CustomRule::Missing, CustomRule::Missing);
        let role = CustomRole::Value;
        CustomOp(Arc::new(Custom { name, role, operands, results, body, vjp, jvp, depth, nodes }))
            .within(depth, 0)
    }

    /// The op one level above something of this depth and size.
    fn within(mut self, depth: usize, nodes: u64) -> Result<CustomOp, OpError> {
        let custom = Arc::make_mut(&mut self.0);
        custom.depth = custom.depth.max(depth + 1);
        custom.nodes = custom.nodes.max(nodes);
        let why = if custom.depth > MAX_DEPTH {
            format!("has more than {MAX_DEPTH} custom ops within each other")
        } else if custom.nodes > MAX_NODES {
            format!("stands for more than {MAX_NODES} nodes")
        } else {
            return Ok(self);
        };
        Err(OpError::Refused { op: self.name(), why })
    }

    /// The op with this VJP rule.
    ///
    /// # Errors
    /// A rule that does not fit the operands and results.
    pub fn with_vjp(self, rule: impl Into<CustomRule>) -> Result<CustomOp, OpError> {
        let (rule, (inputs, outputs)) = (rule.into(), self.signature(true));
        let mut op = self.checked(&rule, "VJP", &inputs, &outputs)?;
        Arc::make_mut(&mut op.0).vjp = rule;
        Ok(op)
    }

    /// The op with this JVP rule.
    ///
    /// # Errors
    /// A rule that does not fit the operands and results.
    pub fn with_jvp(self, rule: impl Into<CustomRule>) -> Result<CustomOp, OpError> {
        let (rule, (inputs, outputs)) = (rule.into(), self.signature(false));
        let mut op = self.checked(&rule, "JVP", &inputs, &outputs)?;
        Arc::make_mut(&mut op.0).jvp = rule;
        Ok(op)
    }

    /// The op with a callback as VJP rule, which has no rules of its own.
    ///
    /// # Errors
    /// More than 64 operands, results and cotangents together.
    pub fn with_vjp_fn<E: fmt::Display>(
        self,
        f: impl Fn(&[Arg<'_>], &mut [ArgMut<'_>]) -> Result<(), E> + Send + Sync + 'static,
    ) -> Result<CustomOp, OpError> {
        let ((inputs, outputs), n) = (self.signature(true), self.0.operands.len());
        let rule = CustomOp::from_fn(self.name(), &inputs, &outputs, f)?.in_role(CustomRole::Vjp(n));
        self.with_vjp(rule)
    }

    /// The op with a callback as JVP rule, which has no rules of its own.
    ///
    /// # Errors
    /// More than 64 operands, results and tangents together.
    pub fn with_jvp_fn<E: fmt::Display>(
        self,
        f: impl Fn(&[Arg<'_>], &mut [ArgMut<'_>]) -> Result<(), E> + Send + Sync + 'static,
    ) -> Result<CustomOp, OpError> {
        let ((inputs, outputs), n) = (self.signature(false), self.0.operands.len());
        let rule = CustomOp::from_fn(self.name(), &inputs, &outputs, f)?.in_role(CustomRole::Jvp(n));
        self.with_jvp(rule)
    }

    fn in_role(mut self, role: CustomRole) -> CustomOp {
        Arc::make_mut(&mut self.0).role = role;
        self
    }

    /// Types of the inputs and outputs of a rule.
    fn signature(&self, vjp: bool) -> (Vec<ValueType>, Vec<ValueType>) {
        let (operands, results) = (&self.0.operands, &self.0.results);
        let (given, out) = if vjp { (results, operands) } else { (operands, results) };
        let inputs = operands.iter().chain(results).chain(floats(given)).cloned().collect();
        (inputs, floats(out).cloned().collect())
    }

    /// Where input `i` of a rule comes from.
    fn describe(&self, i: usize) -> String {
        let (n, m) = (self.0.operands.len(), self.0.results.len());
        match i {
            _ if i < n => format!("operand {i}"),
            _ if i < n + m => format!("result {}", i - n),
            _ => format!("float number {}", i - n - m),
        }
    }

    /// Checks a rule against what it is a rule of; the op with the rule's depth and size.
    fn checked(
        self,
        rule: &CustomRule,
        kind: &'static str,
        inputs: &[ValueType],
        outputs: &[ValueType],
    ) -> Result<CustomOp, OpError> {
        let bad = |why: String| Err(OpError::BadRule { op: self.name(), rule: kind, why });
        let (got_inputs, got_outputs, (depth, nodes)) = match rule {
            CustomRule::Missing => return Ok(self),
            CustomRule::ByDefinition => match self.0.body {
                Body::Graph(_) => return Ok(self),
                Body::Callback(_) => return bad("cannot follow from the definition, a callback".into()),
            },
            CustomRule::Graph(graph) => (input_types(graph), output_types(graph), extent(graph)),
            CustomRule::Op(op) => (op.0.operands.clone(), op.0.results.clone(), op.extent()),
        };
        if got_inputs.len() != inputs.len() {
            let (n, m) = (self.0.operands.len(), self.0.results.len());
            let (given, more) = (inputs.len() - n - m, if kind == "VJP" { "cotangents" } else { "tangents" });
            let all = format!("{n} operands, {m} results and {given} {more}");
            return bad(format!("takes {} inputs instead of {}: {all}", got_inputs.len(), inputs.len()));
        }
        if got_outputs.len() != outputs.len() {
            let what = if kind == "VJP" { "operand" } else { "result" };
            let (got, want) = (got_outputs.len(), outputs.len());
            return bad(format!("gives {got} outputs instead of {want}, one for each float {what}"));
        }
        for (i, (got, want)) in got_inputs.iter().zip(inputs).enumerate() {
            if got != want {
                return bad(format!("takes {got} as input {i}, which is {want} ({})", self.describe(i)));
            }
        }
        for (i, (got, want)) in got_outputs.iter().zip(outputs).enumerate() {
            if got != want {
                return bad(format!("gives {got} as output {i}, which must be {want}"));
            }
        }
        self.within(depth, nodes)
    }
}
