//! Ops that hold graphs: each gets a plan of its own, whose inputs and outputs are
//! buffers of this one or parts of them.

use crate::graph::{Graph, ValueId};
use crate::lower::core::CoreNode;
use crate::lower::plan::{Branch, BufId, Carry, Item, Place, Plan, Repeat};
use crate::lower::schedule::Scheduler;
use crate::lower::{LowerError, lower_at};
use crate::ops::{self, Loop, OpError, cut_both, cut_loop};
use crate::program::Stages;
use std::sync::Arc;

fn failed(error: OpError) -> LowerError {
    LowerError::Graph(error.into())
}

impl Scheduler<'_> {
    /// Schedules the op that node `id` is result `number` of; that result's buffer.
    pub(super) fn bodies(&mut self, id: ValueId, number: u32) -> Result<BufId, LowerError> {
        let node = self.core.node(id);
        let first = id.index() - number as usize;
        match ops::Branch::with(node.attrs) {
            Some(branch) => self.branch(&node, branch, first)?,
            None => self.repeat(&node, first)?,
        }
        self.memory[id.index()].ok_or(LowerError::Internal("a result that bodies have not"))
    }

    /// The plan of a body of a node.
    fn body(&self, graph: &Graph, node: &CoreNode<'_>) -> Result<Arc<Plan>, LowerError> {
        let inputs: Vec<Place> = (0..graph.inputs().len() as u32).map(Place::Input).collect();
        let outputs: Vec<Place> = (0..graph.outputs().len() as u32).map(Place::Output).collect();
        let (values, origin) = (graph.outputs(), Some(node.origin));
        let mut stages = Stages::default();
        lower_at(graph, values, &inputs, &outputs, self.how, origin, &mut stages).map(Arc::new)
    }

    /// Which of the results from `first` on are read: the others are not computed.
    fn read(&self, first: usize, results: usize) -> Vec<bool> {
        self.live[first..first + results].to_vec()
    }

    /// The buffer that result `i` of those from `first` on goes to.
    fn result(&mut self, first: usize, i: usize) -> BufId {
        let buf = self.target(ValueId::new((first + i) as u32));
        self.memory[first + i] = Some(buf);
        buf
    }

    fn repeat(&mut self, node: &CoreNode<'_>, first: usize) -> Result<(), LowerError> {
        let l = Loop::with(node.attrs).map_err(failed)?;
        let keep = self.read(first, l.body.outputs().len());
        let cut = cut_loop(l.body, l.carries, &keep, l.guard).map_err(failed)?;
        let body = self.body(&cut.bodies, node)?;
        let (mut inits, mut slices, mut fixed) = (Vec::new(), Vec::new(), Vec::new());
        for &i in &cut.inputs {
            let buf = self.materialise(node.operands[i])?;
            match i {
                _ if i < l.carries => inits.push(buf),
                _ if l.sliced().contains(&i) => slices.push(buf),
                _ => fixed.push(buf),
            }
        }
        let (mut carries, mut stacks) = (Vec::new(), Vec::new());
        for (k, &i) in cut.outputs.iter().enumerate() {
            let last = self.result(first, i);
            match inits.get(k) {
                Some(&init) => {
                    let id = ValueId::new((first + i) as u32);
                    let other = (l.steps > 1).then(|| self.buffer(id, Place::Temp(None)));
                    carries.push(Carry { init, last, other });
                }
                None => stacks.push(last),
            }
        }
        let (steps, backwards, guard) = (l.steps, l.backwards, cut.input(l.guard));
        let repeat = Repeat { body, steps, backwards, guard, carries, slices, fixed, stacks };
        self.plan.items.push(Item::Repeat(Box::new(repeat)));
        Ok(())
    }

    fn branch(
        &mut self,
        node: &CoreNode<'_>,
        ops::Branch { bodies }: ops::Branch<'_>,
        first: usize,
    ) -> Result<(), LowerError> {
        let keep = self.read(first, bodies[0].outputs().len());
        let cut = cut_both(bodies, &keep).map_err(failed)?;
        let [then, otherwise] = &cut.bodies;
        let bodies = [self.body(then, node)?, self.body(otherwise, node)?];
        let condition = self.materialise(node.operands[0])?;
        let mut inputs = Vec::with_capacity(cut.inputs.len());
        for &i in &cut.inputs {
            inputs.push(self.materialise(node.operands[i + 1])?);
        }
        let outputs = cut.outputs.iter().map(|&i| self.result(first, i)).collect();
        self.plan.items.push(Item::Branch(Box::new(Branch { condition, bodies, inputs, outputs })));
        Ok(())
    }
}
