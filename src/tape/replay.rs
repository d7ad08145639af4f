//! The reverse step of a scalar function on tensors of one shape: each number goes
//! through all steps of the recorded rule, and into the gradients, while it is in
//! the cache.

use crate::graph::{DType, Node, ValueId, ValueType};
use crate::ops::{Emitter, Swept};
use crate::tape::buf::Buf;
use crate::tape::eval::Evaluator;
use crate::tape::scalar::{Numbers, Scalar};
use crate::tape::scalar_rules::GIVEN;
use crate::tape::tensor::{Data, Slot, Tensor};
use smallvec::SmallVec;
use std::ops::Range;

/// Operands and the register that is the contribution to each.
type Flows = SmallVec<[(ValueId, u8); 2]>;

/// The register of the cotangent.
const COTANGENT: u8 = GIVEN as u8 - 1;

/// The gradient of one operand in the making.
struct Target<S: Scalar> {
    value: ValueId,
    /// The register that is the contribution to it.
    register: u8,
    gradient: Buf<S>,
    /// The gradient so far, and whether it is written over.
    before: Option<(ValueId, bool)>,
}

type Targets<S> = SmallVec<[Target<S>; 2]>;

impl<S: Scalar> Target<S> {
    /// Existing + contribution at one place; places come in order.
    fn put(&mut self, place: Range<usize>, before: Option<&[S]>, contribution: &[S]) {
        match (self.before, before) {
            (Some((_, true)), _) => S::add_to(&mut self.gradient[place], contribution),
            (_, Some(before)) => {
                let sums = before[place].iter().zip(contribution).map(|(b, c)| S::add(b, c));
                self.gradient.extend(sums);
            }
            _ => self.gradient.extend_from_slice(contribution),
        }
    }
}

/// The elements of a handle that is a tensor of one float type, and back.
macro_rules! replay_as {
    ($variant:ident, $evaluator:expr, $rule:expr, $given:expr, $flows:expr, $ty:expr, $values:expr) => {{
        let mut targets = Targets::new();
        for (value, register) in $flows {
            let before = $values[value.index()].cotangent;
            let own =
                before.filter(|&v| $evaluator.owns(v)).and_then(|v| match &mut $evaluator.slab[v.index()] {
                    Slot::Tensor(t, _) => match &mut t.data {
                        Data::$variant(elements) => Some(std::mem::take(elements)),
                        _ => None,
                    },
                    _ => None,
                });
            let before = before.map(|v| (v, own.is_some()));
            let gradient = own.unwrap_or_else(|| Buf::with_capacity($ty.numel()));
            targets.push(Target { value, register, gradient, before });
        }
        // A new gradient that is the contribution itself is computed in place.
        let alone = |t: &Target<_>| t.before.is_none() && !$rule.is_read(usize::from(t.register) - GIVEN);
        let (mut fresh, mut rest) = targets.into_iter().partition::<Targets<_>, _>(alone);
        if let [x, y] = fresh.as_slice()
            && x.register == y.register
        {
            rest.extend(fresh.pop());
        }
        let mut sinks = SmallVec::<[Option<&mut Vec<_>>; 8]>::new();
        sinks.resize_with($rule.steps(), || None);
        for target in &mut fresh {
            sinks[usize::from(target.register) - GIVEN] = Some(&mut target.gradient);
        }
        let slab = &$evaluator.slab;
        let elements = |v: ValueId| match &slab[v.index()] {
            Slot::Tensor(t, _) => match &t.data {
                Data::$variant(elements) => elements.as_slice(),
                _ => &[],
            },
            _ => &[],
        };
        let done = $rule.replay_blocks($given.map(elements), &mut sinks, |place, register| {
            for target in &mut rest {
                let before = target.before.filter(|b| !b.1).map(|b| elements(b.0));
                target.put(place.clone(), before, register(target.register));
            }
        });
        drop(sinks);
        for Target { value, gradient, before, .. } in fresh.into_iter().chain(rest) {
            match before {
                Some((handle, true)) => {
                    if let Slot::Tensor(t, _) = &mut $evaluator.slab[handle.index()] {
                        t.data = Data::$variant(gradient);
                    }
                }
                // Refused midway: the rule itself will say why.
                _ if done.is_none() => {}
                _ => {
                    let tensor = Tensor::made($ty.clone(), Data::$variant(gradient));
                    $evaluator.own_gradient(&mut $values[value.index()], tensor);
                }
            }
        }
        done
    }};
}

impl<N: Numbers> Evaluator<N> {
    /// [`crate::ops::Emitter::replay`] where operands, result and cotangent are
    /// tensors of one float type and shape.
    pub(super) fn replay_tensors(
        &mut self,
        node: &Node,
        cotangent: ValueId,
        values: &mut [Swept],
    ) -> Option<()> {
        let (a, b) = match *node.operands() {
            [a] => (a, a),
            [a, b] if a != b => (a, b),
            _ => return None,
        };
        let given = [a, b, node.result(), cotangent];
        let ty = self.tensor_type(cotangent)?.clone();
        if !given.iter().all(|&v| self.tensor_type(v) == Some(&ty)) {
            return None;
        }
        let rule = self.rules.of(node.op.row())?.clone();
        let flow = |(i, v): (usize, ValueId)| Some((v, rule.flow(i).filter(|_| values[v.index()].wanted)?));
        let flows = [(0, a), (1, b)].into_iter().filter_map(flow);
        // What only hands the cotangent on needs no pass over it.
        let (handed, flows): (Flows, Flows) = flows.partition(|&(_, register)| register == COTANGENT);
        if flows.is_empty() || flows.iter().any(|&(_, register)| usize::from(register) < GIVEN) {
            return None;
        }
        match ty.dtype {
            DType::F64 => replay_as!(F64, self, rule, given, flows, ty, values),
            DType::F32 => replay_as!(F32, self, rule, given, flows, ty, values),
            _ => None,
        }?;
        for (v, _) in handed {
            self.hold(cotangent);
            let sum = match values[v.index()].cotangent {
                Some(existing) => self.accumulate(existing, cotangent).ok()?,
                None => cotangent,
            };
            values[v.index()].cotangent = Some(sum);
        }
        for v in [a, b] {
            values[v.index()].touched = true;
        }
        if !values[node.result().index()].kept {
            self.forget(cotangent);
        }
        Some(())
    }

    fn tensor_type(&self, v: ValueId) -> Option<&ValueType> {
        match &self.slab[v.index()] {
            Slot::Tensor(t, _) => Some(&t.ty),
            _ => None,
        }
    }

    /// A new gradient of one value in place of what it had.
    fn own_gradient(&mut self, swept: &mut Swept, tensor: Tensor<N>) {
        let handle = self.push(tensor);
        self.hold(handle);
        if let Some(before) = swept.cotangent.replace(handle) {
            self.forget(before);
        }
    }
}
