//! Calls: arguments are checked, pointers are put in place, the code runs.
//! Nothing is allocated.

use crate::graph::{DType, NodeId, ValueId, ValueType};
use crate::program::args::{Arg, ArgMut};
use crate::program::build::Function;
use crate::program::error::{Role, RunError};
use crate::program::workspace::{Held, Plain, Workspace};
use crate::program::{Inner, Program};
use cotangent_runtime::index::CallStatus;

#[cold]
fn mismatch(role: Role, index: usize, expected: &ValueType, dtype: DType, len: usize) -> RunError {
    if dtype != expected.dtype {
        return RunError::Type { role, index, expected: expected.clone(), got: dtype };
    }
    RunError::Length { role, index, expected: expected.clone(), got: len }
}

#[inline(always)]
fn check(role: Role, index: usize, expected: &ValueType, dtype: DType, len: usize) -> Result<(), RunError> {
    if dtype == expected.dtype && len == expected.numel() {
        return Ok(());
    }
    Err(mismatch(role, index, expected, dtype, len))
}

#[inline(always)]
fn read(role: Role, types: &[ValueType], args: &[Arg<'_>], out: &mut Vec<*const u8>) -> Result<(), RunError> {
    if args.len() != types.len() {
        return Err(RunError::Count { role, expected: types.len(), got: args.len() });
    }
    for (index, (arg, ty)) in args.iter().zip(types).enumerate() {
        check(role, index, ty, arg.dtype(), arg.len())?;
        out.push(arg.pointer());
    }
    Ok(())
}

#[inline(always)]
fn write(
    role: Role,
    types: &[ValueType],
    args: &mut [ArgMut<'_>],
    out: &mut Vec<*mut u8>,
) -> Result<(), RunError> {
    if args.len() != types.len() {
        return Err(RunError::Count { role, expected: types.len(), got: args.len() });
    }
    for (index, (arg, ty)) in args.iter_mut().zip(types).enumerate() {
        check(role, index, ty, arg.dtype(), arg.len())?;
        out.push(arg.pointer());
    }
    Ok(())
}

impl Inner {
    /// Runs a function whose pointers stand in the workspace.
    #[inline(always)]
    fn run(&self, function: &Function, ws: &mut Workspace) -> Result<(), RunError> {
        let Some(base) = ws.base() else { return Err(RunError::OutOfMemory { bytes: ws.wanted }) };
        debug_assert!(ws.inputs.len() == function.inputs.len() && ws.outputs.len() == function.outputs.len());
        if function.can_fail {
            ws.status = CallStatus::OK;
        }
        // SAFETY: every pointer was checked against the function's types just
        // before; outputs come from exclusive borrows; the workspace belongs to
        // this program, so it has the size the code needs.
        unsafe { function.code.call(ws.inputs.as_ptr(), ws.outputs.as_ptr(), base, &raw mut ws.status) }
        if function.can_fail && !ws.status.is_ok() {
            return Err(self.index_error(&ws.status));
        }
        Ok(())
    }

    #[cold]
    fn index_error(&self, status: &CallStatus) -> RunError {
        let node = NodeId::new(status.node);
        let known = self.graph.nodes().get(node.index());
        RunError::Index {
            op: known.map_or("gather", |n| n.op.name()),
            node,
            index: status.index,
            position: status.position,
            len: status.len,
            location: known.and_then(|n| n.source()),
        }
    }
}

impl Program {
    #[inline(always)]
    fn begin(&self, ws: &mut Workspace) -> Result<(), RunError> {
        if ws.program != self.id() {
            return Err(RunError::ForeignWorkspace);
        }
        ws.inputs.clear();
        ws.outputs.clear();
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
        read(Role::Input, &function.inputs, inputs, &mut ws.inputs)?;
        write(Role::Output, &function.outputs, outputs, &mut ws.outputs)?;
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
        read(Role::Seed, &function.inputs, seeds, &mut ws.inputs)?;
        write(Role::Gradient, &function.outputs, gradients, &mut ws.outputs)?;
        inner.run(function, ws)
    }

    /// Value and gradient of the one output; one gradient per [`Program::wrt`].
    #[inline]
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
        read(Role::Input, &function.inputs, inputs, &mut ws.inputs)?;
        ws.outputs.push((&raw mut ws.value).cast());
        write(Role::Gradient, &function.outputs[1..], gradients, &mut ws.outputs)?;
        inner.run(function, ws)?;
        Ok(match function.outputs[0].dtype {
            DType::F32 => f64::from(f32::from_bits(low_word(ws.value[0]))),
            _ => f64::from_bits(ws.value[0]),
        })
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
        let (first, rest) = function.inputs.split_at(inner.graph.inputs().len());
        read(Role::Input, first, inputs, &mut ws.inputs)?;
        read(Role::Seed, rest, seeds, &mut ws.inputs)?;
        let (first, rest) = function.outputs.split_at(inner.graph.outputs().len());
        write(Role::Output, first, outputs, &mut ws.outputs)?;
        write(Role::Gradient, rest, gradients, &mut ws.outputs)?;
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
        let (first, rest) = function.inputs.split_at(inner.graph.inputs().len());
        read(Role::Input, first, inputs, &mut ws.inputs)?;
        read(Role::Tangent, rest, tangents, &mut ws.inputs)?;
        let (first, rest) = function.outputs.split_at(inner.graph.outputs().len());
        write(Role::Output, first, outputs, &mut ws.outputs)?;
        write(Role::Tangent, rest, output_tangents, &mut ws.outputs)?;
        inner.run(function, ws)
    }

    /// Evaluates every value of the graph; read them with [`Program::value`].
    pub fn forward_dense(&self, ws: &mut Workspace, inputs: &[Arg<'_>]) -> Result<(), RunError> {
        let inner = &*self.inner;
        let Some(dense) = &inner.functions.dense else {
            return Err(RunError::NotCompiled { form: "Forms::DENSE" });
        };
        self.begin(ws)?;
        read(Role::Input, &dense.forward.inputs, inputs, &mut ws.inputs)?;
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
        if ws.held != Held::Dense {
            return Err(RunError::ReverseBeforeForward { forward: "forward_dense" });
        }
        inner.run(&dense.reverse, ws)
    }

    /// A value after [`Program::forward_dense`].
    pub fn value<'w>(&self, ws: &'w Workspace, id: ValueId) -> Result<Elements<'w>, RunError> {
        let dense = self.dense()?;
        self.elements(ws, &dense.values, id, "value")
    }

    /// The gradient of a value after [`Program::reverse_dense`].
    pub fn gradient<'w>(&self, ws: &'w Workspace, id: ValueId) -> Result<Elements<'w>, RunError> {
        let dense = self.dense()?;
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
        check(Role::Seed, id.index(), ty, seed.dtype(), seed.len())?;
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
