//! The body of a kernel along its last dim.

use crate::jit::wide::body::{Body, Id, Maker, Node, Two};
use crate::lower::plan::{Access, Ending, Kernel, LaneOp};
use crate::ops::Reduction;

/// What each vector of a row takes, and what it starts from.
pub struct Row {
    pub body: Body,
    /// A lane for each stream.
    pub streams: Vec<usize>,
    /// The lane of each fixed value.
    pub fixed: Vec<usize>,
}

/// The body of a kernel along its last dim.
pub fn of(kernel: &Kernel) -> Option<Row> {
    let dim = kernel.dims.len().checked_sub(1)?;
    let (value, factor) = match kernel.ending {
        Ending::Store(value) => (value, None),
        Ending::Reduce { value, factor, .. } => (value, factor),
    };
    let moving = kernel.moving_lanes(dim);
    let mut needed = vec![false; kernel.body.len()];
    needed[value as usize] = true;
    if let Some(factor) = factor {
        needed[factor as usize] = true;
    }
    for (i, lane) in kernel.body.iter().enumerate().rev() {
        if let LaneOp::Map(_, args) = &lane.op
            && needed[i]
            && moving[i]
        {
            args.iter().for_each(|&a| needed[a as usize] = true);
        }
    }
    let dtype = kernel.body[value as usize].dtype;
    let mut lanes = Lanes { kernel, maker: Maker::new(dtype), streams: Vec::new(), fixed: Vec::new() };
    let mut ids = vec![usize::MAX; kernel.body.len()];
    for i in (0..kernel.body.len()).filter(|&i| needed[i]) {
        ids[i] = lanes.lane(i, moving[i], &ids)?;
    }
    let x = ids[value as usize];
    let Lanes { mut maker, streams, fixed, .. } = lanes;
    match kernel.ending {
        Ending::Store(_) => {
            maker.node(Node::Store { bytes: 0, value: x });
        }
        Ending::Reduce { kind, .. } => {
            let sum = maker.node(Node::Sum);
            maker.body.sum = Some(match (kind, factor) {
                (Reduction::Dot, Some(factor)) => maker.node(Node::Fma(x, ids[factor as usize], sum)),
                (Reduction::Max, _) => maker.extreme(Two::RawMax, sum, x),
                _ => maker.two(Two::Add, sum, x),
            });
        }
    }
    Some(Row { body: maker.body, streams, fixed })
}

struct Lanes<'k> {
    kernel: &'k Kernel,
    maker: Maker,
    streams: Vec<usize>,
    fixed: Vec<usize>,
}

impl Lanes<'_> {
    fn stream(&mut self, access: &Access, lane: usize) -> Option<Id> {
        let size = self.maker.body.dtype.size() as isize;
        let of = |&l: &usize| match &self.kernel.body[l].op {
            LaneOp::Load(other) if other.buf == access.buf && other.strides == access.strides => {
                i32::try_from((access.offset - other.offset) * size).ok()
            }
            _ => None,
        };
        let known = self.streams.iter().enumerate().find_map(|(s, l)| Some((s, of(l)?)));
        let (stream, bytes) = known.unwrap_or_else(|| {
            self.streams.push(lane);
            (self.streams.len() - 1, 0)
        });
        Some(self.maker.leaf(Node::Load { stream, bytes }))
    }

    fn lane(&mut self, i: usize, moving: bool, ids: &[Id]) -> Option<Id> {
        let lane = &self.kernel.body[i];
        if !moving {
            if let (LaneOp::Const(bits), true) = (&lane.op, lane.dtype.is_float()) {
                return Some(self.maker.bits(*bits));
            }
            self.fixed.push(i);
            return Some(self.maker.node(Node::Fixed(self.fixed.len() - 1)));
        }
        match &lane.op {
            LaneOp::Load(access) => self.stream(access, i),
            LaneOp::Map(f, args) => {
                let args: Vec<Id> = args.iter().map(|&a| ids[a as usize]).collect();
                self.maker.map(*f, &args)
            }
            _ => None,
        }
    }
}
