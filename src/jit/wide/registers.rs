//! Registers for straight-line code: when they run out, the value that is used again last
//! gives way (Belady's rule), and comes from memory when it is wanted.

use crate::jit::wide::asm::{Asm, Lanes, MASKS, POOL, Reg, TABLE};
use crate::jit::wide::body::{Body, Id, Node};
use iced_x86::Register;

/// Registers kept free of what stays in them along the row.
const ROOM: usize = 10;

/// Where a pointer stands.
#[derive(Clone, Copy)]
pub enum Pointer {
    Register(Register),
    /// At this offset of the table.
    Table(usize),
}

impl Pointer {
    fn register(self, asm: &mut Asm) -> Register {
        match self {
            Pointer::Register(register) => register,
            Pointer::Table(at) => asm.pointer(at),
        }
    }
}

/// Where the memory of a body is.
pub struct Memory {
    /// The pointer of each stream.
    pub streams: Vec<Pointer>,
    /// Offset of the fixed values in the table.
    pub fixed: usize,
    /// Offset of spilled registers.
    pub spills: usize,
    /// Bytes of a register.
    pub width: usize,
}

/// One vector of the row.
#[derive(Clone, Copy)]
pub struct Place {
    /// Bytes past the index.
    pub bytes: i32,
    /// Which accumulator takes it.
    pub sum: usize,
    /// By end of the row.
    pub lanes: [Lanes; MASKS.len()],
}

/// All lanes of a vector, before all ends of the row.
pub const ALL: [Lanes; MASKS.len()] = [Lanes::All; MASKS.len()];

/// Who is in which register.
pub struct Registers<'b> {
    body: &'b Body,
    memory: &'b Memory,
    holder: Vec<Option<Id>>,
    at: Vec<Option<Reg>>,
    /// Stays where it is along the row.
    resident: Vec<bool>,
    /// Users of each value, in order; the end of the body uses the accumulator.
    uses: Vec<Vec<usize>>,
    spilled: Vec<Option<usize>>,
    /// Spill slots in use, and the most that ever were.
    slots: usize,
    pub spills: usize,
    sums: usize,
}

impl<'b> Registers<'b> {
    /// Loads what stays: accumulators, then as many fixed values and constants as there is room for.
    pub fn new(body: &'b Body, memory: &'b Memory, sums: usize, asm: &mut Asm) -> Registers<'b> {
        let n = body.nodes.len();
        let mut uses = vec![Vec::new(); n];
        for (i, node) in body.nodes.iter().enumerate() {
            let (operands, count) = node.operands();
            operands[..count].iter().for_each(|&a| uses[a].push(i));
        }
        if let Some(sum) = body.sum {
            uses[sum].push(n);
        }
        let mut r = Registers {
            body,
            memory,
            holder: vec![None; asm.registers()],
            at: vec![None; n],
            resident: vec![false; n],
            uses,
            spilled: vec![None; n],
            slots: 0,
            spills: 0,
            sums,
        };
        for sum in 0..sums {
            asm.reload(sum as Reg, sum * memory.width);
        }
        let lasting = |&id: &Id| matches!(body.nodes[id], Node::Fixed(_) | Node::Const(_));
        let mut lasting: Vec<Id> = (0..n).filter(lasting).collect();
        lasting.sort_by_key(|&id| std::cmp::Reverse(r.uses[id].len()));
        let room = asm.registers().saturating_sub(sums + ROOM);
        for (reg, id) in (sums..).zip(lasting.into_iter().take(room)) {
            r.resident[id] = true;
            r.occupy(reg as Reg, id);
            r.fetch(asm, id, reg as Reg, Place { bytes: 0, sum: 0, lanes: ALL });
        }
        r
    }

    /// Puts the accumulators back.
    pub fn finish(&self, asm: &mut Asm) {
        for sum in 0..self.sums {
            asm.keep(sum * self.memory.width, sum as Reg);
        }
    }

    fn occupy(&mut self, reg: Reg, id: Id) {
        self.holder[usize::from(reg)] = Some(id);
        self.at[id] = Some(reg);
    }

    fn vacate(&mut self, id: Id) {
        if let Some(reg) = self.at[id].take() {
            self.holder[usize::from(reg)] = None;
        }
    }

    fn next_use(&self, id: Id, after: usize) -> Option<usize> {
        let uses = &self.uses[id];
        uses.get(uses.partition_point(|&u| u <= after)).copied()
    }

    /// Loads a value from where it is kept.
    fn fetch(&self, asm: &mut Asm, id: Id, reg: Reg, place: Place) {
        match (self.body.nodes[id], self.spilled[id]) {
            (Node::Load { stream, bytes }, _) => {
                let pointer = self.memory.streams[stream].register(asm);
                asm.load(reg, pointer, bytes + place.bytes, place.lanes[self.body.ends[id]]);
            }
            (Node::Fixed(at), _) => asm.broadcast(reg, TABLE, self.memory.fixed + 8 * at),
            (Node::Const(at), _) => asm.broadcast(reg, POOL, 8 * at),
            (_, Some(slot)) => asm.reload(reg, self.memory.spills + slot * self.memory.width),
            (_, None) => {}
        }
    }

    /// A register, taken from the value whose next use is farthest, none of `held`.
    fn take(&mut self, asm: &mut Asm, now: usize, held: &[Id]) -> Option<Reg> {
        let candidates = self.sums..self.holder.len();
        if let Some(free) = candidates.clone().find(|&r| self.holder[r].is_none()) {
            return Some(free as Reg);
        }
        let far = |&r: &usize| {
            let id = self.holder[r]?;
            let stays = self.resident[id] || held.contains(&id);
            (!stays).then(|| self.next_use(id, now).unwrap_or(usize::MAX))
        };
        let reg = candidates.filter(|r| far(r).is_some()).max_by_key(|r| far(r))?;
        let id = self.holder[reg]?;
        if !self.body.nodes[id].is_leaf() && self.spilled[id].is_none() {
            let slot = self.slots;
            self.slots += 1;
            self.spills = self.spills.max(self.slots);
            self.spilled[id] = Some(slot);
            asm.keep(self.memory.spills + slot * self.memory.width, reg as Reg);
        }
        self.vacate(id);
        Some(reg as Reg)
    }

    /// The register of an operand.
    fn operand(&mut self, asm: &mut Asm, id: Id, now: usize, held: &[Id], place: Place) -> Option<Reg> {
        if self.body.nodes[id] == Node::Sum {
            return Some(place.sum as Reg);
        }
        if let Some(reg) = self.at[id] {
            return Some(reg);
        }
        let reg = self.take(asm, now, held)?;
        self.fetch(asm, id, reg, place);
        self.occupy(reg, id);
        Some(reg)
    }

    fn release(&mut self, id: Id, now: usize) {
        if !self.resident[id] && self.next_use(id, now).is_none() {
            self.vacate(id);
        }
    }

    /// The body on one vector of the row. `None` where an operation needs more registers than
    /// there are.
    pub fn emit(&mut self, asm: &mut Asm, place: Place) -> Option<()> {
        for i in 0..self.body.nodes.len() {
            if !self.body.nodes[i].is_leaf() {
                self.operation(asm, i, place)?;
            }
        }
        self.slots = 0;
        for id in 0..self.body.nodes.len() {
            self.spilled[id] = None;
            if !self.resident[id] {
                self.vacate(id);
            }
        }
        Some(())
    }

    fn operation(&mut self, asm: &mut Asm, i: Id, place: Place) -> Option<()> {
        let node = self.body.nodes[i];
        let (operands, count) = node.operands();
        let operands = &operands[..count];
        let mut regs: [Reg; 3] = [0; 3];
        for (reg, &id) in regs.iter_mut().zip(operands) {
            *reg = self.operand(asm, id, i, operands, place)?;
        }
        let ends = place.lanes[self.body.ends[i]];
        if let Node::Store { stream, bytes, value } = node {
            let pointer = self.memory.streams[stream].register(asm);
            asm.store(pointer, bytes + place.bytes, regs[0], ends);
            self.release(value, i);
            return Some(());
        }
        let sums = self.body.sum == Some(i);
        // Only what becomes the accumulator must leave its other lanes alone.
        let lanes = if sums { ends } else { Lanes::All };
        // The operand that the instruction overwrites.
        let lost = match node {
            Node::Fma(_, _, c) => Some((c, regs[2])),
            Node::Select(mask, _, _) => Some((mask, regs[0])),
            _ => None,
        };
        let d = match lost {
            _ if sums => place.sum as Reg,
            Some((id, reg)) if !self.resident[id] && self.next_use(id, i).is_none() => {
                self.vacate(id);
                reg
            }
            Some((_, reg)) => {
                let d = self.take(asm, i, operands)?;
                asm.copy(d, reg);
                d
            }
            None => {
                operands.iter().for_each(|&id| self.release(id, i));
                self.take(asm, i, &[])?
            }
        };
        match node {
            Node::Two(op, ..) => asm.two(op, d, regs[0], regs[1], lanes),
            Node::Sqrt(_) => asm.sqrt(d, regs[0]),
            Node::Round(to, _) => asm.round(to, d, regs[0]),
            Node::Compare(test, ..) => asm.compare(test, d, regs[0], regs[1]),
            Node::Fma(..) => asm.fma(d, regs[0], regs[1], lanes),
            Node::Select(..) => asm.select(d, regs[1], regs[2]),
            Node::Load { .. } | Node::Fixed(_) | Node::Const(_) | Node::Sum | Node::Store { .. } => {}
        }
        operands.iter().for_each(|&id| self.release(id, i));
        if !sums {
            self.occupy(d, i);
            // What nobody reads gives its register back.
            self.release(i, i);
        }
        Some(())
    }
}
