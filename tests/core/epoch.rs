//! Texts from call to call: under the ceiling, going on where they say so, whatever the counter.

use std::cmp::{Ordering, Reverse};
use std::convert::Infallible;

use memory_budget_core::render::epoch::{Held, Policy, Rebuilt, Step, Wanted, next};
use memory_budget_core::render::fit::{Bounds, Claim, Hold};
use memory_budget_core::render::{Apart, Framed, Memory, Order, Source, Template};
use memory_budget_core::tier::Tier;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

fn sources() -> Vec<Source<'static>> {
    vec![
        Source::default(),
        Source { order: Order::Edges, prologue: "", epilogue: "", ..Source::default() },
        Source { headings: ["## {tier}\n"; 4], order: Order::Chronological, ..Source::default() },
        Source { order: Order::Tier, epilogue: "\nend of memories\n", ..Source::default() },
    ]
}

/// Four characters a token, and up to three more where two lines meet: nothing adds up.
fn uneven(text: &str) -> u64 {
    let characters: Vec<u64> = text.chars().map(|it| u64::from(u32::from(it))).collect();
    let joins = characters.windows(3).filter(|window| window[1] == 10);
    let extra: u64 = joins.map(|window| (window[0] * 31 + window[2] * 17) % 4).sum();
    (characters.len() as u64).div_ceil(4) + extra
}

#[derive(Clone, Debug)]
struct Row {
    /// Rows of one kind say the same.
    kind: u8,
    text: String,
    tier: Tier,
    tokens: u64,
    pinned: bool,
}

fn row() -> impl Strategy<Value = Row> {
    let pinned = prop_oneof![15 => Just(false), 1 => Just(true)];
    (0u8..40, "[a-e \n]{0,60}", select(Tier::ALL.to_vec()), 0u64..30, pinned)
        .prop_map(|(kind, text, tier, tokens, pinned)| Row { kind, text, tier, tokens, pinned })
}

/// One call: the scores of all rows, who is gone (if anybody), and the budgets.
#[derive(Clone, Debug)]
struct Asked {
    scores: Vec<f64>,
    gone: Option<usize>,
    budgets: [u64; 4],
}

const ROWS: usize = 24;

fn asked() -> impl Strategy<Value = Asked> {
    let score = prop_oneof![Just(0.5), 0.0..=1.0];
    let gone = prop_oneof![3 => Just(None), 1 => (0..ROWS).prop_map(Some)];
    let budget = || prop_oneof![0u64..200, Just(u64::MAX)];
    (vec(score, ROWS), gone, [budget(), budget(), budget(), budget()])
        .prop_map(|(scores, gone, budgets)| Asked { scores, gone, budgets })
}

/// The rows of a text, in its order, with their frames.
type Members = Vec<(usize, Framed)>;

/// What came of a call.
struct Asking {
    step: Step,
    members: Members,
    held: usize,
    left_behind: Vec<usize>,
}

fn rows_of(members: &Members) -> Vec<usize> {
    let mut rows: Vec<usize> = members.iter().map(|(row, _)| *row).collect();
    rows.sort_unstable();
    rows
}

fn call(
    template: &Template,
    rows: &[Row],
    asked: &Asked,
    ceiling: u64,
    policy: &Policy,
    before: &Members,
) -> Asking {
    let there: Vec<usize> = (0..rows.len()).filter(|row| asked.gone != Some(*row)).collect();
    let frame = |&row: &usize| {
        let Row { text, tier, tokens, .. } = &rows[row];
        let (id, score) = (row.to_string(), asked.scores[row]);
        let memory = Memory { id: &id, text, tier: *tier, score, timestamp: "", tokens: *tokens };
        Framed::new(template, &memory, 0)
    };
    let memories: Vec<_> = there.iter().map(frame).collect();
    let claim = |&row: &usize| {
        let hold = if rows[row].pinned { Hold::Pinned } else { Hold::Free };
        Claim { tokens: rows[row].tokens, hold }
    };
    let claims: Vec<_> = there.iter().map(claim).collect();
    // What repeats a pinned one may not stay, as the bindings see to.
    let is_said = |row: usize| {
        let says_it = |other: &usize| {
            *other != row && rows[*other].pinned && rows[*other].kind == rows[row].kind
        };
        !rows[row].pinned && there.iter().any(says_it)
    };
    let stays = |(row, _): &&(usize, Framed)| there.contains(row) && !is_said(*row);
    let kept: Vec<_> = before.iter().take_while(stays).collect();
    let held = |(row, framed): &&(usize, Framed)| {
        let mut framed = framed.clone();
        framed.key.score = asked.scores[*row];
        let candidate = there.iter().position(|there| there == row);
        let says_it =
            |place: &usize| there[*place] != *row && rows[there[*place]].kind == rows[*row].kind;
        let repeated_by = (0..there.len()).filter(says_it).collect();
        let (tokens, score) = (rows[*row].tokens, asked.scores[*row]);
        Held { framed, tokens, score, candidate, repeated_by }
    };
    let held: Vec<_> = kept.iter().map(held).collect();
    let bounds = Bounds { ceiling, budgets: asked.budgets, floors: [0; 4] };
    let scores: Vec<_> = there.iter().map(|&row| asked.scores[row]).collect();
    let pairs = (0..there.len()).flat_map(|one| (0..one).map(move |other| (one, other)));
    let says_same =
        |(one, other): &(usize, usize)| rows[there[*one]].kind == rows[there[*other]].kind;
    let apart: Apart = pairs.filter(says_same).collect();
    let wanted =
        Wanted { memories: &memories, claims: &claims, scores: &scores, apart: &apart, bounds };
    let is_cut_off = held.len() < before.len();
    let step = next(template, &wanted, &held, is_cut_off, policy, |text| {
        Ok::<_, Infallible>(uneven(text))
    });
    let step = step.unwrap();
    let appended = step.appended.iter().map(|&at| (there[at], memories[at].clone()));
    let members = before[..step.kept].iter().cloned().chain(appended).collect();
    let left_behind = step.left_behind.iter().map(|&at| there[at]).collect();
    Asking { step, members, held: held.len(), left_behind }
}

/// A new text is within the share. Where that has room for none but pinned ones, it holds what goes first under the
/// whole ceiling, if anything does.
fn check_new(
    rows: &[Row],
    asked: &Asked,
    new: &Asking,
    whole: &[usize],
    ceiling: u64,
    fill: f64,
) -> Result<(), TestCaseError> {
    let present = rows_of(&new.members);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // a share of a small count
    let share = (ceiling as f64 * fill) as u64;
    let others = present.iter().filter(|row| !rows[**row].pinned).count();
    let most = if others > 1 { share } else { ceiling };
    let room = if others > 0 { share } else { ceiling };
    prop_assert!(new.step.tokens <= most);
    prop_assert_eq!(new.step.room, room);
    let first = whole.iter().copied().filter(|row| !rows[*row].pinned).reduce(|first, row| {
        let key = |row: usize| (asked.scores[row], Reverse(row));
        if key(row).partial_cmp(&key(first)) == Some(Ordering::Greater) { row } else { first }
    });
    if others == 0 || new.step.tokens > share {
        prop_assert!(first.is_none_or(|first| present.contains(&first)));
    }
    prop_assert!(!present.is_empty() || whole.is_empty());
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn texts_go_on_and_stay_under_their_ceiling(
        source in select(sources()),
        rows in vec(row(), ROWS),
        calls in vec(asked(), 1..6),
        ceiling in 0u64..400,
        fill in prop_oneof![Just(0.85), Just(0.05), Just(0.0), 0.0..=1.0],
        rebuild_share in prop_oneof![Just(0.5), 0.0..=1.0],
    ) {
        let template = Template::parse(&source).unwrap();
        let policy = Policy { fill, rebuild_share };
        let (mut before, mut text) = (Members::new(), String::new());
        for asked in &calls {
            // Every question is asked twice.
            for is_repeated in [false, true] {
                let Asking { step, members, held, left_behind } =
                    call(&template, &rows, asked, ceiling, &policy, &before);
                if step.tokens > ceiling {
                    // The pinned ones alone are too much: the call fails and leaves what was.
                    let pinned = |(row, _): &(usize, Framed)| rows[*row].pinned;
                    prop_assert!(step.kept == 0 && members.iter().all(pinned));
                    break;
                }
                let counted = if step.text.is_empty() { 0 } else { uneven(&step.text) };
                prop_assert_eq!(step.tokens, counted);
                let mut present = rows_of(&members);
                let pinned = (0..ROWS).filter(|row| rows[*row].pinned && asked.gone != Some(*row));
                prop_assert!(pinned.into_iter().all(|row| present.contains(&row)));
                prop_assert!(step.kept == held || step.kept == 0);
                // Of what a new text would hold, what is not in this one, nor said by what was kept, was
                // left behind.
                let new = call(&template, &rows, asked, ceiling, &policy, &Members::new());
                let mut missing = rows_of(&new.members);
                let whole = Policy { fill: 1.0, ..policy };
                let whole = call(&template, &rows, asked, ceiling, &whole, &Members::new());
                check_new(&rows, asked, &new, &rows_of(&whole.members), ceiling, fill)?;
                prop_assert_eq!(step.room, new.step.room);
                let kept = &members[..step.kept];
                let is_said = |row: usize| {
                    kept.iter().any(|(other, _)| rows[*other].kind == rows[row].kind)
                };
                missing.retain(|&row| !present.contains(&row) && !is_said(row));
                let mut told = left_behind;
                told.sort_unstable();
                prop_assert_eq!(told, missing);
                prop_assert!(step.kept > 0 || present == rows_of(&new.members));
                present.dedup();
                prop_assert_eq!(present.len(), members.len());
                let says_same = |&(one, other): &(usize, usize)| {
                    let (first, second) = (&rows[present[one]], &rows[present[other]]);
                    first.kind == second.kind && !(first.pinned && second.pinned)
                };
                let count = present.len();
                let mut pairs = (0..count).flat_map(|one| (0..one).map(move |other| (one, other)));
                prop_assert!(!pairs.any(|pair| says_same(&pair)));
                // The frames of all members, in their order.
                let mut rest = &step.text[..];
                for (_, framed) in &members {
                    let at = rest.find(&framed.text);
                    prop_assert!(at.is_some());
                    rest = &rest[at.unwrap() + framed.text.len()..];
                }
                match step.rebuilt {
                    None => {
                        let beginning = text.strip_suffix(source.epilogue).unwrap_or(&text);
                        prop_assert!(step.text.starts_with(beginning));
                        prop_assert!(step.kept == before.len() && held == before.len());
                    }
                    Some(Rebuilt::First) => prop_assert!(before.is_empty()),
                    Some(Rebuilt::Changed) => prop_assert!(held < before.len()),
                    Some(Rebuilt::Full | Rebuilt::Value) => prop_assert!(step.kept == 0 && held > 0),
                }
                prop_assert!(!is_repeated || before.is_empty() || step.rebuilt.is_none());
                (before, text) = (members, step.text);
            }
        }
    }
}
