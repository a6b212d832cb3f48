//! The 0/1 knapsack, exactly: the subset of the largest total value within a budget.
//!
//! For whoever has true values that add up. It is the wrong tool for scores that merely rank: the
//! largest *sum* of those is a heap of tiny fragments.
//!
//! The order of value per token gives a first solution and, cut where it no longer fits, the bound of the
//! linear relaxation (Dantzig 1957). Whoever must be in, or out, of anything better than the first
//! solution is fixed by that bound; the few that remain are searched, best density first (Horowitz and
//! Sahni 1974), with the same bound. Every solution comes with a certificate: an upper bound that no
//! subset exceeds, and whether it was reached.

/// A subset and the proof of how good it is.
#[derive(Clone, Debug, PartialEq)]
pub struct Solution {
    /// Rows of what is taken, ascending.
    pub rows: Vec<u32>,
    /// Sum of their values.
    pub value: f64,
    /// No subset within the budget is worth more (but for rounding: a part in 10^12).
    pub upper_bound: f64,
    /// Whether nothing better exists. Otherwise the search was given up at its limit, and the best found
    /// is less than `upper_bound - value` from the optimum.
    pub is_optimal: bool,
    /// How many candidates the bound did not decide.
    pub core: usize,
    /// Steps of the search.
    pub steps: u64,
}

/// Steps of the search before it is given up: some tenths of a second.
pub const SEARCH_LIMIT: u64 = 10_000_000;

/// Relative error of sums that bounds are compared with.
const ROUNDING: f64 = 1e-12;

#[derive(Clone, Copy)]
struct Thing {
    row: u32,
    value: f64,
    cost: u64,
}

/// The most valuable subset within the budget.
///
/// `values`: one per candidate; what is NaN, infinite or not above 0 is left out, as taking it gains
/// nothing that could be said. `costs`: tokens; what costs nothing is taken. `limit`: steps of the
/// search, [`SEARCH_LIMIT`] as a rule.
#[must_use]
pub fn knapsack(values: &[f64], costs: &[u64], budget: u64, limit: u64) -> Solution {
    let mut taken: Vec<Thing> = Vec::new();
    let mut things: Vec<Thing> = Vec::new();
    for ((&value, &cost), row) in values.iter().zip(costs).zip(0..) {
        if value.is_finite() && value > 0.0 && cost <= budget {
            let place = if cost == 0 { &mut taken } else { &mut things };
            place.push(Thing { row, value, cost });
        }
    }
    things.sort_by(|one, other| {
        let (left, right) = (one.value / one.cost as f64, other.value / other.cost as f64);
        right.total_cmp(&left).then(one.row.cmp(&other.row))
    });
    let relaxed = Relaxed::of(&things);
    let bound = relaxed.bound(0, budget);
    let first = greedy(&things, budget);
    let least: f64 = first.iter().map(|&at| things[at].value).sum();
    let slack = ROUNDING * bound;

    // Fixes whoever the bound decides alone: taken (or left) against its interest, the relaxation would
    // fall to what the first solution has already.
    let (mut fixed, mut open, mut left) = (Vec::new(), Vec::new(), budget);
    let (split, _) = relaxed.split(0, budget);
    let rate = things.get(split).map_or(0.0, |thing| thing.value / thing.cost as f64);
    for (at, thing) in things.iter().enumerate() {
        let loss = (thing.value - rate * thing.cost as f64).abs();
        if bound - loss + slack > least {
            open.push(*thing);
        } else if at < split {
            fixed.push(*thing);
            left -= thing.cost;
        }
    }
    let fixed_value: f64 = fixed.iter().map(|thing| thing.value).sum();
    let core = open.len();
    let mut search = Search {
        relaxed: Relaxed::of(&open),
        things: &open,
        slack,
        steps: limit,
        chosen: Vec::new(),
        best: None,
        best_value: least - fixed_value,
    };
    search.run(left);
    let (is_optimal, steps) = (search.steps > 0, limit - search.steps);
    match search.best {
        Some(best) => {
            taken.append(&mut fixed);
            taken.extend(best.into_iter().map(|at| open[at]));
        }
        None => taken.extend(first.into_iter().map(|at| things[at])),
    }
    taken.sort_by_key(|thing| thing.row);
    let value = taken.iter().map(|thing| thing.value).sum();
    let free: f64 = taken.iter().filter(|thing| thing.cost == 0).map(|thing| thing.value).sum();
    let upper_bound = if is_optimal { value } else { bound + free };
    Solution {
        rows: taken.iter().map(|thing| thing.row).collect(),
        value,
        upper_bound,
        is_optimal,
        core,
        steps,
    }
}

/// Densest first, skipping what does not fit; or the most valuable single thing, if that is more.
fn greedy(things: &[Thing], budget: u64) -> Vec<usize> {
    let mut left = budget;
    let mut taken = Vec::new();
    for (at, thing) in things.iter().enumerate() {
        if thing.cost <= left {
            left -= thing.cost;
            taken.push(at);
        }
    }
    let value: f64 = taken.iter().map(|&at| things[at].value).sum();
    let single = (0..things.len())
        .reduce(|one, other| if things[other].value > things[one].value { other } else { one });
    match single {
        Some(single) if things[single].value > value => vec![single],
        _ => taken,
    }
}

/// Sums over the beginning of the density order, for bounds in a binary search.
struct Relaxed {
    costs: Vec<u128>,
    values: Vec<f64>,
}

impl Relaxed {
    fn of(things: &[Thing]) -> Self {
        let (mut costs, mut values) = (vec![0], vec![0.0]);
        let (mut cost, mut value) = (0, 0.0);
        for thing in things {
            cost += u128::from(thing.cost);
            value += thing.value;
            costs.push(cost);
            values.push(value);
        }
        Self { costs, values }
    }

    /// From `start` on: the first thing that no longer fits whole, and what is left for it.
    fn split(&self, start: usize, budget: u64) -> (usize, u64) {
        let limit = self.costs[start] + u128::from(budget);
        let split = self.costs.partition_point(|&cost| cost <= limit) - 1;
        // Less than the budget.
        (split, u64::try_from(limit - self.costs[split]).unwrap_or(u64::MAX))
    }

    /// The value of the relaxation over the things from `start` on.
    fn bound(&self, start: usize, budget: u64) -> f64 {
        let (split, left) = self.split(start, budget);
        let whole = self.values[split] - self.values[start];
        let Some(next) = self.values.get(split + 1) else { return whole };
        let (value, cost) = (next - self.values[split], self.costs[split + 1] - self.costs[split]);
        whole + value * (left as f64 / cost as f64)
    }
}

struct Search<'a> {
    relaxed: Relaxed,
    things: &'a [Thing],
    slack: f64,
    steps: u64,
    chosen: Vec<usize>,
    best: Option<Vec<usize>>,
    best_value: f64,
}

impl Search<'_> {
    /// Depth first, without recursion: takes what fits in the order of density, then takes back the last
    /// one and goes on without it.
    fn run(&mut self, budget: u64) {
        let (mut at, mut left, mut value) = (0, budget, 0.0);
        loop {
            while at < self.things.len() {
                if self.steps == 0 {
                    return;
                }
                self.steps -= 1;
                if value + self.relaxed.bound(at, left) <= self.best_value + self.slack {
                    break;
                }
                let thing = self.things[at];
                if thing.cost <= left {
                    left -= thing.cost;
                    value += thing.value;
                    self.chosen.push(at);
                }
                at += 1;
            }
            if at == self.things.len() && value > self.best_value {
                self.best_value = value;
                self.best = Some(self.chosen.clone());
            }
            let Some(last) = self.chosen.pop() else { return };
            left += self.things[last].cost;
            // Not `value - ...`: what was added is added up again, so that nothing drifts.
            value = self.chosen.iter().map(|&at| self.things[at].value).sum();
            at = last + 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn density_is_not_optimal_and_the_search_is() {
        let solution = knapsack(&[60.0, 100.0, 120.0], &[10, 20, 30], 50, SEARCH_LIMIT);
        assert_eq!(solution.rows, [1, 2]);
        assert_eq!(
            (solution.value, solution.upper_bound, solution.is_optimal),
            (220.0, 220.0, true)
        );
    }

    #[test]
    fn edges() {
        let solution =
            knapsack(&[1.0, f64::NAN, -1.0, 2.0, 3.0], &[0, 1, 1, 9, 1], 1, SEARCH_LIMIT);
        assert_eq!(solution.rows, [0, 4]);
        assert!(solution.is_optimal);
        assert_eq!(knapsack(&[], &[], 10, SEARCH_LIMIT).rows, []);
        assert_eq!(knapsack(&[1.0], &[1], 0, SEARCH_LIMIT).rows, []);
        let huge = (1 << 53) - 1;
        assert_eq!(knapsack(&[1.0, 2.0], &[huge, huge], huge, SEARCH_LIMIT).rows, [1]);
    }

    #[test]
    fn a_search_that_is_given_up_says_so() {
        // Even costs, an odd budget, value = cost: the bound cannot tell subsets apart.
        let costs: Vec<u64> = (0..60).map(|at| 1000 + 2 * at).collect();
        let values: Vec<f64> = costs.iter().map(|&cost| cost as f64).collect();
        let solution = knapsack(&values, &costs, 20_001, 1000);
        assert!(!solution.is_optimal);
        assert!(solution.value <= 20_001.0 && solution.upper_bound >= solution.value);
        assert!(solution.upper_bound <= 20_001.0 * (1.0 + 1e-9));
    }
}
