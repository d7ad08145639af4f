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

/// A recorded rule. Registers: operands, results, cotangents, then the steps.
#[derive(Clone, Debug)]
pub struct ScalarRule {
    steps: SmallVec<[Step; 4]>,
    flows: SmallVec<[Option<u8>; 3]>,
}

/// Most registers a recorded rule may use.
const REGISTERS: usize = 32;

/// Writes a rule down; anything but a function of numbers is refused.
struct Writer {
    given: usize,
    steps: SmallVec<[Step; 4]>,
    ty: ValueType,
}

impl Writer {
    fn push(&mut self, step: Step) -> Result<ValueId, OpError> {
        let id = self.given + self.steps.len();
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
        let ids: SmallVec<[ValueId; 4]> = (0..n as u32 + 2).map(ValueId::new).collect();
        let op = Op::plain(row);
        let site = Site { op: &op, operands: &ids[..n], results: &ids[n..n + 1], wanted: &[] };
        let ty = ValueType::new(DType::F64, ());
        let mut writer = Writer { given: n + 2, steps: SmallVec::new(), ty };
        let flows = rule(&mut writer, &site, &[Some(ids[n + 1])]).ok()?;
        let flows = flows
            .iter()
            .map(|flow| match flow {
                Flow::To(v) => Some(v.index() as u8),
                Flow::Zero => None,
            })
            .collect();
        Some(ScalarRule { steps: writer.steps, flows })
    }

    /// Replays the rule: `registers` holds the operands, the result and the
    /// cotangent, and receives the steps. `None` where the arithmetic refuses one.
    #[inline(always)]
    pub fn replay<S: Scalar>(&self, registers: &mut Vec<S>) -> Option<()> {
        for step in &self.steps {
            let value = match *step {
                Step::Constant(c) => S::from_f64(c).ok()?,
                Step::Unary(f, x) => S::unary(f, &registers[usize::from(x)]).ok()?,
                Step::Binary(f, x, y) => {
                    S::binary(f, &registers[usize::from(x)], &registers[usize::from(y)]).ok()?
                }
            };
            registers.push(value);
        }
        Some(())
    }

    /// For each operand the register of its contribution, `None` for zero by rule.
    pub fn flows(&self) -> &[Option<u8>] {
        &self.flows
    }
}

/// Recorded rules by row. Few rows take part in one graph, so a list will do.
#[derive(Default)]
pub struct ScalarRules {
    rows: Vec<(&'static Row, Option<ScalarRule>)>,
    last: usize,
}

impl ScalarRules {
    /// The recorded rule of a row.
    pub fn of(&mut self, row: &'static Row) -> Option<&ScalarRule> {
        let same = |entry: &(&'static Row, Option<ScalarRule>)| std::ptr::eq(entry.0, row);
        if !self.rows.get(self.last).is_some_and(same) {
            self.last = match self.rows.iter().position(same) {
                Some(at) => at,
                None => {
                    self.rows.push((row, ScalarRule::record(row)));
                    self.rows.len() - 1
                }
            };
        }
        self.rows.get(self.last)?.1.as_ref()
    }
}
