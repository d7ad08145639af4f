//! Bodies: their functions are called with tables of pointers. In loops these move
//! from step to step.

use crate::jit::JitError;
use crate::jit::emit::{Chunk, flags};
use crate::lower::plan::{Branch, BufId, Plan, Repeat};
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{Block, FuncRef, InstBuilder, Type, Value, types};
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
        if repeat.guard.is_some() {
            for &stack in &repeat.stacks {
                self.zeros(stack)?;
            }
        }
        let end = self.b.create_block();
        self.counted(repeat.steps, 1, &[], |c, _, _| {
            let skipped = repeat.guard.and_then(|guard| c.guarded(inputs, guard, (guard < n).then_some(end)));
            c.b.ins().call(target, &args);
            for i in 0..n as i32 {
                let [written, other] = [outputs, others].map(|table| c.word(table, i));
                c.b.ins().store(flags(), written, inputs, 8 * i);
                c.b.ins().store(flags(), other, outputs, 8 * i);
                c.b.ins().store(flags(), written, others, 8 * i);
            }
            if let Some(skipped) = skipped {
                c.b.ins().jump(skipped, &[]);
                c.b.switch_to_block(skipped);
                c.b.seal_block(skipped);
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
        self.b.ins().jump(end, &[]);
        self.b.switch_to_block(end);
        self.b.seal_block(end);
        if repeat.guard.is_some() {
            for (i, carry) in (0..).zip(&repeat.carries) {
                let now = self.word(inputs, i);
                self.copy_unless_there(now, carry.last)?;
            }
        }
        Ok(())
    }

    /// Goes on where the guard of a step holds. Where it does not: to the end of the loop, if it is a
    /// carry and so never will again, else behind the step, to the block that is given back.
    fn guarded(&mut self, inputs: Value, guard: usize, end: Option<Block>) -> Option<Block> {
        let place = self.word(inputs, guard as i32);
        let holds = self.b.ins().load(types::I8, flags(), place, 0);
        let run = self.b.create_block();
        let behind = end.unwrap_or_else(|| self.b.create_block());
        self.b.ins().brif(holds, run, &[], behind, &[]);
        self.b.switch_to_block(run);
        self.b.seal_block(run);
        end.is_none().then_some(behind)
    }

    /// Fills a buffer with zeros, which are zero bytes in all types.
    fn zeros(&mut self, buf: BufId) -> Result<(), JitError> {
        let to = self.pointer(buf, 0)?;
        let bytes = self.plan.buffer(buf).bytes();
        self.words(bytes, |c, ty, at| {
            let (zero, to) = (c.b.ins().iconst(ty, 0), c.b.ins().iadd(to, at));
            c.b.ins().store(flags(), zero, to, 0);
        })
    }

    /// Copies what is at a pointer to a buffer, if it is not that.
    fn copy_unless_there(&mut self, from: Value, buf: BufId) -> Result<(), JitError> {
        let to = self.pointer(buf, 0)?;
        let [copy, end] = std::array::from_fn(|_| self.b.create_block());
        let there = self.b.ins().icmp(IntCC::Equal, from, to);
        self.b.ins().brif(there, end, &[], copy, &[]);
        self.b.switch_to_block(copy);
        self.b.seal_block(copy);
        let bytes = self.plan.buffer(buf).bytes();
        self.words(bytes, |c, ty, at| {
            let [from, to] = [from, to].map(|start| c.b.ins().iadd(start, at));
            let word = c.b.ins().load(ty, flags(), from, 0);
            c.b.ins().store(flags(), word, to, 0);
        })?;
        self.b.ins().jump(end, &[]);
        self.b.switch_to_block(end);
        self.b.seal_block(end);
        Ok(())
    }

    /// Goes over so many bytes: eight at a time, then one by one.
    fn words(&mut self, bytes: usize, each: impl Fn(&mut Self, Type, Value)) -> Result<(), JitError> {
        let (words, rest) = (bytes / 8, bytes % 8);
        if words > 0 {
            self.counted(words, 1, &[], |c, i, _| {
                let at = c.b.ins().ishl_imm_u(i, 3);
                each(c, types::I64, at);
                Ok(smallvec![])
            })?;
        }
        for at in bytes - rest..bytes {
            let at = self.b.ins().iconst(types::I64, at as i64);
            each(self, types::I8, at);
        }
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
