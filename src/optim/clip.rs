//! Clipping of gradients, all tensors together, in place.

use crate::optim::error::OptimError;
use crate::optim::real::Real;

fn each<T: Real, G: AsRef<[T]>>(grads: &[G]) -> impl Iterator<Item = f64> {
    grads.iter().flat_map(|g| g.as_ref()).map(|g| g.to_f64())
}

fn map<T: Real, G: AsMut<[T]>>(grads: &mut [G], f: impl Fn(T) -> T) {
    for g in grads.iter_mut().flat_map(|g| g.as_mut()) {
        *g = f(*g);
    }
}

/// The Euclidean norm of all elements of all tensors, without overflow on the way.
pub fn global_norm<T: Real, G: AsRef<[T]>>(grads: &[G]) -> f64 {
    let squares: f64 = each(grads).map(|g| g * g).sum();
    // What the squares of far smaller numbers lose does not count.
    if squares.is_finite() && squares > f64::MIN_POSITIVE / f64::EPSILON {
        return squares.sqrt();
    }
    let largest = each(grads).fold(0.0, |max: f64, g| if g.is_nan() { g } else { max.max(g.abs()) });
    if largest == 0.0 || !largest.is_finite() {
        return largest;
    }
    largest * each(grads).map(|g| (g / largest).powi(2)).sum::<f64>().sqrt()
}

/// Scales the gradients so that [`global_norm`] is at most `max`; the norm before. A
/// norm that is not finite changes nothing.
///
/// # Errors
/// A `max` that is negative or not finite.
pub fn clip_by_norm<T: Real, G: AsRef<[T]> + AsMut<[T]>>(
    grads: &mut [G],
    max: f64,
) -> Result<f64, OptimError> {
    OptimError::check(max >= 0.0 && max.is_finite(), "max", "finite and not negative", max)?;
    let norm = global_norm(grads);
    if norm > max && norm.is_finite() {
        let factor = T::from_f64(max / norm);
        map(grads, |g: T| g * factor);
    }
    Ok(norm)
}

/// Moves every element into `-limit..=limit`; a NaN stays.
///
/// # Errors
/// A `limit` that is negative or not a number.
pub fn clip_by_value<T: Real, G: AsMut<[T]>>(grads: &mut [G], limit: f64) -> Result<(), OptimError> {
    OptimError::check(limit >= 0.0, "limit", "not negative", limit)?;
    let (low, high) = (T::from_f64(-limit), T::from_f64(limit));
    map(grads, |g: T| {
        if g > high {
            high
        } else if g < low {
            low
        } else {
            g
        }
    });
    Ok(())
}

/// [`clip_by_value`] at the given percentile of the absolute values of all elements
/// (interpolated linearly between two of them); the limit. NaNs do not count.
///
/// # Errors
/// A percentile outside 0 to 100.
pub fn clip_by_percentile<T: Real, G: AsRef<[T]> + AsMut<[T]>>(
    grads: &mut [G],
    percentile: f64,
) -> Result<f64, OptimError> {
    OptimError::check((0.0..=100.0).contains(&percentile), "percentile", "in [0, 100]", percentile)?;
    let mut sizes: Vec<f64> = each(grads).filter(|g| !g.is_nan()).map(f64::abs).collect();
    let Some(last) = sizes.len().checked_sub(1) else { return Ok(0.0) };
    let place = percentile / 100.0 * last as f64;
    let (below, share) = ((place as usize).min(last), place.fract());
    let (_, &mut low, above) = sizes.select_nth_unstable_by(below, f64::total_cmp);
    let next = above.iter().copied().min_by(f64::total_cmp).unwrap_or(low);
    let limit = if share > 0.0 && next > low { low + share * (next - low) } else { low };
    clip_by_value(grads, limit)?;
    Ok(limit)
}
