//! Programs kept by the content of their graphs.

use crate::graph::Graph;
use crate::program::{CompileError, Options, Program};
use rustc_hash::FxBuildHasher;
use std::hash::BuildHasher;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Compiled programs by content: the same graph with the same options is compiled
/// once. A value that the caller owns and shares (`Send + Sync`); there is no global one.
///
/// Graphs are the same if they are equal ([`Graph`]'s `==`), compared node by node and
/// not by a hash alone. That takes in names of inputs, constants to the bit and the
/// source line of every node, because errors name them: a graph authored by two
/// copies of the same code is two graphs, one authored twice by the same code is one.
/// Custom ops are equal where they are clones of each other. Options are
/// the same if they are equal but for [`Options::threads`].
///
/// A hit costs a pass over the graph, some 20 ns a node. What was
/// used longest ago goes first when there are too many. Errors are not kept.
///
/// # Example
/// ```
/// use cotangent::{Builder, Graph, GraphError, Options, ProgramCache, dtype};
/// fn author(n: usize) -> Result<Graph, GraphError> {
///     let g = Builder::new();
///     let x = g.input("x", dtype::f64, [n]);
///     g.finish(&[x.square().sum()])
/// }
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let cache = ProgramCache::new(100);
/// for n in [2, 3, 2, 2] {
///     let program = cache.compile(&author(n)?, &Options::default())?;
///     let mut gradient = vec![0.0; n];
///     let x = vec![1.0; n];
///     program.value_and_grad(&mut program.workspace(), &[(&x).into()], &mut [(&mut gradient).into()])?;
///     assert_eq!(gradient, vec![2.0; n]);
/// }
/// let stats = cache.stats();
/// assert_eq!((stats.hits, stats.misses, stats.programs), (2, 2, 2));
/// # Ok(())
/// # }
/// ```
pub struct ProgramCache {
    most: usize,
    kept: Mutex<Kept>,
}

const _: () = {
    const fn shared<T: Send + Sync>() {}
    shared::<ProgramCache>();
};

/// What a cache did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CacheStats {
    /// Calls that found their program.
    pub hits: u64,
    /// Calls that compiled, with or without success.
    pub misses: u64,
    /// Programs that had to go for others.
    pub evictions: u64,
    /// Programs that are kept.
    pub programs: usize,
}

#[derive(Default)]
struct Kept {
    programs: Vec<Entry>,
    /// Counts uses.
    clock: u64,
    stats: CacheStats,
}

struct Entry {
    hash: u64,
    options: Options,
    program: Program,
    used: u64,
}

impl ProgramCache {
    /// A cache of at most so many programs; of 0 it keeps none.
    pub fn new(most: usize) -> ProgramCache {
        ProgramCache { most, kept: Mutex::default() }
    }

    /// The program of a graph: a clone of one compiled before, or compiled now and kept.
    ///
    /// Nothing is locked while compiling. Where threads ask for the same new graph at
    /// once, each compiles it, and all get the program of the first that is done.
    ///
    /// # Errors
    /// Those of [`Program::compile`].
    pub fn compile(&self, graph: &Graph, options: &Options) -> Result<Program, CompileError> {
        // Any number of threads gives the same code.
        let key = Options { threads: 0, ..options.clone() };
        let hash = FxBuildHasher.hash_one((graph, &key));
        if let Some(program) = self.find(hash, graph, &key) {
            self.kept().stats.hits += 1;
            return Ok(program);
        }
        self.kept().stats.misses += 1;
        let program = Program::compile(graph, options)?;
        Ok(self.keep(hash, key, program))
    }

    /// What the cache did so far.
    pub fn stats(&self) -> CacheStats {
        let kept = self.kept();
        CacheStats { programs: kept.programs.len(), ..kept.stats }
    }

    /// Forgets all programs; those in use live on.
    pub fn clear(&self) {
        let gone = std::mem::take(&mut self.kept().programs);
        drop(gone);
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        // Whoever panicked left nothing half done.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The program of an equal graph, which has the same hash.
    fn find(&self, hash: u64, graph: &Graph, options: &Options) -> Option<Program> {
        let fits = |entry: &&Entry| entry.hash == hash && entry.options == *options;
        let alike: Vec<Program> =
            self.kept().programs.iter().filter(fits).map(|entry| entry.program.clone()).collect();
        // Without the lock: graphs may be large.
        let program = alike.into_iter().find(|program| program.graph() == graph)?;
        let mut kept = self.kept();
        kept.clock += 1;
        let now = kept.clock;
        let same = |entry: &&mut Entry| entry.program.id() == program.id();
        if let Some(entry) = kept.programs.iter_mut().find(same) {
            entry.used = now;
        }
        Some(program)
    }

    /// Keeps a program, unless another thread was first: that one is the answer then.
    fn keep(&self, hash: u64, options: Options, program: Program) -> Program {
        if let Some(first) = self.find(hash, program.graph(), &options) {
            return first;
        }
        let mut gone = Vec::new();
        let mut kept = self.kept();
        kept.clock += 1;
        let used = kept.clock;
        kept.programs.push(Entry { hash, options, program: program.clone(), used });
        while kept.programs.len() > self.most {
            let ages = kept.programs.iter().enumerate();
            let Some((oldest, _)) = ages.min_by_key(|(_, entry)| entry.used) else { break };
            gone.push(kept.programs.swap_remove(oldest));
            kept.stats.evictions += 1;
        }
        // Memory is given back without the lock.
        drop(kept);
        drop(gone);
        program
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Builder, dtype};

    fn graph(factor: f64) -> Graph {
        let g = Builder::new();
        let x = g.input("x", dtype::f64, ());
        g.finish(&[x * factor]).unwrap()
    }

    /// Two graphs of one hash stay two.
    #[test]
    fn a_collision_is_no_hit() {
        let (cache, options) = (ProgramCache::new(4), Options::default());
        let (two, three) = (graph(2.0), graph(3.0));
        cache.keep(7, options.clone(), Program::compile(&two, &options).unwrap());
        assert!(cache.find(7, &three, &options).is_none());
        cache.keep(7, options.clone(), Program::compile(&three, &options).unwrap());
        for graph in [&two, &three] {
            assert!(cache.find(7, graph, &options).unwrap().graph() == graph);
        }
        assert_eq!(cache.stats().programs, 2);
    }

    /// What another thread kept in the meantime is the answer.
    #[test]
    fn the_first_that_is_kept_stays() {
        let (cache, options, graph) = (ProgramCache::new(4), Options::default(), graph(2.0));
        let [first, second] = [(); 2].map(|()| Program::compile(&graph, &options).unwrap());
        let id = first.id();
        cache.keep(1, options.clone(), first);
        assert_eq!(cache.keep(1, options.clone(), second).id(), id);
        assert_eq!(cache.stats().programs, 1);
    }
}
