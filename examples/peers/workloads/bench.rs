//! From an authored graph to a call that a meter times.

use super::{Data, Failure};
use cotangent::tape::{Native, Tensor};
use cotangent::{
    Arg, ArgMut, Forms, Graph, Options, Points, PointsMut, Program, Report, Tape, Tier, ValueId, Var,
    jit_with,
};
use std::array::from_fn;
use std::hint::black_box;
use std::time::Instant;

/// What evaluates the graphs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    Compiled(Tier),
    Tape,
}

/// Times calls and keeps what they gave.
pub trait Meter {
    type Timing;

    /// Calls as often as it takes.
    fn time(
        &mut self,
        name: &str,
        call: impl FnMut() -> Result<(), Failure>,
    ) -> Result<Self::Timing, Failure>;

    /// The result of the last call: value, then gradient.
    fn report(
        &mut self,
        name: &str,
        timing: Self::Timing,
        result: &[f64],
        made: &Made,
    ) -> Result<(), Failure>;
}

/// How something callable came about.
pub struct Made {
    /// Milliseconds from the author to something callable.
    pub ms: f64,
    pub note: String,
}

/// Data, what is wanted of them, and who times it.
pub struct Bench<M> {
    pub data: Data,
    /// Prefixes of names, or `name=`; none of them: all.
    pub only: Vec<String>,
    pub engine: Engine,
    pub meter: M,
}

impl<M: Meter> Bench<M> {
    /// Whether a workload is among those named.
    pub fn wants(&self, workload: &str) -> bool {
        let named = |only: &String| match only.strip_suffix('=') {
            Some(exact) => workload == exact,
            None => workload.starts_with(only.as_str()),
        };
        self.only.is_empty() || self.only.iter().any(named)
    }

    /// Whether some workload of a family may be among those named.
    pub fn wants_some(&self, family: &str) -> bool {
        self.only.is_empty()
            || self.only.iter().any(|o| o.starts_with(family) || family.starts_with(o.as_str()))
    }

    /// Value and gradient by the first `W` inputs.
    pub fn gradient<const W: usize, const K: usize>(
        &mut self,
        name: &str,
        inputs: [Arg<'_>; K],
        author: impl FnOnce() -> Result<Graph, Failure>,
    ) -> Result<(), Failure> {
        let tier = match self.engine {
            Engine::Compiled(tier) => tier,
            Engine::Tape => return self.tape(name, &inputs, W, author),
        };
        let wrt: [usize; W] = from_fn(|i| i);
        let options = Options::default().forms(Forms::VALUE_AND_GRAD).tier(tier).wrt(&wrt);
        let (program, made) = prepare(&options, author)?;
        let mut ws = program.workspace();
        let mut gradients: Vec<Gradient> = inputs.iter().take(W).map(Gradient::of).collect();
        let mut outputs: [ArgMut<'_>; W] = fixed(gradients.iter_mut().map(Gradient::output).collect())?;
        let mut value = 0.0;
        let timing = self.meter.time(name, || {
            value = program.value_and_grad(&mut ws, black_box(&inputs), &mut outputs)?;
            Ok(())
        })?;
        let gradient = gradients.iter().flat_map(Gradient::numbers);
        let result: Vec<f64> = std::iter::once(value).chain(gradient).collect();
        self.meter.report(name, timing, &result, &made)
    }

    /// Value and gradient of a function of one array.
    pub fn array<const N: usize>(
        &mut self,
        name: &str,
        x: &[f64; N],
        function: impl for<'b> FnOnce([Var<'b>; N]) -> Var<'b>,
    ) -> Result<(), Failure> {
        let tier = match self.engine {
            Engine::Compiled(tier) => tier,
            Engine::Tape => Tier::default(),
        };
        let start = Instant::now();
        let function = jit_with::<N>(&Options::default().tier(tier), function)?;
        let made = made(start, &function.program().report(), tier);
        if self.engine == Engine::Tape {
            let graph = function.program().graph().clone();
            return self.tape(name, &[x.into()], 1, || Ok(graph));
        }
        let (mut value, mut gradient) = (0.0, [0.0; N]);
        let timing = self.meter.time(name, || {
            value = function.value_and_grad_into(black_box(x), &mut gradient)?;
            Ok(())
        })?;
        let result: Vec<f64> = std::iter::once(value).chain(gradient).collect();
        self.meter.report(name, timing, &result, &made)
    }

    /// The outputs at all records in one call: each input holds as many of what the graph takes as
    /// there are records. The result has all records of the first output, then those of the next.
    pub fn records<const I: usize, const O: usize>(
        &mut self,
        name: &str,
        inputs: [&[f64]; I],
        author: impl FnOnce() -> Result<Graph, Failure>,
    ) -> Result<(), Failure> {
        let tier = match self.engine {
            Engine::Compiled(tier) => tier,
            Engine::Tape => return self.tape(name, &inputs.map(Arg::F64), 0, author),
        };
        let options = Options::default().forms(Forms::FORWARD).tier(tier);
        let start = Instant::now();
        let graph = author()?;
        let lengths = |ids: &mut dyn Iterator<Item = ValueId>| -> Vec<usize> {
            ids.map(|v| graph.ty(v).numel().max(1)).collect()
        };
        let reads: [usize; I] = fixed(lengths(&mut graph.input_values()))?;
        let writes: [usize; O] = fixed(lengths(&mut graph.outputs().iter().copied()))?;
        let records = inputs.iter().zip(reads).map(|(x, n)| x.len() / n).min().unwrap_or(0);
        let mut result = vec![0.0; records * writes.iter().sum::<usize>()];
        let mut rest = &mut result[..];
        let outputs = writes.map(|n| {
            let (own, others) = std::mem::take(&mut rest).split_at_mut(n * records);
            rest = others;
            own
        });
        let (timing, made) = if records == 1 {
            let program = Program::compile(&graph, &options)?;
            let made = made(start, &program.report(), tier);
            let (mut ws, read, mut write) =
                (program.workspace(), inputs.map(Arg::F64), outputs.map(ArgMut::F64));
            (self.meter.time(name, || Ok(program.forward(&mut ws, black_box(&read), &mut write)?))?, made)
        } else {
            let batched = Program::batched(&graph, &options)?;
            let made = made(start, &batched.report(), tier);
            let (mut ws, read, mut write) =
                (batched.workspace(), inputs.map(Points::by_point), outputs.map(PointsMut::by_point));
            let call = || Ok(batched.forward(&mut ws, records, black_box(&read), &mut write)?);
            (self.meter.time(name, call)?, made)
        };
        self.meter.report(name, timing, &result, &made)
    }

    /// Outputs, and the gradient by the first `wrt` inputs, without a code generator: a tape for each record.
    fn tape(
        &mut self,
        name: &str,
        inputs: &[Arg<'_>],
        wrt: usize,
        author: impl FnOnce() -> Result<Graph, Failure>,
    ) -> Result<(), Failure> {
        let start = Instant::now();
        let graph = author()?;
        let made = Made { ms: start.elapsed().as_secs_f64() * 1e3, note: "tape".into() };
        let length = |(v, x): (ValueId, &Arg<'_>)| x.len() / graph.ty(v).numel().max(1);
        let records = graph.input_values().zip(inputs).map(length).min().unwrap_or(0);
        let mut results: Vec<Vec<f64>> = Vec::new();
        let timing = self.meter.time(name, || {
            results.clear();
            for record in 0..records {
                let tensors = graph.input_values().zip(inputs).map(|(v, x)| tensor(&graph, v, x, record));
                let tape =
                    Tape::compile(&graph, tensors.collect::<Option<_>>().ok_or("inputs that do not fit")?)?;
                let mut outputs: Vec<Vec<f64>> = tape.outputs().iter().map(Tensor::to_f64).collect();
                if wrt > 0 {
                    let wrt: Vec<ValueId> = graph.input_values().take(wrt).collect();
                    let one = Tensor::filled(graph.ty(graph.out_id()).clone(), 1.0)?;
                    outputs.extend(tape.vjp(vec![one], &wrt)?.iter().map(|(d, _)| d.to_f64()));
                }
                match record {
                    0 => results = outputs,
                    _ => results.iter_mut().zip(outputs).for_each(|(all, own)| all.extend(own)),
                }
            }
            Ok(())
        })?;
        self.meter.report(name, timing, &results.concat(), &made)
    }
}

/// Room for the gradient by one input.
enum Gradient {
    F64(Vec<f64>),
    F32(Vec<f32>),
}

impl Gradient {
    fn of(input: &Arg<'_>) -> Gradient {
        match input {
            Arg::F32(x) => Gradient::F32(vec![0.0; x.len()]),
            other => Gradient::F64(vec![0.0; other.len()]),
        }
    }

    fn output(&mut self) -> ArgMut<'_> {
        match self {
            Gradient::F64(d) => d.into(),
            Gradient::F32(d) => d.into(),
        }
    }

    fn numbers(&self) -> Vec<f64> {
        match self {
            Gradient::F64(d) => d.clone(),
            Gradient::F32(d) => d.iter().copied().map(f64::from).collect(),
        }
    }
}

/// Parts of an array, one after another.
pub fn parts<T, const N: usize>(mut all: &[T], lengths: [usize; N]) -> [&[T]; N] {
    lengths.map(|n| {
        let (own, rest) = all.split_at(n.min(all.len()));
        all = rest;
        own
    })
}

fn tensor(graph: &Graph, v: ValueId, x: &Arg<'_>, record: usize) -> Option<Tensor<Native>> {
    let ty = graph.ty(v);
    let own = record * ty.numel()..(record + 1) * ty.numel();
    match x {
        Arg::F64(x) => Tensor::f64(ty.shape.clone(), x.get(own)?),
        Arg::F32(x) => Tensor::f32(ty.shape.clone(), x.get(own)?),
        Arg::I64(x) => Tensor::i64(ty.shape.clone(), x.get(own)?),
        Arg::Bool(_) => None,
    }
}

/// Authors a graph and compiles it; the time of both together.
fn prepare(
    options: &Options,
    author: impl FnOnce() -> Result<Graph, Failure>,
) -> Result<(Program, Made), Failure> {
    let start = Instant::now();
    let program = Program::compile(&author()?, options)?;
    let made = made(start, &program.report(), options.tier);
    Ok((program, made))
}

fn made(start: Instant, code: &Report, tier: Tier) -> Made {
    let ms = start.elapsed().as_secs_f64() * 1e3;
    let note = format!(
        "{tier:?} tier, {} functions, {} B of code, {} B workspace",
        code.functions, code.code_bytes, code.workspace_bytes
    );
    Made { ms, note }
}

fn fixed<T, const N: usize>(all: Vec<T>) -> Result<[T; N], Failure> {
    all.try_into().map_err(|_| "another number of inputs or outputs than the workload has".into())
}
