//! Nodes to a graph of the library.

use super::{Binary, Formula, Function, Node, NodeId};
use cotangent::{Builder, Graph, GraphError, Var, dtype};
use std::f64::consts::{FRAC_PI_2, LN_10};

/// `model(b, x)`: the right side at one observation, inputs `b` (parameters) and `x` (predictors).
pub fn model_graph(formula: &Formula, parameters: usize, predictors: usize) -> Result<Graph, GraphError> {
    let g = Builder::new();
    let b = g.input("b", dtype::f64, [parameters]);
    let x = g.input("x", dtype::f64, [predictors]);
    let b: Vec<Var> = (0..parameters).map(|i| b.at(i)).collect();
    let x: Vec<Var> = (0..predictors).map(|i| x.at(i)).collect();
    let model = lower(formula, formula.model, &g, |leaf| match leaf {
        Node::Parameter(i) => b.get(i).copied(),
        Node::Predictor(i) => x.get(i).copied(),
        _ => None,
    });
    g.finish(&[model])
}

/// `response(y)`: the left side, input `y`.
pub fn response_graph(formula: &Formula) -> Result<Graph, GraphError> {
    let g = Builder::new();
    let y = g.input("y", dtype::f64, []);
    let response = lower(formula, formula.response, &g, |leaf| (leaf == Node::Response).then_some(y));
    g.finish(&[response])
}

/// A number until it meets a variable: exponents must be seen to be constant.
#[derive(Clone, Copy)]
enum Value<'b> {
    Number(f64),
    Var(Var<'b>),
}

impl<'b> Value<'b> {
    fn var(self, g: &'b Builder) -> Var<'b> {
        match self {
            Value::Number(value) => g.scalar(value),
            Value::Var(var) => var,
        }
    }
}

fn lower<'b>(
    formula: &Formula,
    root: NodeId,
    g: &'b Builder,
    leaf: impl Fn(Node) -> Option<Var<'b>>,
) -> Var<'b> {
    let needed = formula.needed(root);
    let mut values: Vec<Value<'b>> = Vec::with_capacity(root + 1);
    for (&node, needed) in formula.nodes.iter().zip(needed) {
        let value = match node {
            _ if !needed => Value::Number(f64::NAN),
            Node::Number(value) => Value::Number(value),
            Node::Negate(a) => match values[a] {
                Value::Number(value) => Value::Number(-value),
                Value::Var(var) => Value::Var(-var),
            },
            Node::Binary(op, a, b) => binary(op, values[a], values[b], g),
            Node::Call(function, a) => Value::Var(call(function, values[a].var(g))),
            // A leaf of the other side cannot be here: `check` of the parser saw to it.
            _ => Value::Var(leaf(node).unwrap_or_else(|| g.scalar(f64::NAN))),
        };
        values.push(value);
    }
    values.last().map_or_else(|| g.scalar(f64::NAN), |root| root.var(g))
}

fn binary<'b>(op: Binary, a: Value<'b>, b: Value<'b>, g: &'b Builder) -> Value<'b> {
    use Value::{Number, Var};
    match (op, a, b) {
        (Binary::Add, Number(a), Number(b)) => Number(a + b),
        (Binary::Subtract, Number(a), Number(b)) => Number(a - b),
        (Binary::Multiply, Number(a), Number(b)) => Number(a * b),
        (Binary::Divide, Number(a), Number(b)) => Number(a / b),
        (Binary::Add, a, b) => Var(a.var(g) + b.var(g)),
        (Binary::Subtract, a, b) => Var(a.var(g) - b.var(g)),
        (Binary::Multiply, a, b) => Var(a.var(g) * b.var(g)),
        (Binary::Divide, a, b) => Var(a.var(g) / b.var(g)),
        // An integer power is defined for a negative base and has a cheaper derivative.
        (Binary::Power, a, Number(n)) if n == f64::from(n as i32) => Var(a.var(g).powi(n as i32)),
        (Binary::Power, a, Number(y)) => Var(a.var(g).powf(y)),
        (Binary::Power, a, b) => Var(a.var(g).pow(b.var(g))),
    }
}

fn call(function: Function, u: Var<'_>) -> Var<'_> {
    match function {
        Function::Exp => u.exp(),
        Function::Log => u.log(),
        Function::Log10 => u.log() / LN_10,
        Function::Sqrt => u.sqrt(),
        Function::Abs => u.abs(),
        Function::Sin => u.sin(),
        Function::Cos => u.cos(),
        Function::Tan => u.sin() / u.cos(),
        Function::Arcsin => arcsin(u),
        Function::Arccos => FRAC_PI_2 - arcsin(u),
        Function::Arctan => u.atan(),
        Function::Sinh => (u.exp() - (-u).exp()) / 2.0,
        Function::Cosh => (u.exp() + (-u).exp()) / 2.0,
        Function::Tanh => u.tanh(),
    }
}

fn arcsin(u: Var<'_>) -> Var<'_> {
    (u / (1.0 - u.square()).sqrt()).atan()
}

impl Formula {
    /// Which nodes up to a root the root depends on.
    fn needed(&self, root: NodeId) -> Vec<bool> {
        let mut needed = vec![false; root + 1];
        needed[root] = true;
        for id in (0..=root).rev() {
            match self.nodes[id] {
                Node::Negate(a) | Node::Call(_, a) => needed[a] |= needed[id],
                Node::Binary(_, a, b) => {
                    needed[a] |= needed[id];
                    needed[b] |= needed[id];
                }
                _ => {}
            }
        }
        needed
    }

    /// The parameters, predictors and responses under a node.
    pub(super) fn leaves(&self, root: NodeId) -> Vec<Node> {
        let needed = self.needed(root);
        let used = self.nodes.iter().zip(needed).filter(|&(_, needed)| needed).map(|(&node, _)| node);
        let mut leaves: Vec<Node> = Vec::new();
        for node in used {
            let named = matches!(node, Node::Parameter(_) | Node::Predictor(_) | Node::Response);
            if named && !leaves.contains(&node) {
                leaves.push(node);
            }
        }
        leaves
    }
}
