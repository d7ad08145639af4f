//! One small program over many points, with the points in the lanes of vectors.

mod args;
mod build;
mod run;
mod workspace;

use crate::graph::{Graph, ValueId};
use crate::program::error::{CompileError, Role, RunError};
use crate::program::options::{Forms, Options};
use crate::program::report::Report;
use crate::program::{Program, identity, wanted};
use build::{Batch, Form};
use run::Call;
use std::sync::Arc;
use std::time::{Duration, Instant};

pub use args::{Points, PointsMut};
pub use workspace::BatchWorkspace;

struct Inner {
    graph: Graph,
    wrt: Vec<ValueId>,
    batches: Vec<Batch>,
    /// Does the points one by one in the forms that have no lanes.
    single: Option<Program>,
    /// Bytes that a thread needs.
    scratch: usize,
    time: Duration,
}

impl Inner {
    /// The most arguments that a call has.
    fn widest(&self) -> (usize, usize) {
        let each = self.batches.iter().map(|b| (b.inputs.len(), b.outputs.len()));
        each.fold((0, 0), |(i, o), (inputs, outputs)| (i.max(inputs), o.max(outputs)))
    }
}

/// A graph compiled for many points at once: made by [`Program::batched`]. `Send + Sync`; clones
/// share the code.
///
/// Every point has the bits that a [`Program`] of the same graph gives for it alone. A graph that
/// unrolls to straight-line code of one float type (and masks) runs with the points side by side in
/// vectors of AVX2 or AVX-512, value and gradient in one pass; any other, and any on
/// another CPU, runs point by point.
///
/// Arguments are [`Points`] and [`PointsMut`]: slices with a layout, so that arrays of structs and
/// structs of arrays are read and written in place.
///
/// # Example
/// Value and gradient at three points, the parameter `k` the same for all.
/// ```
/// use cotangent::{Builder, Options, Points, PointsMut, Program, dtype};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let g = Builder::new();
/// let (x, k) = (g.input("x", dtype::f64, [2]), g.input("k", dtype::f64, ()));
/// let graph = g.finish(&[(x.at(0) * x.at(1) * k).exp()])?;
/// let batched = Program::batched(&graph, &Options::default().wrt(&[0]))?;
/// let mut ws = batched.workspace();
/// let x = [0.0, 1.0, 2.0, 0.0, 0.0, 3.0];
/// let (mut values, mut gradients) = ([0.0; 3], [0.0; 6]);
/// batched.value_and_grad(
///     &mut ws,
///     3,
///     &[Points::by_point(&x), Points::shared(&0.5)],
///     PointsMut::by_point(&mut values),
///     &mut [PointsMut::by_point(&mut gradients)],
/// )?;
/// assert_eq!(values, [1.0, 1.0, 1.0]);
/// assert_eq!(gradients, [0.5, 0.0, 0.0, 1.0, 1.5, 0.0]);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Batched {
    inner: Arc<Inner>,
}

const _: () = {
    const fn shared<T: Send + Sync>() {}
    shared::<Batched>();
};

impl Program {
    /// Compiles a graph of one point for many: the forms among [`Forms::FORWARD`],
    /// [`Forms::VALUE_AND_GRAD`], [`Forms::VJP`] and [`Forms::JVP`] that `options` asks for. A Jacobian at
    /// each point is the forward form of [`crate::jacobian`]'s graph.
    ///
    /// # Errors
    /// As for [`Program::compile`].
    pub fn batched(graph: &Graph, options: &Options) -> Result<Batched, CompileError> {
        Batched::compile(graph, options)
    }
}

impl Batched {
    fn compile(graph: &Graph, options: &Options) -> Result<Batched, CompileError> {
        let start = Instant::now();
        let wrt = wanted(graph, options)?;
        let forms = options.forms.unwrap_or_else(|| Forms::of(graph));
        let (mut batches, mut singles) = (Vec::new(), None::<Forms>);
        for form in Form::ALL.into_iter().filter(|form| forms.contains(form.flag())) {
            let batch = Batch::compile(form, graph, &wrt, options)?;
            if batch.lanes.is_none() {
                singles = Some(singles.map_or(form.flag(), |all| all | form.flag()));
            }
            batches.push(batch);
        }
        let single = match singles {
            Some(forms) => Some(Program::compile(graph, &options.clone().forms(forms))?),
            None => None,
        };
        let scratch = batches.iter().map(Batch::scratch).max().unwrap_or(0);
        let (graph, time) = (graph.clone(), start.elapsed());
        Ok(Batched { inner: Arc::new(Inner { graph, wrt, batches, single, scratch, time }) })
    }

    /// The graph of one point.
    pub fn graph(&self) -> &Graph {
        &self.inner.graph
    }

    /// The inputs that gradients are taken with respect to, in order.
    pub fn wrt(&self) -> &[ValueId] {
        &self.inner.wrt
    }

    /// Points side by side in a vector: 1 where a form that was compiled runs point by point.
    pub fn lanes(&self) -> usize {
        let lanes = |batch: &Batch| batch.lanes.as_ref().map_or(1, |lanes| lanes.code.lanes);
        self.inner.batches.iter().map(lanes).min().unwrap_or(1)
    }

    /// What was compiled. The workspace is that of one thread.
    pub fn report(&self) -> Report {
        let inner = &*self.inner;
        let single = inner.single.iter().flat_map(|program| program.inner.functions.functions());
        let single = single.map(|f| (&f.stages, f.code.report()));
        let lanes = inner.batches.iter().filter_map(|batch| batch.lanes.as_ref());
        let lanes = lanes.map(|lanes| (&lanes.stages, lanes.code.code.report()));
        let of_program = inner.single.as_ref().map_or(0, |program| program.inner.functions.workspace);
        Report::of(single.chain(lanes), inner.scratch + of_program, inner.time)
    }

    /// Scratch memory for calls on one thread.
    pub fn workspace(&self) -> BatchWorkspace {
        BatchWorkspace::new(&self.inner, 1)
    }

    /// Scratch memory for calls that share the points among this many threads of rayon's pool, at
    /// most. The bits are those of one thread. 0 is taken as 1, and more threads than the current
    /// pool has as all of them.
    #[cfg(feature = "rayon")]
    pub fn parallel_workspace(&self, threads: usize) -> BatchWorkspace {
        BatchWorkspace::new(&self.inner, threads.min(rayon::current_num_threads()))
    }

    /// The outputs at each of `points` points.
    ///
    /// # Errors
    /// Arguments of the wrong number, type or length, outputs whose points overlap; where a point
    /// fails, [`RunError::AtPoint`] with the first that does.
    pub fn forward(
        &self,
        ws: &mut BatchWorkspace,
        points: usize,
        inputs: &[Points<'_>],
        outputs: &mut [PointsMut<'_>],
    ) -> Result<(), RunError> {
        self.call(Form::Forward, ws, points, [inputs, &[]], (outputs, &mut []))
    }

    /// Value and gradient of the one output at each point; one gradient per [`Batched::wrt`].
    ///
    /// # Errors
    /// As for [`Batched::forward`].
    pub fn value_and_grad(
        &self,
        ws: &mut BatchWorkspace,
        points: usize,
        inputs: &[Points<'_>],
        mut values: PointsMut<'_>,
        gradients: &mut [PointsMut<'_>],
    ) -> Result<(), RunError> {
        let values = std::slice::from_mut(&mut values);
        self.call(Form::ValueAndGrad, ws, points, [inputs, &[]], (values, gradients))
    }

    /// Outputs and vector-Jacobian product at each point: one seed per float output.
    ///
    /// # Errors
    /// As for [`Batched::forward`].
    pub fn value_and_vjp(
        &self,
        ws: &mut BatchWorkspace,
        points: usize,
        inputs: &[Points<'_>],
        seeds: &[Points<'_>],
        outputs: &mut [PointsMut<'_>],
        gradients: &mut [PointsMut<'_>],
    ) -> Result<(), RunError> {
        self.call(Form::Vjp, ws, points, [inputs, seeds], (outputs, gradients))
    }

    /// Outputs and Jacobian-vector product at each point: one tangent per [`Batched::wrt`], one
    /// tangent out per float output.
    ///
    /// # Errors
    /// As for [`Batched::forward`].
    pub fn jvp(
        &self,
        ws: &mut BatchWorkspace,
        points: usize,
        inputs: &[Points<'_>],
        tangents: &[Points<'_>],
        outputs: &mut [PointsMut<'_>],
        output_tangents: &mut [PointsMut<'_>],
    ) -> Result<(), RunError> {
        self.call(Form::Jvp, ws, points, [inputs, tangents], (outputs, output_tangents))
    }

    fn call(
        &self,
        form: Form,
        ws: &mut BatchWorkspace,
        points: usize,
        [inputs, more_inputs]: [&[Points<'_>]; 2],
        (outputs, more_outputs): (&mut [PointsMut<'_>], &mut [PointsMut<'_>]),
    ) -> Result<(), RunError> {
        let inner = &*self.inner;
        let batch = inner.batches.iter().find(|batch| batch.form == form);
        let batch = batch.ok_or(RunError::NotCompiled { form: form.name() })?;
        if ws.batch != identity(&self.inner) {
            return Err(RunError::ForeignWorkspace);
        }
        let [role_in, role_out] = form.roles();
        let split = inner.graph.inputs().len();
        let (types, more) = batch.inputs.split_at(split);
        let (first, rest) = ws.inputs.split_at_mut(split);
        args::read(Role::Input, types, inputs, points, first)?;
        args::read(role_in, more, more_inputs, points, rest)?;
        let split = inner.graph.outputs().len();
        let (types, more) = batch.outputs.split_at(split);
        let (first, rest) = ws.outputs.split_at_mut(split);
        args::write(Role::Output, types, outputs, points, first)?;
        args::write(role_out, more, more_outputs, points, rest)?;
        let call = Call {
            batch,
            single: inner.single.as_ref(),
            points,
            inputs: &ws.inputs[..batch.inputs.len()],
            outputs: &ws.outputs[..batch.outputs.len()],
        };
        call.share(&mut ws.scratch)
    }
}
