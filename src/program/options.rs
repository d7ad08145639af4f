//! How a graph is compiled.

use crate::graph::Graph;
use std::ops::BitOr;

/// How much time the code generator takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Tier {
    /// A fourth of the compile time, code some 2 to 2.5 times slower.
    Fast,
    /// The best code.
    #[default]
    Full,
}

/// How much the graph is transformed before code is generated. Every level
/// gives the same bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum OptLevel {
    /// Every node is computed by itself.
    None,
    /// Simplification, common subexpressions, fusion, unrolling.
    #[default]
    Full,
}

/// How wide the vectors of the code may be. Every width gives the same bits; what the CPU
/// lacks is never executed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum VectorWidth {
    /// 128 bits, which every supported CPU has.
    Bits128,
    /// Up to 256 bits: AVX2 and FMA on x86-64.
    Bits256,
    /// Up to 512 bits: AVX-512 on x86-64.
    Bits512,
    /// Whatever the CPU has.
    #[default]
    Widest,
}

/// Which functions are compiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Forms(u8);

impl Forms {
    /// The outputs.
    pub const FORWARD: Forms = Forms(1);
    /// The one output, a number, and its gradient, fused.
    pub const VALUE_AND_GRAD: Forms = Forms(2);
    /// The outputs and a vector-Jacobian product with given seeds, fused.
    pub const VJP: Forms = Forms(4);
    /// The outputs, then (any number of times) vector-Jacobian products.
    pub const REVERSE: Forms = Forms(8);
    /// Every value, then the dense reverse sweep: a seed for every value and the
    /// gradient of every value.
    pub const DENSE: Forms = Forms(16);
    /// The outputs and a Jacobian-vector product.
    pub const JVP: Forms = Forms(32);

    /// What is compiled of a graph where nobody says so.
    pub(super) fn of(graph: &Graph) -> Forms {
        match graph.scalar_output() {
            Ok(_) => Forms::FORWARD | Forms::VALUE_AND_GRAD,
            Err(_) => Forms::FORWARD,
        }
    }

    /// Whether all of `other` are among these.
    pub fn contains(self, other: Forms) -> bool {
        self.0 & other.0 == other.0
    }
}

impl BitOr for Forms {
    type Output = Forms;
    fn bitor(self, other: Forms) -> Forms {
        Forms(self.0 | other.0)
    }
}

/// Options of [`crate::Program::compile`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Options {
    /// Code generator.
    pub tier: Tier,
    /// Transformations.
    pub opt: OptLevel,
    /// Functions to compile. By default the forward one, and value and gradient
    /// where the graph has a single scalar output.
    pub forms: Option<Forms>,
    /// Positions of the inputs to differentiate by; by default all float inputs.
    pub wrt: Option<Vec<usize>>,
    /// Vectors of loops.
    pub width: VectorWidth,
    /// Largest number of scalar operations that is unrolled as a whole.
    pub unroll: usize,
    /// How often the same structure occurs among scalars to become a loop. For graphs that were traced
    /// from a loop, with a node for every operation: expressions of scalars that are the same but for
    /// the elements they read, evenly through arrays, become loops over these arrays, and long sums,
    /// differences and products one loop each. The code is short then, is made in less time and
    /// runs in vectors. Each number is computed by the same operations as without, to the same
    /// bits. 16 suits common machines. 0, the default, makes no loops of scalars.
    pub roll: usize,
    /// Elements of a block: loops that go over the same long arrays one after the other do so
    /// block by block, while the block is in the cache. 0, the default, takes what fits the
    /// caches of common machines, and leaves short arrays whole.
    pub block: usize,
    /// Largest workspace, in bytes.
    pub max_workspace: usize,
    /// Whether the report keeps Cranelift IR and assembly as text.
    pub listing: Listing,
    /// Whether plans and generated code are verified while compiling.
    pub checks: Checks,
    /// Whether calls look at every value for NaNs and infinities.
    pub checked: Checked,
    /// Threads that compile large graphs, that of the caller among them; by default as
    /// many as the machine has, because whoever compiles waits for it. They end with
    /// the call, and graphs of a few hundred operations start none. 1 is for those who compile many
    /// graphs side by side, or owe the other cores to others; 0 is taken as 1. The code is the same
    /// at any number.
    pub threads: usize,
    /// Whether straight-line code of one array gets an entry for calls without
    /// a workspace.
    pub(crate) direct: bool,
}

/// Whether the checkers of the lowering and of the code generator run. Addresses
/// are proved in range in any case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Checks {
    /// They do not run: the default of optimised builds.
    Off,
    /// They run: the default of debug builds, and of all differential tests.
    On,
}

impl Default for Checks {
    fn default() -> Checks {
        if cfg!(debug_assertions) { Checks::On } else { Checks::Off }
    }
}

/// Whether calls look at the values they compute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Checked {
    /// They do not.
    #[default]
    No,
    /// A call first computes every value of the graph at its inputs; where one is
    /// NaN or infinite it fails with [`crate::RunError::NonFinite`], which names
    /// the first one, its op and the source line. Calls with a reverse sweep then
    /// look at the gradients too, at each when a node has added its part: where
    /// one is NaN or infinite, the error names the value that it is the gradient
    /// of, and the op whose rule gave it. (Tangents are not looked at.) Costs a
    /// forward pass without fusion, and memory for all values and gradients.
    /// Programs without this option are not slower for it.
    Finite,
}

/// Whether a report keeps the text of the code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Listing {
    /// No text.
    #[default]
    None,
    /// Cranelift IR and assembly of every function.
    Code,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            tier: Tier::Full,
            opt: OptLevel::Full,
            forms: None,
            wrt: None,
            width: VectorWidth::Widest,
            unroll: 4096,
            roll: 0,
            block: 0,
            max_workspace: 1 << 36,
            listing: Listing::None,
            checks: Checks::default(),
            checked: Checked::No,
            threads: std::thread::available_parallelism().map_or(1, usize::from),
            direct: false,
        }
    }
}

impl Options {
    /// With this code generator.
    pub fn tier(mut self, tier: Tier) -> Options {
        self.tier = tier;
        self
    }

    /// With these transformations.
    pub fn opt(mut self, opt: OptLevel) -> Options {
        self.opt = opt;
        self
    }

    /// With these functions.
    pub fn forms(mut self, forms: Forms) -> Options {
        self.forms = Some(forms);
        self
    }

    /// Differentiating by the inputs at these positions only.
    pub fn wrt(mut self, inputs: &[usize]) -> Options {
        self.wrt = Some(inputs.to_vec());
        self
    }

    /// Unrolling graphs of at most this many scalar operations as a whole.
    pub fn unroll(mut self, operations: usize) -> Options {
        self.unroll = operations;
        self
    }

    /// Making loops of what repeats itself among scalars, at least so often.
    ///
    /// # Example
    /// ```
    /// use cotangent::{Builder, Options, Program, dtype};
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// // A sum as a loop over numbers traces it: 40,000 operations, each a node.
    /// let g = Builder::new();
    /// let x = g.input("x", dtype::f64, [10_000]);
    /// let terms = (0..10_000).map(|i| (x.at(i) * 0.5 + 1.0).square());
    /// let sum = terms.reduce(|sum, term| sum + term).ok_or("no term")?;
    /// let program = Program::compile(&g.finish(&[sum])?, &Options::default().roll(16))?;
    /// assert!(program.report().items < 100);
    /// # Ok(())
    /// # }
    /// ```
    pub fn roll(mut self, repeats: usize) -> Options {
        self.roll = repeats;
        self
    }

    /// With blocks of this many elements.
    pub fn block(mut self, elements: usize) -> Options {
        self.block = elements;
        self
    }

    /// With vectors of at most this width.
    pub fn width(mut self, width: VectorWidth) -> Options {
        self.width = width;
        self
    }

    /// Keeping the text of the code in the report.
    pub fn listing(mut self, listing: Listing) -> Options {
        self.listing = listing;
        self
    }

    /// Verifying while compiling, or not.
    pub fn checks(mut self, checks: Checks) -> Options {
        self.checks = checks;
        self
    }

    /// Looking at every value on each call, or not.
    pub fn checked(mut self, checked: Checked) -> Options {
        self.checked = checked;
        self
    }

    /// Compiling on this many threads at most.
    pub fn threads(mut self, threads: usize) -> Options {
        self.threads = threads;
        self
    }

    /// Refusing programs that need a larger workspace.
    pub fn max_workspace(mut self, bytes: usize) -> Options {
        self.max_workspace = bytes;
        self
    }
}
