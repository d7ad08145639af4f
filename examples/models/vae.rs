//! A variational autoencoder of 8 x 8 pictures of bars.

use crate::Failure;
use crate::model::{Column, Model, Recipe, uniform};
use crate::weights::Weights;
use cotangent::{Builder, DType, LossReduction};

const BATCH: usize = 16;
const SIDE: usize = 8;
const PIXELS: usize = SIDE * SIDE;
const LATENT: usize = 4;

/// A picture: a bar across or upright, at a place of its own.
fn bar(choice: f64) -> [f64; PIXELS] {
    let line = (choice * (2 * SIDE) as f64) as usize;
    std::array::from_fn(|i| {
        let along = if line < SIDE { i / SIDE } else { i % SIDE };
        if along == line % SIDE { 1.0 } else { 0.0 }
    })
}

/// Bernoulli pixels, normal latents: the negative evidence lower bound (Kingma, Welling
/// 2014), with one sample of the latents.
pub fn vae(dtype: DType) -> Result<Model, Failure> {
    let g = Builder::new();
    let mut weights = Weights::new(&g, dtype);
    let encoder = weights.linear("encoder", PIXELS, 32)?;
    let (mean, log_variance) = (weights.linear("mean", 32, LATENT)?, weights.linear("variance", 32, LATENT)?);
    let (decoder, pixels) = (weights.linear("decoder", LATENT, 32)?, weights.linear("pixels", 32, PIXELS)?);
    let x = g.input("x", dtype, [BATCH, PIXELS]);
    let key = g.input("key", DType::I64, [2]);

    let code = encoder.of(x).tanh();
    let (mean, log_variance) = (mean.of(code), log_variance.of(code));
    let noise = g.rand_normal(key, dtype, [BATCH, LATENT]);
    let latent = mean + (log_variance * 0.5).exp() * noise;
    let logits = pixels.of(decoder.of(latent).tanh());
    let misfit = logits.bce_with_logits(x, LossReduction::Sum);
    let divergence = (mean.square() + log_variance.exp() - log_variance - 1.0).sum() * 0.5;
    let loss = (misfit + divergence).scale(1.0 / BATCH as f64);

    let choices = uniform(BATCH * EPOCH, [0.0, 1.0], 61)?;
    let recipe = Recipe { epoch: EPOCH, ..Recipe::adam(0.01, 160, 0.6) };
    Model::new(&g, loss, weights, recipe, move |step| {
        let choices = &choices[step % EPOCH * BATCH..][..BATCH];
        let pictures = choices.iter().flat_map(|&c| bar(c)).collect();
        vec![Column::Float(pictures), Column::Index(vec![62, step as i64])]
    })
}

/// Batches of different pictures.
const EPOCH: usize = 4;
