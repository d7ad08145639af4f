//! The model compiled: its value at one observation and the gradient by the
//! parameters, from native code, and from the tape to compare the time.

use crate::problem::Problem;
use cotangent::tape::{Data, Native, Tensor};
use cotangent::{Forms, Graph, Options, Program, Tape, Workspace};
use std::error::Error;

/// Why a model cannot be compiled or run; nothing here tells the reasons apart.
pub type ModelError = Box<dyn Error>;

/// A compiled model and its scratch memory.
pub struct Model {
    graph: Graph,
    program: Program,
    workspace: Workspace,
}

impl Model {
    /// Compiles `model(b, x)` with the gradient by `b`.
    pub fn compile(problem: &Problem) -> Result<Model, ModelError> {
        let graph = problem.graph()?;
        let options = Options::default().forms(Forms::VALUE_AND_GRAD).wrt(&[0]);
        let program = Program::compile(&graph, &options)?;
        let workspace = program.workspace();
        Ok(Model { graph, program, workspace })
    }

    /// The model at one observation, by native code.
    pub fn value_and_grad(&mut self, b: &[f64], x: &[f64], db: &mut [f64]) -> Result<f64, ModelError> {
        Ok(self.program.value_and_grad(&mut self.workspace, &[b.into(), x.into()], &mut [db.into()])?)
    }

    /// The same by the tape.
    pub fn value_and_grad_by_tape(&self, b: &[f64], x: &[f64], db: &mut [f64]) -> Result<f64, ModelError> {
        let vector = |v: &[f64]| Tensor::<Native>::f64([v.len()], v);
        let inputs = [b, x].into_iter().filter_map(vector).collect();
        let tape = Tape::compile(&self.graph, inputs)?;
        let one = Tensor::<Native>::new([], Data::F64([1.0].into_iter().collect()));
        let wrt: Vec<_> = self.graph.input_values().take(1).collect();
        let gradient = tape.vjp(one.into_iter().collect(), &wrt)?;
        if let Some(elements) = gradient.first().and_then(|(tensor, _)| tensor.as_f64()) {
            db.iter_mut().zip(elements).for_each(|(to, from)| *to = *from);
        }
        let value = tape.outputs().first().and_then(|out| out.to_f64().first().copied());
        Ok(value.unwrap_or(f64::NAN))
    }
}
