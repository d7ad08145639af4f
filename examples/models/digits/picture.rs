//! The picture: losses by epoch, on a logarithmic scale.

use crate::digits::Epoch;
use plotters::prelude::*;
use std::error::Error;
use std::path::Path;

const SIZE: (u32, u32) = (640, 420);
const TRAIN: RGBColor = RGBColor(70, 110, 170);
const TEST: RGBColor = RGBColor(200, 60, 40);
const GRID: RGBColor = RGBColor(232, 232, 232);

/// Writes the picture; nothing where there is no epoch.
pub fn draw(path: &Path, history: &[Epoch]) -> Result<(), Box<dyn Error>> {
    let Some(last) = history.last() else { return Ok(()) };
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let losses = || history.iter().flat_map(|e| [e.train_loss, e.test_loss]).filter(|l| *l > 0.0);
    let low = losses().fold(f64::INFINITY, f64::min).min(1.0);
    let high = losses().fold(low, f64::max);
    let root = SVGBackend::new(path, SIZE).into_drawing_area();
    root.fill(&WHITE)?;
    let title = format!("digits: {:.1} % of the test images recognised", 100.0 * last.accuracy);
    let mut chart = ChartBuilder::on(&root)
        .caption(title, ("sans-serif", 16))
        .margin(12)
        .x_label_area_size(36)
        .y_label_area_size(60)
        .build_cartesian_2d(1.0..history.len().max(2) as f64, (low / 1.3..high * 1.3).log_scale())?;
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(GRID)
        .axis_style(BLACK.mix(0.5))
        .x_labels(history.len().min(10))
        .x_label_formatter(&|epoch| format!("{epoch:.0}"))
        .y_label_formatter(&|loss| format!("{loss}"))
        .x_desc("epoch")
        .y_desc("cross entropy")
        .draw()?;
    for (name, colour) in [("train", TRAIN), ("test", TEST)] {
        let loss = |e: &Epoch| if name == "train" { e.train_loss } else { e.test_loss };
        let points = history.iter().enumerate().map(|(i, epoch)| ((i + 1) as f64, loss(epoch)));
        chart
            .draw_series(LineSeries::new(points, colour.stroke_width(2)))?
            .label(name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 16, y)], colour.stroke_width(2)));
    }
    chart.configure_series_labels().background_style(WHITE).border_style(GRID).draw()?;
    root.present()?;
    Ok(())
}
