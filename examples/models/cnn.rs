//! Convolutional networks on small pictures of blobs.

use crate::Failure;
use crate::model::{Column, Model, Recipe, uniform};
use crate::weights::{Kernel, Norm, Weights};
use cotangent::{Builder, Conv, DType, LossReduction, PadCells, Pool, Var};

const BATCH: usize = 8;
/// Batches of different pictures.
const EPOCH: usize = 4;
const CLASSES: usize = 4;

/// Pictures (n, channels, side, side) of a blob each, with noise; the class is the
/// quarter of the picture that the blob lies in.
struct Blobs {
    pixels: Vec<f64>,
    classes: Vec<i64>,
    size: usize,
}

impl Blobs {
    fn new(n: usize, channels: usize, side: usize) -> Result<Blobs, Failure> {
        let size = channels * side * side;
        let (places, noise) = (uniform(3 * n, [0.0, 1.0], 71)?, uniform(n * size, [-0.2, 0.2], 72)?);
        let (mut pixels, mut classes) = (Vec::with_capacity(n * size), Vec::with_capacity(n));
        for (place, noise) in places.chunks(3).zip(noise.chunks(size)) {
            let class = ((place[2] * CLASSES as f64) as usize).min(CLASSES - 1);
            // Well inside its quarter.
            let centre = |half: usize, at: f64| side as f64 * (0.5 * half as f64 + 0.1 + 0.3 * at);
            let (row, column) = (centre(class / 2, place[0]), centre(class % 2, place[1]));
            let bright = |i: usize| {
                let (r, c) = ((i / side % side) as f64 + 0.5, (i % side) as f64 + 0.5);
                (-((r - row).powi(2) + (c - column).powi(2)) / (0.03 * (side * side) as f64)).exp()
            };
            pixels.extend(noise.iter().enumerate().map(|(i, noise)| bright(i) + noise));
            classes.push(class as i64);
        }
        Ok(Blobs { pixels, classes, size })
    }

    fn batch(&self, step: usize) -> Vec<Column> {
        let from = step % EPOCH * BATCH;
        let pixels = &self.pixels[from * self.size..][..BATCH * self.size];
        vec![Column::Float(pixels.to_vec()), Column::Index(self.classes[from..][..BATCH].to_vec())]
    }
}

/// What a model is given, declared behind its parameters.
fn inputs<'b>(g: &'b Builder, dtype: DType, [channels, side]: [usize; 2]) -> [Var<'b>; 2] {
    [g.input("x", dtype, [BATCH, channels, side, side]), g.input("class", DType::I64, [BATCH])]
}

fn classifier<'b>(
    g: &'b Builder,
    weights: Weights<'b>,
    [x, class, logits]: [Var<'b>; 3],
    steps: usize,
) -> Result<Model, Failure> {
    let loss = logits.cross_entropy(class, LossReduction::Mean, 0.0);
    let shape = x.shape();
    let blobs = Blobs::new(BATCH * EPOCH, shape.dims()[1], shape.dims()[2])?;
    let recipe = Recipe { epoch: EPOCH, ..Recipe::adam(0.02, steps, 0.3) };
    Model::new(g, loss, weights, recipe, move |step| blobs.batch(step))
}

/// 1 x 4 x 4: three channels of 2 x 2 kernels, then an affine map.
pub fn tiny(dtype: DType) -> Result<Model, Failure> {
    let g = Builder::new();
    let mut weights = Weights::new(&g, dtype);
    let kernel = weights.kernel("conv", [3, 1, 2])?;
    let head = weights.linear("head", 3 * 3 * 3, CLASSES)?;
    let [x, class] = inputs(&g, dtype, [1, 4]);
    let channels = kernel.of(x, &Conv::new()).relu();
    let logits = head.of(channels.reshape([BATCH, 27]));
    classifier(&g, weights, [x, class, logits], 80)
}

/// 3 x 8 x 8: four channels of 3 x 3 kernels at stride 2, the largest of 2 x 2, then an
/// affine map.
pub fn pooled(dtype: DType) -> Result<Model, Failure> {
    let g = Builder::new();
    let mut weights = Weights::new(&g, dtype);
    let kernel = weights.kernel("conv", [4, 3, 3])?;
    let head = weights.linear("head", 4 * 2 * 2, CLASSES)?;
    let [x, class] = inputs(&g, dtype, [3, 8]);
    let channels = kernel.of(x, &Conv::new().stride([2]).padding([1])).relu();
    let logits = head.of(channels.max_pool(&Pool::new([2, 2])).reshape([BATCH, 16]));
    classifier(&g, weights, [x, class, logits], 80)
}

/// Two convolutions with batch normalisation, added to what they were given.
struct Block<'b> {
    kernels: [Kernel<'b>; 2],
    norms: [Norm<'b>; 2],
}

impl<'b> Block<'b> {
    fn new(weights: &mut Weights<'b>, name: &str) -> Result<Block<'b>, Failure> {
        let mut kernel = |i: usize| weights.kernel(&format!("{name}.conv{i}"), [4, 4, 3]);
        let kernels = [kernel(1)?, kernel(2)?];
        let mut norm = |i: usize| weights.norm(&format!("{name}.norm{i}"), 4);
        Ok(Block { kernels, norms: [norm(1)?, norm(2)?] })
    }

    fn of(&self, x: Var<'b>) -> Var<'b> {
        let same = Conv::new().padding([1]);
        let normed = |x: Var<'b>, i: usize| self.norms[i].batch(self.kernels[i].of(x, &same));
        (x + normed(normed(x, 0).relu(), 1)).relu()
    }
}

/// 3 x 8 x 8: two residual blocks of four channels, the mean of each quarter, then an
/// affine map.
pub fn residual(dtype: DType) -> Result<Model, Failure> {
    let g = Builder::new();
    let mut weights = Weights::new(&g, dtype);
    let stem = weights.kernel("stem", [4, 3, 3])?;
    let blocks = [Block::new(&mut weights, "block1")?, Block::new(&mut weights, "block2")?];
    let head = weights.linear("head", 4 * 2 * 2, CLASSES)?;
    let [x, class] = inputs(&g, dtype, [3, 8]);
    let first = stem.of(x, &Conv::new().padding([1])).relu();
    let channels = blocks.iter().fold(first, |x, block| block.of(x));
    let quarters = channels.avg_pool(&Pool::new([4, 4]), PadCells::Counted);
    let logits = head.of(quarters.reshape([BATCH, 16]));
    classifier(&g, weights, [x, class, logits], 60)
}
