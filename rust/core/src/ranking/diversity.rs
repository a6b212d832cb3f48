//! Maximal marginal relevance: of what is worth much, rather what differs from what was taken.
//!
//! Off by default: on conversations with known evidence it costs more than it gains.
//!
//! Source: Carbonell and Goldstein, The use of MMR (SIGIR 1998), with the order key, brought to 0..=1, as
//! relevance and the cosine of word counts as similarity.

use super::normalise::Normalisation;
use super::text::Terms;

/// Puts the first candidates of an order (best first, with their keys) into the order in which
/// `lambda * key - (1 - lambda) * likeness` takes them, likeness being the greatest similarity to any that
/// came before. A text that is not known is like nothing.
///
/// `lambda`: 1 keeps the order, 0 looks at differences alone. Costs the square of the number of rows.
#[must_use]
pub fn diversified<'a>(
    order: &[(u32, f64)],
    lambda: f64,
    terms: impl Fn(u32) -> Option<&'a Terms>,
) -> Vec<u32> {
    let keys: Vec<f64> = order.iter().map(|&(_, key)| key).collect();
    let keys = Normalisation::MinMax.of(&keys);
    let mut waiting: Vec<(u32, f64, f64)> =
        order.iter().zip(keys).map(|(&(row, _), key)| (row, lambda * key, 0.0)).collect();
    let mut taken = Vec::with_capacity(waiting.len());
    while !waiting.is_empty() {
        let gain = |(_, key, likeness): (u32, f64, f64)| key - (1.0 - lambda) * likeness;
        let mut best = 0;
        for at in 1..waiting.len() {
            // Strictly: of equal ones the first.
            if gain(waiting[at]) > gain(waiting[best]) {
                best = at;
            }
        }
        let (row, ..) = waiting.remove(best);
        taken.push(row);
        for (other, _, likeness) in &mut waiting {
            if let (Some(one), Some(two)) = (terms(row), terms(*other)) {
                *likeness = likeness.max(one.cosine(two));
            }
        }
    }
    taken
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn likeness_is_put_behind() {
        let texts = ["red tea", "red tea", "blue train"].map(Terms::of);
        let order = [(0, 1.0), (1, 0.9), (2, 0.8)];
        let of = |row: u32| texts.get(row as usize);
        assert_eq!(diversified(&order, 1.0, of), [0, 1, 2]);
        assert_eq!(diversified(&order, 0.3, of), [0, 2, 1]);
        assert_eq!(diversified(&[], 0.5, of), []);
    }
}
