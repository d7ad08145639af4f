//! Training, on compiled code and on the tape side by side.

use crate::Failure;
use crate::model::{Column, Model};
use cotangent::optim::{Optimizer, Real, clip_by_norm};
use cotangent::tape::Tensor;
use cotangent::{Arg, ArgMut, DType, Options, Program, Tape, ValueId, Workspace};
use std::time::{Duration, Instant};

/// An element type that graphs, programs, tapes and optimisers share.
pub trait Element: Real + PartialEq {
    const DTYPE: DType;
    fn arg(v: &[Self]) -> Arg<'_>;
    fn arg_mut(v: &mut [Self]) -> ArgMut<'_>;
    fn tensor(shape: &[usize], v: &[Self]) -> Option<Tensor>;
    fn elements(tensor: &Tensor) -> Option<&[Self]>;
    /// Bits, the same for every NaN.
    fn bits(self) -> u64;
}

macro_rules! element {
    ($($t:ident $dtype:ident $elements:ident),*) => {$(
        impl Element for $t {
            const DTYPE: DType = DType::$dtype;
            fn arg(v: &[$t]) -> Arg<'_> {
                v.into()
            }
            fn arg_mut(v: &mut [$t]) -> ArgMut<'_> {
                v.into()
            }
            fn tensor(shape: &[usize], v: &[$t]) -> Option<Tensor> {
                Tensor::$t(shape, v)
            }
            fn elements(tensor: &Tensor) -> Option<&[$t]> {
                tensor.$elements()
            }
            fn bits(self) -> u64 {
                u64::from(if self.is_nan() { $t::NAN } else { self }.to_bits())
            }
        }
    )*};
}
element!(f32 F32 as_f32, f64 F64 as_f64);

impl<T: Element> Column<T> {
    fn from_f64(column: Column) -> Column<T> {
        match column {
            Column::Float(v) => Column::Float(v.into_iter().map(T::from_f64).collect()),
            Column::Index(v) => Column::Index(v),
        }
    }

    fn arg(&self) -> Arg<'_> {
        match self {
            Column::Float(v) => T::arg(v),
            Column::Index(v) => v.into(),
        }
    }

    fn tensor(&self, shape: &[usize]) -> Option<Tensor> {
        match self {
            Column::Float(v) => T::tensor(shape, v),
            Column::Index(v) => Tensor::i64(shape, v),
        }
    }
}

/// A compiled model with its parameters.
pub struct Trainer<T> {
    pub model: Model,
    program: Program,
    workspace: Workspace,
    optimizer: Optimizer<T>,
    pub params: Vec<Vec<T>>,
    grads: Vec<Vec<T>>,
    data: Vec<Column<T>>,
}

impl<T: Element> Trainer<T> {
    pub fn new(model: Model) -> Result<Trainer<T>, Failure> {
        let wrt: Vec<usize> = (0..model.params.len()).collect();
        let program = Program::compile(&model.graph, &Options::default().wrt(&wrt))?;
        let params: Vec<Vec<T>> =
            model.params.iter().map(|p| p.iter().map(|&x| T::from_f64(x)).collect()).collect();
        let optimizer = Optimizer::new(model.recipe.rule, model.recipe.schedule)?;
        let (workspace, grads) = (program.workspace(), params.clone());
        Ok(Trainer { model, program, workspace, optimizer, params, grads, data: Vec::new() })
    }

    /// Fetches the data of a step.
    pub fn load(&mut self, step: usize) {
        self.data = (self.model.batches)(step).into_iter().map(Column::from_f64).collect();
    }

    /// Loss and gradients by compiled code.
    pub fn value_and_grad(&mut self) -> Result<f64, Failure> {
        let params = self.params.iter().map(|p| T::arg(p));
        let inputs: Vec<Arg<'_>> = params.chain(self.data.iter().map(Column::arg)).collect();
        let mut grads: Vec<ArgMut<'_>> = self.grads.iter_mut().map(|g| T::arg_mut(g)).collect();
        Ok(self.program.value_and_grad(&mut self.workspace, &inputs, &mut grads)?)
    }

    /// Loss and gradients by the tape.
    pub fn value_and_grad_by_tape(&self) -> Result<(f64, Vec<Tensor>), Failure> {
        let graph = &self.model.graph;
        let shape = |i: usize| graph.ty(ValueId::new(i as u32)).shape.clone();
        let params = self.params.iter().enumerate().map(|(i, p)| T::tensor(shape(i).dims(), p));
        let data = self.data.iter().enumerate();
        let data = data.map(|(i, column)| column.tensor(shape(self.params.len() + i).dims()));
        let inputs: Option<Vec<Tensor>> = params.chain(data).collect();
        let tape = Tape::compile(graph, inputs.ok_or("data of another length than its input")?)?;
        let value = tape.outputs()[0].to_f64()[0];
        let seed = T::tensor(&[], &[T::ONE]).ok_or("a scalar has one element")?;
        let grads = tape.vjp(vec![seed], self.program.wrt())?;
        Ok((value, grads.into_iter().map(|(gradient, _)| gradient).collect()))
    }

    /// The first difference in bits between compiled code and tape.
    fn difference(&self, loss: f64, tape: &(f64, Vec<Tensor>)) -> Option<String> {
        if loss.bits() != tape.0.bits() {
            return Some(format!("loss {loss:e} compiled, {:e} on the tape", tape.0));
        }
        for (i, (ours, theirs)) in self.grads.iter().zip(&tape.1).enumerate() {
            let theirs = T::elements(theirs).unwrap_or_default();
            let same =
                ours.len() == theirs.len() && ours.iter().zip(theirs).all(|(a, b)| a.bits() == b.bits());
            if !same {
                return Some(format!("gradient of {}", self.model.graph.inputs()[i].name));
            }
        }
        None
    }

    /// Changes the parameters by the last gradients.
    pub fn update(&mut self) -> Result<(), Failure> {
        if let Some(max) = self.model.recipe.clip {
            clip_by_norm(&mut self.grads, max)?;
        }
        Ok(self.optimizer.step(&mut self.params, &self.grads)?)
    }

    /// The learning rate of the next step.
    pub fn rate(&self) -> f64 {
        self.optimizer.rate(0).unwrap_or_default()
    }
}

/// What came of a training.
#[derive(Debug)]
pub struct Report {
    pub dtype: DType,
    pub parameters: usize,
    pub steps: usize,
    /// Mean losses of the first and the last epoch.
    pub first: f64,
    pub last: f64,
    /// What the last must be less than.
    pub goal: f64,
    /// Derivation, lowering and code generation.
    pub compile: Duration,
    /// Median time of a step, with the update of the parameters: compiled code, tape.
    pub jit: Duration,
    pub tape: Duration,
}

/// Trains for some steps; every loss and gradient is compared with the tape.
pub fn train<T: Element>(model: Model, steps: usize) -> Result<Report, Failure> {
    let start = Instant::now();
    let mut trainer = Trainer::<T>::new(model)?;
    let compile = start.elapsed();
    let mut losses = Vec::with_capacity(steps);
    let (mut jit, mut tape) = (Vec::with_capacity(steps), Vec::with_capacity(steps));
    for step in 0..steps {
        trainer.load(step);
        let start = Instant::now();
        let loss = trainer.value_and_grad()?;
        let by_code = start.elapsed();
        let start = Instant::now();
        let oracle = trainer.value_and_grad_by_tape()?;
        let by_tape = start.elapsed();
        if let Some(what) = trainer.difference(loss, &oracle) {
            return Err(format!("step {step}: compiled code and tape differ: {what}").into());
        }
        let start = Instant::now();
        trainer.update()?;
        let update = start.elapsed();
        jit.push(by_code + update);
        tape.push(by_tape + update);
        losses.push(loss);
    }
    let epoch = trainer.model.recipe.epoch.clamp(1, steps.max(1));
    let mean = |losses: &[f64]| losses.iter().sum::<f64>() / losses.len().max(1) as f64;
    let first = mean(&losses[..epoch.min(steps)]);
    Ok(Report {
        dtype: T::DTYPE,
        parameters: trainer.params.iter().map(Vec::len).sum(),
        steps,
        first,
        last: mean(&losses[steps.saturating_sub(epoch)..]),
        goal: trainer.model.recipe.goal * first,
        compile,
        jit: median(jit),
        tape: median(tape),
    })
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}
