//! Tokens of whole texts by what their parts have, without writing them.
//!
//! Counters add up at [walls](is_wall). Where a template lets every memory begin at one, a text has the tokens of its
//! beginning and, per memory, those of its frame and of what follows it up to the next frame: one number each, which
//! is counted once.

use super::assemble::Framed;
use super::order::{Key, Order, arrange, to_the_edges};
use super::template::Template;
use crate::tier::Tier;
use crate::tokens::walls::is_wall;

/// What follows a frame: what stands between two, that and the heading of a tier, or the end.
const FOLLOWING: usize = Tier::COUNT + 2;
const END: usize = FOLLOWING - 1;

const NOT_COUNTED: u64 = u64::MAX;

/// The memories that texts may hold, by number: the order of numbers decides ties.
pub(crate) struct Joined<'a> {
    template: &'a Template,
    tiers: Vec<Tier>,
    /// The numbers in the order of a text that holds them all, best first where the edges come first; and the
    /// place of each number in it.
    in_order: Vec<u32>,
    place_of: Vec<u32>,
    /// Tokens of each frame with what follows it.
    with_following: Vec<[u64; FOLLOWING]>,
    /// Tokens of the beginning, without and with the heading of a tier.
    beginnings: [u64; Tier::COUNT + 1],
    /// What is in the text, by place.
    is_in: Vec<bool>,
    text: Vec<u32>,
}

impl<'a> Joined<'a> {
    /// None where a memory may begin elsewhere than at a wall.
    #[expect(clippy::cast_possible_truncation)] // no more numbers than rows
    pub fn new(template: &'a Template, keys: &[Key]) -> Option<Self> {
        if !joins_at_walls(template) {
            return None;
        }
        let mut in_order: Vec<usize> = (0..keys.len()).collect();
        let order = if template.order == Order::Edges { Order::Score } else { template.order };
        arrange(&mut in_order, order, template.is_grouped(), |number| keys[number]);
        let mut place_of = vec![0; keys.len()];
        for (place, &number) in in_order.iter().enumerate() {
            place_of[number] = place as u32;
        }
        Some(Self {
            template,
            tiers: keys.iter().map(|key| key.tier).collect(),
            in_order: in_order.into_iter().map(|number| number as u32).collect(),
            place_of,
            with_following: vec![[NOT_COUNTED; FOLLOWING]; keys.len()],
            beginnings: [NOT_COUNTED; Tier::COUNT + 1],
            is_in: vec![false; keys.len()],
            text: Vec::new(),
        })
    }

    /// Tokens of the text of those memories by a `count` that adds up at walls. `frame` gives a memory in its frame.
    pub fn whole<'f, E>(
        &mut self,
        numbers: impl Iterator<Item = u32>,
        frame: impl Fn(u32) -> &'f Framed,
        mut count: impl FnMut(&str) -> Result<u64, E>,
    ) -> Result<u64, E> {
        self.put_in_order(numbers);
        let text = std::mem::take(&mut self.text);
        let whole = self.count_in_order(&text, frame, &mut count);
        self.text = text;
        whole
    }

    fn put_in_order(&mut self, numbers: impl Iterator<Item = u32>) {
        let (mut first, mut last) = (usize::MAX, 0);
        for number in numbers {
            let place = self.place_of[number as usize] as usize;
            self.is_in[place] = true;
            (first, last) = (first.min(place), last.max(place));
        }
        self.text.clear();
        for place in first..=last {
            if std::mem::take(&mut self.is_in[place]) {
                self.text.push(self.in_order[place]);
            }
        }
        if self.template.order == Order::Edges {
            let tiers = &self.tiers;
            let is_grouped = self.template.is_grouped();
            let is_together = |&one: &u32, &other: &u32| {
                !is_grouped || tiers[one as usize] == tiers[other as usize]
            };
            self.text.chunk_by_mut(is_together).for_each(to_the_edges);
        }
    }

    fn count_in_order<'f, E>(
        &mut self,
        text: &[u32],
        frame: impl Fn(u32) -> &'f Framed,
        count: &mut impl FnMut(&str) -> Result<u64, E>,
    ) -> Result<u64, E> {
        let Some(&first) = text.first() else { return Ok(0) };
        let is_grouped = self.template.is_grouped();
        let heading = |tier: Tier| if is_grouped { 1 + tier.index() } else { 0 };
        let mut tier = self.tiers[first as usize];
        let beginning = heading(tier);
        if self.beginnings[beginning] == NOT_COUNTED {
            let before = [&self.template.prologue, heading_of(self.template, beginning)].concat();
            self.beginnings[beginning] = if before.is_empty() { 0 } else { count(&before)? };
        }
        let mut tokens = self.beginnings[beginning];
        for (at, &number) in text.iter().enumerate() {
            let following = match text.get(at + 1) {
                None => END,
                Some(&next) if self.tiers[next as usize] == tier => 0,
                Some(&next) => {
                    tier = self.tiers[next as usize];
                    heading(tier)
                }
            };
            let known = self.with_following[number as usize][following];
            let counted = if known == NOT_COUNTED {
                let own = &frame(number).text;
                let counted = count(&[own, &*following_of(self.template, following)].concat())?;
                self.with_following[number as usize][following] = counted;
                counted
            } else {
                known
            };
            tokens = tokens.saturating_add(counted);
        }
        Ok(tokens)
    }
}

/// The heading of a tier, by what follows a frame or the beginning.
fn heading_of(template: &Template, following: usize) -> &str {
    following.checked_sub(1).map_or("", |tier| &template.headings[tier])
}

fn following_of(template: &Template, following: usize) -> String {
    if following == END {
        return template.epilogue.clone();
    }
    [&template.between, heading_of(template, following)].concat()
}

/// Whether every memory begins at a wall, whoever stands before it.
fn joins_at_walls(template: &Template) -> bool {
    let Some(first) = template.first_of_item() else { return false };
    let followings = if template.is_grouped() { 0..END } else { 0..1 };
    followings.into_iter().all(|following| {
        let beginning = [&template.prologue, heading_of(template, following)].concat();
        let behind = following_of(template, following);
        let before = behind.bytes().next_back().or(template.last_of_item());
        before.is_some_and(|before| is_wall(before, first))
            && beginning.bytes().next_back().is_none_or(|before| is_wall(before, first))
    })
}

#[cfg(test)]
mod tests {
    use super::super::template::{Memory, Source};
    use super::*;
    use crate::tokens::counter::TokenCounter;
    use crate::tokens::upper_bound::UpperBound;
    use crate::tokens::vocabularies::{CL100K_BASE, O200K_BASE};
    use proptest::prelude::*;

    fn template(item: &str, between: &str, headings: bool, order: Order) -> Template {
        let headings = if headings { ["", "# {tier}\n", "Rag:\n", "#\n"] } else { [""; 4] };
        Template::parse(&Source { headings, item, between, order, ..Source::default() }).unwrap()
    }

    fn framed(template: &Template, tier: usize, text: &str, score: u8) -> Framed {
        let memory = Memory {
            id: "m",
            text,
            tier: Tier::ALL[tier],
            score: score.into(),
            timestamp: "",
            tokens: 1,
        };
        Framed::new(template, &memory, i64::from(score / 2))
    }

    proptest! {
        #[test]
        fn sums_are_counts_of_whole_texts(
            texts in prop::collection::vec((0..4_usize, r"[a-c /\n.1é中]{0,12}", 0..4_u8), 1..12),
            subsets in prop::collection::vec(any::<u16>(), 1..5),
            item in prop::sample::select(vec!["<memory>{text}</memory>", "- {text}\n", "[{id}] {text}//"]),
            between in prop::sample::select(vec!["\n", "\n\n", " \n---\n"]),
            headings: bool,
            order in prop::sample::select(Order::ALL.to_vec()),
        ) {
            let template = template(item, between, headings, order);
            let frames: Vec<Framed> = texts
                .iter()
                .map(|(tier, text, score)| framed(&template, *tier, text, *score))
                .collect();
            let keys: Vec<Key> = frames.iter().map(|framed| framed.key).collect();
            let counters: [&dyn TokenCounter; 3] = [&CL100K_BASE, &O200K_BASE, &UpperBound];
            for counter in counters {
                let mut joined = Joined::new(&template, &keys).unwrap();
                for subset in &subsets {
                    let rows: Vec<usize> =
                        (0..frames.len()).filter(|row| subset >> row & 1 == 1).collect();
                    #[expect(clippy::cast_possible_truncation)]
                    let numbers = rows.iter().rev().map(|&row| row as u32);
                    let count = |text: &str| Ok::<_, ()>(counter.count(text));
                    let whole = joined.whole(numbers, |at| &frames[at as usize], count).unwrap();
                    let text = template.assemble(&frames, rows).text;
                    prop_assert_eq!(whole, counter.count(&text), "{}", text);
                }
            }
        }
    }

    #[test]
    fn memories_that_may_begin_elsewhere_are_not_joined() {
        let keys = [Key { tier: Tier::Rag, score: 1.0, timestamp_us: 0 }];
        for (item, between) in
            [("{text}\n", "\n"), ("<m>{text}</m>", " "), ("/{text}//", "\n"), ("<m>{text}</m>", "")]
        {
            let template = template(item, between, false, Order::Score);
            assert!(Joined::new(&template, &keys).is_none(), "{item:?} {between:?}");
        }
    }
}
