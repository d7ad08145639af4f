//! The body of a kernel along its last dim.

use crate::jit::wide::Stream;
use crate::jit::wide::asm::MASKS;
use crate::jit::wide::body::{Body, Id, Maker, Node, Two};
use crate::lower::plan::{Access, Ending, Kernel, LaneOp};
use crate::ops::Reduction;

/// What each vector of a row takes, and what it starts from.
pub struct Row {
    pub body: Body,
    pub streams: Vec<Stream>,
    /// Where something stops, in order; the last is the end of the row.
    pub ends: Vec<usize>,
    /// The lane of each fixed value.
    pub fixed: Vec<usize>,
}

/// The body of a kernel along its last dim.
pub fn of(kernel: &Kernel) -> Option<Row> {
    let dim = kernel.dims.len().checked_sub(1)?;
    let moving = kernel.moving_lanes(dim);
    let mut needed = vec![false; kernel.body.len()];
    let beside = kernel.beside.iter().map(|beside| beside.value);
    kernel.ending.lanes().chain(beside).for_each(|lane| needed[lane as usize] = true);
    for (i, lane) in kernel.body.iter().enumerate().rev() {
        if let LaneOp::Map(_, args) = &lane.op
            && needed[i]
            && moving[i]
        {
            args.iter().for_each(|&a| needed[a as usize] = true);
        }
    }
    let mut ends: Vec<usize> = kernel.beside.iter().map(|beside| beside.n).collect();
    ends.push(kernel.dims[dim]);
    ends.sort_unstable();
    ends.dedup();
    if ends.len() > MASKS.len() {
        return None;
    }
    let (last, reach) = (ends.len() - 1, kernel.reach());
    let end_of = |n: usize| ends.iter().position(|&end| end >= n).unwrap_or(last);
    let dtype = kernel.body[kernel.ending.lanes().next()? as usize].dtype;
    let mut lanes = Lanes { kernel, maker: Maker::new(dtype), streams: Vec::new(), fixed: Vec::new() };
    let mut ids = vec![usize::MAX; kernel.body.len()];
    for i in (0..kernel.body.len()).filter(|&i| needed[i]) {
        lanes.maker.end = end_of(reach[i]);
        ids[i] = lanes.lane(i, moving[i], &ids)?;
        // Stored as soon as it is there: its register may be free then.
        for (at, beside) in kernel.beside.iter().enumerate().filter(|(_, beside)| beside.value as usize == i)
        {
            lanes.maker.end = end_of(beside.n);
            lanes.store(Stream::Beside(at), ids[i]);
        }
    }
    lanes.maker.end = last;
    match kernel.ending {
        Ending::Store(value) => lanes.store(Stream::Store, ids[value as usize]),
        Ending::Reduce { kind, value, factor, .. } => {
            let (maker, x) = (&mut lanes.maker, ids[value as usize]);
            let sum = maker.node(Node::Sum);
            maker.body.sum = Some(match (kind, factor) {
                (Reduction::Dot, Some(factor)) => maker.node(Node::Fma(x, ids[factor as usize], sum)),
                (Reduction::Max, _) => maker.extreme(Two::RawMax, sum, x),
                _ => maker.two(Two::Add, sum, x),
            });
        }
    }
    let Lanes { maker, streams, fixed, .. } = lanes;
    Some(Row { body: maker.body, streams, ends, fixed })
}

struct Lanes<'k> {
    kernel: &'k Kernel,
    maker: Maker,
    streams: Vec<Stream>,
    fixed: Vec<usize>,
}

impl Lanes<'_> {
    fn store(&mut self, stream: Stream, value: Id) {
        self.streams.push(stream);
        let stream = self.streams.len() - 1;
        self.maker.node(Node::Store { stream, bytes: 0, value });
    }

    fn stream(&mut self, access: &Access, lane: usize) -> Option<Id> {
        let size = self.maker.body.dtype.size() as isize;
        let of = |stream: &Stream| {
            let Stream::Load(lane) = *stream else { return None };
            match &self.kernel.body[lane].op {
                LaneOp::Load(other) if other.buf == access.buf && other.strides == access.strides => {
                    i32::try_from((access.offset - other.offset) * size).ok()
                }
                _ => None,
            }
        };
        let known = self.streams.iter().enumerate().find_map(|(s, l)| Some((s, of(l)?)));
        let (stream, bytes) = known.unwrap_or_else(|| {
            self.streams.push(Stream::Load(lane));
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
