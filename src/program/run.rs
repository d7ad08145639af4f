//! Calls: arguments are checked, pointers are put in place, the code runs.
//! Nothing is allocated.

use crate::check::finite::{report, report_gradient};
use crate::graph::{DType, NodeId, ValueId, ValueType};
use crate::jit::{Direct, Entry, JitError, Status};
use crate::ops::{Arg, ArgMut};
use crate::program::build::{Function, Spec, Watch, WatchedSweep};
use crate::program::error::{CompileError, Role, RunError};
use crate::program::workspace::{Held, Plain, Workspace};
use crate::program::{Inner, Program};
use std::mem::ManuallyDrop;

#[cold]
fn miscount(role: Role, expected: usize, got: usize) -> RunError {
    RunError::Count { role, expected, got }
}

#[cold]
fn mismatch_at(role: Role, types: &[ValueType], index: usize, dtype: DType, len: usize) -> RunError {
    mismatch(role, index, &types[index], dtype, len)
}

/// Checks arguments and puts their pointers in place. Written on plain slices:
/// a call of a small function is made of this.
macro_rules! pass {
    ($name:ident, $args:ty, $pointer:ty) => {
        #[inline(always)]
        fn $name(
            role: Role,
            specs: &[Spec],
            types: &[ValueType],
            args: $args,
            pointers: &mut [$pointer],
        ) -> Result<(), RunError> {
            if args.len() != specs.len() {
                return Err(miscount(role, specs.len(), args.len()));
            }
            for (index, ((arg, spec), pointer)) in args.into_iter().zip(specs).zip(pointers).enumerate() {
                if arg.dtype() != spec.dtype || arg.len() != spec.len {
                    return Err(mismatch_at(role, types, index, arg.dtype(), arg.len()));
                }
                *pointer = arg.pointer();
            }
            Ok(())
        }
    };
}
pass!(read, &[Arg<'_>], *const u8);
pass!(write, &mut [ArgMut<'_>], *mut u8);

#[cold]
fn mismatch(role: Role, index: usize, expected: &ValueType, dtype: DType, len: usize) -> RunError {
    if dtype != expected.dtype {
        return RunError::Type { role, index, expected: expected.clone(), got: dtype };
    }
    RunError::Length { role, index, expected: expected.clone(), got: len }
}

impl Inner {
    /// Runs a function whose pointers stand in the workspace.
    #[inline(always)]
    pub(super) fn run(&self, function: &Function, ws: &mut Workspace) -> Result<(), RunError> {
        let Some(base) = ws.base() else { return Err(RunError::OutOfMemory { bytes: ws.wanted }) };
        debug_assert!(ws.inputs.len() >= function.inputs.len() && ws.outputs.len() >= function.outputs.len());
        if function.can_fail {
            ws.status = Status::OK;
            if let (Some(watch), true) = (&self.functions.watch, function.primal) {
                self.look(watch, base, ws)?;
            }
        }
        // SAFETY: every pointer was checked against the function's types just
        // before; outputs come from exclusive borrows; the workspace belongs to
        // this program, so it has the size the code needs.
        unsafe { function.code.call(ws.inputs.as_ptr(), ws.outputs.as_ptr(), base, &raw mut ws.status) }
        if function.can_fail {
            if !ws.status.call.is_ok() {
                return Err(function.failed(&mut ws.status));
            }
            if let Some(sweep) = &function.sweep {
                self.look_back(sweep, ws)?;
            }
        }
        Ok(())
    }

    /// Computes every value at the inputs of the call, and looks at them.
    #[cold]
    #[inline(never)]
    fn look(&self, watch: &Watch, base: *mut u8, ws: &mut Workspace) -> Result<(), RunError> {
        // SAFETY: as in `run`: the first pointers are the inputs of the graph, of
        // the types that this function takes too; all it writes is in the workspace.
        unsafe { watch.forward.code.call(ws.inputs.as_ptr(), ws.outputs.as_ptr(), base, &raw mut ws.status) }
        if watch.forward.can_fail && !ws.status.call.is_ok() {
            return Err(watch.forward.failed(&mut ws.status));
        }
        let graph = &self.graph;
        for v in graph.values().filter(|&v| graph.literal(v).is_none()) {
            let Some(at) = watch.values[v.index()] else { continue };
            if let Some(found) = ws.first_nonfinite(graph.ty(v), at, watch.excused[v.index()]) {
                let read = |v: ValueId, i: usize| ws.element(graph.ty(v).dtype, watch.values[v.index()]?, i);
                return Err(RunError::NonFinite(Box::new(report(graph, v, found, &read))));
            }
        }
        Ok(())
    }

    /// Looks at the gradients that a sweep has left.
    #[cold]
    #[inline(never)]
    fn look_back(&self, sweep: &WatchedSweep, ws: &Workspace) -> Result<(), RunError> {
        let graph = &self.graph;
        for (i, &(step, excused, at)) in sweep.steps.iter().enumerate() {
            let Some(found) = ws.first_nonfinite(graph.ty(step.value), at, excused) else { continue };
            let element = |v: ValueId, at: usize, i: usize| ws.element(graph.ty(v).dtype, at, i);
            let read = |v: ValueId, i: usize| element(v, sweep.values[v.index()]?, i);
            // A rule sees the gradients of results after all of their parts.
            let last = |v: ValueId| sweep.steps[..i].iter().rev().find(|(step, ..)| step.value == v);
            let gradient = |v: ValueId, i: usize| element(v, last(v)?.2, i);
            let report = report_gradient(graph, step, found, &read, &gradient);
            return Err(RunError::NonFinite(Box::new(report)));
        }
        Ok(())
    }
}

impl Function {
    #[cold]
    fn failed(&self, status: &mut Status) -> RunError {
        let failure = status.failure.take();
        let status = &status.call;
        if let Some(failure) = failure.filter(|failure| failure.node == status.node) {
            let site = self.site(failure.node);
            return RunError::Callback {
                op: failure.op.name(),
                role: failure.op.role(),
                node: site.map(|site| site.node),
                why: failure.why,
                location: site.and_then(|site| site.source),
            };
        }
        let site = self.site(status.node);
        RunError::Index {
            op: site.map_or("gather", |site| site.op),
            node: site.map_or(NodeId::new(status.node), |site| site.node),
            index: status.index,
            position: status.position,
            len: status.len,
            location: site.and_then(|site| site.source),
        }
    }
}

/// The call of a function of one array: everything that does not change from
/// call to call was checked, so that a call checks nothing but its types.
pub(super) struct ArrayCall<const N: usize> {
    /// Value and gradient, and value alone, where a call needs nothing else.
    direct: Option<Direct>,
    value: Option<Direct>,
    entry: Entry,
    base: *mut u8,
    can_fail: bool,
}

#[cold]
fn lost() -> RunError {
    RunError::NotCompiled { form: "Forms::VALUE_AND_GRAD" }
}

impl<const N: usize> ArrayCall<N> {
    /// Value, and gradient in place.
    ///
    /// # Safety
    /// The program and the workspace of this call live, and no other call uses
    /// the workspace at the same time.
    #[inline(always)]
    pub(super) unsafe fn value_and_grad(
        &self,
        program: &Program,
        x: &[f64; N],
        gradient: &mut [f64; N],
    ) -> Result<f64, RunError> {
        if let Some(direct) = self.direct {
            // SAFETY: the function takes an array of N and fills another, as was
            // checked; the program, by the caller's promise, lives.
            return Ok(unsafe { direct(x.as_ptr(), gradient.as_mut_ptr()) });
        }
        // Nothing is left to drop where nothing can fail.
        let (mut value, mut status) = (0.0f64, ManuallyDrop::new(Status::OK));
        let inputs = [x.as_ptr().cast::<u8>()];
        let outputs = [(&raw mut value).cast::<u8>(), gradient.as_mut_ptr().cast()];
        // SAFETY: the function takes one array of N and gives a number and an
        // array of N, as was checked; the outputs are exclusive; the workspace is
        // as large as the code needs, and by the caller's promise ours.
        unsafe { (self.entry)(inputs.as_ptr(), outputs.as_ptr(), self.base, &raw mut *status) }
        if self.can_fail && !status.call.is_ok() {
            let function = program.inner.functions.value_and_grad.as_ref();
            return Err(function.map_or_else(lost, |f| f.failed(&mut status)));
        }
        Ok(value)
    }

    /// The value, where the function has a quick entry for it.
    ///
    /// # Safety
    /// The program of this call lives.
    pub(super) unsafe fn value(&self, x: &[f64; N]) -> Option<f64> {
        // SAFETY: the function takes an array of N and has one output, as was
        // checked, so that it touches no second one.
        self.value.map(|direct| unsafe { direct(x.as_ptr(), std::ptr::null_mut()) })
    }
}

impl Program {
    #[inline(always)]
    fn begin(&self, ws: &Workspace) -> Result<(), RunError> {
        if ws.program != self.id() {
            return Err(RunError::ForeignWorkspace);
        }
        Ok(())
    }

    /// Evaluates the outputs.
    ///
    /// # Errors
    /// Arguments of the wrong number, type or length; a run-time index out of range.
    pub fn forward(
        &self,
        ws: &mut Workspace,
        inputs: &[Arg<'_>],
        outputs: &mut [ArgMut<'_>],
    ) -> Result<(), RunError> {
        let inner = &*self.inner;
        let Some(function) = &inner.functions.forward else {
            return Err(RunError::NotCompiled { form: "Forms::FORWARD" });
        };
        self.begin(ws)?;
        read(Role::Input, &function.inputs, &function.input_types, inputs, &mut ws.inputs)?;
        write(Role::Output, &function.outputs, &function.output_types, outputs, &mut ws.outputs)?;
        ws.held = Held::Nothing;
        inner.run(function, ws)?;
        ws.held = Held::Saved;
        Ok(())
    }

    /// The vector-Jacobian product of the last [`Program::forward`] on this
    /// workspace: one seed per float output, one gradient per [`Program::wrt`].
    pub fn reverse(
        &self,
        ws: &mut Workspace,
        seeds: &[Arg<'_>],
        gradients: &mut [ArgMut<'_>],
    ) -> Result<(), RunError> {
        let inner = &*self.inner;
        let Some(function) = &inner.functions.reverse else {
            return Err(RunError::NotCompiled { form: "Forms::REVERSE" });
        };
        self.begin(ws)?;
        if ws.held != Held::Saved {
            return Err(RunError::ReverseBeforeForward { forward: "forward" });
        }
        read(Role::Seed, &function.inputs, &function.input_types, seeds, &mut ws.inputs)?;
        write(Role::Gradient, &function.outputs, &function.output_types, gradients, &mut ws.outputs)?;
        inner.run(function, ws)
    }

    /// Value and gradient of the one output; one gradient per [`Program::wrt`].
    #[inline(always)]
    pub fn value_and_grad(
        &self,
        ws: &mut Workspace,
        inputs: &[Arg<'_>],
        gradients: &mut [ArgMut<'_>],
    ) -> Result<f64, RunError> {
        let inner = &*self.inner;
        let Some(function) = &inner.functions.value_and_grad else {
            return Err(RunError::NotCompiled { form: "Forms::VALUE_AND_GRAD" });
        };
        self.begin(ws)?;
        read(Role::Input, &function.inputs, &function.input_types, inputs, &mut ws.inputs)?;
        let value = (&raw mut ws.value).cast();
        let (first, rest) = ws.outputs.split_at_mut(1);
        first[0] = value;
        write(Role::Gradient, &function.outputs[1..], &function.output_types[1..], gradients, rest)?;
        inner.run(function, ws)?;
        Ok(match function.outputs[0].dtype {
            DType::F32 => f64::from(f32::from_bits(low_word(ws.value[0]))),
            _ => f64::from_bits(ws.value[0]),
        })
    }

    /// The call of a function of one array on a workspace of this program.
    pub(super) fn array_call<const N: usize>(&self, ws: &Workspace) -> Result<ArrayCall<N>, CompileError> {
        let inner = &*self.inner;
        let array = Spec { dtype: DType::F64, len: N };
        let number = Spec { dtype: DType::F64, len: 1 };
        // A callback may come back to the same workspace.
        if inner.functions.functions().any(|f| f.sites.iter().any(|site| site.is_callback)) {
            return Err(CompileError::Callbacks);
        }
        let function = match &inner.functions.value_and_grad {
            Some(f) if *f.inputs == [array] && *f.outputs == [number, array] && ws.program == self.id() => f,
            _ => return Err(JitError::Internal("not a function of one array").into()),
        };
        let base = ws.base().ok_or(CompileError::OutOfMemory { bytes: ws.wanted })?;
        let direct = function.code.direct();
        let value = match &inner.functions.forward {
            Some(f) if *f.inputs == [array] && *f.outputs == [number] => f.code.direct(),
            _ => None,
        };
        Ok(ArrayCall { direct, value, entry: function.code.entry(), base, can_fail: function.can_fail })
    }

    /// Outputs and vector-Jacobian product in one call: one seed per float output.
    pub fn value_and_vjp(
        &self,
        ws: &mut Workspace,
        inputs: &[Arg<'_>],
        seeds: &[Arg<'_>],
        outputs: &mut [ArgMut<'_>],
        gradients: &mut [ArgMut<'_>],
    ) -> Result<(), RunError> {
        let inner = &*self.inner;
        let Some(function) = &inner.functions.vjp else {
            return Err(RunError::NotCompiled { form: "Forms::VJP" });
        };
        self.begin(ws)?;
        let split = inner.graph.inputs().len();
        let (specs, types) = (&function.inputs, &function.input_types);
        let (first, rest) = ws.inputs.split_at_mut(split);
        read(Role::Input, &specs[..split], &types[..split], inputs, first)?;
        read(Role::Seed, &specs[split..], &types[split..], seeds, rest)?;
        let split = inner.graph.outputs().len();
        let (specs, types) = (&function.outputs, &function.output_types);
        let (first, rest) = ws.outputs.split_at_mut(split);
        write(Role::Output, &specs[..split], &types[..split], outputs, first)?;
        write(Role::Gradient, &specs[split..], &types[split..], gradients, rest)?;
        inner.run(function, ws)
    }

    /// Outputs and Jacobian-vector product: one tangent per [`Program::wrt`], one
    /// tangent out per float output.
    pub fn jvp(
        &self,
        ws: &mut Workspace,
        inputs: &[Arg<'_>],
        tangents: &[Arg<'_>],
        outputs: &mut [ArgMut<'_>],
        output_tangents: &mut [ArgMut<'_>],
    ) -> Result<(), RunError> {
        let inner = &*self.inner;
        let Some(function) = &inner.functions.jvp else {
            return Err(RunError::NotCompiled { form: "Forms::JVP" });
        };
        self.begin(ws)?;
        let split = inner.graph.inputs().len();
        let (specs, types) = (&function.inputs, &function.input_types);
        let (first, rest) = ws.inputs.split_at_mut(split);
        read(Role::Input, &specs[..split], &types[..split], inputs, first)?;
        read(Role::Tangent, &specs[split..], &types[split..], tangents, rest)?;
        let split = inner.graph.outputs().len();
        let (specs, types) = (&function.outputs, &function.output_types);
        let (first, rest) = ws.outputs.split_at_mut(split);
        write(Role::Output, &specs[..split], &types[..split], outputs, first)?;
        write(Role::Tangent, &specs[split..], &types[split..], output_tangents, rest)?;
        inner.run(function, ws)
    }

    /// Evaluates every value of the graph; read them with [`Program::value`].
    pub fn forward_dense(&self, ws: &mut Workspace, inputs: &[Arg<'_>]) -> Result<(), RunError> {
        let inner = &*self.inner;
        let Some(dense) = &inner.functions.dense else {
            return Err(RunError::NotCompiled { form: "Forms::DENSE" });
        };
        self.begin(ws)?;
        read(Role::Input, &dense.forward.inputs, &dense.forward.input_types, inputs, &mut ws.inputs)?;
        ws.held = Held::Nothing;
        inner.run(&dense.forward, ws)?;
        ws.held = Held::Dense;
        Ok(())
    }

    /// The dense reverse sweep after [`Program::forward_dense`]: seeds of every
    /// float value are read from the workspace (set with [`Program::set_seed`],
    /// zero at first), gradients of every float value are written to it.
    pub fn reverse_dense(&self, ws: &mut Workspace) -> Result<(), RunError> {
        let inner = &*self.inner;
        let Some(dense) = &inner.functions.dense else {
            return Err(RunError::NotCompiled { form: "Forms::DENSE" });
        };
        self.begin(ws)?;
        if !matches!(ws.held, Held::Dense | Held::Swept) {
            return Err(RunError::ReverseBeforeForward { forward: "forward_dense" });
        }
        inner.run(&dense.reverse, ws)?;
        ws.held = Held::Swept;
        Ok(())
    }

    /// A value after [`Program::forward_dense`].
    pub fn value<'w>(&self, ws: &'w Workspace, id: ValueId) -> Result<Elements<'w>, RunError> {
        let dense = self.dense()?;
        self.begin(ws)?;
        if !matches!(ws.held, Held::Dense | Held::Swept) {
            return Err(RunError::NotComputed { what: "values", call: "forward_dense" });
        }
        self.elements(ws, &dense.values, id, "value")
    }

    /// The gradient of a value after [`Program::reverse_dense`].
    pub fn gradient<'w>(&self, ws: &'w Workspace, id: ValueId) -> Result<Elements<'w>, RunError> {
        let dense = self.dense()?;
        self.begin(ws)?;
        if ws.held != Held::Swept {
            return Err(RunError::NotComputed { what: "gradients", call: "reverse_dense" });
        }
        self.elements(ws, &dense.gradients, id, "gradient")
    }

    /// Sets the seed of a value for the dense reverse sweep.
    pub fn set_seed(&self, ws: &mut Workspace, id: ValueId, seed: Arg<'_>) -> Result<(), RunError> {
        let dense = self.dense()?;
        let missing = RunError::NoSuchValue { index: id.index(), what: "seed" };
        if ws.program != self.id() {
            return Err(RunError::ForeignWorkspace);
        }
        let Some(at) = dense.seeds.get(id.index()).copied().flatten() else { return Err(missing) };
        let ty = self.inner.graph.ty(id);
        if (seed.dtype(), seed.len()) != (ty.dtype, ty.numel()) {
            return Err(mismatch(Role::Seed, id.index(), ty, seed.dtype(), seed.len()));
        }
        fn copy<T: Plain>(ws: &mut Workspace, at: usize, from: &[T]) -> Option<()> {
            ws.slice_mut(at, from.len()).map(|to| to.copy_from_slice(from))
        }
        let done = match seed {
            Arg::F64(v) => copy(ws, at, v),
            Arg::F32(v) => copy(ws, at, v),
            _ => None,
        };
        done.ok_or(missing)
    }

    fn dense(&self) -> Result<&crate::program::build::Dense, RunError> {
        self.inner.functions.dense.as_ref().ok_or(RunError::NotCompiled { form: "Forms::DENSE" })
    }

    fn elements<'w>(
        &self,
        ws: &'w Workspace,
        offsets: &[Option<usize>],
        id: ValueId,
        what: &'static str,
    ) -> Result<Elements<'w>, RunError> {
        let missing = RunError::NoSuchValue { index: id.index(), what };
        if ws.program != self.id() {
            return Err(RunError::ForeignWorkspace);
        }
        let Some(at) = offsets.get(id.index()).copied().flatten() else { return Err(missing) };
        let ty = self.inner.graph.ty(id);
        let n = ty.numel();
        let found = match ty.dtype {
            DType::F64 => ws.slice(at, n).map(Elements::F64),
            DType::F32 => ws.slice(at, n).map(Elements::F32),
            DType::I64 => ws.slice(at, n).map(Elements::I64),
            DType::Bool => ws.slice(at, n).map(Elements::Bool),
        };
        found.ok_or(missing)
    }
}

/// Elements in a workspace.
#[derive(Clone, Copy, Debug)]
pub enum Elements<'w> {
    /// Binary64.
    F64(&'w [f64]),
    /// Binary32.
    F32(&'w [f32]),
    /// Indices.
    I64(&'w [i64]),
    /// Masks, one byte each, 0 or 1.
    Bool(&'w [u8]),
}

/// The first four bytes in memory of a word that holds an f32.
fn low_word(word: u64) -> u32 {
    let b = word.to_ne_bytes();
    u32::from_ne_bytes([b[0], b[1], b[2], b[3]])
}
