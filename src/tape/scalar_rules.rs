//! Derivative rules of scalar functions. A rule is run once on a recorder that
//! writes down its scalar functions; nodes then replay the list, on numbers or on
//! tensors of one shape in blocks that stay in the cache. That is the same
//! arithmetic in the same order, without the ceremony of tensors.

use crate::graph::{DType, Shape, ValueId, ValueType};
use crate::ops::{Emitter, Flow, MapFn, Op, OpError, Results, Row, Rule, Site, Value};
use crate::tape::scalar::{Pairs, Scalar};
use smallvec::SmallVec;
use std::ops::Range;

/// One recorded step; its register is the next one.
#[derive(Clone, Copy, Debug)]
enum Step {
    Constant(f64),
    Unary(MapFn, u8),
    Binary(MapFn, u8, u8),
}

/// A recorded rule. Registers: two operands (one again, where there is but
/// one), the result, the cotangent, then the steps.
#[derive(Clone, Debug)]
pub struct ScalarRule {
    steps: Box<[Step]>,
    flows: [Option<u8>; 2],
    /// The same in closed form, where each contribution is a product.
    short: Option<[Option<Short>; 2]>,
}

/// A contribution that is a product of two given numbers, 1 and -1 among them. Multiplying by
/// these takes a clock or two; a branch on the kind of step is wrong half of the time.
#[derive(Clone, Copy, Debug)]
struct Short([u8; 2]);

/// Where 1 and -1 stand behind the given registers.
const UNITS: [u8; 2] = [GIVEN as u8, GIVEN as u8 + 1];

impl Short {
    fn of(steps: &[Step], register: u8) -> Option<Short> {
        let given = |r: u8| usize::from(r) < GIVEN;
        let Some(step) = usize::from(register).checked_sub(GIVEN) else {
            return Some(Short([register, UNITS[0]]));
        };
        match *steps.get(step)? {
            Step::Unary(MapFn::Neg, x) if given(x) => Some(Short([x, UNITS[1]])),
            Step::Binary(MapFn::Mul, x, y) if given(x) && given(y) => Some(Short([x, y])),
            _ => None,
        }
    }

    #[inline(always)]
    fn value<S: Scalar>(self, factors: &[S; 8]) -> S {
        let [x, y] = self.0.map(|r| &factors[usize::from(r) % 8]);
        S::mul(x, y)
    }
}

/// Registers that are given.
pub const GIVEN: usize = 4;

/// Numbers of a tensor that go through a rule together: what its registers hold
/// stays in the first cache.
const BLOCK: usize = 512;

/// Most registers a recorded rule may use.
const REGISTERS: usize = 32;

/// The numbers of a rule.
pub type Registers<S> = [S; REGISTERS];

/// Writes a rule down; anything but a function of numbers is refused.
struct Writer {
    steps: Vec<Step>,
    ty: ValueType,
}

impl Writer {
    fn push(&mut self, step: Step) -> Result<ValueId, OpError> {
        let id = GIVEN + self.steps.len();
        if id >= REGISTERS {
            return Err(refused());
        }
        self.steps.push(step);
        Ok(ValueId::new(id as u32))
    }
}

fn refused() -> OpError {
    OpError::MissingRule { op: "scalar rule", rule: "recorded" }
}

impl Emitter for Writer {
    fn emit(&mut self, op: Op, operands: &[ValueId]) -> Result<Results, OpError> {
        let register = |v: &ValueId| v.index() as u8;
        let step = match (op.row().value, operands) {
            (Value::Expand(expand), _) => {
                return expand(self, &Site::of(&op, operands));
            }
            (Value::Map(f), _) if f.is_predicate() => return Err(refused()),
            (Value::Map(f), [x]) => Step::Unary(f, register(x)),
            (Value::Map(f), [x, y]) => Step::Binary(f, register(x), register(y)),
            _ => return Err(refused()),
        };
        Ok(SmallVec::from_buf([self.push(step)?]))
    }

    fn ty(&self, _: ValueId) -> &ValueType {
        &self.ty
    }

    fn fill(&mut self, _: DType, shape: &Shape, value: f64) -> Result<ValueId, OpError> {
        if !shape.is_scalar() {
            return Err(refused());
        }
        self.push(Step::Constant(value))
    }
}

impl ScalarRule {
    /// The reverse rule of an op without attributes and with one result, all
    /// operands wanted; `None` where it is not made of functions of numbers.
    fn record(row: &'static Row) -> Option<ScalarRule> {
        let (Rule::By(rule), true) = (row.vjp, row.attrs.is_empty()) else { return None };
        let n = row.min_operands;
        if n != row.max_operands || n > 2 {
            return None;
        }
        let ids: [ValueId; GIVEN] = std::array::from_fn(|i| ValueId::new(i as u32));
        let op = Op::plain(row);
        let site = Site { results: &ids[2..3], ..Site::of(&op, &ids[..n]) };
        let ty = ValueType::new(DType::F64, ());
        let mut writer = Writer { steps: Vec::new(), ty };
        let found = rule(&mut writer, &site, &[Some(ids[3])]).ok()?;
        let mut flows = [None; 2];
        for (register, flow) in flows.iter_mut().zip(&found) {
            if let Flow::To(v) = flow {
                *register = Some(v.index() as u8);
            }
        }
        let steps: Box<[Step]> = writer.steps.into();
        let product = |flow: Option<u8>| Short::of(&steps, flow?);
        let short = flows.map(product);
        let whole = short.iter().zip(flows).all(|(short, flow)| short.is_some() == flow.is_some());
        (found.len() == n).then_some(ScalarRule { short: whole.then_some(short), steps, flows })
    }

    /// The contributions to both operands (`None`: zero by rule) from the operands,
    /// the result and the cotangent. `None` where the arithmetic refuses a step.
    #[inline(always)]
    pub fn contributions<S: Scalar>(
        &self,
        given: [S; GIVEN],
        registers: &mut Registers<S>,
    ) -> Option<[Option<S>; 2]> {
        if let (Some(short), Some([one, minus_one])) = (self.short, S::UNITS) {
            let [a, b, y, d] = given;
            let factors = [a, b, y, d, one, minus_one, S::zero(), S::zero()];
            return Some(short.map(|product| Some(product?.value(&factors))));
        }
        for (register, value) in registers.iter_mut().zip(given) {
            *register = value;
        }
        self.replay(registers)?;
        Some(self.flows.map(|flow| Some(registers[usize::from(flow?) % REGISTERS].clone())))
    }

    #[inline(always)]
    fn replay<S: Scalar>(&self, registers: &mut Registers<S>) -> Option<()> {
        let of = |registers: &Registers<S>, number: u8| registers[usize::from(number) % REGISTERS].clone();
        for (i, step) in self.steps.iter().enumerate() {
            let value = match *step {
                Step::Constant(c) => S::from_f64(c).ok()?,
                Step::Unary(f, x) => S::unary(f, &of(registers, x)).ok()?,
                Step::Binary(f, x, y) => S::binary(f, &of(registers, x), &of(registers, y)).ok()?,
            };
            registers[(GIVEN + i) % REGISTERS] = value;
        }
        Some(())
    }

    /// The register that is the contribution to an operand; `None` for zero by rule.
    pub fn flow(&self, operand: usize) -> Option<u8> {
        self.flows[operand]
    }

    /// Number of steps.
    pub fn steps(&self) -> usize {
        self.steps.len()
    }

    /// Whether a later step reads the result of this one.
    pub fn is_read(&self, step: usize) -> bool {
        let register = (GIVEN + step) as u8;
        self.steps.iter().any(|other| match *other {
            Step::Constant(_) => false,
            Step::Unary(_, x) => x == register,
            Step::Binary(_, x, y) => x == register || y == register,
        })
    }

    /// Replays the rule on many numbers, block by block. Results of steps that have
    /// a sink go there, in order; after each block `take` gets its place and the block
    /// of any other register. `None` where the arithmetic refuses.
    pub fn replay_blocks<S: Scalar>(
        &self,
        given: [&[S]; GIVEN],
        sinks: &mut [Option<&mut Vec<S>>],
        mut take: impl for<'x> FnMut(Range<usize>, &(dyn Fn(u8) -> &'x [S] + 'x)),
    ) -> Option<()> {
        let n = given.iter().map(|g| g.len()).min().unwrap_or(0);
        let mut rows: Vec<Vec<S>> = self.steps.iter().map(|_| Vec::with_capacity(BLOCK.min(n))).collect();
        for start in (0..n).step_by(BLOCK) {
            let place = start..(start + BLOCK).min(n);
            for (i, step) in self.steps.iter().enumerate() {
                let (before, own) = rows.split_at_mut(i);
                let out = match sinks.get_mut(i) {
                    Some(Some(sink)) => &mut **sink,
                    _ => {
                        own[0].clear();
                        &mut own[0]
                    }
                };
                let of = |r: u8| block(&given, before, r, &place);
                match *step {
                    Step::Constant(c) => out.resize(out.len() + place.len(), S::from_f64(c).ok()?),
                    Step::Unary(f, x) => S::unary_extend(f, of(x), out).ok()?,
                    Step::Binary(f, x, y) => {
                        S::binary_extend(f, Pairs::Same(of(x), of(y)), out).ok()?;
                    }
                }
            }
            take(place.clone(), &|r| block(&given, &rows, r, &place));
        }
        Some(())
    }
}

/// The numbers of a register at one place; none of a step that is not done yet.
fn block<'s, S>(given: &[&'s [S]; GIVEN], rows: &'s [Vec<S>], register: u8, place: &Range<usize>) -> &'s [S] {
    match usize::from(register).checked_sub(GIVEN) {
        None => &given[usize::from(register)][place.clone()],
        Some(step) => rows.get(step).map_or(&[], Vec::as_slice),
    }
}

type Entry = (&'static Row, Option<ScalarRule>);

/// Rows that are found without a search.
const NEAR: usize = 128;

/// Recorded rules by row.
pub struct ScalarRules {
    entries: Vec<Entry>,
    /// Where the rule of a row may be, by the row's address.
    near: [u16; NEAR],
}

impl Default for ScalarRules {
    fn default() -> ScalarRules {
        ScalarRules { entries: Vec::new(), near: [0; NEAR] }
    }
}

impl ScalarRules {
    /// The recorded rule of a row.
    #[inline(always)]
    pub fn of(&mut self, row: &'static Row) -> Option<&ScalarRule> {
        let near = std::ptr::from_ref(row).addr() / 16 % NEAR;
        let mut at = usize::from(self.near[near]);
        if !self.entries.get(at).is_some_and(|entry| std::ptr::eq(entry.0, row)) {
            at = self.search(row);
            self.near[near] = at as u16;
        }
        self.entries[at].1.as_ref()
    }

    #[cold]
    fn search(&mut self, row: &'static Row) -> usize {
        match self.entries.iter().position(|entry| std::ptr::eq(entry.0, row)) {
            Some(at) => at,
            None => {
                self.entries.push((row, ScalarRule::record(row)));
                self.entries.len() - 1
            }
        }
    }
}
