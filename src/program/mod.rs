//! Compiled programs: immutable, shared between threads, freed on drop.

mod batch;
mod build;
mod cache;
mod error;
mod jobs;
mod options;
mod quick;
mod report;
mod run;
mod workspace;

use crate::derive::Connection;
use crate::graph::{Graph, ValueId};
use build::Functions;
use std::sync::Arc;
use std::time::{Duration, Instant};

pub use crate::ops::{Arg, ArgMut};
pub use batch::{BatchWorkspace, Batched, Points, PointsMut};
pub use cache::{CacheStats, ProgramCache};
pub use error::{CompileError, Role, RunError};
pub use options::{Checked, Checks, Forms, Listing, OptLevel, Options, Tier, VectorWidth};
pub use quick::{Jit, jit, jit_with};
pub use report::{Report, Stage, Stages};
pub use run::Elements;
pub use workspace::Workspace;

struct Inner {
    graph: Graph,
    wrt: Vec<ValueId>,
    functions: Functions,
    widest: (usize, usize),
    time: Duration,
}

/// A compiled graph. `Send + Sync`; clones share the code.
///
/// # Example
/// ```
/// use cotangent::{Builder, Options, Program, dtype};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let g = Builder::new();
/// let x = g.input("x", dtype::f64, [2]);
/// let loss = ((x.at(1) - x.at(0).square()).square() * 100.0) + (1.0 - x.at(0)).square();
/// let program = Program::compile(&g.finish(&[loss])?, &Options::default())?;
/// let mut ws = program.workspace();
/// let mut grad = [0.0; 2];
/// let value = program.value_and_grad(&mut ws, &[(&[0.0, 0.0]).into()], &mut [(&mut grad).into()])?;
/// assert_eq!((value, grad), (1.0, [-2.0, 0.0]));
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Program {
    inner: Arc<Inner>,
}

const _: () = {
    const fn shared<T: Send + Sync>() {}
    shared::<Program>();
};

impl Program {
    /// Compiles the functions that `options` asks for.
    ///
    /// # Errors
    /// An op without a derivative rule, a gradient of something that is not one
    /// number, a workspace past the limit, a machine without a code generator.
    pub fn compile(graph: &Graph, options: &Options) -> Result<Program, CompileError> {
        let start = Instant::now();
        let wrt = wanted(graph, options)?;
        let functions = Functions::compile(graph, &wrt, options)?;
        let widest =
            functions.functions().fold((0, 0), |(i, o), f| (i.max(f.inputs.len()), o.max(f.outputs.len())));
        let graph = graph.clone();
        let time = start.elapsed();
        Ok(Program { inner: Arc::new(Inner { graph, wrt, functions, widest, time }) })
    }

    /// The graph that was compiled.
    pub fn graph(&self) -> &Graph {
        &self.inner.graph
    }

    /// The inputs that gradients are taken with respect to, in order.
    pub fn wrt(&self) -> &[ValueId] {
        &self.inner.wrt
    }

    /// How each of [`Program::wrt`] hangs together with the outputs: a gradient
    /// of an unreachable input is a zero tensor, and this says so.
    pub fn connections(&self) -> &[Connection] {
        &self.inner.functions.connections
    }

    /// Scratch memory for calls, one per thread.
    pub fn workspace(&self) -> Workspace {
        let (inputs, outputs) = self.inner.widest;
        Workspace::new(self.inner.functions.workspace, &self.inner, inputs, outputs)
    }

    /// What was compiled.
    pub fn report(&self) -> Report {
        let functions = self.inner.functions.functions().map(|f| (&f.stages, f.code.report()));
        Report::of(functions, self.inner.functions.workspace, self.inner.time)
    }

    #[inline(always)]
    fn id(&self) -> usize {
        identity(&self.inner)
    }
}

/// The inputs to differentiate by.
fn wanted(graph: &Graph, options: &Options) -> Result<Vec<ValueId>, CompileError> {
    let inputs = graph.inputs().len();
    let Some(list) = &options.wrt else {
        return Ok(graph.input_values().filter(|&v| graph.ty(v).dtype.is_float()).collect());
    };
    list.iter()
        .map(|&index| match u32::try_from(index) {
            Ok(i) if index < inputs => Ok(ValueId::new(i)),
            _ => Err(CompileError::NoSuchInput { index, inputs }),
        })
        .collect()
}

/// Tells programs apart: an address that stays taken while a clone or a
/// workspace lives.
#[inline(always)]
fn identity<T>(inner: &Arc<T>) -> usize {
    Arc::as_ptr(inner) as *const u8 as usize
}
