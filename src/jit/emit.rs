//! Emission of one chunk: a function that runs a run of items. Scalars live in
//! registers; those that other chunks need have slots in the workspace.

use crate::graph::DType;
use crate::jit::JitError;
use crate::jit::callback;
use crate::jit::code::Pool;
use crate::jit::isa::{has_fma, has_rounding};
use crate::jit::lanes::{self, Width, scalar_type};
use crate::jit::strip::Strips;
use crate::lower::plan::{BufId, Call, Def, Item, Place, Plan, ScalarId};
use crate::ops::{CustomOp, MapFn};
use cranelift_codegen::ir::{
    AbiParam, Function, InstBuilder, MemFlagsData, Signature, StackSlotData, StackSlotKind, Value, types,
};
use cranelift_frontend::FunctionBuilder;
use cranelift_jit::JITModule;
use cranelift_module::{FuncId, Linkage, Module};
use rustc_hash::FxHashMap;

/// Where scalars that cross chunks are kept, and the layout of the workspace.
pub struct Frame {
    /// First byte of the scratch region.
    pub temp: usize,
    /// Byte offset of the slot of each scalar that crosses, or `u32::MAX`.
    pub slots: Vec<u32>,
    /// First byte of the slots.
    pub slot_base: usize,
    /// Scalars that are read back from memory they were stored to anyway.
    pub homes: FxHashMap<ScalarId, (BufId, usize)>,
}

/// The emitter of one chunk.
pub struct Chunk<'a, 'f> {
    pub b: FunctionBuilder<'f>,
    pub plan: &'a Plan,
    pub module: &'a mut JITModule,
    pub pool: &'a mut Pool,
    pub frame: &'a Frame,
    pub symbols: &'a mut FxHashMap<&'static str, FuncId>,
    /// Literals placed so far, by buffer.
    pub literals: &'a mut FxHashMap<BufId, usize>,
    pub strips: &'a mut Strips,
    /// The functions of bodies.
    pub bodies: &'a FxHashMap<*const Plan, FuncId>,
    imported: FxHashMap<FuncId, cranelift_codegen::ir::FuncRef>,
    inputs: Value,
    outputs: Value,
    pub workspace: Value,
    pub status: Value,
    bases: FxHashMap<Base, Value>,
    values: &'a mut Values,
    direct: bool,
    /// The first output of a direct function.
    returned: Option<Value>,
}

/// The scalars that a chunk has in registers: for each the chunk that last had
/// it and its name there, so that nothing is cleared between chunks.
pub struct Values {
    by_scalar: Vec<(u32, Value)>,
    chunk: u32,
}

impl Values {
    pub fn new(scalars: usize) -> Values {
        Values { by_scalar: vec![(0, Value::from_u32(0)); scalars], chunk: 0 }
    }

    fn get(&self, id: ScalarId) -> Option<Value> {
        let (chunk, value) = self.by_scalar[id.index()];
        (chunk == self.chunk).then_some(value)
    }

    fn insert(&mut self, id: ScalarId, value: Value) {
        self.by_scalar[id.index()] = (self.chunk, value);
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Base {
    Input(u32),
    Output(u32),
    Literal(BufId),
    Workspace(usize),
}

/// Offsets up to here go into the instruction.
const NEAR: usize = 1 << 30;

impl<'a, 'f> Chunk<'a, 'f> {
    #[allow(clippy::too_many_arguments)]
    pub fn new(
        mut b: FunctionBuilder<'f>,
        plan: &'a Plan,
        module: &'a mut JITModule,
        pool: &'a mut Pool,
        frame: &'a Frame,
        symbols: &'a mut FxHashMap<&'static str, FuncId>,
        literals: &'a mut FxHashMap<BufId, usize>,
        values: &'a mut Values,
        strips: &'a mut Strips,
        bodies: &'a FxHashMap<*const Plan, FuncId>,
        direct: bool,
    ) -> Chunk<'a, 'f> {
        values.chunk += 1;
        let entry = b.create_block();
        b.append_block_params_for_function_params(entry);
        b.switch_to_block(entry);
        b.seal_block(entry);
        let params = b.block_params(entry).to_vec();
        let at = |i: usize| params.get(i).copied().unwrap_or(Value::from_u32(0));
        let (inputs, outputs, workspace, status) = (at(0), at(1), at(2), at(3));
        let mut bases = FxHashMap::default();
        if direct {
            bases.extend([(Base::Input(0), at(0)), (Base::Output(1), at(1))]);
        }
        Chunk {
            b,
            plan,
            module,
            pool,
            frame,
            symbols,
            literals,
            strips,
            bodies,
            imported: FxHashMap::default(),
            inputs,
            outputs,
            workspace,
            status,
            bases,
            values,
            direct,
            returned: None,
        }
    }

    /// The signature of a chunk.
    pub fn signature(module: &JITModule) -> Signature {
        let mut signature = module.make_signature();
        signature.params.extend([AbiParam::new(types::I64); 4]);
        signature
    }

    /// The signature of [`crate::jit::Direct`].
    pub fn direct_signature(module: &JITModule) -> Signature {
        let mut signature = module.make_signature();
        signature.params.extend([AbiParam::new(types::I64); 2]);
        signature.returns.push(AbiParam::new(types::F64));
        signature
    }

    /// Ends the function.
    pub fn finish(mut self) {
        self.b.ins().return_(self.returned.as_slice());
        self.b.finalize(self.module.isa().frontend_config());
    }

    /// Emits one item.
    pub fn item(&mut self, item: &Item) -> Result<(), JitError> {
        match item {
            Item::Scalar(id) => {
                let value = self.compute(*id)?;
                self.values.insert(*id, value);
                let slot = self.frame.slots.get(id.index()).copied().unwrap_or(u32::MAX);
                if slot != u32::MAX && !self.frame.homes.contains_key(id) {
                    let at = self.frame.slot_base + slot as usize;
                    let (base, offset) = self.workspace_at(at);
                    self.b.ins().store(flags(), value, base, offset);
                }
                Ok(())
            }
            Item::Store(buf, index, id) => {
                let value = self.scalar(*id)?;
                if self.direct && matches!(self.plan.buffer(*buf).place, Place::Output(0)) {
                    self.returned = Some(value);
                    return Ok(());
                }
                let (base, offset) = self.address(*buf, *index as isize)?;
                self.b.ins().store(flags(), value, base, offset);
                Ok(())
            }
            Item::Loop(kernel) => self.kernel(kernel),
            Item::Call(call) => self.runtime_call(call),
            Item::Repeat(repeat) => self.repeat(repeat),
            Item::Blocks(blocks) => self.blocks(blocks),
            Item::Branch(branch) => self.branch(branch),
        }
    }

    /// A scalar's value in this chunk.
    pub fn scalar(&mut self, id: ScalarId) -> Result<Value, JitError> {
        if let Some(value) = self.values.get(id) {
            return Ok(value);
        }
        let scalar = self.plan.scalar(id);
        let value = match scalar.def {
            Def::Const(bits) => lanes::constant(&mut self.b, scalar.dtype, bits),
            Def::Load(buf, index) => self.load(buf, index as isize, scalar.dtype)?,
            // Computed in an earlier chunk.
            _ => match self.frame.homes.get(&id) {
                Some(&(buf, index)) => self.load(buf, index as isize, scalar.dtype)?,
                None => {
                    let slot = self.frame.slots.get(id.index()).copied().unwrap_or(u32::MAX);
                    if slot == u32::MAX {
                        return Err(JitError::Internal("a scalar without a slot"));
                    }
                    let (base, offset) = self.workspace_at(self.frame.slot_base + slot as usize);
                    self.b.ins().load(scalar_type(scalar.dtype), flags(), base, offset)
                }
            },
        };
        self.values.insert(id, value);
        Ok(value)
    }

    fn load(&mut self, buf: BufId, index: isize, dtype: DType) -> Result<Value, JitError> {
        let (base, offset) = self.address(buf, index)?;
        let flags = self.load_flags(buf);
        Ok(self.b.ins().load(scalar_type(dtype), flags, base, offset))
    }

    /// Memory that no code of ours writes may be loaded anywhere.
    pub fn load_flags(&self, buf: BufId) -> MemFlagsData {
        match self.plan.buffer(buf).place {
            Place::Input(_) | Place::Part(..) | Place::Literal(_) => flags().with_readonly().with_can_move(),
            _ => flags(),
        }
    }

    fn compute(&mut self, id: ScalarId) -> Result<Value, JitError> {
        let plan = self.plan;
        let scalar = plan.scalar(id);
        match &scalar.def {
            Def::Map(f, args) => {
                let mut values = smallvec::SmallVec::<[Value; 3]>::new();
                for &arg in args.iter() {
                    values.push(self.scalar(arg)?);
                }
                let operand = match f {
                    MapFn::Select => scalar.dtype,
                    _ => plan.scalar(args[0]).dtype,
                };
                self.map(*f, operand, Width::Scalar, &values)
            }
            Def::Cast(arg) => {
                let value = self.scalar(*arg)?;
                Ok(lanes::cast(&mut self.b, plan.scalar(*arg).dtype, scalar.dtype, value))
            }
            _ => self.scalar(id),
        }
    }

    /// A scalar function: instructions, or a call into the runtime.
    pub fn map(&mut self, f: MapFn, dtype: DType, width: Width, args: &[Value]) -> Result<Value, JitError> {
        if f == MapFn::Fma && !has_fma() {
            let name = if dtype == DType::F32 { "ct_fma_f32" } else { "ct_fma_f64" };
            return self.lanewise(name, dtype, width, args);
        }
        if !has_rounding()
            && let Some(name) = rounding_symbol(f, dtype)
        {
            return self.lanewise(name, dtype, width, args);
        }
        if let Some(names) = f.runtime_symbols() {
            return self.lanewise(names[usize::from(dtype == DType::F32)], dtype, width, args);
        }
        lanes::map(&mut self.b, f, dtype, width, args)
            .ok_or(JitError::Internal("a function of another arity"))
    }

    /// A call per lane.
    fn lanewise(
        &mut self,
        name: &'static str,
        dtype: DType,
        width: Width,
        args: &[Value],
    ) -> Result<Value, JitError> {
        let ty = scalar_type(dtype);
        let n = match width {
            Width::Scalar => return self.call_scalar(name, ty, args),
            Width::Vector => lanes::vector_lanes(dtype),
        };
        let mut out = args[0];
        for lane in 0..n as u8 {
            let parts: smallvec::SmallVec<[Value; 3]> =
                args.iter().map(|&a| self.b.ins().extractlane(a, lane)).collect();
            let one = self.call_scalar(name, ty, &parts)?;
            out = self.b.ins().insertlane(out, one, lane);
        }
        Ok(out)
    }

    fn call_scalar(
        &mut self,
        name: &'static str,
        ty: cranelift_codegen::ir::Type,
        args: &[Value],
    ) -> Result<Value, JitError> {
        let mut signature = self.module.make_signature();
        signature.params.extend(args.iter().map(|_| AbiParam::new(ty)));
        signature.returns.push(AbiParam::new(ty));
        let call = self.call(name, &signature, args)?;
        self.b.inst_results(call).first().copied().ok_or(JitError::Internal("a function without a result"))
    }

    fn call(
        &mut self,
        name: &'static str,
        signature: &Signature,
        args: &[Value],
    ) -> Result<cranelift_codegen::ir::Inst, JitError> {
        let id = match self.symbols.get(name) {
            Some(&id) => id,
            None => {
                let id = self.module.declare_function(name, Linkage::Import, signature)?;
                self.symbols.insert(name, id);
                id
            }
        };
        let function: &mut Function = self.b.func;
        let module = &mut *self.module;
        let target = *self.imported.entry(id).or_insert_with(|| module.declare_func_in_func(id, function));
        Ok(self.b.ins().call(target, args))
    }

    /// Pointers to buffers side by side in memory of the stack; their address.
    pub fn pointers(&mut self, buffers: &[BufId]) -> Result<Value, JitError> {
        let mut pointers = Vec::with_capacity(buffers.len());
        for &buf in buffers {
            pointers.push(self.pointer(buf, 0)?);
        }
        self.table(&pointers)
    }

    /// Values of 64 bits side by side in memory of the stack; their address.
    pub fn table(&mut self, values: &[Value]) -> Result<Value, JitError> {
        let bytes = values.len().max(1).checked_mul(8).and_then(|bytes| u32::try_from(bytes).ok());
        let bytes = bytes.ok_or(JitError::Internal("a table without end"))?;
        let slot = self.b.create_sized_stack_slot(StackSlotData::new(StackSlotKind::ExplicitSlot, bytes, 3));
        for (i, &value) in values.iter().enumerate() {
            self.b.ins().stack_store(types::I64, value, slot, 8 * i as i32);
        }
        Ok(self.b.ins().stack_addr(types::I64, slot, 0))
    }

    /// A call of a callback of the user's.
    fn callback(&mut self, op: &CustomOp, node: u32, from: &[BufId], to: &[BufId]) -> Result<(), JitError> {
        let callback = self.pool.callback(op, node) as i64;
        let callback = self.b.ins().iconst(types::I64, callback);
        let args = [callback, self.pointers(from)?, self.pointers(to)?, self.status];
        let mut signature = self.module.make_signature();
        signature.params.extend([AbiParam::new(types::I64); 4]);
        self.call(callback::SYMBOL, &signature, &args).map(|_| ())
    }

    /// A call into `runtime/` with pointers.
    fn runtime_call(&mut self, call: &Call) -> Result<(), JitError> {
        let (name, dims, buffers, status) = match call {
            Call::Callback { op, node, inputs, outputs } => return self.callback(op, *node, inputs, outputs),
            Call::Matmul { dtype, dims, a, b, c } => {
                let name = if *dtype == DType::F32 { "ct_matmul_f32" } else { "ct_matmul_f64" };
                (name, self.pool.matmul(*dims), vec![*a, *b, *c], false)
            }
            Call::Overlap { symbol, dims, src, out } => {
                (*symbol, self.pool.overlap(*dims), vec![*src, (*out, 0)], false)
            }
            Call::Read { symbol, dims, source, index, out, .. } => {
                (*symbol, self.pool.index(*dims), vec![(*source, 0), (*index, 0), (*out, 0)], true)
            }
            Call::Many { src, out, .. } => {
                let at = [self.pointer(src.buf, src.offset)?, self.pointer(out.buf, out.offset)?];
                return self.many(call, at, None);
            }
            Call::Random { key, out } => {
                let n = self.plan.buffer(*out).len as *const u8;
                ("ct_random_bits", n, vec![(*key, 0), (*out, 0)], false)
            }
            Call::Add { symbol, dims, base, index, update, out, .. } => (
                *symbol,
                self.pool.index(*dims),
                vec![(*base, 0), (*index, 0), (*update, 0), (*out, 0)],
                true,
            ),
            Call::Array { f, dims, operands, scratch, out } => {
                let symbols = f.symbols();
                let symbol = match self.plan.buffer(operands[0]).dtype {
                    DType::F64 => symbols[0],
                    DType::F32 => symbols[1],
                    _ => symbols[2],
                };
                // A function that uses no scratch does not look at it.
                let buffers = operands.iter().chain([scratch.as_ref().unwrap_or(out), out]);
                (symbol, self.pool.array(*dims), buffers.map(|&buf| (buf, 0)).collect(), false)
            }
        };
        let mut args = Vec::with_capacity(buffers.len() + 1);
        for (buf, offset) in buffers {
            args.push(self.pointer(buf, offset)?);
        }
        if status {
            args.push(self.status);
        }
        self.call_pointers(name, dims as i64, &args)
    }

    /// A call with a number and pointers.
    pub fn call_pointers(
        &mut self,
        name: &'static str,
        first: i64,
        pointers: &[Value],
    ) -> Result<(), JitError> {
        let mut args = vec![self.b.ins().iconst(types::I64, first)];
        args.extend(pointers);
        let mut signature = self.module.make_signature();
        signature.params.extend(args.iter().map(|_| AbiParam::new(types::I64)));
        self.call(name, &signature, &args).map(|_| ())
    }

    /// The address of an element as a pointer.
    pub fn pointer(&mut self, buf: BufId, index: isize) -> Result<Value, JitError> {
        let (base, offset) = self.address(buf, index)?;
        Ok(if offset == 0 { base } else { self.b.ins().iadd_imm_s(base, i64::from(offset)) })
    }

    /// The address of an element as a base and a displacement.
    pub fn address(&mut self, buf: BufId, index: isize) -> Result<(Value, i32), JitError> {
        let plan = self.plan;
        let buffer = plan.buffer(buf);
        let from = if let Place::Part(_, from) = buffer.place { from as isize } else { 0 };
        let byte = (from + index) * buffer.dtype.size() as isize;
        let base = match &buffer.place {
            Place::Persist(at) => return Ok(self.workspace_at(at.wrapping_add_signed(byte))),
            Place::Temp(Some(at)) => {
                return Ok(self.workspace_at((self.frame.temp + at).wrapping_add_signed(byte)));
            }
            Place::Temp(None) => return Err(JitError::Internal("a buffer without a place")),
            Place::Input(k) | Place::Part(k, _) => Base::Input(*k),
            Place::Output(k) => Base::Output(*k),
            Place::Literal(_) => Base::Literal(buf),
        };
        let pointer = match self.bases.get(&base) {
            Some(&pointer) => pointer,
            None => {
                let fixed = flags().with_readonly().with_can_move();
                let pointer = match (base, &buffer.place) {
                    (Base::Input(k), _) => self.b.ins().load(types::I64, fixed, self.inputs, 8 * k as i32),
                    (Base::Output(k), _) => self.b.ins().load(types::I64, fixed, self.outputs, 8 * k as i32),
                    (_, Place::Literal(literal)) => {
                        let at = match self.literals.get(&buf) {
                            Some(&at) => at,
                            None => {
                                let at = self.pool.literal(literal)? as usize;
                                self.literals.insert(buf, at);
                                at
                            }
                        };
                        self.b.ins().iconst(types::I64, at as i64)
                    }
                    _ => self.workspace,
                };
                self.bases.insert(base, pointer);
                pointer
            }
        };
        Ok(self.split(pointer, byte))
    }

    fn workspace_at(&mut self, byte: usize) -> (Value, i32) {
        if byte < NEAR {
            return (self.workspace, byte as i32);
        }
        let page = byte / NEAR * NEAR;
        let base = match self.bases.get(&Base::Workspace(page)) {
            Some(&base) => base,
            None => {
                let base = self.b.ins().iadd_imm_s(self.workspace, page as i64);
                self.bases.insert(Base::Workspace(page), base);
                base
            }
        };
        (base, (byte - page) as i32)
    }

    fn split(&mut self, pointer: Value, byte: isize) -> (Value, i32) {
        match i32::try_from(byte) {
            Ok(offset) => (pointer, offset),
            Err(_) => (self.b.ins().iadd_imm_s(pointer, byte as i64), 0),
        }
    }
}

/// Loads and stores of planned memory: proved in range, of any alignment.
pub fn flags() -> MemFlagsData {
    MemFlagsData::new().with_notrap()
}

/// Rounding where the CPU has no instruction for it.
fn rounding_symbol(f: MapFn, dtype: DType) -> Option<&'static str> {
    let pair = match f {
        MapFn::Floor => ["ct_floor_f64", "ct_floor_f32"],
        MapFn::Ceil => ["ct_ceil_f64", "ct_ceil_f32"],
        MapFn::RoundEven => ["ct_round_even_f64", "ct_round_even_f32"],
        _ => return None,
    };
    Some(pair[usize::from(dtype == DType::F32)])
}
