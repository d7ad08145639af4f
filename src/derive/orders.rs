//! Derivatives of any order: each function takes a graph and the positions of
//! inputs, and gives a graph, to which the next one may be applied.

use crate::derive::forms::{self, Seeds};
use crate::derive::jacobian::{self, Mode};
use crate::derive::sweep::Connection;
use crate::graph::{Graph, GraphError, GraphErrorKind, ValueId};
use std::ops::Deref;

/// A graph of derivatives, and how each hangs together with what it is the
/// derivative by. It is used like its graph: on the tape, compiled, derived again.
///
/// Inputs are those of the graph it comes from, in the same places; seeds or
/// tangents follow behind them.
#[derive(Clone, Debug)]
pub struct Derivative {
    graph: Graph,
    connections: Vec<Connection>,
}

impl Derivative {
    /// The graph.
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// The graph, on its own.
    pub fn into_graph(self) -> Graph {
        self.graph
    }

    /// One for each derivative, in the order of the outputs: a derivative that is
    /// not connected is a zero tensor, and this says so.
    pub fn connections(&self) -> &[Connection] {
        &self.connections
    }

    /// Compiles the graph: call it with [`crate::Program::forward`].
    ///
    /// # Errors
    /// As [`crate::Program::compile`].
    #[cfg(feature = "jit")]
    pub fn compile(&self) -> Result<crate::Program, crate::CompileError> {
        let options = crate::Options::default().forms(crate::Forms::FORWARD);
        crate::Program::compile(&self.graph, &options)
    }

    /// Without the outputs of the graph it comes from.
    fn alone((graph, connections): (Graph, Vec<Connection>)) -> Result<Derivative, GraphError> {
        let derivatives = &graph.outputs()[graph.outputs().len() - connections.len()..];
        Ok(Derivative { graph: graph.with_outputs(derivatives)?, connections })
    }
}

impl Deref for Derivative {
    type Target = Graph;

    fn deref(&self) -> &Graph {
        &self.graph
    }
}

impl AsRef<Graph> for Derivative {
    fn as_ref(&self) -> &Graph {
        &self.graph
    }
}

impl From<(Graph, Vec<Connection>)> for Derivative {
    fn from((graph, connections): (Graph, Vec<Connection>)) -> Derivative {
        Derivative { graph, connections }
    }
}

fn inputs(graph: &Graph, wrt: &[usize]) -> Result<Vec<ValueId>, GraphError> {
    let inputs = graph.inputs().len();
    let value = |&index: &usize| match ValueId::from_usize(index) {
        Some(v) if index < inputs => Ok(v),
        _ => Err(GraphErrorKind::NoSuchInput { index, inputs }.into()),
    };
    wrt.iter().map(value).collect()
}

/// The gradient of the one output, a number: an output per input of `wrt`, of
/// its shape.
///
/// # Errors
/// An output that is not one float, an input that does not exist or is an
/// integer or a mask, an op without a VJP rule.
///
/// # Example
/// ```
/// use cotangent::tape::Tensor;
/// use cotangent::{Builder, Tape, dtype};
///
/// let g = Builder::new();
/// let x = g.input("x", dtype::f64, [2]);
/// let graph = g.finish(&[(x * x * x).sum()])?;
/// let gradient = cotangent::gradient(&graph, &[0])?;
/// let tape = Tape::compile(&gradient, vec![Tensor::f64([2], &[1.0, 2.0]).ok_or("length")?])?;
/// assert_eq!(tape.outputs()[0].to_f64(), [3.0, 12.0]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn gradient(graph: impl AsRef<Graph>, wrt: &[usize]) -> Result<Derivative, GraphError> {
    let graph = graph.as_ref();
    Derivative::alone(forms::value_and_grad(graph, &inputs(graph, wrt)?, Seeds::One)?)
}

/// The one output, then its gradient as [`gradient`] gives it.
///
/// # Errors
/// As [`gradient`].
pub fn value_and_grad(graph: impl AsRef<Graph>, wrt: &[usize]) -> Result<Derivative, GraphError> {
    let graph = graph.as_ref();
    Ok(forms::value_and_grad(graph, &inputs(graph, wrt)?, Seeds::One)?.into())
}

/// The outputs, then the vector-Jacobian product: an output per input of `wrt`.
/// A cotangent for each float output is an input behind those of `graph`.
///
/// # Errors
/// An input that does not exist or is an integer or a mask, an op without a VJP
/// rule.
pub fn vjp(graph: impl AsRef<Graph>, wrt: &[usize]) -> Result<Derivative, GraphError> {
    let graph = graph.as_ref();
    Ok(forms::value_and_grad(graph, &inputs(graph, wrt)?, Seeds::Outputs)?.into())
}

/// The outputs, then the Jacobian-vector product: the tangent of each float
/// output. A tangent for each of `wrt` is an input behind those of `graph`.
///
/// # Errors
/// An input that does not exist or is an integer or a mask, an op without a JVP
/// rule.
pub fn jvp(graph: impl AsRef<Graph>, wrt: &[usize]) -> Result<Derivative, GraphError> {
    let graph = graph.as_ref();
    Ok(forms::traced_jvp(graph, &inputs(graph, wrt)?)?.untraced().into())
}

/// The Jacobian: for each float output and each input of `wrt` (the latter
/// faster) a tensor of shape output ++ input, in the mode that takes fewer sweeps.
///
/// The graph holds a sweep for each element of the shorter side, so it grows with
/// that: for very many elements compile [`vjp`] or [`jvp`] once and call it for
/// each.
///
/// # Errors
/// An input that does not exist or is an integer or a mask, an op without a rule,
/// a Jacobian past the size limit.
///
/// # Example
/// ```
/// # #[cfg(feature = "jit")] {
/// use cotangent::{Builder, dtype};
///
/// let g = Builder::new();
/// let x = g.input("x", dtype::f64, [3]);
/// let graph = g.finish(&[x * x.sum()])?;
/// let jacobian = cotangent::jacobian(&graph, &[0])?.compile()?;
/// let mut rows = [0.0; 9];
/// let mut ws = jacobian.workspace();
/// jacobian.forward(&mut ws, &[(&[1.0, 2.0, 3.0]).into()], &mut [(&mut rows).into()])?;
/// assert_eq!(rows, [7.0, 1.0, 1.0, 2.0, 8.0, 2.0, 3.0, 3.0, 9.0]);
/// # }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn jacobian(graph: impl AsRef<Graph>, wrt: &[usize]) -> Result<Derivative, GraphError> {
    jacobian_in(graph, wrt, Mode::Cheaper)
}

/// [`jacobian`] in a given mode.
///
/// # Errors
/// As [`jacobian`].
pub fn jacobian_in(graph: impl AsRef<Graph>, wrt: &[usize], mode: Mode) -> Result<Derivative, GraphError> {
    let graph = graph.as_ref();
    Derivative::alone(jacobian::value_and_jacobian(graph, &inputs(graph, wrt)?, mode)?)
}

/// The outputs, then the Jacobian as [`jacobian`] gives it: what a least-squares
/// method asks for.
///
/// # Errors
/// As [`jacobian`].
pub fn value_and_jacobian(graph: impl AsRef<Graph>, wrt: &[usize]) -> Result<Derivative, GraphError> {
    let graph = graph.as_ref();
    Ok(jacobian::value_and_jacobian(graph, &inputs(graph, wrt)?, Mode::Cheaper)?.into())
}

/// The Hessian of the one output, a number: for each pair of inputs of `wrt` (the
/// second faster) a tensor of shape first ++ second. The Jacobian of the gradient
/// in forward mode.
///
/// Connections are those of the gradient with the second input: where a function
/// is linear, its gradient depends on nothing.
///
/// # Errors
/// As [`gradient`]; an op without a JVP rule; a Hessian past the size limit.
///
/// # Example
/// ```
/// # #[cfg(feature = "jit")] {
/// use cotangent::{Builder, dtype};
///
/// let g = Builder::new();
/// let x = g.input("x", dtype::f64, [2]);
/// let graph = g.finish(&[x.at(0).square() * x.at(1)])?;
/// let hessian = cotangent::hessian(&graph, &[0])?.compile()?;
/// let mut h = [0.0; 4];
/// hessian.forward(&mut hessian.workspace(), &[(&[3.0, 5.0]).into()], &mut [(&mut h).into()])?;
/// assert_eq!(h, [10.0, 6.0, 6.0, 0.0]);
/// # }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn hessian(graph: impl AsRef<Graph>, wrt: &[usize]) -> Result<Derivative, GraphError> {
    let graph = graph.as_ref();
    jacobian_in(gradient(graph, wrt)?, wrt, Mode::Forward)
}

/// The Hessian of the one output times a vector, without the Hessian: an output
/// per input of `wrt`. A direction for each of `wrt` is an input behind those of
/// `graph`. The Jacobian-vector product of the gradient.
///
/// # Errors
/// As [`gradient`]; an op without a JVP rule.
///
/// # Example
/// ```
/// # #[cfg(feature = "jit")] {
/// use cotangent::{Builder, dtype};
///
/// let g = Builder::new();
/// let x = g.input("x", dtype::f64, [2]);
/// let graph = g.finish(&[x.at(0).square() * x.at(1)])?;
/// let hvp = cotangent::hvp(&graph, &[0])?.compile()?;
/// let (point, direction, mut product) = ([3.0, 5.0], [1.0, -1.0], [0.0; 2]);
/// let inputs = [(&point).into(), (&direction).into()];
/// hvp.forward(&mut hvp.workspace(), &inputs, &mut [(&mut product).into()])?;
/// assert_eq!(product, [4.0, 6.0]);
/// # }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn hvp(graph: impl AsRef<Graph>, wrt: &[usize]) -> Result<Derivative, GraphError> {
    let graph = graph.as_ref();
    let gradient = gradient(graph, wrt)?;
    Derivative::alone(forms::traced_jvp(&gradient, &inputs(graph, wrt)?)?.untraced())
}
