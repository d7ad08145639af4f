//! Compiling the forms of a batch: rows of lanes where that is possible.

use crate::derive::{self, Seeds};
use crate::graph::{Graph, ValueId, ValueType};
use crate::jit::{self, PointsCode, Vector};
use crate::lower::plan::Place;
use crate::lower::points::{self, Row};
use crate::lower::{self, Limits, Lowering};
use crate::program::build::{Function, Functions, externals};
use crate::program::error::{CompileError, Role};
use crate::program::options::{Checked, Checks, Forms, OptLevel, Options};
use crate::program::report::Stages;

/// Scalar operations of one point that are still unrolled.
const UNROLL: usize = 20_000;

/// What a batch can do, each a form of a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Forward,
    ValueAndGrad,
    Vjp,
    Jvp,
}

impl Form {
    pub const ALL: [Form; 4] = [Form::Forward, Form::ValueAndGrad, Form::Vjp, Form::Jvp];

    pub fn flag(self) -> Forms {
        match self {
            Form::Forward => Forms::FORWARD,
            Form::ValueAndGrad => Forms::VALUE_AND_GRAD,
            Form::Vjp => Forms::VJP,
            Form::Jvp => Forms::JVP,
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Form::Forward => "Forms::FORWARD",
            Form::ValueAndGrad => "Forms::VALUE_AND_GRAD",
            Form::Vjp => "Forms::VJP",
            Form::Jvp => "Forms::JVP",
        }
    }

    /// What follows inputs and outputs.
    pub fn roles(self) -> [Role; 2] {
        match self {
            Form::Jvp => [Role::Tangent, Role::Tangent],
            _ => [Role::Seed, Role::Gradient],
        }
    }

    /// The function of a program that does it.
    pub fn function(self, of: &Functions) -> Option<&Function> {
        match self {
            Form::Forward => of.forward.as_ref(),
            Form::ValueAndGrad => of.value_and_grad.as_ref(),
            Form::Vjp => of.vjp.as_ref(),
            Form::Jvp => of.jvp.as_ref(),
        }
    }

    /// Its graph.
    fn derive(self, graph: &Graph, wrt: &[ValueId]) -> Result<Graph, CompileError> {
        Ok(match self {
            Form::Forward => graph.clone(),
            Form::ValueAndGrad => derive::traced_value_and_grad(graph, wrt, Seeds::One)?.graph,
            Form::Vjp => derive::traced_value_and_grad(graph, wrt, Seeds::Outputs)?.graph,
            Form::Jvp => derive::traced_jvp(graph, wrt)?.graph,
        })
    }
}

/// Code over rows, and where the arguments are there.
pub(super) struct Lanes {
    pub code: PointsCode,
    pub inputs: Vec<Option<Row>>,
    pub outputs: Vec<Row>,
    pub stages: Stages,
}

/// One form.
pub(super) struct Batch {
    pub form: Form,
    pub inputs: Vec<ValueType>,
    pub outputs: Vec<ValueType>,
    /// Byte offsets of places for the arguments of one point, side by side; the last is their end.
    pub places: Vec<usize>,
    /// `None` where a program does the points one by one.
    pub lanes: Option<Lanes>,
}

impl Batch {
    pub fn compile(
        form: Form,
        graph: &Graph,
        wrt: &[ValueId],
        options: &Options,
    ) -> Result<Batch, CompileError> {
        let mut stages = Stages::default();
        let derived = stages.derive.run(|| form.derive(graph, wrt))?;
        stages.derive.made = derived.nodes().len();
        let types = |ids: &mut dyn Iterator<Item = ValueId>| ids.map(|v| derived.ty(v).clone()).collect();
        let inputs: Vec<ValueType> = types(&mut derived.input_values());
        let outputs: Vec<ValueType> = types(&mut derived.outputs().iter().copied());
        let mut places = vec![0usize];
        for ty in inputs.iter().chain(&outputs) {
            let end = places[places.len() - 1].saturating_add(ty.numel().saturating_mul(ty.dtype.size()));
            places.push(end.saturating_add(7) & !7);
        }
        // Where every value is looked at the program for one point does it.
        let vector = Vector::widest(options.width).filter(|_| options.checked == Checked::No);
        let lanes = match vector {
            Some(vector) => lanes(&derived, vector, options, stages)?,
            None => None,
        };
        Ok(Batch { form, inputs, outputs, places, lanes })
    }

    /// Bytes that a thread needs for it: rows, or a place for each argument.
    pub fn scratch(&self) -> usize {
        match &self.lanes {
            Some(lanes) => lanes.code.workspace(),
            None => self.places[self.places.len() - 1],
        }
    }
}

/// Code over rows, if the graph is straight-line code of one type of number.
fn lanes(
    graph: &Graph,
    vector: Vector,
    options: &Options,
    mut stages: Stages,
) -> Result<Option<Lanes>, CompileError> {
    let how = Lowering {
        simplify: options.opt == OptLevel::Full,
        roll: 0,
        limits: Limits { unroll: UNROLL, fuse: true, points: true, block: 0 },
        check: options.checks == Checks::On,
    };
    let inputs = externals(graph.inputs().len(), Place::Input);
    let outputs = externals(graph.outputs().len(), Place::Output);
    let plan = lower::lower(graph, graph.outputs(), &inputs, &outputs, how, &mut stages)?;
    let Some(block) = points::block(&plan)? else { return Ok(None) };
    let Some(code) = jit::compile_points(&block, vector, options, &mut stages)? else { return Ok(None) };
    if code.workspace() > options.max_workspace {
        let (bytes, limit) = (code.workspace(), options.max_workspace);
        return Err(CompileError::WorkspaceTooLarge { bytes, limit });
    }
    Ok(Some(Lanes { code, inputs: block.inputs, outputs: block.outputs, stages }))
}
