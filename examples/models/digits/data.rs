//! The file of images: a line of 64 counts and a class each, compressed.

use crate::Failure;
use crate::model::{Column, uniform};
use flate2::read::GzDecoder;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

pub const SIDE: usize = 8;
pub const PIXELS: usize = SIDE * SIDE;
pub const CLASSES: usize = 10;
/// The largest count.
const WHITE: u8 = 16;

/// Images, row-major, on a scale of 0 to 1, with their classes.
#[derive(Debug, Default)]
pub struct Images {
    pub pixels: Vec<f32>,
    pub classes: Vec<i64>,
}

impl Images {
    pub fn len(&self) -> usize {
        self.classes.len()
    }

    fn push(&mut self, line: &str) -> Result<(), String> {
        let numbers: Result<Vec<u8>, _> = line.split(',').map(|n| n.trim().parse::<u8>()).collect();
        match numbers.as_deref() {
            Ok([pixels @ .., class]) if pixels.len() == PIXELS => {
                if pixels.iter().any(|&p| p > WHITE) || usize::from(*class) >= CLASSES {
                    return Err(format!("counts go to {WHITE} and classes to {}", CLASSES - 1));
                }
                self.pixels.extend(pixels.iter().map(|&p| f32::from(p) / f32::from(WHITE)));
                self.classes.push(i64::from(*class));
                Ok(())
            }
            Ok(numbers) => Err(format!("expected {} numbers, got {}", PIXELS + 1, numbers.len())),
            Err(error) => Err(error.to_string()),
        }
    }

    /// A batch of images in another order for each time round.
    pub fn batch(&self, n: usize, step: usize) -> Vec<Column> {
        let epoch = (self.len() / n).max(1);
        let keys = uniform(self.len(), [0.0, 1.0], (step / epoch) as u64).unwrap_or_default();
        let mut order: Vec<usize> = (0..keys.len()).collect();
        order.sort_by(|&a, &b| keys[a].total_cmp(&keys[b]));
        let chosen = order.iter().skip(step % epoch * n).take(n);
        let pixels = chosen.clone().flat_map(|&i| &self.pixels[i * PIXELS..][..PIXELS]);
        let pixels = pixels.map(|&p| f64::from(p)).collect();
        vec![Column::Float(pixels), Column::Index(chosen.map(|&i| self.classes[i]).collect())]
    }
}

/// Images to train on and, every fifth of the file, to test with.
pub fn read(path: &Path) -> Result<(Images, Images), Failure> {
    let (mut train, mut test) = (Images::default(), Images::default());
    for (i, line) in BufReader::new(GzDecoder::new(File::open(path)?)).lines().enumerate() {
        let part = if i % 5 == 4 { &mut test } else { &mut train };
        part.push(&line?).map_err(|text| format!("line {}: {text}", i + 1))?;
    }
    if test.len() == 0 {
        return Err("too few images to train and test".into());
    }
    Ok((train, test))
}
