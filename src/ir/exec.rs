//! An imported graph: ours, with the way back to the nodes of the file.

use crate::graph::{DType, Graph, Shape, ValueId, ValueType};
use crate::ir::error::IrError;
use crate::ir::payload::Parameter;
use crate::tape::{Data, Native, Tape, Tensor};

/// A parameter that became an input.
#[derive(Clone, Debug, PartialEq)]
pub struct InputParameter {
    /// Which.
    pub parameter: Parameter,
    /// Its value, an input of the graph.
    pub value: ValueId,
    /// Its elements in the payload, if they are there.
    pub initial: Option<Vec<f64>>,
}

/// A graph that can be run and differentiated, and which of its values belongs to
/// which node of the file.
#[derive(Clone, Debug)]
pub struct ExecGraph {
    pub(super) graph: Graph,
    pub(super) values: Vec<ValueId>,
    pub(super) parameters: Vec<InputParameter>,
    /// Nodes of guarded logarithms and their operands.
    pub(super) logs: Vec<(usize, ValueId)>,
}

impl ExecGraph {
    /// The graph. Input 0 is the file's input, the others are [`ExecGraph::parameters`];
    /// the output is the file's.
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// The value of each node, by node id.
    pub fn values(&self) -> &[ValueId] {
        &self.values
    }

    /// The value of a node.
    pub fn value(&self, node: usize) -> Option<ValueId> {
        self.values.get(node).copied()
    }

    /// The parameters that are inputs, in the order of the inputs from 1 on.
    pub fn parameters(&self) -> &[InputParameter] {
        &self.parameters
    }

    /// Shape of the input.
    pub fn in_shape(&self) -> &Shape {
        self.graph.shape(ValueId::new(0))
    }

    /// The inputs of the graph: `x`, then the parameters as the payload gives them.
    /// Numbers are rounded to the element type.
    ///
    /// # Errors
    /// Another number of elements; a parameter that the payload does not give.
    pub fn inputs(&self, x: &[f64]) -> Result<Vec<Tensor>, IrError> {
        let mut inputs = vec![self.tensor("input", ValueId::new(0), x)?];
        for InputParameter { parameter, value, initial } in &self.parameters {
            let Some(initial) = initial else {
                let why = "it is an input of the graph, and the payload does not give it".into();
                return Err(IrError::Payload { name: parameter.key(), why });
            };
            inputs.push(self.tensor(&parameter.key(), *value, initial)?);
        }
        Ok(inputs)
    }

    fn tensor(&self, role: &str, value: ValueId, x: &[f64]) -> Result<Tensor, IrError> {
        let ty = self.graph.ty(value);
        let tensor = match ty.dtype {
            DType::F32 => Tensor::f32(ty.shape.clone(), &x.iter().map(|&x| x as f32).collect::<Vec<f32>>()),
            _ => Tensor::f64(ty.shape.clone(), x),
        };
        tensor.ok_or_else(|| {
            let got = ValueType::new(ty.dtype, [x.len()]);
            IrError::Argument { role: role.into(), expected: ty.clone(), got }
        })
    }

    /// The values of all nodes, by node id, at an input (and the parameters of the payload).
    ///
    /// # Errors
    /// See [`ExecGraph::inputs`]; a logarithm that the guard refuses.
    pub fn eval(&self, x: &[f64]) -> Result<Vec<Tensor>, IrError> {
        let tape: Tape<'_, Native> = Tape::compile(&self.graph, self.inputs(x)?)?;
        for &(node, operand) in &self.logs {
            if let Some(position) = tape.with_value(operand, not_positive).flatten() {
                return Err(IrError::Log { node, position });
            }
        }
        Ok(self.values.iter().filter_map(|&v| tape.value(v)).collect())
    }

    /// The table of all nodes: shape and elements, by node id.
    ///
    /// # Errors
    /// See [`ExecGraph::eval`].
    pub fn denote_all(&self, x: &[f64]) -> Result<Vec<(Shape, Vec<f64>)>, IrError> {
        Ok(self.eval(x)?.iter().map(|t| (t.ty().shape.clone(), t.to_f64())).collect())
    }
}

/// The first element that is 0, below, or NaN.
fn not_positive(tensor: &Tensor) -> Option<usize> {
    match tensor.data() {
        Data::F64(v) => v.iter().position(|&x| x.is_nan() || x <= 0.0),
        Data::F32(v) => v.iter().position(|&x| x.is_nan() || x <= 0.0),
        _ => None,
    }
}
