//! Passes over the same elements, a block at a time.

use crate::graph::DType;
use crate::jit::JitError;
use crate::jit::emit::Chunk;
use crate::jit::kernel::Cursor;
use crate::lower::plan::{Access, Blocks, Call, Item};
use cranelift_codegen::ir::{InstBuilder, Value};
use smallvec::SmallVec;
use std::ops::Range;

type Values = SmallVec<[Value; 8]>;

/// The pointers of a pass at the first block.
enum Start {
    Loop(Cursor),
    /// A sum, and which of the carried values are its accumulators.
    Sum(Cursor, Range<usize>),
    Many([Value; 2]),
}

impl Chunk<'_, '_> {
    /// Emits all passes of one block in a loop over blocks, then what is left over.
    pub fn blocks(&mut self, blocks: &Blocks) -> Result<(), JitError> {
        let mut sums = Values::new();
        let mut starts = Vec::with_capacity(blocks.passes.len());
        for pass in &blocks.passes {
            let start = self.start(&pass.whole, &mut sums)?;
            self.once(pass.lead.as_ref(), &start, &mut sums)?;
            starts.push(start);
        }
        let mut sums = self.counted(blocks.count, 1, &sums, |c, index, sums| {
            let mut sums = Values::from_slice(sums);
            for (pass, start) in blocks.passes.iter().zip(&starts) {
                match (&pass.whole, start) {
                    (Item::Loop(kernel), Start::Loop(cursor)) => {
                        let here = c.advance(kernel, cursor, 0, index);
                        c.nest(kernel, 1, here)?;
                    }
                    (Item::Loop(kernel), Start::Sum(cursor, own)) => {
                        let here = c.advance(kernel, cursor, 0, index);
                        let next = c.run_sum(kernel, 1, here, &sums[own.clone()])?;
                        sums[own.clone()].copy_from_slice(&next);
                    }
                    (Item::Call(call), Start::Many(at)) => c.many(call, *at, Some(index))?,
                    _ => return Err(JitError::Internal("a pass that begins as another")),
                }
            }
            Ok(sums)
        })?;
        for (pass, start) in blocks.passes.iter().zip(&starts) {
            self.once(pass.rest.as_ref(), start, &mut sums)?;
            if let (Item::Loop(kernel), Start::Sum(cursor, own)) = (&pass.whole, start) {
                self.close_sum(kernel, cursor, &sums[own.clone()])?;
            }
        }
        Ok(())
    }

    /// The part of a pass before the first block or behind the last.
    fn once(&mut self, part: Option<&Item>, start: &Start, sums: &mut Values) -> Result<(), JitError> {
        match (part, start) {
            (Some(Item::Loop(kernel)), Start::Sum(_, own)) => {
                let here = self.begin(kernel)?;
                let next = self.run_sum(kernel, 0, here, &sums[own.clone()])?;
                sums[own.clone()].copy_from_slice(&next);
                Ok(())
            }
            (Some(part), _) => self.item(part),
            (None, _) => Ok(()),
        }
    }

    /// What a pass needs, made where it dominates the loop.
    fn start(&mut self, item: &Item, sums: &mut Values) -> Result<Start, JitError> {
        match item {
            Item::Loop(kernel) if kernel.reduced() > 0 => {
                let from = sums.len();
                sums.extend(self.open_sum(kernel)?);
                Ok(Start::Sum(self.begin(kernel)?, from..sums.len()))
            }
            Item::Loop(kernel) => Ok(Start::Loop(self.begin(kernel)?)),
            Item::Call(call) => match call.as_ref() {
                Call::Many { src, out, .. } => {
                    Ok(Start::Many([self.pointer(src.buf, src.offset)?, self.pointer(out.buf, out.offset)?]))
                }
                _ => Err(JitError::Internal("a call that is no pass")),
            },
            _ => Err(JitError::Internal("an item that is no pass")),
        }
    }

    /// A function of many numbers, from these pointers, in a block.
    pub fn many(&mut self, call: &Call, at: [Value; 2], block: Option<Value>) -> Result<(), JitError> {
        let Call::Many { f, dims, src, out } = call else {
            return Err(JitError::Internal("a function of many that is none"));
        };
        let narrow = self.plan.buffer(out.buf).dtype == DType::F32;
        let mut pointers = at;
        if let Some(block) = block {
            for (pointer, access) in pointers.iter_mut().zip([src, out]) {
                *pointer = self.stepped(*pointer, access, block);
            }
        }
        self.call_pointers(f.symbols[usize::from(narrow)], dims[1] as i64, &pointers)
    }

    fn stepped(&mut self, pointer: Value, access: &Access, block: Value) -> Value {
        let bytes = access.strides[0] as i64 * self.plan.buffer(access.buf).dtype.size() as i64;
        if bytes == 0 {
            return pointer;
        }
        let step = self.scaled(block, bytes);
        self.b.ins().iadd(pointer, step)
    }
}
