//! The tape against compiled code.

use crate::args::{BenchArgs, Form};
use crate::file::GraphFile;
use crate::grad::{Room, argument, tape_error};
use crate::message::{Failure, progress};
use crate::output::print;
use crate::show::forms;
use crate::values;
use cotangent::tape::Tensor;
use cotangent::{Arg, ArgMut, Options, Program, Tape, Tier, ValueId};
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
    if !matches!(form, Form::Forward | Form::ValueAndGrad) {
        return Err(Failure::usage("bench times --form forward and --form value-and-grad"));
    }
    let name = if form == Form::Forward { "forward" } else { "value and gradient" };
    let bar = progress(3 * args.rounds as u64, "timing");
    let step = || bar.inc(1);
    let wrt: Vec<ValueId> = graph.input_values().filter(|&v| graph.ty(v).dtype.is_float()).collect();

    let mut rows = vec![["".to_string(), "compile".into(), "per call".into(), "against tape".into()]];
    let by_tape = per_call(args.rounds, &step, &mut || {
        let tape: Tape<'_> = Tape::compile(graph, inputs.clone()).map_err(|e| tape_error(&file, &e))?;
        if form == Form::ValueAndGrad {
            let one = Tensor::filled(graph.ty(graph.outputs()[0]).clone(), 1.0).map_err(Failure::run)?;
            black_box(tape.vjp(vec![one], &wrt).map_err(|e| tape_error(&file, &e))?);
        }
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
        let results: Vec<ValueId> =
            if form == Form::Forward { graph.outputs().to_vec() } else { wrt.clone() };
        let mut rooms: Vec<Room> = results.iter().map(|&v| Room::new(graph.ty(v))).collect();
        let given: Vec<Arg<'_>> = inputs.iter().map(argument).collect();
        let mut out: Vec<ArgMut<'_>> = rooms.iter_mut().map(Room::argument).collect();
        let mut ws = program.workspace();
        let by_code = per_call(args.rounds, &step, &mut || {
            let called = match form {
                Form::Forward => program.forward(&mut ws, &given, &mut out),
                _ => program.value_and_grad(&mut ws, &given, &mut out).map(|value| _ = black_box(value)),
            };
            called.map_err(|e| file.run_error(&e))
        })?;
        let times = format!("{:.2} ms", median(times) / 1e6);
        rows.push([label.into(), times, nice(by_code), format!("{:.1}", by_tape / by_code)]);
    }
    bar.finish_and_clear();
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
