//! A plan of scalars as work on rows: a row holds one element, or one scalar, of many points
//! side by side. Straight-line pieces go over the rows vector by vector; between them stand
//! functions that `runtime/` has for many numbers.

use crate::graph::DType;
use crate::lower::LowerError;
use crate::lower::plan::{Args, BufId, Def, Item, Place, Plan, Scalar, ScalarId};
use crate::ops::MapFn;
use smallvec::SmallVec;

/// A row by its number.
pub type Row = u32;

/// Where a scalar comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// These bits; of a mask 0 or 1.
    Const(u64),
    /// A row that is there before anything runs.
    Input(Row),
    /// It is computed.
    Computed,
}

/// One step of a straight-line piece, for each point by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Computes a scalar, a function that is a few instructions.
    Compute(ScalarId),
    /// Writes a scalar to a row.
    Store(Row, ScalarId),
}

/// One step.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Straight-line code.
    Straight(Vec<Part>),
    /// The function of rows that a scalar is.
    Call { id: ScalarId, args: SmallVec<[Row; 2]>, out: Row },
}

/// A function of one point as steps over rows of many.
#[derive(Debug)]
pub struct Block {
    /// The type of all numbers.
    pub dtype: DType,
    pub scalars: Vec<Scalar>,
    /// By scalar.
    pub sources: Vec<Source>,
    /// The row of each scalar that has one.
    pub homes: Vec<Option<Row>>,
    /// First row of each input that is read, of each output.
    pub inputs: Vec<Option<Row>>,
    pub outputs: Vec<Row>,
    /// The first row after those of inputs, the first after those of outputs, and of all.
    pub given: Row,
    pub results: Row,
    pub rows: Row,
    pub steps: Vec<Step>,
}

impl Block {
    /// The function that a scalar is of others.
    pub fn function(&self, id: ScalarId) -> Option<MapFn> {
        if let Def::Map(f, _) = self.scalars[id.index()].def { Some(f) } else { None }
    }
}

/// Operations of a piece: its code should stay in the cache while it goes along the rows.
const PIECE: usize = 1000;
/// No step.
const NEVER: u32 = u32::MAX;

/// What a plan can be turned into; `None` where it has loops or calls, or a type of element
/// that has no lanes.
pub fn block(plan: &Plan) -> Result<Option<Block>, LowerError> {
    let Some(mut maker) = Maker::new(plan) else { return Ok(None) };
    if !maker.order() {
        return Ok(None);
    }
    maker.homes();
    check(&maker.block)?;
    Ok(Some(maker.block))
}

/// Whether a function is a call rather than a few instructions.
fn is_call(def: &Def) -> bool {
    matches!(def, Def::Map(f, _) if f.runtime_name().is_some())
}

/// Operands of a scalar.
fn operands(def: &Def) -> Args {
    match def {
        Def::Map(_, args) => *args,
        Def::Cast(a) => Args::new(&[*a]),
        Def::Const(_) | Def::Load(..) => Args::new(&[]),
    }
}

/// Whether lanes of numbers of one type and of masks can do this.
fn has_lanes(plan: &Plan, scalar: &Scalar, number: DType) -> bool {
    let fits = |dtype: DType| dtype == number || dtype == DType::Bool;
    let of = |id: &ScalarId| plan.scalar(*id).dtype;
    fits(scalar.dtype)
        && operands(&scalar.def).iter().all(|id| fits(of(id)))
        && match &scalar.def {
            Def::Map(MapFn::Eq | MapFn::Ne | MapFn::Lt | MapFn::Le, args) => of(&args[0]) == number,
            _ => true,
        }
}

struct Maker<'p> {
    plan: &'p Plan,
    block: Block,
    /// The outputs that each scalar is.
    stores: Vec<SmallVec<[Row; 1]>>,
    /// The step that computes a scalar, and the last that reads it.
    made: Vec<u32>,
    read: Vec<u32>,
}

impl<'p> Maker<'p> {
    fn new(plan: &'p Plan) -> Option<Maker<'p>> {
        let numbers = plan.scalars.iter().map(|s| s.dtype).find(|d| d.is_float());
        let dtype = numbers.unwrap_or(DType::F64);
        let mut rows = 0;
        let mut first = |place: fn(&Place) -> Option<u32>| {
            let mut firsts: Vec<Option<Row>> = Vec::new();
            for buffer in &plan.buffers {
                let Some(k) = place(&buffer.place) else { continue };
                firsts.resize(firsts.len().max(k as usize + 1), None);
                if firsts[k as usize].is_none() {
                    firsts[k as usize] = Some(rows);
                    rows = u32::try_from(buffer.len).ok().and_then(|n| rows.checked_add(n))?;
                }
            }
            Some((firsts, rows))
        };
        let (inputs, given) = first(|place| if let Place::Input(k) = place { Some(*k) } else { None })?;
        let (outputs, results) = first(|place| if let Place::Output(k) = place { Some(*k) } else { None })?;
        let outputs: Vec<Row> = outputs.into_iter().collect::<Option<_>>()?;
        let n = plan.scalars.len();
        let mut sources = Vec::with_capacity(n);
        for scalar in &plan.scalars {
            if !has_lanes(plan, scalar, dtype) {
                return None;
            }
            sources.push(match scalar.def {
                Def::Const(bits) => Source::Const(bits),
                Def::Load(buf, at) => match &plan.buffer(buf).place {
                    Place::Input(k) => Source::Input(inputs[*k as usize]? + at as u32),
                    Place::Part(k, from) => Source::Input(inputs[*k as usize]? + (from + at) as u32),
                    Place::Literal(literal) => Source::Const(literal.bits(at)),
                    _ => return None,
                },
                _ => Source::Computed,
            });
        }
        let homes = sources.iter().map(|s| if let Source::Input(row) = s { Some(*row) } else { None });
        let block = Block {
            dtype,
            homes: homes.collect(),
            scalars: plan.scalars.clone(),
            sources,
            inputs,
            outputs,
            given,
            results,
            rows: results,
            steps: Vec::new(),
        };
        let stores = vec![SmallVec::new(); n];
        Some(Maker { plan, block, stores, made: vec![NEVER; n], read: vec![0; n] })
    }

    /// Puts straight-line code and calls in order: by the number of calls that lie before, so
    /// that few pieces arise. `false` where there is something else.
    fn order(&mut self) -> bool {
        let plan = self.plan;
        // Calls before a scalar; those of a call's operands are one less than its own.
        let mut depth = vec![0u32; plan.scalars.len()];
        let mut levels: Vec<(Vec<ScalarId>, Vec<ScalarId>)> = vec![Default::default()];
        for item in &plan.items {
            match item {
                Item::Scalar(id) => {
                    let def = &plan.scalar(*id).def;
                    let before = operands(def).iter().map(|a| depth[a.index()]).max().unwrap_or(0);
                    let calls = is_call(def);
                    depth[id.index()] = before + u32::from(calls);
                    levels.resize(levels.len().max(depth[id.index()] as usize + 1), Default::default());
                    let level = &mut levels[before as usize];
                    if calls { level.1.push(*id) } else { level.0.push(*id) }
                }
                Item::Store(buf, at, id) => {
                    let Some(row) = self.output(*buf, *at) else { return false };
                    self.stores[id.index()].push(row);
                }
                Item::Loop(_) | Item::Call(_) | Item::Repeat(_) | Item::Branch(_) | Item::Blocks(_) => {
                    return false;
                }
            }
        }
        let mut steps = 0;
        for (straight, calls) in &levels {
            for piece in straight.chunks(PIECE) {
                piece.iter().for_each(|id| self.made[id.index()] = steps);
                self.block.steps.push(Step::Straight(Vec::new()));
                steps += 1;
            }
            for &id in calls {
                self.made[id.index()] = steps;
                self.block.steps.push(Step::Call { id, args: SmallVec::new(), out: 0 });
                steps += 1;
            }
        }
        for (i, scalar) in plan.scalars.iter().enumerate() {
            if self.made[i] != NEVER {
                for a in operands(&scalar.def).iter() {
                    self.read[a.index()] = self.read[a.index()].max(self.made[i]);
                }
            }
        }
        true
    }

    fn output(&self, buf: BufId, at: usize) -> Option<Row> {
        let Place::Output(k) = self.plan.buffer(buf).place else { return None };
        Some(self.block.outputs[k as usize] + at as u32)
    }

    /// Whether a scalar is read from memory somewhere.
    fn crosses(&self, id: usize, calls: &[bool]) -> bool {
        calls[id] || is_call(&self.plan.scalars[id].def) || self.read[id] > self.made[id]
    }

    /// Gives rows to what is read in another step than it is made, and fills in the calls.
    fn homes(&mut self) {
        let plan = self.plan;
        let mut steps = std::mem::take(&mut self.block.steps);
        // Operands of calls, and what calls give.
        let mut called = vec![false; plan.scalars.len()];
        for scalar in plan.scalars.iter().filter(|s| is_call(&s.def)) {
            operands(&scalar.def).iter().for_each(|a| called[a.index()] = true);
        }
        // What nothing computes is written once, first of all.
        let mut first: Vec<Part> = Vec::new();
        for (id, &is_operand) in called.iter().enumerate() {
            let scalar = ScalarId(id as u32);
            let mut stores = self.stores[id].clone();
            match self.block.sources[id] {
                Source::Computed => continue,
                Source::Const(_) if is_operand => {
                    let row = stores.pop().unwrap_or_else(|| self.row());
                    self.block.homes[id] = Some(row);
                    first.push(Part::Store(row, scalar));
                }
                Source::Const(_) | Source::Input(_) => {}
            }
            first.extend(stores.into_iter().map(|row| Part::Store(row, scalar)));
        }
        let mut ending: Vec<SmallVec<[Row; 2]>> = vec![SmallVec::new(); steps.len()];
        let mut free: Vec<Row> = Vec::new();
        // Results of calls that are outputs in more than one place.
        let mut copies: Vec<Part> = Vec::new();
        let made = made_in(&self.made, steps.len());
        for (s, step) in steps.iter_mut().enumerate() {
            let mut parts = Vec::new();
            for &id in &made[s] {
                let i = id.index();
                let mut stores = self.stores[i].clone();
                parts.push(Part::Compute(id));
                if self.crosses(i, &called) {
                    let home = stores.first().copied().unwrap_or_else(|| {
                        let row = free.pop().unwrap_or_else(|| self.row());
                        ending[self.read[i].max(s as u32) as usize].push(row);
                        row
                    });
                    if stores.is_empty() {
                        stores.push(home);
                    }
                    self.block.homes[i] = Some(home);
                }
                match is_call(&plan.scalar(id).def) {
                    // A call writes its own row.
                    true => copies.extend(stores.into_iter().skip(1).map(|row| Part::Store(row, id))),
                    false => parts.extend(stores.into_iter().map(|row| Part::Store(row, id))),
                }
            }
            match step {
                Step::Straight(all) => *all = parts,
                Step::Call { id, args, out } => {
                    let id = *id;
                    let home = |id: ScalarId| self.block.homes[id.index()].unwrap_or(0);
                    *args = operands(&plan.scalar(id).def).iter().map(|&a| home(a)).collect();
                    *out = home(id);
                }
            }
            // Its readers have run when the step is over.
            free.extend(ending[s].drain(..));
        }
        if !first.is_empty() {
            steps.insert(0, Step::Straight(first));
        }
        if !copies.is_empty() {
            steps.push(Step::Straight(copies));
        }
        self.block.steps = steps;
    }

    fn row(&mut self) -> Row {
        self.block.rows += 1;
        self.block.rows - 1
    }
}

/// Scalars by the step that computes them, in order.
fn made_in(made: &[u32], steps: usize) -> Vec<Vec<ScalarId>> {
    let mut by_step = vec![Vec::new(); steps];
    for (i, &step) in made.iter().enumerate() {
        if step != NEVER {
            by_step[step as usize].push(ScalarId(i as u32));
        }
    }
    by_step
}

/// Proves, without looking at how it was made, that every row is one of the block's, and that whoever
/// reads a row finds the scalar there that it means (contract C6).
fn check(block: &Block) -> Result<(), LowerError> {
    let wrong = || LowerError::Internal("a row of points that holds something else");
    // Who is in each row; an input is itself.
    let mut holder: Vec<Option<ScalarId>> = vec![None; block.rows as usize];
    // Scalars that the piece at hand has computed, by its number.
    let mut piece = vec![0usize; block.scalars.len()];
    let in_row = |holder: &[Option<ScalarId>], id: ScalarId| match block.sources[id.index()] {
        Source::Input(row) => holder.get(row as usize) == Some(&None),
        _ => block.homes[id.index()].is_some_and(|row| holder.get(row as usize) == Some(&Some(id))),
    };
    for (s, step) in block.steps.iter().enumerate() {
        match step {
            Step::Straight(parts) => {
                for part in parts {
                    let known = |id: ScalarId| {
                        let is_const = matches!(block.sources[id.index()], Source::Const(_));
                        is_const || piece[id.index()] == s + 1 || in_row(&holder, id)
                    };
                    match *part {
                        Part::Compute(id) => {
                            if !operands(&block.scalars[id.index()].def).iter().all(|&a| known(a)) {
                                return Err(wrong());
                            }
                            piece[id.index()] = s + 1;
                        }
                        Part::Store(row, id) => {
                            if !known(id) {
                                return Err(wrong());
                            }
                            *holder.get_mut(row as usize).ok_or_else(wrong)? = Some(id);
                        }
                    }
                }
            }
            Step::Call { id, args, out } => {
                let wanted = operands(&block.scalars[id.index()].def);
                let reads = wanted.iter().zip(args).all(|(&a, &row)| {
                    let home = block.homes[a.index()];
                    home == Some(row) && row != *out && in_row(&holder, a)
                });
                if !reads || wanted.len() != args.len() || !is_call(&block.scalars[id.index()].def) {
                    return Err(wrong());
                }
                *holder.get_mut(*out as usize).ok_or_else(wrong)? = Some(*id);
            }
        }
    }
    let results = block.given as usize..block.results as usize;
    if holder.get(results).is_none_or(|rows| rows.contains(&None)) {
        return Err(LowerError::Internal("an output of points that nobody writes"));
    }
    Ok(())
}
