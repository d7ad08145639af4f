//! Reductions in the lane order of contract C1. A lane that starts with the
//! neutral element (-0 for sums, -inf for maxima) gives the same bits as one that
//! starts with its first element, so absent lanes need no care.

use crate::graph::DType;
use crate::jit::JitError;
use crate::jit::emit::{Chunk, flags};
use crate::jit::kernel::{Cursor, Fixed, got};
use crate::jit::lanes::{self, Width, lane_type, scalar_type, vector_lanes};
use crate::lower::plan::{Ending, Kernel, LaneOp};
use crate::ops::{MapFn, Reduction};
use cranelift_codegen::ir::{InstBuilder, StackSlotData, StackSlotKind, Value, types};
use smallvec::SmallVec;

type Values = SmallVec<[Value; 8]>;

/// What a reduction does to a lane.
#[derive(Clone, Copy)]
struct Step {
    kind: Reduction,
    value: usize,
    factor: Option<usize>,
    dtype: DType,
}

impl Step {
    fn of(kernel: &Kernel) -> Option<Step> {
        let Ending::Reduce { kind, value, factor, .. } = kernel.ending else { return None };
        let (value, factor) = (value as usize, factor.map(|f| f as usize));
        Some(Step { kind, value, factor, dtype: kernel.body[value].dtype })
    }

    fn neutral(self) -> u64 {
        lanes::bits_of(self.dtype, if self.kind == Reduction::Max { f64::NEG_INFINITY } else { -0.0 })
    }
}

/// Code for a reduction is unrolled up to this many lane steps.
const STRAIGHT: usize = 64;

impl Chunk<'_, '_> {
    pub(super) fn reduce_kernel(&mut self, kernel: &Kernel, cursor: Cursor) -> Result<(), JitError> {
        let Some(step) = Step::of(kernel) else { return Ok(()) };
        let (dtype, reduced) = (step.dtype, kernel.reduced());
        let kept = kernel.dims.len() - reduced;
        if reduced == 0 {
            // One element per result: it passes through (a lone product is rounded once).
            return self.outer(kernel, 0, kept, cursor, &mut |c, cursor| {
                let none: Fixed = SmallVec::from_elem(None, kernel.body.len());
                let lanes = c.body(kernel, Width::Scalar, &none, &|_, i| (cursor.loads[i], 0))?;
                let only = match step.factor {
                    Some(factor) => c.b.ins().fmul(lanes[step.value], lanes[factor]),
                    None => lanes[step.value],
                };
                c.put_result(&cursor, 0, only)
            });
        }
        let last = kernel.dims.len() - 1;
        let full = dtype.lanes();
        let inner = kernel.dims[last];
        let along = kernel.vector_dtype(last) == Some(dtype)
            && inner >= vector_lanes(dtype)
            && (reduced == 1 || inner.is_multiple_of(full));
        let across = kept > 0
            && kernel.vector_dtype(kept - 1) == Some(dtype)
            && kernel.store.strides[kept - 1] == 1
            && kernel.dims[kept - 1] >= vector_lanes(dtype);
        if along {
            self.outer(kernel, 0, kept, cursor, &mut |c, cursor| c.along(kernel, step, kept, cursor))
        } else if across {
            self.outer(kernel, 0, kept - 1, cursor, &mut |c, cursor| c.across(kernel, step, kept, cursor))
        } else {
            self.outer(kernel, 0, kept, cursor, &mut |c, cursor| c.in_memory(kernel, step, kept, cursor))
        }
    }

    fn put_result(&mut self, cursor: &Cursor, offset: i32, value: Value) -> Result<(), JitError> {
        self.b.ins().store(flags(), value, cursor.store, offset);
        Ok(())
    }

    /// [`Self::join_step`] with what there is of a body.
    fn join_lanes(&mut self, step: Step, width: Width, acc: Value, body: &Fixed) -> Result<Value, JitError> {
        let factor = step.factor.map(|factor| got(body, factor)).transpose()?;
        self.joined(step, width, acc, got(body, step.value)?, factor)
    }

    /// One lane joined by one body's values.
    fn join_step(&mut self, step: Step, width: Width, acc: Value, body: &[Value]) -> Result<Value, JitError> {
        self.joined(step, width, acc, body[step.value], step.factor.map(|factor| body[factor]))
    }

    fn joined(
        &mut self,
        step: Step,
        width: Width,
        acc: Value,
        x: Value,
        factor: Option<Value>,
    ) -> Result<Value, JitError> {
        match (step.kind, factor) {
            (Reduction::Dot, Some(factor)) => self.map(MapFn::Fma, step.dtype, width, &[x, factor, acc]),
            (Reduction::Max, _) => self.map(MapFn::Maximum, step.dtype, width, &[acc, x]),
            _ => Ok(self.b.ins().fadd(acc, x)),
        }
    }

    fn join(&mut self, step: Step, width: Width, a: Value, b: Value) -> Result<Value, JitError> {
        match step.kind {
            Reduction::Max => self.map(MapFn::Maximum, step.dtype, width, &[a, b]),
            _ => Ok(self.b.ins().fadd(a, b)),
        }
    }

    /// The accumulators of a sum over all dims before its first element, in vectors.
    pub fn open_sum(&mut self, kernel: &Kernel) -> Result<Values, JitError> {
        let step = Step::of(kernel).ok_or(JitError::Internal("a sum that is none"))?;
        let neutral = lanes::uniform(&mut self.b, step.dtype, Width::Vector, step.neutral());
        Ok(SmallVec::from_elem(neutral, step.dtype.lanes() / vector_lanes(step.dtype)))
    }

    /// The accumulators after the dims from `dim` on.
    pub fn run_sum(
        &mut self,
        kernel: &Kernel,
        dim: usize,
        cursor: Cursor,
        sums: &[Value],
    ) -> Result<Values, JitError> {
        let step = Step::of(kernel).ok_or(JitError::Internal("a sum that is none"))?;
        self.along_dims(kernel, step, dim, kernel.dims.len() - 1, cursor, SmallVec::from_slice(sums))
    }

    /// Stores what the accumulators come to.
    pub fn close_sum(&mut self, kernel: &Kernel, cursor: &Cursor, sums: &[Value]) -> Result<(), JitError> {
        let step = Step::of(kernel).ok_or(JitError::Internal("a sum that is none"))?;
        let total = self.tree(step, SmallVec::from_slice(sums))?;
        self.put_result(cursor, 0, total)
    }

    /// Vector lanes along the reduced axis, accumulators in registers.
    fn along(&mut self, kernel: &Kernel, step: Step, kept: usize, cursor: Cursor) -> Result<(), JitError> {
        let last = kernel.dims.len() - 1;
        let (per, full, n) = (vector_lanes(step.dtype), step.dtype.lanes(), kernel.dims[last]);
        let neutral = lanes::uniform(&mut self.b, step.dtype, Width::Vector, step.neutral());
        let count = if kernel.dims.len() - kept > 1 { full } else { full.min(n.next_multiple_of(per)) } / per;
        let start: Values = SmallVec::from_elem(neutral, count);
        let lanes = self.along_dims(kernel, step, kept, last, cursor.clone(), start)?;
        let total = self.tree(step, lanes)?;
        self.put_result(&cursor, 0, total)
    }

    /// The loops over the outer reduced dims, accumulators carried around.
    fn along_dims(
        &mut self,
        kernel: &Kernel,
        step: Step,
        dim: usize,
        last: usize,
        cursor: Cursor,
        lanes: Values,
    ) -> Result<Values, JitError> {
        if dim < last {
            return self.counted(kernel.dims[dim], 1, &lanes, |c, index, lanes| {
                let cursor = c.advance(kernel, &cursor, dim, index);
                c.along_dims(kernel, step, dim + 1, last, cursor, SmallVec::from_slice(lanes))
            });
        }
        let (per, full, n) = (vector_lanes(step.dtype), step.dtype.lanes(), kernel.dims[last]);
        let mut lanes = lanes;
        let wide = self.strip(kernel, &cursor, &mut lanes)?;
        if wide == n {
            return Ok(lanes);
        }
        let cursor = self.skip(kernel, cursor, last, wide);
        let fixed = self.fixed(kernel, last, Width::Vector, &cursor)?;
        let common = kernel.common();
        let blocks = (common - wide) / full;
        let mut at = 0;
        if blocks > 1 {
            lanes = self.counted(blocks * full, full, &lanes, |c, index, lanes| {
                let here = c.advance(kernel, &cursor, last, index);
                let mut out = Values::new();
                for (v, &acc) in lanes.iter().enumerate() {
                    let body = c.step(kernel, Width::Vector, &fixed, &here, v * per, 0)?;
                    out.push(c.join_lanes(step, Width::Vector, acc, &body)?);
                }
                Ok(out)
            })?;
            at = blocks * full;
        }
        let cursor = self.skip(kernel, cursor, last, at);
        let done = wide + at;
        let mut at = 0;
        while done + at + per <= common {
            let v = at % full / per;
            let body = self.step(kernel, Width::Vector, &fixed, &cursor, at, 0)?;
            lanes[v] = self.join_lanes(step, Width::Vector, lanes[v], &body)?;
            at += per;
        }
        if done + at < n {
            let fixed = self.fixed(kernel, last, Width::Scalar, &cursor)?;
            for i in at..n - done {
                let (v, lane) = (i % full / per, (i % per) as u8);
                let body = self.step(kernel, Width::Scalar, &fixed, &cursor, i, done)?;
                let acc = self.b.ins().extractlane(lanes[v], lane);
                let acc = self.join_lanes(step, Width::Scalar, acc, &body)?;
                lanes[v] = self.b.ins().insertlane(lanes[v], acc, lane);
            }
        }
        Ok(lanes)
    }

    /// Vectors of lanes joined by the halving tree to one number.
    fn tree(&mut self, step: Step, mut lanes: Values) -> Result<Value, JitError> {
        let per = vector_lanes(step.dtype);
        let mut width = step.dtype.lanes() / per / 2;
        while width > 0 {
            for i in 0..width.min(lanes.len()) {
                if i + width < lanes.len() {
                    lanes[i] = self.join(step, Width::Vector, lanes[i], lanes[i + width])?;
                }
            }
            lanes.truncate(width);
            width /= 2;
        }
        let mut parts: Values = (0..per as u8).map(|l| self.b.ins().extractlane(lanes[0], l)).collect();
        while parts.len() > 1 {
            let half = parts.len() / 2;
            for i in 0..half {
                parts[i] = self.join(step, Width::Scalar, parts[i], parts[i + half])?;
            }
            parts.truncate(half);
        }
        Ok(parts[0])
    }

    /// Vector lanes across the innermost kept axis; the lanes of the order are
    /// values where there are few, else memory.
    fn across(&mut self, kernel: &Kernel, step: Step, kept: usize, cursor: Cursor) -> Result<(), JitError> {
        let (dim, per) = (kept - 1, vector_lanes(step.dtype));
        let n = kernel.dims[dim];
        let whole = n / per * per;
        self.counted(whole, per, &[], |c, index, _| {
            let here = c.advance(kernel, &cursor, dim, index);
            c.column(kernel, step, kept, Width::Vector, here)?;
            Ok(Values::new())
        })?;
        for i in whole..n {
            let index = self.b.ins().iconst(types::I64, i as i64);
            let here = self.advance(kernel, &cursor, dim, index);
            self.column(kernel, step, kept, Width::Scalar, here)?;
        }
        Ok(())
    }

    fn in_memory(
        &mut self,
        kernel: &Kernel,
        step: Step,
        kept: usize,
        cursor: Cursor,
    ) -> Result<(), JitError> {
        self.column(kernel, step, kept, Width::Scalar, cursor)
    }

    /// One result (or one vector of results): all reduced elements in order.
    fn column(
        &mut self,
        kernel: &Kernel,
        step: Step,
        kept: usize,
        width: Width,
        cursor: Cursor,
    ) -> Result<(), JitError> {
        let full = step.dtype.lanes();
        let count: usize = kernel.dims[kept..].iter().product();
        let present = full.min(count);
        let near = kernel.body.iter().all(|lane| match &lane.op {
            LaneOp::Load(access) => kernel.dims[kept..]
                .iter()
                .zip(&access.strides[kept..])
                .all(|(&n, &s)| n.saturating_mul(s.unsigned_abs()) < 1 << 24),
            _ => true,
        });
        let straight = near && count.saturating_mul(kernel.body.len()) <= STRAIGHT;
        let lanes: SmallVec<[Value; 32]> = if straight {
            let mut lanes: SmallVec<[Value; 32]> = SmallVec::new();
            let mut at = vec![0usize; kernel.dims.len() - kept];
            for r in 0..count {
                let here = |_: &Self, lane: usize| {
                    let bytes = match &kernel.body[lane].op {
                        LaneOp::Load(access) => {
                            let steps = at.iter().zip(&access.strides[kept..]);
                            steps.map(|(&i, &s)| i as isize * s).sum::<isize>()
                                * kernel.body[lane].dtype.size() as isize
                        }
                        _ => 0,
                    };
                    (cursor.loads[lane], bytes as i32)
                };
                let body = self.column_body(kernel, kept, width, &here)?;
                if r < full {
                    let neutral = lanes::uniform(&mut self.b, step.dtype, width, step.neutral());
                    let first = self.join_step(step, width, neutral, &body)?;
                    lanes.push(first);
                } else {
                    lanes[r % full] = self.join_step(step, width, lanes[r % full], &body)?;
                }
                for axis in (0..at.len()).rev() {
                    at[axis] += 1;
                    if at[axis] < kernel.dims[kept + axis] {
                        break;
                    }
                    at[axis] = 0;
                }
            }
            lanes
        } else {
            self.lanes_in_memory(kernel, step, kept, width, &cursor, present)?
        };
        let mut lanes = lanes;
        let mut half = full / 2;
        while half > 0 {
            for i in 0..half.min(lanes.len()) {
                if i + half < lanes.len() {
                    lanes[i] = self.join(step, width, lanes[i], lanes[i + half])?;
                }
            }
            lanes.truncate(half);
            half /= 2;
        }
        self.put_result(&cursor, 0, lanes[0])
    }

    fn column_body(
        &mut self,
        kernel: &Kernel,
        kept: usize,
        width: Width,
        at: &dyn Fn(&Self, usize) -> (Option<Value>, i32),
    ) -> Result<Values, JitError> {
        match width {
            Width::Scalar => {
                let none: Fixed = SmallVec::from_elem(None, kernel.body.len());
                self.body(kernel, width, &none, at)
            }
            Width::Vector => self.body_across(kernel, kept - 1, at),
        }
    }

    fn lanes_in_memory(
        &mut self,
        kernel: &Kernel,
        step: Step,
        kept: usize,
        width: Width,
        cursor: &Cursor,
        present: usize,
    ) -> Result<SmallVec<[Value; 32]>, JitError> {
        let size = match width {
            Width::Scalar => step.dtype.size(),
            Width::Vector => 16,
        };
        let shift = size.trailing_zeros();
        let full = step.dtype.lanes();
        let data = StackSlotData::new(StackSlotKind::ExplicitSlot, (full * size) as u32, 4);
        let slot = self.b.create_sized_stack_slot(data);
        let base = self.b.ins().stack_addr(types::I64, slot, 0);
        let neutral = lanes::uniform(&mut self.b, step.dtype, width, step.neutral());
        for lane in 0..present {
            self.b.ins().store(flags(), neutral, base, (lane * size) as i32);
        }
        let zero = self.b.ins().iconst(types::I64, 0);
        let ty = match width {
            Width::Scalar => scalar_type(step.dtype),
            Width::Vector => lane_type(step.dtype, width),
        };
        self.reduced_dims(kernel, kept, cursor.clone(), zero, &mut |c, cursor, r| {
            let lane = c.b.ins().band_imm_u(r, full as i64 - 1);
            let offset = c.b.ins().ishl_imm_u(lane, i64::from(shift));
            let at = c.b.ins().iadd(base, offset);
            let body = c.column_body(kernel, kept, width, &|_, i| (cursor.loads[i], 0))?;
            let acc = c.b.ins().load(ty, flags(), at, 0);
            let acc = c.join_step(step, width, acc, &body)?;
            c.b.ins().store(flags(), acc, at, 0);
            Ok(())
        })?;
        Ok((0..present).map(|lane| self.b.ins().load(ty, flags(), base, (lane * size) as i32)).collect())
    }

    /// The loops over the reduced dims with the running count of elements.
    fn reduced_dims(
        &mut self,
        kernel: &Kernel,
        dim: usize,
        cursor: Cursor,
        r: Value,
        body: &mut dyn FnMut(&mut Self, Cursor, Value) -> Result<(), JitError>,
    ) -> Result<Value, JitError> {
        let out = self.counted(kernel.dims[dim], 1, &[r], |c, index, carried| {
            let cursor = c.advance(kernel, &cursor, dim, index);
            let r = carried[0];
            let next = if dim + 1 == kernel.dims.len() {
                body(c, cursor, r)?;
                c.b.ins().iadd_imm_s(r, 1)
            } else {
                c.reduced_dims(kernel, dim + 1, cursor, r, body)?
            };
            Ok(SmallVec::from_elem(next, 1))
        })?;
        Ok(out[0])
    }
}
