//! Operations as instructions of one width and element type.

use crate::jit::wide::Vector;
use crate::jit::wide::body::{Round, Test, Two};
use iced_x86::{Code, IcedError, Instruction, MemoryOperand, Register};

/// A vector register by its number.
pub type Reg = u8;

/// The offset in the row, in bytes.
pub const INDEX: Register = Register::RAX;
/// The table.
pub const TABLE: Register = Register::RDI;
/// The constant pool.
pub const POOL: Register = Register::R11;

/// Masks of the ends of a row: K0 is none, and K2 for comparisons.
pub const MASKS: [Register; 6] =
    [Register::K1, Register::K3, Register::K4, Register::K5, Register::K6, Register::K7];

/// Whether lanes past an end of a row are left alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lanes {
    All,
    /// By this mask.
    Masked(Register),
}

/// Instructions so far.
pub struct Asm {
    vector: Vector,
    single: bool,
    pub code: Vec<Instruction>,
    /// What the encoder refused.
    pub refused: Option<IcedError>,
}

/// Four codes: f64 and f32 in 256 bits, f64 and f32 in 512.
macro_rules! codes {
    ($self:ident: $a:ident $b:ident $c:ident $d:ident) => {
        $self.pick([Code::$a, Code::$b, Code::$c, Code::$d])
    };
}

impl Asm {
    pub fn new(vector: Vector, single: bool) -> Asm {
        Asm { vector, single, code: Vec::new(), refused: None }
    }

    /// Registers that there are.
    pub fn registers(&self) -> usize {
        if self.vector == Vector::Zmm { 32 } else { 16 }
    }

    fn pick(&self, codes: [Code; 4]) -> Code {
        codes[2 * usize::from(self.vector == Vector::Zmm) + usize::from(self.single)]
    }

    fn reg(&self, reg: Reg) -> Register {
        let first = if self.vector == Vector::Zmm { Register::ZMM0 } else { Register::YMM0 };
        first + u32::from(reg)
    }

    /// Appends an instruction.
    pub fn put(&mut self, made: Result<Instruction, IcedError>) {
        match made {
            Ok(instruction) => self.code.push(instruction),
            Err(error) => self.refused = Some(error),
        }
    }

    /// The same on the lanes that the mask names; others keep what they had, or are zeroed.
    fn put_on(&mut self, lanes: Lanes, zeroed: bool, made: Result<Instruction, IcedError>) {
        self.put(made.map(|mut instruction| {
            if let Lanes::Masked(mask) = lanes {
                instruction.set_op_mask(mask);
                instruction.set_zeroing_masking(zeroed);
            }
            instruction
        }));
    }

    /// The mask of the first `n` lanes.
    pub fn mask(&mut self, mask: Register, n: usize) {
        self.put(Instruction::with2(Code::Mov_r32_imm32, Register::ECX, (1u32 << n) - 1));
        self.put(Instruction::with2(Code::VEX_Kmovw_kr_r32, mask, Register::ECX));
    }

    /// A pointer of the table in a register that lasts until the next.
    pub fn pointer(&mut self, at: usize) -> Register {
        let from = MemoryOperand::with_base_displ(TABLE, at as i64);
        self.put(Instruction::with2(Code::Mov_r64_rm64, Register::RCX, from));
        Register::RCX
    }

    fn read(&mut self, d: Reg, from: MemoryOperand, lanes: Lanes) {
        let code = codes!(self: VEX_Vmovupd_ymm_ymmm256 VEX_Vmovups_ymm_ymmm256
            EVEX_Vmovupd_zmm_k1z_zmmm512 EVEX_Vmovups_zmm_k1z_zmmm512);
        self.put_on(lanes, true, Instruction::with2(code, self.reg(d), from));
    }

    fn write(&mut self, to: MemoryOperand, x: Reg, lanes: Lanes) {
        let code = codes!(self: VEX_Vmovupd_ymmm256_ymm VEX_Vmovups_ymmm256_ymm
            EVEX_Vmovupd_zmmm512_k1z_zmm EVEX_Vmovups_zmmm512_k1z_zmm);
        self.put_on(lanes, false, Instruction::with2(code, to, self.reg(x)));
    }

    /// Elements at the index of the row.
    pub fn load(&mut self, d: Reg, base: Register, bytes: i32, lanes: Lanes) {
        self.read(d, element(base, bytes), lanes);
    }

    pub fn store(&mut self, base: Register, bytes: i32, x: Reg, lanes: Lanes) {
        self.write(element(base, bytes), x, lanes);
    }

    /// A whole register from the table.
    pub fn reload(&mut self, d: Reg, at: usize) {
        self.read(d, MemoryOperand::with_base_displ(TABLE, at as i64), Lanes::All);
    }

    /// A whole register to the table.
    pub fn keep(&mut self, at: usize, x: Reg) {
        self.write(MemoryOperand::with_base_displ(TABLE, at as i64), x, Lanes::All);
    }

    /// One element in every lane.
    pub fn broadcast(&mut self, d: Reg, base: Register, at: usize) {
        let code = codes!(self: VEX_Vbroadcastsd_ymm_m64 VEX_Vbroadcastss_ymm_m32
            EVEX_Vbroadcastsd_zmm_k1z_xmmm64 EVEX_Vbroadcastss_zmm_k1z_xmmm32);
        self.put(Instruction::with2(code, self.reg(d), MemoryOperand::with_base_displ(base, at as i64)));
    }

    pub fn copy(&mut self, d: Reg, x: Reg) {
        let code = codes!(self: VEX_Vmovapd_ymm_ymmm256 VEX_Vmovaps_ymm_ymmm256
            EVEX_Vmovapd_zmm_k1z_zmmm512 EVEX_Vmovaps_zmm_k1z_zmmm512);
        self.put(Instruction::with2(code, self.reg(d), self.reg(x)));
    }

    pub fn two(&mut self, op: Two, d: Reg, a: Reg, b: Reg, lanes: Lanes) {
        let code = match op {
            Two::Add => codes!(self: VEX_Vaddpd_ymm_ymm_ymmm256 VEX_Vaddps_ymm_ymm_ymmm256
                EVEX_Vaddpd_zmm_k1z_zmm_zmmm512b64_er EVEX_Vaddps_zmm_k1z_zmm_zmmm512b32_er),
            Two::Sub => codes!(self: VEX_Vsubpd_ymm_ymm_ymmm256 VEX_Vsubps_ymm_ymm_ymmm256
                EVEX_Vsubpd_zmm_k1z_zmm_zmmm512b64_er EVEX_Vsubps_zmm_k1z_zmm_zmmm512b32_er),
            Two::Mul => codes!(self: VEX_Vmulpd_ymm_ymm_ymmm256 VEX_Vmulps_ymm_ymm_ymmm256
                EVEX_Vmulpd_zmm_k1z_zmm_zmmm512b64_er EVEX_Vmulps_zmm_k1z_zmm_zmmm512b32_er),
            Two::Div => codes!(self: VEX_Vdivpd_ymm_ymm_ymmm256 VEX_Vdivps_ymm_ymm_ymmm256
                EVEX_Vdivpd_zmm_k1z_zmm_zmmm512b64_er EVEX_Vdivps_zmm_k1z_zmm_zmmm512b32_er),
            Two::RawMax => codes!(self: VEX_Vmaxpd_ymm_ymm_ymmm256 VEX_Vmaxps_ymm_ymm_ymmm256
                EVEX_Vmaxpd_zmm_k1z_zmm_zmmm512b64_sae EVEX_Vmaxps_zmm_k1z_zmm_zmmm512b32_sae),
            Two::RawMin => codes!(self: VEX_Vminpd_ymm_ymm_ymmm256 VEX_Vminps_ymm_ymm_ymmm256
                EVEX_Vminpd_zmm_k1z_zmm_zmmm512b64_sae EVEX_Vminps_zmm_k1z_zmm_zmmm512b32_sae),
            Two::And => codes!(self: VEX_Vandpd_ymm_ymm_ymmm256 VEX_Vandps_ymm_ymm_ymmm256
                EVEX_Vpandq_zmm_k1z_zmm_zmmm512b64 EVEX_Vpandd_zmm_k1z_zmm_zmmm512b32),
            Two::AndNot => codes!(self: VEX_Vandnpd_ymm_ymm_ymmm256 VEX_Vandnps_ymm_ymm_ymmm256
                EVEX_Vpandnq_zmm_k1z_zmm_zmmm512b64 EVEX_Vpandnd_zmm_k1z_zmm_zmmm512b32),
            Two::Or => codes!(self: VEX_Vorpd_ymm_ymm_ymmm256 VEX_Vorps_ymm_ymm_ymmm256
                EVEX_Vporq_zmm_k1z_zmm_zmmm512b64 EVEX_Vpord_zmm_k1z_zmm_zmmm512b32),
            Two::Xor => codes!(self: VEX_Vxorpd_ymm_ymm_ymmm256 VEX_Vxorps_ymm_ymm_ymmm256
                EVEX_Vpxorq_zmm_k1z_zmm_zmmm512b64 EVEX_Vpxord_zmm_k1z_zmm_zmmm512b32),
        };
        self.put_on(lanes, false, Instruction::with3(code, self.reg(d), self.reg(a), self.reg(b)));
    }

    pub fn sqrt(&mut self, d: Reg, x: Reg) {
        let code = codes!(self: VEX_Vsqrtpd_ymm_ymmm256 VEX_Vsqrtps_ymm_ymmm256
            EVEX_Vsqrtpd_zmm_k1z_zmmm512b64_er EVEX_Vsqrtps_zmm_k1z_zmmm512b32_er);
        self.put(Instruction::with2(code, self.reg(d), self.reg(x)));
    }

    pub fn round(&mut self, to: Round, d: Reg, x: Reg) {
        let code = codes!(self: VEX_Vroundpd_ymm_ymmm256_imm8 VEX_Vroundps_ymm_ymmm256_imm8
            EVEX_Vrndscalepd_zmm_k1z_zmmm512b64_imm8_sae EVEX_Vrndscaleps_zmm_k1z_zmmm512b32_imm8_sae);
        self.put(Instruction::with3(code, self.reg(d), self.reg(x), to as u32));
    }

    pub fn compare(&mut self, test: Test, d: Reg, a: Reg, b: Reg) {
        let code = codes!(self: VEX_Vcmppd_ymm_ymm_ymmm256_imm8 VEX_Vcmpps_ymm_ymm_ymmm256_imm8
            EVEX_Vcmppd_kr_k1_zmm_zmmm512b64_imm8_sae EVEX_Vcmpps_kr_k1_zmm_zmmm512b32_imm8_sae);
        if self.vector == Vector::Ymm {
            self.put(Instruction::with4(code, self.reg(d), self.reg(a), self.reg(b), test as u32));
            return;
        }
        self.put(Instruction::with4(code, Register::K2, self.reg(a), self.reg(b), test as u32));
        // Ones where the test holds, zeros elsewhere.
        let ones = match self.single {
            true => Code::EVEX_Vpternlogd_zmm_k1z_zmm_zmmm512b32_imm8,
            false => Code::EVEX_Vpternlogq_zmm_k1z_zmm_zmmm512b64_imm8,
        };
        let d = self.reg(d);
        self.put(Instruction::with4(ones, d, d, d, 0xffu32).map(|mut instruction| {
            instruction.set_op_mask(Register::K2);
            instruction.set_zeroing_masking(true);
            instruction
        }));
    }

    /// d = a b + d
    pub fn fma(&mut self, d: Reg, a: Reg, b: Reg, lanes: Lanes) {
        let code = codes!(self: VEX_Vfmadd231pd_ymm_ymm_ymmm256 VEX_Vfmadd231ps_ymm_ymm_ymmm256
            EVEX_Vfmadd231pd_zmm_k1z_zmm_zmmm512b64_er EVEX_Vfmadd231ps_zmm_k1z_zmm_zmmm512b32_er);
        self.put_on(lanes, false, Instruction::with3(code, self.reg(d), self.reg(a), self.reg(b)));
    }

    /// d = a where the mask d, else b
    pub fn select(&mut self, d: Reg, a: Reg, b: Reg) {
        let (d, a, b) = (self.reg(d), self.reg(a), self.reg(b));
        self.put(match (self.vector, self.single) {
            (Vector::Ymm, false) => Instruction::with4(Code::VEX_Vblendvpd_ymm_ymm_ymmm256_ymm, d, b, a, d),
            (Vector::Ymm, true) => Instruction::with4(Code::VEX_Vblendvps_ymm_ymm_ymmm256_ymm, d, b, a, d),
            (Vector::Zmm, _) => {
                Instruction::with4(Code::EVEX_Vpternlogq_zmm_k1z_zmm_zmmm512b64_imm8, d, a, b, 0xcau32)
            }
        });
    }
}

/// Some bytes past the index of the row.
fn element(base: Register, bytes: i32) -> MemoryOperand {
    MemoryOperand::with_base_index_scale_displ_size(base, INDEX, 1, bytes.into(), 1)
}
