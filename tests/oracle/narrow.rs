//! Smooth cases in f32: value, VJP and JVP against the f64 tape at the same f32 inputs,
//! within the multiples of eps of the f64 cases, wherever results are in the range of
//! f32; compiled code against the f32 tape, bit for bit.

use crate::case::{self, Array, Case, Data, Failure, Kind};
use crate::judge;
use crate::ops::{self, Discrete};
use cotangent::tape::{self, Tape, Tensor};
use cotangent::{Arg, ArgMut, DType, Forms, Graph, OptLevel, Options, Program, Tier, ValueId};

/// Cases that need a step outside the range or precision of f32, by op, with the reason.
const EXCEPT: &[(&str, &str)] = &[];

/// Numbers of one case: outputs, gradients, tangents.
struct Numbers {
    lists: [(&'static str, Vec<Tensor>); 3],
}

fn rounded(array: &Array, dtype: DType) -> Result<Tensor, Failure> {
    let shape = array.shape.clone();
    let made = match &array.data {
        Data::F64(v) => {
            let narrow: Vec<f32> = v.iter().map(|&x| x as f32).collect();
            match dtype {
                DType::F32 => Tensor::f32(shape, &narrow),
                _ => Tensor::f64(shape, &narrow.iter().map(|&x| f64::from(x)).collect::<Vec<_>>()),
            }
        }
        Data::I64(v) => Tensor::i64(shape, v),
        Data::Bool(v) => Tensor::bool(shape, v),
    };
    Ok(made.ok_or("elements do not fill the shape")?)
}

fn wrt(case: &Case) -> Vec<usize> {
    (0..case.inputs.len()).filter(|&i| case.inputs[i].differentiable).collect()
}

fn on_tape(case: &Case, graph: &Graph, dtype: DType) -> Result<Numbers, Failure> {
    let inputs = case.inputs.iter().map(|i| rounded(&i.array, dtype)).collect::<Result<_, _>>()?;
    let tape = Tape::compile(graph, inputs)?;
    let seeds = case.cotangent.iter().map(|c| rounded(c, dtype)).collect::<Result<_, _>>()?;
    let ids: Vec<ValueId> = wrt(case).iter().map(|&i| ValueId::new(i as u32)).collect();
    let gradients = tape.vjp(seeds, &ids)?.into_iter().map(|g| g.0).collect();
    let moves = case.tangent.iter().map(|t| t.as_ref().map(|t| rounded(t, dtype)).transpose());
    let all = tape.jvp(moves.collect::<Result<_, _>>()?)?;
    let tangent = |&o: &ValueId| match &all[o.index()] {
        Some(t) => Ok(t.clone()),
        None => Tensor::filled(graph.ty(o).clone(), 0.0),
    };
    let tangents = graph.outputs().iter().map(tangent).collect::<Result<_, _>>()?;
    Ok(Numbers { lists: [("output", tape.outputs()), ("vjp", gradients), ("jvp", tangents)] })
}

fn narrow(tensor: &Tensor) -> Vec<f32> {
    tensor.as_f32().map(<[f32]>::to_vec).unwrap_or_default()
}

fn arg(tensor: &Tensor) -> Arg<'_> {
    match tensor.data() {
        tape::Data::F64(v) => Arg::F64(v),
        tape::Data::F32(v) => Arg::F32(v),
        tape::Data::I64(v) => Arg::I64(v),
        tape::Data::Bool(v) => Arg::Bool(v),
    }
}

/// Where compiled code has other bits than the tape.
fn compiled(case: &Case, graph: &Graph, tape: &Numbers) -> Result<Vec<String>, Failure> {
    let of = |array: &Array| rounded(array, DType::F32);
    let inputs = case.inputs.iter().map(|i| of(&i.array)).collect::<Result<Vec<_>, _>>()?;
    let seeds = case.cotangent.iter().map(of).collect::<Result<Vec<_>, _>>()?;
    let wrt = wrt(case);
    let moves: Vec<Tensor> =
        wrt.iter().filter_map(|&i| case.tangent[i].as_ref().map(of)).collect::<Result<_, _>>()?;
    let mut wrong = Vec::new();
    for options in [Options::default(), Options::default().unroll(0).tier(Tier::Fast).opt(OptLevel::None)] {
        let options = options.forms(Forms::VJP | Forms::JVP).wrt(&wrt);
        let program = Program::compile(graph, &options)?;
        let mut ws = program.workspace();
        let room = |i: usize| -> Vec<Vec<f32>> {
            tape.lists[i].1.iter().map(|t| vec![0.0; t.ty().numel()]).collect()
        };
        let (mut outputs, mut gradients, mut tangents, mut again) = (room(0), room(1), room(2), room(0));
        fn slots(v: &mut [Vec<f32>]) -> Vec<ArgMut<'_>> {
            v.iter_mut().map(|v| v.into()).collect()
        }
        let given: Vec<Arg<'_>> = inputs.iter().map(arg).collect();
        let seeds: Vec<Arg<'_>> = seeds.iter().map(arg).collect();
        let moves: Vec<Arg<'_>> = moves.iter().map(arg).collect();
        program.value_and_vjp(
            &mut ws,
            &given,
            &seeds,
            &mut slots(&mut outputs),
            &mut slots(&mut gradients),
        )?;
        program.jvp(&mut ws, &given, &moves, &mut slots(&mut again), &mut slots(&mut tangents))?;
        for ((name, tape), jit) in tape.lists.iter().zip([outputs, gradients, tangents]) {
            let same = |x: &f32, y: &f32| x.to_bits() == y.to_bits() || (x.is_nan() && y.is_nan());
            let tape: Vec<f32> = tape.iter().flat_map(narrow).collect();
            if !jit.iter().flatten().zip(&tape).all(|(a, b)| same(a, b)) {
                wrong.push(format!("{name}: compiled {jit:?} but tape {tape:?}"));
            }
        }
    }
    Ok(wrong)
}

/// Whether a number has full precision in f32, or is 0.
fn in_range(x: f64) -> bool {
    x == 0.0 || (x.abs() <= f64::from(f32::MAX) && x.abs() >= f64::from(f32::MIN_POSITIVE))
}

/// What is off, and how many elements were compared.
fn judged(case: &Case, wide: &Numbers, single: &Numbers) -> (Vec<String>, usize) {
    let k = judge::factor(case);
    let (mut wrong, mut compared) = (Vec::new(), 0);
    for ((name, wide), (_, single)) in wide.lists.iter().zip(&single.lists) {
        for (i, (wide, single)) in wide.iter().zip(single).enumerate() {
            let (want, got) = (wide.to_f64(), single.to_f64());
            if !want.iter().all(|&x| in_range(x)) {
                continue;
            }
            let size = want.iter().fold(0.0f64, |m, x| m.max(x.abs()));
            let allowed = k * f64::from(f32::EPSILON) * size;
            compared += want.len();
            if let Some(at) = want.iter().zip(&got).position(|(w, g)| (w - g).abs() > allowed || g.is_nan()) {
                let off = (want[at] - got[at]).abs() / (f64::from(f32::EPSILON) * size);
                wrong.push(format!(
                    "{name} {i}[{at}] {:e} for {:e}: {off:.1} eps, allowed {k}",
                    got[at], want[at]
                ));
            }
        }
    }
    (wrong, compared)
}

#[test]
fn narrow_programs_agree_with_the_wide_tape() -> Result<(), Failure> {
    let (mut cases, mut elements, mut failed, mut excused) = (0, 0, 0, 0);
    for case in case::read(&crate::path())?.iter().filter(|case| case.kind == Kind::Smooth) {
        let Some(single) = ops::graph_in(case, Discrete::Input, DType::F32)? else { continue };
        let Some(wide) = ops::graph(case, Discrete::Input)? else { continue };
        let on_wide = on_tape(case, &wide, DType::F64)?;
        let on_single = on_tape(case, &single, DType::F32)?;
        let (mut wrong, compared) = judged(case, &on_wide, &on_single);
        cases += 1;
        elements += compared;
        if !wrong.is_empty() && EXCEPT.iter().any(|e| e.0 == case.id || e.0 == case.op) {
            excused += 1;
            wrong.clear();
        }
        wrong.extend(compiled(case, &single, &on_single)?);
        if !wrong.is_empty() {
            failed += 1;
            println!("f32 {} {}: {}", case.id, case.tags.join(" "), wrong.join("; "));
        }
    }
    println!("f32: {cases} cases, {elements} elements compared, {failed} failed, {excused} excused");
    assert!(cases > 0 && failed == 0, "{failed} of {cases} failed");
    Ok(())
}
