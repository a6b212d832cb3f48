//! The steps under a ceiling, each by a case that only this step decides.

use std::convert::Infallible;

use memory_budget_core::decay::NO_TIME;
use memory_budget_core::render::fit::{Bounds, Claim, Fitted, Hold, fit, most_recounts};
use memory_budget_core::render::{Apart, Framed, Memory, Source, Template};
use memory_budget_core::tier::Tier;

/// A memory: its text, its tier, what it claims and its score.
type Row<'a> = (&'a str, Tier, u64, f64);

const A: Tier = Tier::Working;
const B: Tier = Tier::Project;
const C: Tier = Tier::LongTerm;
const D: Tier = Tier::Rag;

const TEN: &str = "aaaaaaaaaa";
const DOUBLE: &str = "aaaaaaaaaaaaaaaaaaaaa";

/// One character before each text: ten of a text are eleven of the whole.
fn template() -> Template {
    let bare = Source { prologue: "=", epilogue: "", between: "+", ..Source::default() };
    Template::parse(&Source { item: "{text}", ..bare }).unwrap()
}

fn fitted(
    rows: &[Row<'_>],
    apart: &Apart,
    bounds: &Bounds,
    count: impl Fn(&str) -> usize,
) -> Fitted {
    fitted_by(&vec![Hold::Free; rows.len()], rows, apart, bounds, count)
}

fn fitted_by(
    holds: &[Hold],
    rows: &[Row<'_>],
    apart: &Apart,
    bounds: &Bounds,
    count: impl Fn(&str) -> usize,
) -> Fitted {
    let template = template();
    let frame = |&(text, tier, tokens, score): &Row<'_>| {
        let memory = Memory { id: "", text, tier, score, timestamp: "", tokens };
        Framed::new(&template, &memory, NO_TIME)
    };
    let memories: Vec<_> = rows.iter().map(frame).collect();
    let claims = holds.iter().zip(rows).map(|(&hold, row)| Claim { tokens: row.2, hold });
    let claims: Vec<_> = claims.collect();
    let count = |text: &str| Ok::<_, Infallible>(count(text) as u64);
    fit(&template, &memories, &claims, apart, bounds, count).unwrap()
}

/// A counter whose parts do not tell: with anything around it, a text with a `d` is far too long.
fn without_telling(text: &str) -> usize {
    let is_whole = text.starts_with('=');
    text.len() + if is_whole && text.contains('d') { 1000 } else { 0 }
}

/// Whom a text of so many times eleven characters holds, in input order.
fn held(rows: &[Row<'_>], ceiling: u64, floors: [u64; Tier::COUNT]) -> Vec<usize> {
    let bounds = Bounds { ceiling: 11 * ceiling, budgets: [100; Tier::COUNT], floors };
    in_input_order(fitted(rows, &Apart::default(), &bounds, str::len))
}

fn in_input_order(fitted: Fitted) -> Vec<usize> {
    let mut rows = fitted.prompt.order;
    rows.sort_unstable();
    rows
}

#[test]
fn the_whole_is_counted_seldom_however_small_the_excess() {
    let rows = [("x", D, 1, 0.5); 200];
    // Whatever is evicted, the text is one token too long, until there is one memory left.
    let count = |text: &str| if text.len() > 2 { 401 } else { text.len() };
    let bounds = Bounds { ceiling: 400, budgets: [200; Tier::COUNT], floors: [0; Tier::COUNT] };
    let fitted = fitted(&rows, &Apart::default(), &bounds, count);
    assert_eq!((fitted.prompt.order.len(), fitted.tokens), (1, 2));
    let most = most_recounts(rows.len(), 1, false);
    assert!(fitted.recounts <= most, "{} counts, and {most} are the most", fitted.recounts);
}

/// Who is evicted for a raised memory may leave its tier below its floor: the next round is for that.
#[test]
fn floors_are_filled_in_three_rounds() {
    let rows = [
        (TEN, A, 5, 0.1),
        (TEN, B, 20, 0.7),
        (TEN, B, 5, 0.1),
        (TEN, C, 20, 0.8),
        (TEN, C, 5, 0.1),
        (DOUBLE, D, 20, 0.9),
        (TEN, D, 5, 0.1),
    ];
    assert_eq!(held(&rows, 4, [0; 4]), [1, 3, 5]);
    assert_eq!(held(&rows, 4, [12, 0, 0, 0]), [0, 3, 5]);
    assert_eq!(held(&rows, 4, [12, 12, 0, 0]), [0, 2, 5]);
    assert_eq!(held(&rows, 4, [12, 12, 12, 0]), [0, 2, 3, 4]);
    // A fourth would give the last tier its own.
    assert_eq!(held(&rows, 4, [12; 4]), [0, 2, 3, 4]);
}

/// Of two that say the same one is raised, and the other takes no round from those who need all three.
#[test]
fn what_is_raised_already_is_not_raised_in_other_words() {
    let rows = [
        (TEN, A, 5, 0.3),
        (TEN, A, 5, 0.2),
        (TEN, A, 5, 0.1),
        (TEN, B, 20, 0.6),
        (TEN, B, 20, 0.7),
        (TEN, B, 5, 0.1),
        (TEN, C, 20, 0.8),
        (TEN, C, 5, 0.1),
        (DOUBLE, D, 20, 0.9),
    ];
    let apart = [(0, 1)].into_iter().collect();
    let bounds = Bounds { ceiling: 55, budgets: [100; 4], floors: [12, 12, 12, 0] };
    assert_eq!(in_input_order(fitted(&rows, &apart, &bounds, str::len)), [0, 2, 5, 6, 7]);
}

/// What does not fit, raised or not, leaves the floor to what does.
#[test]
fn what_was_raised_in_vain_is_not_raised_again() {
    let rows = [("dddddddddd", A, 8, 0.5), (TEN, A, 8, 0.4), (TEN, B, 8, 0.9), (TEN, B, 8, 0.8)];
    let bounds = Bounds { ceiling: 22, budgets: [100; 4], floors: [12, 0, 0, 0] };
    assert_eq!(in_input_order(fitted(&rows, &Apart::default(), &bounds, without_telling)), [1, 2]);
}

/// With three memories the text has all the tokens there are, and none too many.
#[test]
fn no_more_is_evicted_than_has_to_be() {
    let rows = [(TEN, A, 1, 0.9), (TEN, A, 1, 0.8), (TEN, A, 1, 0.7), (TEN, A, 1, 0.6)];
    let bounds = Bounds { ceiling: 44, budgets: [100; 4], floors: [0; 4] };
    let count = |text: &str| match text.len() / 11 {
        4 => 54,
        3 => 44,
        _ => text.len(),
    };
    assert_eq!(in_input_order(fitted(&rows, &Apart::default(), &bounds, count)), [0, 1, 2]);
}

/// Three batches are tried, and what was evicted in vain is in none of them.
#[test]
fn refilling_goes_on_without_what_failed() {
    let long = ("dddddddddd", A, 8, 0.5);
    let short = (TEN, A, 8, 0.1);
    let bounds = Bounds { ceiling: 100, budgets: [100; 4], floors: [0; 4] };
    let held = |rows: &[Row<'_>]| {
        in_input_order(fitted(rows, &Apart::default(), &bounds, without_telling))
    };
    assert_eq!(held(&[long, long, long, short]), [3]);
    assert!(held(&[long, long, long, long, short]).is_empty());
}

/// Of two that would have room beside each other, one is raised: it leaves room for what a floor holds already.
#[test]
fn no_more_is_raised_than_fits_beside_what_floors_hold() {
    let rows = [
        (DOUBLE, D, 5, 0.9),
        ("aaaaaaaaaaaaaaa", A, 5, 0.5),
        ("aaaaaaaaaaaaaaa", B, 5, 0.4),
        (TEN, C, 5, 0.2),
    ];
    assert_eq!(held(&rows, 3, [0; 4]), [0, 3]);
    assert_eq!(held(&rows, 3, [5, 5, 5, 0]), [1, 3]);
}

#[test]
fn what_costs_nothing_is_no_part_of_a_floor() {
    let rows = [(TEN, A, 0, 0.1), (TEN, B, 5, 0.9), (TEN, B, 5, 0.8)];
    for floors in [[0; 4], [12, 0, 0, 0], [0, 0, 0, 12]] {
        assert_eq!(held(&rows, 2, floors), [1, 2]);
    }
    // It is not kept for a floor either.
    let rows = [(TEN, A, 5, 0.1), (TEN, B, 0, 0.9)];
    assert_eq!(held(&rows, 1, [12, 0, 0, 0]), [0]);
}

/// So many are raised in vain that nothing else is tried: the text before it stands.
#[test]
fn a_round_in_vain_changes_nothing() {
    let long = ("d", A, 5, 0.5);
    let rows = [long, long, long, long, (TEN, B, 5, 0.9), (TEN, B, 5, 0.8)];
    let bounds = Bounds { ceiling: 22, budgets: [100; 4], floors: [20, 0, 0, 0] };
    let fitted = fitted(&rows, &Apart::default(), &bounds, without_telling);
    assert_eq!(in_input_order(fitted), [4, 5]);
}

/// Nor does who is raised beside it have to wait for the next round.
#[test]
fn who_is_raised_beside_one_in_vain_is_in() {
    let rows = [
        (TEN, A, 5, 0.1),
        (TEN, B, 20, 0.7),
        (TEN, B, 5, 0.1),
        (TEN, C, 20, 0.8),
        (TEN, C, 5, 0.1),
        (DOUBLE, D, 20, 0.9),
        ("d", A, 5, 0.2),
    ];
    let bounds = Bounds { ceiling: 46, budgets: [100; 4], floors: [12, 12, 12, 0] };
    let fitted = fitted(&rows, &Apart::default(), &bounds, without_telling);
    assert_eq!(in_input_order(fitted), [0, 2, 3, 4]);
}

/// For what it is beside others, one stays in the text; a floor is for the best.
#[test]
fn the_best_is_raised_however_firmly_others_hold_their_places() {
    let rows = [(TEN, A, 5, 0.1), (TEN, A, 5, 0.2), (TEN, B, 5, 0.9), (TEN, B, 5, 0.8)];
    let holds = [Hold::Chosen, Hold::Free, Hold::Chosen, Hold::Chosen];
    let bounds = Bounds { ceiling: 22, budgets: [100; 4], floors: [5, 0, 0, 0] };
    let fitted = fitted_by(&holds, &rows, &Apart::default(), &bounds, str::len);
    assert_eq!(in_input_order(fitted), [1, 2]);
}

/// A floor may be above the budget, where the rest of a tier was given to others.
#[test]
fn no_floor_is_raised_beyond_its_budget() {
    let rows = [
        (DOUBLE, A, 11, 0.9),
        (DOUBLE, A, 11, 0.9),
        (DOUBLE, A, 11, 0.9),
        (TEN, A, 5, 0.1),
        (TEN, B, 5, 0.8),
        (TEN, B, 5, 0.7),
    ];
    let bounds = Bounds { ceiling: 22, budgets: [10, 100, 0, 0], floors: [40, 0, 0, 0] };
    assert_eq!(in_input_order(fitted(&rows, &Apart::default(), &bounds, str::len)), [3, 4]);
}

/// Of a pair, the better one stays, whatever the floor of the other.
#[test]
fn what_a_text_says_already_is_not_raised() {
    let rows = [(TEN, A, 5, 0.1), (TEN, B, 5, 0.9), (TEN, B, 5, 0.8)];
    let bounds = Bounds { ceiling: 22, budgets: [100; 4], floors: [12, 0, 0, 0] };
    for (pairs, expected) in [(vec![], [0, 1]), (vec![(0, 2)], [1, 2])] {
        let apart = pairs.into_iter().collect();
        assert_eq!(in_input_order(fitted(&rows, &apart, &bounds, str::len)), expected);
    }
}
