//! Rows of kernels at the full width of the CPU: a table on the stack, and a call.

use crate::graph::DType;
use crate::jit::JitError;
use crate::jit::emit::{Chunk, flags};
use crate::jit::kernel::Cursor;
use crate::jit::lanes::Width;
use crate::jit::wide::{self, Stream, Strip, Vector};
use crate::lower::plan::Kernel;
use cranelift_codegen::ir::{AbiParam, InstBuilder, Signature, StackSlotData, StackSlotKind, Value, types};
use cranelift_codegen::isa::CallConv;
use cranelift_module::{FuncId, Module};

/// The wide rows of a plan.
pub struct Strips {
    /// What they are made for, if there is anything wider than Cranelift's vectors.
    pub vector: Option<Vector>,
    /// Whether their code is wanted as text.
    pub listing: bool,
    pub made: Vec<(FuncId, Strip)>,
}

impl Chunk<'_, '_> {
    /// Runs what there is a wide form for of a row along the last dim, from its first element.
    /// `sums` are the accumulators of a reduction, in vectors of 128 bits. How many elements
    /// were done.
    pub fn strip(&mut self, kernel: &Kernel, cursor: &Cursor, sums: &mut [Value]) -> Result<usize, JitError> {
        let Some(strip) = self
            .strips
            .vector
            .and_then(|vector| wide::assemble(kernel, vector, self.pool, self.strips.listing))
        else {
            return Ok(0);
        };
        let bytes = u32::try_from(strip.bytes).map_err(|_| JitError::Internal("a table without end"))?;
        let fixed = self.fixed(kernel, kernel.dims.len() - 1, Width::Scalar, cursor)?;
        // Lines of the cache hold whole registers.
        let slot = self.b.create_sized_stack_slot(StackSlotData::new(StackSlotKind::ExplicitSlot, bytes, 6));
        let table = self.b.ins().stack_addr(types::I64, slot, 0);
        for (i, &sum) in sums.iter().enumerate() {
            self.b.ins().store(flags(), sum, table, 16 * i as i32);
        }
        for &(stream, at) in &strip.streams {
            let pointer = match stream {
                Stream::Load(lane) => {
                    cursor.loads[lane].ok_or(JitError::Internal("a stream without a pointer"))?
                }
                Stream::Store => cursor.store,
                Stream::Beside(store) => cursor.beside[store],
            };
            self.b.ins().store(flags(), pointer, table, at as i32);
        }
        for &(lane, at) in &strip.fixed {
            let one = fixed[lane].ok_or(JitError::Internal("a lane that moves after all"))?;
            let one = match kernel.body[lane].dtype {
                // A mask is ones or zeros in every bit.
                DType::Bool => {
                    let wide = self.b.ins().uextend(types::I64, one);
                    self.b.ins().ineg(wide)
                }
                _ => one,
            };
            self.b.ins().store(flags(), one, table, at as i32);
        }
        let mut signature = Signature::new(CallConv::SystemV);
        signature.params.push(AbiParam::new(types::I64));
        let id = self.module.declare_anonymous_function(&signature)?;
        let target = self.module.declare_func_in_func(id, self.b.func);
        // Memory for code may be had far from where this code goes.
        self.b.func.dfg.ext_funcs[target].colocated = false;
        self.b.ins().call(target, &[table]);
        for (i, sum) in sums.iter_mut().enumerate() {
            let ty = self.b.func.dfg.value_type(*sum);
            *sum = self.b.ins().load(ty, flags(), table, 16 * i as i32);
        }
        let done = strip.done;
        self.strips.made.push((id, strip));
        Ok(done)
    }
}
