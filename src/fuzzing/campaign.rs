//! Many graphs in a row: counted, resumable, summed up in one line.

use crate::fuzzing::case::Case;
use crate::fuzzing::compare::Compared;
use crate::fuzzing::coverage::Coverage;
use crate::fuzzing::differential::{Verdict, check, draw};
use crate::fuzzing::digest::Digest;
use crate::fuzzing::expected::Difference;
use crate::fuzzing::orders::{check_orders, draw_small};
use crate::fuzzing::shrink::shrink;
use crate::fuzzing::source::{Rng, Source};
use std::fmt;

/// Counts of a campaign.
#[derive(Clone, Debug, Default)]
pub struct Campaign {
    /// The seed of its first graph; graph `i` has seed `seed + i`.
    pub seed: u64,
    /// Graphs done.
    pub graphs: u64,
    /// Graphs on which tape and code differ.
    pub differences: u64,
    /// Graphs without inputs that the tape could evaluate.
    pub invalid: u64,
    /// Elements compared.
    pub compared: Compared,
    /// Rows and pairs met.
    pub coverage: Coverage,
}

/// A failing graph, as found.
pub struct Found {
    /// The seed that draws it.
    pub seed: u64,
    /// As drawn.
    pub case: Case,
    /// What differs.
    pub difference: Difference,
}

impl Found {
    /// Makes it smaller, which takes hundreds of compilations.
    pub fn shrink(self) -> Failure {
        let (small, small_difference) = shrink(&self.case, &self.difference);
        Failure { found: self, small, small_difference }
    }
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nodes = self.case.graph().nodes().len();
        write!(f, "seed {} ({nodes} nodes): {}", self.seed, self.difference)
    }
}

/// A failing graph, as found and made smaller.
pub struct Failure {
    /// As drawn.
    pub found: Found,
    /// Made smaller.
    pub small: Case,
    /// What differs there.
    pub small_difference: Difference,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.found)?;
        writeln!(f, "again with COTANGENT_SEED={} COTANGENT_GRAPHS=1", self.found.seed)?;
        writeln!(f, "made smaller (numbers of seed {}): {}", self.small.seed, self.small_difference)?;
        let graph = self.small.graph();
        write!(f, "{graph}")?;
        for custom in graph.nodes().iter().filter_map(|node| node.op.custom()) {
            match custom.graph() {
                Some(graph) => write!(f, "\n{} is {graph}", custom.name())?,
                None => write!(f, "\n{} is a callback", custom.name())?,
            }
        }
        Ok(())
    }
}

impl Campaign {
    /// A campaign from a seed.
    pub fn new(seed: u64) -> Campaign {
        Campaign { seed, ..Campaign::default() }
    }

    /// Checks the next graph; what failed, if it did.
    pub fn step(&mut self) -> Option<Found> {
        self.step_by(draw, check)
    }

    /// Checks the third derivatives of the next graph, a small one.
    pub fn step_orders(&mut self) -> Option<Found> {
        self.step_by(draw_small, check_orders)
    }

    fn step_by(
        &mut self,
        draw: fn(&mut dyn Source) -> Option<Case>,
        check: fn(&Case, &mut Compared) -> Verdict,
    ) -> Option<Found> {
        let seed = self.seed.wrapping_add(self.graphs);
        self.graphs += 1;
        let Some(case) = draw(&mut Rng::new(seed)) else {
            self.invalid += 1;
            return None;
        };
        self.coverage.add(case.graph());
        match check(&case, &mut self.compared) {
            Verdict::Same => None,
            Verdict::Invalid => {
                self.invalid += 1;
                None
            }
            Verdict::Differs(difference) => {
                self.differences += 1;
                Some(Found { seed, case, difference })
            }
        }
    }

    /// As text, to go on from later.
    pub fn save(&self) -> String {
        format!(
            "campaign {} {} {} {} {} {} {}\n{}",
            self.seed,
            self.graphs,
            self.differences,
            self.invalid,
            self.compared.elements,
            self.compared.nan,
            self.compared.digest,
            self.coverage.save()
        )
    }

    /// From [`Campaign::save`]; `None` where the text is not of that form.
    pub fn load(text: &str) -> Option<Campaign> {
        let mut lines = text.lines();
        let numbers = lines.next()?.strip_prefix("campaign ")?;
        let (numbers, digest) = numbers.rsplit_once(' ')?;
        let digest = Digest::parse(digest)?;
        let numbers: Vec<u64> = numbers.split(' ').map(|n| n.parse().ok()).collect::<Option<_>>()?;
        let &[seed, graphs, differences, invalid, elements, nan] = numbers.as_slice() else { return None };
        let mut coverage = Coverage::default();
        for line in lines {
            coverage.load(line)?;
        }
        Some(Campaign {
            seed,
            graphs,
            differences,
            invalid,
            compared: Compared { elements, nan, digest },
            coverage,
        })
    }
}

impl fmt::Display for Campaign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ((ops, all), (pairs, reachable)) = (self.coverage.ops(), self.coverage.pairs());
        write!(
            f,
            "differential: {} graphs (seed {}, median {} nodes), {} differences, {} invalid, ops {ops}/{all}, \
             op pairs {pairs}/{reachable}, {} elements compared, {:.1} % of them NaN",
            self.graphs,
            self.seed,
            self.coverage.median_nodes(),
            self.differences,
            self.invalid,
            self.compared.elements,
            100.0 * self.compared.nan as f64 / (self.compared.elements.max(1)) as f64,
        )
    }
}
