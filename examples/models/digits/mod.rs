//! Handwritten digits: from the file of images to a classifier, a table and a picture.

mod data;
mod picture;
#[cfg(test)]
mod tests;

use crate::Failure;
use crate::model::{Model, Recipe};
use crate::train::Trainer;
use crate::weights::{Kernel, Linear, Weights};
use cotangent::optim::{Rule, Schedule};
use cotangent::{Arg, Builder, Conv, DType, Forms, LossReduction, Options, Pool, Program, Var, Workspace};
use data::{CLASSES, Images, PIXELS, SIDE};
use indicatif::{ProgressBar, ProgressStyle};
use std::io::{self, Write};
use std::path::Path;
use std::time::{Duration, Instant};

pub const SHIPPED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/data/digits/digits.csv.gz");
pub const EPOCHS: usize = 20;
const BATCH: usize = 32;
const CHANNELS: usize = 16;

/// What an epoch came to.
#[derive(Clone, Copy, Debug)]
pub struct Epoch {
    pub train_loss: f64,
    pub test_loss: f64,
    /// Share of the test images that are recognised.
    pub accuracy: f64,
}

/// The network: its parameters are declared when it is made.
struct Network<'b> {
    strokes: Kernel<'b>,
    output: Linear<'b>,
}

impl<'b> Network<'b> {
    fn new(weights: &mut Weights<'b>) -> Result<Network<'b>, Failure> {
        let strokes = weights.kernel("strokes", [CHANNELS, 1, 3])?;
        Ok(Network { strokes, output: weights.linear("output", CHANNELS * PIXELS / 4, CLASSES)? })
    }

    /// Logits (n, 10) of images (n, 64).
    fn logits(&self, images: Var<'b>) -> Var<'b> {
        let n = images.shape().dims()[0];
        let images = images.reshape([n, 1, SIDE, SIDE]);
        let found = self.strokes.of(images, &Conv::new().padding([1])).relu().max_pool(&Pool::new([2, 2]));
        self.output.of(found.reshape([n, CHANNELS * PIXELS / 4]))
    }
}

/// The loss of a batch, with its recipe.
fn classifier(images: Images, epochs: usize) -> Result<Model, Failure> {
    let epoch = images.len() / BATCH;
    let g = Builder::new();
    let mut weights = Weights::new(&g, DType::F32);
    let network = Network::new(&mut weights)?;
    let x = g.input("images", DType::F32, [BATCH, PIXELS]);
    let class = g.input("classes", DType::I64, [BATCH]);
    let loss = network.logits(x).cross_entropy(class, LossReduction::Mean, 0.0);
    let steps = epoch * epochs;
    let schedule = Schedule::one_cycle(0.01, steps as u64);
    let rule = Rule::adamw().weight_decay(0.01);
    let recipe = Recipe { rule, schedule, epoch, ..Recipe::adam(0.0, steps, 0.1) };
    Model::new(&g, loss, weights, recipe, move |step| images.batch(BATCH, step))
}

/// Loss and logits of all test images at once.
struct Test {
    program: Program,
    workspace: Workspace,
    images: Images,
}

impl Test {
    fn new(images: Images) -> Result<Test, Failure> {
        let (n, g) = (images.len(), Builder::new());
        let mut weights = Weights::new(&g, DType::F32);
        let network = Network::new(&mut weights)?;
        let x = g.input("images", DType::F32, [n, PIXELS]);
        let class = g.input("classes", DType::I64, [n]);
        let logits = network.logits(x);
        let loss = logits.cross_entropy(class, LossReduction::Mean, 0.0);
        let options = Options::default().forms(Forms::FORWARD);
        let program = Program::compile(&g.finish(&[loss, logits])?, &options)?;
        let workspace = program.workspace();
        Ok(Test { program, workspace, images })
    }

    /// Loss, and share of images whose largest logit is that of their class.
    fn run(&mut self, params: &[Vec<f32>]) -> Result<(f64, f64), Failure> {
        let (mut loss, mut logits) = (0.0f32, vec![0.0f32; self.images.len() * CLASSES]);
        let mut inputs: Vec<Arg<'_>> = params.iter().map(Arg::from).collect();
        inputs.extend([Arg::from(&self.images.pixels), Arg::from(&self.images.classes)]);
        self.program.forward(
            &mut self.workspace,
            &inputs,
            &mut [(&mut loss).into(), (&mut logits).into()],
        )?;
        let found = logits.chunks(CLASSES).map(|row| {
            let largest = row.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1));
            largest.map_or(-1, |(class, _)| class as i64)
        });
        let right = found.zip(&self.images.classes).filter(|(found, class)| found == *class).count();
        Ok((f64::from(loss), right as f64 / self.images.len() as f64))
    }
}

/// Trains on four fifths of the images, tests on the others after each epoch.
pub fn train(
    path: &Path,
    epochs: usize,
    mut say: impl FnMut(&str) -> io::Result<()>,
) -> Result<Vec<Epoch>, Failure> {
    let (train, test) = data::read(path)?;
    let mut test = Test::new(test)?;
    let mut trainer = Trainer::<f32>::new(classifier(train, epochs)?)?;
    let steps = trainer.model.recipe.epoch;
    say(&header())?;
    let mut history = Vec::new();
    for epoch in 0..epochs {
        let (rate, start) = (trainer.rate(), Instant::now());
        let mut sum = 0.0;
        for step in 0..steps {
            trainer.load(epoch * steps + step);
            sum += trainer.value_and_grad()?;
            trainer.update()?;
        }
        let time = start.elapsed();
        let (test_loss, accuracy) = test.run(&trainer.params)?;
        let result = Epoch { train_loss: sum / steps as f64, test_loss, accuracy };
        say(&row(epoch + 1, rate, &result, time))?;
        history.push(result);
    }
    Ok(history)
}

const COLUMNS: [(&str, usize); 6] =
    [("epoch", 5), ("rate", 8), ("train_loss", 10), ("test_loss", 9), ("test_acc", 8), ("ms", 6)];

fn header() -> String {
    line(COLUMNS.map(|(title, _)| title.to_owned()))
}

fn row(epoch: usize, rate: f64, result: &Epoch, time: Duration) -> String {
    line([
        epoch.to_string(),
        format!("{rate:.6}"),
        format!("{:.4}", result.train_loss),
        format!("{:.4}", result.test_loss),
        percent(result.accuracy),
        format!("{:.1}", time.as_secs_f64() * 1e3),
    ])
}

fn line(cells: [String; COLUMNS.len()]) -> String {
    let cells = cells.iter().zip(COLUMNS).map(|(cell, (_, width))| format!("{cell:>width$}"));
    cells.collect::<Vec<_>>().join("  ")
}

fn percent(share: f64) -> String {
    format!("{:.1} %", 100.0 * share)
}

/// The program: progress on standard error, the table, the picture, the accuracy.
pub fn run(path: &Path, svg: &Path, epochs: usize) -> Result<(), Failure> {
    let bar = ProgressBar::new(epochs as u64);
    bar.set_style(ProgressStyle::with_template("{bar:30} {pos}/{len} epochs")?);
    let mut lines = 0;
    let history = train(path, epochs, |line| {
        bar.set_position(lines);
        lines += 1;
        bar.suspend(|| writeln!(io::stdout(), "{line}"))
    })
    .map_err(|error| format!("{}: {error}", path.display()))?;
    bar.finish_and_clear();
    picture::draw(svg, &history).map_err(|error| format!("{}: {error}", svg.display()))?;
    let accuracy = history.last().map_or(0.0, |epoch| epoch.accuracy);
    writeln!(io::stdout(), "\npicture: {}\ntest accuracy: {}", svg.display(), percent(accuracy))?;
    Ok(())
}
