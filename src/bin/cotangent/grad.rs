//! Calls: outputs, value and gradient.

use crate::args::{Engine, GradArgs, RunArgs};
use crate::file::GraphFile;
use crate::message::Failure;
use crate::output::{Named, deliver};
use crate::values;
use cotangent::graph::{GraphError, GraphErrorKind};
use cotangent::tape::{Data, TapeError, Tensor};
use cotangent::{
    Arg, ArgMut, Checked, Connection, Forms, Options, Program, RunError, Tape, ValueId, ValueType,
};

/// A tensor as an argument.
pub fn argument(tensor: &Tensor) -> Arg<'_> {
    match tensor.data() {
        Data::F64(v) => Arg::F64(v),
        Data::F32(v) => Arg::F32(v),
        Data::I64(v) => Arg::I64(v),
        Data::Bool(v) => Arg::Bool(v),
    }
}

/// Tensors as arguments.
pub fn arguments(tensors: &[Tensor]) -> Vec<Arg<'_>> {
    tensors.iter().map(argument).collect()
}

/// Room for a result.
pub enum Room {
    F64(Vec<f64>),
    F32(Vec<f32>),
    I64(Vec<i64>),
    Bool(Vec<bool>),
}

impl Room {
    /// Zeros of a type.
    pub fn new(ty: &ValueType) -> Room {
        let n = ty.numel();
        match ty.dtype {
            cotangent::DType::F64 => Room::F64(vec![0.0; n]),
            cotangent::DType::F32 => Room::F32(vec![0.0; n]),
            cotangent::DType::I64 => Room::I64(vec![0; n]),
            cotangent::DType::Bool => Room::Bool(vec![false; n]),
        }
    }

    /// As an argument to write to.
    pub fn argument(&mut self) -> ArgMut<'_> {
        match self {
            Room::F64(v) => v.into(),
            Room::F32(v) => v.into(),
            Room::I64(v) => v.into(),
            Room::Bool(v) => v.into(),
        }
    }

    fn tensor(self, ty: &ValueType) -> Option<Tensor> {
        let data = match self {
            Room::F64(v) => Data::F64(v.into()),
            Room::F32(v) => Data::F32(v.into()),
            Room::I64(v) => Data::I64(v.into()),
            Room::Bool(v) => Data::Bool(v.into()),
        };
        Tensor::new(ty.shape.clone(), data)
    }
}

/// An error of the tape.
pub fn tape_error(file: &GraphFile, error: &TapeError) -> Failure {
    match error {
        TapeError::Graph(error) => file.graph_error(error),
        other => Failure::run(other),
    }
}

fn options(args: &RunArgs, forms: Forms) -> Options {
    Options::default().forms(forms).checked(if args.checked { Checked::Finite } else { Checked::No })
}

/// A tape at the inputs; with `--checked`, an error where a value is not finite.
fn tape<'f>(file: &'f GraphFile, args: &RunArgs, inputs: Vec<Tensor>) -> Result<Tape<'f>, Failure> {
    let tape = Tape::compile(&file.graph, inputs).map_err(|e| tape_error(file, &e))?;
    match tape.first_nonfinite() {
        Some(found) if args.checked => Err(file.run_error(&RunError::NonFinite(Box::new(found)))),
        _ => Ok(tape),
    }
}

/// `run`
pub fn run(args: &RunArgs) -> Result<(), Failure> {
    let file = GraphFile::read(&args.graph.file, args.graph.single)?;
    let inputs = values::inputs(&file, &args.inputs)?;
    let graph = &file.graph;
    let types: Vec<&ValueType> = graph.outputs().iter().map(|&v| graph.ty(v)).collect();
    let outputs = match args.engine {
        Engine::Tape => tape(&file, args, inputs)?.outputs(),
        Engine::Jit => {
            let program = Program::compile(graph, &options(args, Forms::FORWARD))
                .map_err(|e| file.compile_error(&e))?;
            let mut rooms: Vec<Room> = types.iter().map(|ty| Room::new(ty)).collect();
            let given = arguments(&inputs);
            let mut out: Vec<ArgMut<'_>> = rooms.iter_mut().map(Room::argument).collect();
            program.forward(&mut program.workspace(), &given, &mut out).map_err(|e| file.run_error(&e))?;
            rooms.into_iter().zip(&types).filter_map(|(room, ty)| room.tensor(ty)).collect()
        }
    };
    let named =
        outputs.into_iter().enumerate().map(|(i, tensor)| Named { name: format!("output{i}"), tensor });
    deliver(&named.collect::<Vec<_>>(), args.out.out.as_deref())
}

/// `grad`
pub fn grad(args: &GradArgs) -> Result<(), Failure> {
    let file = GraphFile::read(&args.run.graph.file, args.run.graph.single)?;
    let inputs = values::inputs(&file, &args.run.inputs)?;
    let graph = &file.graph;
    let wrt: Vec<ValueId> = match args.wrt.is_empty() {
        true => graph.input_values().filter(|&v| graph.ty(v).dtype.is_float()).collect(),
        false => args.wrt.iter().map(|name| file.input(name)).collect::<Result<_, _>>()?,
    };
    let positions: Vec<usize> = wrt.iter().map(|v| v.index()).collect();
    // Compiling says what is wrong with the request, whoever computes.
    let options = options(&args.run, Forms::VALUE_AND_GRAD).wrt(&positions);
    let program = Program::compile(graph, &options).map_err(|e| file.compile_error(&e))?;
    let output = *graph
        .outputs()
        .first()
        .ok_or_else(|| file.graph_error(&GraphError::from(GraphErrorKind::OneOutput { got: 0 })))?;
    let (value, gradients) = match args.run.engine {
        Engine::Tape => {
            let tape = tape(&file, &args.run, inputs)?;
            let one = Tensor::filled(graph.ty(output).clone(), 1.0).map_err(Failure::run)?;
            if args.run.checked
                && let Some(found) = tape
                    .first_nonfinite_gradient(vec![one.clone()], &wrt)
                    .map_err(|e| tape_error(&file, &e))?
            {
                return Err(file.run_error(&RunError::NonFinite(Box::new(found))));
            }
            let gradients = tape.vjp(vec![one], &wrt).map_err(|e| tape_error(&file, &e))?;
            let value =
                tape.value(output).map_or(f64::NAN, |t| t.to_f64().first().copied().unwrap_or(f64::NAN));
            (value, gradients.into_iter().map(|(tensor, _)| tensor).collect::<Vec<_>>())
        }
        Engine::Jit => {
            let mut rooms: Vec<Room> = wrt.iter().map(|&v| Room::new(graph.ty(v))).collect();
            let given = arguments(&inputs);
            let mut out: Vec<ArgMut<'_>> = rooms.iter_mut().map(Room::argument).collect();
            let value = program
                .value_and_grad(&mut program.workspace(), &given, &mut out)
                .map_err(|e| file.run_error(&e))?;
            let pairs = rooms.into_iter().zip(&wrt);
            (value, pairs.filter_map(|(room, &v)| room.tensor(graph.ty(v))).collect())
        }
    };
    let mut room = Room::new(graph.ty(output));
    match &mut room {
        Room::F64(v) => v.fill(value),
        Room::F32(v) => v.fill(value as f32),
        Room::I64(_) | Room::Bool(_) => {}
    }
    let mut named = Vec::with_capacity(1 + wrt.len());
    if let Some(tensor) = room.tensor(graph.ty(output)) {
        named.push(Named { name: "value".into(), tensor });
    }
    for ((&v, tensor), connection) in wrt.iter().zip(gradients).zip(program.connections()) {
        let name = match graph.inputs().get(v.index()) {
            Some(input) if !input.name.is_empty() => input.name.to_string(),
            _ => v.to_string(),
        };
        if *connection != Connection::Connected {
            let why = match connection {
                Connection::ZeroByRule => "its gradient is zero by rule",
                _ => "the output does not depend on it",
            };
            eprintln!("note: input {name}: {why}");
        }
        named.push(Named { name: format!("grad.{name}"), tensor });
    }
    deliver(&named, args.run.out.out.as_deref())
}
