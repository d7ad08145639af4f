//! The function of a row: what lasts goes into registers, then blocks of vectors in a loop,
//! vectors that are left, and the end of the row under a mask.

use crate::graph::DType;
use crate::jit::code::Pool;
use crate::jit::wide::asm::{Asm, INDEX, Lanes, MASKS, POOL, TABLE};
use crate::jit::wide::body::Body;
use crate::jit::wide::registers::{ALL, Memory, Place, Pointer, Registers};
use crate::jit::wide::row;
use crate::jit::wide::{Strip, Vector};
use crate::lower::plan::{Ending, Kernel};
use iced_x86::{
    BlockEncoder, BlockEncoderOptions, Code, Instruction, InstructionBlock, MemoryOperand, Register,
};

/// Registers for pointers, all but that of the mask. The callee saves those from [`SAVED`] on.
const POINTERS: [Register; 11] = [
    Register::RSI,
    Register::RDX,
    Register::R8,
    Register::R9,
    Register::R10,
    Register::RBX,
    Register::RBP,
    Register::R12,
    Register::R13,
    Register::R14,
    Register::R15,
];
const SAVED: usize = 5;
/// Whole vectors from which on a row is worth a call.
const WORTH: usize = 2;
/// Operations in a block of the loop, or so.
const BLOCK: usize = 24;
/// The label of the loop.
pub const HEAD: u64 = 1;

/// What every row of a kernel along its last dim has to do.
struct Job<'a> {
    body: &'a Body,
    memory: &'a Memory,
    vector: Vector,
    /// Elements up to where something stops, in order.
    ends: &'a [usize],
    /// Accumulators.
    sums: usize,
}

/// Code for a row of a kernel along its last dim, whose lanes have a vector form; `None` where
/// there is nothing to gain or the row needs more than there is.
pub fn assemble(kernel: &Kernel, vector: Vector, pool: &mut Pool, listing: bool) -> Option<Strip> {
    let n = *kernel.dims.last()?;
    let (dtype, sums) = match kernel.ending {
        Ending::Store(value) => (kernel.body[value as usize].dtype, false),
        Ending::Reduce { value, .. } => (kernel.body[value as usize].dtype, true),
    };
    let size = dtype.size();
    let per = vector.bytes() / size;
    let sums = if sums { dtype.lanes() / per } else { 0 };
    // Most rows are short, and need no body.
    if n < WORTH * per * sums.max(1) || i32::try_from(n.checked_mul(size)?).is_err() {
        return None;
    }
    let row::Row { body, streams, ends, fixed: lasting } = row::of(kernel)?;
    // Without masks the end of the row is left to the caller.
    let ends = match vector {
        Vector::Zmm => ends,
        Vector::Ymm => vec![ends[0] / (per * sums.max(1)) * (per * sums.max(1))],
    };
    let done = *ends.last()?;
    // Those that there is no register for stay in the table.
    let pointers = streams.len().min(POINTERS.len());
    let first = sums * vector.bytes();
    let at = |i: usize| first + 8 * i;
    let fixed = at(streams.len());
    let spills = fixed + 8 * lasting.len();
    let memory = Memory {
        streams: (0..streams.len())
            .map(|i| POINTERS.get(i).map_or(Pointer::Table(at(i)), |&pointer| Pointer::Register(pointer)))
            .collect(),
        fixed,
        spills,
        width: vector.bytes(),
    };
    let mut asm = Asm::new(vector, body.dtype == DType::F32);
    for &saved in POINTERS[..pointers].iter().skip(SAVED) {
        asm.put(Instruction::with1(Code::Push_r64, saved));
    }
    for (i, &pointer) in POINTERS[..pointers].iter().enumerate() {
        let from = MemoryOperand::with_base_displ(TABLE, at(i) as i64);
        asm.put(Instruction::with2(Code::Mov_r64_rm64, pointer, from));
    }
    constants(&mut asm, &body, pool);
    let job = Job { body: &body, memory: &memory, vector, ends: &ends, sums };
    let spilled = job.emit(&mut asm)?;
    for &saved in POINTERS[..pointers].iter().skip(SAVED).rev() {
        asm.put(Instruction::with1(Code::Pop_r64, saved));
    }
    let (code, text) = encode(asm, listing)?;
    Some(Strip {
        text,
        code,
        done,
        streams: streams.iter().enumerate().map(|(i, &stream)| (stream, at(i))).collect(),
        fixed: lasting.iter().enumerate().map(|(i, &lane)| (lane, fixed + 8 * i)).collect(),
        bytes: spills + spilled * vector.bytes(),
    })
}

/// Puts the constants of a body where its code finds them.
pub fn constants(asm: &mut Asm, body: &Body, pool: &mut Pool) {
    if !body.pool.is_empty() {
        let constants = pool.words(body.pool.clone()) as u64;
        asm.put(Instruction::with2(Code::Mov_r64_imm64, POOL, constants));
    }
}

/// The bytes of a function that ends here, and its text, where that is wanted.
pub fn encode(mut asm: Asm, listing: bool) -> Option<(Vec<u8>, Option<String>)> {
    asm.put(Ok(Instruction::with(Code::VEX_Vzeroupper)));
    asm.put(Ok(Instruction::with(Code::Retnq)));
    if asm.refused.is_some() {
        return None;
    }
    let block = InstructionBlock::new(&asm.code, 0);
    let code = BlockEncoder::encode(64, block, BlockEncoderOptions::NONE).ok()?.code_buffer;
    let line = |instruction: &Instruction| format!("  {instruction}\n");
    Some((code, listing.then(|| asm.code.iter().map(line).collect())))
}

impl Job<'_> {
    /// The body all along the row; how many registers it spills.
    fn emit(&self, asm: &mut Asm) -> Option<usize> {
        let size = self.body.dtype.size();
        let (bytes, per) = (self.vector.bytes(), self.vector.bytes() / size);
        // A whole number of rounds through the accumulators.
        let round = self.sums.max(1);
        let unroll = (BLOCK / self.body.nodes.len().max(1)).clamp(1, 4).next_multiple_of(round);
        let vectors = self.ends[0] / per;
        let all = self.ends.iter().map(|end| end.div_ceil(per)).max().unwrap_or(vectors);
        let blocks = vectors / unroll;
        let mut registers = Registers::new(self.body, self.memory, self.sums, asm);
        asm.put(Instruction::with2(Code::Xor_r32_rm32, Register::EAX, Register::EAX));
        let mut block = |asm: &mut Asm, vectors: usize| {
            (0..vectors).try_for_each(|v| {
                registers.emit(asm, Place { bytes: (v * bytes) as i32, sum: v % round, lanes: ALL })
            })
        };
        if blocks > 0 {
            let head = asm.code.len();
            block(asm, unroll)?;
            asm.put(Instruction::with2(Code::Add_rm64_imm32, INDEX, (unroll * bytes) as i32));
            if blocks > 1 {
                asm.code.get_mut(head)?.set_ip(HEAD);
                asm.put(Instruction::with2(Code::Cmp_rm64_imm32, INDEX, (blocks * unroll * bytes) as i32));
                asm.put(Instruction::with_branch(Code::Jb_rel32_64, HEAD));
            }
        }
        let left = vectors - blocks * unroll;
        block(asm, left)?;
        for vector in vectors..all {
            let mut lanes = ALL;
            for ((&end, lanes), mask) in self.ends.iter().zip(&mut lanes).zip(MASKS) {
                let rest = end.saturating_sub(vector * per);
                if rest < per {
                    asm.mask(mask, rest);
                    *lanes = Lanes::Masked(mask);
                }
            }
            let v = vector - blocks * unroll;
            registers.emit(asm, Place { bytes: (v * bytes) as i32, sum: v % round, lanes })?;
        }
        registers.finish(asm);
        Some(registers.spills)
    }
}
