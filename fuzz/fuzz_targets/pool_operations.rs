//! A pool beside a plain map, through any operations: equal after each, and snapshots never change.
#![no_main]

use std::collections::BTreeMap;
use std::sync::Arc;

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use memory_budget_core::complexity::Level;
use memory_budget_core::pool::{Cells, Cost, Entry, Key, Pool, Query, Row, Snapshot};
use memory_budget_core::settings::Settings;
use memory_budget_core::tier::Tier;
use memory_budget_fuzz::{AnySettings, Candidate, compare, count, time};

#[derive(Clone, Copy, Debug, PartialEq)]
struct Id(u8);

impl Key for Id {
    fn hash(&self) -> u64 {
        u64::from(self.0 % 5) << 58
    }

    fn is_same(&self, other: &Self) -> bool {
        self == other
    }
}

#[derive(Arbitrary, Debug)]
struct Numbers {
    tier: u8,
    relevance: f64,
    importance: f64,
    timestamp_us: i64,
    cost: u64,
    is_text: bool,
    user: u32,
    mark: bool,
    extra: Option<u16>,
}

#[derive(Arbitrary, Debug)]
enum Operation {
    Put(u8, Numbers),
    PutMany(u8, u8, Numbers),
    Change(u8, Numbers),
    Remove(u8),
    Count(u8, i64),
    Promote(u8, f64),
    Compact,
    Clear,
    Keep,
    Plan(AnySettings, i64),
}

#[derive(Clone, Debug, PartialEq)]
struct Kept {
    row: Row,
    extra: Option<u16>,
    count: u64,
    last_us: Option<i64>,
    promotion: u64,
}

type Rows = Pool<Id, u16>;
/// By row number: the order of rows is that of their arrival.
type Model = BTreeMap<u32, (u8, Kept)>;

fn row(it: &Numbers) -> Row {
    let number = count(it.cost);
    Row {
        tier: Tier::ALL[usize::from(it.tier) % 4],
        relevance: it.relevance,
        importance: it.importance,
        timestamp_us: time(it.timestamp_us),
        cost: if it.is_text { Cost::CodePoints(number) } else { Cost::Tokens(number) },
        user: it.user,
        pinned: false,
        evergreen: false,
        mark: it.mark,
    }
}

fn same(left: &Row, right: &Row) -> bool {
    let bits = |row: &Row| [row.relevance, row.importance].map(f64::to_bits);
    let rest = |row: &Row| Row { relevance: 0.0, importance: 0.0, ..*row };
    bits(left) == bits(right) && rest(left) == rest(right)
}

fn put(pool: &Rows, model: &mut Model, ids: &[u8], numbers: &Numbers) {
    let numbers_of_row = row(numbers);
    let rows = pool.change(|draft| {
        let entry = |id| Entry {
            row: numbers_of_row,
            payload: Id(id),
            extra: numbers.extra,
            cells: Cells::default(),
        };
        ids.iter().map(|id| draft.put(entry(*id))).collect::<Vec<_>>()
    });
    for (number, id) in rows.into_iter().zip(ids) {
        let before = model.remove(&number).map(|it| it.1);
        let blank =
            Kept { row: numbers_of_row, extra: None, count: 0, last_us: None, promotion: 0 };
        let kept = before.unwrap_or(blank);
        model.insert(number, (*id, Kept { row: numbers_of_row, extra: numbers.extra, ..kept }));
    }
}

fn check(snapshot: &Snapshot<Id, u16>, model: &Model, with_cells: bool) {
    assert_eq!(snapshot.len(), model.len());
    for number in (0..).take(snapshot.rows()) {
        let Some((id, kept)) = model.get(&number) else {
            assert!(snapshot.row(number).is_none() && snapshot.payload(number).is_none());
            continue;
        };
        assert_eq!(snapshot.payload(number), Some(&Id(*id)));
        assert_eq!(snapshot.extra(number), kept.extra.as_ref());
        assert!(same(&snapshot.row(number).unwrap(), &kept.row));
        if with_cells {
            let access = snapshot.access(number).expect("current rows have their cells");
            assert_eq!(access.count, kept.count);
            assert_eq!((access.count > 0).then_some(access.last_us), kept.last_us);
            assert_eq!(snapshot.promotion(number).to_bits(), kept.promotion);
        }
    }
}

fn plan(snapshot: &Snapshot<Id, u16>, model: &Model, settings: &Settings, now_us: i64) {
    let candidates: Vec<_> = model
        .iter()
        .map(|(number, (_, it))| Candidate {
            row: *number,
            tier: it.row.tier,
            relevance: it.row.relevance,
            importance: it.row.importance,
            timestamp_us: it.row.timestamp_us,
            tokens: it.row.cost.tokens(settings.tokens_per_char),
        })
        .collect();
    for sort_below in [0, usize::MAX] {
        let query = Query { sort_below, ..Query::new(settings, Level::Complex, now_us) };
        let planned = query.plan(snapshot).expect("no limits").plan;
        compare(&planned, &candidates, settings, Level::Complex, now_us);
    }
}

fuzz_target!(|operations: Vec<Operation>| {
    let pool = Rows::new();
    let mut model = Model::new();
    let mut kept: Vec<(Arc<Snapshot<Id, u16>>, Model)> = Vec::new();
    for operation in operations {
        let find = |id: u8| {
            pool.look_up(|rows| rows.find(Id(id).hash(), |it| it.0 == id)).inspect(|number| {
                assert_eq!(model[number].0, id, "the index finds what is there");
            })
        };
        match operation {
            Operation::Put(id, numbers) => put(&pool, &mut model, &[id], &numbers),
            Operation::PutMany(first, more, numbers) => {
                let ids: Vec<u8> = (first..=first.saturating_add(more % 32)).collect();
                put(&pool, &mut model, &ids, &numbers);
            }
            Operation::Change(id, numbers) => {
                let Some(number) = find(id) else { continue };
                pool.change(|draft| draft.set_row(number, &row(&numbers)));
                model.get_mut(&number).unwrap().1.row = row(&numbers);
            }
            Operation::Remove(id) => {
                let Some(number) = find(id) else { continue };
                pool.change(|draft| draft.remove(number));
                model.remove(&number);
            }
            Operation::Count(id, at) => {
                let Some(number) = find(id) else { continue };
                let counted = pool.snapshot().count_access(number, time(at)).unwrap();
                let it = &mut model.get_mut(&number).unwrap().1;
                (it.count, it.last_us) = (it.count + 1, Some(time(at)));
                assert_eq!(counted, it.count);
            }
            Operation::Promote(id, score) => {
                let Some(number) = find(id) else { continue };
                pool.snapshot().set_promotion(number, score);
                model.get_mut(&number).unwrap().1.promotion = score.to_bits();
            }
            Operation::Compact => {
                let former = pool.compact();
                assert!(former.iter().eq(model.keys()));
                model = (0..).zip(std::mem::take(&mut model).into_values()).collect();
            }
            Operation::Clear => {
                pool.clear();
                model.clear();
            }
            Operation::Keep => kept.push((pool.snapshot(), model.clone())),
            Operation::Plan(settings, now_us) => {
                let settings = settings.settings();
                if settings.check().is_ok() {
                    plan(&pool.snapshot(), &model, &settings, time(now_us));
                }
            }
        }
        check(&pool.snapshot(), &model, true);
    }
    for (snapshot, model) in kept {
        check(&snapshot, &model, false);
    }
});
