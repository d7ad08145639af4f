//! Loops over a body: its function is called for each step, with tables of pointers
//! that move from step to step.

use crate::jit::JitError;
use crate::jit::emit::{Chunk, flags};
use crate::lower::plan::{BufId, Repeat};
use cranelift_codegen::ir::{InstBuilder, Value, types};
use cranelift_module::Module;
use smallvec::smallvec;
use std::sync::Arc;

/// A pointer of a table that moves along a stack: its place and its step in bytes.
type Moving = (i32, i64);

impl Chunk<'_, '_> {
    /// Emits a loop. No pointer is used but for the steps there are: the last move of
    /// each leads to nothing.
    pub fn repeat(&mut self, repeat: &Repeat) -> Result<(), JitError> {
        let id = *self
            .bodies
            .get(&Arc::as_ptr(&repeat.body))
            .ok_or(JitError::Internal("a loop without a body"))?;
        let n = repeat.carries.len();
        let (mut inputs, mut outputs, mut others) = (Vec::new(), Vec::new(), Vec::new());
        for carry in &repeat.carries {
            let last = self.pointer(carry.last, 0)?;
            let other = carry.other.map_or(Ok(last), |other| self.pointer(other, 0))?;
            inputs.push(self.pointer(carry.init, 0)?);
            // By turns, and the last step writes the result.
            let turns = if repeat.steps % 2 == 1 { [last, other] } else { [other, last] };
            outputs.push(turns[0]);
            others.push(turns[1]);
        }
        let slices = self.moving(repeat, &repeat.slices, &mut inputs)?;
        for &buf in &repeat.fixed {
            inputs.push(self.pointer(buf, 0)?);
        }
        let stacks = self.moving(repeat, &repeat.stacks, &mut outputs)?;
        let [inputs, outputs, others] = [self.table(&inputs)?, self.table(&outputs)?, self.table(&others)?];
        let target = self.module.declare_func_in_func(id, self.b.func);
        // Memory for code may be had far from where this code goes.
        self.b.func.dfg.ext_funcs[target].colocated = false;
        let args = [inputs, outputs, self.workspace, self.status];
        self.counted(repeat.steps, 1, &[], |c, _, _| {
            c.b.ins().call(target, &args);
            for i in 0..n as i32 {
                let [written, other] = [outputs, others].map(|table| c.word(table, i));
                c.b.ins().store(flags(), written, inputs, 8 * i);
                c.b.ins().store(flags(), other, outputs, 8 * i);
                c.b.ins().store(flags(), written, others, 8 * i);
            }
            for (table, moving) in [(inputs, &slices), (outputs, &stacks)] {
                for &(i, bytes) in moving.iter().filter(|(_, bytes)| *bytes != 0) {
                    let before = c.word(table, i);
                    let after = c.b.ins().iadd_imm_s(before, bytes);
                    c.b.ins().store(flags(), after, table, 8 * i);
                }
            }
            Ok(smallvec![])
        })?;
        Ok(())
    }

    fn word(&mut self, table: Value, i: i32) -> Value {
        self.b.ins().load(types::I64, flags(), table, 8 * i)
    }

    /// Adds the pointers to the first slices of stacks to a table.
    fn moving(
        &mut self,
        repeat: &Repeat,
        stacks: &[BufId],
        table: &mut Vec<Value>,
    ) -> Result<Vec<Moving>, JitError> {
        let mut moving = Vec::with_capacity(stacks.len());
        for &buf in stacks {
            let buffer = self.plan.buffer(buf);
            let slice = buffer.len / repeat.steps;
            let bytes = (slice * buffer.dtype.size()) as i64;
            let first = if repeat.backwards { (repeat.steps - 1) * slice } else { 0 };
            moving.push((table.len() as i32, if repeat.backwards { -bytes } else { bytes }));
            let pointer = self.pointer(buf, first as isize)?;
            table.push(pointer);
        }
        Ok(moving)
    }
}
