//! The tape against compiled code.

use crate::args::{BenchArgs, Form};
use crate::file::GraphFile;
use crate::grad::{Room, argument, arguments, tape_error};
use crate::message::{Failure, progress};
use crate::output::print;
use crate::show::forms;
use crate::values;
use cotangent::tape::Tensor;
use cotangent::{ArgMut, Graph, Options, Program, Tape, Tier, ValueId};
use std::hint::black_box;
use std::time::{Duration, Instant};

/// Time that one round of calls takes at least.
const ROUND: Duration = Duration::from_millis(4);
/// Compilations, of which the median counts.
const COMPILES: usize = 5;

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times.get(times.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Nanoseconds per call: the median of rounds, each long enough to be timed.
fn per_call(
    rounds: usize,
    step: &dyn Fn(),
    call: &mut dyn FnMut() -> Result<(), Failure>,
) -> Result<f64, Failure> {
    let mut calls = 1u32;
    loop {
        let start = Instant::now();
        for _ in 0..calls {
            call()?;
        }
        if start.elapsed() >= ROUND || calls > 1 << 28 {
            break;
        }
        calls *= 2;
    }
    let mut times = Vec::with_capacity(rounds);
    for _ in 0..rounds {
        let start = Instant::now();
        for _ in 0..calls {
            call()?;
        }
        times.push(start.elapsed().as_nanos() as f64 / f64::from(calls));
        step();
    }
    Ok(median(times))
}

/// A time in the unit that suits it.
fn nice(nanoseconds: f64) -> String {
    match nanoseconds {
        t if t < 1e4 => format!("{t:.1} ns"),
        t if t < 1e7 => format!("{:.1} us", t / 1e3),
        t => format!("{:.1} ms", t / 1e6),
    }
}

fn one(graph: &Graph, v: ValueId) -> Result<Tensor, Failure> {
    Tensor::filled(graph.ty(v).clone(), 1.0).map_err(Failure::run)
}

/// Seeds or tangents of float values: all elements are 1.
fn ones(graph: &Graph, values: &[ValueId]) -> Result<Vec<Tensor>, Failure> {
    values.iter().map(|&v| one(graph, v)).collect()
}

/// The same of any values, where they are floats.
fn maybe(graph: &Graph, values: &mut dyn Iterator<Item = ValueId>) -> Result<Vec<Option<Tensor>>, Failure> {
    values.map(|v| graph.ty(v).dtype.is_float().then(|| one(graph, v)).transpose()).collect()
}

fn rooms(graph: &Graph, values: &[ValueId]) -> Vec<Room> {
    values.iter().map(|&v| Room::new(graph.ty(v))).collect()
}

/// `bench`
pub fn bench(args: &BenchArgs) -> Result<(), Failure> {
    let file = GraphFile::read(&args.graph.file, args.graph.single)?;
    let inputs = values::inputs(&file, &args.inputs)?;
    let graph = &file.graph;
    let scalar = match graph.outputs() {
        [out] => graph.ty(*out).numel() == 1 && graph.ty(*out).dtype.is_float(),
        _ => false,
    };
    let form = args.form.unwrap_or(if scalar { Form::ValueAndGrad } else { Form::Forward });
    let bar = progress(3 * args.rounds as u64, "timing");
    let step = || bar.inc(1);
    let floats = |values: &mut dyn Iterator<Item = ValueId>| -> Vec<ValueId> {
        values.filter(|&v| graph.ty(v).dtype.is_float()).collect()
    };
    let (wrt, seeded) = (floats(&mut graph.input_values()), floats(&mut graph.outputs().iter().copied()));

    let mut rows = vec![["".to_string(), "compile".into(), "per call".into(), "against tape".into()]];
    let by_tape = per_call(args.rounds, &step, &mut || {
        let tape: Tape<'_> = Tape::compile(graph, inputs.clone()).map_err(|e| tape_error(&file, &e))?;
        let differentiated = match form {
            Form::Forward => Ok(()),
            Form::ValueAndGrad | Form::Vjp => tape.vjp(ones(graph, &seeded)?, &wrt).map(|d| _ = black_box(d)),
            Form::Jvp => tape.jvp(maybe(graph, &mut graph.input_values())?).map(|d| _ = black_box(d)),
            Form::Dense => {
                tape.backward_dense_from(maybe(graph, &mut graph.values())?).map(|d| _ = black_box(d))
            }
        };
        differentiated.map_err(|e| tape_error(&file, &e))?;
        black_box(tape.outputs());
        Ok(())
    })?;
    rows.push(["tape".into(), "".into(), nice(by_tape), "1.0".into()]);
    for (tier, label) in [(Tier::Fast, "compiled, fast tier"), (Tier::Full, "compiled, full tier")] {
        let options = Options::default().forms(forms(form)).tier(tier);
        let compile = || Program::compile(graph, &options).map_err(|e| file.compile_error(&e));
        let program = compile()?;
        let mut times = Vec::with_capacity(COMPILES);
        for _ in 0..COMPILES {
            let start = Instant::now();
            black_box(compile()?);
            times.push(start.elapsed().as_nanos() as f64);
        }
        let mut rooms = rooms(graph, graph.outputs());
        let mut outputs: Vec<ArgMut<'_>> = rooms.iter_mut().map(Room::argument).collect();
        let derived = if form == Form::Jvp { &seeded } else { &wrt };
        let mut rooms = self::rooms(graph, derived);
        let mut derivatives: Vec<ArgMut<'_>> = rooms.iter_mut().map(Room::argument).collect();
        let (seeds, tangents) = (ones(graph, &seeded)?, ones(graph, &wrt)?);
        let (given, seeds, tangents) = (arguments(&inputs), arguments(&seeds), arguments(&tangents));
        let mut ws = program.workspace();
        if form == Form::Dense {
            let all = floats(&mut graph.values());
            for (&v, seed) in all.iter().zip(&ones(graph, &all)?) {
                program.set_seed(&mut ws, v, argument(seed)).map_err(|e| file.run_error(&e))?;
            }
        }
        let by_code = per_call(args.rounds, &step, &mut || {
            let (ws, outputs, derivatives) = (&mut ws, &mut outputs, &mut derivatives);
            let called = match form {
                Form::Forward => program.forward(ws, &given, outputs),
                Form::ValueAndGrad => {
                    program.value_and_grad(ws, &given, derivatives).map(|value| _ = black_box(value))
                }
                Form::Vjp => program.value_and_vjp(ws, &given, &seeds, outputs, derivatives),
                Form::Jvp => program.jvp(ws, &given, &tangents, outputs, derivatives),
                Form::Dense => program.forward_dense(ws, &given).and_then(|()| program.reverse_dense(ws)),
            };
            called.map_err(|e| file.run_error(&e))
        })?;
        let times = format!("{:.2} ms", median(times) / 1e6);
        rows.push([label.into(), times, nice(by_code), format!("{:.1}", by_tape / by_code)]);
    }
    bar.finish_and_clear();
    let name = match form {
        Form::Forward => "forward",
        Form::ValueAndGrad => "value and gradient",
        Form::Vjp => "outputs and vector-Jacobian product",
        Form::Jvp => "outputs and Jacobian-vector product",
        Form::Dense => "every value and its gradient",
    };
    let mut text = format!("{name}, medians of {} rounds\n", args.rounds);
    let width = |c: usize| rows.iter().map(|row| row[c].len()).max().unwrap_or(0);
    let widths: [usize; 4] = std::array::from_fn(width);
    for row in &rows {
        let [a, b, c, d] = row;
        let [w0, w1, w2, w3] = widths;
        text += &format!("{a:<w0$}  {b:>w1$}  {c:>w2$}  {d:>w3$}\n");
    }
    print(&text)
}
