//! Templates, escaping, the ceiling and truncation over hostile texts and counters that do not add up.

use std::convert::Infallible;

use memory_budget_core::decay::NO_TIME;
use memory_budget_core::render::fit::{Bounds, Claim, Fitted, Hold, fit, most_recounts};
use memory_budget_core::render::truncate::{Cut, MARK, truncate, truncate_within};
use memory_budget_core::render::{
    Apart, Framed, Memory, Order, Prompt, Source, Template, TemplateError,
};
use memory_budget_core::tier::Tier;
use memory_budget_core::tokens::counter::TokenCounter;
use memory_budget_core::tokens::upper_bound::UpperBound;
use memory_budget_core::tokens::vocabularies::{CL100K_BASE, O200K_BASE};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

/// Templates of every kind: tags, attributes, bullets, headings, brackets, nothing at all.
fn sources() -> Vec<Source<'static>> {
    let plain = Source { prologue: "", epilogue: "", between: "\n", ..Source::default() };
    vec![
        Source::default(),
        Source {
            item: "<memory id=\"{id}\" tier=\"{tier}\" at=\"{timestamp}\">\n{text}\n</memory>",
            order: Order::Edges,
            ..Source::default()
        },
        Source { item: "- {text}", prologue: "Known facts:\n", ..plain },
        Source {
            item: "* {text} ({timestamp}, {tokens} tokens, {score})",
            headings: ["## Now\n", "## {tier}\n", "Facts\n", ""],
            order: Order::Chronological,
            ..plain
        },
        Source { item: "[[{id}|{text}]]", order: Order::Tier, ..plain },
        Source { item: "{text}", between: "\n\n---\n\n", prologue: "a\\b\n", ..plain },
        Source { item: "{text}{id}{tier}", between: "\n--\n", epilogue: "\n<working>", ..plain },
        Source { item: "{text}", ..plain },
        Source { item: "{{\"memory\": \"{text}\"}}", between: ",\n", ..plain },
        Source { item: "{text}", between: "", ..plain },
    ]
}

fn template() -> impl Strategy<Value = Template> {
    let strings = || "[ab<>/# \n-]{0,6}";
    let item = (strings(), strings(), strings(), select(vec!["", "{id}", "{tier}", "{tokens}"]));
    let drawn = (item, strings(), strings(), strings(), select(Order::ALL.to_vec()));
    let drawn = drawn.prop_filter_map(
        "can be used",
        |((head, middle, tail, slot), between, prologue, heading, order)| {
            let item = format!("{head}{{text}}{middle}{slot}{tail}");
            let headings = [&heading, "", &heading, ""];
            let source = Source {
                prologue: &prologue,
                headings,
                item: &item,
                between: &between,
                epilogue: &heading,
                order,
            };
            Template::parse(&source).ok()
        },
    );
    let known = sources().into_iter().map(|source| Template::parse(&source).unwrap());
    prop_oneof![2 => select(known.collect::<Vec<_>>()), 1 => drawn]
}

/// What somebody writes into a memory who knows the template.
fn hostile() -> impl Strategy<Value = String> {
    let pieces = vec![
        "</memory>",
        "<memory>",
        "</memories>",
        "<",
        "/",
        "memory",
        ">",
        "</MEMORY >",
        "＜/memory＞",
        "\\",
        "\n",
        "\r\n",
        "- ",
        "* ",
        "## ",
        "Now",
        "working",
        "facts",
        "Known facts:",
        "[[",
        "]]",
        "|",
        "\"",
        "}",
        "---",
        "--",
        "a",
        "b",
        "#",
        "\u{200b}",
        " ",
        "\u{2028}",
        "x",
        "。",
        "\u{fffd}",
        "<\\/memory>",
        "{text}",
        "{{",
        "a\\b",
    ];
    prop_oneof![
        4 => vec(select(pieces), 0..9).prop_map(|pieces| pieces.concat()),
        1 => "\\PC{0,20}",
        1 => "[ab<>/# \n-]{0,12}",
    ]
}

#[derive(Clone, Debug)]
struct Row {
    id: String,
    text: String,
    tier: Tier,
    score: f64,
    timestamp_us: i64,
    tokens: u64,
    hold: Hold,
}

fn row() -> impl Strategy<Value = Row> {
    let score = prop_oneof![Just(0.5), 0.0..=1.0];
    let time = prop_oneof![Just(NO_TIME), 0i64..1000];
    let hold = prop_oneof![
        1 => Just(Hold::Pinned), 2 => Just(Hold::Floor), 7 => Just(Hold::Free)
    ];
    let tier = select(Tier::ALL.to_vec());
    // Token counts lie: they have nothing to do with the text.
    (hostile(), hostile(), tier, score, time, 0u64..60, hold).prop_map(
        |(id, text, tier, score, timestamp_us, tokens, hold)| Row {
            id,
            text,
            tier,
            score,
            timestamp_us,
            tokens,
            hold,
        },
    )
}

fn framed(template: &Template, rows: &[Row]) -> Vec<Framed> {
    let frame = |row: &Row| {
        let memory = Memory {
            id: &row.id,
            text: &row.text,
            tier: row.tier,
            score: row.score,
            timestamp: "2026-03-01T12:00:00+00:00",
            tokens: row.tokens,
        };
        Framed::new(template, &memory, row.timestamp_us)
    };
    rows.iter().map(frame).collect()
}

/// Four characters a token. At every line break that has neighbours, up to three tokens more or one less
/// than the parts have, and one more for every hundred characters: nothing adds up.
fn uneven(text: &str) -> u64 {
    let characters: Vec<u64> = text.chars().map(|it| u64::from(u32::from(it))).collect();
    let joins = characters.windows(3).filter(|window| window[1] == 10);
    let extra: u64 = joins.map(|window| (window[0] * 31 + window[2] * 17) % 5).sum();
    let length = characters.len() as u64;
    (length.div_ceil(4) + extra + length / 100)
        .saturating_sub(characters.iter().filter(|&&it| it == 10).count() as u64)
}

/// A counter whose counts are sums over characters.
fn additive(text: &str) -> u64 {
    text.chars().map(|it| u64::from(u32::from(it)) % 3).sum()
}

fn fitted(
    template: &Template,
    rows: &[Row],
    apart: &Apart,
    bounds: &Bounds,
    count: fn(&str) -> u64,
) -> (Vec<Framed>, Fitted) {
    let memories = framed(template, rows);
    let claims: Vec<_> =
        rows.iter().map(|row| Claim { tokens: row.tokens, hold: row.hold }).collect();
    let count = |text: &str| Ok::<_, Infallible>(count(text));
    let fitted = fit(template, &memories, &claims, apart, bounds, count);
    (memories, fitted.unwrap())
}

fn bounds() -> impl Strategy<Value = Bounds> {
    let budget = || prop_oneof![0u64..300, Just(u64::MAX)];
    let ceiling = prop_oneof![3 => 0u64..400, 1 => Just(0), 1 => Just(u64::MAX)];
    let floor = || prop_oneof![2 => Just(0u64), 1 => 0u64..100];
    let budgets = [budget(), budget(), budget(), budget()];
    (ceiling, budgets, [floor(), floor(), floor(), floor()])
        .prop_map(|(ceiling, budgets, floors)| Bounds { ceiling, budgets, floors })
}

fn pairs() -> impl Strategy<Value = Vec<(usize, usize)>> {
    vec((0usize..24, 0usize..24), 0..12)
}

/// Those of so many rows.
fn among(pairs: &[(usize, usize)], rows: usize) -> Vec<(usize, usize)> {
    let is_pair = |(one, other): &&(usize, usize)| one != other && *one.max(other) < rows;
    pairs.iter().filter(is_pair).copied().collect()
}

fn without_pins(rows: &mut [Row]) {
    rows.iter_mut().filter(|row| row.hold == Hold::Pinned).for_each(|row| row.hold = Hold::Free);
}

/// The prompt, and the same frames around something that is part of no template.
fn with_and_without_texts(template: &Template, rows: &[Row]) -> (Prompt, Prompt) {
    let harmless = |row: &Row| Row { id: "▒".into(), text: "▒".into(), ..row.clone() };
    let harmless: Vec<_> = rows.iter().map(harmless).collect();
    let assembled =
        |rows: &[Row]| template.assemble(&framed(template, rows), (0..rows.len()).collect());
    (assembled(rows), assembled(&harmless))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn memories_spell_no_part_of_the_frame(template in template(), rows in vec(row(), 1..7)) {
        let (prompt, frames) = with_and_without_texts(&template, &rows);
        let guards = template.guards();
        prop_assert_eq!(&prompt.order, &frames.order);
        prop_assert!(
            guards.spelled(&prompt.text) <= guards.spelled(&frames.text),
            "{}\n--- {:?}", prompt.text, guards.sequences().collect::<Vec<_>>()
        );
    }

    #[test]
    fn the_default_template_can_be_read_back(texts in vec(hostile(), 1..6)) {
        let template = Template::default();
        let row = |text: &String| Row {
            id: String::new(), text: text.clone(), tier: Tier::Rag, score: 0.5, timestamp_us: 0, tokens: 1,
            hold: Hold::Free,
        };
        let rows: Vec<_> = texts.iter().map(row).collect();
        let prompt = template.assemble(&framed(&template, &rows), (0..rows.len()).collect());
        let inner = prompt.text.strip_prefix("<memories>\n").unwrap();
        let inner = inner.strip_suffix("\n</memories>").unwrap();
        let read: Vec<_> = inner
            .split("</memory>\n")
            .map(|item| item.strip_prefix("<memory>").unwrap())
            .map(|text| text.strip_suffix("</memory>").unwrap_or(text))
            .collect();
        prop_assert_eq!(read.len(), texts.len());
        for (read, text) in read.into_iter().zip(&texts) {
            let without_marks = |text: &str| text.replace('\\', "");
            prop_assert_eq!(without_marks(read), without_marks(text));
        }
    }

    #[test]
    fn no_text_is_above_its_ceiling(
        template in template(),
        mut rows in vec(row(), 0..24),
        bounds in bounds(),
        pairs in pairs(),
        pins in any::<bool>(),
    ) {
        if !pins {
            without_pins(&mut rows);
        }
        let pairs = among(&pairs, rows.len());
        let apart = pairs.iter().copied().collect();
        let (memories, fitted) = fitted(&template, &rows, &apart, &bounds, uneven);
        let order = &fitted.prompt.order;
        let is_in = |row: usize| order.contains(&row);
        let pinned: Vec<_> = (0..rows.len()).filter(|&row| rows[row].hold == Hold::Pinned).collect();
        // The count is that of this very text, and holds.
        if order.is_empty() {
            prop_assert_eq!((fitted.prompt.text.as_str(), fitted.tokens), ("", 0));
        } else {
            prop_assert_eq!(fitted.tokens, uneven(&fitted.prompt.text));
        }
        if fitted.tokens > bounds.ceiling {
            prop_assert!(!pinned.is_empty() && order.len() == pinned.len());
        }
        let has_floors = bounds.floors != [0; Tier::COUNT];
        prop_assert!(fitted.recounts <= most_recounts(rows.len(), 3, has_floors));
        // Pins are in, nobody is twice in, and what is in stands in the text.
        prop_assert!(pinned.iter().all(|&row| is_in(row)));
        let mut once = order.clone();
        once.sort_unstable();
        once.dedup();
        prop_assert_eq!(once.len(), order.len());
        let again = template.assemble(&memories, once);
        prop_assert_eq!(&again, &fitted.prompt);
        // Of a pair one is in, unless one is pinned.
        let is_pinned = |row: usize| rows[row].hold == Hold::Pinned;
        for (one, other) in pairs {
            prop_assert!(!(is_in(one) && is_in(other)) || is_pinned(one) || is_pinned(other));
        }
        // Tiers keep their budgets; pins go first.
        for tier in Tier::ALL {
            let used: u64 = order.iter().map(|&row| &rows[row]).filter(|row| row.tier == tier)
                .map(|row| row.tokens).sum();
            let of_pins: u64 = pinned.iter().map(|&row| &rows[row]).filter(|row| row.tier == tier)
                .map(|row| row.tokens).sum();
            prop_assert!(used <= bounds.budgets[tier.index()].max(of_pins));
        }
    }

    /// Who has something that its floor covers is not overtaken by what others have above theirs.
    #[test]
    fn floors_are_honoured_where_there_is_something_that_fits(
        template in template(),
        mut rows in vec(row(), 1..24),
        bounds in bounds(),
    ) {
        for row in &mut rows {
            row.hold = Hold::Free;
        }
        let bounds = Bounds { budgets: bounds.budgets.map(|it| it.max(100)), ..bounds };
        let (memories, fitted) = fitted(&template, &rows, &Apart::default(), &bounds, additive);
        let order = &fitted.prompt.order;
        // What of the text the floors cover, best first.
        let mut covered = Vec::new();
        let (mut used, mut rests) = ([0; Tier::COUNT], bounds.floors);
        let mut best_first = order.clone();
        best_first.sort_by(|&a, &b| rows[b].score.total_cmp(&rows[a].score).then(a.cmp(&b)));
        for row in best_first {
            let (tier, tokens) = (rows[row].tier.index(), rows[row].tokens);
            used[tier] += tokens;
            if 0 < rests[tier] && tokens <= rests[tier] {
                rests[tier] -= tokens;
                covered.push(row);
            }
        }
        for row in (0..rows.len()).filter(|row| !order.contains(row)) {
            let tier = rows[row].tier.index();
            if (1..=bounds.floors[tier]).contains(&(used[tier] + rows[row].tokens)) {
                let text = template.assemble(&memories, [&covered[..], &[row]].concat()).text;
                prop_assert!(additive(&text) > bounds.ceiling, "{row} {:?} {order:?}", rows[row]);
            }
        }
    }

    #[test]
    fn where_counts_add_up_nothing_that_fits_is_left_out(
        template in template(),
        mut rows in vec(row(), 0..24),
        bounds in bounds(),
        pairs in pairs(),
    ) {
        without_pins(&mut rows);
        let pairs = among(&pairs, rows.len());
        let apart = pairs.iter().copied().collect();
        let bounds = Bounds { floors: [0; Tier::COUNT], ..bounds };
        let (memories, fitted) = fitted(&template, &rows, &apart, &bounds, additive);
        prop_assert!(fitted.recounts <= 2, "one for each way to hold a place");
        prop_assert!(fitted.tokens <= bounds.ceiling);
        let order = &fitted.prompt.order;
        for left_out in (0..rows.len()).filter(|row| !order.contains(row)) {
            let more = [&order[..], &[left_out]].concat();
            let text = template.assemble(&memories, more).text;
            let row = &rows[left_out];
            let charged: u64 = order.iter().map(|&it| &rows[it]).filter(|it| it.tier == row.tier)
                .map(|it| it.tokens).sum();
            let kept_from = |(one, other): &(usize, usize)| {
                (*one == left_out && order.contains(other))
                    || (*other == left_out && order.contains(one))
            };
            if pairs.iter().any(kept_from) {
                continue;
            }
            let fits = additive(&text) <= bounds.ceiling
                && charged + row.tokens <= bounds.budgets[row.tier.index()];
            prop_assert!(!fits, "row {left_out} would fit");
            // Nobody is in who should have given way: less firmly held, and as large in every respect.
            for &taken in order {
                let other = &rows[taken];
                let weaker = (other.hold, -other.score) > (row.hold, -row.score);
                let larger = additive(&memories[taken].text) >= additive(&memories[left_out].text)
                    && other.tokens >= row.tokens;
                prop_assert!(!(weaker && larger && other.tier == row.tier));
            }
        }
    }

    #[test]
    fn a_cut_text_fits_and_is_a_beginning(text in hostile(), more in hostile(), limit in 0u64..40) {
        let text = [&text, ". ", &more, "。", &text].concat();
        let cut = truncate(&text, limit, MARK, |text| Ok::<_, Infallible>(uneven(text))).unwrap();
        let Some(cut) = cut else { return Ok(()) };
        prop_assert!(cut.tokens <= limit);
        prop_assert_eq!(uneven(&cut.text), cut.tokens);
        let beginning = cut.text.strip_suffix(MARK).unwrap();
        prop_assert!(text.starts_with(beginning) && beginning.len() < text.len());
    }

    #[test]
    fn what_a_counter_says_of_the_beginning_is_enough_to_cut(
        text in hostile(), more in hostile(), limit in 0u64..40,
    ) {
        let text = [&text, ". ", &more, "。", &text].concat();
        for counter in [&O200K_BASE as &dyn TokenCounter, &CL100K_BASE, &UpperBound] {
            let count = |text: &str| Ok::<_, Infallible>(counter.count(text));
            let fitting = counter.truncate(&text, limit).len();
            let cut = truncate_within(&text, fitting, limit, MARK, count).unwrap();
            if let Some(cut) = &cut {
                prop_assert!(cut.tokens <= limit && cut.tokens == counter.count(&cut.text));
                let beginning = cut.text.strip_suffix(MARK).unwrap();
                prop_assert!(text.starts_with(beginning) && beginning.len() < text.len());
            }
        }
    }
}

#[test]
fn nothing_in_a_frame_that_opens_with_a_line_break_spells_no_part_of_it() {
    let source = Source {
        prologue: "",
        headings: ["<", "", "<", ""],
        item: "\n{text}<{id}",
        between: "",
        epilogue: "<",
        order: Order::Score,
    };
    let template = Template::parse(&source).unwrap();
    let row = Row {
        id: String::new(),
        text: String::new(),
        tier: Tier::Working,
        score: 0.5,
        timestamp_us: NO_TIME,
        tokens: 0,
        hold: Hold::Pinned,
    };
    let (prompt, frames) = with_and_without_texts(&template, &[row]);
    let spelled = |prompt: &Prompt| template.guards().spelled(&prompt.text);
    assert!(spelled(&prompt) <= spelled(&frames), "{}", prompt.text);
}

/// The frame is closed over two values, by line breaks of the first that a reader passes over.
#[test]
fn values_side_by_side_close_no_frame_together() {
    let item = "<memory>{text}{id}</memory>";
    let template = Template::parse(&Source { item, ..Source::default() }).unwrap();
    for (text, id) in [
        ("a </mem", "ory>"),
        ("a </mem\n", "ory>"),
        ("a <\r\n/\u{2028}\u{85}mem\n\n", "ory>"),
        ("<\n/\nm\ne\nm\no\nr\ny\n", ">"),
        ("<\n/\nm\ne\nm\no\nr\ni\ne\ns\n", ">"),
    ] {
        let memory = Memory { id, text, tier: Tier::Rag, score: 0.5, timestamp: "", tokens: 1 };
        let expected = format!("<memory>{text}\\{id}</memory>");
        assert_eq!(template.item(&memory), expected, "{text:?}");
    }
}

#[test]
fn texts_are_cut_at_the_end_of_a_sentence_if_they_can_be() {
    for (text, limit, expected) in [
        ("One is here. Two is there. Three.", 20, Some(("One is here. [...]", Cut::Sentence))),
        (
            "One is here. Two is there. Three.",
            32,
            Some(("One is here. Two is there. [...]", Cut::Sentence)),
        ),
        ("Version 3.14 is out. More.", 26, Some(("Version 3.14 is out. [...]", Cut::Sentence))),
        ("今日は晴れ。明日は雨。", 12, Some(("今日は晴れ。 [...]", Cut::Sentence))),
        ("क्या हाल है। ठीक है।", 19, Some(("क्या हाल है। [...]", Cut::Sentence))),
        ("first line\nsecond line", 20, Some(("first line [...]", Cut::Sentence))),
        ("no end in sight here", 15, Some(("no end in [...]", Cut::Word))),
        ("supercalifragilistic", 12, Some(("superc [...]", Cut::Character))),
        ("anything", 6, None),
    ] {
        let characters = |text: &str| Ok::<_, Infallible>(text.chars().count() as u64);
        let cut = truncate(text, limit, MARK, characters).unwrap();
        let cut = cut.as_ref().map(|cut| (cut.text.as_str(), cut.cut));
        assert_eq!(cut, expected, "{text} to {limit}");
    }
}

#[test]
fn a_long_text_is_counted_in_pieces_of_the_order_of_the_limit() {
    let text = "A sentence that goes on. ".repeat(400_000);
    let (mut counted, mut longest) = (0, 0);
    let cut = truncate(&text, 100, MARK, |text: &str| {
        counted += 1;
        longest = longest.max(text.len());
        Ok::<_, Infallible>(text.len() as u64 / 4)
    });
    let cut = cut.unwrap().unwrap();
    assert_eq!((cut.tokens, cut.cut), (95, Cut::Sentence));
    let limit_and_mark = O200K_BASE.count(&cut.text);
    let fitting = O200K_BASE.truncate(&text, limit_and_mark).len();
    let count = |text: &str| Ok::<_, Infallible>(O200K_BASE.count(text));
    assert_eq!(
        truncate_within(&text, fitting, limit_and_mark, MARK, count).unwrap().unwrap().text,
        cut.text
    );
    assert!(counted < 20 && longest < 2_000, "{counted} counts, the longest of {longest} bytes");
}

#[test]
fn a_counter_that_fails_ends_it() {
    let template = Template::default();
    let memories = vec![];
    let bounds = Bounds { ceiling: 10, budgets: [10; 4], floors: [0; 4] };
    let failed = fit(&template, &memories, &[], &Apart::default(), &bounds, |_| Err("no"));
    assert_eq!(failed, Err("no"));
    assert_eq!(truncate("some text", 3, MARK, |_| Err("no")), Err("no"));
}

#[test]
fn frames_that_any_text_could_close_are_refused() {
    let plain = Source { prologue: "", epilogue: "", between: "\n", ..Source::default() };
    let refused = |source: Source<'_>| Template::parse(&source).unwrap_err();
    for item in ["[{text}]", "'{text}' {id}", "{text} end"] {
        let error = refused(Source { item, ..plain });
        assert!(matches!(error, TemplateError::WeakEnd { .. }), "{item}");
    }
    let error = refused(Source { item: "{text}", between: " ", epilogue: "</memories>", ..plain });
    assert!(matches!(error, TemplateError::WeakSeparator { .. }));
    for item in ["{text} ({id})", "- {text}", "[[{text}]]", "[\n{text}\n]", "{text} by {id}"] {
        assert!(Template::parse(&Source { item, ..plain }).is_ok(), "{item}");
    }
}

#[test]
fn what_is_guarded_can_be_looked_at() {
    let guarded = |source: Source<'_>| -> Vec<String> {
        Template::parse(&source).unwrap().guards().sequences().collect()
    };
    let expected = ["</memories>", "</memory>", "<memories>", "<memory>"];
    assert_eq!(guarded(Source::default()), expected);
    let plain = Source { prologue: "", epilogue: "", between: "\n", ..Source::default() };
    assert_eq!(guarded(Source { item: "- {text}", ..plain }), ["\n-"]);
    assert!(guarded(Source { item: "{text}", ..plain }).is_empty());
}
