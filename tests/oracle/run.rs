//! The same case on the tape and in compiled code.

use crate::case::{Array, Case, Data, Failure};
use crate::ops::Discrete;
use cotangent::derive::{self, Seeds};
use cotangent::tape::{Tape, Tensor};
use cotangent::{Arg, ArgMut, Forms, Graph, Options, Program, ValueId};

/// Numbers by output (outputs, jvp) or by differentiable input (vjp, hvp).
pub struct Answer {
    pub outputs: Vec<Vec<f64>>,
    pub vjp: Vec<Vec<f64>>,
    pub jvp: Vec<Vec<f64>>,
}

fn tensor(array: &Array) -> Result<Tensor, Failure> {
    let shape = array.shape.clone();
    let made = match &array.data {
        Data::F64(v) => Tensor::f64(shape, v),
        Data::I64(v) => Tensor::i64(shape, v),
        Data::Bool(v) => Tensor::bool(shape, v),
    };
    Ok(made.ok_or("elements do not fill the shape")?)
}

fn arg(array: &Array) -> Arg<'_> {
    match &array.data {
        Data::F64(v) => v.into(),
        Data::I64(v) => v.into(),
        Data::Bool(v) => Arg::Bool(v),
    }
}

/// The inputs that the graph of a case has.
fn held(case: &Case, discrete: Discrete) -> Vec<usize> {
    let all = 0..case.inputs.len();
    all.filter(|&i| discrete == Discrete::Input || matches!(case.inputs[i].array.data, Data::F64(_)))
        .collect()
}

/// Positions, among the graph's inputs, of those that carry a derivative.
fn wrt(case: &Case, discrete: Discrete) -> Vec<usize> {
    let held = held(case, discrete);
    (0..held.len()).filter(|&i| case.inputs[held[i]].differentiable).collect()
}

fn tensors(case: &Case, discrete: Discrete) -> Result<Vec<Tensor>, Failure> {
    held(case, discrete).iter().map(|&i| tensor(&case.inputs[i].array)).collect()
}

fn tangents(case: &Case, discrete: Discrete) -> Result<Vec<Option<Tensor>>, Failure> {
    held(case, discrete).iter().map(|&i| case.tangent[i].as_ref().map(tensor).transpose()).collect()
}

fn ids(positions: &[usize]) -> Vec<ValueId> {
    positions.iter().map(|&i| ValueId::new(i as u32)).collect()
}

/// Tangents of the outputs: zeros where nothing flows.
fn output_tangents(tape: &Tape<'_>, seeds: Vec<Option<Tensor>>) -> Result<Vec<Vec<f64>>, Failure> {
    let graph = tape.graph();
    let all = tape.jvp(seeds)?;
    let of = |&o: &ValueId| match &all[o.index()] {
        Some(t) => t.to_f64(),
        None => vec![0.0; graph.shape(o).numel()],
    };
    Ok(graph.outputs().iter().map(of).collect())
}

pub fn tape(case: &Case, graph: &Graph, discrete: Discrete) -> Result<Answer, Failure> {
    let tape = Tape::compile(graph, tensors(case, discrete)?)?;
    let seeds = case.cotangent.iter().map(tensor).collect::<Result<_, _>>()?;
    let vjp = tape.vjp(seeds, &ids(&wrt(case, discrete)))?;
    Ok(Answer {
        outputs: tape.outputs().iter().map(Tensor::to_f64).collect(),
        vjp: vjp.iter().map(|(t, _)| t.to_f64()).collect(),
        jvp: output_tangents(&tape, tangents(case, discrete)?)?,
    })
}

/// Room for results with the lengths of `like`, filled with a number that no
/// result should keep.
fn room(like: &[Vec<f64>]) -> Vec<Vec<f64>> {
    like.iter().map(|v| vec![f64::from_bits(0x5555_5555_5555_5555); v.len()]).collect()
}

fn writable(v: &mut [Vec<f64>]) -> Vec<ArgMut<'_>> {
    v.iter_mut().map(|v| v.into()).collect()
}

/// What compiled code says, in two ways: fused calls, and forward then reverse.
pub fn jit(
    case: &Case,
    graph: &Graph,
    discrete: Discrete,
    options: &Options,
    like: &Answer,
) -> Result<[Answer; 2], Failure> {
    let forms = Forms::FORWARD | Forms::REVERSE | Forms::VJP | Forms::JVP;
    let positions = wrt(case, discrete);
    let program = Program::compile(graph, &options.clone().forms(forms).wrt(&positions))?;
    let mut ws = program.workspace();
    let held = held(case, discrete);
    let inputs: Vec<Arg<'_>> = held.iter().map(|&i| arg(&case.inputs[i].array)).collect();
    let seeds: Vec<Arg<'_>> = case.cotangent.iter().map(arg).collect();
    let moves: Vec<Arg<'_>> =
        positions.iter().filter_map(|&i| case.tangent[held[i]].as_ref().map(arg)).collect();
    let empty = || Answer { outputs: room(&like.outputs), vjp: room(&like.vjp), jvp: room(&like.jvp) };
    let (mut fused, mut split) = (empty(), empty());

    program.value_and_vjp(
        &mut ws,
        &inputs,
        &seeds,
        &mut writable(&mut fused.outputs),
        &mut writable(&mut fused.vjp),
    )?;
    program.forward(&mut ws, &inputs, &mut writable(&mut split.outputs))?;
    program.reverse(&mut ws, &seeds, &mut writable(&mut split.vjp))?;
    let mut again = room(&like.outputs);
    program.jvp(&mut ws, &inputs, &moves, &mut writable(&mut again), &mut writable(&mut fused.jvp))?;
    if !same_bits(&again, &fused.outputs) {
        return Err("outputs of the jvp form differ from those of the vjp form".into());
    }
    split.jvp.clone_from(&fused.jvp);
    Ok([fused, split])
}

/// Forward over reverse: tangents of the gradients while the seeds stand still,
/// on the tape and in compiled code.
pub fn hvp(case: &Case, graph: &Graph, discrete: Discrete) -> Result<[Vec<Vec<f64>>; 2], Failure> {
    let positions = wrt(case, discrete);
    let (both, _) = derive::value_and_grad(graph, &ids(&positions), Seeds::Outputs)?;
    let gradients = both.outputs()[graph.outputs().len()..].to_vec();
    let both = both.with_outputs(&gradients)?;

    let mut values = tensors(case, discrete)?;
    let mut moves = tangents(case, discrete)?;
    for seed in &case.cotangent {
        values.push(tensor(seed)?);
        moves.push(None);
    }
    let tape = Tape::compile(&both, values)?;
    let on_tape = output_tangents(&tape, moves)?;

    let held = held(case, discrete);
    let mut inputs: Vec<Arg<'_>> = held.iter().map(|&i| arg(&case.inputs[i].array)).collect();
    inputs.extend(case.cotangent.iter().map(arg));
    let moves: Vec<Arg<'_>> =
        positions.iter().filter_map(|&i| case.tangent[held[i]].as_ref().map(arg)).collect();
    let program = Program::compile(&both, &Options::default().forms(Forms::JVP).wrt(&positions))?;
    let mut ws = program.workspace();
    let (mut grads, mut out) = (room(&on_tape), room(&on_tape));
    program.jvp(&mut ws, &inputs, &moves, &mut writable(&mut grads), &mut writable(&mut out))?;
    Ok([on_tape, out])
}

/// NaNs compare as a class, everything else by bits.
pub fn same_bits(a: &[Vec<f64>], b: &[Vec<f64>]) -> bool {
    let same = |x: &f64, y: &f64| x.to_bits() == y.to_bits() || (x.is_nan() && y.is_nan());
    a.len() == b.len()
        && a.iter().zip(b).all(|(a, b)| a.len() == b.len() && a.iter().zip(b).all(|(x, y)| same(x, y)))
}
