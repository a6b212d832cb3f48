//! From any memories, limits and template to the text that reaches the model: budgets within limits, selection,
//! the rendered text under its ceiling, by counters that are exact, that bound, that add up, and that do not.
#![no_main]

use std::convert::Infallible;

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use memory_budget_core::budget::tier_budgets_within;
use memory_budget_core::candidates::Candidates;
use memory_budget_core::complexity::Level;
use memory_budget_core::error::Error;
use memory_budget_core::limits::{Amount, Limits, SpillOver};
use memory_budget_core::plan::{Plan, Selected, plan_within};
use memory_budget_core::render::fit::{
    Bounds, Claim, FLOOR_ROUNDS, Fitted, Hold, fit, most_recounts,
};
use memory_budget_core::render::{Apart, Framed, Memory, Order, Source, Template};
use memory_budget_core::settings::Settings;
use memory_budget_core::tier::Tier;
use memory_budget_core::tokens::counter::TokenCounter;
use memory_budget_core::tokens::upper_bound::UpperBound;
use memory_budget_core::tokens::vocabularies::{CL100K_BASE, O200K_BASE};
use memory_budget_fuzz::{count, time};

#[derive(Arbitrary, Debug)]
struct Note<'a> {
    text: &'a str,
    id: &'a str,
    /// Its tier, and above that how firmly it holds its place if it is not pinned.
    tier: u8,
    relevance: u64,
    importance: u64,
    created: i64,
    /// What it claims to cost; 0 for what the counter says.
    claimed: u8,
    pinned: bool,
}

#[derive(Arbitrary, Debug)]
struct Frame<'a> {
    prologue: &'a str,
    heading: &'a str,
    item: &'a str,
    between: &'a str,
    epilogue: &'a str,
    order: u8,
    own: bool,
}

#[derive(Arbitrary, Debug)]
struct Case<'a> {
    frame: Frame<'a>,
    counter: u8,
    total: u16,
    multiplier: u8,
    shares: [u8; 4],
    floors: [Option<u8>; 4],
    caps: [Option<u8>; 4],
    floors_are_shares: bool,
    spill_over: Option<bool>,
    /// The minimum score, and above that what share of all that is wanted the ceiling has room for.
    minimum: u8,
    available: u16,
    now_us: i64,
    notes: Vec<Note<'a>>,
}

/// A token for four characters, and at line breaks up to three more than the parts have, or one less.
fn uneven(text: &str) -> u64 {
    let (mut tokens, mut characters, mut previous) = (0, 0, 0);
    for character in text.chars().map(u32::from) {
        characters += 1;
        if character == 10 {
            tokens += u64::from(previous * 31 % 4);
        } else if previous == 10 {
            tokens += u64::from(character * 17 % 2);
        }
        previous = character % 1000;
    }
    tokens + u64::div_ceil(characters, 4) + characters / 100
}

/// A sum over characters: the parts of a text have what the whole has.
fn additive(text: &str) -> u64 {
    text.chars().map(|it| u64::from(u32::from(it)) % 3).sum()
}

fn is_additive(counter: u8) -> bool {
    counter / 4 % 2 == 1
}

fn tokens_of(counter: u8, text: &str) -> u64 {
    if is_additive(counter) {
        return additive(text);
    }
    match counter % 4 {
        0 => O200K_BASE.count(text),
        1 => CL100K_BASE.count(text),
        2 => UpperBound.count(text),
        _ => uneven(text),
    }
}

fn template(frame: &Frame<'_>) -> Template {
    let item = format!("{}{{text}}{{id}}", frame.item.replace(['{', '}'], ""));
    let escaped = |part: &str| part.replace('{', "{{").replace('}', "}}");
    let (prologue, between) = (escaped(frame.prologue), escaped(frame.between));
    let (epilogue, heading) = (escaped(frame.epilogue), escaped(frame.heading));
    let own = Source {
        prologue: &prologue,
        headings: [&heading, "", &heading, ""],
        item: &item,
        between: &between,
        epilogue: &epilogue,
        order: Order::ALL[usize::from(frame.order) % Order::ALL.len()],
    };
    // Many frames could be closed by any text and are refused.
    frame.own.then(|| Template::parse(&own).ok()).flatten().unwrap_or_default()
}

fn limits(case: &Case<'_>) -> Limits {
    let amount = |given: Option<u8>| {
        given.map(|given| {
            if case.floors_are_shares {
                Amount::Share(f64::from(given) / 255.0)
            } else {
                Amount::Tokens(given.into())
            }
        })
    };
    Limits {
        floors: case.floors.map(amount),
        caps: case.caps.map(amount),
        available: Some(case.available.into()),
        spill_over: case
            .spill_over
            .map(|by_tier| if by_tier { SpillOver::ByTier } else { SpillOver::ByScore }),
        minimum_score: f64::from(case.minimum % 8) / 16.0,
        ..Limits::NONE
    }
}

/// What a plan within limits promises, whatever comes of its text.
fn check_plan(plan: &Plan, pinned: &[u32], ceiling: u64) {
    let mut once: Vec<_> = plan.selected.iter().map(|selected| selected.index).collect();
    once.sort_unstable();
    once.dedup();
    assert_eq!(once.len(), plan.selected.len(), "nothing is selected twice");
    assert!(pinned.iter().all(|row| once.binary_search(row).is_ok()), "pinned memories are in");
    assert!(plan.tiers.iter().all(|tier| tier.used <= tier.budget));
    assert!(plan.total_tokens() <= ceiling);
}

/// Of a text within its ceiling, by a counter that adds up: nothing that the rest of its tier's floor covers
/// is left out for what others have above theirs.
fn check_floors(
    template: &Template,
    framed: &[Framed],
    claims: &[Claim],
    bounds: &Bounds,
    fitted: &Fitted,
) {
    let order = &fitted.prompt.order;
    let mut firmest_first = order.clone();
    firmest_first.sort_by(|&a, &b| {
        let by_score = framed[b].key.score.total_cmp(&framed[a].key.score);
        claims[a].hold.cmp(&claims[b].hold).then(by_score).then(a.cmp(&b))
    });
    let mut covered = Vec::new();
    let (mut used, mut rests) = ([0; 4], bounds.floors);
    for row in firmest_first {
        let (tier, tokens) = (framed[row].key.tier.index(), claims[row].tokens);
        used[tier] += tokens;
        if claims[row].hold <= Hold::Floor || 0 < rests[tier] && tokens <= rests[tier] {
            rests[tier] = rests[tier].saturating_sub(tokens);
            covered.push(row);
        }
    }
    for row in (0..framed.len()).filter(|row| !order.contains(row)) {
        let tier = framed[row].key.tier.index();
        let floor = bounds.floors[tier].min(bounds.budgets[tier]);
        if (1..=floor).contains(&(used[tier] + claims[row].tokens)) {
            let text = template.assemble(framed, [&covered[..], &[row]].concat()).text;
            assert!(additive(&text) > bounds.ceiling, "{row} was overtaken");
        }
    }
}

fuzz_target!(|case: Case| {
    let notes = &case.notes[..case.notes.len().min(24)];
    let tokens: Vec<u64> = notes
        .iter()
        .map(|note| match note.claimed {
            0 => count(tokens_of(case.counter, note.text)),
            claimed => claimed.into(),
        })
        .collect();
    let tier: Vec<_> = notes.iter().map(|it| Tier::ALL[usize::from(it.tier) % 4]).collect();
    let relevance: Vec<_> = notes.iter().map(|it| f64::from_bits(it.relevance)).collect();
    let importance: Vec<_> = notes.iter().map(|it| f64::from_bits(it.importance)).collect();
    let times: Vec<_> = notes.iter().map(|it| time(it.created)).collect();
    let pinned: Vec<_> = (0..).zip(notes).filter(|(_, it)| it.pinned).map(|(row, _)| row).collect();
    let candidates = Candidates::new(&tier, &relevance, &importance, &times, &tokens)
        .expect("columns of one length")
        .with_pinned(&pinned);
    let settings = Settings {
        max_total_tokens: case.total.into(),
        shares: case.shares.map(|share| f64::from(share) / 255.0),
        multipliers: [f64::from(case.multiplier) / 16.0; 4],
        ..Settings::default()
    };
    let (limits, ceiling) = (limits(&case), u64::from(case.available));
    let planned = plan_within(&candidates, &settings, &limits, Level::Medium, time(case.now_us));
    let plan = match planned {
        Ok((plan, _)) => plan,
        Err(Error::PinnedOverflow { needed, budget, .. }) => {
            assert!(needed > budget && !pinned.is_empty());
            return;
        }
        Err(Error::FloorsAboveAvailable { floors, available }) => {
            assert!(floors > available);
            return;
        }
        Err(Error::FloorAboveCap { floor, cap, .. }) => return assert!(floor > cap),
        Err(other) => panic!("{other}"),
    };
    check_plan(&plan, &pinned, ceiling);
    let bounds = tier_budgets_within(&settings, Level::Medium, &limits).expect("as just planned");
    assert!(bounds.budgets.iter().sum::<u64>() <= ceiling);
    assert!(bounds.budgets.iter().zip(bounds.floors).all(|(budget, floor)| *budget >= floor));

    let template = template(&case.frame);
    let frame = |row: usize, tokens: u64, score: f64| {
        let note = &notes[row];
        let memory = Memory {
            id: note.id,
            text: note.text,
            tier: tier[row],
            score,
            timestamp: "2026-03-01T12:00:00+00:00",
            tokens,
        };
        Framed::new(&template, &memory, times[row])
    };
    // Those who move up are what twice the tokens would select.
    let doubled = Settings { max_total_tokens: 2 * settings.max_total_tokens, ..settings.clone() };
    let wider = Limits { available: limits.available.map(|it| 2 * it), ..limits };
    let wider = plan_within(&candidates, &doubled, &wider, Level::Medium, time(case.now_us));
    let is_new = |it: &Selected| !plan.selected.iter().any(|one| one.index == it.index);
    let more = wider.into_iter().flat_map(|(wider, _)| wider.selected).filter(is_new);
    let memories: Vec<_> = plan.selected.iter().copied().chain(more).collect();
    let framed: Vec<_> =
        memories.iter().map(|it| frame(it.index as usize, it.tokens, it.combined)).collect();
    let hold = |it: &Selected| match notes[it.index as usize].tier / 4 % 4 {
        _ if it.pinned => Hold::Pinned,
        0 => Hold::Floor,
        1 => Hold::Chosen,
        _ => Hold::Free,
    };
    let claims: Vec<_> =
        memories.iter().map(|it| Claim { tokens: it.tokens, hold: hold(it) }).collect();
    let budgets = plan.tiers.each_ref().map(|tier| tier.budget);
    let count = |text: &str| Ok::<_, Infallible>(tokens_of(case.counter, text));
    let (apart, floors) = (Apart::default(), bounds.floors);
    // A ceiling that changes something, mostly.
    let all = template.assemble(&framed, (0..framed.len()).collect()).text;
    let share = u64::from(case.minimum / 8) + 1;
    let ceiling = ceiling.min(tokens_of(case.counter, &all) * share / 32);
    let bounds = Bounds { ceiling, budgets, floors };
    let fitted = fit(&template, &framed, &claims, &apart, &bounds, count);
    let fitted = fitted.unwrap_or_else(|never| match never {});
    let order = &fitted.prompt.order;
    if order.is_empty() {
        assert_eq!((fitted.prompt.text.as_str(), fitted.tokens), ("", 0));
    } else {
        assert_eq!(fitted.tokens, tokens_of(case.counter, &fitted.prompt.text));
    }
    if fitted.tokens > ceiling {
        // The binding refuses this text: pinned memories alone exceed the ceiling.
        assert!(order.iter().all(|&row| memories[row].pinned) && !order.is_empty());
    } else if is_additive(case.counter) && fitted.recounts <= FLOOR_ROUNDS {
        // Each round counts one text; the last one changed nothing.
        check_floors(&template, &framed, &claims, &bounds, &fitted);
    }
    assert!(fitted.recounts <= most_recounts(framed.len(), 3, floors != [0; 4]));
    // Ties keep the input order.
    let mut rows = order.clone();
    rows.sort_unstable();
    assert_eq!(template.assemble(&framed, rows), fitted.prompt);
});
