//! Compiled programs: their forms, levels, arguments and results.

use super::{Bits, Case, Column, bits, bits32, bits64, floats, types, zeros};
use cotangent::program::{Elements, RunError};
use cotangent::{Arg, ArgMut, Forms, OptLevel, Options, Program, Tier};

/// All forms that need no scalar output.
pub fn vector_forms() -> Forms {
    Forms::FORWARD | Forms::VJP | Forms::REVERSE | Forms::DENSE | Forms::JVP
}

/// Every combination of transformations and code generator.
pub fn levels() -> [Options; 4] {
    let of = |opt, tier| Options::default().opt(opt).tier(tier);
    [
        of(OptLevel::Full, Tier::Full),
        of(OptLevel::Full, Tier::Fast),
        of(OptLevel::None, Tier::Full),
        of(OptLevel::None, Tier::Fast),
    ]
}

impl Column {
    pub fn arg(&self) -> Arg<'_> {
        match self {
            Column::F64(v) => v.into(),
            Column::F32(v) => v.into(),
            Column::I64(v) => v.into(),
            Column::Bool(v) => v.into(),
        }
    }

    pub fn arg_mut(&mut self) -> ArgMut<'_> {
        match self {
            Column::F64(v) => v.into(),
            Column::F32(v) => v.into(),
            Column::I64(v) => v.into(),
            Column::Bool(v) => v.into(),
        }
    }
}

/// Bits of elements of a workspace, NaNs as a class.
pub fn element_bits(elements: Elements<'_>) -> Vec<u64> {
    match elements {
        Elements::F64(v) => v.iter().map(|&x| bits64(x)).collect(),
        Elements::F32(v) => v.iter().map(|&x| bits32(x)).collect(),
        Elements::I64(v) => v.iter().map(|&x| x as u64).collect(),
        Elements::Bool(v) => v.iter().map(|&x| u64::from(x)).collect(),
    }
}

pub fn args(columns: &[Column]) -> Vec<Arg<'_>> {
    columns.iter().map(Column::arg).collect()
}

pub fn args_mut(columns: &mut [Column]) -> Vec<ArgMut<'_>> {
    columns.iter_mut().map(Column::arg_mut).collect()
}

/// Runs the forms of [`vector_forms`]; those that return the same thing must
/// return the same bits.
pub fn run(program: &Program, case: &Case) -> Result<Bits, RunError> {
    let graph = program.graph();
    let mut ws = program.workspace();
    let out_types = types(graph, graph.outputs().iter().copied());
    let seed_types = types(graph, floats(graph, graph.outputs().iter().copied()));
    let wrt_types = types(graph, program.wrt().iter().copied());
    let inputs = args(&case.inputs);

    let (mut outputs, mut gradients) = (zeros(&out_types), zeros(&wrt_types));
    program.forward(&mut ws, &inputs, &mut args_mut(&mut outputs))?;
    program.reverse(&mut ws, &args(&case.seeds), &mut args_mut(&mut gradients))?;

    let (mut again, mut fused) = (zeros(&out_types), zeros(&wrt_types));
    let seeds = args(&case.seeds);
    program.value_and_vjp(&mut ws, &inputs, &seeds, &mut args_mut(&mut again), &mut args_mut(&mut fused))?;
    assert_eq!(bits(&again), bits(&outputs), "value_and_vjp and forward: outputs");
    assert_eq!(bits(&fused), bits(&gradients), "value_and_vjp and reverse: gradients");

    let mut tangents = zeros(&seed_types);
    program.jvp(
        &mut ws,
        &inputs,
        &args(&case.tangents),
        &mut args_mut(&mut again),
        &mut args_mut(&mut tangents),
    )?;
    assert_eq!(bits(&again), bits(&outputs), "jvp and forward: outputs");

    program.forward_dense(&mut ws, &inputs)?;
    for v in floats(graph, graph.values()) {
        program.set_seed(&mut ws, v, case.dense[v.index()].arg())?;
    }
    program.reverse_dense(&mut ws)?;
    let values = graph
        .values()
        .map(|v| program.value(&ws, v).map(element_bits))
        .collect::<Result<Vec<_>, RunError>>()?;
    let dense = floats(graph, graph.values())
        .into_iter()
        .map(|v| program.gradient(&ws, v).map(element_bits))
        .collect::<Result<Vec<_>, RunError>>()?;
    let (outputs, gradients, tangents) = (bits(&outputs), bits(&gradients), bits(&tangents));
    Ok(Bits { outputs, gradients, tangents, values, dense })
}

/// Bits of outputs and gradients by the fused form.
pub fn fused(program: &Program, case: &Case) -> Result<(Vec<Vec<u64>>, Vec<Vec<u64>>), RunError> {
    let graph = program.graph();
    let mut outputs = zeros(&types(graph, graph.outputs().iter().copied()));
    let mut gradients = zeros(&types(graph, program.wrt().iter().copied()));
    program.value_and_vjp(
        &mut program.workspace(),
        &args(&case.inputs),
        &args(&case.seeds),
        &mut args_mut(&mut outputs),
        &mut args_mut(&mut gradients),
    )?;
    Ok((bits(&outputs), bits(&gradients)))
}
