//! Loops: the body gets a plan of its own, whose inputs and outputs are parts of
//! buffers of this one.

use crate::graph::ValueId;
use crate::lower::plan::{BufId, Carry, Item, Place, Repeat};
use crate::lower::schedule::Scheduler;
use crate::lower::{LowerError, lower_at};
use crate::ops::{Loop, OpError, cut};
use crate::program::Stages;
use std::sync::Arc;

fn failed(error: OpError) -> LowerError {
    LowerError::Graph(error.into())
}

impl Scheduler<'_> {
    /// Schedules the loop that node `id` is result `number` of; that result's buffer.
    pub(super) fn repeat(&mut self, id: ValueId, number: u32) -> Result<BufId, LowerError> {
        let node = self.core.node(id);
        let l = Loop::with(node.attrs).map_err(failed)?;
        let first = id.index() - number as usize;
        let result = |i: usize| ValueId::new((first + i) as u32);
        // Results that nobody reads are not computed.
        let keep: Vec<bool> = (0..l.body.outputs().len()).map(|i| self.live[first + i]).collect();
        let cut = cut(l.body, l.carries, &keep).map_err(failed)?;
        let inputs: Vec<Place> = (0..cut.inputs.len() as u32).map(Place::Input).collect();
        let outputs: Vec<Place> = (0..cut.outputs.len() as u32).map(Place::Output).collect();
        let (values, origin) = (cut.graph.outputs(), Some(node.origin));
        let mut stages = Stages::default();
        let body = lower_at(&cut.graph, values, &inputs, &outputs, self.how, origin, &mut stages)?;
        let (mut carries, mut slices, mut fixed) = (Vec::new(), Vec::new(), Vec::new());
        let mut stacks = Vec::new();
        for &i in &cut.inputs {
            let buf = self.materialise(node.operands[i])?;
            match i {
                _ if i < l.carries => carries.push(buf),
                _ if l.sliced().contains(&i) => slices.push(buf),
                _ => fixed.push(buf),
            }
        }
        let carries = carries
            .into_iter()
            .zip(&cut.outputs)
            .map(|(init, &i)| {
                let other = (l.steps > 1).then(|| self.buffer(result(i), Place::Temp(None)));
                let last = self.target(result(i));
                self.memory[first + i] = Some(last);
                Carry { init, last, other }
            })
            .collect();
        for &i in cut.outputs.iter().filter(|&&i| i >= l.carries) {
            let stack = self.target(result(i));
            self.memory[first + i] = Some(stack);
            stacks.push(stack);
        }
        let (body, steps, backwards) = (Arc::new(body), l.steps, l.backwards);
        let repeat = Repeat { body, steps, backwards, carries, slices, fixed, stacks };
        self.plan.items.push(Item::Repeat(Box::new(repeat)));
        self.memory[id.index()].ok_or(LowerError::Internal("a result that a loop has not"))
    }
}
