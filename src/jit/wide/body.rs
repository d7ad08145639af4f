//! The body of a kernel as operations that are one vector instruction each, or nearly.

use crate::graph::DType;
use crate::jit::kernel::moving_lanes;
use crate::jit::lanes::bits_of;
use crate::lower::plan::{Access, Ending, Kernel, LaneOp};
use crate::ops::{MapFn, Reduction};

/// A position in the list of operations.
pub type Id = usize;

/// Operations of two operands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Two {
    Add,
    Sub,
    Mul,
    Div,
    /// The second operand where one is NaN or both are zero.
    RawMax,
    RawMin,
    And,
    /// The second operand, and not the first.
    AndNot,
    Or,
    Xor,
}

/// Comparisons, as the instruction set numbers them. NaNs raise nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Test {
    Eq = 0x00,
    Unordered = 0x03,
    Ne = 0x04,
    Lt = 0x11,
    Le = 0x12,
    Gt = 0x1e,
}

/// Directions of rounding to an integer, as the instruction set numbers them, exceptions off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Round {
    Even = 8,
    Down = 9,
    Up = 10,
}

/// One operation. Masks are lanes of ones or of zeros.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Node {
    /// A vector of elements: of a stream, some bytes on.
    Load {
        stream: usize,
        bytes: i32,
    },
    /// What is the same along the row.
    Fixed(usize),
    /// A number of the constant pool.
    Const(usize),
    /// The accumulator.
    Sum,
    Two(Two, Id, Id),
    Sqrt(Id),
    Round(Round, Id),
    Compare(Test, Id, Id),
    /// a b + c
    Fma(Id, Id, Id),
    /// b where the mask a, else c
    Select(Id, Id, Id),
}

impl Node {
    /// Operands, in order.
    pub fn operands(self) -> ([Id; 3], usize) {
        match self {
            Node::Load { .. } | Node::Fixed(_) | Node::Const(_) | Node::Sum => ([0; 3], 0),
            Node::Sqrt(a) | Node::Round(_, a) => ([a, 0, 0], 1),
            Node::Two(_, a, b) | Node::Compare(_, a, b) => ([a, b, 0], 2),
            Node::Fma(a, b, c) | Node::Select(a, b, c) => ([a, b, c], 3),
        }
    }

    /// Whether it comes from memory as it is.
    pub fn is_leaf(self) -> bool {
        self.operands().1 == 0
    }
}

/// Operations in order, and what they start from.
#[derive(Debug)]
pub struct Body {
    pub dtype: DType,
    pub nodes: Vec<Node>,
    pub pool: Vec<u64>,
    /// A lane for each stream.
    pub streams: Vec<usize>,
    /// The lane of each fixed value.
    pub fixed: Vec<usize>,
    /// What is stored, or becomes the accumulator.
    pub root: Id,
    /// Whether `root` is an accumulator.
    pub sums: bool,
}

/// The body of a kernel along its last dim.
pub fn of(kernel: &Kernel) -> Option<Body> {
    let dim = kernel.dims.len().checked_sub(1)?;
    let (value, factor) = match kernel.ending {
        Ending::Store(value) => (value, None),
        Ending::Reduce { value, factor, .. } => (value, factor),
    };
    let moving = moving_lanes(kernel, dim);
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
    let mut maker = Maker {
        kernel,
        body: Body {
            dtype,
            nodes: Vec::new(),
            pool: Vec::new(),
            streams: Vec::new(),
            fixed: Vec::new(),
            root: 0,
            sums: false,
        },
    };
    let mut ids = vec![usize::MAX; kernel.body.len()];
    for i in (0..kernel.body.len()).filter(|&i| needed[i]) {
        ids[i] = maker.lane(i, moving[i], &ids)?;
    }
    let x = ids[value as usize];
    maker.body.root = match kernel.ending {
        Ending::Store(_) => x,
        Ending::Reduce { kind, .. } => {
            maker.body.sums = true;
            let sum = maker.node(Node::Sum);
            match (kind, factor) {
                (Reduction::Dot, Some(factor)) => maker.node(Node::Fma(x, ids[factor as usize], sum)),
                (Reduction::Max, _) => maker.extreme(Two::RawMax, sum, x),
                _ => maker.node(Node::Two(Two::Add, sum, x)),
            }
        }
    };
    Some(maker.body)
}

struct Maker<'k> {
    kernel: &'k Kernel,
    body: Body,
}

impl Maker<'_> {
    fn node(&mut self, node: Node) -> Id {
        self.body.nodes.push(node);
        self.body.nodes.len() - 1
    }

    fn leaf(&mut self, node: Node) -> Id {
        match self.body.nodes.iter().position(|&n| n == node) {
            Some(id) => id,
            None => self.node(node),
        }
    }

    fn bits(&mut self, bits: u64) -> Id {
        let at = self.body.pool.iter().position(|&b| b == bits).unwrap_or_else(|| {
            self.body.pool.push(bits);
            self.body.pool.len() - 1
        });
        self.leaf(Node::Const(at))
    }

    fn number(&mut self, x: f64) -> Id {
        self.bits(bits_of(self.body.dtype, x))
    }

    fn two(&mut self, op: Two, a: Id, b: Id) -> Id {
        self.node(Node::Two(op, a, b))
    }

    fn test(&mut self, test: Test, a: Id, b: Id) -> Id {
        self.node(Node::Compare(test, a, b))
    }

    /// NaN where either is, and zeros by their sign: the two orders differ there alone.
    fn extreme(&mut self, op: Two, a: Id, b: Id) -> Id {
        let (ab, ba) = (self.two(op, a, b), self.two(op, b, a));
        let zeros = self.two(if op == Two::RawMax { Two::And } else { Two::Or }, ab, ba);
        let nan = self.test(Test::Unordered, a, b);
        self.two(Two::Or, zeros, nan)
    }

    fn stream(&mut self, access: &Access, lane: usize) -> Option<Id> {
        let size = self.body.dtype.size() as isize;
        let of = |&l: &usize| match &self.kernel.body[l].op {
            LaneOp::Load(other) if other.buf == access.buf && other.strides == access.strides => {
                i32::try_from((access.offset - other.offset) * size).ok()
            }
            _ => None,
        };
        let known = self.body.streams.iter().enumerate().find_map(|(s, l)| Some((s, of(l)?)));
        let (stream, bytes) = known.unwrap_or_else(|| {
            self.body.streams.push(lane);
            (self.body.streams.len() - 1, 0)
        });
        Some(self.leaf(Node::Load { stream, bytes }))
    }

    fn lane(&mut self, i: usize, moving: bool, ids: &[Id]) -> Option<Id> {
        let lane = &self.kernel.body[i];
        if !moving {
            if let (LaneOp::Const(bits), true) = (&lane.op, lane.dtype.is_float()) {
                return Some(self.bits(*bits));
            }
            self.body.fixed.push(i);
            return Some(self.node(Node::Fixed(self.body.fixed.len() - 1)));
        }
        match &lane.op {
            LaneOp::Load(access) => self.stream(access, i),
            LaneOp::Map(f, args) => {
                let args: Vec<Id> = args.iter().map(|&a| ids[a as usize]).collect();
                self.map(*f, &args)
            }
            _ => None,
        }
    }

    fn map(&mut self, f: MapFn, args: &[Id]) -> Option<Id> {
        let sign = if self.body.dtype == DType::F32 { 1 << 31 } else { 1 << 63 };
        Some(match (f, args) {
            (MapFn::Neg, &[x]) => {
                let sign = self.bits(sign);
                self.two(Two::Xor, x, sign)
            }
            (MapFn::Abs, &[x]) => {
                let sign = self.bits(sign);
                self.two(Two::AndNot, sign, x)
            }
            (MapFn::Sqrt, &[x]) => self.node(Node::Sqrt(x)),
            (MapFn::Floor, &[x]) => self.node(Node::Round(Round::Down, x)),
            (MapFn::Ceil, &[x]) => self.node(Node::Round(Round::Up, x)),
            (MapFn::RoundEven, &[x]) => self.node(Node::Round(Round::Even, x)),
            (MapFn::Square, &[x]) => self.two(Two::Mul, x, x),
            (MapFn::Recip, &[x]) => {
                let one = self.number(1.0);
                self.two(Two::Div, one, x)
            }
            (MapFn::Relu, &[x]) => {
                let zero = self.number(0.0);
                let negative = self.test(Test::Lt, x, zero);
                let kept = self.two(Two::AndNot, negative, x);
                // + 0 turns -0 into +0.
                self.two(Two::Add, kept, zero)
            }
            (MapFn::Sign, &[x]) => {
                let (zero, one, minus) = (self.number(0.0), self.number(1.0), self.number(-1.0));
                let (low, high) = (self.test(Test::Lt, x, zero), self.test(Test::Gt, x, zero));
                let (low, high) = (self.two(Two::And, low, minus), self.two(Two::And, high, one));
                self.two(Two::Or, low, high)
            }
            (MapFn::Add, &[x, y]) => self.two(Two::Add, x, y),
            (MapFn::Sub, &[x, y]) => self.two(Two::Sub, x, y),
            (MapFn::Mul, &[x, y]) => self.two(Two::Mul, x, y),
            (MapFn::Div, &[x, y]) => self.two(Two::Div, x, y),
            (MapFn::Maximum, &[x, y]) => self.extreme(Two::RawMax, x, y),
            (MapFn::Minimum, &[x, y]) => self.extreme(Two::RawMin, x, y),
            (MapFn::Fma, &[x, y, z]) => self.node(Node::Fma(x, y, z)),
            (MapFn::Eq, &[x, y]) => self.test(Test::Eq, x, y),
            (MapFn::Ne, &[x, y]) => self.test(Test::Ne, x, y),
            (MapFn::Lt, &[x, y]) => self.test(Test::Lt, x, y),
            (MapFn::Le, &[x, y]) => self.test(Test::Le, x, y),
            (MapFn::And, &[x, y]) => self.two(Two::And, x, y),
            (MapFn::Or, &[x, y]) => self.two(Two::Or, x, y),
            (MapFn::Xor, &[x, y]) => self.two(Two::Xor, x, y),
            (MapFn::Not, &[x]) => {
                let ones = self.bits(u64::MAX);
                self.two(Two::Xor, x, ones)
            }
            (MapFn::Select, &[mask, x, y]) => self.node(Node::Select(mask, x, y)),
            _ => return None,
        })
    }
}
