//! Bodies: their functions are called with tables of pointers. In loops these move
//! from step to step.

use crate::jit::JitError;
use crate::jit::emit::{Chunk, flags};
use crate::lower::plan::{Branch, BufId, Plan, Repeat};
use cranelift_codegen::ir::{Block, FuncRef, InstBuilder, Value, types};
use cranelift_module::Module;
use smallvec::smallvec;
use std::sync::Arc;

/// A pointer of a table that moves along a stack: its place and its step in bytes.
type Moving = (i32, i64);

impl Chunk<'_, '_> {
    /// Emits a loop. No pointer is used but for the steps there are: the last move of
    /// each leads to nothing.
    pub fn repeat(&mut self, repeat: &Repeat) -> Result<(), JitError> {
        let target = self.code_of(&repeat.body)?;
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

    /// The function of a body.
    fn code_of(&mut self, body: &Arc<Plan>) -> Result<FuncRef, JitError> {
        let id = *self.bodies.get(&Arc::as_ptr(body)).ok_or(JitError::Internal("a body without code"))?;
        let target = self.module.declare_func_in_func(id, self.b.func);
        // Memory for code may be had far from where this code goes.
        self.b.func.dfg.ext_funcs[target].colocated = false;
        Ok(target)
    }

    /// Emits a branch.
    pub fn branch(&mut self, branch: &Branch) -> Result<(), JitError> {
        let [then, otherwise] = [self.code_of(&branch.bodies[0])?, self.code_of(&branch.bodies[1])?];
        let (inputs, outputs) = (self.pointers(&branch.inputs)?, self.pointers(&branch.outputs)?);
        let args = [inputs, outputs, self.workspace, self.status];
        let (base, offset) = self.address(branch.condition, 0)?;
        let condition = self.b.ins().load(types::I8, flags(), base, offset);
        let blocks: [Block; 3] = std::array::from_fn(|_| self.b.create_block());
        let [one, two, end] = blocks;
        self.b.ins().brif(condition, one, &[], two, &[]);
        for (block, target) in [(one, then), (two, otherwise)] {
            self.b.switch_to_block(block);
            self.b.seal_block(block);
            self.b.ins().call(target, &args);
            self.b.ins().jump(end, &[]);
        }
        self.b.switch_to_block(end);
        self.b.seal_block(end);
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
