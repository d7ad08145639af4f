//! One case of the differential: a graph and all that is drawn beside it.

use crate::fuzzing::compare::tensor;
use crate::fuzzing::draft::Drafted;
use crate::fuzzing::numbers::{Kind, elements};
use crate::fuzzing::source::{Rng, Source};
use crate::graph::{Graph, ValueId, ValueType};
use crate::program::{OptLevel, Options, Tier, VectorWidth};
use crate::tape::{Native, Tensor};

/// Inputs that every program is called with.
pub const SETS: u64 = 3;

/// What a keyed stream is for.
#[derive(Clone, Copy, Debug)]
#[repr(u64)]
#[allow(missing_docs)]
pub enum Use {
    Config = 1,
    Input,
    Seed,
    Tangent,
    Wrt,
    Scalar,
    Lead,
    Kind,
    Order,
}

/// A graph with the seed of its inputs, seeds, tangents and configurations.
#[derive(Clone, Debug)]
pub struct Case {
    /// The graph.
    pub drafted: Drafted,
    /// The seed of all that is not the graph.
    pub seed: u64,
}

/// One way to compile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// Transformations.
    pub opt: OptLevel,
    /// Code generator.
    pub tier: Tier,
    /// Limit of unrolling; `None` for the default.
    pub unroll: Option<usize>,
    /// Vectors of loops.
    pub width: VectorWidth,
    /// Elements of a block; 0 for the default, which no random graph is long enough for.
    pub block: usize,
    /// How often scalars repeat themselves to become loops.
    pub roll: usize,
}

const fn config(opt: OptLevel, tier: Tier, unroll: Option<usize>) -> Config {
    Config { opt, tier, unroll, width: VectorWidth::Widest, block: 0, roll: 0 }
}

/// Every level, tier and kind of unrolling.
pub const CONFIGS: [Config; 8] = [
    config(OptLevel::None, Tier::Fast, None),
    config(OptLevel::None, Tier::Full, None),
    config(OptLevel::Full, Tier::Fast, None),
    config(OptLevel::Full, Tier::Full, None),
    config(OptLevel::Full, Tier::Fast, Some(0)),
    config(OptLevel::Full, Tier::Full, Some(0)),
    config(OptLevel::Full, Tier::Fast, Some(20_000)),
    config(OptLevel::Full, Tier::Full, Some(300)),
];

/// The widths, the one that most programs have twice.
const WIDTHS: [VectorWidth; 4] =
    [VectorWidth::Widest, VectorWidth::Widest, VectorWidth::Bits256, VectorWidth::Bits128];

/// Sizes of blocks.
const BLOCKS: [usize; 4] = [0, 0, 8, 32];

/// Repeats that become loops.
const ROLLS: [usize; 4] = [0, 2, 3, 16];

impl Config {
    /// One of them.
    pub fn draw(source: &mut dyn Source) -> Config {
        let config = CONFIGS[source.below(CONFIGS.len())];
        let block = BLOCKS[source.below(BLOCKS.len())];
        let roll = ROLLS[source.below(ROLLS.len())];
        Config { width: WIDTHS[source.below(WIDTHS.len())], block, roll, ..config }
    }

    /// Options of this configuration.
    pub fn options(self) -> Options {
        let options = Options::default().opt(self.opt).tier(self.tier).width(self.width).block(self.block);
        let options = options.checks(crate::Checks::On).roll(self.roll);
        match self.unroll {
            Some(unroll) => options.unroll(unroll),
            None => options,
        }
    }
}

impl Case {
    /// The graph.
    pub fn graph(&self) -> &Graph {
        &self.drafted.graph
    }

    /// A stream of its own for each use.
    pub fn stream(&self, what: Use, keys: &[u64]) -> Rng {
        Rng::keyed(Rng::keyed(self.seed, &[what as u64]).bits(), keys)
    }

    /// Normal numbers in the first set, edges and zeros in the second, any bits in the third.
    fn kind(&self, set: u64, rng: &mut Rng) -> Kind {
        // Zeros of both signs meet only where all numbers are of that kind.
        let zeros = set > 0 && self.stream(Use::Kind, &[set]).chance(1, 4);
        match set {
            _ if zeros => Kind::Zeros,
            _ if rng.chance(1, 4) => Kind::Normal,
            1 => [Kind::Special, Kind::Special, Kind::Zeros, Kind::Same][rng.below(4)],
            2 => Kind::Bits,
            _ => Kind::Normal,
        }
    }

    fn numbers(
        &self,
        ty: &ValueType,
        set: u64,
        mut rng: Rng,
        bound: Option<usize>,
    ) -> Option<Tensor<Native>> {
        let kind = self.kind(set, &mut rng);
        tensor(ty, elements(&mut rng, ty, ty.numel(), kind, bound))
    }

    /// The inputs of a set.
    pub fn inputs(&self, set: u64) -> Vec<Tensor<Native>> {
        let graph = self.graph();
        let drawn = graph.input_values().zip(&self.drafted.bounds);
        drawn
            .enumerate()
            .filter_map(|(i, (v, &bound))| {
                self.numbers(graph.ty(v), set, self.stream(Use::Input, &[set, i as u64]), bound)
            })
            .collect()
    }

    /// A seed or tangent for something of this type.
    pub fn direction(&self, what: Use, ty: &ValueType, keys: &[u64]) -> Option<Tensor<Native>> {
        let mut rng = self.stream(what, keys);
        let set = if rng.chance(1, 2) { 0 } else { keys.first().copied().unwrap_or(0) };
        self.numbers(ty, set, rng, None)
    }

    /// A random subset of the float inputs, now and then all or none, or one twice.
    pub fn wrt(&self, form: u64) -> Vec<ValueId> {
        let graph = self.graph();
        let mut rng = self.stream(Use::Wrt, &[form]);
        let share = [8, 8, 4, 4, 4, 2, 2, 0][rng.below(8)];
        let mut floats: Vec<ValueId> =
            graph.input_values().filter(|&v| graph.ty(v).dtype.is_float() && rng.chance(share, 8)).collect();
        if rng.chance(1, 4) {
            floats.reverse();
        }
        if rng.chance(1, 8)
            && let Some(v) = crate::fuzzing::source::pick(&mut rng, &floats)
        {
            floats.push(v);
        }
        floats
    }

    /// A number to take the gradient of, if the graph has one.
    pub fn scalar(&self) -> Option<ValueId> {
        let graph = self.graph();
        let numbers: Vec<ValueId> = graph
            .values()
            .skip(graph.inputs().len())
            .filter(|&v| graph.ty(v).dtype.is_float() && graph.ty(v).numel() == 1)
            .collect();
        let late = numbers.len().saturating_sub(4);
        let mut rng = self.stream(Use::Scalar, &[]);
        crate::fuzzing::source::pick(&mut rng, &numbers[late..])
    }

    /// The configuration of a form.
    pub fn config(&self, form: u64) -> Config {
        Config::draw(&mut self.stream(Use::Config, &[form]))
    }
}
