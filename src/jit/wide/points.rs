//! A straight-line piece over rows of points: one function, a loop over the vectors of all rows at
//! once. It is called with the start of the rows and their length in bytes, whole vectors.

use crate::graph::DType;
use crate::jit::code::Pool;
use crate::jit::wide::asm::{Asm, INDEX, TABLE};
use crate::jit::wide::body::{Id, Maker, Node, Two};
use crate::jit::wide::registers::{ALL, Memory, Place, Pointer, Registers};
use crate::jit::wide::strip::{HEAD, constants, encode};
use crate::jit::wide::{Piece, RowsAt, Vector};
use crate::lower::plan::{Def, ScalarId};
use crate::lower::points::{Block, Part, Row, Source};
use crate::ops::MapFn;
use iced_x86::{Code, Instruction, Register};
use rustc_hash::FxHashMap;

/// The length of the rows in bytes.
const LENGTH: Register = Register::RSI;

/// Code for a piece of a block; `None` where it needs more than there is.
pub fn assemble(
    block: &Block,
    parts: &[Part],
    rows: RowsAt,
    vector: Vector,
    pool: &mut Pool,
    listing: bool,
) -> Option<Piece> {
    let mut lanes = Lane { block, rows, maker: Maker::new(block.dtype), ids: FxHashMap::default() };
    parts.iter().try_for_each(|&part| lanes.part(part))?;
    let body = lanes.maker.body;
    let memory = Memory {
        streams: vec![Pointer::Register(TABLE)],
        fixed: 0,
        spills: rows.at(block.rows),
        width: vector.bytes(),
    };
    let mut asm = Asm::new(vector, body.dtype == DType::F32);
    constants(&mut asm, &body, pool);
    let mut registers = Registers::new(&body, &memory, 0, &mut asm);
    asm.put(Instruction::with2(Code::Xor_r32_rm32, Register::EAX, Register::EAX));
    let head = asm.code.len();
    registers.emit(&mut asm, Place { bytes: 0, sum: 0, lanes: ALL })?;
    asm.put(Instruction::with2(Code::Add_rm64_imm32, INDEX, vector.bytes() as i32));
    asm.code.get_mut(head)?.set_ip(HEAD);
    asm.put(Instruction::with2(Code::Cmp_r64_rm64, INDEX, LENGTH));
    asm.put(Instruction::with_branch(Code::Jb_rel32_64, HEAD));
    let spills = registers.spills * vector.bytes();
    let (code, text) = encode(asm, listing)?;
    Some(Piece { code, text, spills })
}

/// What each vector of the rows takes.
struct Lane<'b> {
    block: &'b Block,
    rows: RowsAt,
    maker: Maker,
    ids: FxHashMap<ScalarId, Id>,
}

impl Lane<'_> {
    fn bytes(&self, row: Row) -> Option<i32> {
        i32::try_from(self.rows.at(row)).ok()
    }

    fn part(&mut self, part: Part) -> Option<()> {
        match part {
            Part::Compute(id) => {
                let made = self.compute(id)?;
                self.ids.insert(id, made);
            }
            Part::Store(row, id) => {
                let value = self.scalar(id)?;
                let bytes = self.bytes(row)?;
                self.maker.node(Node::Store { stream: 0, bytes, value });
            }
        }
        Some(())
    }

    /// A scalar of this piece, a constant, or what stands in a row.
    fn scalar(&mut self, id: ScalarId) -> Option<Id> {
        if let Some(&made) = self.ids.get(&id) {
            return Some(made);
        }
        if let Source::Const(bits) = self.block.sources[id.index()] {
            let is_mask = self.block.scalars[id.index()].dtype == DType::Bool;
            // A mask is ones or zeros in every bit.
            return Some(self.maker.bits(if is_mask {
                0u64.wrapping_sub(u64::from(bits != 0))
            } else {
                bits
            }));
        }
        let row = self.block.homes[id.index()]?;
        let bytes = self.bytes(row)?;
        Some(self.maker.leaf(Node::Load { stream: 0, bytes }))
    }

    fn compute(&mut self, id: ScalarId) -> Option<Id> {
        let scalar = self.block.scalars[id.index()];
        match scalar.def {
            Def::Map(f, args) => {
                let mut operands = [0; 3];
                for (operand, &a) in operands.iter_mut().zip(args.iter()) {
                    *operand = self.scalar(a)?;
                }
                self.maker.map(f, &operands[..args.len()])
            }
            Def::Cast(a) => {
                let x = self.scalar(a)?;
                Some(match (self.block.scalars[a.index()].dtype, scalar.dtype) {
                    (from, to) if from == to => x,
                    (DType::Bool, _) => {
                        let one = self.maker.number(1.0);
                        self.maker.two(Two::And, x, one)
                    }
                    _ => {
                        let zero = self.maker.number(0.0);
                        self.maker.map(MapFn::Ne, &[x, zero])?
                    }
                })
            }
            Def::Const(_) | Def::Load(..) => self.scalar(id),
        }
    }
}
