//! Loop nests of kernels that store: outer loops, then an innermost loop over
//! 128-bit lanes where the body allows it.

use crate::graph::DType;
use crate::jit::JitError;
use crate::jit::emit::{Chunk, flags};
use crate::jit::lanes::{self, Width, lane_type, scalar_type, vector_lanes};
use crate::lower::plan::{Access, Ending, Kernel, Lane, LaneOp};
use crate::ops::MapFn;
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{BlockArg, InstBuilder, Value, types};
use smallvec::SmallVec;

type Values = SmallVec<[Value; 8]>;

/// The pointers of a kernel at one point of its outer loops: one per lane of the
/// body (for loads), the ending's, and those of what is stored beside it.
#[derive(Clone)]
pub struct Cursor {
    pub loads: SmallVec<[Option<Value>; 8]>,
    pub store: Value,
    pub beside: SmallVec<[Value; 4]>,
}

/// Values of lanes: those that do not change along the innermost loop, computed before it, or those
/// that are wanted.
pub type Fixed = SmallVec<[Option<Value>; 8]>;

/// The value of a lane that is there.
pub fn got(values: &Fixed, lane: usize) -> Result<Value, JitError> {
    values[lane].ok_or(JitError::Internal("a lane used before it is computed"))
}

impl Chunk<'_, '_> {
    /// Emits a kernel.
    pub fn kernel(&mut self, kernel: &Kernel) -> Result<(), JitError> {
        let cursor = self.begin(kernel)?;
        self.nest(kernel, 0, cursor)
    }

    /// Pointers at the origin of the index space. Values needed inside loops are made here,
    /// where they dominate them.
    pub fn begin(&mut self, kernel: &Kernel) -> Result<Cursor, JitError> {
        for lane in &kernel.body {
            if let LaneOp::Scalar(id) = lane.op {
                self.scalar(id)?;
            }
        }
        self.cursor(kernel)
    }

    /// The loops from a dim on.
    pub fn nest(&mut self, kernel: &Kernel, from: usize, cursor: Cursor) -> Result<(), JitError> {
        match kernel.ending {
            Ending::Store(value) => self.store_kernel(kernel, value, from, cursor),
            Ending::Reduce { .. } => self.reduce_kernel(kernel, cursor),
        }
    }

    fn cursor(&mut self, kernel: &Kernel) -> Result<Cursor, JitError> {
        let mut loads = SmallVec::new();
        for lane in &kernel.body {
            loads.push(match &lane.op {
                LaneOp::Load(access) => Some(self.pointer(access.buf, access.offset)?),
                _ => None,
            });
        }
        let store = self.pointer(kernel.store.buf, kernel.store.offset)?;
        let stores = kernel.beside.iter().map(|beside| &beside.store);
        let beside = stores.map(|store| self.pointer(store.buf, store.offset)).collect::<Result<_, _>>()?;
        Ok(Cursor { loads, store, beside })
    }

    /// Pointers moved by an index along one dim.
    pub fn advance(&mut self, kernel: &Kernel, cursor: &Cursor, dim: usize, index: Value) -> Cursor {
        let mut made: SmallVec<[(i64, Value); 4]> = SmallVec::new();
        let mut moved = |c: &mut Self, pointer: Value, access: &Access, stride: isize| {
            let bytes = stride as i64 * c.plan.buffer(access.buf).dtype.size() as i64;
            if bytes == 0 {
                return pointer;
            }
            let step = match made.iter().find(|m| m.0 == bytes) {
                Some(&(_, step)) => step,
                None => {
                    let step = c.scaled(index, bytes);
                    made.push((bytes, step));
                    step
                }
            };
            c.b.ins().iadd(pointer, step)
        };
        let loads = kernel
            .body
            .iter()
            .zip(&cursor.loads)
            .map(|(lane, &pointer)| match (&lane.op, pointer) {
                (LaneOp::Load(access), Some(p)) => Some(moved(self, p, access, access.strides[dim])),
                _ => None,
            })
            .collect();
        let store = match kernel.store.strides.get(dim) {
            Some(&stride) => moved(self, cursor.store, &kernel.store, stride),
            None => cursor.store,
        };
        let beside = kernel.beside.iter().zip(&cursor.beside);
        let beside = beside.map(|(b, &p)| moved(self, p, &b.store, b.store.strides[dim])).collect();
        Cursor { loads, store, beside }
    }

    /// An index times a number of bytes.
    pub fn scaled(&mut self, index: Value, bytes: i64) -> Value {
        match u64::try_from(bytes) {
            Ok(b) if b.is_power_of_two() => self.b.ins().ishl_imm_u(index, i64::from(b.trailing_zeros())),
            _ => self.b.ins().imul_imm_s(index, bytes),
        }
    }

    /// A loop that runs `n >= 1` times with values carried around.
    pub fn counted(
        &mut self,
        n: usize,
        step: usize,
        carried: &[Value],
        body: impl FnOnce(&mut Self, Value, &[Value]) -> Result<Values, JitError>,
    ) -> Result<Values, JitError> {
        let zero = self.b.ins().iconst(types::I64, 0);
        if n <= step {
            return body(self, zero, carried);
        }
        let (head, exit) = (self.b.create_block(), self.b.create_block());
        let index = self.b.append_block_param(head, types::I64);
        let inside: Values = carried.iter().map(|&v| self.param(head, v)).collect();
        let after: Values = carried.iter().map(|&v| self.param(exit, v)).collect();
        let enter: SmallVec<[BlockArg; 8]> =
            std::iter::once(zero).chain(carried.iter().copied()).map(BlockArg::Value).collect();
        self.b.ins().jump(head, &enter);
        self.b.switch_to_block(head);
        let out = body(self, index, &inside)?;
        let next = self.b.ins().iadd_imm_s(index, step as i64);
        let more = self.b.ins().icmp_imm_u(IntCC::UnsignedLessThan, next, n as i64);
        let again: SmallVec<[BlockArg; 8]> =
            std::iter::once(next).chain(out.iter().copied()).map(BlockArg::Value).collect();
        let leave: SmallVec<[BlockArg; 8]> = out.iter().copied().map(BlockArg::Value).collect();
        self.b.ins().brif(more, head, &again, exit, &leave);
        self.b.seal_block(head);
        self.b.seal_block(exit);
        self.b.switch_to_block(exit);
        Ok(after)
    }

    /// Pointers moved past a constant number of elements.
    pub fn skip(&mut self, kernel: &Kernel, cursor: Cursor, dim: usize, elements: usize) -> Cursor {
        if elements == 0 {
            return cursor;
        }
        let index = self.b.ins().iconst(types::I64, elements as i64);
        self.advance(kernel, &cursor, dim, index)
    }

    fn param(&mut self, block: cranelift_codegen::ir::Block, like: Value) -> Value {
        let ty = self.b.func.dfg.value_type(like);
        self.b.append_block_param(block, ty)
    }

    fn store_kernel(
        &mut self,
        kernel: &Kernel,
        value: u32,
        from: usize,
        cursor: Cursor,
    ) -> Result<(), JitError> {
        let Some(inner) = kernel.dims.len().checked_sub(1) else {
            return self.one_element(kernel, value, &cursor);
        };
        self.outer(kernel, from, inner, cursor, &mut |c, cursor| c.row(kernel, value, inner, cursor))
    }

    /// The loops over dims `from..to`, innermost body last. Depth is the rank.
    pub fn outer(
        &mut self,
        kernel: &Kernel,
        from: usize,
        to: usize,
        cursor: Cursor,
        body: &mut dyn FnMut(&mut Self, Cursor) -> Result<(), JitError>,
    ) -> Result<(), JitError> {
        if from == to {
            return body(self, cursor);
        }
        self.counted(kernel.dims[from], 1, &[], |c, index, _| {
            let cursor = c.advance(kernel, &cursor, from, index);
            c.outer(kernel, from + 1, to, cursor, body)?;
            Ok(Values::new())
        })
        .map(|_| ())
    }

    fn one_element(&mut self, kernel: &Kernel, value: u32, cursor: &Cursor) -> Result<(), JitError> {
        let none: Fixed = SmallVec::from_elem(None, kernel.body.len());
        let lanes = self.body(kernel, Width::Scalar, &none, &|_, i| (cursor.loads[i], 0))?;
        self.b.ins().store(flags(), lanes[value as usize], cursor.store, 0);
        Ok(())
    }

    /// The innermost loop of a storing kernel.
    fn row(&mut self, kernel: &Kernel, value: u32, dim: usize, cursor: Cursor) -> Result<(), JitError> {
        let (n, common) = (kernel.dims[dim], kernel.common());
        let dtype = kernel.body[value as usize].dtype;
        let vector = kernel.vector_dtype(dim).filter(|&d| d == dtype);
        let long = |&d: &DType| n >= vector_lanes(d) || !kernel.beside.is_empty();
        let unit = kernel.store.strides[dim] == 1;
        let Some(dtype) = vector.filter(long).filter(|_| unit) else {
            let fixed = self.fixed(kernel, dim, Width::Scalar, &cursor)?;
            self.counted(n, 1, &[], |c, index, _| {
                let here = c.advance(kernel, &cursor, dim, index);
                let lanes = c.body(kernel, Width::Scalar, &fixed, &|_, i| (here.loads[i], 0))?;
                c.b.ins().store(flags(), lanes[value as usize], here.store, 0);
                Ok(Values::new())
            })?;
            return Ok(());
        };
        let wide = self.strip(kernel, &cursor, &mut [])?;
        if wide == n {
            return Ok(());
        }
        let cursor = self.skip(kernel, cursor, dim, wide);
        let per = vector_lanes(dtype);
        let unroll = match kernel.body.len() {
            0..=8 => 4,
            9..=24 => 2,
            _ => 1,
        };
        let block = per * unroll;
        let fixed = self.fixed(kernel, dim, Width::Vector, &cursor)?;
        // Short rows are straight-line code, and so is what a whole number of
        // blocks leaves over.
        let left = common - wide;
        let looped = if left <= 2 * block { 0 } else { left / block * block };
        if looped > 0 {
            self.counted(looped, block, &[], |c, index, _| {
                let here = c.advance(kernel, &cursor, dim, index);
                for u in 0..unroll {
                    let lanes = c.step(kernel, Width::Vector, &fixed, &here, u * per, 0)?;
                    c.put(kernel, &here, u * per, &lanes)?;
                }
                Ok(Values::new())
            })?;
        }
        let cursor = self.skip(kernel, cursor, dim, looped);
        let done = wide + looped;
        let mut at = 0;
        while done + at + per <= common {
            let lanes = self.step(kernel, Width::Vector, &fixed, &cursor, at, 0)?;
            self.put(kernel, &cursor, at, &lanes)?;
            at += per;
        }
        if done + at < n {
            let fixed = self.fixed(kernel, dim, Width::Scalar, &cursor)?;
            for i in at..n - done {
                let lanes = self.step(kernel, Width::Scalar, &fixed, &cursor, i, done)?;
                self.put(kernel, &cursor, i, &lanes)?;
            }
        }
        Ok(())
    }

    /// Stores the values of the ending at element `at` past the cursor.
    fn put(&mut self, kernel: &Kernel, cursor: &Cursor, at: usize, lanes: &Fixed) -> Result<(), JitError> {
        for lane in kernel.ending.lanes() {
            let offset = (at * kernel.body[lane as usize].dtype.size()) as i32;
            self.b.ins().store(flags(), got(lanes, lane as usize)?, cursor.store, offset);
        }
        Ok(())
    }

    /// What is wanted of the body at element `at` past the cursor along the last dim, which is
    /// `done` past the first; what goes beside is stored.
    pub fn step(
        &mut self,
        kernel: &Kernel,
        width: Width,
        fixed: &Fixed,
        cursor: &Cursor,
        at: usize,
        done: usize,
    ) -> Result<Fixed, JitError> {
        let reach = kernel.reach();
        let place = element(kernel, cursor, kernel.dims.len() - 1, at);
        let mut values = fixed.clone();
        for i in 0..kernel.body.len() {
            if values[i].is_none() && done + at < reach[i] {
                values[i] = Some(self.lane(kernel, i, width, &values, &place)?);
            }
        }
        for (beside, &pointer) in kernel.beside.iter().zip(&cursor.beside) {
            if done + at < beside.n {
                let size = kernel.body[beside.value as usize].dtype.size();
                let value = got(&values, beside.value as usize)?;
                self.b.ins().store(flags(), value, pointer, (at * size) as i32);
            }
        }
        Ok(values)
    }

    /// Lanes that do not depend on the index of `dim`, in the given width.
    pub fn fixed(
        &mut self,
        kernel: &Kernel,
        dim: usize,
        width: Width,
        cursor: &Cursor,
    ) -> Result<Fixed, JitError> {
        let moving = kernel.moving_lanes(dim);
        let none: Fixed = SmallVec::from_elem(None, kernel.body.len());
        let mut scalars: Fixed = none.clone();
        let mut out: Fixed = none;
        for i in 0..kernel.body.len() {
            if moving[i] {
                continue;
            }
            let one = self.lane(kernel, i, Width::Scalar, &scalars, &|_, i| (cursor.loads[i], 0))?;
            scalars[i] = Some(one);
            out[i] = Some(match width {
                Width::Scalar => one,
                Width::Vector => self.splat(kernel, i, one),
            });
        }
        Ok(out)
    }

    fn splat_mask(&mut self, kernel: &Kernel, one: Value) -> Value {
        let narrow = kernel.body.iter().any(|l| l.dtype == DType::F32);
        let (int, vector) = if narrow { (types::I32, types::I32X4) } else { (types::I64, types::I64X2) };
        let wide = self.b.ins().uextend(int, one);
        let ones = self.b.ins().ineg(wide);
        self.b.ins().splat(vector, ones)
    }

    /// All lanes of the body; `at` gives the address of each load.
    pub fn body(
        &mut self,
        kernel: &Kernel,
        width: Width,
        fixed: &Fixed,
        at: &dyn Fn(&Self, usize) -> (Option<Value>, i32),
    ) -> Result<SmallVec<[Value; 8]>, JitError> {
        let mut values: Fixed = fixed.clone();
        for i in 0..kernel.body.len() {
            if values[i].is_none() {
                values[i] = Some(self.lane(kernel, i, width, &values, at)?);
            }
        }
        Ok(values.into_iter().flatten().collect())
    }

    /// All lanes of the body in vectors along `dim`, where some lanes may be the
    /// same along it and yet change with other dims.
    pub fn body_across(
        &mut self,
        kernel: &Kernel,
        dim: usize,
        at: &dyn Fn(&Self, usize) -> (Option<Value>, i32),
    ) -> Result<SmallVec<[Value; 8]>, JitError> {
        let moving = kernel.moving_lanes(dim);
        let mut scalars: Fixed = SmallVec::from_elem(None, kernel.body.len());
        let mut vectors: Fixed = scalars.clone();
        for i in 0..kernel.body.len() {
            vectors[i] = Some(if moving[i] {
                self.lane(kernel, i, Width::Vector, &vectors, at)?
            } else {
                let one = self.lane(kernel, i, Width::Scalar, &scalars, at)?;
                scalars[i] = Some(one);
                self.splat(kernel, i, one)
            });
        }
        Ok(vectors.into_iter().flatten().collect())
    }

    /// One lane's value in all lanes; a mask becomes all-ones lanes.
    fn splat(&mut self, kernel: &Kernel, i: usize, one: Value) -> Value {
        match kernel.body[i].dtype {
            DType::Bool => self.splat_mask(kernel, one),
            dtype => self.b.ins().splat(lane_type(dtype, Width::Vector), one),
        }
    }

    fn lane(
        &mut self,
        kernel: &Kernel,
        i: usize,
        width: Width,
        values: &Fixed,
        at: &dyn Fn(&Self, usize) -> (Option<Value>, i32),
    ) -> Result<Value, JitError> {
        let lane = &kernel.body[i];
        let arg = |k: u32| got(values, k as usize);
        match &lane.op {
            LaneOp::Const(bits) => Ok(lanes::constant(&mut self.b, lane.dtype, *bits)),
            LaneOp::Scalar(id) => self.scalar(*id),
            LaneOp::Load(access) => {
                let (pointer, offset) = at(self, i);
                let pointer = pointer.ok_or(JitError::Internal("a load without a pointer"))?;
                let ty = match width {
                    Width::Scalar => scalar_type(lane.dtype),
                    Width::Vector => lane_type(lane.dtype, width),
                };
                let flags = self.load_flags(access.buf);
                Ok(self.b.ins().load(ty, flags, pointer, offset))
            }
            LaneOp::Map(f, args) => {
                let args = args.iter().map(|&k| arg(k)).collect::<Result<SmallVec<[Value; 3]>, _>>()?;
                self.map(*f, operand_dtype(kernel, lane), width, &args)
            }
            LaneOp::Cast(x) => {
                let value = arg(*x)?;
                Ok(lanes::cast(&mut self.b, kernel.body[*x as usize].dtype, lane.dtype, value))
            }
        }
    }
}

fn operand_dtype(kernel: &Kernel, lane: &Lane) -> DType {
    match &lane.op {
        LaneOp::Map(f, args) if *f != MapFn::Select => kernel.body[args[0] as usize].dtype,
        _ => lane.dtype,
    }
}

/// Addresses of element `i` along a dim, as displacements.
pub fn element<'k>(
    kernel: &'k Kernel,
    cursor: &'k Cursor,
    dim: usize,
    i: usize,
) -> impl Fn(&Chunk<'_, '_>, usize) -> (Option<Value>, i32) + 'k {
    move |_, lane| match &kernel.body[lane].op {
        LaneOp::Load(access) => {
            let bytes = i as isize * access.strides[dim] * kernel.body[lane].dtype.size() as isize;
            (cursor.loads[lane], bytes as i32)
        }
        _ => (None, 0),
    }
}
