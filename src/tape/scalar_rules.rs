//! Derivative rules on scalars. A rule is run once on a recorder that writes
//! down its scalar functions; nodes of scalars then replay the list, which is
//! the same arithmetic in the same order without the ceremony of tensors.

use crate::graph::{DType, Shape, ValueId, ValueType};
use crate::ops::{Emitter, Flow, MapFn, Op, OpError, Results, Row, Rule, Site, Value};
use crate::tape::scalar::Scalar;
use smallvec::SmallVec;

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
}

/// Registers that are given.
pub const GIVEN: usize = 4;

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
                let site = Site { op: &op, operands, results: &[], wanted: &[] };
                return expand(self, &site);
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
        let site = Site { op: &op, operands: &ids[..n], results: &ids[2..3], wanted: &[] };
        let ty = ValueType::new(DType::F64, ());
        let mut writer = Writer { steps: Vec::new(), ty };
        let found = rule(&mut writer, &site, &[Some(ids[3])]).ok()?;
        let mut flows = [None; 2];
        for (register, flow) in flows.iter_mut().zip(&found) {
            if let Flow::To(v) = flow {
                *register = Some(v.index() as u8);
            }
        }
        (found.len() == n).then(|| ScalarRule { steps: writer.steps.into(), flows })
    }

    /// Replays the rule: the first registers hold the operands, the result and
    /// the cotangent, those behind receive the steps. `None` where the
    /// arithmetic refuses one.
    #[inline(always)]
    pub fn replay<S: Scalar>(&self, registers: &mut Registers<S>) -> Option<()> {
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

    /// The contribution to an operand; `None` for zero by rule.
    #[inline(always)]
    pub fn flow<'s, S>(&self, operand: usize, registers: &'s Registers<S>) -> Option<&'s S> {
        Some(&registers[usize::from(self.flows[operand]?) % REGISTERS])
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
